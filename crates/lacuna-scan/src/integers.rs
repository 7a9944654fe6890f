//! A set of integers to look for, built once and asked for every value of a column.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use foldhash::fast::FixedState;

use crate::SelectorIndex;
use crate::sieve::{Sieve, digest_int};

/// Integers, each with the selectors that look for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Integers {
    /// Asked before the table is.
    sieve: Sieve,
    table: HashMap<i128, Vec<SelectorIndex>, FixedState>,
    /// The integers in order, once they are sealed.
    sorted: Vec<i128>,
}

impl Integers {
    /// Adds `value` for `selector`.
    pub(crate) fn insert(&mut self, value: i128, selector: SelectorIndex) {
        self.table.entry(value).or_default().push(selector);
    }

    /// Prepares for questions: nothing is added after this.
    pub(crate) fn seal(&mut self) {
        self.sorted = self.table.keys().copied().collect();
        self.sorted.sort_unstable();
        self.sieve = Sieve::new(&self.sorted.iter().map(|&value| digest_int(value)).collect::<Vec<_>>());
    }

    /// The same but for some pairs of an integer and who looks for it.
    pub(crate) fn without(&self, pairs: &HashSet<(i128, SelectorIndex)>) -> Self {
        let mut others = Self::default();
        for (&value, selectors) in &self.table {
            let stay = selectors.iter().filter(|&&selector| !pairs.contains(&(value, selector)));
            stay.for_each(|&selector| others.insert(value, selector));
        }
        others.seal();
        others
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Who looks for `value`.
    #[inline]
    pub(crate) fn owners(&self, value: i128) -> &[SelectorIndex] {
        if self.table.is_empty() || !self.sieve.admits(digest_int(value)) {
            return &[];
        }
        self.table.get(&value).map_or(&[], Vec::as_slice)
    }

    /// Whether any of them lies in the range.
    pub(crate) fn any_within(&self, range: &RangeInclusive<i128>) -> bool {
        let first = self.sorted.partition_point(|value| value < range.start());
        self.sorted.get(first).is_some_and(|value| value <= range.end())
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = i128> {
        self.sorted.iter().copied()
    }
}
