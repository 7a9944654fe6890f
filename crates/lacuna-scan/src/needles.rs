//! A set of byte strings to look for, built once and asked for every value of a column: the innermost question of a scan.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::SelectorIndex;

/// Byte strings, each with the selectors that look for it.
#[derive(Clone, Debug, Default)]
pub struct Needles {
    /// Bit `n` is set when some needle has `n` bytes; bit 63 stands for 63 and more.
    lengths: u64,
    /// The only needle, when there is one: a comparison is cheaper than a hash.
    single: Option<Box<[u8]>>,
    table: HashMap<Box<[u8]>, u32, FixedState>,
    owners: Vec<Vec<SelectorIndex>>,
}

impl Needles {
    /// Adds `needle` for `selector`.
    pub(crate) fn insert(&mut self, needle: &[u8], selector: SelectorIndex) {
        #[expect(clippy::cast_possible_truncation, reason = "memory ends long before 2^32 needles")]
        let next = self.owners.len() as u32;
        let id = *self.table.entry(needle.into()).or_insert(next);
        if id == next {
            self.owners.push(Vec::new());
            self.lengths |= length_bit(needle.len());
            self.single = (next == 0).then(|| needle.into());
        }
        let owners = &mut self.owners[id as usize];
        if !owners.contains(&selector) {
            owners.push(selector);
        }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whether no needle has as many bytes as `value`.
    #[inline]
    pub(crate) fn excludes_length(&self, length: usize) -> bool {
        self.lengths & length_bit(length) == 0
    }

    /// Which needle `value` is.
    #[inline]
    pub(crate) fn find(&self, value: &[u8]) -> Option<u32> {
        if self.excludes_length(value.len()) {
            return None;
        }
        match &self.single {
            Some(needle) => (**needle == *value).then_some(0),
            None => self.table.get(value).copied(),
        }
    }

    /// Who looks for a needle that [`find`](Self::find) named.
    pub(crate) fn owners(&self, needle: u32) -> &[SelectorIndex] {
        &self.owners[needle as usize]
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
