//! Chosen rows of a row group, taken out of its pages as they are stored: only the pages that hold one are asked for (where the
//! file says where its pages are) and decompressed, and only the values that are taken are decoded.
//!
//! Reading the rows with the library instead builds whole arrays of dictionaries and pages first.

use std::ops::Range;
use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;

use super::index::gaps_around;
use super::known::KnownColumn;
use super::leaf::{Leaf, LeafType};
use super::pages::{Chunk, DataPage, Facts, Pages, Visitor};
use super::plain::Plain;
use super::rle::pick_from_hybrid;
use super::taken::{TakenColumn, TakenRows};
use super::values::{Column, Unreadable};
use super::writers::counts_rows;
use crate::{Effort, Limits, Result};

/// Takes rows out of one row group: asks for bytes with [`needs`](Self::needs), takes them with [`feed`](Self::feed).
pub struct RowGroupTake {
    columns: Vec<Way>,
    rows: usize,
}

/// How a column's values are come by.
enum Way {
    LeftOut,
    /// The search has met them.
    Known(TakenColumn),
    Pages(Box<ColumnTake>),
}

impl Way {
    fn pages(&self) -> Option<&Pages> {
        match self {
            Self::Pages(take) => Some(&take.pages),
            Self::LeftOut | Self::Known(_) => None,
        }
    }
}

impl RowGroupTake {
    /// Takes `rows` of row group `group`: counted from its first row, ascending. Of the leaf columns those that are `wanted`; pages of
    /// columns that are `known` need no look.
    pub fn new(
        metadata: &ParquetMetaData,
        file_size: u64,
        group: usize,
        rows: &Arc<[u64]>,
        wanted: impl Fn(usize) -> bool,
        known: &[KnownColumn],
        limits: Limits,
    ) -> Result<Self> {
        let columns = metadata.row_group(group).num_columns();
        let pages = metadata.offset_index().and_then(|index| index.get(group));
        let counts_rows = counts_rows(metadata.file_metadata().created_by());
        let take = |column: usize| {
            if !wanted(column) {
                return Ok(Way::LeftOut);
            }
            let mut chunk = Chunk::new(metadata, file_size, group, Leaf { column, values: LeafType::Bytes })?;
            let max_def = chunk.column.descriptor.max_def_level().cast_unsigned().into();
            let known = known.iter().find(|known| known.column() == column);
            if let Some(taken) = known.and_then(|known| known.take(rows, max_def)) {
                return Ok(Way::Known(taken));
            }
            let has_lists = chunk.column.descriptor.max_rep_level() > 0;
            let locations = pages.filter(|_| counts_rows || !has_lists).and_then(|pages| pages.get(column));
            let gaps =
                locations.and_then(|of| gaps_around(of.page_locations(), &chunk.range, chunk.rows, has_lists, rows));
            chunk.gaps = gaps.unwrap_or_default().into();
            Ok(Way::Pages(Box::new(ColumnTake::new(chunk, rows.clone(), limits)?)))
        };
        Ok(Self { columns: (0..columns).map(take).collect::<Result<_>>()?, rows: rows.len() })
    }

    /// The bytes to hand over next, with the columns that they are of: of each column `window` at most. Empty when the rows are
    /// taken.
    pub fn needs(&self, window: u64) -> Vec<(usize, Range<u64>)> {
        let needs = |column| self.needs_of(column, window).into_iter().map(move |range| (column, range));
        (0..self.columns.len()).flat_map(needs).collect()
    }

    /// How many columns there are, with those that are left out.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// [`needs`](Self::needs) of one column: of one after the other, less has to be held at a time.
    pub fn needs_of(&self, column: usize, window: u64) -> Vec<Range<u64>> {
        self.columns[column].pages().map(|pages| pages.needs(window)).unwrap_or_default()
    }

    /// Takes in bytes that [`needs`](Self::needs) named, in that order.
    pub fn feed(&mut self, column: usize, piece: &[u8]) -> Result<()> {
        let Way::Pages(take) = &mut self.columns[column] else { return Ok(()) };
        let ColumnTake { pages, taking } = &mut **take;
        pages.feed(piece, taking)?;
        if pages.is_done() { taking.look_up(pages) } else { Ok(()) }
    }

    /// The rows, and what it took to take them. Call when [`needs`](Self::needs) is empty.
    pub fn finish(self) -> Result<(TakenRows, Effort)> {
        let mut effort = Effort { rows_decoded: self.rows as u64, ..Effort::default() };
        self.columns.iter().filter_map(Way::pages).for_each(|pages| effort += pages.effort);
        let finish = |column| match column {
            Way::LeftOut => Ok(TakenColumn::default()),
            Way::Known(taken) => Ok(taken),
            Way::Pages(take) => take.finish(),
        };
        let columns = self.columns.into_iter().map(finish).collect::<Result<_>>()?;
        Ok((TakenRows { columns, rows: self.rows }, effort))
    }
}

struct ColumnTake {
    pages: Pages,
    taking: Taking,
}

impl ColumnTake {
    fn new(chunk: Chunk, rows: Arc<[u64]>, limits: Limits) -> Result<Self> {
        let taking = Taking {
            rows,
            taken: TakenColumn::default(),
            entries: Vec::new(),
            slots: Vec::new(),
            ordinals: Vec::new(),
        };
        Ok(Self { pages: Pages::new(chunk, limits)?, taking })
    }

    fn finish(self) -> Result<TakenColumn> {
        self.pages.finish()?;
        Ok(self.taking.taken)
    }
}

struct Taking {
    rows: Arc<[u64]>,
    /// Without the dictionary's entries.
    taken: TakenColumn,
    /// The dictionary's entries that are taken, each with its place among what is taken: how much stands before it. Only when all are known
    /// is the dictionary looked into, as far as the last of them: for few rows half of a page or less is decompressed.
    entries: Vec<(usize, u32)>,
    /// Used again for every page: the slots that are taken, and which values of the page these hold.
    slots: Vec<usize>,
    ordinals: Vec<usize>,
}

impl Visitor for Taking {
    fn wants(&self, page: Facts) -> bool {
        page.touches(&self.rows, |&row| row)
    }

    fn defers_dictionary(&self) -> bool {
        true
    }

    fn reach(&self, page: Facts, slots: usize) -> usize {
        let end = self.rows.partition_point(|&row| row < page.first_row + slots as u64);
        let last = end.checked_sub(1).and_then(|last| self.rows[last].checked_sub(page.first_row));
        last.and_then(|last| usize::try_from(last).ok()).map_or(0, |last| last + 1)
    }

    fn dictionary(&mut self, _: &Column, _: &[u8], _: usize, _: i32) -> Result<(), Unreadable> {
        Ok(())
    }

    fn data(&mut self, column: &Column, page: &DataPage<'_>) -> Result<(), Unreadable> {
        let TakenColumn { slots, def, rep, values, bits } = &self.taken;
        let before = (*slots, def.len(), rep.len(), values.len(), bits.len(), self.entries.len());
        let taken = self.take(column, page);
        if taken.is_err() {
            let TakenColumn { slots, def, rep, values, bits } = &mut self.taken;
            *slots = before.0;
            def.truncate(before.1);
            rep.truncate(before.2);
            values.truncate(before.3);
            bits.truncate(before.4);
            self.entries.truncate(before.5);
        }
        taken
    }
}

impl Taking {
    fn take(&mut self, column: &Column, page: &DataPage<'_>) -> Result<(), Unreadable> {
        self.find_slots(page);
        self.take_levels(page)?;
        if self.ordinals.is_empty() {
            return Ok(());
        }
        if page.is_indices() {
            return self.take_indices(page);
        }
        column.take(page.encoding, page.values, page.present, &self.ordinals, &mut self.taken)
    }

    /// The page's slots that belong to a row that is taken.
    fn find_slots(&mut self, page: &DataPage<'_>) {
        self.slots.clear();
        if page.rep.is_empty() {
            let first = self.rows.partition_point(|&row| row < page.first_row);
            let inside = self.rows[first..].iter().map(|row| row - page.first_row);
            let inside = inside.map_while(|slot| usize::try_from(slot).ok().filter(|&slot| slot < page.slots));
            self.slots.extend(inside);
            return;
        }
        let mut begun = page.first_row;
        let mut wanted = self.rows.partition_point(|&row| row + 1 < begun);
        for (slot, &level) in page.rep.iter().enumerate() {
            begun += u64::from(level == 0);
            while self.rows.get(wanted).is_some_and(|&row| row + 1 < begun) {
                wanted += 1;
            }
            if self.rows.get(wanted).is_some_and(|&row| row + 1 == begun) {
                self.slots.push(slot);
            }
        }
    }

    /// Takes the slots' levels, and finds out which values of the page they hold.
    fn take_levels(&mut self, page: &DataPage<'_>) -> Result<(), Unreadable> {
        self.taken.slots += self.slots.len();
        self.ordinals.clear();
        if !page.rep.is_empty() {
            self.taken.rep.extend(self.slots.iter().map(|&slot| page.rep[slot]));
        }
        let Self { taken, ordinals, .. } = self;
        let picked = page.def.pick(&self.slots, |level, before| {
            if !page.def.is_empty() {
                taken.def.push(level);
            }
            if level == page.def.max {
                ordinals.push(before);
            }
        });
        picked.ok_or(Unreadable::Malformed("a page's levels cannot be read"))
    }

    fn take_indices(&mut self, page: &DataPage<'_>) -> Result<(), Unreadable> {
        let bad = || Unreadable::Malformed("a page's dictionary indices cannot be read");
        let (&bit_width, data) = page.values.split_first().ok_or_else(bad)?;
        let (place, entries) = (self.taken.values.len() + self.taken.bits.len(), &mut self.entries);
        let picked = pick_from_hybrid(data, bit_width.into(), &self.ordinals, |index| entries.push((place, index)));
        picked.ok_or_else(bad)
    }

    /// Puts the dictionary's entries where they belong.
    fn look_up(&mut self, pages: &mut Pages) -> Result<()> {
        let Some(last) = self.entries.iter().map(|&(_, index)| index as usize).max() else { return Ok(()) };
        let (entries, before) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.taken));
        pages.deferred(last + 1, |column, values| {
            let dictionary = Plain::new(&column.descriptor, values, last + 1)?;
            self.taken = before.with(&entries, &dictionary)?;
            Ok(())
        })
    }
}
