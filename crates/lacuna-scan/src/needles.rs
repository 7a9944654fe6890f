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
    /// Needles by their hash, while they are gathered.
    table: HashTable<u32>,
    /// The same once they are sealed. A boxed needle for each entry took a look into memory more, and twice the memory.
    slots: Slots,
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

/// A hash table of numbers, with open addressing and half of its slots empty.
#[derive(Clone, Debug, Default)]
struct Slots {
    /// A power of two of them, or none.
    slots: Box<[Slot]>,
    /// How far a hash's highest bits are to be moved to make a slot's number.
    shift: u32,
}

/// A number, and a part of its hash.
#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: u32,
    /// [`EMPTY`] where there is none.
    needle: u32,
}

const EMPTY: Slot = Slot { tag: 0, needle: u32::MAX };

/// A slot that was looked into, on the way to a value with this tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    at: usize,
    tag: u32,
    slot: Slot,
}

impl Default for Look {
    fn default() -> Self {
        Self { at: 0, tag: 0, slot: EMPTY }
    }
}

impl Look {
    fn needle(self) -> Option<u32> {
        (self.slot.needle != EMPTY.needle).then_some(self.slot.needle)
    }

    fn may_be(self) -> bool {
        self.slot.tag == self.tag
    }
}

impl Slots {
    /// The numbers from 0 to `count`, by their `hashes`.
    fn new(hashes: impl Iterator<Item = u64>, count: usize) -> Self {
        if count == 0 {
            return Self::default();
        }
        let length = (2 * count).next_power_of_two();
        let mut this = Self { slots: vec![EMPTY; length].into(), shift: u64::BITS - length.trailing_zeros() };
        for (needle, hash) in (0..).zip(hashes) {
            let mut look = this.first(hash);
            while look.needle().is_some() {
                look = this.next(look);
            }
            if let Some(slot) = this.slots.get_mut(look.at) {
                *slot = Slot { tag: look.tag, needle };
            }
        }
        this
    }

    #[inline]
    fn first(&self, hash: u64) -> Look {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the tag")]
        let (at, tag) = (hash.checked_shr(self.shift).unwrap_or(0) as usize, hash as u32);
        Look { at, tag, slot: self.slots.get(at).copied().unwrap_or(EMPTY) }
    }

    #[inline]
    fn next(&self, look: Look) -> Look {
        let at = (look.at + 1) & (self.slots.len() - 1);
        Look { at, slot: self.slots.get(at).copied().unwrap_or(EMPTY), ..look }
    }
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
        self.table = HashTable::new();
        self.slots = Slots::new(self.iter().map(|needle| self.hasher.hash_one(needle)), self.len());
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
        self.len() == 0
    }

    /// How many needles there are.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
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
    fn look_up(&self, value: &[u8]) -> Option<u32> {
        self.find_from(self.first_look(value), value)
    }

    /// Where to look for `value`. Its slot is read already: looks for many values, taken one after the other, wait for memory together.
    #[inline]
    pub(crate) fn first_look(&self, value: &[u8]) -> Look {
        self.slots.first(self.hasher.hash_one(value))
    }

    /// [`find`](Self::find) for a value that is not [excluded](Self::excludes), from its [first look](Self::first_look) on.
    #[inline]
    pub(crate) fn find_from(&self, mut look: Look, value: &[u8]) -> Option<u32> {
        loop {
            let needle = look.needle()?;
            if look.may_be() && self.nth(needle) == value {
                return Some(needle);
            }
            look = self.slots.next(look);
        }
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
