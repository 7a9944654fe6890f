//! JSON documents: in each, an array at a path holds the records.

use lacuna_scan::Error;
use proptest::prelude::*;

use super::Query;

fn rows(records: &str, text: &str) -> Vec<u64> {
    let answer = Query::document(records, "id", &["a"]).run(text.as_bytes()).unwrap();
    assert_eq!(answer.poisoned, 0, "{:?}", answer.first_poison);
    answer.found_rows()
}

#[test]
fn records_lie_at_a_path() {
    assert_eq!(rows("Records[]", r#"{"Records":[{"id":"a"},{"id":"b"},{"id":"a"}]}"#), [0, 2]);
    assert_eq!(rows("[]", "\u{feff} [ {\"id\":\"b\"} , {\"id\":\"a\"} ] \n"), [1]);
    assert_eq!(rows("a.b[]", r#"{"b":[{"id":"a"}],"a":{"c":[[1,{"b":"]"}]],"b":[{"id":"a"}]},"z":1.5e-3}"#), [0]);
    assert_eq!(rows("a[].b[]", r#"{"a":[{"b":[{"id":"a"}]},{"b":[]},{"b":null},{},{"b":[{},{"id":"a"}]}]}"#), [0, 2]);
    assert_eq!(rows("a{}.b[]", r#"{"a":{"x":{"b":[{"id":"a"}]},"y":{"b":[{"id":"a"}]}}}"#), [0, 1]);
    assert_eq!(rows("[][]", r#"[[{"id":"b"}],[],[{"id":"a"}]]"#), [1]);
}

#[test]
fn keys_count_however_written_and_however_often() {
    assert_eq!(
        rows("Records[]", r#"{"R\u0065cords":[{"id":"a"}],"Records":[{"id":"a"}],"records":[{"id":"a"}]}"#),
        [0, 1]
    );
}

#[test]
fn an_empty_array_is_complete() {
    for text in [r#"{"Records":[]}"#, r#"{"Records": [ ] }"#] {
        let answer = Query::document("Records[]", "id", &["a"]).run(text.as_bytes()).unwrap();
        assert_eq!((answer.rows, answer.poisoned), (0, 0));
    }
}

#[test]
fn a_missing_array_is_an_error() {
    for text in [r#"{"records":[]}"#, r#"{"records":null}"#, r#"{"x":{"Records":[]}}"#, "null"] {
        match Query::document("Records[]", "id", &["a"]).run(text.as_bytes()) {
            Err(Error::MissingColumn { column }) => assert_eq!(column, "Records[]"),
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [r#"{"Records":{"0":{}}}"#, r#"{"Records":"[]"}"#, r#"[]"#, "7", r#"{"Records":false}"#] {
        let result = Query::document("Records[]", "id", &["a"]).run(text.as_bytes());
        assert!(matches!(result, Err(Error::ColumnType { .. })), "{text}: {result:?}");
    }
}

#[test]
fn an_array_of_nothing_holds_nobody_however_it_is_written() {
    for text in [r#"{"Records":null}"#, r#"{"Records":[]}"#, "{}", "{ }\n{\t}"] {
        let answer = Query::document("Records[]", "id", &["a"]).run(text.as_bytes()).unwrap();
        assert_eq!((answer.rows, answer.poisoned), (0, 0), "{text:?}");
    }
}

#[test]
fn documents_follow_each_other() {
    let lines = "{\"Records\":[{\"id\":\"a\"},{\"id\":\"b\"}]}\n\n{\"Records\":[]}\r\n{\"Records\":null}\n\u{feff}{\"Records\":[{\"id\":\"a\"}]}\n";
    let joined = r#"{"Records":[{"id":"a"},{"id":"b"}]}{"x":[],"Records":[{"id":"a"}]}"#;
    for text in [lines, joined] {
        assert_eq!(rows("Records[]", text), [0, 2]);
        for length in 1..text.len() {
            let query = Query::document("Records[]", "id", &["a"]).pieces_of(length);
            assert_eq!(query.run(text.as_bytes()).unwrap().found_rows(), [0, 2], "in pieces of {length}");
        }
    }
    assert_eq!(rows("[]", "[{\"id\":\"b\"}]\n[]\n[{\"id\":\"a\"}]"), [1]);
    let otlp = r#"{"logs":[{"scopes":[{"records":[{"id":"a"}]},{"records":[]}]}]}"#;
    assert_eq!(rows("logs[].scopes[].records[]", &format!("{otlp}\n{{\"logs\":[]}}\n{otlp}\n")), [0, 1]);
}

#[test]
fn records_under_another_name_within_are_noticed() {
    const RIGHT: &str = r#"{"logs":[{"scopes":[{"records":[{"id":"a"}]}]}]}"#;
    let run = |text: &str| Query::document("logs[].scopes[].records[]", "id", &["a"]).run(text.as_bytes());
    for other in [
        r#"{"logs":[{"libraries":[{"records":[{"id":"a"}]}]}]}"#,
        r#"{"logs":[{"scopes":[{"name":"x","logs":[{"id":"a"}]}]}]}"#,
        r#"{"logs":[{"scopes":[]},{"libraries":[{"records":[{"id":"a"}]}]}]}"#,
    ] {
        for text in [other.to_owned(), format!("{RIGHT}\n{other}"), format!("{other}{RIGHT}")] {
            let error = run(&text).unwrap_err().to_string();
            assert!(error.contains("another list of objects"), "{text}: {error}");
        }
    }
    for empty in [
        r#"{"logs":[]}"#,
        r#"{"logs":[{"resource":{"attributes":[{"key":"k"}]}}]}"#,
        r#"{"logs":[{"scopes":null,"libraries":[{"x":1}]}]}"#,
        r#"{"logs":[{"scopes":[{"tags":["x"],"spare":[[{}]]}]}],"others":[{}]}"#,
    ] {
        assert_eq!(run(&format!("{RIGHT}\n{empty}")).unwrap().found_rows(), [0], "{empty}");
    }
}

#[test]
fn a_later_document_without_the_array_or_its_end_is_refused() {
    let run = |second: &str| {
        let text = format!(r#"{{"Records":[{{"id":"a"}}]}} {second}"#);
        Query::document("Records[]", "id", &["a"]).run(text.as_bytes()).unwrap_err()
    };
    let text = run(r#"{"records":[]}"#).to_string();
    assert!(text.contains("not there in document 2 of the shard, which ends at byte 38"), "{text}");
    assert!(matches!(run(r#"{"x":{}}"#), Error::ColumnType { .. }));
    assert!(matches!(run(r#"{"Records":[]"#), Error::Truncated { .. }));
    assert!(matches!(run("\u{feff}{"), Error::Truncated { .. }));
    assert!(matches!(run("[]"), Error::ColumnType { .. }));
    assert!(matches!(run("}"), Error::Malformed { .. }));
}

#[test]
fn an_array_in_place_of_the_document_says_how_to_map_it() {
    match Query::document("Records[]", "id", &["a"]).run(br#"[{"id":"a"}]"#) {
        Err(Error::ColumnType { found, .. }) => assert!(found.contains("`records = \"[]\"`"), "{found}"),
        other => panic!("{other:?}"),
    }
    match Query::document("Records[]", "id", &["a"]).run(br#"{"Records":{"0":[]}}"#) {
        Err(Error::ColumnType { found, .. }) => assert_eq!(found, "an object, so it holds no records"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_column_that_no_record_has_is_an_error() {
    let run = |text: &str| Query::document("Records[]", "user.id", &["a"]).run(text.as_bytes());
    assert!(matches!(run(r#"{"Records":[{"id":"a"},{"user":{"ID":"a"}}]}"#), Err(Error::MissingKey { .. })));
    assert!(run(r#"{"Records":[{"id":"a"},{"user":{"id":"b"}}]}"#).is_ok());
}

#[test]
fn a_broken_document_is_refused() {
    for text in [
        r#"{"Records":[{"id":"a"}]}}"#,
        r#"{"Records":[{"id":"a"}]} x"#,
        r#"{"Records":[{"id":"a"}]]"#,
        r#"{"Records":[{"id":"a"},]}"#,
        r#"{"Records":[,{"id":"a"}]}"#,
        r#"{"Records":[{"id":"a"} {"id":"a"}]}"#,
        r#"{"Records":[{"id":"a",}]}"#,
        r#"{"Records":[{"id":[}]}"#,
        r#"{"Records":[{"id":"a"}],}"#,
        r#"{"Records":[{"id":"a"}],"x":tru}"#,
        r#"{"Records":[{"id":"a"}],"x":01}"#,
        r#"{"Records":[{"id":"a"}],"x":"\q"}"#,
        r#"{"Records" [{"id":"a"}]}"#,
        r#"{Records:[{"id":"a"}]}"#,
        r#"{"Records":[{"id":"a"}],"x":{"y":]}}"#,
    ] {
        let result = Query::document("Records[]", "id", &["a"]).run(text.as_bytes());
        assert!(matches!(result, Err(Error::Malformed { .. })), "{text}: {result:?}");
    }
    let latin = b"{\"x\":\"M\xfcller\",\"Records\":[]}";
    assert!(matches!(Query::document("Records[]", "id", &["a"]).run(latin), Err(Error::Malformed { .. })));
    let latin = b"{\"Records\":[{\"x\":\"M\xfcller\"}]}";
    assert!(matches!(Query::document("Records[]", "id", &["a"]).run(latin), Err(Error::Malformed { .. })));
}

#[test]
fn an_element_that_is_no_object_is_poison() {
    let answer =
        Query::document("[]", "id", &["a"]).run(br#"[{"id":"a"}, null ,"a",[{"id":"a"}],7,{"id":"a"}]"#).unwrap();
    assert_eq!((answer.rows, answer.poisoned, answer.found_rows()), (2, 4, vec![0, 5]));
    assert_eq!(answer.first_poison.as_deref(), Some("record 2: is not a JSON object"));
}

#[test]
fn a_number_that_is_none_in_json_is_named() {
    let error = Query::document("[]", "id", &["a"]).run(br#"[{"id":"a","x":NaN}]"#).unwrap_err();
    assert!(error.to_string().contains("`NaN`"), "{error}");
}

#[test]
fn a_path_to_no_array_is_refused() {
    assert!(Query::document("Records", "id", &["a"]).run(b"{}").is_err());
}

#[test]
fn large_documents_go_by_in_blocks() {
    let mut text = format!("{{\"before\":[{}1],\"Records\":[\n", "[1,\"x\"],".repeat(200_000));
    for row in 0..60_000 {
        let comma = if row == 0 { "" } else { " ,\r\n" };
        text.push_str(&format!(
            "{comma}{{\"n\":{row}, \"id\":\"{}\",\"nested\":{{\"q\":\"]}}\\\"\"}}}}",
            ["a", "b"][row % 2]
        ));
    }
    text.push_str("],\"after\":{\"x\":[[]]}}");
    let answer = Query::document("Records[]", "id", &["a"]).pieces_of(100_003).run(text.as_bytes()).unwrap();
    assert_eq!((answer.rows, answer.found.len()), (60_000, 30_000));
    assert!(answer.found.iter().all(|(row, _, text)| text.starts_with(&format!("{{\"n\":{row},"))));
}

proptest! {
    /// Documents are read or refused just as serde_json does, with the same number of records.
    #[test]
    fn agrees_with_serde_json(text in r#"(\{"r":|\[|\]|\}|,|:|"r"|"x"|\{\}|1|null|true| |\{"id":"a"\}|\{"r":\[){0,12}"#) {
        let whole: Result<Vec<serde_json::Value>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
        let answer = Query::document("r[]", "id", &["a"]).run(text.as_bytes());
        match (whole, answer) {
            (Ok(documents), Ok(answer)) => {
                // The last of two equal keys wins there, all count here.
                let records = documents.iter().map(|document| document["r"].as_array().map_or(0, Vec::len) as u64).sum();
                prop_assert!(answer.rows + answer.poisoned >= records);
                if text.matches("\"r\"").count() == documents.len() {
                    prop_assert_eq!(answer.rows + answer.poisoned, records);
                }
            }
            (Ok(documents), Err(error)) => {
                let is_lacking = matches!(error, Error::MissingColumn { .. } | Error::ColumnType { .. });
                let is_empty = documents.is_empty() && matches!(error, Error::Truncated { .. });
                prop_assert!(is_lacking || is_empty, "{text}: {error}");
            }
            (Err(_), Err(_)) => {}
            (Err(error), Ok(_)) => prop_assert!(false, "{text}: {error}"),
        }
    }
}
