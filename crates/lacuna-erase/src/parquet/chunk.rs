//! One column chunk of a row group with matched rows: what is to be done to it, page by page.
//!
//! [`plan`](super::plan::plan) looks at the pages with matched rows, and at others only as far as those make it necessary;
//! [`make`](super::remake::make) makes one changed page. All other pages are copied as they are, so that encodings, page
//! boundaries and the point where a dictionary was given up stay. A dictionary loses the entries that no row uses any more, and
//! then every page that refers to it is made again.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lacuna_scan::Limits;
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

use super::codec::Codec;
use super::edit::Fate;
use super::footer::Chunk;
use super::levels::RowSpan;
use super::page::Page;
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
    /// Each entry's new index, or [`UNUSED`]; empty when all stay where they are.
    pub(super) moved: Vec<u32>,
    /// The index of the empty value, where pages need it.
    pub(super) blank: u32,
    /// Whether the empty value is added behind the last entry.
    pub(super) adds_blank: bool,
}

/// The index of an entry that goes.
pub(super) const UNUSED: u32 = u32::MAX;

impl DictionaryPlan {
    /// Whether entries leave or come.
    pub(super) fn is_changed(&self) -> bool {
        !self.moved.is_empty() || self.adds_blank
    }

    /// Whether the entry that was at `index` stays.
    pub(super) fn keeps(&self, index: usize) -> bool {
        self.moved.get(index).is_none_or(|&moved| moved != UNUSED)
    }

    /// Whether indices in data pages mean other entries now.
    pub(super) fn moves(&self, page: &Page) -> bool {
        page.is_data() && page.is_dictionary_encoded() && !self.moved.is_empty()
    }

    /// Where the entry at `index` is now.
    pub(super) fn moved(&self, index: u32) -> u32 {
        match index {
            UNUSED => self.blank,
            index => self.moved.get(index as usize).copied().unwrap_or(index),
        }
    }
}

impl Job<'_> {
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

    /// The `at`th page, if it was made ahead of time.
    pub(super) fn take_made(&mut self, at: usize) -> Option<Made> {
        self.made.get_mut(at).and_then(Option::take)
    }

    /// Whether the `at`th page still has to be made.
    pub(super) fn is_to_make(&self, at: usize) -> bool {
        self.pages[at].action == Action::Make && self.made.get(at).is_none_or(Option::is_none)
    }
}
