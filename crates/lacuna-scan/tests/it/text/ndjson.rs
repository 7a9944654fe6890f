//! NDJSON: what is a line, what is a record, and which values count.

use std::sync::Arc;

use lacuna_scan::text::{TextFormat, TextSearch};
use lacuna_scan::{
    Epochs, Error, Field, Identifier, IdentifierRule, Ignore, Kind, Limits, Mapping, Matcher, Selector,
    StreamSearch as _, TenantRule,
};

use super::{Query, path};

fn rows(text: &str, wanted: &str) -> Vec<u64> {
    let answer = Query::ndjson("id", &[wanted]).run(text.as_bytes()).unwrap();
    assert_eq!(answer.poisoned, 0, "{:?}", answer.first_poison);
    answer.found_rows()
}

#[test]
fn what_begins_no_value_is_named() {
    for (bytes, what) in [
        (&b"\0\0\0\0"[..], "a null byte"),
        (b"\x1e{\"id\":\"a\"}", "RFC 7464"),
        (b"\xc2\xa0{\"id\":\"a\"}", "not ASCII"),
        (b"?", "a value is missing"),
    ] {
        let text = [b"{\"id\":\"a\"}\n", bytes, b"\n"].concat();
        let answer = Query::ndjson("id", &["a"]).run(&text).unwrap();
        assert!(answer.first_poison.as_ref().is_some_and(|first| first.contains(what)), "{:?}", answer.first_poison);
    }
}

#[test]
fn lines_end_as_they_like() {
    let text = "\u{feff}{\"id\":\"a\"}\r\n\n  \t\r\n{\"id\":\"b\"}\n\r\n{\"id\":\"a\",\"t\":\"x\u{2028}y\u{85}z\"}";
    let answer = Query::ndjson("id", &["a", "b"]).run(text.as_bytes()).unwrap();
    assert_eq!(answer.rows, 3);
    assert_eq!(
        answer.found,
        [
            (0, vec![0], "{\"id\":\"a\"}".to_owned()),
            (1, vec![1], "{\"id\":\"b\"}".to_owned()),
            (2, vec![0], "{\"id\":\"a\",\"t\":\"x\u{2028}y\u{85}z\"}".to_owned()),
        ]
    );
}

#[test]
fn a_byte_order_mark_may_stand_before_any_line() {
    let text = "{\"id\":\"a\"}\n\u{feff}{\"id\":\"a\"}\n\u{feff}\n\u{feff}\u{feff} {\"id\":\"a\"}\r\n\u{feff}";
    assert_eq!(rows(text, "a"), [0, 1, 2]);
}

#[test]
fn nothing_is_no_record() {
    for text in ["", "\n", "\r\n\r\n", "\u{feff}", "\u{feff}\n  \n"] {
        let answer = Query::ndjson("id", &["a"]).run(text.as_bytes()).unwrap();
        assert_eq!((answer.rows, answer.poisoned), (0, 0), "{text:?}");
    }
}

#[test]
fn equality_is_on_the_value() {
    let text = r#"{"id":"66577"}
{"id":"166577"}
{"id":66577}
{"id":665770}
{"id":6.6577e4}
{"id":"6657\u0037"}
{"i\u0064":"66577"}
{"ID":"66577"}
{"x":{"id":"66577"}}
{"id":["66577"]}
{"id":"1","id":"66577","id":"2"}
{"id":null}
{"id":"\ud83d\ude00"}
{}"#;
    assert_eq!(rows(text, "66577"), [0, 2, 4, 5, 6, 10]);
    assert_eq!(rows(text, "😀"), [12]);
    assert_eq!(rows(text, "null"), [0; 0]);
}

#[test]
fn falsy_identifiers_are_identifiers() {
    let text = "{\"id\":\"\"}\n{\"id\":0}\n{\"id\":\"0\"}\n{\"id\":null}\n{\"id\":false}\n{}\n{\"id\":-0.0}";
    assert_eq!(rows(text, ""), [0]);
    assert_eq!(rows(text, "0"), [1, 2, 6]);
}

#[test]
fn half_a_surrogate_pair_is_no_identifier() {
    let text = "{\"id\":\"\\ud800\"}\n{\"id\":\"\\udc00a\"}\n{\"id\":\"\\ud800\\u0061\"}\n{\"\\ud800id\":\"a\"}\n{\"id\":\"a\"}";
    for wanted in ["\u{fffd}", "?", "", "\u{fffd}a"] {
        assert_eq!(rows(text, wanted), [0; 0], "{wanted}");
    }
    assert_eq!(rows(text, "a"), [4]);
}

#[test]
fn paths_spread_over_lists_and_maps() {
    let text = r#"{"a":{"e":["x","y"]}}
{"a":{"e":"x"}}
{"a":[{"e":["x"]}]}
{"a":{"e":[["x"],{"k":"x"},null,7,"z"]},"a":{"e":["x"]}}
{"a":{"other":["x"]}}"#;
    let found = |column, wanted: &str| Query::ndjson(column, &[wanted]).run(text.as_bytes()).unwrap().found_rows();
    assert_eq!(found("a.e[]", "x"), [0, 3]);
    assert_eq!(found("a.e[]", "7"), [3]);
    assert_eq!(found("a.e", "x"), [1]);
    assert_eq!(found("a{}[]", "x"), [0, 3, 4]);
    assert_eq!(found("a[].e[]", "x"), [2]);
    assert_eq!(found("a.e[][]", "x"), [3]);
    assert_eq!(found("a.e[].k", "x"), [3]);
}

#[test]
fn paths_through_the_same_place_all_count() {
    let text = "{\"a\":{\"x\":\"1\",\"y\":\"2\"}}\n{\"a\":{\"z\":\"1\"}}\n{\"a\":\"1\"}";
    let mut query = Query::ndjson("a{}", &["1", "2"]);
    query.columns.extend(["a.x", "a", "a.y"]);
    let answer = query.run(text.as_bytes()).unwrap();
    assert_eq!(
        answer.found.iter().map(|(row, owners, _)| (*row, owners.clone())).collect::<Vec<_>>(),
        [(0, vec![0, 1]), (1, vec![0]), (2, vec![0])]
    );
}

#[test]
fn other_tenants_rows_are_nobodys() {
    let text = "{\"id\":\"a\",\"org\":\"t\"}\n{\"id\":\"a\",\"org\":\"u\"}\n{\"id\":\"a\"}\n{\"id\":\"a\",\"org\":null}\n{\"org\":\"t\",\"id\":\"a\",\"org\":\"u\"}\n{\"org\":\"t\"}";
    let mut query = Query::ndjson("id", &["a"]);
    query.tenant = Some("org");
    assert_eq!(query.run(text.as_bytes()).unwrap().found_rows(), [0]);
}

#[test]
fn a_column_that_no_record_has_is_an_error() {
    let missing = |query: &Query, text: &str| match query.run(text.as_bytes()) {
        Err(Error::MissingKey { column }) => Some(column),
        Err(error) => panic!("{error}"),
        Ok(_) => None,
    };
    let mut query = Query::ndjson("UserId", &["a"]);
    assert_eq!(missing(&query, "{\"UserID\":\"a\"}\n{}"), Some("UserId".into()));
    assert_eq!(missing(&query, "{\"UserID\":\"a\"}\n{\"UserId\":null}"), None);
    // A line that cannot be read shows nothing, and is counted.
    assert_eq!(missing(&query, "{\"UserID\":"), None);
    query.columns.push("actor.id");
    // Records of one kind may all lack one of several.
    assert_eq!(missing(&query, "{\"UserId\":\"a\"}\n{\"actor\":{}}"), None);
    assert_eq!(missing(&query, "{\"userid\":\"a\"}\n{\"actor\":{}}"), Some("UserId".into()));
    assert_eq!(missing(&query, "{\"UserId\":\"a\"}\n{\"actor\":{\"id\":\"b\"}}"), None);
    query.tenant = Some("org");
    assert_eq!(missing(&query, "{\"UserId\":\"a\",\"Org\":\"t\",\"actor\":null}"), Some("org".into()));
    // Nobody's identifiers are looked for there.
    query.wanted.clear();
    query.tenant = None;
    assert_eq!(missing(&query, "{}"), None);
}

#[test]
fn each_person_is_looked_for_in_a_column_that_is_there() {
    let field = |column, kind| Field::new(path(column), Kind::new(kind));
    let mapping = Mapping {
        identifiers: vec![
            IdentifierRule::One(field("oid", "object_id")),
            IdentifierRule::One(field("email", "email")),
            IdentifierRule::One(Field { optional: true, ..field("upn", "upn") }),
            IdentifierRule::AllOf(vec![field("name", "name"), field("born", "born")]),
        ],
        tenant: TenantRule::Single,
    };
    let missing = |people: &[&[&str]]| {
        let identifiers = |kinds: &&[&str]| kinds.iter().map(|kind| Identifier::new(*kind, "x")).collect();
        let selector = |kinds| Selector { tenant: None, identifiers: identifiers(kinds) };
        let selectors: Vec<_> = people.iter().map(selector).collect();
        let matcher = Arc::new(Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap());
        let mut search = TextSearch::new(TextFormat::Ndjson, matcher, Limits::default()).unwrap();
        search.feed("{\"oid\":\"a\"}\n{\"oid\":\"b\",\"name\":\"Ann\"}".into(), &mut Ignore).unwrap();
        match search.finish(&mut Ignore) {
            Err(Error::MissingKey { column }) => Some(column),
            other => other.map(|_| None).unwrap(),
        }
    };
    assert_eq!(missing(&[&["object_id"]]), None);
    assert_eq!(missing(&[&["object_id", "email"]]), None);
    assert_eq!(missing(&[&["email"]]), Some("email".into()));
    assert_eq!(missing(&[&["object_id"], &["email", "upn"]]), Some("email".into()));
    assert_eq!(missing(&[&["upn"]]), None);
    assert_eq!(missing(&[&["name", "born"]]), Some("born".into()));
    assert_eq!(missing(&[&["name", "born", "object_id"], &["name"]]), None);
}

#[test]
fn a_column_that_holds_no_identifier_in_any_record_is_an_error() {
    for (text, what) in [
        ("{\"id\":[\"ann\"]}\n{\"id\":[]}\n{}", "an array in every record that has it: write `id[]`"),
        (
            "{\"id\":{\"v\":\"ann\"}}\n{\"id\":null}",
            "an object in every record that has it: name one of its keys, as `id.KEY`",
        ),
    ] {
        match Query::ndjson("id", &["ann"]).run(text.as_bytes()) {
            Err(Error::ColumnType { column, found }) => assert_eq!((&column[..], &found[..]), ("id", what)),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(rows("{\"id\":[\"ann\"]}\n{\"id\":\"ann\"}", "ann"), [1]);
    // Nobody is sent to map a list of tenants.
    let of_tenant = Query { tenant: Some("t"), ..Query::ndjson("id", &["ann"]) };
    match of_tenant.run(b"{\"id\":\"ann\",\"t\":[\"c\"]}") {
        Err(Error::ColumnType { column, found }) => {
            assert!(column == "t" && found.contains("a record has one tenant"), "{found}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn broken_lines_poison_only_themselves() {
    for (broken, what) in [
        ("{\"id\":\"a\"", "cut off"),
        ("{\"id\":\"a\"}}", "follows"),
        ("{\"id\":\"a\"}{\"id\":\"a\"}", "follows"),
        ("{\"id\":\"a\",}", "key"),
        ("{\"id\" \"a\"}", "colon"),
        ("{\"id\":\"a\" \"b\":1}", "comma"),
        ("{\"x\":[1,]}", "value"),
        ("{\"x\":[1 2]}", "comma"),
        ("{\"x\":{\"y\":1]}", "bracket"),
        ("{\"x\":01}", "number"),
        ("{\"x\":1.}", "number"),
        ("{\"x\":+1}", "value"),
        ("{\"x\":.5}", "value"),
        ("{\"x\":-}", "number"),
        ("{\"x\":1e}", "number"),
        ("{\"x\":0x10}", "number"),
        ("{\"x\":NaN}", "value"),
        ("{\"x\":nul}", "value"),
        ("{\"x\":truee}", "comma"),
        ("{\"x\":\"\\x\"}", "escape"),
        ("{\"x\":\"\\u12g4\"}", "hexadecimal"),
        ("{\"x\":\"a\tb\"}", "control"),
        ("{\"id\":\"a\",\"x\":\"a\0b\"}", "control"),
        ("\0\0\0\0", "value"),
        ("{'x':1}", "key"),
        ("{\"x\":1}\u{2028}", "follows"),
        ("[{\"id\":\"a\"}]", "object"),
        ("\"a\"", "object"),
        ("null", "object"),
        ("12", "object"),
        ("hello", "value"),
        ("// comment", "value"),
    ] {
        let text = format!("\n{{\"id\":\"a\"}}\n{broken}\n{{\"id\":\"a\"}}\n");
        let answer = Query::ndjson("id", &["a"]).run(text.as_bytes()).unwrap();
        assert_eq!((answer.rows, answer.poisoned, answer.found_rows()), (2, 1, vec![0, 2]), "{broken}");
        let poison = answer.first_poison.unwrap();
        assert!(poison.starts_with("line 3: ") && poison.contains(what), "{broken}: {poison}");
    }
}

#[test]
fn a_document_of_many_lines_is_told_from_a_broken_line() {
    for text in ["{\n  \"id\": \"a\"\n}\n", "[\n{\"id\":\"a\"},\n{\"id\":\"b\"}\n]\n", "[{\"id\":\"a\"}]"] {
        let poison = Query::ndjson("id", &["a"]).run(text.as_bytes()).unwrap().first_poison.unwrap();
        assert!(poison.starts_with("line 1: ") && poison.contains("`format = \"json\"` with `records`"), "{poison}");
    }
    let poison = Query::ndjson("id", &["a"]).run(b"{\"id\":\"a\"}\n{\"id\"").unwrap().first_poison.unwrap();
    assert_eq!(poison, "line 2: the record is cut off (at byte 5 of the record)");
}

#[test]
fn a_line_that_is_not_utf8_poisons_only_itself() {
    let text = b"{\"id\":\"a\"}\n{\"id\":\"a\",\"name\":\"M\xfcller\"}\n{\"id\":\"a\"}";
    let answer = Query::ndjson("id", &["a"]).run(text).unwrap();
    assert_eq!((answer.rows, answer.found_rows()), (2, vec![0, 2]));
    assert_eq!(answer.first_poison.as_deref(), Some("line 2: is not UTF-8"));
}

#[test]
fn utf16_and_binary_are_named() {
    let utf16 = |bom: bool| {
        let mut bytes = if bom { vec![0xff, 0xfe] } else { vec![] };
        "{\"id\":\"a\"}\n".encode_utf16().for_each(|unit| bytes.extend(unit.to_le_bytes()));
        bytes
    };
    let cases: [(Vec<u8>, &str); 6] = [
        (utf16(true), "UTF-16"),
        (utf16(false), "UTF-16"),
        (b"PAR1\x15\x04\x00\x00 and so on".to_vec(), "Parquet"),
        (b"some\0bytes".to_vec(), "no text"),
        (b"{\"id\":\0\x01\x02}\n".to_vec(), "no text"),
        (b"\0{\"id\":1}\n".to_vec(), "no text"),
    ];
    for (bytes, reason) in cases {
        match Query::ndjson("id", &["a"]).run(&bytes) {
            Err(Error::WrongFormat { expected: "NDJSON", reason: found }) => assert!(found.contains(reason), "{found}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn limits_refuse_with_their_name() {
    let limits = Limits { record_bytes_max: 2 << 20, ..Limits::default() };
    let refused = |text: String| {
        let mut query = Query::ndjson("id", &["a"]);
        query.limits = limits;
        match query.run(text.as_bytes()) {
            Err(Error::Limit { setting, .. }) => setting,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(format!("{{\"id\":\"{}\"}}\n", "a".repeat(2 << 20))), "record_bytes_max");
    assert_eq!(refused(format!("{{\"id\":\"{}", "a".repeat(9 << 20))), "record_bytes_max");
}

#[test]
fn a_record_that_nests_too_deep_poisons_only_itself() {
    let mut query = Query::ndjson("id", &["a"]);
    query.limits = Limits { nesting_max: 4, ..Limits::default() };
    for deep in [r#"{"a":[[[[1]]]]}"#, r#"{"a":{"b":{"c":{"d":[]}}}}"#, r#"{"a":{"b":{"c":{"d":{"id":"a"}}}}}"#] {
        query.columns = vec!["id", "a.b.c.d.id"];
        let answer = query.run(format!("{{\"id\":\"a\"}}\n{deep}\n{{\"id\":\"a\"}}").as_bytes()).unwrap();
        assert_eq!((answer.rows, answer.found_rows()), (2, vec![0, 2]), "{deep}");
        assert_eq!(answer.first_poison.as_deref(), Some("line 2: nests deeper than 4 (`nesting_max`)"));
    }
    query.columns = vec!["a[][][]"];
    assert_eq!(query.run(b"{\"a\":[[[1]]]}").unwrap().rows, 1);
}

#[test]
fn lines_of_many_megabytes_are_lines() {
    let long = "x".repeat(5 << 20);
    let text = format!("{{\"id\":\"a\"}}\n{{\"t\":\"{long}\",\"id\":\"a\"}}\n{{\"t\":[\"{long}\"]}}\n{{\"id\":\"a\"}}");
    let answer = Query::ndjson("id", &["a"]).run(text.as_bytes()).unwrap();
    assert_eq!((answer.rows, answer.poisoned, answer.found_rows()), (4, 0, vec![0, 1, 3]));
    assert_eq!(answer, Query::ndjson("id", &["a"]).pieces_of(77_777).run(text.as_bytes()).unwrap());
}

#[test]
fn many_blocks_keep_their_order() {
    let mut text = String::new();
    for row in 0..120_000 {
        text.push_str(&format!("{{\"n\":{row},\"id\":\"u{}\",\"pad\":\"abcdefghij\"}}\n", row % 1000));
    }
    let answer = Query::ndjson("id", &["u7", "u500"]).pieces_of(1 << 20).run(text.as_bytes()).unwrap();
    let expected: Vec<u64> = (0..120_000).filter(|row| row % 1000 == 7 || row % 1000 == 500).collect();
    assert_eq!((answer.rows, answer.found_rows()), (120_000, expected));
    assert!(answer.found.iter().all(|(row, _, text)| text.starts_with(&format!("{{\"n\":{row},"))));
}
