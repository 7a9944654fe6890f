//! CSV: rows, fields, header.

use lacuna_scan::text::csv::Fields;
use lacuna_scan::text::{CsvLayout, PieceKind, Quotes, Splitter, TextFormat};
use lacuna_scan::{Error, Limits};
use proptest::prelude::*;

use super::{Query, gzip};

fn rows(text: &str, wanted: &str) -> Vec<u64> {
    let answer = Query::csv("id", &[wanted]).run(text.as_bytes()).unwrap();
    assert_eq!(answer.poisoned, 0, "{:?}", answer.first_poison);
    answer.found_rows()
}

#[test]
fn rows_end_as_they_like() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("\u{feff}name,id{end}x,a{end}{end}\"y{end}z\",b{end}\"\",\"a\"");
        assert_eq!(rows(&text, "a"), [0, 2], "{end:?}");
        assert_eq!(rows(&format!("{text}{end}"), "a"), [0, 2], "{end:?}");
    }
}

/// As when writers append to a shard, each with a byte order mark of its own.
#[test]
fn a_byte_order_mark_is_no_value_wherever_a_row_begins() {
    let format = TextFormat::Csv(CsvLayout { header: Some(vec!["id".into(), "x".into()]), ..CsvLayout::default() });
    let text = "\u{feff}a,1\n\u{feff}a,2\n\u{feff}\u{feff}\"a\",\u{feff}\n\u{feff}\n\u{feff}b,a\n\u{feff}";
    for bytes in 1..8 {
        let answer = Query::new(format.clone(), "id", &["a"]).pieces_of(bytes).run(text.as_bytes()).unwrap();
        assert_eq!((answer.rows, answer.poisoned, answer.found_rows()), (4, 0, vec![0, 1, 2]));
    }
    let members = [gzip("\u{feff}id\na\n".as_bytes()), gzip("\u{feff}a\n".as_bytes())].concat();
    assert_eq!(Query::csv("id", &["a"]).run(&members).unwrap().found_rows(), [0, 1]);
}

#[test]
fn quotes_are_read() {
    let text = "id,x\n\"a \"\"b\"\", c\",1\n\"a\nb\",2\na \"b\", 3\n \"a\",4\n";
    assert_eq!(rows(text, "a \"b\", c"), [0]);
    assert_eq!(rows(text, "a\nb"), [1]);
    assert_eq!(rows(text, "a \"b\""), [2]);
    assert_eq!(rows(text, " \"a\""), [3]);
}

#[test]
fn the_record_keeps_names_and_values() {
    let answer = Query::csv("id", &["a"]).run(b"id,\"full \"\"name\"\"\"\na,\"x,\ny\"\n").unwrap();
    assert_eq!(answer.found[0].2, r#"["id", "full \"name\""] ["a", "x,\ny"]"#);
}

#[test]
fn any_of_two_equal_names_counts() {
    assert_eq!(rows("id,x,id\na,1,b\nb,1,a\nb,a,b\n", "a"), [0, 1]);
}

#[test]
fn names_with_dots_are_meant_as_written_or_in_quotes() {
    let text = b"\"user.id\",x\na,1\n";
    assert_eq!(Query::csv("user.id", &["a"]).run(text).unwrap().found_rows(), [0]);
    assert_eq!(Query::csv("\"user.id\"", &["a"]).run(text).unwrap().found_rows(), [0]);
}

#[test]
fn a_missing_column_is_an_error_when_it_matters() {
    let result = Query::csv("id", &["a"]).run(b"ID,x\na,1\n");
    assert!(matches!(result, Err(Error::MissingColumn { .. })), "{result:?}");
    let padded = Query::csv("id", &["a"]).run(b"x, id\n1, a\n").unwrap_err().to_string();
    assert!(padded.contains("white space around it"), "{padded}");
    let mut query = Query::csv("id", &["a"]);
    query.tenant = Some("org");
    assert!(matches!(query.run(b"id\na\n"), Err(Error::MissingColumn { .. })));
    // Nobody is looked for.
    assert_eq!(Query::csv("id", &[]).run(b"ID\na\n").unwrap().rows, 1);
}

#[test]
fn header_and_delimiter_can_be_given() {
    let layout = CsvLayout { delimiter: b';', header: Some(vec!["x".into(), "id".into()]), ..CsvLayout::default() };
    let query = Query::new(TextFormat::Csv(layout), "id", &["a"]);
    assert_eq!(query.run(b"1,2;a\nid;a\n").unwrap().found_rows(), [0, 1]);
    assert_eq!(query.run(b"").unwrap().rows, 0);
    for delimiter in [b'"', b'\n', 0xe4] {
        let layout = CsvLayout { delimiter, ..CsvLayout::default() };
        assert!(Query::new(TextFormat::Csv(layout), "id", &["a"]).run(b"id\n").is_err());
    }
}

#[test]
fn uneven_rows_poison_only_themselves() {
    let answer = Query::csv("id", &["a"]).run(b"id,x\n\"a\n\",1\na\na,1,2\na,1\n\"a\"b,1\na,1").unwrap();
    assert_eq!((answer.rows, answer.poisoned, answer.found_rows()), (3, 3, vec![3, 5]));
    assert_eq!(answer.first_poison.as_deref(), Some("line 4: has 1 field where the header has 2"));
}

#[test]
fn other_encodings_are_named() {
    let mut utf16 = vec![0xff, 0xfe];
    "id,x\na,1\n".encode_utf16().for_each(|unit| utf16.extend(unit.to_le_bytes()));
    let latin_row = b"id,x\na,1\n\"b\n\",2\nM\xfcller,1\n";
    let latin_header = b"id,gr\xf6\xdfe\na,1\n";
    for (bytes, word) in [(&utf16[..], "UTF-16"), (latin_row, "line 5"), (latin_header, "header")] {
        match Query::csv("id", &["a"]).run(bytes) {
            Err(Error::WrongFormat { reason, .. }) => assert!(reason.contains(word), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_open_quote_is_a_truncation() {
    for text in ["id,x\na,1\n\"b,2\n", "\"id"] {
        let result = Query::csv("id", &["a"]).run(text.as_bytes());
        assert!(matches!(result, Err(Error::Truncated { .. })), "{text}: {result:?}");
    }
}

#[test]
fn quotes_can_be_ordinary() {
    let layout = CsvLayout { delimiter: b'\t', quotes: Quotes::Ordinary, header: None };
    let query = Query::new(TextFormat::Csv(layout), "id", &["a", "\"a\""]);
    let answer = query.run(b"id\tua\na\t\"x\r\nb\ty\n\"a\"\t\"\"z\ra\t\"\nc\t\"").unwrap();
    assert_eq!((answer.rows, answer.poisoned, answer.found_rows()), (5, 0, vec![0, 2, 3]));
    let records: Vec<_> = answer.found.iter().map(|found| found.2.rsplit_once(" [").unwrap().1).collect();
    assert_eq!(records, [r#""a", "\"x"]"#, r#""\"a\"", "\"\"z"]"#, r#""a", "\""]"#]);
}

#[test]
fn lines_that_a_stray_quote_swallows_are_no_record() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("\u{feff}id,ua,x{end}a,\"b,1{end}b,c,2{end}c,d\",3{end}a,b,1");
        let header = format!("id,\"ua,x{end}a,b,1{end}a,c\",2{end}");
        for (text, first) in [(text, 2), (header, 1)] {
            let result = Query::csv("id", &["a"]).run(text.as_bytes());
            let Err(Error::StrayQuote { line, lines }) = result else { panic!("{text:?}: {result:?}") };
            assert_eq!((line, lines), (first, 3), "{text:?}");
        }
    }
    let trusting = |text: &str, quotes| {
        let query = Query::new(TextFormat::Csv(CsvLayout { quotes, ..CsvLayout::default() }), "id", &["a"]);
        query.run(text.as_bytes()).unwrap().rows
    };
    let text = "id,ua\na,\"b\nb,c\nc,d\"\n";
    assert_eq!((trusting(text, Quotes::Enclosing), trusting(text, Quotes::Ordinary)), (1, 3));
}

#[test]
fn text_of_many_lines_is_a_value() {
    for value in [
        "Dear Ann,\nthank you, and all others.\nYours, Bob",
        "one\ntwo\nthree",
        "a,b\nc,d,e\nf",
        "a,b\n\nc,d,e\nf,g",
        "a,b\nc,d",
        "a\tb\tc\nd\te\tf\ng\th\ti",
        "{\n  \"\"a\"\": 1,\n  \"\"b\"\": 2,\n  \"\"c\"\": 3\n}",
    ] {
        let text = format!("id,text,x\na,\"{value}\",1\nb,c,2\n");
        assert_eq!(rows(&text, "a"), [0], "{text}");
        assert_eq!(rows(&text, "b"), [1], "{text}");
    }
    // With one column, every line is a record's.
    assert_eq!(rows("id\n\"a\nb\nc\"\na\n", "a"), [1]);
}

#[test]
fn blanks_before_quotes_go_with_trim() {
    let text = b"x,id\n1, \"a\"\n2,\t\"a\" \n3, a\n4,\"a\"\n5, \"\"\"a\"\"\"\n6, \"a\n7, \"b\"\n8, \" a \"\n";
    let mut query = Query::csv("id", &["a"]);
    let rows = |query: &Query| {
        let answer = query.run(text).unwrap();
        assert_eq!((answer.rows, answer.poisoned), (8, 0), "{:?}", answer.first_poison);
        answer.found_rows()
    };
    assert_eq!(rows(&query), [3]);
    query.trim = true;
    assert_eq!(rows(&query), [0, 1, 2, 3, 7]);
    query.wanted = vec!["\"a\"".into()];
    assert_eq!(rows(&query), [0, 1, 4], "the value with its quotes, as without `trim`");
    query.format = TextFormat::Csv(CsvLayout { quotes: Quotes::Ordinary, ..CsvLayout::default() });
    query.wanted = vec!["a".into()];
    assert_eq!(rows(&query), [2]);

    // What the quotes should have held together is no record, and told.
    query.format = TextFormat::Csv(CsvLayout::default());
    for row in ["1, \"a,b\"", "1, \"a\nb\"", "1,\"a\" ", "\"1\" ,a"] {
        let answer = query.run(format!("x,id\n2,a\n{row}\n").as_bytes()).unwrap();
        assert!(answer.poisoned > 0 && answer.rows == 1 + u64::from(row == "1, \"a\nb\""), "{row}: {answer:?}");
    }
}

#[test]
fn integers_that_became_floats_are_found() {
    assert_eq!(rows("id,x\n12345.0,a\n\"1.2345e4\",b\n12345,c\n12345.5,d\n,e\n", "12345"), [0, 1, 2]);
    let mut query = Query::csv("id", &["a"]);
    query.tenant = Some("org");
    assert_eq!(query.run(b"id,org\na,t\na,7.0\n").unwrap().found_rows(), [0]);
}

#[test]
fn a_shard_without_rows_is_searched() {
    for text in ["", "\u{feff}", "\n", "id", "x,\"id\"", "\u{feff}id\r\n"] {
        for stored in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
            let answer = Query::csv("id", &["a"]).run(&stored).unwrap();
            assert_eq!((answer.rows, answer.poisoned), (0, 0), "{text:?}");
        }
    }
    for text in ["i", "ID,x", "x\n"] {
        let result = Query::csv("id", &["a"]).run(text.as_bytes());
        assert!(matches!(result, Err(Error::MissingColumn { .. })), "{text}: {result:?}");
    }
}

#[test]
fn limits_refuse() {
    let mut query = Query::csv("id", &["a"]);
    query.limits = Limits { record_bytes_max: 1000, columns_max: 10, ..Limits::default() };
    let long = format!("id\n\"{}\"\n", "x\n".repeat(600));
    assert!(matches!(query.run(long.as_bytes()), Err(Error::Limit { setting: "record_bytes_max", .. })));
    assert!(matches!(query.run(b"id,,,,,,,,,,,\n"), Err(Error::Limit { setting: "columns_max", .. })));
}

/// The rows of `text`, or none where one is malformed.
fn read(text: &[u8]) -> Option<Vec<Vec<Vec<u8>>>> {
    let layout = CsvLayout { header: Some(Vec::new()), ..CsvLayout::default() };
    let mut splitter = Splitter::new(&TextFormat::Csv(layout.clone()), &Limits::default()).unwrap();
    let mut pieces = Vec::new();
    assert_eq!(splitter.split(text, 0, true, &mut pieces).ok()?, text.len());
    let mut end = 0;
    for piece in &pieces {
        assert_eq!(piece.start, end, "pieces cover every byte");
        end = piece.end;
    }
    assert_eq!(end, text.len());
    let records = pieces.iter().filter(|piece| matches!(piece.kind, PieceKind::Record { .. }));
    records
        .map(|piece| {
            let fields = Fields::new(&text[piece.start..piece.end], &layout);
            fields.map(|field| Some(field.ok()?.value().into_owned())).collect()
        })
        .collect()
}

proptest! {
    /// What is well formed reads as the `csv` crate reads it.
    #[test]
    fn agrees_with_the_csv_crate(text in r#"([ab]|"|""|,|\n|\r\n|\r){0,24}"#) {
        let Some(rows) = read(text.as_bytes()) else { return Ok(()) };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let expected: Vec<Vec<Vec<u8>>> =
            reader.byte_records().map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect()).collect();
        prop_assert_eq!(rows, expected, "{:?}", text);
    }

    /// What the `csv` crate writes is read back.
    #[test]
    fn reads_what_is_written(rows in prop::collection::vec(prop::collection::vec("[a,\"\n\r é]{0,6}", 2..5), 0..8)) {
        let mut writer = csv::WriterBuilder::new().has_headers(false).flexible(true).from_writer(Vec::new());
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let text = writer.into_inner().unwrap();
        let expected: Vec<Vec<Vec<u8>>> =
            rows.iter().map(|row| row.iter().map(|value| value.clone().into_bytes()).collect()).collect();
        prop_assert_eq!(read(&text), Some(expected));
    }
}
