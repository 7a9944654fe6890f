//! Lines: LF or CR LF ends one, nothing else does. Blank ones are no records.

use super::{Piece, PieceKind, check_beginning, check_record, marks, push};
use crate::{Limits, Result};

#[derive(Debug)]
pub(super) struct Lines {
    record_bytes_max: usize,
    rows: u64,
    /// Lines that ended so far.
    lines: u64,
}

impl Lines {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { record_bytes_max: limits.record_bytes_max, rows: 0, lines: 0 }
    }

    pub(super) fn split(
        &mut self,
        text: &[u8],
        mut at: usize,
        is_last: bool,
        pieces: &mut Vec<Piece>,
    ) -> Result<usize> {
        let from = at;
        for feed in memchr::memchr_iter(b'\n', &text[from..]) {
            let next = from + feed + 1;
            let end = next - if text[at..next].ends_with(b"\r\n") { 2 } else { 1 };
            self.line(text, at, end, next, pieces)?;
            at = next;
        }
        if is_last {
            self.line(text, at, text.len(), text.len(), pieces)?;
            return Ok(text.len());
        }
        check_beginning(text.len() - at, self.record_bytes_max)?;
        Ok(at)
    }

    /// One line and what ends it.
    fn line(&mut self, text: &[u8], start: usize, end: usize, next: usize, pieces: &mut Vec<Piece>) -> Result<()> {
        check_record(end - start, self.record_bytes_max)?;
        self.lines += 1;
        let first = start + marks(&text[start..end]);
        if text[first..end].iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            push(pieces, PieceKind::Other, start, next);
            return Ok(());
        }
        push(pieces, PieceKind::Other, start, first);
        push(pieces, PieceKind::Record { row: self.rows, line: self.lines }, first, end);
        push(pieces, PieceKind::LineEnd, end, next);
        self.rows += 1;
        Ok(())
    }
}
