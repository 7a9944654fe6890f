//! The page indexes of a changed or moved column chunk.

use std::ops::Range;

use bytes::Bytes;
use lacuna_scan::{Error, Limits};

use super::order::Order;
use super::statistics::Delta;
use super::thrift::{Broken, ListWriter, Struct, ty};
use crate::ReadAt;

/// `ColumnIndex`.
mod column {
    pub(super) const NULL_PAGES: i16 = 1;
    pub(super) const MIN_VALUES: i16 = 2;
    pub(super) const MAX_VALUES: i16 = 3;
    pub(super) const BOUNDARY_ORDER: i16 = 4;
    pub(super) const NULL_COUNTS: i16 = 5;
    pub(super) const REPETITION_HISTOGRAMS: i16 = 6;
    pub(super) const DEFINITION_HISTOGRAMS: i16 = 7;
    pub(super) const NAN_COUNTS: i16 = 8;
}

/// `OffsetIndex`.
mod offset {
    pub(super) const PAGE_LOCATIONS: i16 = 1;
    pub(super) const BYTE_ARRAY_BYTES: i16 = 2;
}

/// `PageLocation`.
mod location {
    pub(super) const OFFSET: i16 = 1;
    pub(super) const COMPRESSED_PAGE_SIZE: i16 = 2;
    pub(super) const FIRST_ROW_INDEX: i16 = 3;
}

/// The bytes of an index, which is no larger than a page may be.
pub(super) fn read(input: &dyn ReadAt, range: Range<u64>, limits: &Limits) -> crate::Result<Bytes> {
    Error::check_limit("a page index", range.end - range.start, limits.page_bytes_max as u64, "page_bytes_max")?;
    Ok(input.read_at(range)?)
}

/// A chunk's column index: what each data page holds.
#[derive(Clone, Debug)]
pub(super) struct ColumnIndex {
    raw: Struct<'static>,
    pub(super) pages: Vec<PageBounds>,
}

/// What a column index says of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageBounds {
    /// Whether the page holds nulls only.
    pub(super) is_null: bool,
    /// Empty when it does.
    pub(super) min: Vec<u8>,
    pub(super) max: Vec<u8>,
}

/// What becomes of a data page.
#[derive(Clone, Debug)]
pub(super) enum PageChange {
    /// Its entries are the same.
    Same,
    /// It has none any more.
    Gone,
    /// Some left.
    Changed { bounds: PageBounds, delta: Delta },
}

impl ColumnIndex {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let raw = Struct::whole(bytes)?;
        let list = |id| raw.list(id)?.ok_or(Broken::Wrong("a column index lacks a list"));
        let (nulls, mins, maxs) = (list(column::NULL_PAGES)?, list(column::MIN_VALUES)?, list(column::MAX_VALUES)?);
        if nulls.len() != mins.len() || nulls.len() != maxs.len() {
            return Err(Broken::Wrong("the lists of a column index have different lengths"));
        }
        let pages = nulls
            .bools()
            .zip(mins.binaries().zip(maxs.binaries()))
            .map(|(is_null, (min, max))| Ok(PageBounds { is_null: is_null?, min: min?.to_vec(), max: max?.to_vec() }));
        let pages = pages.collect::<Result<_, _>>()?;
        Ok(Self { raw: raw.into_owned(), pages })
    }

    /// The index after `changes`, one for each page.
    pub(super) fn update(mut self, changes: &[PageChange], order: Order) -> Result<Vec<u8>, Broken> {
        let mut pages = Vec::with_capacity(changes.len());
        for (page, change) in self.pages.into_iter().zip(changes) {
            match change {
                PageChange::Same => pages.push(page),
                PageChange::Gone => {}
                PageChange::Changed { bounds, .. } => pages.push(bounds.clone()),
            }
        }
        let (mut nulls, mut mins, mut maxs) =
            (ListWriter::new(ty::TRUE), ListWriter::new(ty::BINARY), ListWriter::new(ty::BINARY));
        for page in &pages {
            nulls.push_bool(page.is_null);
            mins.push_binary(&page.min);
            maxs.push_binary(&page.max);
        }
        self.raw.set_list(column::NULL_PAGES, nulls);
        self.raw.set_list(column::MIN_VALUES, mins);
        self.raw.set_list(column::MAX_VALUES, maxs);
        if let Some(claimed) = self.raw.int(column::BOUNDARY_ORDER)?
            && !is_ordered(&pages, order, claimed)
        {
            self.raw.set_i32(column::BOUNDARY_ORDER, 0);
        }
        let one = |change: fn(&Delta) -> i64| move |delta: &Delta| vec![change(delta)];
        update_counts(&mut self.raw, column::NULL_COUNTS, changes, one(|delta| delta.nulls))?;
        update_counts(&mut self.raw, column::NAN_COUNTS, changes, one(|delta| delta.nans))?;
        update_counts(&mut self.raw, column::REPETITION_HISTOGRAMS, changes, |delta| delta.repetition.clone())?;
        update_counts(&mut self.raw, column::DEFINITION_HISTOGRAMS, changes, |delta| delta.definition.clone())?;
        self.raw.retain(&[1, 2, 3, 4, 5, 6, 7, 8]);
        Ok(self.raw.to_vec())
    }
}

/// Whether the pages' bounds are in the order that a `BoundaryOrder` claims.
fn is_ordered(pages: &[PageBounds], order: Order, claimed: i64) -> bool {
    let wanted = match claimed {
        1 => std::cmp::Ordering::Less,
        2 => std::cmp::Ordering::Greater,
        _ => return true,
    };
    let held: Vec<_> = pages.iter().filter(|page| !page.is_null).collect();
    held.windows(2).all(|pair| {
        let fits = |a: &[u8], b: &[u8]| order.compare(a, b).is_some_and(|found| found == wanted || found.is_eq());
        fits(&pair[0].min, &pair[1].min) && fits(&pair[0].max, &pair[1].max)
    })
}

/// Brings a list of counts, the same number for each page, up to date. A list of another length is taken out.
fn update_counts(
    raw: &mut Struct<'_>,
    id: i16,
    changes: &[PageChange],
    change: impl Fn(&Delta) -> Vec<i64>,
) -> Result<(), Broken> {
    let Some(list) = raw.list(id)? else { return Ok(()) };
    let counts: Vec<i64> = list.ints().collect::<Result<_, _>>()?;
    if changes.is_empty() || counts.is_empty() || !counts.len().is_multiple_of(changes.len()) {
        raw.remove(id);
        return Ok(());
    }
    let mut updated = ListWriter::new(ty::I64);
    for (counts, page) in counts.chunks_exact(counts.len() / changes.len()).zip(changes) {
        let change = match page {
            PageChange::Gone => continue,
            PageChange::Same => vec![0; counts.len()],
            PageChange::Changed { delta, .. } => change(delta),
        };
        if change.len() != counts.len() {
            raw.remove(id);
            return Ok(());
        }
        counts.iter().zip(change).for_each(|(count, change)| updated.push_int(count.saturating_add(change).max(0)));
    }
    raw.set_list(id, updated);
    Ok(())
}

/// Where a data page is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) first_row: u64,
}

/// The offset index in `bytes` for pages that are at `locations` now, one for each old page; `None` for those that are gone.
/// `bytes_more` says how many more bytes of byte arrays each old page holds.
pub(super) fn update_offset_index(
    bytes: &[u8],
    locations: &[Option<Location>],
    bytes_more: &[i64],
) -> Result<Vec<u8>, Broken> {
    let mut raw = Struct::whole(bytes)?;
    let mut list = ListWriter::new(ty::STRUCT);
    for page in locations.iter().flatten() {
        let mut location = Struct::default();
        location.set_i64(location::OFFSET, page.offset.cast_signed());
        let size = i32::try_from(page.size).map_err(|_| Broken::Wrong("a page is too large"))?;
        location.set_i32(location::COMPRESSED_PAGE_SIZE, size);
        location.set_i64(location::FIRST_ROW_INDEX, page.first_row.cast_signed());
        list.push_struct(&location);
    }
    if let Some(counts) = raw.list(offset::BYTE_ARRAY_BYTES)? {
        let counts: Vec<i64> = counts.ints().collect::<Result<_, _>>()?;
        if counts.len() == locations.len() {
            let held = counts.into_iter().zip(bytes_more).zip(locations).filter(|(_, page)| page.is_some());
            let held = held.map(|((count, more), _)| count.saturating_add(*more).max(0));
            raw.set_list(offset::BYTE_ARRAY_BYTES, ListWriter::of_i64(held));
        } else {
            raw.remove(offset::BYTE_ARRAY_BYTES);
        }
    }
    raw.set_list(offset::PAGE_LOCATIONS, list);
    Ok(raw.to_vec())
}

/// How many pages the offset index in `bytes` knows.
pub(super) fn offset_index_len(bytes: &[u8]) -> Result<usize, Broken> {
    Ok(Struct::whole(bytes)?.list(offset::PAGE_LOCATIONS)?.map_or(0, |list| list.len()))
}

/// The offset index in `bytes` of a chunk that moved by `shift` bytes.
pub(super) fn shift_offset_index(bytes: &[u8], shift: i64) -> Result<Vec<u8>, Broken> {
    let mut raw = Struct::whole(bytes)?;
    let mut list = ListWriter::new(ty::STRUCT);
    let pages = raw.list(offset::PAGE_LOCATIONS)?.ok_or(Broken::Wrong("an offset index lists no pages"))?;
    for page in pages.structs() {
        let mut page = page?;
        let offset = page.int(location::OFFSET)?.ok_or(Broken::Wrong("an offset index lacks an offset"))?;
        page.set_i64(location::OFFSET, offset.wrapping_add(shift));
        list.push_struct(&page);
    }
    raw.set_list(offset::PAGE_LOCATIONS, list);
    Ok(raw.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(min: i32, max: i32) -> PageBounds {
        PageBounds { is_null: false, min: min.to_le_bytes().to_vec(), max: max.to_le_bytes().to_vec() }
    }

    #[test]
    fn an_order_that_no_longer_holds_is_not_claimed() {
        let mut raw = Struct::default();
        raw.set_i32(column::BOUNDARY_ORDER, 1);
        raw.set_list(column::NULL_COUNTS, ListWriter::of_i64([0, 5, 2]));
        raw.set_list(column::DEFINITION_HISTOGRAMS, ListWriter::of_i64([0, 9, 5, 4, 2, 7]));
        let index = ColumnIndex { raw, pages: vec![page(1, 5), page(3, 9), page(8, 12)] };
        let delta = Delta { nulls: -1, definition: vec![-1, -2], ..Delta::default() };

        let narrowed = PageChange::Changed { bounds: page(3, 9), delta: delta.clone() };
        let updated = index.clone().update(&[PageChange::Gone, narrowed, PageChange::Same], Order::Int32).unwrap();
        let updated = Struct::whole(&updated).unwrap();
        let ints = |id| updated.list(id).unwrap().unwrap().ints().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(updated.int(column::BOUNDARY_ORDER), Ok(Some(1)));
        assert_eq!(ints(column::NULL_COUNTS), [4, 2]);
        assert_eq!(ints(column::DEFINITION_HISTOGRAMS), [4, 2, 2, 7]);

        let moved = PageChange::Changed { bounds: page(4, 4), delta };
        let updated = index.update(&[moved, PageChange::Same, PageChange::Same], Order::Int32).unwrap();
        assert_eq!(Struct::whole(&updated).unwrap().int(column::BOUNDARY_ORDER), Ok(Some(0)));
    }
}
