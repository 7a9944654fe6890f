//! Lines go with their ends; all else is as it was.

use std::io;

use bytes::Bytes;
use lacuna_erase::{Change, Error, text};
use lacuna_scan::Limits;
use lacuna_scan::text::TextFormat::Ndjson;
use proptest::prelude::*;
use roaring::RoaringTreemap;

use super::{anonymize, delete, edit, rewrite};

#[test]
fn oddities_stay() {
    let text = "\u{feff}{\"n\":0}\r\n\n  \r\n {\"n\" : 1} \n\t\n{\"n\":2,\"t\":\"\u{2028}\"}\r\n{\"n\":3}";
    assert_eq!(delete(text.as_bytes(), &Ndjson, &[]).unwrap(), text.as_bytes());
    let deleted = |hits| String::from_utf8(delete(text.as_bytes(), &Ndjson, hits).unwrap()).unwrap();
    assert_eq!(deleted(&[0]), "\u{feff}\n  \r\n {\"n\" : 1} \n\t\n{\"n\":2,\"t\":\"\u{2028}\"}\r\n{\"n\":3}");
    assert_eq!(deleted(&[1, 2]), "\u{feff}{\"n\":0}\r\n\n  \r\n\t\n{\"n\":3}");
    // The line before keeps its end.
    assert_eq!(deleted(&[3]), "\u{feff}{\"n\":0}\r\n\n  \r\n {\"n\" : 1} \n\t\n{\"n\":2,\"t\":\"\u{2028}\"}\r\n");
    assert_eq!(deleted(&[0, 1, 2, 3]), "\u{feff}\n  \r\n\t\n");
    assert_eq!(delete(b"{}", &Ndjson, &[0]).unwrap(), b"");
}

#[test]
fn byte_order_marks_stay_wherever_they_stand() {
    let text = "{\"n\":0}\n\u{feff}{\"n\":1}\n\u{feff}{\"n\":2}\n";
    let deleted = |hits: &[u64]| String::from_utf8(delete(text.as_bytes(), &Ndjson, hits).unwrap()).unwrap();
    assert_eq!(deleted(&[0]), "\u{feff}{\"n\":1}\n\u{feff}{\"n\":2}\n");
    assert_eq!(deleted(&[0, 1]), "\u{feff}\u{feff}{\"n\":2}\n");
}

#[test]
fn rows_are_counted() {
    let (_, rewritten) = rewrite(b"{}\nx\n{}\n{}\n", &Ndjson, &[2], Change::Delete, true).unwrap();
    assert_eq!((rewritten.rows_before, rewritten.rows_after, rewritten.rows_changed), (3, 2, 1));
    let (_, rewritten) = rewrite(b"{}\n{}\n", &Ndjson, &[1], Change::Anonymize(&[]), true).unwrap();
    assert_eq!((rewritten.rows_before, rewritten.rows_after, rewritten.rows_changed), (2, 2, 1));
}

#[test]
fn broken_lines_stay_only_when_told() {
    let text = b"{\"n\":0}\n{broken\n[]\n{\"n\":3}\n";
    assert_eq!(delete(text, &Ndjson, &[0]).unwrap(), b"{broken\n[]\n{\"n\":3}\n");
    match rewrite(text, &Ndjson, &[0], Change::Delete, false) {
        Err(Error::Unfaithful(reason)) => assert!(reason.starts_with("line 2: "), "{reason}"),
        other => panic!("{other:?}"),
    }
    // Nobody can have found a row in a line that cannot be read.
    assert!(matches!(delete(text, &Ndjson, &[1]), Err(Error::Unfaithful(_))));
}

#[test]
fn rows_that_are_not_there_are_noticed() {
    assert!(matches!(delete(b"{}\n", &Ndjson, &[1]), Err(Error::Unfaithful(_))));
}

#[test]
fn anonymous_values_are_null_in_place() {
    let text = r#"{"n":0,"id":"a","x":{"id":"a"}}
{"n":1, "id" : "\u0061\"" ,"\u0069d":7,"mails":[ "m" ,{"k":"v"},null],"actor":{"name":"a","age":7},"t":"id"}
{"n":2}"#;
    let changed = anonymize(text.as_bytes(), &Ndjson, &[1, 2], &["id", "mails[]", "actor.name"]);
    let expected = r#"{"n":0,"id":"a","x":{"id":"a"}}
{"n":1, "id" : null ,"\u0069d":null,"mails":[ null ,null,null],"actor":{"name":null,"age":7},"t":"id"}
{"n":2}"#;
    assert_eq!(String::from_utf8(changed).unwrap(), expected);
    // What holds a value goes with it.
    let changed = anonymize(text.as_bytes(), &Ndjson, &[1], &["actor.name", "actor", "mails", "mails[].k"]);
    assert!(String::from_utf8(changed).unwrap().contains(r#""mails":null,"actor":null,"t""#));
}

#[test]
fn errors_of_both_ends_are_passed_on() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (none, limits) = (RoaringTreemap::new(), Limits::default());
    let result =
        text::rewrite(&Bytes::from_static(b"{}\n"), &Ndjson, &none, edit(Change::Delete, false), &limits, &mut Full);
    assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
    let mut gzip = super::gzip(b"{}\n");
    gzip.pop();
    assert!(matches!(delete(&gzip, &Ndjson, &[]), Err(Error::Scan(lacuna_scan::Error::Truncated { .. }))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever goes, what stays is the same bytes in the same order.
    #[test]
    fn survivors_are_the_same(lines in prop::collection::vec((0..7_u8, 1..2000_usize, any::<bool>()), 0..1200), ends in any::<bool>()) {
        let (mut text, mut expected, mut hits, mut row) = (String::new(), String::new(), Vec::new(), 0);
        let count = lines.len();
        for (at, (kind, length, goes)) in lines.into_iter().enumerate() {
            let end = match kind {
                _ if at + 1 == count && !ends => "",
                1 | 2 => "\r\n",
                _ => "\n",
            };
            let record = match kind {
                0 => String::new(),
                1 => "broken".to_owned(),
                _ => format!("{{\"pad\":\"{}\", \"n\":{row}}}", "é".repeat(length)),
            };
            let line = record.clone() + end;
            text.push_str(&line);
            if goes && kind > 1 {
                hits.push(row);
            } else {
                expected.push_str(&line);
            }
            row += u64::from(!record.is_empty());
        }
        for stored in [text.as_bytes().to_vec(), super::gzip(text.as_bytes()), super::zstd_whole(text.as_bytes())] {
            let rewritten = delete(&stored, &Ndjson, &hits).unwrap();
            prop_assert!(super::unpack(&rewritten) == expected.as_bytes());
        }
    }
}
