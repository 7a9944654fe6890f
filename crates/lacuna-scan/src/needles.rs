//! A set of byte strings to look for, built once and asked for every value of a column: the innermost question of a scan.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use foldhash::fast::FixedState;

use crate::SelectorIndex;
use crate::sieve::{Sieve, digest_bytes};

/// Byte strings, each with the selectors that look for it.
#[derive(Clone, Debug, Default)]
pub struct Needles {
    /// Bit `n` is set when some needle has `n` bytes; bit 63 stands for 63 and more.
    lengths: u64,
    /// Asked before the table is.
    sieve: Sieve,
    table: HashMap<Box<[u8]>, u32, FixedState>,
    /// Pairs of needle and owner, until they are sealed.
    pairs: Vec<(u32, SelectorIndex)>,
    /// The owners of all needles, needle by needle.
    owners: Vec<SelectorIndex>,
    /// By needle, where its owners begin; and where the last one's end.
    first_owner: Vec<u32>,
    /// The needles in order, once they are sealed; of very many, only the first and the last.
    sorted: Vec<Box<[u8]>>,
}

/// So many needles are put in order: of more, some lie between any two bounds.
const SORTED_MAX: usize = 10_000;

impl Needles {
    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, needles: usize) {
        self.table.reserve(needles);
        self.pairs.reserve(needles);
    }

    /// Adds `needle` for `selector`.
    pub(crate) fn insert(&mut self, needle: &[u8], selector: SelectorIndex) {
        #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 2^32 needles")]
        let next = self.table.len() as u32;
        let id = *self.table.entry(needle.into()).or_insert(next);
        self.lengths |= length_bit(needle.len());
        self.pairs.push((id, selector));
    }

    /// Prepares for questions: no needle is added after this.
    pub(crate) fn seal(&mut self) {
        self.sieve = Sieve::new(&self.table.keys().map(|needle| digest_bytes(needle)).collect::<Vec<_>>());
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
        self.sorted = if self.table.len() <= SORTED_MAX {
            self.table.keys().cloned().collect()
        } else {
            self.table.keys().min().into_iter().chain(self.table.keys().max()).cloned().collect()
        };
        self.sorted.sort_unstable();
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

    /// Which needle `value` is.
    #[inline]
    pub(crate) fn find(&self, value: &[u8]) -> Option<u32> {
        if self.excludes(value) { None } else { self.table.get(value).copied() }
    }

    /// Who looks for a needle that [`find`](Self::find) named.
    pub(crate) fn owners(&self, needle: u32) -> &[SelectorIndex] {
        let at = needle as usize;
        &self.owners[self.first_owner[at] as usize..self.first_owner[at + 1] as usize]
    }

    /// Whether some needle lies in the range in the order of bytes. The range's end may be cut short: what goes on from it counts.
    pub(crate) fn any_within(&self, range: &RangeInclusive<&[u8]>) -> bool {
        if self.len() > SORTED_MAX {
            // Between the first and the last there may be one anywhere.
            let (Some(first), Some(last)) = (self.sorted.first(), self.sorted.last()) else { return true };
            let reaches = **first <= **range.end() || first.starts_with(range.end());
            return reaches && **last >= **range.start();
        }
        let first = self.sorted.partition_point(|needle| **needle < **range.start());
        self.sorted.get(first).is_some_and(|needle| **needle <= **range.end() || needle.starts_with(range.end()))
    }

    /// All needles, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.table.keys().map(AsRef::as_ref)
    }
}

#[inline]
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}
