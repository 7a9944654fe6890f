//! Bytes on their way to a file, counted and hashed as they pass.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use crate::seal::hex;

/// Passes bytes on to `out`.
pub(crate) struct Hashing<W> {
    out: W,
    hasher: Sha256,
    bytes: u64,
    seams: Seams,
}

/// The states of a SHA-256 along its bytes, by which any stretch of them can be checked for itself: whoever comes from one
/// state to the next over all stretches has hashed the whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seams {
    /// How far apart the states are; without states if 0.
    pub(crate) stride: u64,
    /// How many bytes there are.
    pub(crate) bytes: u64,
    /// The state in front of each stretch, and the one behind the last.
    states: Vec<Sha256>,
}

impl Seams {
    /// How many stretches there are.
    pub(crate) fn stretches(&self) -> usize {
        self.states.len().saturating_sub(1)
    }

    /// Whether `bytes` are those of the `at`th stretch.
    pub(crate) fn fit(&self, at: usize, bytes: &[u8]) -> bool {
        match self.states.get(at..at + 2) {
            Some([before, after]) => before.clone().chain_update(bytes).finalize() == after.clone().finalize(),
            _ => false,
        }
    }
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, hasher: Sha256::new(), bytes: 0, seams: Seams::default() }
    }

    /// The same, with a seam every `stride` bytes.
    pub(crate) fn with_seams(out: W, stride: u64) -> Self {
        let seams = Seams { stride: stride.max(1), bytes: 0, states: vec![Sha256::new()] };
        Self { seams, ..Self::new(out) }
    }

    /// How many bytes have passed, and their SHA-256 in hexadecimal.
    pub(crate) fn finish(self) -> io::Result<(u64, String)> {
        self.finish_with_seams().map(|(sha256, seams)| (seams.bytes, sha256))
    }

    /// The SHA-256 itself.
    pub(crate) fn seal(mut self) -> io::Result<[u8; 32]> {
        self.out.flush()?;
        Ok(self.hasher.finalize().into())
    }

    /// The SHA-256 in hexadecimal, and the seams.
    pub(crate) fn finish_with_seams(mut self) -> io::Result<(String, Seams)> {
        self.out.flush()?;
        self.seams.bytes = self.bytes;
        if self.seams.stride > 0 && !self.bytes.is_multiple_of(self.seams.stride) {
            self.seams.states.push(self.hasher.clone());
        }
        Ok((hex(&self.hasher.finalize()), self.seams))
    }

    fn hash(&mut self, mut bytes: &[u8]) {
        while let Some((before, behind)) = self.at_seam(bytes) {
            self.hasher.update(before);
            self.bytes += before.len() as u64;
            self.seams.states.push(self.hasher.clone());
            bytes = behind;
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// `bytes`, which come next, before and behind the next seam; `None` when they do not reach it.
    fn at_seam<'b>(&self, bytes: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
        let behind_last = self.bytes.checked_rem(self.seams.stride)?;
        bytes.split_at_checked(usize::try_from(self.seams.stride - behind_last).ok()?)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_checked_each_for_itself() {
        for length in [0, 1, 9, 10, 35] {
            let bytes: Vec<u8> = (0..length).collect();
            let mut out = Hashing::with_seams(Vec::new(), 10);
            // In pieces that do not keep to the seams.
            bytes.chunks(7).for_each(|piece| out.write_all(piece).unwrap());
            let (sha256, seams) = out.finish_with_seams().unwrap();
            assert_eq!(sha256, hex(&Sha256::digest(&bytes)));
            let stretches: Vec<&[u8]> = bytes.chunks(10).collect();
            assert_eq!((seams.stretches(), seams.bytes), (stretches.len(), bytes.len() as u64));
            for (at, stretch) in stretches.iter().enumerate() {
                assert!(seams.fit(at, stretch) && !seams.fit(at + 1, stretch));
                let mut other = stretch.to_vec();
                other[0] ^= 1;
                assert!(!seams.fit(at, &other) && !seams.fit(at, &stretch[1..]));
            }
        }
    }
}
