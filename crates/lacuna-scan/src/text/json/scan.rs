//! The smallest parts of JSON: where a string, number or literal ends, and whether it is one. All take the text and where to
//! start, and say where they end.

/// Why a scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::text) enum Stop {
    /// The text ends; with more of it, it might be right.
    End,
    /// What stands there cannot be right.
    At(usize, &'static str),
}

/// A string's extent.
#[derive(Clone, Copy, Debug)]
pub(in crate::text) struct Text {
    /// Behind the closing quote.
    pub(in crate::text) end: usize,
    /// Whether a backslash stands in it.
    pub(in crate::text) is_escaped: bool,
}

/// How many bytes of white space stand in front.
#[inline]
pub(in crate::text) fn blanks(text: &[u8]) -> usize {
    text.iter().position(|byte| !is_blank(*byte)).unwrap_or(text.len())
}

/// Where the next byte stands that is no white space. Compact JSON has none, so the first byte mostly decides.
#[inline]
pub(in crate::text) fn skip_blanks(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(&byte) if is_blank(byte) => at + blanks(&text[at..]),
        _ => at,
    }
}

#[inline]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Scans the string that opens at `open`.
#[inline]
pub(in crate::text) fn string(text: &[u8], open: usize) -> Result<Text, Stop> {
    let mut at = open + 1;
    let mut is_escaped = false;
    loop {
        at = plain(text, at);
        match text.get(at) {
            Some(b'"') => return Ok(Text { end: at + 1, is_escaped }),
            Some(b'\\') => {
                is_escaped = true;
                at = escape(text, at)?;
            }
            Some(_) => return Err(Stop::At(at, "a control character stands in a string")),
            None => return Err(Stop::End),
        }
    }
}

/// Where the next byte stands that means something inside of a string: a quote, a backslash or a control character. Eight bytes
/// at a time.
#[inline]
fn plain(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let found = specials(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = text.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// Sets the highest bit of every byte that is special, and maybe of some behind the first such byte: subtracting from a byte
/// borrows from the next only when the byte itself is special.
#[inline]
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word;
    (below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & HIGH
}

/// Steps over the escape whose backslash stands at `at`.
pub(super) fn escape(text: &[u8], at: usize) -> Result<usize, Stop> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let digits = &text[at + 2..text.len().min(at + 6)];
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(Stop::At(at, "a \\u escape is not four hexadecimal digits"));
            }
            if digits.len() == 4 { Ok(at + 6) } else { Err(Stop::End) }
        }
        Some(_) => Err(Stop::At(at, "an escape is unknown")),
        None => Err(Stop::End),
    }
}

/// Scans a number. It may go on where the text ends.
#[inline(always)]
pub(in crate::text) fn number(text: &[u8], start: usize) -> Result<usize, Stop> {
    let mut at = start + usize::from(text[start] == b'-');
    at = match text.get(at) {
        Some(b'0') => at + 1,
        _ => digits(text, at)?,
    };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at = digits(text, at + usize::from(matches!(text.get(at), Some(b'+' | b'-'))))?;
    }
    match text.get(at) {
        Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-') => {
            Err(Stop::At(start, "a number is malformed"))
        }
        _ => Ok(at),
    }
}

/// At least one digit. Eight bytes at a time: where a run of digits ends is not to be guessed.
#[inline(always)]
fn digits(text: &[u8], start: usize) -> Result<usize, Stop> {
    let mut at = start;
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let found = others_than_digits(u64::from_le_bytes(*chunk));
        if found != 0 {
            at += (found.trailing_zeros() / 8) as usize;
            return if at > start { Ok(at) } else { Err(Stop::At(start, "a number is malformed")) };
        }
        at += 8;
    }
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    match text.get(at) {
        _ if at > start => Ok(at),
        Some(_) => Err(Stop::At(start, "a number is malformed")),
        None => Err(Stop::End),
    }
}

/// Sets the highest bit of every byte that is no ASCII digit, and maybe of some behind the first such byte: adding to a byte
/// carries into the next only when the byte itself is none.
#[inline]
fn others_than_digits(word: u64) -> u64 {
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // A digit becomes 0 to 9, and only what is below 10 stays below 0x80 when 0x76 is added.
    let value = word ^ u64::from_le_bytes([b'0'; 8]);
    (value.wrapping_add(u64::from_le_bytes([0x76; 8])) | value) & HIGH
}

/// Scans `true`, `false` or `null`; anything else at this place is no value.
#[inline]
pub(in crate::text) fn literal(text: &[u8], at: usize) -> Result<usize, Stop> {
    let rest = &text[at..];
    for literal in [&b"true"[..], b"false", b"null"] {
        if rest.starts_with(literal) {
            return Ok(at + literal.len());
        }
        if literal.starts_with(rest) {
            return Err(Stop::End);
        }
    }
    match rest {
        [b'N', b'a', b'N', ..] | [b'I', b'n', b'f', ..] => Err(Stop::At(at, "`NaN` and `Infinity` are no JSON values")),
        _ => Err(Stop::At(at, rest.first().map_or(MISSING, |&byte| no_value(byte)))),
    }
}

const MISSING: &str = "a value is missing";

/// What is wrong where a value should begin with this byte, and none does.
#[cold]
pub(in crate::text) fn no_value(byte: u8) -> &'static str {
    match byte {
        0 => "a null byte is where a value should be, as after a crash of the writer",
        0x1e => "a record separator (0x1E) is where a value should be: JSON text sequences (RFC 7464) are not read",
        0x80.. => "a character that is not ASCII is where a value should be",
        _ => MISSING,
    }
}

/// Where the value at `start` ends, as far as brackets and quotes say; it need not be valid inside.
pub(in crate::text) fn extent(text: &[u8], start: usize) -> Result<usize, Stop> {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = string(text, at)?.end,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            b'-' | b'0'..=b'9' => return number(text, at),
            _ => return literal(text, at),
        }
        if depth == 0 {
            return Ok(at);
        }
    }
    Err(Stop::End)
}

/// Whether the string that opens at `open` is `wanted`, once its escapes are read.
pub(in crate::text) fn equals(text: &[u8], open: usize, string: Text, wanted: &str) -> bool {
    let raw = &text[open + 1..string.end - 1];
    if !string.is_escaped {
        return raw == wanted.as_bytes();
    }
    let mut value = Vec::new();
    unescape(raw, &mut value);
    value == wanted.as_bytes()
}

/// Reads the escapes of a string that was scanned; `raw` stands between its quotes.
pub(super) fn unescape(raw: &[u8], value: &mut Vec<u8>) {
    value.clear();
    let mut rest = raw;
    while let Some(length) = memchr::memchr(b'\\', rest) {
        value.extend_from_slice(&rest[..length]);
        rest = &rest[length + 1..];
        let (&kind, after) = rest.split_first().unwrap_or((&b'\\', &[]));
        rest = after;
        match kind {
            b'b' => value.push(0x08),
            b'f' => value.push(0x0c),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'u' => rest = unescape_unicode(rest, value),
            itself => value.push(itself),
        }
    }
    value.extend_from_slice(rest);
}

/// Reads the four digits in front of `rest`, and those of a second escape when both are one surrogate pair; gives what follows.
fn unescape_unicode<'a>(rest: &'a [u8], value: &mut Vec<u8>) -> &'a [u8] {
    let (mut code, mut rest) = hex4(rest);
    if (0xd800..0xdc00).contains(&code)
        && let Some(second) = rest.strip_prefix(b"\\u")
    {
        let (low, after) = hex4(second);
        if (0xdc00..0xe000).contains(&low) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            rest = after;
        }
    }
    match char::from_u32(code) {
        Some(char) => value.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            // Half a pair, in the form that UTF-8 would give it and forbids.
            #[expect(clippy::cast_possible_truncation, reason = "six bits each")]
            value.extend([0xe0 | (code >> 12) as u8, 0x80 | (code >> 6 & 0x3f) as u8, 0x80 | (code & 0x3f) as u8]);
        }
    }
    rest
}

fn hex4(text: &[u8]) -> (u32, &[u8]) {
    let (digits, rest) = text.split_at(text.len().min(4));
    let code = digits.iter().fold(0, |code, &digit| code << 4 | char::from(digit).to_digit(16).unwrap_or(0));
    (code, rest)
}
