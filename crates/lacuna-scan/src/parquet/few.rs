//! The few pages of a chunk that its page index leaves, looked at before its dictionary: of that, no more is decompressed than they refer to,
//! and nothing is read where they hold their values themselves.
//!
//! Where rows are sorted, so are entries, and half of a dictionary is not needed on average: the search of a sorted table for one person takes
//! an eighth less (`cargo xtask bench --cases find-rare:sorted`).

use std::ops::Range;

use super::chunk::Dictionary;
use super::page::encoding;
use super::pages::{Chunk, DataPage, Pages};
use super::rle::decode_hybrid;
use super::row_group::Part;
use super::values::{Found, Unreadable};
use crate::{FieldTest, Hit, Result};

/// Pages of indices that wait for their dictionary.
pub(super) struct FewPages {
    /// The dictionary; of one that comes whole, nothing is kept.
    dictionary: Part,
    held: Vec<Held>,
    highest: u32,
}

struct Held {
    first_row: u64,
    indices: Vec<u32>,
    /// The slots that hold a value, where some do not.
    present: Option<Vec<u32>>,
}

/// Pages with one of so many of a chunk's rows are few.
const FEW: u64 = 4;

/// Pages of more rows, an index each, are not held.
const ROWS_MAX: u64 = 1 << 20;

impl FewPages {
    /// Takes the dictionary out of the way of a chunk of few pages whose rows are values. `None` for other chunks.
    pub(super) fn of(chunk: &mut Chunk) -> Option<Self> {
        let passed: u64 = chunk.gaps.iter().map(|gap| gap.rows).sum();
        let left = chunk.rows.saturating_sub(passed);
        let is_flat = chunk.column.descriptor.max_rep_level() == 0;
        let first = chunk.gaps.front_mut()?;
        // Where the first data page is one of them, dictionary and page are read as one.
        let is_behind = chunk.range.start < first.bytes.start && first.bytes.start == chunk.data_at;
        if !is_flat || !is_behind || left.saturating_mul(FEW) > chunk.rows || left > ROWS_MAX {
            return None;
        }
        let dictionary = chunk.range.start..first.bytes.start;
        first.bytes.start = dictionary.start;
        chunk.indices_from = None;
        Some(Self { dictionary: Part::new(dictionary), held: Vec::new(), highest: 0 })
    }

    /// The next bytes of the dictionary, `window` of them at most, once all pages are there. `None` when it is not needed any more.
    pub(super) fn need(&self, window: u64) -> Option<Range<u64>> {
        self.dictionary.need(window).filter(|_| !self.held.is_empty())
    }

    /// Holds a page of indices.
    pub(super) fn hold(&mut self, page: &DataPage<'_>) -> std::result::Result<(), Unreadable> {
        let bad = || Unreadable::Malformed("a page's dictionary indices cannot be read");
        let (&bit_width, data) = page.values.split_first().ok_or_else(bad)?;
        let mut indices = Vec::new();
        decode_hybrid(data, bit_width.into(), page.present, &mut indices).ok_or_else(bad)?;
        let mut present = None;
        if page.present < page.slots {
            let slots = present.insert(Vec::new());
            page.def.find_max(slots).ok_or(Unreadable::Malformed("a page's levels cannot be read"))?;
        }
        self.highest = indices.iter().fold(self.highest, |highest, &index| highest.max(index));
        self.held.push(Held { first_row: page.first_row, indices, present });
        Ok(())
    }

    /// Looks for what the `test` wants once `piece`, the bytes that [`need`](Self::need) named, is the last one.
    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        pages: &mut Pages,
        test: &FieldTest,
        hits: &mut Vec<Hit>,
    ) -> Result<()> {
        let Part { range, bytes } = &mut self.dictionary;
        let is_whole = piece.len() as u64 == range.end - range.start;
        if !is_whole {
            bytes.extend_from_slice(piece);
            if self.dictionary.need(1).is_some() {
                return Ok(());
            }
        }
        let Part { range, bytes } = &self.dictionary;
        let (bytes, entries) = (if is_whole { piece } else { bytes }, self.highest as usize + 1);
        let held = std::mem::take(&mut self.held);
        pages.dictionary_in(bytes, range.start, entries, |column, values| {
            let mut owners = Found::new();
            column.search(test, encoding::PLAIN, values, entries, &mut owners)?;
            let (dictionary, mut found) = (Dictionary::new(entries, owners), Found::new());
            for page in &held {
                found.clear();
                dictionary.find(&page.indices, &mut found);
                hits.extend(found.iter().filter_map(|&(ordinal, selector)| {
                    let slot = match &page.present {
                        Some(slots) => *slots.get(ordinal as usize)?,
                        None => ordinal,
                    };
                    Some(Hit { row: page.first_row + u64::from(slot), selector })
                }));
            }
            Ok(())
        })?;
        // Values that are in no dictionary were found before.
        hits.sort_by_key(|hit| hit.row);
        Ok(())
    }
}
