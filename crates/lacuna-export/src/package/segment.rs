//! One segment of a path, made from a name.
//!
//! Letters, digits and most signs stay. What a store or a file system would take for something else, or not take, becomes
//! `%XX`, byte by byte, as in URLs; so does `%` itself, so two names never make one segment. A segment that would be too
//! long is cut and gets `~` and a hash of the whole name.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// How many bytes a segment has at most.
const BYTES_MAX: usize = 100;

/// What devices are called on Windows, where a file of that name, with any extension, is the device.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// What a package's own files end in; a folder that does too could stand where a file must.
const EXTENSIONS: [&str; 6] = [".json", ".ndjson", ".csv", ".xml", ".html", ".jws"];

/// The segment of a folder called `name`.
pub(super) fn folder(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let extension = EXTENSIONS.iter().find(|extension| lower.ends_with(**extension));
    let dot = extension.map(|extension| name.len() - extension.len());
    let first = name == "_" || lower == "_success";
    encode(name, first, dot)
}

/// The segment of a data file called `name`, without its extension.
pub(super) fn file(name: &str) -> String {
    // `X.0001` is what the first part of `X` is called.
    let dot = name.rfind('.').filter(|&dot| name[dot + 1..].bytes().all(|byte| byte.is_ascii_digit()));
    encode(name, false, dot)
}

/// Whether `segment` is a name and nothing else.
pub(super) fn is_plain(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.chars().any(char::is_control)
}

/// Encodes `name`, and in any case its first character (`first`) and the dot at `dot`.
fn encode(name: &str, first: bool, dot: Option<usize>) -> String {
    if name.is_empty() {
        // An encoded nothing; no other name makes it.
        return "%".to_owned();
    }
    let first = first || is_device(name);
    let last = name.char_indices().next_back().map(|(at, _)| at);
    let mut segment = String::with_capacity(name.len());
    for (at, letter) in name.char_indices() {
        let edge =
            (at == 0 && (first || matches!(letter, '.' | ' '))) || (Some(at) == last && matches!(letter, '.' | ' '));
        if edge || Some(at) == dot || !is_safe(letter) {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(segment, "%{byte:02X}");
            }
        } else {
            segment.push(letter);
        }
    }
    if segment.len() > BYTES_MAX {
        let hash = Sha256::digest(name);
        let mut end = BYTES_MAX - 17;
        while !segment.is_char_boundary(end) {
            end -= 1;
        }
        segment.truncate(end);
        segment.push('~');
        for byte in hash.iter().take(8) {
            let _ = write!(segment, "{byte:02x}");
        }
    }
    segment
}

/// Whether Windows takes `name` for a device.
fn is_device(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = |port| {
        base.strip_prefix(port)
            .is_some_and(|rest| rest.chars().count() == 1 && !rest.contains(|letter: char| letter.is_alphabetic()))
    };
    DEVICES.contains(&base.as_str()) || numbered("com") || numbered("lpt")
}

/// Whether `letter` is itself to everyone who reads a path.
fn is_safe(letter: char) -> bool {
    let reserved = matches!(letter, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' | '%' | '~' | '#');
    // Characters that show nothing, or change how the ones around them show.
    let unseen = matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}');
    let other_space = letter != ' ' && letter.is_whitespace();
    !(reserved || unseen || other_space || letter.is_control())
}
