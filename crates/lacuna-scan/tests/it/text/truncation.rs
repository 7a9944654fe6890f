//! A shard that was cut off never passes for a whole one, and pieces of any size give the same answer.

use lacuna_scan::Error;
use proptest::prelude::*;

use super::{Answer, Query, gzip, lz4, skippable, zstd};

const NDJSON: &str = "{\"id\":\"a\",\"x\":[1,{\"y\":null}]}\r\n\n{\"id\":\"b\"}\n{\"id\":\"a\",\"t\":\"é\\u0041\"}\n";
const DOCUMENT: &str =
    "{\"v\": 1.5, \"Records\": [ {\"id\":\"a\",\"x\":[1,\"é\"]},\n {\"id\":\"b\"} ],\"w\":[true,\"\\n\"]}";
const CSV: &str = "id,\"x\ny\"\r\na,\"1\"\"2\"\n\"b\",3\na,\"é\"\n";

fn queries() -> [(Query, &'static str); 3] {
    [
        (Query::ndjson("id", &["a"]), NDJSON),
        (Query::document("Records[]", "id", &["a"]), DOCUMENT),
        (Query::csv("id", &["a"]), CSV),
    ]
}

fn is_silent(answer: &Result<Answer, Error>) -> bool {
    matches!(answer, Ok(answer) if answer.poisoned == 0)
}

#[test]
fn compressed_shards_that_are_cut_off_are_noticed() {
    for (query, text) in queries() {
        for pack in [gzip as fn(&[u8]) -> Vec<u8>, zstd, lz4] {
            let stored = pack(text.as_bytes());
            assert!(is_silent(&query.run(&stored)));
            for end in 1..stored.len() {
                let answer = query.run(&stored[..end]);
                assert!(matches!(answer, Err(Error::Truncated { .. })), "{end} bytes: {answer:?}");
            }
        }
        let stored = [zstd(text.as_bytes()), skippable(b"behind")].concat();
        for end in stored.len() - 13..stored.len() {
            assert!(!is_silent(&query.run(&stored[..end])));
        }
    }
}

#[test]
fn plain_shards_that_are_cut_off_are_noticed() {
    let [(ndjson, _), (document, _), (csv, _)] = queries();
    for end in 1..NDJSON.len() {
        // Where a line ends, nothing tells that more should follow.
        let is_whole =
            NDJSON.as_bytes()[..end].ends_with(b"\n") || NDJSON.as_bytes()[..end].trim_ascii().ends_with(b"}");
        let answer = ndjson.run(&NDJSON.as_bytes()[..end]);
        assert!(!is_silent(&answer) || is_whole, "{end} bytes: {answer:?}");
    }
    for end in 0..DOCUMENT.len() {
        let answer = document.run(&DOCUMENT.as_bytes()[..end]);
        assert!(answer.is_err(), "{end} bytes: {answer:?}");
    }
    for end in 0..CSV.len() {
        // A row with all its fields may end anywhere in the last one, unless a quote is open there.
        let text = &CSV.as_bytes()[..end];
        let is_row = matches!(text.last(), Some(b'\n' | b'\r' | b'"' | b',' | b'3')) && end > 8;
        // So may the header, once it has the column.
        let is_whole = is_row || matches!(text, b"" | b"id" | b"id," | b"id,\"x\ny\"");
        let answer = csv.run(text);
        assert!(!is_silent(&answer) || is_whole, "{end} bytes {:?}: {answer:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn small_pieces_give_the_same() {
    for (mut query, text) in queries() {
        for stored in [text.as_bytes().to_vec(), gzip(text.as_bytes()), zstd(text.as_bytes()), lz4(text.as_bytes())] {
            query.piece = usize::MAX;
            let expected = query.run(&stored).unwrap();
            assert_eq!(
                expected.found.len(),
                if matches!(query.format, lacuna_scan::text::TextFormat::Document { .. }) { 1 } else { 2 }
            );
            for piece in 1..20 {
                query.piece = piece;
                assert_eq!(query.run(&stored).unwrap(), expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Records, blank lines and broken lines over many blocks: the answer is one, whatever the pieces and the compression.
    #[test]
    fn pieces_and_compression_change_nothing(
        lines in prop::collection::vec((0..6_u8, 1..3000_usize), 1..1500),
        sizes in prop::collection::vec(1..200_000_usize, 1..20),
    ) {
        let mut text = String::new();
        for (kind, length) in lines {
            text.push_str(&match kind {
                0 => "\n".to_owned(),
                1 => "{broken\n".to_owned(),
                2 => format!("{{\"pad\":\"{}\",\"id\":\"a\"}}\r\n", "é".repeat(length)),
                _ => format!("{{\"id\":{length}}}\n"),
            });
        }
        let query = Query::ndjson("id", &["a", "7", "42"]);
        let expected = query.run(text.as_bytes()).unwrap();
        let stored = match sizes.len() % 4 {
            0 => text.into_bytes(),
            1 => text.as_bytes().chunks(sizes[0]).flat_map(gzip).collect(),
            2 => text.as_bytes().chunks(sizes[0]).flat_map(zstd).collect(),
            _ => text.as_bytes().chunks(sizes[0]).flat_map(lz4).collect::<Vec<u8>>(),
        };
        for piece in sizes {
            prop_assert!(Query::ndjson("id", &["a", "7", "42"]).pieces_of(piece).run(&stored).unwrap() == expected);
        }
    }

    /// Bytes of any kind end in an answer or an error.
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), magic in 0..5_usize) {
        let magics: [&[u8]; 5] =
            [b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18\x64\x40\xa7", b"\x28\xb5\x2f\xfd\x20\x09"];
        let stored = [magics[magic], &bytes].concat();
        for (query, _) in queries() {
            let _ = query.run(&stored);
        }
    }
}
