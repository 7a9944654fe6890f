//! Identifiers that dictionaries hold and no row has.

use std::collections::{BTreeMap, BTreeSet};

use crate::SelectorIndex;

/// A dictionary until it is replaced: its id, and how often that was given values in place of others before.
pub(super) type Version = (i64, usize);

/// Whose values dictionaries hold that no row points to, as far as they were searched.
#[derive(Debug, Default)]
pub(super) struct Unused {
    /// Of dictionaries that rows to come may point into, the field of each selector; `None` once a row has a value of the selector's.
    open: BTreeMap<Version, BTreeMap<SelectorIndex, Option<usize>>>,
    /// Of those that were replaced.
    closed: BTreeSet<(SelectorIndex, usize)>,
}

impl Unused {
    /// Notes that a dictionary holds a value of `selector` for `field`.
    pub(super) fn hold(&mut self, version: Version, selector: SelectorIndex, field: usize) {
        self.open.entry(version).or_default().entry(selector).or_insert(Some(field));
    }

    /// Notes that rows have these selectors' values, by the dictionary.
    pub(super) fn strike(&mut self, used: &BTreeSet<(Version, SelectorIndex)>) {
        for (version, selector) in used {
            if let Some(field) = self.open.get_mut(version).and_then(|held| held.get_mut(selector)) {
                *field = None;
            }
        }
    }

    /// Notes that no more rows come for dictionaries but those that still `stand`.
    pub(super) fn close(&mut self, stands: impl Fn(Version) -> bool) {
        let closed = self.open.extract_if(.., |version, _| !stands(*version));
        for (selector, field) in closed.flat_map(|(_, held)| held) {
            self.closed.extend(field.map(|field| (selector, field)));
        }
    }

    /// What is left: whose, and in which field.
    pub(super) fn finish(mut self) -> Vec<(SelectorIndex, usize)> {
        self.close(|_| false);
        self.closed.into_iter().collect()
    }
}
