//! Room for text, filled from its front.
//!
//! It is memory that was written before: to be appended to, a vector would be cleared first, each time.

/// A slice, and how much of it is text.
pub(super) struct Room<'a> {
    bytes: &'a mut [u8],
    filled: usize,
}

impl<'a> Room<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, filled: 0 }
    }

    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// What isn't filled.
    pub(super) fn free(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Counts the first `bytes` of what was free as text.
    pub(super) fn fill(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Copies as much of `text` as there is room for, and says how much.
    pub(super) fn copy(&mut self, text: &[u8]) -> usize {
        let free = self.free();
        let bytes = text.len().min(free.len());
        free[..bytes].copy_from_slice(&text[..bytes]);
        self.filled += bytes;
        bytes
    }
}
