//! CSV rows: LF, CR LF or CR ends one outside of quotes. The first one names the columns, unless the source does. A text without any is
//! what writers leave that had no records.

use std::sync::Arc;

use super::{Piece, PieceKind, check_beginning, check_record, marks, push};
use crate::text::csv::Fields;
use crate::text::{CsvLayout, Fault, Quotes};
use crate::{Error, Limits, Result};

/// Where a text ends too early.
const OPEN_QUOTE: &str = "inside a quoted field (if quotes are ordinary characters in it: `csv = { quote = false }`)";

#[derive(Debug)]
pub(super) struct Rows {
    layout: CsvLayout,
    record_bytes_max: usize,
    columns_max: usize,
    names: Option<Arc<[String]>>,
    rows: u64,
    /// Line ends so far, those inside of quotes too.
    lines: u64,
}

impl Rows {
    pub(super) fn new(layout: &CsvLayout, limits: &Limits) -> Result<Self> {
        if !layout.delimiter.is_ascii() || matches!(layout.delimiter, b'"' | b'\n' | b'\r' | 0) {
            return Err(Error::Unsupported { what: "a CSV delimiter that is not one ASCII character".into() });
        }
        Ok(Self {
            layout: layout.clone(),
            record_bytes_max: limits.record_bytes_max,
            columns_max: limits.columns_max,
            names: layout.header.as_deref().map(Arc::from),
            rows: 0,
            lines: 0,
        })
    }

    pub(super) fn names(&self) -> Option<&Arc<[String]>> {
        self.names.as_ref()
    }

    pub(super) fn split(
        &mut self,
        text: &[u8],
        mut at: usize,
        offset: u64,
        is_last: bool,
        pieces: &mut Vec<Piece>,
    ) -> Result<usize> {
        while at < text.len() {
            let first = at + marks(&text[at..]);
            let Some((end, next)) = self.row_end(text, first, is_last)? else {
                check_beginning(text.len() - at, self.record_bytes_max)?;
                return Ok(at);
            };
            check_record(end - first, self.record_bytes_max)?;
            let row = &text[first..end];
            let inner = line_ends(row);
            if row.is_empty() {
                push(pieces, PieceKind::Other, at, next);
            } else if self.names.is_none() {
                self.names = Some(self.header(row, offset + first as u64)?);
                self.check_quotes(row, inner)?;
                push(pieces, PieceKind::Other, at, next);
            } else {
                self.check_quotes(row, inner)?;
                push(pieces, PieceKind::Other, at, first);
                push(pieces, PieceKind::Record { row: self.rows, line: self.lines + 1 }, first, end);
                push(pieces, PieceKind::LineEnd, end, next);
                self.rows += 1;
            }
            self.lines += inner + u64::from(next > end);
            at = next;
        }
        Ok(at)
    }

    /// Where the row that starts at `start` ends, and where the next one starts. `None`: not in this text.
    fn row_end(&self, text: &[u8], start: usize, is_last: bool) -> Result<Option<(usize, usize)>> {
        let mut at = start;
        let stop = |rest: &[u8]| match self.layout.quotes {
            Quotes::Ordinary => memchr::memchr2(b'\n', b'\r', rest),
            Quotes::Guessed | Quotes::Enclosing => memchr::memchr3(b'"', b'\n', b'\r', rest),
        };
        while let Some(length) = stop(&text[at..]) {
            at += length;
            match text[at] {
                b'\n' => return Ok(Some((at, at + 1))),
                b'\r' => {
                    return Ok(match text.get(at + 1) {
                        Some(b'\n') => Some((at, at + 2)),
                        None if !is_last => None,
                        Some(_) | None => Some((at, at + 1)),
                    });
                }
                // A quote means something at the start of a field only.
                _ if at > start && text[at - 1] != self.layout.delimiter => at += 1,
                _ => match quoted_end(text, at, is_last) {
                    Some(end) => at = end,
                    None if is_last => return Err(Error::Truncated { what: OPEN_QUOTE.into() }),
                    None => return Ok(None),
                },
            }
        }
        Ok(is_last.then_some((text.len(), text.len())))
    }

    /// Fails where quotes hold lines together that each look like a record: as many fields as columns, cut at every delimiter. Text
    /// of many lines hardly does, when it has three or more. What stray quotes swallow does, where it isn't poisoned anyway.
    fn check_quotes(&self, record: &[u8], line_ends: u64) -> Result<()> {
        let columns = self.names.as_ref().map_or(0, |names| names.len());
        if line_ends < 2 || columns < 2 || self.layout.quotes != Quotes::Guessed {
            return Ok(());
        }
        let is_whole = |line| memchr::memchr_iter(self.layout.delimiter, line).count() + 1 == columns;
        if lines(record).all(is_whole) {
            return Err(Error::StrayQuote { line: self.lines + 1, lines: line_ends + 1 });
        }
        Ok(())
    }

    fn header(&self, record: &[u8], offset: u64) -> Result<Arc<[String]>> {
        let mut names = Vec::new();
        for field in Fields::new(record, &self.layout) {
            let field = field.map_err(|fault| Error::malformed(offset, format!("the header line: {fault}")))?;
            let Ok(name) = String::from_utf8(field.value().into_owned()) else {
                return Err(Error::WrongFormat {
                    expected: "CSV in UTF-8",
                    reason: format!("the header line: {}", Fault::NotUtf8).into(),
                });
            };
            names.push(name);
            Error::check_limit("the number of columns", names.len() as u64, self.columns_max as u64, "columns_max")?;
        }
        Ok(names.into())
    }
}

/// Where the quoted field that opens at `open` ends. `None` where the text ends first: also right after a quote, when a second
/// one may follow.
fn quoted_end(text: &[u8], open: usize, is_last: bool) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr::memchr(b'"', &text[at..])? + 1;
        match text.get(at) {
            Some(b'"') => at += 1,
            Some(_) => return Some(at),
            None => return is_last.then_some(at),
        }
    }
}

/// Ended by LF, CR LF or CR.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let feeds = text.split(|&byte| byte == b'\n');
    feeds.flat_map(|line| line.strip_suffix(b"\r").unwrap_or(line).split(|&byte| byte == b'\r'))
}

/// LF, CR LF and CR each count once.
fn line_ends(text: &[u8]) -> u64 {
    let feeds = memchr::memchr_iter(b'\n', text).count();
    let returns = memchr::memchr_iter(b'\r', text).filter(|&at| text.get(at + 1) != Some(&b'\n')).count();
    (feeds + returns) as u64
}
