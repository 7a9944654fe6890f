//! What a JSON string says, and the JSON string that says a text.

use std::borrow::Cow;

/// The text of a JSON string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    /// The text. A surrogate without its partner, which is no character, stands as its escape (`\ud800`).
    pub(crate) text: Cow<'a, str>,
    /// Whether `text` is exactly what the string says: it holds no such surrogate.
    pub(crate) exact: bool,
}

/// The text of the JSON string `raw`, which [`Tokens`](super::Tokens) has passed, quotes included.
///
/// Bytes that are not UTF-8 become U+FFFD; rendered records have none.
pub(crate) fn text(raw: &[u8]) -> Text<'_> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains(&b'\\') {
        return Text { text: String::from_utf8_lossy(inner), exact: true };
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut exact = true;
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        if byte != b'\\' {
            bytes.push(byte);
            at += 1;
            continue;
        }
        let simple = match inner.get(at + 1) {
            Some(b'b') => Some(b'\x08'),
            Some(b'f') => Some(b'\x0c'),
            Some(b'n') => Some(b'\n'),
            Some(b'r') => Some(b'\r'),
            Some(b't') => Some(b'\t'),
            Some(b'u') | None => None,
            Some(&other) => Some(other),
        };
        if let Some(byte) = simple {
            bytes.push(byte);
            at += 2;
            continue;
        }
        let high = unit(inner, at);
        let (scalar, length) = match unit(inner, at + 6) {
            Some(low @ 0xdc00..=0xdfff) if matches!(high, Some(0xd800..=0xdbff)) => {
                let high = high.unwrap_or_default();
                (char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 12)
            }
            _ => (high.and_then(char::from_u32), 6),
        };
        match scalar {
            Some(scalar) => bytes.extend_from_slice(scalar.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {
                exact = false;
                bytes.extend_from_slice(inner.get(at..at + length).unwrap_or_default());
            }
        }
        at += length;
    }
    let text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Text { text: Cow::Owned(text), exact }
}

/// The UTF-16 unit that the escape `\uXXXX` at `at` stands for.
fn unit(text: &[u8], at: usize) -> Option<u32> {
    let hex = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// Appends the JSON string that says `text`.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        escape(byte, out);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Appends the JSON string `raw` as it is, with control characters, which it should not hold, escaped.
pub(super) fn write_raw(raw: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    for (at, &byte) in raw.iter().enumerate() {
        if byte < b' ' {
            out.extend_from_slice(&raw[from..at]);
            escape(byte, out);
            from = at + 1;
        }
    }
    out.extend_from_slice(&raw[from..]);
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\x08' => out.extend_from_slice(b"\\b"),
        b'\x0c' => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}
