//! An element goes with one comma; the rest is a valid document, the same but for what went.

use lacuna_scan::text::TextFormat;
use proptest::prelude::*;
use serde_json::Value;

use super::{anonymize, delete, document};

fn deleted(text: &str, format: &TextFormat, hits: &[u64]) -> String {
    String::from_utf8(delete(text.as_bytes(), format, hits).unwrap()).unwrap()
}

#[test]
fn one_comma_goes_with_each() {
    let text = "{\"v\":1,\n\"Records\": [\n  {\"n\":0},\n  {\"n\":1} ,{\"n\":2}\n ], \"w\":[1,2]}\n";
    let format = document("Records[]");
    let around = |inside: &str| format!("{{\"v\":1,\n\"Records\": [{inside}], \"w\":[1,2]}}\n");
    for (hits, inside) in [
        (&[][..], "\n  {\"n\":0},\n  {\"n\":1} ,{\"n\":2}\n "),
        (&[0], "\n  {\"n\":1} ,{\"n\":2}\n "),
        (&[1], "\n  {\"n\":0} ,{\"n\":2}\n "),
        (&[2], "\n  {\"n\":0},\n  {\"n\":1}\n "),
        (&[0, 1], "\n  {\"n\":2}\n "),
        (&[0, 2], "\n  {\"n\":1}\n "),
        (&[1, 2], "\n  {\"n\":0}\n "),
        (&[0, 1, 2], "\n "),
    ] {
        assert_eq!(deleted(text, &format, hits), around(inside), "{hits:?}");
    }
}

#[test]
fn arrays_are_edited_one_by_one() {
    let text = r#"{"a":[{"b":[{"n":0},{"n":1}]},{"b":[ ]},{"b":[{"n":2},null,{"n":4}]}],"b":[{}]}"#;
    let format = document("a[].b[]");
    assert_eq!(deleted(text, &format, &[0, 1, 4]), r#"{"a":[{"b":[]},{"b":[ ]},{"b":[{"n":2},null]}],"b":[{}]}"#);
    assert_eq!(
        deleted(text, &format, &[2]),
        r#"{"a":[{"b":[{"n":0},{"n":1}]},{"b":[ ]},{"b":[null,{"n":4}]}],"b":[{}]}"#
    );
}

#[test]
fn documents_are_edited_one_by_one() {
    let text = "{\"r\":[{\"n\":0}, {\"n\":1}]}\n{\"r\":[ {\"n\":2} ]}\n\u{feff}{\"r\":[{\"n\":3},{\"n\":4}],\"x\":1}{\"r\":[]}\n";
    assert_eq!(
        deleted(text, &document("r[]"), &[1, 2, 3]),
        "{\"r\":[{\"n\":0}]}\n{\"r\":[ ]}\n\u{feff}{\"r\":[{\"n\":4}],\"x\":1}{\"r\":[]}\n"
    );
    let changed = anonymize(text.as_bytes(), &document("r[]"), &[2, 4], &["n"]);
    let expected = text.replace("{\"n\":2}", "{\"n\":null}").replace("{\"n\":4}", "{\"n\":null}");
    assert_eq!(String::from_utf8(changed).unwrap(), expected);
}

#[test]
fn values_are_made_null_in_place() {
    let text = r#"[ {"id":"a", "x":[1]} , {"id":{"deep":"a"}} ]"#;
    let changed = anonymize(text.as_bytes(), &document("[]"), &[0, 1], &["id"]);
    assert_eq!(String::from_utf8(changed).unwrap(), r#"[ {"id":null, "x":[1]} , {"id":null} ]"#);
}

proptest! {
    /// Read by serde_json, the documents have lost just the elements that went; each other one is written as it was.
    #[test]
    fn the_rest_is_the_same_document(
        arrays in prop::collection::vec(prop::collection::vec((any::<bool>(), 0..40_usize, 0..4_usize), 0..7), 1..4),
        blanks in prop::collection::vec(prop::sample::select(vec!["", " ", "\n\t", "\r\n  "]), 4),
        is_one in any::<bool>(),
    ) {
        let mut hits = Vec::new();
        let (mut row, mut texts, mut kept) = (0_u64, Vec::new(), Vec::new());
        for elements in &arrays {
            let mut records = Vec::new();
            for &(goes, length, blank) in elements {
                let record = format!("{{\"n\":{row},{}\"t\":\"{}\"}}", blanks[blank], "],\\\"".repeat(length));
                if goes { hits.push(row) } else { kept.push(record.clone()) }
                records.push(format!("{}{record}{}", blanks[blank], blanks[3 - blank]));
                row += 1;
            }
            texts.push(format!("{{\"r\":[{}{}]}}", if records.is_empty() { blanks[0] } else { "" }, records.join(",")));
        }
        let (records, text) = match is_one {
            true => ("[].r[]", format!("{}[{}]", blanks[0], texts.join(&format!("{},", blanks[1])))),
            false => ("r[]", texts.join(blanks[1])),
        };
        let rest = deleted(&text, &document(records), &hits);

        let read = |text: &str| serde_json::Deserializer::from_str(text).into_iter().collect::<Result<Vec<Value>, _>>();
        let mut expected = read(&text).unwrap();
        let arrays = if is_one { expected[0].as_array_mut().unwrap() } else { &mut expected };
        for array in arrays {
            array["r"].as_array_mut().unwrap().retain(|record| !hits.contains(&record["n"].as_u64().unwrap()));
        }
        prop_assert_eq!(read(&rest).unwrap(), expected, "{:?} {:?}", text, rest);
        let mut at = 0;
        for record in kept {
            at += rest[at..].find(&record).unwrap() + record.len();
        }
    }
}
