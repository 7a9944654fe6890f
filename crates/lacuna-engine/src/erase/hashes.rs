//! The hashes of a shard's old and new bytes.

use std::io;
use std::ops::Range;

use lacuna_erase::ReadAt as _;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use crate::problem::ShardError;
use crate::read::near::Near;
use crate::read::origin::FileAt;
use crate::receipt::seal::hex;

/// What was written is hashed and read back in stretches of so many bytes.
const STRETCH: u64 = 1 << 20;

/// The bytes before a rewrite, hashed from the first to the last.
#[derive(Debug)]
pub(crate) struct Trail {
    stride: u64,
    /// What the SHA-256 had come to where each stretch begins, and the stretch's own hash.
    steps: Vec<(Sha256, u128)>,
    end: Sha256,
}

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

impl Trail {
    /// Reads the file in stretches of at most `window` bytes. Nothing else is needed for it, so it is done while the new bytes are made:
    /// behind them, one thread still hashed when all else was done, and to take one row out of a shard took a thirtieth longer
    /// (`cargo xtask bench --cases purge-one`).
    pub(crate) fn of(file: &FileAt, window: u64) -> io::Result<Self> {
        let stride = window.clamp(1, STRETCH);
        let (mut steps, mut end) = (Vec::new(), Sha256::new());
        each_stretch(file, stride, |stretch| {
            steps.push((end.clone(), xxh3_128(stretch)));
            end.update(stretch);
        })?;
        Ok(Self { stride, steps, end })
    }
}

impl Hashes {
    /// Reads the new bytes, in stretches as long as the old ones. What both begin with is not hashed again.
    pub(crate) fn of(before: &Trail, after: &FileAt) -> io::Result<Self> {
        let mut stretches = Stretches { bytes: after.size(), stride: before.stride, hashes: Vec::new() };
        let mut old = before.steps.iter();
        // From the first stretch on that is another one.
        let mut hasher = None;
        each_stretch(after, before.stride, |stretch| {
            let hash = xxh3_128(stretch);
            stretches.hashes.push(hash);
            if hasher.is_none() {
                hasher = match old.next() {
                    // Of an equal hash, and so of an equal length.
                    Some((_, old)) if *old == hash => None,
                    Some((begun, _)) => Some(begun.clone()),
                    None => Some(before.end.clone()),
                };
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(stretch);
            }
        })?;
        // It ends where a stretch of the old bytes begins, or they do.
        let end = || old.next().map_or(&before.end, |(begun, _)| begun).clone();
        let [before, after] = [before.end.clone(), hasher.unwrap_or_else(end)].map(|hasher| hex(&hasher.finalize()));
        Ok(Self { before, after, stretches })
    }
}

/// Shows the file, `stride` bytes at a time.
fn each_stretch(file: &FileAt, stride: u64, mut show: impl FnMut(&[u8])) -> io::Result<()> {
    let (mut at, mut stretch) = (0, Vec::new());
    while at < file.size() {
        // A stretch is far smaller than what memory can hold.
        stretch.resize(usize::try_from(stride.min(file.size() - at)).unwrap_or_default(), 0);
        file.read_into(at, &mut stretch)?;
        show(&stretch);
        at += stretch.len() as u64;
    }
    Ok(())
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

    fn hashes(before: &[u8], after: &[u8]) -> Hashes {
        Hashes::of(&Trail::of(&file(before), 10).unwrap(), &file(after)).unwrap()
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
            let hashes = hashes(before, after);
            assert_eq!(hashes.before, hex(&Sha256::digest(before)));
            assert_eq!(hashes.after, hex(&Sha256::digest(after)));
        }
    }

    #[test]
    fn stretches_are_checked_each_for_itself() {
        for length in [0, 1, 9, 10, 35] {
            let bytes: Vec<u8> = (0..length).collect();
            let stretches = hashes(b"0123456789", &bytes).stretches;
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
