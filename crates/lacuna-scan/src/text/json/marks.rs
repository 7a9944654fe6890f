//! Which bytes of a text mean something inside of a JSON string: quotes, backslashes and control characters, one bit for each
//! byte. Made for many records at once by SIMD, so that a string is stepped over in a few instructions however long it is.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x64};

/// The marks of one text; its buffer is used again for the next.
#[derive(Debug, Default)]
pub(in crate::text) struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// Marks `text`. A mark behind its end stops every search.
    pub(in crate::text) fn mark(&mut self, text: &[u8]) {
        // What is there already is written over.
        self.words.resize(text.len() / 64 + 1, 0);
        dispatch!(Level::new(), simd => mark(simd, text, &mut self.words));
    }

    /// The first mark at `at` or behind; at most one behind the text.
    #[inline]
    pub(super) fn next(&self, at: usize) -> usize {
        // The next 64 bytes, wherever a word ends: a branch on that would be a guess.
        let (word, shift) = (at / 64, at % 64);
        let low = self.words.get(word).map_or(1, |bits| bits >> shift);
        let high = self.words.get(word + 1).map_or(0, |bits| bits << 1 << (63 - shift));
        let bits = low | high;
        if bits != 0 { at + bits.trailing_zeros() as usize } else { self.far(word + 1) }
    }

    /// The first mark in this word or behind.
    fn far(&self, from: usize) -> usize {
        let words = self.words.get(from..).unwrap_or_default();
        let skipped = words.iter().take_while(|&&bits| bits == 0).count();
        // There is a mark behind the text.
        (from + skipped) * 64 + words.get(skipped).map_or(0, |bits| bits.trailing_zeros() as usize)
    }
}

/// One loop in which all is inlined: as a closure of an iterator, each vector operation became a call, and it took over ten
/// times as long.
#[inline(always)]
fn mark<S: Simd>(simd: S, text: &[u8], words: &mut [u64]) {
    let (chunks, rest) = text.as_chunks::<64>();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = marked(simd, chunk);
    }
    // Zeros are marked: the text ends with one.
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    if let Some(word) = words.get_mut(chunks.len()) {
        *word = marked(simd, &last);
    }
}

#[inline(always)]
fn marked<S: Simd>(simd: S, chunk: &[u8; 64]) -> u64 {
    let bytes = u8x64::simd_from(simd, *chunk);
    let control = bytes.simd_lt(u8x64::splat(simd, 0x20));
    let quote = bytes.simd_eq(u8x64::splat(simd, b'"'));
    let backslash = bytes.simd_eq(u8x64::splat(simd, b'\\'));
    (control | quote | backslash).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_every_byte_that_means_something_in_a_string() {
        let mut marks = Marks::default();
        for length in [0, 1, 63, 64, 65, 200] {
            for special in 0..=255_u8 {
                for at in [0, 1, 62, 63, 64, 127, 199].into_iter().filter(|&at| at < length) {
                    let mut text = vec![b'a'; length];
                    text[at] = special;
                    marks.mark(&text);
                    let is_marked = special < 0x20 || special == b'"' || special == b'\\';
                    assert_eq!(marks.next(0), if is_marked { at } else { length });
                    assert_eq!(marks.next(at), if is_marked { at } else { length });
                    assert_eq!(marks.next(at + 1), length);
                }
            }
        }
    }
}
