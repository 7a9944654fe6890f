//! The stored bytes on their way into a codec: a piece at a time, with the parts of headers that pieces cut in two.

use bytes::{Buf, Bytes};

use super::Step;
use super::room::Room;

/// Bytes that were pushed and not used yet.
#[derive(Default)]
pub(super) struct Feed {
    piece: Bytes,
    /// Bytes that must be seen together: headers, trailers, lz4 blocks.
    gathered: Vec<u8>,
    read: u64,
    ended: bool,
}

impl Feed {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.read += piece.len() as u64;
        if self.piece.is_empty() {
            self.piece = piece;
        } else {
            self.piece = [&self.piece[..], &piece].concat().into();
        }
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether nothing is left and nothing follows, apart from what is gathered.
    pub(super) fn has_ended(&self) -> bool {
        self.ended && self.piece.is_empty()
    }

    /// Bytes taken out of the pushed pieces so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read - self.piece.len() as u64
    }

    /// What is left of the piece.
    pub(super) fn piece(&self) -> &[u8] {
        &self.piece
    }

    /// Goes forward in the piece.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.piece.advance(bytes);
    }

    /// The gathered bytes, once they are `bytes` many.
    pub(super) fn gather(&mut self, bytes: usize) -> Option<&[u8]> {
        let missing = bytes.saturating_sub(self.gathered.len()).min(self.piece.len());
        self.gathered.extend_from_slice(&self.piece[..missing]);
        self.piece.advance(missing);
        (self.gathered.len() >= bytes).then_some(&self.gathered[..])
    }

    /// Gathers up to the next zero byte, and that one; whether it was reached.
    pub(super) fn gather_to_zero(&mut self) -> bool {
        let found = memchr::memchr(0, &self.piece);
        let bytes = found.map_or(self.piece.len(), |at| at + 1);
        self.gathered.extend_from_slice(&self.piece[..bytes]);
        self.piece.advance(bytes);
        found.is_some()
    }

    pub(super) fn gathered(&self) -> &[u8] {
        &self.gathered
    }

    /// Forgets what was gathered.
    pub(super) fn clear(&mut self) {
        self.gathered.clear();
    }

    /// Leaves at most `bytes` out, and says how many.
    pub(super) fn skip(&mut self, bytes: u32) -> u32 {
        let left = u32::try_from(self.piece.len()).unwrap_or(u32::MAX).min(bytes);
        self.piece.advance(left as usize);
        left
    }

    /// Copies the bytes as they are, the gathered ones first.
    pub(super) fn copy(&mut self, room: &mut Room<'_>) -> Step {
        if !self.gathered.is_empty() {
            // At most a magic number's bytes.
            let bytes = room.copy(&self.gathered);
            self.gathered.drain(..bytes);
            return Step::Data;
        }
        if self.piece.is_empty() {
            return if self.has_ended() { Step::End } else { Step::Hungry };
        }
        let bytes = room.copy(&self.piece);
        self.piece.advance(bytes);
        Step::Data
    }
}
