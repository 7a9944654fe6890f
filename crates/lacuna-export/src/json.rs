//! JSON as text: its tokens, with numbers and strings as they are written.
//!
//! A parser into values would lose what an export must keep: a number's digits, the order of keys, and keys that occur twice.

mod text;

pub(crate) use text::{Text, text, write_string};

use crate::{Error, NESTING_MAX, Result};

/// A piece of JSON text. Names, strings and numbers are as they are written, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Name(&'a [u8]),
    String(&'a [u8]),
    Number(&'a [u8]),
    True,
    False,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A value.
    Value,
    /// A value, or the end of the array that just began.
    ValueOrEnd,
    /// A name, or the end of the object that just began.
    NameOrEnd,
    /// A name, after a comma.
    Name,
    /// A comma or the end of what is open; white space only when nothing is.
    Next,
}

/// The tokens of one JSON text, checked against the grammar on the way.
///
/// One thing more is let pass than RFC 8259 allows: control characters within strings, which loggers leave there.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether each open level is an object, outermost first.
    open: Vec<bool>,
    expect: Expect,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, open: Vec::new(), expect: Expect::Value }
    }

    /// How many objects and arrays are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next token; `None` after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>> {
        loop {
            self.skip_space();
            let Some(&byte) = self.text.get(self.at) else {
                let done = self.expect == Expect::Next && self.open.is_empty();
                return if done { Ok(None) } else { Err(self.wrong("ends too early")) };
            };
            match self.expect {
                Expect::Value => return self.value(byte).map(Some),
                Expect::ValueOrEnd if byte == b']' => return Ok(Some(self.close())),
                Expect::ValueOrEnd => return self.value(byte).map(Some),
                Expect::NameOrEnd if byte == b'}' => return Ok(Some(self.close())),
                Expect::NameOrEnd | Expect::Name => {
                    if byte != b'"' {
                        return Err(self.wrong("a name is missing"));
                    }
                    let name = self.string()?;
                    self.skip_space();
                    if self.text.get(self.at) != Some(&b':') {
                        return Err(self.wrong("a colon is missing"));
                    }
                    self.at += 1;
                    self.expect = Expect::Value;
                    return Ok(Some(Token::Name(name)));
                }
                Expect::Next => match (self.open.last(), byte) {
                    (Some(true), b'}') | (Some(false), b']') => return Ok(Some(self.close())),
                    (Some(object), b',') => {
                        self.expect = if *object { Expect::Name } else { Expect::Value };
                        self.at += 1;
                    }
                    (Some(_), _) => return Err(self.wrong("a comma or an end is missing")),
                    (None, _) => return Err(self.wrong("something follows the end")),
                },
            }
        }
    }

    /// Passes the value that comes next, after a name; answers with its text.
    pub(crate) fn value_text(&mut self) -> Result<&'a [u8]> {
        self.skip_space();
        let start = self.at;
        let depth = self.depth();
        while self.next()?.is_some() {
            if self.depth() == depth {
                break;
            }
        }
        Ok(&self.text[start..self.at])
    }

    fn wrong(&self, what: &'static str) -> Error {
        Error::Record { offset: self.at, what }
    }

    fn skip_space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, first: u8) -> Result<Token<'a>> {
        let token = match first {
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'"' => Token::String(self.string()?),
            b't' => self.word(b"true", Token::True)?,
            b'f' => self.word(b"false", Token::False)?,
            b'n' => self.word(b"null", Token::Null)?,
            b'-' | b'0'..=b'9' => Token::Number(self.number()?),
            _ => return Err(self.wrong("a value is missing")),
        };
        self.expect = Expect::Next;
        Ok(token)
    }

    fn open(&mut self, object: bool) -> Result<Token<'a>> {
        if self.open.len() == NESTING_MAX {
            return Err(Error::Nesting { limit: NESTING_MAX });
        }
        self.open.push(object);
        self.at += 1;
        self.expect = if object { Expect::NameOrEnd } else { Expect::ValueOrEnd };
        Ok(if object { Token::ObjectStart } else { Token::ArrayStart })
    }

    fn close(&mut self) -> Token<'a> {
        self.at += 1;
        self.expect = Expect::Next;
        if self.open.pop() == Some(true) { Token::ObjectEnd } else { Token::ArrayEnd }
    }

    fn word(&mut self, word: &'static [u8], token: Token<'a>) -> Result<Token<'a>> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong("a value is missing"));
        }
        self.at += word.len();
        Ok(token)
    }

    fn string(&mut self) -> Result<&'a [u8]> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None => return Err(self.wrong("a string has no end")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at]);
                }
                Some(b'\\') => {
                    let hex = |text: &[u8]| text.len() == 4 && text.iter().all(u8::is_ascii_hexdigit);
                    match self.text.get(self.at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                        Some(b'u') if self.text.get(self.at + 2..self.at + 6).is_some_and(hex) => self.at += 6,
                        _ => return Err(self.wrong("an escape is wrong")),
                    }
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Result<&'a [u8]> {
        let length = number_length(&self.text[self.at..]).ok_or_else(|| self.wrong("a number is wrong"))?;
        let number = &self.text[self.at..self.at + length];
        self.at += length;
        Ok(number)
    }
}

/// How many bytes the JSON number in front of `text` has; `None` when none stands there.
fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// Whether `text` is a JSON number and nothing else.
pub(crate) fn is_number(text: &[u8]) -> bool {
    number_length(text) == Some(text.len())
}

/// Appends the JSON object in `text` without the white space between its tokens.
pub(crate) fn compact(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(Error::Record { offset: error.valid_up_to(), what: "is not UTF-8" });
    }
    let mut tokens = Tokens::new(text);
    let mut comma = false;
    while let Some(token) = tokens.next()? {
        if tokens.depth() == 0 && token != Token::ObjectEnd {
            return Err(not_an_object());
        }
        let (before, after, written): (bool, bool, &[u8]) = match token {
            Token::ObjectStart => (comma, false, b"{"),
            Token::ArrayStart => (comma, false, b"["),
            Token::ObjectEnd => (false, true, b"}"),
            Token::ArrayEnd => (false, true, b"]"),
            Token::Name(name) => (comma, false, name),
            Token::String(text) | Token::Number(text) => (comma, true, text),
            Token::True => (comma, true, b"true"),
            Token::False => (comma, true, b"false"),
            Token::Null => (comma, true, b"null"),
        };
        if before {
            out.push(b',');
        }
        match token {
            Token::Name(text) | Token::String(text) => text::write_raw(text, out),
            _ => out.extend_from_slice(written),
        }
        if matches!(token, Token::Name(_)) {
            out.push(b':');
        }
        comma = after;
    }
    Ok(())
}

/// Calls `each` with every name and value of the JSON object in `text`, as they are written, in order.
pub(crate) fn entries<'a>(text: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8]) -> Result<()>) -> Result<()> {
    let mut tokens = Tokens::new(text);
    if tokens.next()? != Some(Token::ObjectStart) {
        return Err(not_an_object());
    }
    while let Some(token) = tokens.next()? {
        if let Token::Name(name) = token {
            each(name, tokens.value_text()?)?;
        }
    }
    Ok(())
}

/// The error for JSON text that is well-formed and no object.
pub(crate) fn not_an_object() -> Error {
    Error::Record { offset: 0, what: "is another kind of value" }
}

#[cfg(test)]
mod tests;
