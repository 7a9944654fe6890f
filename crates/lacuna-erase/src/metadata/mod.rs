//! Key-value metadata, as far as it may hold somebody's values.

mod escapes;
mod pandas;

use std::borrow::Cow;
use std::collections::BTreeSet;

use arrow::ipc;
use lacuna_scan::ipc::schema::kept;
use lacuna_scan::{Case, FieldTest, folded};

use self::escapes::readings;

/// Shorter values are found by chance where libraries name things of theirs.
const LENGTH_MIN: usize = 4;

/// Under these keys, and under those that start so, libraries write of types, columns and versions alone.
const OF_LIBRARIES: [&[u8]; 3] = [b"geo", b"huggingface", b"r"];
const OF_LIBRARIES_START: [&[u8]; 9] =
    [b"ARROW:", b"PARQUET:", b"avro.", b"delta.", b"gdal:", b"iceberg.", b"org.apache.spark.", b"parquet.", b"writer."];

/// Where in a text a value shorter than [`LENGTH_MIN`] is one.
#[derive(Clone, Copy)]
enum Short {
    Nowhere,
    /// Where it is all of the text.
    Whole,
    /// There, and if it has a letter wherever it is a word.
    Word,
}

/// Those of the texts that `test` wants which `key` or `value` holds outside of what tells of a table's structure: as a word of its own, or
/// with its length in front, as Polars lists the categories of an `Enum`.
pub(crate) fn held<'t>(key: &[u8], value: &[u8], test: &'t FieldTest) -> BTreeSet<&'t [u8]> {
    let mut held = BTreeSet::new();
    each(key, value, &mut |text, short| {
        let text = normal(test, text);
        held.extend(test.texts().iter().filter(|wanted| holds(&text, wanted, short)));
    });
    held
}

/// `text` in lower case, where the test is for that.
pub(crate) fn normal<'t>(test: &FieldTest, text: &'t [u8]) -> Cow<'t, [u8]> {
    match test.case() {
        Case::Sensitive => text.into(),
        // Metadata may be text in part only.
        Case::Insensitive => folded(&String::from_utf8_lossy(text)).into_bytes().into(),
    }
}

fn holds(text: &[u8], wanted: &[u8], short: Short) -> bool {
    if wanted.is_empty() {
        return false;
    }
    let is_short = wanted.len() < LENGTH_MIN;
    if is_short {
        match short {
            Short::Nowhere => return false,
            // Numbers count columns, categories and versions.
            Short::Word if String::from_utf8_lossy(wanted).contains(char::is_alphabetic) => {}
            Short::Whole | Short::Word => return text == wanted,
        }
    }
    let is_here = |window: &[u8]| window.first() == wanted.first() && window == wanted;
    text.windows(wanted.len()).enumerate().filter(|(_, window)| is_here(window)).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + wanted.len()..]);
        let is_in_longer = if is_short { is_in_word(before, after) } else { is_in_ascii_word(before, after) };
        !is_in_longer || before.ends_with(format!("{};", wanted.len()).as_bytes())
    })
}

fn is_in_ascii_word(before: &[u8], after: &[u8]) -> bool {
    [before.last(), after.first()].into_iter().flatten().any(u8::is_ascii_alphanumeric)
}

/// Of any script: short values are found in longer words more often.
fn is_in_word(before: &[u8], after: &[u8]) -> bool {
    let before = String::from_utf8_lossy(&before[before.len().saturating_sub(4)..]).chars().next_back();
    let after = String::from_utf8_lossy(&after[..after.len().min(4)]).chars().next();
    [before, after].into_iter().flatten().any(char::is_alphanumeric)
}

/// Hands to `f` what `key` and `value` may say, but for what tells of a table's structure.
fn each(key: &[u8], value: &[u8], f: &mut dyn FnMut(&[u8], Short)) {
    if key == b"ARROW:schema"
        && let Some(message) = kept(value)
        && let Some(schema) = ipc::root_as_message(&message).ok().and_then(|message| message.header_as_schema())
    {
        return each_of_schema(&message, schema, f);
    }
    let mut each_reading = |text: &[u8], short| readings(text).iter().for_each(|text| f(text, short));
    if key == b"pandas"
        && let Some(rest) = pandas::without_structure(value)
    {
        return each_reading(&rest, Short::Word);
    }
    let is_of_library =
        OF_LIBRARIES.contains(&key) || OF_LIBRARIES_START.into_iter().any(|start| key.starts_with(start));
    let (of_key, of_value) = if is_of_library { (Short::Nowhere, Short::Nowhere) } else { (Short::Whole, Short::Word) };
    each_reading(key, of_key);
    each_reading(value, of_value);
}

/// The same of a schema's metadata and of its columns', and of all else in its message but what the shard's own schema says too: the
/// columns' names, and time zones.
fn each_of_schema(message: &[u8], schema: ipc::Schema<'_>, f: &mut dyn FnMut(&[u8], Short)) {
    let mut parts = Parts { seen: Vec::new(), f };
    parts.pairs(schema.custom_metadata());
    schema.fields().into_iter().flatten().for_each(|field| parts.field(field));
    let mut rest = message.to_vec();
    for part in parts.seen {
        let at = part.as_ptr() as usize - message.as_ptr() as usize;
        rest[at..at + part.len()].fill(0);
    }
    readings(&rest).iter().for_each(|text| f(text, Short::Nowhere));
}

/// A schema on the way.
struct Parts<'m, 'f> {
    /// What the rest is without.
    seen: Vec<&'m str>,
    f: &'f mut dyn FnMut(&[u8], Short),
}

impl<'m> Parts<'m, '_> {
    fn pairs(&mut self, pairs: Option<impl IntoIterator<Item = ipc::KeyValue<'m>>>) {
        for pair in pairs.into_iter().flatten() {
            let text = |text: Option<&'m str>| text.unwrap_or_default().as_bytes();
            each(text(pair.key()), text(pair.value()), self.f);
            self.seen.extend([pair.key(), pair.value()].into_iter().flatten());
        }
    }

    fn field(&mut self, field: ipc::Field<'m>) {
        self.seen.extend(field.name());
        self.seen.extend(field.type_as_timestamp().and_then(|timestamp| timestamp.timezone()));
        self.pairs(field.custom_metadata());
        field.children().into_iter().flatten().for_each(|child| self.field(child));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_alone_or_is_counted() {
        for text in ["bobby", "owner bobby, 5", "3;ann5;bobby2;cy", "a.bobby"] {
            assert!(holds(text.as_bytes(), b"bobby", Short::Nowhere), "{text}");
        }
        for text in ["", "bobb", "bobbyx", "6;bobbyx", "kebobby", "15bobby5"] {
            assert!(!holds(text.as_bytes(), b"bobby", Short::Word), "{text}");
        }
        assert!(holds(br#"{"owner":"alice@example.com"}"#, b"alice@example.com", Short::Whole));
        assert!(!holds(b"166577", b"66577", Short::Word));
        assert!(holds(b"66577", b"66577", Short::Word));
    }

    #[test]
    fn a_short_word_stands_alone_or_is_counted_or_is_all() {
        for text in ["bob", "owner bob, 5", "3;ann3;bob2;cy", "a.bob"] {
            assert!(holds(text.as_bytes(), b"bob", Short::Word), "{text}");
            assert_eq!(holds(text.as_bytes(), b"bob", Short::Whole), text == "bob");
            assert!(!holds(text.as_bytes(), b"bob", Short::Nowhere), "{text}");
        }
        for text in ["", "bo", "bobby", "5;bobby", "kebob", "13bob5", "bobé", "ébob", "bob李"] {
            assert!(!holds(text.as_bytes(), b"bob", Short::Word), "{text}");
        }
        assert!(holds(b"\xe9bob\xe9", b"bob", Short::Word));
        assert!(!holds(b"bob", b"", Short::Word) && !holds(b"1 12", b"12", Short::Word));
    }
}
