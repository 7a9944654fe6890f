//! The page index of a column chunk: where each page lies, and between which bounds its values are.

use std::ops::Range;

use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;

use super::prune::{Bounds, part_range};
use super::thrift::{Reader, Stop};
use crate::FieldTest;

/// Where the two parts of a chunk's page index lie.
#[derive(Clone, Debug)]
pub(super) struct IndexRanges {
    pub(super) bounds: Range<u64>,
    pub(super) locations: Range<u64>,
}

impl IndexRanges {
    /// `None` when the chunk lacks one of them.
    pub(super) fn of(column: &ColumnChunkMetaData, file_size: u64) -> Option<Self> {
        let bounds = part_range(column.column_index_offset(), column.column_index_length(), file_size)?;
        let locations = part_range(column.offset_index_offset(), column.offset_index_length(), file_size)?;
        Some(Self { bounds, locations })
    }
}

/// A stretch of pages that hold nothing wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Where the pages lie in the file.
    pub(super) bytes: Range<u64>,
    /// How many rows they have.
    pub(super) rows: u64,
}

/// The pages of a chunk of `rows` rows at `chunk` which the index excludes, in order. `None` when the index cannot be read or
/// contradicts itself or the chunk: it excludes nothing then.
pub(super) fn gaps(
    bounds_index: &[u8],
    locations: &[u8],
    chunk: &Range<u64>,
    rows: u64,
    bounds: Bounds,
    test: &FieldTest,
) -> Option<Vec<Gap>> {
    let pages = self::locations(locations).ok()?;
    let ends = pages.iter().skip(1).map(|page| page.first_row).chain([rows]);
    let page_rows: Vec<u64> = pages.iter().zip(ends).map(|(page, end)| end.saturating_sub(page.first_row)).collect();
    let admitted = admitted(bounds_index, &page_rows, bounds, test).ok()?;
    between(pages, admitted, chunk, rows)
}

/// The pages that are not admitted. `None` when the locations contradict themselves or the chunk.
fn between(pages: Vec<Location>, admitted: Vec<bool>, chunk: &Range<u64>, rows: u64) -> Option<Vec<Gap>> {
    if pages.first()?.first_row != 0 {
        return None;
    }
    let mut gaps: Vec<Gap> = Vec::new();
    let mut pages = pages.into_iter().zip(admitted).peekable();
    while let Some((page, is_admitted)) = pages.next() {
        let (end, next_row) = pages.peek().map_or((chunk.end, rows), |(next, _)| (next.offset, next.first_row));
        if page.offset < chunk.start || page.offset >= end || page.first_row > next_row || end > chunk.end {
            return None;
        }
        if is_admitted {
            continue;
        }
        let rows = next_row - page.first_row;
        match gaps.last_mut().filter(|last| last.bytes.end == page.offset) {
            Some(last) => {
                last.bytes.end = end;
                last.rows += rows;
            }
            None => gaps.push(Gap { bytes: page.offset..end, rows }),
        }
    }
    Some(gaps)
}

/// The pages of a chunk at `chunk` which hold none of `wanted` (rows counted in the row group, ascending), in order. Of a chunk that
/// `has_lists`, a row may go on in the pages behind: parquet-rs before version 42 and arrow-go let it do so, where the format does not.
pub(super) fn gaps_around(
    pages: &[PageLocation],
    chunk: &Range<u64>,
    rows: u64,
    has_lists: bool,
    wanted: &[u64],
) -> Option<Vec<Gap>> {
    let location = |page: &PageLocation| {
        Some(Location { offset: page.offset.try_into().ok()?, first_row: page.first_row_index.try_into().ok()? })
    };
    let pages: Vec<Location> = pages.iter().map(location).collect::<Option<_>>()?;
    let ends = pages.iter().skip(1).map(|page| page.first_row).chain([rows]);
    let is_wanted = |(page, end): (&Location, u64)| {
        let first_row = page.first_row.saturating_sub(has_lists.into());
        wanted.get(wanted.partition_point(|&row| row < first_row)).is_some_and(|&row| row < end)
    };
    let admitted = pages.iter().zip(ends).map(is_wanted).collect();
    between(pages, admitted, chunk, rows)
}

struct Location {
    offset: u64,
    first_row: u64,
}

/// Reads an `OffsetIndex`.
fn locations(bytes: &[u8]) -> Result<Vec<Location>, Stop> {
    const NEGATIVE: Stop = Stop::Bad("a negative position");
    let mut pages = Vec::new();
    let mut reader = Reader::new(bytes);
    reader.fields(|reader, field, kind| match field {
        1 => reader.list(|reader, _| {
            let (mut offset, mut first_row) = (-1, -1);
            reader.fields(|reader, field, kind| {
                match field {
                    1 => offset = reader.zigzag()?,
                    3 => first_row = reader.zigzag()?,
                    _ => reader.skip(kind, 0)?,
                }
                Ok(())
            })?;
            let offset = u64::try_from(offset).map_err(|_| NEGATIVE)?;
            let first_row = u64::try_from(first_row).map_err(|_| NEGATIVE)?;
            pages.push(Location { offset, first_row });
            Ok(())
        }),
        _ => reader.skip(kind, 0),
    })?;
    Ok(pages)
}

/// Reads a `ColumnIndex`: which pages may hold a value that `test` wants.
fn admitted(bytes: &[u8], rows: &[u64], bounds: Bounds, test: &FieldTest) -> Result<Vec<bool>, Stop> {
    let (mut all_null, mut min, mut max, mut nulls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut reader = Reader::new(bytes);
    reader.fields(|reader, field, kind| match field {
        1 => reader.list(|reader, _| reader.bool().map(|value| all_null.push(value))),
        2 => reader.list(|reader, _| reader.binary().map(|value| min.push(value))),
        3 => reader.list(|reader, _| reader.binary().map(|value| max.push(value))),
        5 => reader.list(|reader, _| reader.zigzag().map(|value| nulls.push(value))),
        _ => reader.skip(kind, 0),
    })?;
    if [min.len(), max.len(), all_null.len()] != [rows.len(); 3] {
        return Err(Stop::Bad("a page index of another length"));
    }
    let admit = |page: usize| {
        if all_null[page] {
            // Some writers call pages null that are not: the count must say so too.
            return nulls.get(page).and_then(|&nulls| u64::try_from(nulls).ok()) != Some(rows[page]);
        }
        bounds.admit(test, min[page], max[page])
    };
    Ok((0..rows.len()).map(admit).collect())
}
