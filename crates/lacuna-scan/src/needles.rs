//! A set of byte strings to look for, built once and asked for every value of a column: the innermost question of a scan.

use std::hash::BuildHasher as _;
use std::ops::RangeInclusive;

use foldhash::fast::FixedState;

use crate::SelectorIndex;
use crate::rare::Rare;
use crate::sieve::{Sieve, digest_bytes};

/// Byte strings, each with the selectors that look for it.
#[derive(Clone, Debug, Default)]
pub struct Needles {
    /// Bit `n` is set when some needle has `n` bytes; bit 63 stands for 63 and more.
    lengths: u64,
    /// Asked before the table is.
    sieve: Sieve,
    slots: Slots,
    hasher: FixedState,
    records: Records,
    owners: Owners,
    /// Where the needles lie, in their order; of very many, only the first and the last.
    sorted: Vec<u32>,
    /// More needles, of lengths that few columns hold.
    rare: Rare,
    /// More needles, of the usual lengths, with letters in upper case.
    upper: Rare,
}

/// Marks the number of owners of a rare needle.
const OF_RARE: u32 = 1 << 31;
/// The same, of one in upper case.
const OF_UPPER: u32 = 1 << 30;

/// The needles, one behind the other, each with what must be known of it once it is found: that is one look into memory. Tables of places,
/// lengths and owners beside each other took one more for each, which `cargo xtask bench --cases find-throng` shows.
#[derive(Clone, Debug, Default)]
struct Records {
    /// Of each: its owners' number and its length, with four bytes each, then itself, then nothing up to the next multiple of four.
    bytes: Vec<u8>,
    count: usize,
}

/// Lists of owners, by number. What is looked for by the same selectors as what came before it has the same number.
#[derive(Clone, Debug, Default)]
struct Owners {
    all: Vec<SelectorIndex>,
    /// Where each list begins, and where the last one ends.
    starts: Vec<u32>,
}

/// A hash table of records, with open addressing and half of its slots empty.
#[derive(Clone, Debug, Default)]
struct Slots {
    /// A power of two of them, or none.
    slots: Box<[Slot]>,
    /// How far a hash's highest bits are to be moved to make a slot's number.
    shift: u32,
}

/// Where a record lies, and a part of its needle's hash.
#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: u32,
    /// In units of four bytes; [`EMPTY`] where there is none.
    record: u32,
}

const EMPTY: Slot = Slot { tag: 0, record: u32::MAX };

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
    fn record(self) -> Option<u32> {
        (self.slot.record != EMPTY.record).then_some(self.slot.record)
    }

    fn may_be(self) -> bool {
        self.slot.tag == self.tag
    }
}

impl Slots {
    /// Room for so many records.
    fn with_room_for(count: usize) -> Self {
        if count == 0 {
            return Self::default();
        }
        let length = (2 * count).next_power_of_two();
        Self { slots: vec![EMPTY; length].into(), shift: u64::BITS - length.trailing_zeros() }
    }

    fn fill(&mut self, look: Look, record: u32) {
        if let Some(slot) = self.slots.get_mut(look.at) {
            *slot = Slot { tag: look.tag, record };
        }
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

/// Bytes before a needle: its owners' number and its length.
const HEAD: usize = 8;
const UNIT: usize = 4;

impl Records {
    /// Adds a needle; where it lies.
    fn push(&mut self, needle: &[u8], owners: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 16 GiB of needles")]
        let (record, length) = ((self.bytes.len() / UNIT) as u32, needle.len() as u32);
        self.bytes.extend_from_slice(&owners.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(needle);
        self.bytes.resize(self.bytes.len().next_multiple_of(UNIT), 0);
        self.count += 1;
        record
    }

    /// The owners' number of the needle there, and the needle.
    #[inline]
    fn at(&self, record: u32) -> (u32, &[u8]) {
        let rest = &self.bytes[record as usize * UNIT..];
        let (head, rest) = rest.split_at(HEAD);
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        (word(0), &rest[..word(4) as usize])
    }

    fn set_owners(&mut self, record: u32, owners: u32) {
        let at = record as usize * UNIT;
        self.bytes[at..at + 4].copy_from_slice(&owners.to_le_bytes());
    }

    /// Where each lies.
    fn places(&self) -> impl Iterator<Item = u32> + Clone {
        let mut next = 0;
        (0..self.count).map(move |_| {
            let place = next;
            let length = HEAD + self.at(place).1.len();
            #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 16 GiB of needles")]
            let units = length.div_ceil(UNIT) as u32;
            next += units;
            place
        })
    }
}

impl Owners {
    /// Adds a list, if it is not the last one; its number.
    fn push(&mut self, list: impl Iterator<Item = SelectorIndex> + Clone) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 2^32 owners")]
        let number = |len: usize| len as u32;
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        let lists = self.starts.len() - 1;
        if let Some(last) = lists.checked_sub(1)
            && self.of(number(last)).iter().copied().eq(list.clone())
        {
            return number(last);
        }
        self.all.extend(list);
        self.starts.push(number(self.all.len()));
        number(lists)
    }

    fn of(&self, number: u32) -> &[SelectorIndex] {
        let at = number as usize;
        &self.all[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// So many needles are put in order: of more, some lie between any two bounds.
pub(crate) const SORTED_MAX: usize = 10_000;

impl Needles {
    /// The set of the byte strings that `wanted` adds, of which there are `count`; each may come more than once, for the same selector or
    /// for others.
    pub(crate) fn new(count: usize, wanted: impl FnOnce(&mut dyn FnMut(&[u8], SelectorIndex))) -> Self {
        let mut this = Self { slots: Slots::with_room_for(count), ..Self::default() };
        // Which needle, and who looks for it.
        let mut pairs = Vec::with_capacity(count);
        wanted(&mut |needle, selector| pairs.push((this.insert(needle), selector)));
        // They are in order already, unless a needle came more than once.
        pairs.sort_unstable();
        pairs.dedup();
        let places = this.records.places().collect::<Vec<_>>();
        for (same, place) in pairs.chunk_by(|a, b| a.0 == b.0).zip(places) {
            let owners = this.owners.push(same.iter().map(|&(_, owner)| owner));
            this.records.set_owners(place, owners);
        }
        this.sieve = Sieve::new(&this.usual().map(digest_bytes).collect::<Vec<_>>());
        this.sorted = this.in_order();
        this
    }

    /// These, and rare ones, which are these in another form: those in upper case, and those of other lengths.
    pub(crate) fn and_rare(self, upper: Rare, rare: Rare) -> Self {
        Self { lengths: self.lengths | rare.lengths(), upper, rare, ..self }
    }

    /// Adds a needle, if it is not there; which it is.
    fn insert(&mut self, needle: &[u8]) -> u32 {
        let mut look = self.first_look(self.hash(needle));
        while let Some(record) = look.record() {
            let (number, known) = self.records.at(record);
            if look.may_be() && known == needle {
                return number;
            }
            look = self.slots.next(look);
        }
        self.lengths |= length_bit(needle.len());
        #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 2^32 needles")]
        let number = self.records.count as u32;
        let record = self.records.push(needle, number);
        self.slots.fill(look, record);
        number
    }

    fn in_order(&self) -> Vec<u32> {
        let (all, needle) = (self.records.places(), |place: &u32| self.records.at(*place).1);
        let mut sorted: Vec<u32> = if self.records.count <= SORTED_MAX {
            all.collect()
        } else {
            let extremes = [all.clone().min_by_key(needle), all.max_by_key(needle)];
            extremes.into_iter().flatten().collect()
        };
        sorted.sort_unstable_by_key(needle);
        sorted
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many needles there are.
    pub fn len(&self) -> usize {
        self.records.count + self.upper.len() + self.rare.len()
    }

    /// Whether `value` is no needle, as far as a look at a few of its bytes tells, in either case.
    #[inline]
    pub(crate) fn excludes(&self, value: &[u8]) -> bool {
        let bit = length_bit(value.len());
        if self.rare.lengths() & bit != 0 {
            return self.excludes_rare(value);
        }
        self.lengths & bit == 0 || !self.sieve.admits(digest_bytes(value))
    }

    /// Whether none of `values`, which all have this `length`, is a needle, as far as such looks tell.
    #[inline]
    pub(crate) fn exclude_all<'v>(&self, length: usize, values: impl Iterator<Item = &'v [u8]>) -> bool {
        let bit = length_bit(length);
        if self.rare.lengths() & bit != 0 {
            return false;
        }
        self.lengths & bit == 0 || !self.sieve.admits_any(values.map(digest_bytes))
    }

    /// Apart, so that what is asked of every value stays small enough to be inlined.
    #[cold]
    fn excludes_rare(&self, value: &[u8]) -> bool {
        !self.sieve.admits(digest_bytes(value)) && self.rare.excludes(value)
    }

    /// Whether there are so few that hardly any value is one.
    pub(crate) fn are_few(&self) -> bool {
        matches!(self.sieve, Sieve::Few(_))
    }

    /// The number of the owners of the needle that `value` is, if it is one.
    #[inline]
    pub(crate) fn find(&self, value: &[u8]) -> Option<u32> {
        if self.excludes(value) { None } else { self.find_from(self.first_look(self.hash(value)), value) }
    }

    /// Whether `value` is a needle.
    #[inline]
    pub fn holds(&self, value: &[u8]) -> bool {
        self.find(value).is_some()
    }

    /// The hash that says where to look for `value`.
    #[inline]
    pub(crate) fn hash(&self, value: &[u8]) -> u64 {
        self.hasher.hash_one(value)
    }

    /// Where to look for a value with this [hash](Self::hash). Its slot is read already: looks for many values, taken one after the other,
    /// wait for memory together.
    #[inline]
    pub(crate) fn first_look(&self, hash: u64) -> Look {
        self.slots.first(hash)
    }

    /// Reads the ends of what a look found, if it is as long as is expected, so that it is near when it is compared; some of its bits.
    #[inline]
    pub(crate) fn touch(&self, look: Look, length: usize) -> u8 {
        let first = look.slot.record as usize * UNIT;
        let byte = |at: usize| self.records.bytes.get(at).copied().unwrap_or_default();
        byte(first) ^ byte(first + HEAD + length.saturating_sub(1))
    }

    /// [`find`](Self::find) for a value that is not [excluded](Self::excludes), from its [first look](Self::first_look) on.
    #[inline]
    pub(crate) fn find_from(&self, mut look: Look, value: &[u8]) -> Option<u32> {
        loop {
            let Some(record) = look.record() else { return self.find_rare(value) };
            if look.may_be() {
                let (owners, needle) = self.records.at(record);
                if needle == value {
                    return Some(owners);
                }
            }
            look = self.slots.next(look);
        }
    }

    fn find_rare(&self, value: &[u8]) -> Option<u32> {
        let bit = length_bit(value.len());
        if self.rare.lengths() & bit != 0 {
            return self.rare.find(value).map(|owners| owners | OF_RARE);
        }
        let is_upper = self.upper.lengths() & bit != 0 && value.iter().any(u8::is_ascii_uppercase);
        if is_upper { self.upper.find(value).map(|owners| owners | OF_UPPER) } else { None }
    }

    /// The owners with a number that [`find`](Self::find) named.
    #[inline]
    pub(crate) fn owners(&self, number: u32) -> &[SelectorIndex] {
        match number & (OF_RARE | OF_UPPER) {
            0 => self.owners.of(number),
            OF_RARE => self.rare.owners(number & !OF_RARE),
            _ => self.upper.owners(number & !OF_UPPER),
        }
    }

    /// Whether some needle lies in the range in the order of bytes. The range's end may be cut short: what goes on from it counts.
    pub(crate) fn any_within(&self, range: &RangeInclusive<&[u8]>) -> bool {
        self.any_usual_within(range) || self.upper.any_within(range) || self.rare.any_within(range)
    }

    fn any_usual_within(&self, range: &RangeInclusive<&[u8]>) -> bool {
        let needle = |place: u32| self.records.at(place).1;
        let reaches = |needle: &[u8]| reaches(needle, range);
        if self.records.count > SORTED_MAX {
            // Between the first and the last there may be one anywhere.
            let (Some(&first), Some(&last)) = (self.sorted.first(), self.sorted.last()) else { return true };
            return reaches(needle(first)) && needle(last) >= *range.start();
        }
        let first = self.sorted.partition_point(|&place| needle(place) < *range.start());
        self.sorted.get(first).is_some_and(|&place| reaches(needle(place)))
    }

    /// All needles, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.usual().chain(self.upper.iter()).chain(self.rare.iter())
    }

    /// All that are not rare.
    pub(crate) fn usual(&self) -> impl Iterator<Item = &[u8]> {
        self.records.places().map(|place| self.records.at(place).1)
    }
}

/// Whether a needle does not lie behind the range in the order of bytes.
pub(crate) fn reaches(needle: &[u8], range: &RangeInclusive<&[u8]>) -> bool {
    needle <= *range.end() || needle.starts_with(range.end())
}

/// The bit that stands for a length.
#[inline]
pub(crate) fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}
