//! The bytes of a column chunk, read at once where they are few.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use crate::ReadAt;

/// A file of which one part may be at hand.
#[derive(Clone)]
pub(super) struct Shelf<'a> {
    input: &'a dyn ReadAt,
    start: u64,
    held: Option<Bytes>,
}

impl<'a> Shelf<'a> {
    /// The file, with the bytes from `start` on that are `held`.
    pub(super) fn new(input: &'a dyn ReadAt, start: u64, held: Option<Bytes>) -> Self {
        Self { input, start, held }
    }
}

impl ReadAt for Shelf<'_> {
    fn size(&self) -> u64 {
        self.input.size()
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        if let Some(held) = &self.held
            && let Some(start) = range.start.checked_sub(self.start)
            && let Some(end) = range.end.checked_sub(self.start)
            && start <= end
            && end <= held.len() as u64
        {
            return held.read_at(start..end);
        }
        self.input.read_at(range)
    }

    fn read_into(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        match &self.held {
            Some(_) => {
                buffer.copy_from_slice(&self.read_at(at..at + buffer.len() as u64)?);
                Ok(())
            }
            None => self.input.read_into(at, buffer),
        }
    }
}
