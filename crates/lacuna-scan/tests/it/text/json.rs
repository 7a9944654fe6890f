//! The walker against serde_json.

use std::fmt;
use std::ops::Range;

use lacuna_scan::text::Fault;
use lacuna_scan::text::json::{Paths, Visitor, Walker};
use lacuna_scan::{ColumnPath, Step, Value};
use proptest::prelude::*;
use serde::de::{IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use super::path;

/// Paths of every shape over the keys that are generated.
const PATHS: [&str; 9] = ["a", "b.a", "a[]", "a[].b", "b{}", "b{}[]", "é.a", "a.b.a[]", "b[][]"];

/// Each value found, as `path number, text of the value`.
#[derive(Default)]
struct Found(Vec<(usize, String)>);

impl Visitor for Found {
    fn value(&mut self, targets: &[usize], _: Range<usize>, value: Option<Value<'_>>) {
        let text = match value {
            // Half of a surrogate pair is bytes that are no UTF-8.
            Some(Value::JsonString(text)) => format!("s{}", String::from_utf8_lossy(text)),
            Some(Value::JsonNumber(text)) => format!("n{}", String::from_utf8(text.to_vec()).unwrap()),
            _ => return,
        };
        self.0.extend(targets.iter().map(|&target| (target, text.clone())));
    }
}

fn walk(text: &str, paths: &[ColumnPath]) -> Result<Vec<(usize, String)>, Fault> {
    let paths = Paths::new(paths.iter().enumerate());
    let mut found = Found::default();
    Walker::new(&paths, 128).walk(text, &mut found)?;
    found.0.sort();
    Ok(found.0)
}

/// The same by serde_json: one container at a time, with all its keys.
fn oracle(raw: &str, steps: &[Step], found: &mut Vec<String>) {
    let raw = raw.trim();
    match steps.split_first() {
        None if raw.starts_with('"') => found.push(format!("s{}", serde_json::from_str::<String>(raw).unwrap())),
        None if raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => found.push(format!("n{raw}")),
        None => {}
        Some((Step::Elements, rest)) if raw.starts_with('[') => {
            let elements: Vec<Box<RawValue>> = serde_json::from_str(raw).unwrap();
            elements.iter().for_each(|element| oracle(element.get(), rest, found));
        }
        Some((step, rest)) if raw.starts_with('{') => {
            let Entries(entries) = serde_json::from_str(raw).unwrap();
            for (key, value) in entries {
                if *step == Step::Values || *step == Step::Field(key) {
                    oracle(value.get(), rest, found);
                }
            }
        }
        Some(_) => {}
    }
}

/// An object's entries, equal keys and all.
struct Entries(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> serde::de::Visitor<'de> for All {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All)
    }
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just(""), 1 => Just(" "), 1 => Just("\t\r "), 1 => Just("\n   ")]
}

/// A string literal: some characters as they are, some escaped in one of the ways there are.
fn string(alphabet: &'static str) -> impl Strategy<Value = String> {
    let chars: Vec<char> = alphabet.chars().collect();
    let char = (prop::sample::select(chars), 0..4_u8).prop_map(|(char, how)| match (char, how) {
        ('"', 0..=2) => "\\\"".to_owned(),
        ('\\', 0..=2) => "\\\\".to_owned(),
        ('/', 0) => "\\/".to_owned(),
        ('\n', 0..=2) => "\\n".to_owned(),
        ('"' | '\\' | '\n', _) | (_, 0) => {
            let mut units = [0; 2];
            char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
        _ => char.to_string(),
    });
    prop::collection::vec(char, 0..12).prop_map(|chars| format!("\"{}\"", chars.concat()))
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["\"a\"", "\"b\"", "\"é\""]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\"\\u0061\"", "\"\\u0062\"", "\"\\u00E9\""]).prop_map(str::to_owned),
        1 => string("ab\"\\"),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        3 => string("abcxyz01 é😀\"\\/\n{}[],:"),
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        1 => prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ];
    scalar.prop_recursive(5, 40, 4, |inner| {
        let spaced =
            (blank(), inner, blank()).prop_map(|(before, value, after)| format!("{before}{value}{after}")).boxed();
        prop_oneof![
            1 => (blank(), prop::collection::vec(spaced.clone(), 0..4)).prop_map(|(blank, values)| {
                if values.is_empty() { format!("[{blank}]") } else { format!("[{}]", values.join(",")) }
            }),
            2 => object(spaced),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let entry = (blank(), key(), blank(), value).prop_map(|(a, key, b, value)| format!("{a}{key}{b}:{value}"));
    (blank(), prop::collection::vec(entry, 0..5)).prop_map(|(blank, entries)| {
        if entries.is_empty() { format!("{{{blank}}}") } else { format!("{{{}}}", entries.join(",")) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// The values at a path are serde_json's, whatever the white space, the escapes and the order of keys.
    #[test]
    fn finds_what_serde_json_finds(text in object(value())) {
        let paths = PATHS.map(path);
        let mut expected = Vec::new();
        for (target, path) in paths.iter().enumerate() {
            let mut values = Vec::new();
            oracle(&text, path.steps(), &mut values);
            expected.extend(values.into_iter().map(|value| (target, value)));
        }
        expected.sort();
        prop_assert_eq!(walk(&text, &paths), Ok(expected), "{}", text);
    }

    /// What serde_json takes for JSON is taken for JSON, and nothing else, down to the last byte.
    #[test]
    fn accepts_what_serde_json_accepts(text in value(), at in any::<prop::sample::Index>(), how in 0..4_u8, byte in 0_u8..0x80) {
        let mut bytes = text.into_bytes();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            match how {
                0 => {}
                1 => bytes.truncate(at),
                2 => bytes[at] = byte,
                _ => bytes.insert(at, byte),
            }
        }
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        for paths in [&PATHS.map(path)[..], &[]] {
            let found = match walk(&text, paths) {
                Ok(_) | Err(Fault::NotObject) => true,
                Err(_) => false,
            };
            prop_assert_eq!(found, expected, "{:?}", &text);
        }
    }
}

#[test]
fn spans_are_the_values_text() {
    struct Spans<'t>(&'t str, Vec<String>);
    impl Visitor for Spans<'_> {
        fn value(&mut self, _: &[usize], span: Range<usize>, _: Option<Value<'_>>) {
            self.1.push(self.0[span].to_owned());
        }
    }
    let text = r#" { "a" : "x\n" , "b": [ 1 , {"c":null} , "é" ], "d" :{"e":true}, "a":-1.5e3 } "#;
    let paths = ["a", "b[]", "b[].c", "d", "d.e"].map(path);
    let mut spans = Spans(text, Vec::new());
    Walker::new(&Paths::new(paths.iter().map(|path| (0, path))), 128).walk(text, &mut spans).unwrap();
    let expected = [r#""x\n""#, "1", "null", r#"{"c":null}"#, "\"é\"", "true", r#"{"e":true}"#, "-1.5e3"];
    assert_eq!(spans.1, expected);
}
