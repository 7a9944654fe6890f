//! Row positions: which rows of a shard belong to which selector.

use std::collections::BTreeMap;

use roaring::{RoaringBitmap, RoaringTreemap};

use crate::Hit;

/// A selector's index in the slice that its matcher was made from.
pub type SelectorIndex = u32;

/// The matched rows of one shard. A row's position is its ordinal in the shard, from 0: rows in all row groups or batches,
/// lines that hold a record, elements of the mapped array, CSV rows without the header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matches {
    by_selector: BTreeMap<SelectorIndex, RoaringTreemap>,
}

impl Matches {
    /// Notes that `row` belongs to `selector`.
    pub fn insert(&mut self, row: u64, selector: SelectorIndex) {
        self.by_selector.entry(selector).or_default().insert(row);
    }

    /// Notes that `rows` belong to `selector`.
    pub fn put(&mut self, selector: SelectorIndex, rows: RoaringTreemap) {
        *self.by_selector.entry(selector).or_default() |= rows;
    }

    /// Notes that `row` belongs to `selector`, for rows that come in ascending order, one selector after the other or mixed.
    pub(crate) fn extend(&mut self, hits: &[Hit], first_row: u64) {
        for same in hits.chunk_by(|a, b| a.selector == b.selector) {
            let rows = self.by_selector.entry(same[0].selector).or_default();
            let all = same.iter().map(|hit| first_row + hit.row);
            if let Some(many) = bitmap(all.clone()) {
                *rows |= many;
            } else if rows.append(all.clone()).is_err() {
                // One after the other at the end costs less than a search for the place of each.
                rows.extend(all);
            }
        }
    }

    /// Adds the rows of `other`.
    pub fn merge(&mut self, other: Self) {
        for (selector, rows) in other.by_selector {
            *self.by_selector.entry(selector).or_default() |= rows;
        }
    }

    /// Drops the rows of selectors that are not `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(SelectorIndex) -> bool) {
        self.by_selector.retain(|&selector, _| wanted(selector));
    }

    /// Takes `rows` away from the selectors that they are `hidden_from`.
    pub fn hide(&mut self, rows: &RoaringTreemap, hidden_from: impl Fn(SelectorIndex) -> bool) {
        self.by_selector.retain(|&selector, own| {
            if hidden_from(selector) {
                *own -= rows;
            }
            !own.is_empty()
        });
    }

    /// The rows of each selector that has any, by selector.
    pub fn iter(&self) -> impl Iterator<Item = (SelectorIndex, &RoaringTreemap)> {
        self.by_selector.iter().map(|(&selector, rows)| (selector, rows))
    }

    /// How many rows belong to `selector`.
    pub fn count(&self, selector: SelectorIndex) -> u64 {
        self.by_selector.get(&selector).map_or(0, RoaringTreemap::len)
    }

    /// The rows that belong to anyone.
    pub fn rows(&self) -> RoaringTreemap {
        let mut all = RoaringTreemap::new();
        for rows in self.by_selector.values() {
            all |= rows;
        }
        all
    }

    /// Whether no row matched.
    pub fn is_empty(&self) -> bool {
        self.by_selector.is_empty()
    }
}

/// The set of many ascending rows, made without a look at the treemap for each. `None` where they are few, or lie so far apart that their upper
/// halves differ.
fn bitmap(mut rows: impl ExactSizeIterator<Item = u64> + DoubleEndedIterator + Clone) -> Option<RoaringTreemap> {
    const MANY: usize = 64;
    let (all, count) = (rows.clone(), rows.len());
    let (first, last) = (rows.next()?, rows.next_back()?);
    if count < MANY || first >> 32 != last >> 32 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the halves")]
    let (upper, lower) = ((first >> 32) as u32, all.map(|row| row as u32));
    Some(RoaringTreemap::from_bitmaps([(upper, RoaringBitmap::from_sorted_iter(lower).ok()?)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_at_once_are_the_rows_one_by_one() {
        let far = (1_u64 << 32) - 500;
        let hit = |row, selector| Hit { row, selector };
        let ascending: Vec<Hit> = (0..1000).map(|row| hit(3 * row, 0)).collect();
        let mixed = (0..1000).map(|row| hit(row, (row % 2) as SelectorIndex)).collect();
        let descending = ascending.iter().rev().copied().collect();
        let twice = ascending.iter().flat_map(|&hit| [hit, hit]).collect();
        for hits in [ascending, mixed, descending, twice] {
            for first_row in [0, 7, far, 5 << 32] {
                let (mut together, mut single) = (Matches::default(), Matches::default());
                together.insert(9, 0);
                single.insert(9, 0);
                together.extend(&hits, first_row);
                hits.iter().for_each(|hit| single.insert(first_row + hit.row, hit.selector));
                assert_eq!(together, single, "from {first_row} on");
            }
        }
    }
}
