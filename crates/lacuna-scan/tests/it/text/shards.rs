//! All records of a shard, and what a splitter makes of any text.

use std::io;

use lacuna_scan::text::{CsvLayout, Piece, PieceKind, Splitter, TextFormat, records};
use lacuna_scan::{Error, Limits, Record};
use proptest::prelude::*;

use super::{gzip, path};

#[test]
fn records_come_with_their_rows() {
    let stored = gzip(b"{\"a\":1}\nbroken\n\n {\"b\":2} \r\n");
    let mut seen = Vec::new();
    let summary = records(&mut &stored[..], &TextFormat::Ndjson, &Limits::default(), &mut |row, record| {
        let Record::Json(text) = record else { panic!("{record:?}") };
        seen.push((row, String::from_utf8(text.to_vec()).unwrap()));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, [(0, "{\"a\":1}".to_owned()), (2, "{\"b\":2}".to_owned())]);
    assert_eq!((summary.rows, summary.poisoned.count), (2, 1));

    let mut seen = Vec::new();
    let format = TextFormat::Csv(CsvLayout::default());
    records(&mut &b"x,y\n1,\"2\"\n"[..], &format, &Limits::default(), &mut |row, record| {
        let Record::Csv { names, values } = record else { panic!("{record:?}") };
        seen.push((row, names.to_vec(), values.to_vec()));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, [(0, vec!["x".to_owned(), "y".to_owned()], vec!["1".to_owned(), "2".to_owned()])]);
}

#[test]
fn errors_of_both_ends_are_told_apart() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let limits = Limits::default();
    let read = records(&mut Broken, &TextFormat::Ndjson, &limits, &mut |_, _| Ok(()));
    assert!(matches!(read, Err(Error::Read(_))), "{read:?}");
    let written =
        records(&mut &b"{}"[..], &TextFormat::Ndjson, &limits, &mut |_, _| Err(io::ErrorKind::StorageFull.into()));
    assert!(matches!(written, Err(Error::Sink(_))), "{written:?}");
}

fn format() -> impl Strategy<Value = TextFormat> {
    prop_oneof![
        Just(TextFormat::Ndjson),
        Just(TextFormat::Document { records: path("[]") }),
        Just(TextFormat::Csv(CsvLayout::default())),
    ]
}

/// Splits `text` in steps that end where `cuts` say.
fn split(format: &TextFormat, text: &[u8], cuts: &[usize]) -> Result<Vec<Piece>, Error> {
    let mut splitter = Splitter::new(format, &Limits::default()).unwrap();
    let (mut all, mut start) = (Vec::new(), 0);
    for &cut in cuts.iter().chain([&text.len()]) {
        let cut = cut.clamp(start, text.len());
        let mut pieces = Vec::new();
        let whole = splitter.split(&text[start..cut], start as u64, cut == text.len(), &mut pieces)?;
        all.extend(pieces.iter().map(|piece| Piece { start: piece.start + start, end: piece.end + start, ..*piece }));
        start += whole;
        if cut == text.len() {
            break;
        }
    }
    assert_eq!(start, text.len());
    Ok(all)
}

proptest! {
    /// Pieces cover every byte in order, and where the text is cut for the splitter makes no difference to records.
    #[test]
    fn pieces_cover_everything(
        format in format(),
        text in r#"[ \n]{4100}(\[|\]|\{"a":1\}|,|"b"|\n|\r\n|\{\}|7|"|x| ){0,20}"#,
        mut cuts in prop::collection::vec(4096..4300_usize, 0..6),
    ) {
        cuts.sort_unstable();
        let whole = split(&format, text.as_bytes(), &[]);
        let parts = split(&format, text.as_bytes(), &cuts);
        let (Ok(whole), Ok(parts)) = (&whole, &parts) else {
            prop_assert!(whole.is_err() && parts.is_err(), "{:?} {:?}", whole, parts);
            return Ok(());
        };
        let mut end = 0;
        for piece in parts {
            prop_assert_eq!(piece.start, end);
            prop_assert!(piece.end > piece.start);
            end = piece.end;
        }
        prop_assert_eq!(end, text.len());
        let only_records = |pieces: &[Piece]| -> Vec<Piece> {
            pieces.iter().filter(|piece| matches!(piece.kind, PieceKind::Record { .. })).copied().collect()
        };
        prop_assert_eq!(only_records(whole), only_records(parts));
    }
}
