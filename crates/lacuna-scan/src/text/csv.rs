//! The fields of one CSV row (RFC 4180). A quote opens a quoted field only at the field's start; elsewhere it is itself.

use std::borrow::Cow;
use std::ops::Range;

use super::Fault;

/// One field of a row.
#[derive(Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Where it stands in the row, quotes and all.
    pub span: Range<usize>,
    /// Its value, unquoted.
    pub value: Cow<'a, [u8]>,
}

/// Goes over the fields of one row, which has at least one.
#[derive(Debug)]
pub struct Fields<'a> {
    row: &'a [u8],
    delimiter: u8,
    /// Where the next field starts; `None` behind the last.
    at: Option<usize>,
}

impl<'a> Fields<'a> {
    /// The fields of a `row` without its line end.
    pub fn new(row: &'a [u8], delimiter: u8) -> Self {
        Self { row, delimiter, at: Some(0) }
    }

    fn field(&mut self, start: usize) -> Result<Field<'a>, Fault> {
        let (value, end) = match self.row.get(start) {
            Some(b'"') => unquote(self.row, start)?,
            _ => {
                let rest = &self.row[start..];
                let value = &rest[..memchr::memchr(self.delimiter, rest).unwrap_or(rest.len())];
                (Cow::Borrowed(value), start + value.len())
            }
        };
        self.at = match self.row.get(end) {
            Some(&byte) if byte == self.delimiter => Some(end + 1),
            Some(_) => return Err(Fault::Syntax { at: end, what: "text follows a closing quote" }),
            None => None,
        };
        Ok(Field { span: start..end, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at.take()?;
        Some(self.field(start))
    }
}

/// The value of the quoted field at `start`, and where it ends.
fn unquote(row: &[u8], start: usize) -> Result<(Cow<'_, [u8]>, usize), Fault> {
    let mut value = Cow::Borrowed(&[][..]);
    let mut at = start + 1;
    loop {
        let Some(length) = memchr::memchr(b'"', &row[at..]) else {
            return Err(Fault::Syntax { at: start, what: "a quoted field is not closed" });
        };
        let is_doubled = row.get(at + length + 1) == Some(&b'"');
        let text = &row[at..at + length + usize::from(is_doubled)];
        if value.is_empty() {
            value = Cow::Borrowed(text);
        } else {
            value.to_mut().extend_from_slice(text);
        }
        at += length + 1;
        if !is_doubled {
            return Ok((value, at));
        }
        at += 1;
    }
}
