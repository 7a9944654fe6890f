//! Bytes that can be read at any place, by several threads at once.

use std::io;
use std::ops::Range;

use bytes::Bytes;

/// A shard's bytes. Reads are positioned: no two readers share an offset.
pub trait ReadAt: Send + Sync {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// The bytes in `range`; an error when it ends behind the last one.
    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes>;

    /// Fills `buffer` with the bytes from `at` on; an error when there are too few.
    fn read_into(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(&self.read_at(at..end)?);
        Ok(())
    }
}

/// Reads from the first byte to the last.
pub struct Sequential<'a> {
    input: &'a dyn ReadAt,
    at: u64,
}

impl<'a> Sequential<'a> {
    /// Reads all of `input`.
    pub fn new(input: &'a dyn ReadAt) -> Self {
        Self { input, at: 0 }
    }
}

impl io::Read for Sequential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.input.size().saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        self.input.read_into(self.at, &mut buffer[..length])?;
        self.at += length as u64;
        Ok(length)
    }
}

impl ReadAt for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let within = range.start <= range.end && range.end <= self.size();
        if !within {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Both ends are within the buffer, so they fit.
        #[expect(clippy::cast_possible_truncation, reason = "both ends are within the buffer")]
        Ok(self.slice(range.start as usize..range.end as usize))
    }
}
