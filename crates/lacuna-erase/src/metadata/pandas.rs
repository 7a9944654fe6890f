//! What pandas and the libraries that write for it say of a table in its metadata, under the key `pandas`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What may stand in a place of the document that tells of the table's structure.
enum Shape {
    /// Anybody's values.
    Any,
    /// A name, a number, or nothing.
    Scalar,
    /// An object with these entries, or nothing.
    Object(&'static [(&'static str, Shape)]),
    /// A name, or an object with these entries.
    Named(&'static [(&'static str, Shape)]),
    /// A list of what has this shape, or nothing.
    List(&'static Shape),
}

const DOCUMENT: &[(&str, Shape)] = &[
    ("\"index_columns\"", Shape::List(&Shape::Named(INDEX))),
    ("\"column_indexes\"", Shape::List(&Shape::Object(COLUMN))),
    ("\"columns\"", Shape::List(&Shape::Object(COLUMN))),
    ("\"partition_columns\"", Shape::List(&Shape::Named(COLUMN))),
    ("\"attributes\"", Shape::Any),
    ("\"creator\"", Shape::Object(&[("\"library\"", Shape::Scalar), ("\"version\"", Shape::Scalar)])),
    ("\"library\"", Shape::Scalar),
    ("\"pandas_version\"", Shape::Scalar),
];

/// A range that stands for an index.
const INDEX: &[(&str, Shape)] = &[
    ("\"kind\"", Shape::Scalar),
    ("\"name\"", Shape::Scalar),
    ("\"start\"", Shape::Scalar),
    ("\"stop\"", Shape::Scalar),
    ("\"step\"", Shape::Scalar),
];

const COLUMN: &[(&str, Shape)] = &[
    ("\"name\"", Shape::Scalar),
    ("\"field_name\"", Shape::Scalar),
    ("\"pandas_type\"", Shape::Scalar),
    ("\"numpy_type\"", Shape::Scalar),
    ("\"metadata\"", Shape::Object(TYPE)),
];

/// What a type is made of.
const TYPE: &[(&str, Shape)] = &[
    ("\"num_categories\"", Shape::Scalar),
    ("\"ordered\"", Shape::Scalar),
    ("\"timezone\"", Shape::Scalar),
    ("\"encoding\"", Shape::Scalar),
    ("\"precision\"", Shape::Scalar),
    ("\"scale\"", Shape::Scalar),
];

/// `text` with blanks in place of what it says of the table's structure, which is nobody's. `None` when it is no JSON.
pub(super) fn without_structure(text: &[u8]) -> Option<Vec<u8>> {
    let mut structure = Vec::new();
    let document = serde_json::from_slice(text).ok()?;
    collect(document, &Shape::Object(DOCUMENT), &mut structure);
    let mut rest = text.to_vec();
    for part in structure {
        let at = part.as_ptr() as usize - text.as_ptr() as usize;
        rest[at..at + part.len()].fill(b' ');
    }
    Some(rest)
}

/// Adds what of `value` has the `shape` that a table's structure has.
fn collect<'t>(value: &'t RawValue, shape: &Shape, structure: &mut Vec<&'t str>) {
    let text = value.get();
    match (shape, text.as_bytes().first()) {
        (Shape::Object(entries) | Shape::Named(entries), Some(b'{')) => {
            let Entries(held) = serde_json::from_str(text).unwrap_or_default();
            for (key, value) in held {
                if let Some((_, shape)) = entries.iter().find(|(known, _)| *known == key.get()) {
                    structure.push(key.get());
                    collect(value, shape, structure);
                }
            }
        }
        (Shape::List(shape), Some(b'[')) => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            elements.into_iter().for_each(|element| collect(element, shape, structure));
        }
        (Shape::Scalar | Shape::Named(_), Some(first)) if !b"{[".contains(first) => structure.push(text),
        (Shape::Object(_) | Shape::List(_), Some(b'n')) => structure.push(text),
        _ => {}
    }
}

/// An object's entries, all that have one name too, with their names as they are written.
#[derive(Default)]
struct Entries<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_becomes_blanks_and_all_else_stays() {
        for (text, rest) in [
            (r#" {"pandas_version": "3.1.1", "other": 5} "#, r#" {                :        , "other": 5} "#),
            (r#"{"columns":[{"name":"a","x":1}],"columns":[]}"#, r#"{         :[{      :   ,"x":1}],         :[]}"#),
            (r#"{"columns":null,"creator":{"by":2},"stop":1}"#, r#"{         :    ,         :{"by":2},"stop":1}"#),
            (r#"{"col\u0075mns":[{"name":"a"}]}"#, r#"{"col\u0075mns":[{"name":"a"}]}"#),
            ("[\"columns\"]", "[\"columns\"]"),
            ("17", "17"),
        ] {
            assert_eq!(without_structure(text.as_bytes()).as_deref(), Some(rest.as_bytes()), "{text}");
        }
        for text in [&b""[..], b"{", b"{\"columns\":}", b"{} x", b"{\"columns\":\"\xff\"}"] {
            assert_eq!(without_structure(text), None);
        }
    }
}
