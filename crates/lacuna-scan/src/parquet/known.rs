//! What a search knows of the rows that it found: the values that made it find them. Taken along, they spare a second look at their pages.

use std::sync::Arc;

use super::page::encoding;
use super::pages::DataPage;
use super::plain::split;
use super::taken::TakenColumn;
use super::values::{Column, Found, Unreadable};
use crate::Hit;

/// Where a row group has more of them, nothing is kept: the pages are looked at again instead.
const BYTES_MAX: usize = 1 << 20;

/// The values of one column on the rows that were found by it.
#[derive(Clone, Debug)]
pub struct KnownColumn {
    /// The leaf column.
    column: usize,
    /// The rows, ascending, counted in the row group.
    rows: Vec<u64>,
    /// The encoded values, one for each row, and where each ends.
    values: Vec<u8>,
    ends: Vec<usize>,
}

impl KnownColumn {
    /// The leaf column.
    pub(super) fn column(&self) -> usize {
        self.column
    }

    /// The slots of `rows`, ascending, of a column whose values have the definition level `max_def`; `None` when one of them is not known.
    pub(super) fn take(&self, rows: &Arc<[u64]>, max_def: u32) -> Option<TakenColumn> {
        let mut taken = TakenColumn { slots: rows.len(), ..TakenColumn::default() };
        if max_def > 0 {
            taken.def.resize(rows.len(), max_def);
        }
        let mut known =
            self.rows.iter().zip(self.ends.iter().scan(0, |start, &end| Some(std::mem::replace(start, end)..end)));
        for row in rows.iter() {
            let (_, value) = known.find(|(known, _)| *known >= row).filter(|(known, _)| *known == row)?;
            taken.values.extend_from_slice(&self.values[value]);
        }
        Some(taken)
    }
}

/// Values on their way to a [`KnownColumn`].
pub(super) struct Knowing {
    known: KnownColumn,
    /// The wanted entries of the dictionary, ascending, and their encoded values.
    entries: Vec<u32>,
    entry_values: Vec<Box<[u8]>>,
    /// Used again for every page.
    ordinals: Vec<usize>,
    taken: TakenColumn,
}

impl Knowing {
    /// Of a flat column; of one with lists nothing is kept.
    pub(super) fn new(index: usize, column: &Column) -> Option<Self> {
        let known = KnownColumn { column: index, rows: Vec::new(), values: Vec::new(), ends: Vec::new() };
        (column.descriptor.max_rep_level() == 0).then(|| Self {
            known,
            entries: Vec::new(),
            entry_values: Vec::new(),
            ordinals: Vec::new(),
            taken: TakenColumn::default(),
        })
    }

    /// Notes the values of a dictionary's wanted entries.
    pub(super) fn dictionary(
        &mut self,
        column: &Column,
        encoding: i32,
        values: &[u8],
        count: usize,
        wanted: &Found,
    ) -> Result<(), Unreadable> {
        self.entries = wanted.iter().map(|&(entry, _)| entry).collect();
        self.entries.dedup();
        self.ordinals.clear();
        self.ordinals.extend(self.entries.iter().map(|&entry| entry as usize));
        let is_plain = encoding == encoding::PLAIN_DICTIONARY;
        self.take(column, if is_plain { encoding::PLAIN } else { encoding }, values, count)?;
        self.entry_values = split(&column.descriptor, &self.taken.values).map(Into::into).collect();
        Ok(())
    }

    /// Notes what a page holds on the rows of `hits`, which its `found` values made; of a page of indices these are decoded.
    pub(super) fn page(
        &mut self,
        column: &Column,
        page: &DataPage<'_>,
        indices: &[u32],
        found: &Found,
        hits: &[Hit],
    ) -> Result<(), Unreadable> {
        self.ordinals.clear();
        self.ordinals.extend(found.iter().map(|&(ordinal, _)| ordinal as usize));
        self.ordinals.dedup();
        let known = &mut self.known;
        known.rows.extend(hits.chunk_by(|a, b| a.row == b.row).filter_map(|same| Some(same.first()?.row)));
        if page.is_indices() {
            for &ordinal in &self.ordinals {
                let entry = indices.get(ordinal).and_then(|index| self.entries.binary_search(index).ok());
                known.values.extend_from_slice(entry.map_or(&[], |entry| &self.entry_values[entry]));
                known.ends.push(known.values.len());
            }
            return Ok(());
        }
        self.take(column, page.encoding, page.values, page.present)?;
        let known = &mut self.known;
        for value in split(&column.descriptor, &self.taken.values) {
            known.values.extend_from_slice(value);
            known.ends.push(known.values.len());
        }
        Ok(())
    }

    fn take(&mut self, column: &Column, encoding: i32, values: &[u8], count: usize) -> Result<(), Unreadable> {
        self.taken.values.clear();
        column.take(encoding, values, count, &self.ordinals, &mut self.taken)
    }

    /// Whether so much is known that it is better forgotten.
    pub(super) fn is_too_much(&self) -> bool {
        self.known.values.len() + 16 * self.known.rows.len() > BYTES_MAX
    }

    pub(super) fn finish(self) -> Option<KnownColumn> {
        let is_whole = self.known.rows.len() == self.known.ends.len();
        Some(self.known).filter(|known| is_whole && !known.rows.is_empty())
    }
}
