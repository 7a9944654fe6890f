//! Records whose shape is known are read another way than those seen for the first time. Both ways give the same answer, and
//! it is serde_json's.

use std::sync::Arc;

use bytes::Bytes;
use lacuna_scan::text::{TextFormat, TextSearch};
use lacuna_scan::{
    Case, Epochs, Error, Field, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Selector,
    StreamSearch as _, TenantId, TenantRule,
};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Answer, Collected, path};

/// Identifiers by kind: two people in tenant t.
const WANTED: [[(&str, &str); 3]; 2] =
    [[("id", "12345"), ("mail", "ÄNNE@x.de"), ("first", "a\"b")], [("id", "u-7"), ("mail", "7"), ("first", "")]];

/// One field of each sort: plain, case-insensitive, in lists, in maps; and two that must both match.
fn matcher(tenant: bool) -> Arc<Matcher> {
    let field = |column: &str, kind: &str| Field::new(path(column), Kind::new(kind));
    let mail = |column: &str| Field { case: Case::Insensitive, trim: true, ..field(column, "mail") };
    let mapping = Mapping {
        identifiers: vec![
            IdentifierRule::One(field("id", "id")),
            IdentifierRule::One(mail("who.mails[]")),
            IdentifierRule::One(field("map{}", "id")),
            IdentifierRule::AllOf(vec![field("who.first", "first"), mail("who.last")]),
        ],
        tenant: if tenant { TenantRule::Column(path("org")) } else { TenantRule::Single },
    };
    let selectors = WANTED.map(|identifiers| Selector {
        tenant: tenant.then(|| TenantId::new("t")),
        identifiers: identifiers.iter().map(|(kind, value)| Identifier::new(*kind, *value)).collect(),
    });
    Arc::new(Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap())
}

fn search(matcher: &Arc<Matcher>, text: &[u8]) -> Result<Answer, Error> {
    let mut search = TextSearch::new(TextFormat::Ndjson, Arc::clone(matcher), Limits::default())?.noting_lost(&[]);
    let mut sink = Collected(Vec::new());
    search.feed(Bytes::copy_from_slice(text), &mut sink)?;
    Ok(Answer::new(search.finish(&mut sink)?, sink))
}

/// Each line as a shard of its own, so that none looks like one before.
fn one_by_one(matcher: &Arc<Matcher>, lines: &[String]) -> Answer {
    let mut all = Answer { rows: 0, poisoned: 0, first_poison: None, astray: 0, found: Vec::new() };
    for (row, line) in (0_u64..).zip(lines) {
        let answer = search(matcher, line.as_bytes()).unwrap();
        assert_eq!(answer.rows + answer.poisoned, 1, "{line:?}");
        let is_valid = serde_json::from_str::<IgnoredAny>(line).is_ok() && line.trim_start().starts_with('{');
        assert_eq!(answer.rows == 1, is_valid, "{line:?}");
        all.rows += answer.rows;
        all.poisoned += answer.poisoned;
        all.astray += answer.astray;
        if all.first_poison.is_none() {
            let place = format!("line {}:", row + 1);
            // What a shard's first record looks like is told of no other.
            let what =
                |poison: &String| if row == 0 { poison.len() } else { poison.find("; ").unwrap_or(poison.len()) };
            all.first_poison = answer.first_poison.map(|poison| poison[..what(&poison)].replace("line 1:", &place));
        }
        all.found.extend(answer.found.into_iter().map(|(_, selectors, record)| (row, selectors, record)));
    }
    all
}

/// A string literal; `how` says which of its characters are written as escapes.
fn literal(text: &str, how: u32) -> String {
    let mut out = String::from("\"");
    for (at, char) in (0_u32..).zip(text.chars()) {
        if matches!(char, '"' | '\\') || char < ' ' || how >> (at % 32) & 1 == 1 {
            char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
        } else {
            out.push(char);
        }
    }
    out.push('"');
    out
}

const SCALARS: [&str; 16] = [
    "12345",
    "12345.0",
    "1.2345e4",
    "123450",
    "-12345",
    "0",
    "7",
    "7.0",
    "true",
    "null",
    "\"u-7\"",
    "\"\"",
    "\"t\"",
    "\"12345\"",
    "\"012345\"",
    "\"änne@X.de \"",
];

const TEXTS: [&str; 12] = [
    "12345",
    "u-7",
    "",
    "a\"b",
    "änne@x.DE",
    " ÄNNE@x.de",
    "7",
    "t",
    "u",
    "\\",
    "a much longer value than all the others 😀",
    "é",
];

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => prop::sample::select(&SCALARS[..]).prop_map(str::to_owned),
        3 => (prop::sample::select(&TEXTS[..]), prop_oneof![3 => Just(0), 1 => any::<u32>()])
            .prop_map(|(text, how)| literal(text, how)),
    ]
}

/// Records of a few shapes, some of them with keys that are written as escapes or stand twice.
fn record() -> impl Strategy<Value = String> {
    let values = prop::collection::vec(scalar(), 8);
    (0..9_u8, values).prop_map(|(shape, v)| {
        let [a, b, c, d, e, f, g, h] = [&v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]];
        match shape {
            0 | 1 => format!(r#"{{"time":{a},"id":{b},"org":{c},"x":{d}}}"#),
            2 => format!(r#"{{"id":{b},"org":{c},"who":{{"first":{a},"last":{d},"mails":[{e},{f}]}}}}"#),
            3 => format!(r#"{{"org":{c},"who":{{"mails":[{e}],"last":{f},"first":{a}}},"map":{{"k":{g},"l":{h}}}}}"#),
            4 => format!(r#"{{"i\u0064":{a},"org":{c}, "id" : {b} ,"id":{d}}} "#),
            5 => format!(r#" {{"who":{{"mails":[[{a}],{{}},{b},[]]}},"map":{{"a":[{c}],"\u00e9":{d}}},"org":"t"}}"#),
            6 => format!(r#"{{"map":{{"id":{a}}},"x":{{"id":{b},"map":{{"k":{c}}}}},"o\u0072g":{d}}}"#),
            7 => format!(r#"{{"id":[{a}],"map":[{b}],"who":[{c}],"org":{d},"org":{e}}}"#),
            _ => "{}".to_owned(),
        }
    })
}

/// What goes wrong with lines: some bytes are cut off, changed, doubled or put in.
fn damage(line: String, at: usize, how: u8, byte: u8) -> String {
    let mut bytes = line.into_bytes();
    let at = at % bytes.len();
    match how {
        0 => bytes.truncate(at + 1),
        1 => bytes[at] = byte,
        2 => bytes.insert(at, byte),
        3 => {
            bytes.remove(at);
        }
        _ => bytes.splice(at..at, *b"\"}").for_each(drop),
    }
    // Lines stay lines, and records.
    bytes.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r' | 0)).for_each(|byte| *byte = b'?');
    match String::from_utf8(bytes) {
        Ok(line) if !line.trim().is_empty() => line,
        _ => "{".to_owned(),
    }
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        9 => record(),
        2 => (record(), any::<usize>(), 0..5_u8, 1..0x80_u8).prop_map(|(line, at, how, byte)| damage(line, at, how, byte)),
    ];
    prop::collection::vec(line, 1..60)
}

/// The rows that serde_json gives to each person by the plain column `id`, for lines that name each key once.
fn rows_by_id(lines: &[String]) -> [Vec<u64>; 2] {
    let mut rows = [Vec::new(), Vec::new()];
    for (row, line) in (0..).zip(lines) {
        let Ok(Value::Object(record)) = serde_json::from_str::<Value>(line) else { continue };
        let is = |wanted: &str| match record.get("id") {
            Some(Value::String(text)) => text == wanted,
            Some(Value::Number(number)) => wanted.parse() == Ok(number.as_f64().unwrap()),
            _ => false,
        };
        for (rows, wanted) in rows.iter_mut().zip(["12345", "u-7"]) {
            if is(wanted) {
                rows.push(row);
            }
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// A line means the same whatever lines stood before it.
    #[test]
    fn what_stood_before_changes_nothing(lines in lines(), tenant in any::<bool>()) {
        let matcher = matcher(tenant);
        let text = lines.join("\n");
        prop_assert_eq!(search(&matcher, text.as_bytes()).unwrap(), one_by_one(&matcher, &lines));
    }

    /// Lines of a known shape belong to those whom serde_json finds in them.
    #[test]
    fn known_shapes_are_read_as_serde_json_reads_them(
        values in prop::collection::vec((scalar(), scalar(), any::<usize>(), 0..40_u8, 1..0x80_u8), 1..80),
    ) {
        let lines: Vec<String> = values
            .into_iter()
            .map(|(id, other, at, how, byte)| {
                let line = format!(r#"{{"time":{other},"id":{id},"o":{{"id":{other},"l":[{id},{other}]}},"z":{other}}}"#);
                if how < 5 { damage(line, at, how, byte) } else { line }
            })
            .collect();
        let mapping = Mapping {
            identifiers: vec![IdentifierRule::One(Field::new(path("id"), Kind::new("id")))],
            tenant: TenantRule::Single,
        };
        let selectors = ["12345", "u-7"].map(|id| Selector { tenant: None, identifiers: vec![Identifier::new("id", id)] });
        let matcher = Arc::new(Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap());
        let answer = search(&matcher, lines.join("\n").as_bytes()).unwrap();
        let [first, second] = rows_by_id(&lines);
        // A damaged key may be `id` a second time, which serde_json's map forgets; and half of a surrogate pair is valid, and no `Value`
        // holds it.
        for (row, selectors, record) in &answer.found {
            let expected = if selectors == &[0] { &first } else { &second };
            let is_beyond = record.matches("\"id\"").count() > 2 || serde_json::from_str::<Value>(record).is_err();
            prop_assert!(expected.contains(row) || is_beyond, "{}", record);
        }
        let found = answer.found_rows();
        prop_assert!(first.iter().chain(&second).all(|row| found.contains(row)));
        let valid = lines.iter().filter(|line| {
            serde_json::from_str::<IgnoredAny>(line).is_ok() && line.trim_start().starts_with('{')
        });
        prop_assert_eq!(answer.rows, valid.count() as u64);
    }
}

/// Many lines with damage at every place: what the property tests do, longer and always the same.
#[test]
fn damage_at_every_byte_is_judged_alike() {
    let whole = [
        r#"{"time":"2024","id":"u-7","org":"t","x":-1.5e3}"#,
        r#"{"id":12345,"org":"t","who":{"first":"a\"b","last":"änne@x.de","mails":["7","\u0037"]}}"#,
        r#"{"org":"t","map":{"a":"u-7","b":null},"x":[1,{"y":[]},true]}"#,
    ];
    let matcher = matcher(true);
    for line in whole {
        for byte in ["\"", "\\", "{", "}", "[", "]", ",", ":", " ", "0", "e", "-", "\t", "é", "n"] {
            let mut lines = vec![line.to_owned(); 3];
            for at in (0..=line.len()).filter(|&at| line.is_char_boundary(at)) {
                let (before, behind) = line.split_at(at);
                lines.push(format!("{before}{byte}{behind}"));
                let mut rest = behind.chars();
                if rest.next().is_some() {
                    lines.push(format!("{before}{byte}{}", rest.as_str()));
                }
                lines.push(line.to_owned());
            }
            assert_eq!(search(&matcher, lines.join("\n").as_bytes()).unwrap(), one_by_one(&matcher, &lines));
        }
    }
}

/// Keys that are data, one shape a line: nothing is learned without bound, and nothing is missed.
#[test]
fn ever_new_keys_are_read() {
    let mut lines = Vec::new();
    for n in 0..30_000 {
        lines.push(match n % 7 {
            0 => format!(r#"{{"key{n}":{n},"id":"u-7","org":"t"}}"#),
            1 => r#"{"id":"u-7","org":"t"}"#.to_owned(),
            2 => format!(r#"{{"x":{{"{n}":{{"y":[{n}]}}}},"org":"t","map":{{"{n}":12345}}}}"#),
            3 => format!("{{\"{}{n}\":1}}", "k".repeat(n % 5000)),
            4 => format!("{}{{\"deep\":{n}}}{}", "{\"d\":".repeat(n % 100), "}".repeat(n % 100)),
            _ => format!(r#"{{"id":"{n}","org":"t"}}"#),
        });
    }
    let answer = search(&matcher(true), lines.join("\n").as_bytes()).unwrap();
    let is_found = |n: &u64| n % 7 <= 2;
    assert_eq!((answer.rows, answer.poisoned), (30_000, 0));
    assert_eq!(answer.found_rows(), (0..30_000).filter(is_found).collect::<Vec<_>>());
}
