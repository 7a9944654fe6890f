//! The fields of one CSV row (RFC 4180). A quote opens a quoted field only at the field's start; elsewhere it is itself. Where quotes
//! are ordinary characters, it is itself everywhere.

use std::borrow::Cow;
use std::ops::Range;

use super::{CsvLayout, Fault, Quotes};

/// One field of a row.
#[derive(Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Where it stands in the row, quotes and all.
    pub span: Range<usize>,
    /// Its text, without the quotes around it.
    inner: &'a [u8],
    /// Whether quotes in it are doubled.
    is_doubled: bool,
}

impl<'a> Field<'a> {
    /// Its value, unquoted: copied only where it has quotes of its own.
    pub fn value(&self) -> Cow<'a, [u8]> {
        if !self.is_doubled {
            return Cow::Borrowed(self.inner);
        }
        let mut value = Vec::with_capacity(self.inner.len());
        self.append_to(&mut value);
        Cow::Owned(value)
    }

    /// Its value where blanks in front of its quotes keep them from enclosing it: the blanks stay, the quotes go.
    pub(super) fn value_behind_blanks(&self) -> Option<Vec<u8>> {
        let quoted = self.inner.trim_ascii();
        let start = self.inner.len() - self.inner.trim_ascii_start().len();
        let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if start == 0 || self.span.len() != self.inner.len() {
            return None;
        }
        let mut value = self.inner[..start].to_vec();
        let mut rest = inner;
        while let Some(at) = memchr::memchr(b'"', rest) {
            value.extend_from_slice(&rest[..=at]);
            rest = rest[at + 1..].strip_prefix(b"\"").unwrap_or(&rest[at + 1..]);
        }
        value.extend_from_slice(rest);
        value.extend_from_slice(&self.inner[start + quoted.len()..]);
        Some(value)
    }

    /// Appends the value.
    pub(super) fn append_to(&self, value: &mut Vec<u8>) {
        let mut rest = self.inner;
        while self.is_doubled
            && let Some(at) = memchr::memchr(b'"', rest)
        {
            value.extend_from_slice(&rest[..=at]);
            rest = &rest[at + 2..];
        }
        value.extend_from_slice(rest);
    }
}

/// Goes over the fields of one row, which has at least one.
#[derive(Debug)]
pub struct Fields<'a> {
    row: &'a [u8],
    delimiter: u8,
    quotes: Quotes,
    /// Where the next field starts; `None` behind the last.
    at: Option<usize>,
}

impl<'a> Fields<'a> {
    /// The fields of a `row` without its line end.
    pub fn new(row: &'a [u8], layout: &CsvLayout) -> Self {
        Self { row, delimiter: layout.delimiter, quotes: layout.quotes, at: Some(0) }
    }

    fn field(&mut self, start: usize) -> Result<Field<'a>, Fault> {
        let (inner, is_doubled, end) = match self.row.get(start) {
            Some(b'"') if self.quotes != Quotes::Ordinary => quoted(self.row, start)?,
            _ => {
                let rest = &self.row[start..];
                let inner = &rest[..memchr::memchr(self.delimiter, rest).unwrap_or(rest.len())];
                (inner, false, start + inner.len())
            }
        };
        self.at = match self.row.get(end) {
            Some(&byte) if byte == self.delimiter => Some(end + 1),
            Some(_) => return Err(Fault::Syntax { at: end, what: "text follows a closing quote" }),
            None => None,
        };
        Ok(Field { span: start..end, inner, is_doubled })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at.take()?;
        Some(self.field(start))
    }
}

/// The text of the quoted field at `start`, whether quotes in it are doubled, and where it ends.
fn quoted(row: &[u8], start: usize) -> Result<(&[u8], bool, usize), Fault> {
    let mut is_doubled = false;
    let mut at = start + 1;
    loop {
        let Some(length) = memchr::memchr(b'"', &row[at..]) else {
            return Err(Fault::Syntax { at: start, what: "a quoted field is not closed" });
        };
        at += length + 1;
        if row.get(at) != Some(&b'"') {
            return Ok((&row[start + 1..at - 1], is_doubled, at));
        }
        is_doubled = true;
        at += 1;
    }
}
