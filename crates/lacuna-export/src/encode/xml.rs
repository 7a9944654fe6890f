//! XML 1.0: an element a record, its fields by name and in order.
//!
//! ```xml
//! <?xml version="1.0" encoding="UTF-8"?>
//! <records>
//! <record><field name="Action">OpenFile</field><field name="Bytes" type="number">12</field></record>
//! </records>
//! ```
//!
//! - A name is an attribute, so any name will do. `type` is `number`, `boolean`, `null`, `object` (of `field`s) or `array` (of
//!   `item`s); text has none.
//! - A text with a character that XML cannot hold (most control characters, U+FFFE, U+FFFF, half a surrogate pair) is its
//!   JSON string, quotes and escapes included, and says so with `encoding="json"`; a name likewise with
//!   `name-encoding="json"`. So every text comes back as it was.

use std::io::Write;

use super::{Lines, put};
use crate::{
    Result,
    json::{self, Text, Token, Tokens},
};

pub(super) fn write(records: &mut Lines<'_>, out: &mut dyn Write) -> Result<()> {
    put(out, b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<records>\n")?;
    let mut element = Vec::new();
    while let Some(record) = records.next()? {
        element.clear();
        write_record(record, &mut element)?;
        put(out, &element)?;
    }
    put(out, b"</records>\n")
}

fn write_record(record: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut tokens = Tokens::new(record);
    if tokens.next()? != Some(Token::ObjectStart) {
        return Err(json::not_an_object());
    }
    out.extend_from_slice(b"<record>");
    // The elements that are open below the record, by their closing tags.
    let mut open: Vec<&[u8]> = Vec::new();
    let mut name = None;
    while let Some(token) = tokens.next()? {
        let (kind, text): (&[u8], &[u8]) = match token {
            Token::Name(raw) => {
                name = Some(raw);
                continue;
            }
            Token::ObjectEnd | Token::ArrayEnd => {
                out.extend_from_slice(open.pop().unwrap_or(b"</record>\n"));
                continue;
            }
            Token::ObjectStart => (b"object", b""),
            Token::ArrayStart => (b"array", b""),
            Token::String(raw) => (b"", raw),
            Token::Number(text) => (b"number", text),
            Token::True => (b"boolean", b"true"),
            Token::False => (b"boolean", b"false"),
            Token::Null => (b"null", b""),
        };
        let end: &[u8] = match name.take() {
            Some(raw) => {
                write_name(raw, out);
                b"</field>"
            }
            None => {
                out.extend_from_slice(b"<item");
                b"</item>"
            }
        };
        if !kind.is_empty() {
            out.extend_from_slice(b" type=\"");
            out.extend_from_slice(kind);
            out.push(b'"');
        }
        match token {
            Token::ObjectStart | Token::ArrayStart => {
                out.push(b'>');
                open.push(end);
            }
            Token::Null => out.extend_from_slice(b"/>"),
            Token::String(_) => {
                write_string(text, out);
                out.extend_from_slice(end);
            }
            _ => {
                out.push(b'>');
                out.extend_from_slice(text);
                out.extend_from_slice(end);
            }
        }
    }
    Ok(())
}

/// Appends `<field name="…"`, still open.
fn write_name(raw: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"<field name=\"");
    let holdable = write_escaped(raw, out);
    out.extend_from_slice(if holdable { b"\"" } else { b"\" name-encoding=\"json\"" });
}

/// Appends the end of the opening tag and the text.
fn write_string(raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'>');
    if !write_escaped(raw, out) {
        const ENCODED: &[u8] = b" encoding=\"json\"";
        out.splice(start..start, ENCODED.iter().copied());
    }
}

/// Appends the text of the JSON string `raw` with what XML escapes escaped; whether XML can hold it. If it cannot, the
/// JSON string itself was appended, in ASCII where the text has what XML forbids.
fn write_escaped(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let Text { text, exact } = json::text(raw);
    if exact && text.chars().all(is_xml) {
        escape(&text, out);
        return true;
    }
    let raw = String::from_utf8_lossy(raw);
    let mut ascii = String::with_capacity(raw.len());
    for letter in raw.chars() {
        if is_xml(letter) {
            ascii.push(letter);
        } else {
            // Below U+0020, U+FFFE and U+FFFF only: one escape each.
            ascii.push_str(&format!("\\u{:04x}", u32::from(letter)));
        }
    }
    escape(&ascii, out);
    false
}

/// Whether XML 1.0 can hold this character (its section 2.2).
fn is_xml(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Appends `text` for an element or an attribute. Line breaks and tabs are references, as parsers make other white space of
/// them.
fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let reference: &[u8] = match byte {
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'&' => b"&amp;",
            b'"' => b"&quot;",
            b'\t' => b"&#9;",
            b'\n' => b"&#10;",
            b'\r' => b"&#13;",
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(reference);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
}
