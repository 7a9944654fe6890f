//! A first look at the text: what it is when it is no UTF-8 text at all, so that an error can say so.

use super::TextFormat;
use crate::{Error, Result};

/// So many bytes decide.
pub(super) const LOOK: usize = 4 << 10;

/// Fails on UTF-16 and UTF-32, on other compressions and on binary formats.
pub(super) fn check(text: &[u8], format: &TextFormat) -> Result<()> {
    let head = &text[..text.len().min(LOOK)];
    let wrong = |reason: &'static str| Err(Error::WrongFormat { expected: format.name(), reason: reason.into() });
    let unread = |what: &'static str| Err(Error::Unsupported { what: what.into() });
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return wrong("it is UTF-32 text"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return wrong("it is UTF-16 text"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => return unread("bzip2 compression"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return unread("xz compression"),
        [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => return unread("snappy compression of text"),
        _ => {}
    }
    if memchr::memchr(0, head).is_none() {
        return Ok(());
    }
    let known: [(&[u8], &str); 6] = [
        (b"PAR1", "it is Parquet"),
        (b"ARROW1", "it is an Arrow IPC file"),
        (b"\xff\xff\xff\xff", "it is an Arrow IPC stream"),
        (b"ORC", "it is ORC"),
        (b"Obj\x01", "it is Avro"),
        (b"PK\x03\x04", "it is a zip archive"),
    ];
    if let Some((_, reason)) = known.iter().find(|(magic, _)| head.starts_with(magic)) {
        return wrong(reason);
    }
    // ASCII text in UTF-16 has a zero in every second byte.
    let zeros = |skip: usize| head.iter().skip(skip).step_by(2).take(32).all(|&byte| byte == 0);
    if head.len() >= 2 && (zeros(0) != zeros(1)) {
        return wrong("it is UTF-16 text without a byte order mark");
    }
    if *format == TextFormat::Ndjson && is_lines_else(head) {
        return Ok(());
    }
    wrong("it holds zero bytes, so it is no text")
}

/// Whether, zero bytes aside, it looks like lines of JSON: zeros break the lines that they stand in, and no others.
fn is_lines_else(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    text.starts_with(b"{") && text.iter().all(|byte| matches!(byte, 0 | b'\t' | b'\n' | b'\r' | b' '..))
}
