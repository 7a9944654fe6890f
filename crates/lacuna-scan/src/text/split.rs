//! Where records begin and end: the text cut into consecutive pieces that cover every byte of it.

mod document;
mod lines;
mod rows;

use std::sync::Arc;

use super::{TextFormat, plausible};
use crate::{Error, Limits, Result};
use document::Document;
use lines::Lines;
use rows::Rows;

/// One piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Its first byte in the split text.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// One record without its line end: a line that isn't blank, an array's element, a CSV row. It may turn out unreadable,
    /// and has its ordinal all the same.
    Record {
        /// Its ordinal, from 0.
        row: u64,
        /// The line it begins in, from 1; 0 in documents, whose lines mean nothing.
        line: u64,
    },
    /// What ends the record before it: LF, CR LF or CR.
    LineEnd,
    /// White space and comma around and between an array's records.
    Gap,
    /// Anything else: byte order mark, blank lines, the header, the document around the array.
    Other,
}

/// Cuts one shard's text into pieces.
#[derive(Debug)]
pub struct Splitter {
    format: TextFormat,
    form: Form,
    has_started: bool,
}

#[derive(Debug)]
enum Form {
    Lines(Lines),
    Document(Document),
    Rows(Rows),
}

impl Splitter {
    /// For one shard of this format. Fails when the format itself cannot be right.
    pub fn new(format: &TextFormat, limits: &Limits) -> Result<Self> {
        let form = match format {
            TextFormat::Ndjson => Form::Lines(Lines::new(limits)),
            TextFormat::Document { records } => Form::Document(Document::new(records, limits)?),
            TextFormat::Csv(layout) => Form::Rows(Rows::new(layout, limits)?),
        };
        Ok(Self { format: format.clone(), form, has_started: false })
    }

    /// Cuts off all pieces that are whole, and says how many bytes they cover; the rest comes again, with more behind it.
    /// `text` starts at `offset` of the shard's text. With `is_last` nothing follows, and all of it is covered.
    pub fn split(&mut self, text: &[u8], offset: u64, is_last: bool, pieces: &mut Vec<Piece>) -> Result<usize> {
        let mut start = 0;
        if !self.has_started {
            if text.len() < plausible::LOOK && !is_last {
                return Ok(0);
            }
            plausible::check(text, &self.format)?;
            self.has_started = true;
            start = marks(text);
            push(pieces, PieceKind::Other, 0, start);
        }
        match &mut self.form {
            Form::Lines(lines) => lines.split(text, start, is_last, pieces),
            Form::Document(document) => document.split(text, start, offset, is_last, pieces),
            Form::Rows(rows) => rows.split(text, start, offset, is_last, pieces),
        }
    }

    /// Whether the text that was split last may hold a backslash.
    pub(super) fn has_backslash(&self) -> bool {
        match &self.form {
            Form::Lines(lines) => lines.has_backslash,
            Form::Document(_) | Form::Rows(_) => true,
        }
    }

    /// The CSV columns' names, once they are known.
    pub fn names(&self) -> Option<&Arc<[String]>> {
        match &self.form {
            Form::Rows(rows) => rows.names(),
            Form::Lines(_) | Form::Document(_) => None,
        }
    }
}

/// A byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes of byte order marks `text` begins with. Who appends to a text, or joins several, leaves them in front of later lines too.
fn marks(text: &[u8]) -> usize {
    text.chunks(MARK.len()).take_while(|&chunk| chunk == MARK).count() * MARK.len()
}

/// Adds a piece, unless it is empty. What lies between records is one piece as far as it is of one kind.
fn push(pieces: &mut Vec<Piece>, kind: PieceKind, start: usize, end: usize) {
    match pieces.last_mut() {
        _ if start == end => {}
        Some(last) if last.kind == kind && matches!(kind, PieceKind::Gap | PieceKind::Other) => last.end = end,
        _ => pieces.push(Piece { kind, start, end }),
    }
}

fn check_record(bytes: usize, limit: usize) -> Result<()> {
    Error::check_limit("a record", bytes as u64, limit as u64, "record_bytes_max")
}

/// The same for a record of which more may follow: how long it is, nobody knows.
fn check_beginning(bytes: usize, limit: usize) -> Result<()> {
    Error::check_limit("the beginning of a record, with a length", bytes as u64, limit as u64, "record_bytes_max")
}
