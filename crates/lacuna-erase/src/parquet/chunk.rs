//! One column chunk of a row group with matched rows: what is to be done to it, page by page.
//!
//! [`plan`](super::plan::plan) looks at the pages with matched rows, and at others only as far as those make it necessary;
//! [`make`](super::remake::make) makes one changed page. All other pages are copied as they are, so that encodings, page
//! boundaries and the point where a dictionary was given up stay. A dictionary loses the entries that no row uses any more; its last
//! ones take their places, so that only the pages that use those are made again. Where the order of entries may mean something, it
//! stays, and with it go the indices of all that lie behind.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lacuna_scan::{FieldTest, Limits};
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

use super::codec::Codec;
use super::edit::Fate;
use super::footer::Chunk;
use super::levels::RowSpan;
use super::metadata::ChangedChunk;
use super::page::Page;
use super::residue::is_wanted;
use super::statistics::Delta;
use super::thrift::Struct;
use crate::{ReadAt, Result};

/// What is to be done to a chunk.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) input: &'a dyn ReadAt,
    pub(super) limits: &'a Limits,
    pub(super) column: &'a ColumnDescPtr,
    pub(super) chunk: &'a Chunk<'a>,
    /// How many rows its row group has.
    pub(super) rows: u64,
    /// The matched rows, sorted, counted in the row group.
    pub(super) hits: &'a [u64],
    pub(super) fate: Fate,
    /// Tests for values that nothing but a row may hold afterwards.
    pub(super) unwanted: &'a [&'a FieldTest],
    /// Where the dictionary's entries are categories, which stay in their order, and without rows of the chunk, too: those that
    /// lose their last row.
    pub(super) lost: Option<&'a HashSet<Vec<u8>>>,
    /// How many more bytes of pages may be made ahead of their turn.
    pub(super) ahead: &'a AtomicU64,
}

/// What becomes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is copied.
    Copy,
    /// It has no entries left.
    Drop,
    /// It is made again by [`make`](super::remake::make).
    Make,
}

/// A page and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct PagePlan {
    pub(super) page: Page,
    /// How many data pages lie before it.
    pub(super) ordinal: usize,
    pub(super) action: Action,
    /// How many rows it has after, and how many bytes of byte arrays more than before.
    pub(super) rows: u64,
    pub(super) bytes_more: i64,
    pub(super) span: RowSpan,
    /// Whether matched rows have entries in it that change.
    pub(super) is_hit: bool,
    /// The new `Statistics` in its header, where they change.
    pub(super) statistics: Option<Vec<u8>>,
    /// The highest index into the dictionary among its values, once it was looked at.
    pub(super) highest: u32,
}

/// How a chunk changes.
pub(super) struct Plan {
    pub(super) pages: Vec<PagePlan>,
    pub(super) delta: Delta,
    /// The new `Statistics`.
    pub(super) statistics: Option<Struct<'static>>,
    /// The new Bloom filter with its header.
    pub(super) bloom: Option<Vec<u8>>,
    /// The new column index; `None` when there was none or none can be given.
    pub(super) column_index: Option<Vec<u8>>,
    /// Whether the offset index has an entry for each data page, so that it can be written again.
    pub(super) is_indexed: bool,
    /// By page, those that are made already.
    pub(super) made: Vec<Option<Made>>,
    pub(super) dictionary: DictionaryPlan,
    pub(super) codec: Codec,
    /// The chunk's bytes, where they are few.
    pub(super) held: Option<Bytes>,
}

/// A page that was made again.
pub(super) struct Made {
    /// Header and body.
    pub(super) bytes: Vec<u8>,
    /// The length of both before compression.
    pub(super) unpacked: u64,
}

/// How a chunk's dictionary changes.
#[derive(Debug, Default)]
pub(super) struct DictionaryPlan {
    /// Which entries are left, if some are not, by their old indices.
    pub(super) order: Option<Vec<u32>>,
    /// Each entry's new index, or [`UNUSED`]; none when all stay where they are.
    moved: Vec<u32>,
    /// The first entry that is used and has another index now.
    moved_from: u32,
    /// The index of the empty value, where pages need it.
    pub(super) blank: u32,
    /// Whether the empty value is added behind the last entry.
    pub(super) adds_blank: bool,
}

/// The index of an entry that goes.
pub(super) const UNUSED: u32 = u32::MAX;

impl DictionaryPlan {
    /// Keeps those of `entries` that are used, in their order if that has to stay.
    pub(super) fn new(entries: usize, is_used: impl Fn(usize) -> bool, keeps_order: bool) -> Self {
        // A dictionary's entries are counted in 32 bits.
        #[expect(clippy::cast_possible_truncation, reason = "entries are counted in 32 bits")]
        let used: Vec<u32> = (0..entries).filter(|&at| is_used(at)).map(|at| at as u32).collect();
        if used.len() == entries {
            return Self::default();
        }
        let mut moved = vec![UNUSED; entries];
        let order = if keeps_order { used } else { filled(&used) };
        (0..).zip(&order).for_each(|(to, &from)| moved[from as usize] = to);
        let moves = |&(at, to): &(u32, &u32)| *to != UNUSED && *to != at;
        let moved_from = (0..).zip(&moved).find(moves).map_or(UNUSED, |(at, _)| at);
        Self { order: Some(order), moved, moved_from, ..Self::default() }
    }

    /// Whether entries leave or come.
    pub(super) fn is_changed(&self) -> bool {
        self.order.is_some() || self.adds_blank
    }

    /// Whether indices in a data page mean other entries now.
    pub(super) fn moves(&self, plan: &PagePlan) -> bool {
        let refers = plan.page.is_data() && plan.page.is_dictionary_encoded();
        refers && self.order.is_some() && plan.highest >= self.moved_from
    }

    /// Has the empty value among `entries`: where it stood, or behind the last one.
    #[expect(clippy::cast_possible_truncation, reason = "entries are counted in 32 bits")]
    pub(super) fn put_blank(&mut self, at: Option<usize>, entries: usize) {
        let left = self.order.as_ref().map_or(entries, Vec::len);
        self.blank = at.map_or(left as u32, |at| self.moved(at as u32));
        self.adds_blank = at.is_none();
    }

    /// Where the entry at `index` is now.
    pub(super) fn moved(&self, index: u32) -> u32 {
        match index {
            UNUSED => self.blank,
            index => self.moved.get(index as usize).copied().unwrap_or(index),
        }
    }
}

/// These ascending indices, with the last ones in the places of those that are missing.
fn filled(used: &[u32]) -> Vec<u32> {
    let mut rest = used;
    let mut order = Vec::with_capacity(used.len());
    for place in 0.. {
        let next = match rest {
            [first, behind @ ..] if *first == place => (first, behind),
            [before @ .., last] => (last, before),
            [] => return order,
        };
        order.push(*next.0);
        rest = next.1;
    }
    order
}

impl Job<'_> {
    /// Whether nothing but a row may hold this value in plain encoding afterwards.
    pub(super) fn is_unwanted(&self, plain: &[u8]) -> bool {
        self.unwanted.iter().any(|test| is_wanted(test, self.column, plain))
    }

    /// Whether this page may be made ahead of its turn.
    pub(super) fn may_make(&self, page: &Page) -> bool {
        let need = page.packed as u64;
        let take = |left: u64| left.checked_sub(need);
        self.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl Plan {
    /// Makes pages again ahead of their turn, as far as memory allows.
    pub(super) fn make_ahead(&mut self, job: Job<'_>) -> Result<()> {
        let wanted: Vec<usize> =
            (0..self.pages.len()).filter(|&at| self.is_to_make(at) && job.may_make(&self.pages[at].page)).collect();
        let plan = &*self;
        let made: Vec<_> = wanted.par_iter().with_max_len(1).map(|&at| super::remake::make(job, plan, at)).collect();
        for (at, made) in wanted.into_iter().zip(made) {
            self.made[at] = Some(made?);
        }
        Ok(())
    }

    /// What is new in the chunk before any page of it is written. Takes what the plan says of it.
    pub(super) fn changed(&mut self) -> ChangedChunk {
        ChangedChunk {
            packed: 0,
            unpacked: 0,
            data: 0,
            old_data: self.pages.iter().find(|page| page.page.is_data()).map_or(0, |page| page.page.offset),
            gone: Vec::new(),
            delta: self.delta.clone(),
            statistics: self.statistics.take(),
            column_index: self.column_index.take(),
            offset_index: None,
        }
    }

    /// The `at`th page, if it was made ahead of time.
    pub(super) fn take_made(&mut self, at: usize) -> Option<Made> {
        self.made.get_mut(at).and_then(Option::take)
    }

    /// Whether the `at`th page still has to be made.
    pub(super) fn is_to_make(&self, at: usize) -> bool {
        self.pages[at].action == Action::Make && self.made.get(at).is_none_or(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entries_take_the_places_of_those_that_leave() {
        let cases: [(&[u32], &[u32], u32); 6] = [
            (&[0, 1, 3, 4], &[0, 1, 4, 3], 4),
            (&[3, 4], &[4, 3], 3),
            (&[0, 1, 2, 3], &[0, 1, 2, 3], UNUSED),
            (&[4], &[4], 4),
            (&[1, 2, 3], &[3, 1, 2], 3),
            (&[], &[], UNUSED),
        ];
        for (used, order, moved_from) in cases {
            let is_used = |at: usize| used.iter().any(|&used| used as usize == at);
            let plan = DictionaryPlan::new(5, is_used, false);
            assert_eq!((plan.order.as_deref(), plan.moved_from), (Some(order), moved_from), "{used:?}");
            for (to, &from) in (0..).zip(order) {
                assert_eq!(plan.moved(from), to);
                assert!(from >= plan.moved_from || from == to);
            }
            assert_eq!(DictionaryPlan::new(5, is_used, true).order.as_deref(), Some(used));
        }
        assert!(!DictionaryPlan::new(5, |_| true, false).is_changed());
    }
}
