//! A set of byte strings to look for, built once and asked for every value of a column: the innermost question of a scan.

use std::hash::BuildHasher as _;
use std::ops::RangeInclusive;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::SelectorIndex;
use crate::sieve::{Sieve, digest_bytes};

/// Byte strings, each with the selectors that look for it.
#[derive(Clone, Debug, Default)]
pub struct Needles {
    /// Bit `n` is set when some needle has `n` bytes; bit 63 stands for 63 and more.
    lengths: u64,
    /// Asked before the table is.
    sieve: Sieve,
    /// Needles by their hash. A boxed needle for each entry took a look into memory more, and twice the memory.
    table: HashTable<u32>,
    hasher: FixedState,
    /// All needles' bytes, one behind the other.
    bytes: Vec<u8>,
    /// By needle, where its bytes begin; and where the last one's end.
    starts: Vec<usize>,
    /// Pairs of needle and owner, until they are sealed.
    pairs: Vec<(u32, SelectorIndex)>,
    /// The owners of all needles, needle by needle.
    owners: Vec<SelectorIndex>,
    /// By needle, where its owners begin; and where the last one's end.
    first_owner: Vec<u32>,
    /// The needles in order, once they are sealed; of very many, only the first and the last.
    sorted: Vec<u32>,
}

/// So many needles are put in order: of more, some lie between any two bounds.
const SORTED_MAX: usize = 10_000;

impl Needles {
    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, needles: usize) {
        let Self { table, hasher, bytes, starts, pairs, .. } = self;
        table.reserve(needles, |&needle| hasher.hash_one(nth(bytes, starts, needle)));
        pairs.reserve(needles);
    }

    /// Adds `needle` for `selector`.
    pub(crate) fn insert(&mut self, needle: &[u8], selector: SelectorIndex) {
        let Self { table, hasher, bytes, starts, .. } = self;
        let hash = hasher.hash_one(needle);
        let id = match table.find(hash, |&known| nth(bytes, starts, known) == needle) {
            Some(&known) => known,
            None => {
                #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 2^32 needles")]
                let next = table.len() as u32;
                if starts.is_empty() {
                    starts.push(0);
                }
                bytes.extend_from_slice(needle);
                starts.push(bytes.len());
                table.insert_unique(hash, next, |&known| hasher.hash_one(nth(bytes, starts, known)));
                next
            }
        };
        self.lengths |= length_bit(needle.len());
        self.pairs.push((id, selector));
    }

    /// Prepares for questions: no needle is added after this.
    pub(crate) fn seal(&mut self) {
        self.sieve = Sieve::new(&self.iter().map(digest_bytes).collect::<Vec<_>>());
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.sort_unstable();
        pairs.dedup();
        for (at, &(needle, _)) in (0..).zip(&pairs) {
            if needle as usize == self.first_owner.len() {
                self.first_owner.push(at);
            }
        }
        self.owners = pairs.into_iter().map(|(_, owner)| owner).collect();
        #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 2^32 owners")]
        self.first_owner.push(self.owners.len() as u32);
        #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 2^32 needles")]
        let all = 0..self.len() as u32;
        let mut sorted: Vec<u32> = if self.len() <= SORTED_MAX {
            all.collect()
        } else {
            let extremes =
                [all.clone().min_by_key(|&needle| self.nth(needle)), all.max_by_key(|&needle| self.nth(needle))];
            extremes.into_iter().flatten().collect()
        };
        sorted.sort_unstable_by_key(|&needle| self.nth(needle));
        self.sorted = sorted;
    }

    fn nth(&self, needle: u32) -> &[u8] {
        nth(&self.bytes, &self.starts, needle)
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many needles there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether `value` is no needle, as far as a look at a few of its bytes tells.
    #[inline]
    pub(crate) fn excludes(&self, value: &[u8]) -> bool {
        self.lengths & length_bit(value.len()) == 0 || !self.sieve.admits(digest_bytes(value))
    }

    /// Whether there are so few that hardly any value is one.
    pub(crate) fn are_few(&self) -> bool {
        matches!(self.sieve, Sieve::Few(_))
    }

    /// Which needle `value` is.
    #[inline]
    pub(crate) fn find(&self, value: &[u8]) -> Option<u32> {
        if self.excludes(value) { None } else { self.look_up(value) }
    }

    /// [`find`](Self::find) for a value that is not [excluded](Self::excludes).
    #[inline]
    pub(crate) fn look_up(&self, value: &[u8]) -> Option<u32> {
        self.table.find(self.hasher.hash_one(value), |&needle| self.nth(needle) == value).copied()
    }

    /// Who looks for a needle that [`find`](Self::find) named.
    pub(crate) fn owners(&self, needle: u32) -> &[SelectorIndex] {
        let at = needle as usize;
        &self.owners[self.first_owner[at] as usize..self.first_owner[at + 1] as usize]
    }

    /// Whether some needle lies in the range in the order of bytes. The range's end may be cut short: what goes on from it counts.
    pub(crate) fn any_within(&self, range: &RangeInclusive<&[u8]>) -> bool {
        let reaches = |needle: &[u8]| needle <= *range.end() || needle.starts_with(range.end());
        if self.len() > SORTED_MAX {
            // Between the first and the last there may be one anywhere.
            let (Some(&first), Some(&last)) = (self.sorted.first(), self.sorted.last()) else { return true };
            return reaches(self.nth(first)) && self.nth(last) >= *range.start();
        }
        let first = self.sorted.partition_point(|&needle| self.nth(needle) < *range.start());
        self.sorted.get(first).is_some_and(|&needle| reaches(self.nth(needle)))
    }

    /// All needles, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.starts.windows(2).map(|ends| &self.bytes[ends[0]..ends[1]])
    }
}

#[inline]
fn nth<'b>(bytes: &'b [u8], starts: &[usize], needle: u32) -> &'b [u8] {
    let at = needle as usize;
    &bytes[starts[at]..starts[at + 1]]
}

#[inline]
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}
