//! The few pages of a chunk that its page index leaves, looked at before its dictionary: of that, no more is decompressed than they refer to.
//!
//! Where rows are sorted, so are entries, and half of a dictionary is not needed on average: the search of a sorted table for one person
//! took a twelfth less (`cargo xtask bench --cases find-rare:sorted`).

use parquet::basic::Compression;

use super::chunk::Dictionary;
use super::page::encoding;
use super::pages::{Chunk, DataPage, Pages};
use super::rle::decode_hybrid;
use super::values::{Found, Unreadable};
use crate::{FieldTest, Hit, Result};

/// Pages of indices that wait for their dictionary.
#[derive(Default)]
pub(super) struct FewPages {
    held: Vec<Held>,
    highest: u32,
    found: Found,
}

struct Held {
    first_row: u64,
    indices: Vec<u32>,
    /// The slots that hold a value, where some do not.
    present: Option<Vec<u32>>,
}

/// Pages with one of so many of a chunk's rows are few.
const FEW: u64 = 4;

impl FewPages {
    /// Whether a chunk is to be searched so: one of few pages, whose rows are values, and of whose dictionary a part can be decompressed.
    pub(super) fn suit(chunk: &Chunk) -> bool {
        let passed: u64 = chunk.gaps.iter().map(|gap| gap.rows).sum();
        let left = chunk.rows.saturating_sub(passed);
        let is_flat = chunk.column.descriptor.max_rep_level() == 0;
        is_flat && left.saturating_mul(FEW) <= chunk.rows && matches!(chunk.codec, Compression::ZSTD(_))
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

    /// Looks for what the `test` wants once all pages are there.
    pub(super) fn look_up(mut self, pages: &mut Pages, test: &FieldTest, hits: &mut Vec<Hit>) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let entries = self.highest as usize + 1;
        pages.deferred(entries, |column, values| {
            let mut owners = Found::new();
            column.search(test, encoding::PLAIN, values, entries, &mut owners)?;
            let dictionary = Dictionary::new(entries, owners);
            for page in &self.held {
                self.found.clear();
                dictionary.find(&page.indices, &mut self.found);
                let slot = |ordinal: u32| match &page.present {
                    Some(slots) => slots.get(ordinal as usize).copied(),
                    None => Some(ordinal),
                };
                let hit = |&(ordinal, selector)| {
                    slot(ordinal).map(|slot| Hit { row: page.first_row + u64::from(slot), selector })
                };
                hits.extend(self.found.iter().filter_map(hit));
            }
            Ok(())
        })?;
        // Values that are in no dictionary were found before.
        hits.sort_by_key(|hit| hit.row);
        Ok(())
    }
}
