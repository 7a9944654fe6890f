//! Lines: LF or CR LF ends one, nothing else does. Blank ones are no records.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x64};

use super::{Piece, PieceKind, check_beginning, check_record, marks, push};
use crate::{Limits, Result};

#[derive(Debug)]
pub(super) struct Lines {
    record_bytes_max: usize,
    rows: u64,
    /// Lines that ended so far.
    lines: u64,
    /// Where line feeds are.
    feeds: Vec<usize>,
    /// Whether the text that was split last holds a backslash.
    pub(super) has_backslash: bool,
}

impl Lines {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { record_bytes_max: limits.record_bytes_max, rows: 0, lines: 0, feeds: Vec::new(), has_backslash: false }
    }

    pub(super) fn split(
        &mut self,
        text: &[u8],
        mut at: usize,
        is_last: bool,
        pieces: &mut Vec<Piece>,
    ) -> Result<usize> {
        let from = at;
        let mut feeds = std::mem::take(&mut self.feeds);
        let found;
        (found, self.has_backslash) = dispatch!(Level::new(), simd => find_feeds(simd, text, &mut feeds));
        for next in feeds[..found].iter().map(|feed| feed + 1).skip_while(|&next| next <= from) {
            let end = next - if text[at..next].ends_with(b"\r\n") { 2 } else { 1 };
            self.line(text, at, end, next, pieces)?;
            at = next;
        }
        self.feeds = feeds;
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
        if start < end && next > end && matches!(text[start], b'!'..=b'~') {
            // As nearly all do, it begins with what is neither blank nor a mark.
            let kind = PieceKind::Record { row: self.rows, line: self.lines };
            pieces.extend_from_slice(&[
                Piece { kind, start, end },
                Piece { kind: PieceKind::LineEnd, start: end, end: next },
            ]);
            self.rows += 1;
            return Ok(());
        }
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

/// Puts all line feeds into `feeds`, says how many they are, and whether there is a backslash, which takes no time beside. Whether 64 bytes
/// hold a line feed is anybody's guess: to branch on it takes longer than to write down two places, and to count those that are none as none.
/// With this and the shortcut in [`line`](Lines::line), a search of lines took 1.27 to 1.31 times as long as their decompression, after 1.35; what it
/// takes now is in `benches/RESULTS.md` (`cargo xtask bench --cases find-lines:ndjson-zst`).
#[inline(always)]
fn find_feeds<S: Simd>(simd: S, text: &[u8], feeds: &mut Vec<usize>) -> (usize, bool) {
    let (chunks, rest) = text.as_chunks::<64>();
    let (mut at, mut found) = (0, 0);
    let mut backslashes = 0;
    for chunk in chunks {
        found += note_feeds(simd, chunk, at, feeds, found, &mut backslashes);
        at += chunk.len();
    }
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    found += note_feeds(simd, &last, at, feeds, found, &mut backslashes);
    (found, backslashes != 0)
}

#[inline(always)]
fn note_feeds<S: Simd>(
    simd: S,
    chunk: &[u8; 64],
    at: usize,
    feeds: &mut Vec<usize>,
    found: usize,
    backslashes: &mut u64,
) -> usize {
    if feeds.len() < found + 64 {
        feeds.resize(2 * found + 1024, 0);
    }
    let bytes = u8x64::simd_from(simd, *chunk);
    *backslashes |= bytes.simd_eq(u8x64::splat(simd, b'\\')).to_bitmask();
    let mut bits = bytes.simd_eq(u8x64::splat(simd, b'\n')).to_bitmask();
    let count = bits.count_ones() as usize;
    let places = &mut feeds[found..found + 64];
    places[0] = at + bits.trailing_zeros() as usize;
    bits &= bits.wrapping_sub(1);
    places[1] = at + bits.trailing_zeros() as usize;
    if count > 2 {
        for place in &mut places[2..count] {
            bits &= bits.wrapping_sub(1);
            *place = at + bits.trailing_zeros() as usize;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_feed_is_found_wherever_it_lies() {
        let mut feeds = Vec::new();
        for length in [0, 1, 2, 63, 64, 65, 127, 128, 129, 1000, 5000] {
            for (every, backslash) in [(1, None), (2, Some(0)), (3, Some(length / 2)), (63, None), (400, Some(length))]
            {
                let mut text: Vec<u8> =
                    (0..length).map(|at| if at % every == every - 1 { b'\n' } else { b'x' }).collect();
                let backslash = backslash.and_then(|at| text.get_mut(at)).map(|byte| *byte = b'\\');
                let (found, has_backslash) = dispatch!(Level::new(), simd => find_feeds(simd, &text, &mut feeds));
                let wanted: Vec<usize> = memchr::memchr_iter(b'\n', &text).collect();
                assert_eq!(feeds[..found], wanted, "{length} {every}");
                assert_eq!(has_backslash, backslash.is_some(), "{length} {every}");
            }
        }
    }

    #[test]
    fn a_shortcut_cuts_as_the_long_way_does() {
        let texts: [&[u8]; 6] = [b"{}\n", b"{}\r\n", b" {}\n", b"\xef\xbb\xbf{}\n", b"\xc3\xa4\r\n", b"\r\n"];
        let cut = |text: &[u8]| {
            let mut pieces = Vec::new();
            Lines::new(&Limits::default()).split(text, 0, true, &mut pieces).unwrap();
            pieces
        };
        let (record, other) = (PieceKind::Record { row: 0, line: 1 }, PieceKind::Other);
        let kinds: [&[(PieceKind, usize)]; 6] = [
            &[(record, 2), (PieceKind::LineEnd, 3)],
            &[(record, 2), (PieceKind::LineEnd, 4)],
            &[(record, 3), (PieceKind::LineEnd, 4)],
            &[(other, 3), (record, 5), (PieceKind::LineEnd, 6)],
            &[(record, 2), (PieceKind::LineEnd, 4)],
            &[(other, 2)],
        ];
        for (text, wanted) in texts.into_iter().zip(kinds) {
            let found: Vec<_> = cut(text).iter().map(|piece| (piece.kind, piece.end)).collect();
            assert_eq!(found, wanted, "{text:?}");
        }
    }
}
