//! What becomes of each record, and of what stands between the records that stay.

use std::ops::Range;
use std::sync::Arc;

use lacuna_scan::text::csv::Fields;
use lacuna_scan::text::json::{Paths, Visitor, Walker};
use lacuna_scan::text::search::is_named;
use lacuna_scan::text::{Fault, PieceKind, Quotes, TextFormat};
use lacuna_scan::{Limits, Value};

use super::output::Output;
use crate::{Change, Error, Result};

/// Writes the pieces of a shard that stay, in their order.
pub(super) struct Editor<'a> {
    format: &'a TextFormat,
    change: Change<'a>,
    /// Where JSON values to change lie.
    paths: Paths,
    nesting_max: usize,
    record_bytes_max: usize,
    /// CSV only: for each column, whether it changes.
    columns: Option<Vec<bool>>,
    /// The last record went, so its line end goes too.
    drops_line_end: bool,
    gaps: Gaps,
}

/// White space and comma between an array's elements, until it is known which of them stay.
#[derive(Default)]
struct Gaps {
    /// An element of this array was written.
    has_element: bool,
    /// What stood before the first element, where that one went.
    first: Option<(u64, Vec<u8>)>,
    /// What stands before the next element, or before the end of the array.
    next: Option<(u64, Vec<u8>)>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(format: &'a TextFormat, change: Change<'a>, limits: &Limits) -> Self {
        let paths = match change {
            Change::Delete => Paths::new([]),
            Change::Anonymize(paths) => Paths::new(paths.iter().map(|path| (0, path))),
        };
        Self {
            format,
            change,
            paths,
            nesting_max: limits.nesting_max,
            record_bytes_max: limits.record_bytes_max,
            columns: None,
            drops_line_end: false,
            gaps: Gaps::default(),
        }
    }

    /// Learns the CSV columns' names.
    pub(super) fn names(&mut self, names: Option<&Arc<[String]>>) {
        if let (None, Some(names)) = (&self.columns, names) {
            let paths = match self.change {
                Change::Delete => &[],
                Change::Anonymize(paths) => paths,
            };
            self.columns = Some(names.iter().map(|name| paths.iter().any(|path| is_named(path, name))).collect());
        }
    }

    /// Where text stood that may be written yet, if there is any.
    pub(super) fn held(&self) -> Option<u64> {
        let gaps = [&self.gaps.first, &self.gaps.next].into_iter().flatten();
        gaps.filter(|(_, gap)| !gap.is_empty()).map(|(offset, _)| *offset).min()
    }

    /// Writes a piece that is no record, when it stays.
    pub(super) fn between(
        &mut self,
        kind: PieceKind,
        offset: u64,
        bytes: &[u8],
        output: &mut Output<'_>,
    ) -> Result<()> {
        match kind {
            PieceKind::LineEnd if std::mem::take(&mut self.drops_line_end) => Ok(()),
            PieceKind::Gap => {
                let gap = &mut self.gaps.next.get_or_insert((offset, Vec::new())).1;
                gap.extend_from_slice(bytes);
                let (length, limit) = (gap.len() as u64, self.record_bytes_max as u64);
                let what = "the white space between records";
                Ok(lacuna_scan::Error::check_limit(what, length, limit, "record_bytes_max")?)
            }
            PieceKind::LineEnd | PieceKind::Record { .. } | PieceKind::Other => {
                // The array is over, or there is none.
                if let Some((offset, gap)) = std::mem::take(&mut self.gaps).next {
                    output.write(offset, &gap)?;
                }
                output.write(offset, bytes)
            }
        }
    }

    /// Writes a record, as it is or changed, or leaves it out; or says what is wrong with it, and writes nothing.
    pub(super) fn record(
        &mut self,
        offset: u64,
        bytes: &[u8],
        is_hit: bool,
        output: &mut Output<'_>,
    ) -> Result<std::result::Result<(), Fault>> {
        let spans = match self.spans(bytes, is_hit) {
            Ok(spans) => spans,
            Err(fault) => return Ok(Err(fault)),
        };
        match (self.change, is_hit) {
            (_, false) => self.keep(offset, bytes, output)?,
            (Change::Delete, true) => self.leave_out(),
            (Change::Anonymize(_), true) => {
                self.join(output)?;
                let mut at = 0;
                let blank = self.blank()?;
                for span in spans {
                    output.write(offset + at as u64, &bytes[at..span.start])?;
                    output.insert(offset + span.start as u64, blank)?;
                    at = span.end;
                }
                output.write(offset + at as u64, &bytes[at..])?;
            }
        }
        Ok(Ok(()))
    }

    /// Writes a record as it is.
    pub(super) fn keep(&mut self, offset: u64, bytes: &[u8], output: &mut Output<'_>) -> Result<()> {
        self.join(output)?;
        output.write(offset, bytes)
    }

    fn leave_out(&mut self) {
        self.drops_line_end = true;
        let gap = self.gaps.next.take();
        if !self.gaps.has_element && self.gaps.first.is_none() {
            self.gaps.first = Some(gap.unwrap_or_default());
        }
    }

    /// Writes what stands before an element that stays.
    fn join(&mut self, output: &mut Output<'_>) -> Result<()> {
        self.drops_line_end = false;
        let gaps = &mut self.gaps;
        let next = gaps.next.take();
        let gap = if gaps.has_element { next } else { gaps.first.take().or(next) };
        gaps.has_element = true;
        match gap {
            Some((offset, gap)) => output.write(offset, &gap),
            None => Ok(()),
        }
    }

    /// What a value is replaced by.
    fn blank(&self) -> Result<&'static [u8]> {
        match (self.format, &self.columns) {
            (TextFormat::Csv(layout), Some(columns)) if columns.len() == 1 => match layout.quotes {
                Quotes::Guessed | Quotes::Enclosing => Ok(b"\"\""),
                Quotes::Ordinary => Err(Error::Unfaithful("an only field cannot be empty without quotes".to_owned())),
            },
            (TextFormat::Csv(_), _) => Ok(b""),
            (TextFormat::Ndjson | TextFormat::Document { .. }, _) => Ok(b"null"),
        }
    }

    /// Validates a record, and says where the values to change stand in it, in their order.
    fn spans(&self, bytes: &[u8], is_hit: bool) -> std::result::Result<Vec<Range<usize>>, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
        let mut spans = Spans::default();
        match self.format {
            TextFormat::Csv(layout) => {
                let columns = self.columns.as_deref().unwrap_or_default();
                let mut found = 0;
                for field in Fields::new(bytes, layout) {
                    let span = field?.span;
                    if is_hit && columns.get(found) == Some(&true) {
                        spans.0.push(span);
                    }
                    found += 1;
                }
                if found != columns.len() {
                    return Err(Fault::Fields { found, expected: columns.len() });
                }
            }
            TextFormat::Ndjson | TextFormat::Document { .. } => {
                let mut walker = Walker::new(&self.paths, self.nesting_max);
                if is_hit { walker.walk(text, &mut spans)? } else { walker.check(text)? }
            }
        }
        Ok(spans.outermost())
    }
}

/// Where values stand that change.
#[derive(Default)]
struct Spans(Vec<Range<usize>>);

impl Visitor for Spans {
    fn value(&mut self, _: &[usize], span: Range<usize>, _: Option<Value<'_>>) {
        self.0.push(span);
    }
}

impl Spans {
    /// Those that lie in no other one.
    fn outermost(mut self) -> Vec<Range<usize>> {
        // An object comes behind what it holds: by start, the longest first.
        self.0.sort_unstable_by_key(|span| (span.start, usize::MAX - span.end));
        let mut end = 0;
        self.0.retain(|span| {
            let is_outermost = span.start >= end;
            end = end.max(span.end);
            is_outermost
        });
        self.0
    }
}
