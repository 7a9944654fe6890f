//! Says of almost every value that it is not wanted, from a few of its bytes and without a branch that depends on them.

/// So many digests are compared one by one: below this, that is cheaper than a look into memory.
const FEW: usize = 4;

/// How many bits the bitmap has for each wanted value: one value in so many passes for nothing.
const BITS_PER_VALUE: usize = 16;

/// A set of digests that may hold more than was put into it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Sieve {
    /// Holds everything: what is wanted is not known yet.
    #[default]
    Open,
    /// At most [`FEW`] digests, some of them twice.
    Few([u64; FEW]),
    /// A bitmap, asked by a digest's highest bits.
    Many {
        /// A power of two of them.
        words: Box<[u64]>,
        /// How far the highest bits are to be moved to make a bit's number.
        shift: u32,
    },
}

impl Sieve {
    /// The sieve for these digests, of which there is at least one.
    pub(crate) fn new(digests: &[u64]) -> Self {
        match digests {
            [] => Self::Open,
            [first, rest @ ..] if digests.len() <= FEW => {
                let mut few = [*first; FEW];
                few.iter_mut().skip(1).zip(rest).for_each(|(slot, digest)| *slot = *digest);
                Self::Few(few)
            }
            _ => {
                let bits = (digests.len() * BITS_PER_VALUE).next_power_of_two().max(64);
                let shift = u64::BITS - bits.trailing_zeros();
                let mut words = vec![0; bits / 64].into_boxed_slice();
                for digest in digests {
                    let (word, bit) = place(*digest, shift);
                    words[word] |= bit;
                }
                Self::Many { words, shift }
            }
        }
    }

    /// Whether a value with this digest may be wanted.
    #[inline]
    pub(crate) fn admits(&self, digest: u64) -> bool {
        match self {
            Self::Open => true,
            Self::Few(few) => few.iter().fold(false, |any, wanted| any | (*wanted == digest)),
            Self::Many { words, shift } => {
                let (word, bit) = place(digest, *shift);
                words.get(word).is_some_and(|word| word & bit != 0)
            }
        }
    }

    /// Whether any of these may be wanted: without a branch for each.
    #[inline]
    pub(crate) fn admits_any(&self, digests: impl Iterator<Item = u64>) -> bool {
        match self {
            Self::Few(few) => {
                digests.fold(false, |any, digest| any | few.iter().fold(false, |any, wanted| any | (*wanted == digest)))
            }
            _ => digests.fold(false, |any, digest| any | self.admits(digest)),
        }
    }
}

#[inline]
fn place(digest: u64, shift: u32) -> (usize, u64) {
    let bit = digest >> shift;
    ((bit / 64) as usize, 1 << (bit % 64))
}

/// The golden ratio's bits: a multiplication by them spreads what differs over the highest bits.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The bit in which the cases of ASCII's letters differ.
const CASE: u64 = 0x2020_2020_2020_2020;

/// A digest of a byte string: of its length, and of its first and last eight bytes, in either case. Identifiers of one kind differ there.
#[inline]
pub(crate) fn digest_bytes(value: &[u8]) -> u64 {
    let (first, last) = match (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => short(value),
    };
    ((first | CASE) ^ (last | CASE).rotate_left(29) ^ value.len() as u64).wrapping_mul(SPREAD)
}

/// The ends of a value of fewer than eight bytes.
#[inline]
fn short(value: &[u8]) -> (u64, u64) {
    match (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        (Some(first), Some(last)) => (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()),
        _ => (value.iter().fold(0, |all, &byte| all << 8 | u64::from(byte)), 0),
    }
}

/// A digest of an integer.
#[inline]
pub(crate) fn digest_int(value: i128) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a digest needs no more")]
    (value as u64).wrapping_mul(SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_admitted_and_little_else() {
        for count in [1, 2, 4, 5, 8, 9, 1000] {
            let digest = |n: usize| digest_bytes(format!("user-{n}@contoso.example").as_bytes());
            let wanted: Vec<u64> = (0..count).map(digest).collect();
            let sieve = Sieve::new(&wanted);
            assert!(wanted.iter().all(|&wanted| sieve.admits(wanted)), "{count}");
            let passed = (count..count + 10_000).filter(|&n| sieve.admits(digest(n))).count();
            assert!(passed < 1500, "{passed} of 10,000 pass among {count}");
        }
        assert!(Sieve::default().admits(7));
    }

    #[test]
    fn a_digest_tells_lengths_and_ends_apart() {
        let texts = ["", "a", "b", "aa", "abcd", "abcde", "abcdefg", "abcdefgh", "abcdefghi", "xbcdefghi", "abcdefghx"];
        for (at, one) in texts.iter().enumerate() {
            for other in &texts[at + 1..] {
                assert_ne!(digest_bytes(one.as_bytes()), digest_bytes(other.as_bytes()), "{one} {other}");
            }
        }
        assert_ne!(digest_int(1), digest_int(-1));
    }
}
