//! Rows go with their ends, the header stays.

use lacuna_erase::{Change, Error};
use lacuna_scan::text::{CsvLayout, Quotes, TextFormat};

use super::{anonymize, csv_format, delete, rewrite};

const TEXT: &str = "\u{feff}id,\"full\nname\",mail\r\na,\"x\r\ny\",1\r\n\n\"b\",\"q\"\"q\",2\ntoo,few\nc,,\"3\"";

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn rows_go_whole() {
    let format = csv_format();
    assert_eq!(text(delete(TEXT.as_bytes(), &format, &[]).unwrap()), TEXT);
    assert_eq!(
        text(delete(TEXT.as_bytes(), &format, &[0]).unwrap()),
        "\u{feff}id,\"full\nname\",mail\r\n\n\"b\",\"q\"\"q\",2\ntoo,few\nc,,\"3\""
    );
    assert_eq!(
        text(delete(TEXT.as_bytes(), &format, &[1, 3]).unwrap()),
        "\u{feff}id,\"full\nname\",mail\r\na,\"x\r\ny\",1\r\n\ntoo,few\n"
    );
    assert_eq!(text(delete(b"id\r\na\r\n", &format, &[0]).unwrap()), "id\r\n");
}

#[test]
fn anonymous_fields_are_empty() {
    assert_eq!(
        text(anonymize(TEXT.as_bytes(), &csv_format(), &[0, 1, 3], &["id", "\"full\nname\"", "absent"])),
        "\u{feff}id,\"full\nname\",mail\r\n,,1\r\n\n,,2\ntoo,few\n,,\"3\""
    );
    let format = TextFormat::Csv(CsvLayout {
        delimiter: b';',
        header: Some(vec!["id".into(), "id".into()]),
        ..CsvLayout::default()
    });
    assert_eq!(text(anonymize(b"a;\"b;\"\nc;d", &format, &[0], &["id"])), ";\nc;d");
}

#[test]
fn an_only_field_stays_a_row() {
    assert_eq!(text(anonymize(b"id\na\nb\n", &csv_format(), &[1], &["id"])), "id\na\n\"\"\n");
}

#[test]
fn ordinary_quotes_hold_no_lines_together() {
    let format = unquoted();
    let text_of = "id,ua\nb,\"x\nc,y\"\n\"b\",z\n";
    assert_eq!(text(delete(text_of.as_bytes(), &format, &[0]).unwrap()), "id,ua\nc,y\"\n\"b\",z\n");
    assert_eq!(text(anonymize(text_of.as_bytes(), &format, &[0, 2], &["ua"])), "id,ua\nb,\nc,y\"\n\"b\",\n");
}

#[test]
fn an_only_field_cannot_be_empty_without_quotes() {
    let paths = ["id".parse().unwrap()];
    let refused = rewrite(b"id\na\nb\n", &unquoted(), &[1], Change::Anonymize(&paths), true);
    assert!(matches!(&refused, Err(Error::Unfaithful(why)) if why.contains("quotes")), "{refused:?}");
}

fn unquoted() -> TextFormat {
    TextFormat::Csv(CsvLayout { quotes: Quotes::Ordinary, ..CsvLayout::default() })
}
