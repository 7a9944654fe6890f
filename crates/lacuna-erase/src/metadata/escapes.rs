//! Text that JSON writes with escapes.

use std::borrow::Cow;

/// JSON in JSON in JSON: deeper, each backslash would be dozens of them.
const DEPTH_MAX: usize = 8;

/// What a text may say: itself, and what it says once the escapes of JSON in it are resolved, and those that this brings about, as of a
/// document within a string of another one. What is no JSON is read so, too: of it, too, may a part be.
pub(super) fn readings(text: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut readings = vec![Cow::Borrowed(text)];
    while readings.len() <= DEPTH_MAX
        && let Some(plain) = readings.last().and_then(|last| resolved(last))
    {
        readings.push(plain.into());
    }
    readings
}

/// `text` without its escapes; `None` when it has none.
fn resolved(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut rest = text;
    let mut is_changed = false;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let (before, from) = rest.split_at(at);
        plain.extend_from_slice(before);
        let (char, length) = escape(from).unwrap_or(('\\', 1));
        is_changed |= length > 1;
        plain.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &from[length..];
    }
    plain.extend_from_slice(rest);
    is_changed.then_some(plain)
}

/// The escape that `text` starts with: what it stands for, and its length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let char = match text.get(1)? {
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => {
            let first = unit(text)?;
            let pair = [Some(first), text.get(6..).and_then(unit)];
            let char = char::decode_utf16(pair.into_iter().flatten()).next()?.ok()?;
            return Some((char, 6 * char.len_utf16()));
        }
    };
    Some((char, 2))
}

/// The four hexadecimal digits behind `\u`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | u16::try_from(char::from(digit).to_digit(16)?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_what_serde_json_reads() {
        for plain in ["", "änne", "\"\\/\u{8}\u{c}\n\r\t\0", "\u{1f600}\u{ffff}", "x\\u0041"] {
            let ascii: String = plain.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            for written in [
                serde_json::to_string(plain).unwrap_or_default(),
                format!("\"{}\"", ascii.to_uppercase().replace("\\U", "\\u")),
            ] {
                assert_eq!(serde_json::from_str::<String>(&written).ok().as_deref(), Some(plain));
                let readings = readings(written.as_bytes());
                assert!(readings.contains(&Cow::from(format!("\"{plain}\"").as_bytes())), "{written}");
            }
        }
    }

    #[test]
    fn what_is_no_escape_stays() {
        for text in ["", "\\", "\\x", "\\u12", "\\u12g4", "\\u+123", "\\ud83d", "\\ud83d\\ux", "\\ude00\\ud83d"] {
            assert_eq!(readings(text.as_bytes()), [text.as_bytes()], "{text}");
        }
        assert_eq!(readings(b"\\ud83d\\u0041").last().map(|last| &last[..]), Some(&b"\\ud83dA"[..]));
    }

    #[test]
    fn escapes_within_escapes_are_resolved_to_an_end() {
        assert_eq!(readings(br"\\\\n"), [&br"\\\\n"[..], br"\\n", br"\n", b"\n"]);
        assert_eq!(readings("\\u005c".repeat(9).replace("c\\", "c").as_bytes()).len(), DEPTH_MAX + 1);
    }
}
