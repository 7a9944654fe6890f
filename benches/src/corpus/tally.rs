//! Counts the known people's rows while they are written.

use std::collections::{BTreeMap, HashMap};

use super::{people::Population, plan::Slot};

/// Which ranks are counted.
#[derive(Debug)]
pub(crate) struct Watched {
    by_rank: Vec<bool>,
}

impl Watched {
    pub(crate) fn new(people: &Population, ranks: impl IntoIterator<Item = u32>) -> Self {
        let mut by_rank = vec![false; people.ranks() as usize];
        for rank in ranks {
            by_rank[rank as usize] = true;
        }
        Self { by_rank }
    }
}

/// Rows of one person in one shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rows {
    /// Of their own tenant.
    pub(crate) own: u64,
    /// Of another tenant, or of none.
    pub(crate) elsewhere: u64,
}

/// The rows of the watched people in one shard.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    watched: &'a Watched,
    people: &'a Population,
    rows: HashMap<u32, Rows>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(watched: &'a Watched, people: &'a Population) -> Self {
        Self { watched, people, rows: HashMap::new() }
    }

    /// Notes that a row names this person; once for each row and person.
    pub(crate) fn add(&mut self, slot: Slot) {
        if self.watched.by_rank.get(slot.rank as usize) == Some(&true) {
            let rows = self.rows.entry(slot.rank).or_default();
            if self.people.tenant_of(slot.rank) == slot.tenant {
                rows.own += 1;
            } else {
                rows.elsewhere += 1;
            }
        }
    }

    pub(crate) fn into_rows(self) -> BTreeMap<u32, Rows> {
        self.rows.into_iter().collect()
    }
}
