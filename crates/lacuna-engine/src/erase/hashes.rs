//! The hashes of a shard's old and new bytes.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use lacuna_erase::ReadAt as _;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use crate::problem::ShardError;
use crate::read::near::Near;
use crate::read::origin::FileAt;
use crate::receipt::seal::hex;

/// What was written is hashed and read back in stretches of so many bytes.
const STRETCH: u64 = 256 << 10;

/// What the bytes before and after a rewrite are known by.
#[derive(Clone, Debug)]
pub(crate) struct Hashes {
    /// The SHA-256 of the old bytes, in hexadecimal.
    pub(crate) before: String,
    /// The SHA-256 of the new bytes.
    pub(crate) after: String,
    pub(crate) stretches: Stretches,
}

/// The new bytes in stretches, each with a hash of its own (XXH3, 128 bits). Whether a store gives back what it was given is asked of all
/// stretches side by side, and costs far less than a SHA-256.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretches {
    /// How many bytes there are in all.
    pub(crate) bytes: u64,
    /// How many there are in each but the last.
    stride: u64,
    hashes: Vec<u128>,
}

impl Stretches {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Where the `at`th one lies.
    pub(crate) fn range(&self, at: usize) -> Range<u64> {
        let start = at as u64 * self.stride;
        start..self.bytes.min(start + self.stride)
    }

    /// Whether `bytes` are those of the `at`th one.
    pub(crate) fn fit(&self, at: usize, bytes: &[u8]) -> bool {
        self.hashes.get(at) == Some(&xxh3_128(bytes))
    }

    /// Whether `near` holds all of them and nothing else.
    pub(crate) fn fit_near(&self, near: &Near) -> Result<bool, ShardError> {
        let fits = |at| near.with(&self.range(at), |bytes| self.fit(at, bytes));
        let all = (0..self.len()).into_par_iter().map(fits).try_reduce(|| true, |one, other| Ok(one && other));
        Ok(near.size() == self.bytes && all?)
    }
}

impl Hashes {
    /// Reads both files, in stretches of at most `window` bytes. What both begin with is hashed once; `alike` says how much that is, so far.
    pub(crate) fn of(before: &FileAt, after: &FileAt, alike: &AtomicU64, window: u64) -> io::Result<Self> {
        let stride = window.clamp(1, STRETCH);
        let mut old = Progress::new(before, stride);
        let mut new = Progress::new(after, stride);
        let mut stretches = Stretches { bytes: after.size(), stride, hashes: Vec::new() };
        while let (Some(one), Some(other)) = (old.read()?, new.read()?) {
            if one != other {
                break;
            }
            stretches.hashes.push(xxh3_128(other));
            new.take();
            old.skip_to(&new);
            alike.store(new.at, Ordering::Relaxed);
        }
        let finish_new = || {
            while let Some(stretch) = new.read()? {
                stretches.hashes.push(xxh3_128(stretch));
                new.take();
            }
            Ok::<_, io::Error>((new.finish(), stretches))
        };
        let finish_old = || {
            while old.read()?.is_some() {
                old.take();
            }
            Ok::<_, io::Error>(old.finish())
        };
        let (old, new) = rayon::join(finish_old, finish_new);
        let (after, stretches) = new?;
        Ok(Self { before: old?, after, stretches })
    }
}

/// A file that is read and hashed from its first stretch to its last.
struct Progress<'a> {
    file: &'a FileAt,
    /// Where the stretch begins that comes next.
    at: u64,
    /// It, once it is read.
    stretch: Vec<u8>,
    stride: u64,
    hasher: Sha256,
}

impl<'a> Progress<'a> {
    fn new(file: &'a FileAt, stride: u64) -> Self {
        Self { file, at: 0, stretch: Vec::new(), stride, hasher: Sha256::new() }
    }

    /// The next stretch; `None` behind the last.
    fn read(&mut self) -> io::Result<Option<&[u8]>> {
        if self.stretch.is_empty() {
            let length = self.stride.min(self.file.size() - self.at);
            // A stretch is far smaller than what memory can hold.
            self.stretch.resize(usize::try_from(length).unwrap_or_default(), 0);
            self.file.read_into(self.at, &mut self.stretch)?;
        }
        Ok(Some(self.stretch.as_slice()).filter(|stretch| !stretch.is_empty()))
    }

    /// Hashes the stretch that was read.
    fn take(&mut self) {
        self.hasher.update(&self.stretch);
        self.at += self.stretch.len() as u64;
        self.stretch.clear();
    }

    /// Its bytes so far are those of `twin`, which has hashed them.
    fn skip_to(&mut self, twin: &Self) {
        self.at = twin.at;
        self.hasher = twin.hasher.clone();
        self.stretch.clear();
    }

    fn finish(self) -> String {
        hex(&self.hasher.finalize())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> FileAt {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        FileAt::new(file).unwrap()
    }

    #[test]
    fn both_are_hashed_wherever_they_part() {
        let whole: Vec<u8> = (0..95).collect();
        let mut other = whole.clone();
        other[42] ^= 1;
        let cases: [(&[u8], &[u8]); 10] = [
            (&whole, &whole),
            (&whole, &other),
            (&whole, &whole[..50]),
            (&whole, &whole[..55]),
            (&whole[..50], &whole),
            (&whole[..50], &whole[..50]),
            (&whole[..33], &whole),
            (&whole, &whole[1..]),
            (&whole, &[]),
            (&[], &whole),
        ];
        for (before, after) in cases {
            let alike = AtomicU64::new(0);
            let hashes = Hashes::of(&file(before), &file(after), &alike, 10).unwrap();
            let same = before.iter().zip(after).take_while(|(one, other)| one == other).count();
            assert!(alike.into_inner() <= same as u64);
            assert_eq!(hashes.before, hex(&Sha256::digest(before)));
            assert_eq!(hashes.after, hex(&Sha256::digest(after)));
        }
    }

    #[test]
    fn stretches_are_checked_each_for_itself() {
        for length in [0, 1, 9, 10, 35] {
            let bytes: Vec<u8> = (0..length).collect();
            let stretches = Hashes::of(&file(b"0123456789"), &file(&bytes), &AtomicU64::new(0), 10).unwrap().stretches;
            let pieces: Vec<&[u8]> = bytes.chunks(10).collect();
            assert_eq!((stretches.len(), stretches.bytes), (pieces.len(), bytes.len() as u64));
            let fit = |bytes: &[u8]| stretches.fit_near(&Near::File(file(bytes))).unwrap();
            assert!(fit(&bytes));
            assert!(!fit(&[&bytes[..], b"."].concat()));
            for (at, piece) in pieces.iter().enumerate() {
                assert!(stretches.fit(at, piece) && !stretches.fit(at + 1, piece));
                let mut other = piece.to_vec();
                other[0] ^= 1;
                let others = [&pieces[..at], &[&other], &pieces[at + 1..]].concat().concat();
                assert!(!fit(&others));
                assert!(!stretches.fit(at, &other) && !stretches.fit(at, &piece[1..]));
            }
        }
    }
}
