//! The metadata of row groups and column chunks in the new file.

use std::ops::Range;

use super::edit::Fate;
use super::footer::{Chunk, RowGroup, chunk_meta, column_chunk, row_group};
use super::statistics::Delta;
use super::thrift::{Broken, ListWriter, Struct, ty};

type Result<T> = std::result::Result<T, Broken>;

/// Where the parts of a row group are in the new file.
#[derive(Debug)]
pub(super) struct NewGroup {
    pub(super) chunks: Vec<NewChunk>,
    /// Whether any of its rows changed, and whether it has none left.
    pub(super) is_changed: bool,
    pub(super) is_gone: bool,
    pub(super) written: usize,
}

impl NewGroup {
    pub(super) fn new(columns: usize) -> Self {
        let chunks = std::iter::repeat_with(NewChunk::default).take(columns).collect();
        Self { chunks, is_changed: false, is_gone: false, written: 0 }
    }
}

/// Where the parts of a chunk are in the new file.
#[derive(Debug, Default)]
pub(super) struct NewChunk {
    pub(super) start: u64,
    pub(super) bloom: Option<Range<u64>>,
    pub(super) column_index: Option<Range<u64>>,
    pub(super) offset_index: Option<Range<u64>>,
    pub(super) changed: Option<ChangedChunk>,
}

/// What is new in a chunk that was made again.
#[derive(Debug)]
pub(super) struct ChangedChunk {
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    /// Where its first data page is.
    pub(super) data: u64,
    /// The old position of the first data page.
    pub(super) old_data: u64,
    /// Data pages that went, by their type and encoding.
    pub(super) gone: Vec<(i64, i64)>,
    pub(super) delta: Delta,
    pub(super) statistics: Option<Struct<'static>>,
    /// The new indexes' bytes, until they are written.
    pub(super) column_index: Option<Vec<u8>>,
    pub(super) offset_index: Option<Vec<u8>>,
}

/// The metadata of a row group in the new file, and how many rows it has.
pub(super) fn new_row_group(
    old: &RowGroup<'_>,
    new: &NewGroup,
    fates: &[Option<Fate>],
    ordinal: i16,
) -> Result<(Struct<'static>, u64)> {
    let mut group = Struct::whole(old.raw)?;
    let mut list = ListWriter::new(ty::STRUCT);
    let (mut packed, mut unpacked) = (0_i64, 0_i64);
    let mut rows = old.rows;
    for (old, new) in old.chunks.iter().zip(&new.chunks) {
        list.push_struct(&new_chunk(old, new)?);
        if let Some(changed) = &new.changed {
            packed += changed.packed.cast_signed() - (old.pages.end - old.pages.start).cast_signed();
            unpacked += changed.unpacked.cast_signed() - old.uncompressed.cast_signed();
        }
    }
    if let Some(changed) = new.chunks.iter().find_map(|chunk| chunk.changed.as_ref()) {
        rows = rows.saturating_add_signed(changed.delta.rows);
    }
    group.set_list(row_group::COLUMNS, list);
    group.set_i64(row_group::NUM_ROWS, rows.cast_signed());
    for (id, more) in [(row_group::TOTAL_BYTE_SIZE, unpacked), (row_group::TOTAL_COMPRESSED_SIZE, packed)] {
        if let Some(size) = group.int(id)? {
            group.set_i64(id, size.saturating_add(more).max(0));
        }
    }
    if group.int(row_group::FILE_OFFSET)?.is_some_and(|offset| offset > 0)
        && let Some(first) = new.chunks.first()
    {
        group.set_i64(row_group::FILE_OFFSET, first.start.cast_signed());
    }
    if group.has(row_group::ORDINAL) {
        group.set_i16(row_group::ORDINAL, ordinal);
    }
    if new.is_changed && fates.iter().flatten().all(|fate| *fate != Fate::Delete) {
        keep_sorted(&mut group, fates)?;
    }
    Ok((group.into_owned(), rows))
}

/// Rows stay sorted only by the columns in front of the first one that became anonymous.
fn keep_sorted(group: &mut Struct<'_>, fates: &[Option<Fate>]) -> Result<()> {
    const COLUMN_INDEX: i16 = 1;
    let Some(sorted) = group.list(row_group::SORTING_COLUMNS)? else { return Ok(()) };
    let mut kept = ListWriter::new(ty::STRUCT);
    let mut count = 0;
    for column in sorted.structs() {
        let column = column?;
        let leaf = usize::try_from(column.size(COLUMN_INDEX)?).unwrap_or(usize::MAX);
        if fates.get(leaf).is_none_or(Option::is_some) {
            break;
        }
        kept.push_struct(&column);
        count += 1;
    }
    if count == 0 {
        group.remove(row_group::SORTING_COLUMNS);
    } else {
        group.set_list(row_group::SORTING_COLUMNS, kept);
    }
    Ok(())
}

/// The metadata of a chunk in the new file.
fn new_chunk(old: &Chunk<'_>, new: &NewChunk) -> Result<Struct<'static>> {
    let mut chunk = Struct::whole(old.raw)?;
    let missing = Broken::Wrong("a column chunk has no metadata");
    let mut meta = chunk.inner(column_chunk::META_DATA)?.ok_or(missing)?.into_owned();
    let shift = |old_offset: i64| -> i64 {
        let moved = new.start.cast_signed().wrapping_sub(old.pages.start.cast_signed());
        old_offset.wrapping_add(moved)
    };
    let is_moved = !old.pages.is_empty();
    let data = meta.size(chunk_meta::DATA_PAGE_OFFSET)?;
    if !is_moved {
        // A chunk without a byte lies anywhere within the file.
        for id in [chunk_meta::DATA_PAGE_OFFSET, chunk_meta::DICTIONARY_PAGE_OFFSET] {
            if meta.int(id)?.is_some_and(|offset| offset > 0) {
                meta.set_i64(id, new.start.cast_signed());
            }
        }
    }
    if is_moved {
        let new_data = match &new.changed {
            Some(changed) if data == changed.old_data => changed.data.cast_signed(),
            // There are no data pages.
            _ if data == 0 => 0,
            // Writers that note no dictionary point to it.
            _ => shift(data.cast_signed()),
        };
        meta.set_i64(chunk_meta::DATA_PAGE_OFFSET, new_data);
        if let Some(dictionary) = meta.int(chunk_meta::DICTIONARY_PAGE_OFFSET)?
            && dictionary.cast_unsigned() == old.pages.start
        {
            meta.set_i64(chunk_meta::DICTIONARY_PAGE_OFFSET, new.start.cast_signed());
        }
        if let Some(index) = meta.int(chunk_meta::INDEX_PAGE_OFFSET)?
            && index > 0
        {
            if new.changed.is_some() {
                meta.remove(chunk_meta::INDEX_PAGE_OFFSET);
            } else {
                meta.set_i64(chunk_meta::INDEX_PAGE_OFFSET, shift(index));
            }
        }
    }
    if let Some(changed) = &new.changed {
        describe_change(&mut meta, old, changed)?;
    }
    match (&new.bloom, meta.has(chunk_meta::BLOOM_LENGTH)) {
        (Some(range), has_length) => {
            meta.set_i64(chunk_meta::BLOOM_OFFSET, range.start.cast_signed());
            if has_length {
                let length = i32::try_from(range.end - range.start).map_err(|_| Broken::Wrong("too large"))?;
                meta.set_i32(chunk_meta::BLOOM_LENGTH, length);
            }
        }
        (None, _) => {
            meta.remove(chunk_meta::BLOOM_OFFSET);
            meta.remove(chunk_meta::BLOOM_LENGTH);
        }
    }
    for (range, offset, length) in [
        (&new.offset_index, column_chunk::OFFSET_INDEX_OFFSET, column_chunk::OFFSET_INDEX_LENGTH),
        (&new.column_index, column_chunk::COLUMN_INDEX_OFFSET, column_chunk::COLUMN_INDEX_LENGTH),
    ] {
        match range {
            Some(range) => {
                chunk.set_i64(offset, range.start.cast_signed());
                let size = i32::try_from(range.end - range.start);
                chunk.set_i32(length, size.map_err(|_| Broken::Wrong("a page index is too large"))?);
            }
            None => {
                chunk.remove(offset);
                chunk.remove(length);
            }
        }
    }
    // Deprecated, and used by writers for several places: the first page, the first data page, a copy of the metadata behind
    // the last page (which is left behind, for its statistics may name who left), or 0.
    if let Some(offset) = chunk.size_if(column_chunk::FILE_OFFSET)?
        && is_moved
        && offset > 0
    {
        let moved = match offset {
            offset if offset == data => meta.int(chunk_meta::DATA_PAGE_OFFSET)?.unwrap_or(0),
            offset if offset == old.pages.start => new.start.cast_signed(),
            _ => 0,
        };
        chunk.set_i64(column_chunk::FILE_OFFSET, moved);
    }
    chunk.set_inner(column_chunk::META_DATA, &meta);
    Ok(chunk.into_owned())
}

/// Brings what a chunk's metadata says of its content up to date.
fn describe_change(meta: &mut Struct<'_>, old: &Chunk<'_>, changed: &ChangedChunk) -> Result<()> {
    let delta = &changed.delta;
    meta.set_i64(chunk_meta::NUM_VALUES, old.values.saturating_add_signed(delta.entries).cast_signed());
    meta.set_i64(chunk_meta::TOTAL_UNCOMPRESSED_SIZE, changed.unpacked.cast_signed());
    meta.set_i64(chunk_meta::TOTAL_COMPRESSED_SIZE, changed.packed.cast_signed());
    if let Some(statistics) = &changed.statistics {
        meta.set_inner(chunk_meta::STATISTICS, statistics);
    }
    if !delta.is_none() {
        meta.remove(chunk_meta::GEOSPATIAL_STATISTICS);
    }
    if let Some(mut sizes) = meta.inner(chunk_meta::SIZE_STATISTICS)?.map(Struct::into_owned) {
        if let Some(bytes) = sizes.int(1)? {
            sizes.set_i64(1, bytes.saturating_add(delta.bytes).max(0));
        }
        for (id, change) in [(2, &delta.repetition), (3, &delta.definition)] {
            let Some(list) = sizes.list(id)? else { continue };
            let counts: Vec<i64> = list.ints().collect::<Result<_>>()?;
            // A histogram of a single level is left out.
            if counts.len() == change.len() {
                let counts = counts.iter().zip(change).map(|(count, more)| count.saturating_add(*more).max(0));
                sizes.set_list(id, ListWriter::of_i64(counts));
            } else if !counts.is_empty() {
                sizes.remove(id);
            }
        }
        sizes.retain(&[1, 2, 3]);
        meta.set_inner(chunk_meta::SIZE_STATISTICS, &sizes);
    }
    if let Some(pages) = meta.list(chunk_meta::ENCODING_STATS)? {
        const PAGE_TYPE: i16 = 1;
        const ENCODING: i16 = 2;
        const COUNT: i16 = 3;
        let mut kept = ListWriter::new(ty::STRUCT);
        for entry in pages.structs() {
            let mut entry = entry?;
            let key = (entry.int(PAGE_TYPE)?, entry.int(ENCODING)?);
            let gone = changed.gone.iter().filter(|&&(page, encoding)| key == (Some(page), Some(encoding))).count();
            let count = entry.int(COUNT)?.unwrap_or(0).saturating_sub(gone as i64);
            if count > 0 {
                entry.set_i32(COUNT, i32::try_from(count).unwrap_or(i32::MAX));
                kept.push_struct(&entry);
            }
        }
        meta.set_list(chunk_meta::ENCODING_STATS, kept);
    }
    Ok(())
}
