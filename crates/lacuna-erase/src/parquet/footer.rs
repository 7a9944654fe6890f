//! The footer of a file: where each row group, column chunk, Bloom filter and page index lies. Everything is checked against
//! the file's size before anything is read by it.

use std::ops::Range;

use bytes::Bytes;
use lacuna_scan::{Error, Limits};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::schema::types::SchemaDescPtr;
use roaring::RoaringTreemap;

use super::thrift::{Broken, ListWriter, Struct, ty};
use crate::{ReadAt, Result};

/// `FileMetaData`.
pub(super) mod file_meta {
    pub(crate) const VERSION: i16 = 1;
    pub(crate) const SCHEMA: i16 = 2;
    pub(crate) const NUM_ROWS: i16 = 3;
    pub(crate) const ROW_GROUPS: i16 = 4;
    pub(crate) const KEY_VALUE: i16 = 5;
    pub(crate) const CREATED_BY: i16 = 6;
    pub(crate) const ENCRYPTION: i16 = 8;
}

/// `RowGroup`.
pub(super) mod row_group {
    pub(crate) const COLUMNS: i16 = 1;
    pub(crate) const TOTAL_BYTE_SIZE: i16 = 2;
    pub(crate) const NUM_ROWS: i16 = 3;
    pub(crate) const SORTING_COLUMNS: i16 = 4;
    pub(crate) const FILE_OFFSET: i16 = 5;
    pub(crate) const TOTAL_COMPRESSED_SIZE: i16 = 6;
    pub(crate) const ORDINAL: i16 = 7;
}

/// `ColumnChunk`.
pub(super) mod column_chunk {
    pub(crate) const FILE_PATH: i16 = 1;
    pub(crate) const FILE_OFFSET: i16 = 2;
    pub(crate) const META_DATA: i16 = 3;
    pub(crate) const OFFSET_INDEX_OFFSET: i16 = 4;
    pub(crate) const OFFSET_INDEX_LENGTH: i16 = 5;
    pub(crate) const COLUMN_INDEX_OFFSET: i16 = 6;
    pub(crate) const COLUMN_INDEX_LENGTH: i16 = 7;
    pub(crate) const CRYPTO: i16 = 8;
    pub(crate) const ENCRYPTED_META_DATA: i16 = 9;
}

/// `ColumnMetaData`.
pub(super) mod chunk_meta {
    pub(crate) const CODEC: i16 = 4;
    pub(crate) const NUM_VALUES: i16 = 5;
    pub(crate) const TOTAL_UNCOMPRESSED_SIZE: i16 = 6;
    pub(crate) const TOTAL_COMPRESSED_SIZE: i16 = 7;
    pub(crate) const KEY_VALUE: i16 = 8;
    pub(crate) const DATA_PAGE_OFFSET: i16 = 9;
    pub(crate) const INDEX_PAGE_OFFSET: i16 = 10;
    pub(crate) const DICTIONARY_PAGE_OFFSET: i16 = 11;
    pub(crate) const STATISTICS: i16 = 12;
    pub(crate) const ENCODING_STATS: i16 = 13;
    pub(crate) const BLOOM_OFFSET: i16 = 14;
    pub(crate) const BLOOM_LENGTH: i16 = 15;
    pub(crate) const SIZE_STATISTICS: i16 = 16;
    pub(crate) const GEOSPATIAL_STATISTICS: i16 = 17;
}

const MAGIC: &[u8] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8] = b"PARE";
const TAIL: u64 = 8;

/// A file's footer.
#[derive(Debug)]
pub(super) struct Footer<'a> {
    /// `FileMetaData`.
    pub(super) file: Struct<'a>,
    pub(super) schema: SchemaDescPtr,
    pub(super) row_groups: Vec<RowGroup<'a>>,
    /// Rows in all row groups.
    pub(super) rows: u64,
}

#[derive(Debug)]
pub(super) struct RowGroup<'a> {
    /// `RowGroup`.
    pub(super) raw: &'a [u8],
    /// The ordinal of its first row in the file.
    pub(super) first_row: u64,
    pub(super) rows: u64,
    /// One for each leaf of the schema.
    pub(super) chunks: Vec<Chunk<'a>>,
}

impl RowGroup<'_> {
    /// How many of its rows are among `hits`, ordinals over the whole file.
    pub(super) fn matched(&self, hits: &RoaringTreemap) -> u64 {
        hits.range_cardinality(self.first_row..self.first_row + self.rows)
    }

    /// Those of its rows that are among `hits`, counted from its first one.
    pub(super) fn hits(&self, hits: &RoaringTreemap) -> Vec<u64> {
        let mut inside = hits.iter();
        inside.advance_to(self.first_row);
        inside.map_while(|hit| hit.checked_sub(self.first_row).filter(|&row| row < self.rows)).collect()
    }
}

/// A column chunk: where its parts lie.
#[derive(Clone, Debug)]
pub(super) struct Chunk<'a> {
    /// `ColumnChunk`.
    pub(super) raw: &'a [u8],
    /// Its pages, the dictionary's first.
    pub(super) pages: Range<u64>,
    /// Whether the metadata say where its dictionary is.
    pub(super) has_dictionary: bool,
    pub(super) codec: i64,
    /// Values and nulls.
    pub(super) values: u64,
    /// The size of its pages before compression.
    pub(super) uncompressed: u64,
    /// Whether `pages` ends behind its last page, because nothing says where that is.
    pub(super) is_padded: bool,
    /// Whether the indices of a page are to be packed in one run.
    pub(super) is_one_run: bool,
    pub(super) bloom: Option<Range<u64>>,
    pub(super) column_index: Option<Range<u64>>,
    pub(super) offset_index: Option<Range<u64>>,
}

/// The footer's bytes and where they start.
pub(super) fn read(input: &dyn ReadAt, limits: &Limits) -> Result<(Bytes, u64)> {
    let not_parquet = |reason: &'static str| Error::WrongFormat { expected: "Parquet", reason: reason.into() };
    let size = input.size();
    if size < TAIL + 4 {
        return Err(not_parquet("it is shorter than the shortest Parquet file").into());
    }
    let tail = input.read_at(size - TAIL..size)?;
    if &tail[4..] == MAGIC_ENCRYPTED {
        return Err(Error::Encrypted { what: "the footer".into() }.into());
    }
    if &tail[4..] != MAGIC {
        return Err(not_parquet("it does not end in PAR1").into());
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    Error::check_limit("a footer", length, limits.footer_bytes_max as u64, "footer_bytes_max")?;
    let start = size.checked_sub(TAIL + length).filter(|&start| start >= 4);
    let start = start.ok_or_else(|| Error::Truncated { what: "the footer is longer than the file".into() })?;
    Ok((input.read_at(start..size - TAIL)?, start))
}

impl<'a> Footer<'a> {
    /// Reads the footer in `bytes`, which start at `start` of the file.
    pub(super) fn parse(input: &dyn ReadAt, bytes: &'a [u8], start: u64, limits: &Limits) -> Result<Self> {
        let broken = |broken| malformed(start, broken);
        let file = Struct::whole(bytes).map_err(broken)?;
        if file.has(file_meta::ENCRYPTION) {
            return Err(Error::Encrypted { what: "some of its columns".into() }.into());
        }
        let schema = schema(&file, start, limits)?;
        let columns = schema.num_columns();

        let mut row_groups = Vec::new();
        let mut rows = 0_u64;
        let list = file.source_list(file_meta::ROW_GROUPS).map_err(broken)?;
        for raw in list.ok_or_else(|| broken(Broken::Wrong("the footer lists no row groups")))?.items() {
            let raw = raw.map_err(broken)?;
            let group = RowGroup::parse(input, raw, rows, columns, start).map_err(|stop| stop.at(start))?;
            rows =
                rows.checked_add(group.rows).ok_or_else(|| broken(Broken::Wrong("the footer counts too many rows")))?;
            row_groups.push(group);
        }
        let created_by = file.binary(file_meta::CREATED_BY).map_err(broken)?.unwrap_or_default();
        if forgets_dictionary_headers(created_by) {
            pad(&mut row_groups, start);
        }
        if wants_one_run(created_by) {
            row_groups.iter_mut().flat_map(|group| &mut group.chunks).for_each(|chunk| chunk.is_one_run = true);
        }
        Ok(Self { file, schema, row_groups, rows })
    }
}

/// Whether chunks are longer than their metadata say by the header of their dictionary page, as parquet-mr wrote them before
/// version 1.2.9: <https://issues.apache.org/jira/browse/PARQUET-816>.
fn forgets_dictionary_headers(created_by: &[u8]) -> bool {
    let Some(rest) = std::str::from_utf8(created_by).ok().and_then(|by| by.strip_prefix("parquet-mr")) else {
        return false;
    };
    let version = rest.trim_start().strip_prefix("version").unwrap_or("").trim_start();
    let mut numbers = version.split(|character: char| !character.is_ascii_digit()).map(|part| part.parse::<u64>().ok());
    let mut number = || numbers.next().flatten().unwrap_or(0);
    (number(), number(), number()) < (1, 2, 9)
}

/// Whether the file's own library reads the indices of a page by the header of their first run, as fastparquet does where it finds its name.
fn wants_one_run(created_by: &[u8]) -> bool {
    created_by.windows(b"fastparquet".len()).any(|name| name == b"fastparquet")
}

/// No dictionary page's header is longer.
const DICTIONARY_HEADER_MAX: u64 = 100;

/// Lets chunks reach further, up to what follows them.
fn pad(row_groups: &mut [RowGroup<'_>], end: u64) {
    let chunks = || row_groups.iter().flat_map(|group| &group.chunks);
    let mut starts: Vec<u64> = chunks().map(|chunk| chunk.pages.start).collect();
    starts.extend(chunks().filter_map(|chunk| chunk.bloom.as_ref()).map(|bloom| bloom.start));
    starts.sort_unstable();
    for chunk in row_groups.iter_mut().flat_map(|group| &mut group.chunks).filter(|chunk| !chunk.pages.is_empty()) {
        let next = starts[starts.partition_point(|&start| start < chunk.pages.end)..].first().copied();
        chunk.pages.end = next.unwrap_or(end).min(chunk.pages.end + DICTIONARY_HEADER_MAX);
        chunk.is_padded = true;
    }
}

/// The schema alone, by the decoder that the scan uses too.
fn schema(file: &Struct<'_>, start: u64, limits: &Limits) -> Result<SchemaDescPtr> {
    let mut alone = file.clone();
    alone.retain(&[file_meta::VERSION, file_meta::SCHEMA]);
    alone.set_i64(file_meta::NUM_ROWS, 0);
    alone.set_list(file_meta::ROW_GROUPS, ListWriter::new(ty::STRUCT));
    check_nesting(&alone, limits).map_err(|stop| stop.at(start))?;
    let metadata = ParquetMetaDataReader::decode_metadata(&alone.to_vec())
        .map_err(|source| Error::Parquet { place: "footer".into(), source })?;
    let schema = metadata.file_metadata().schema_descr_ptr();
    Error::check_limit("a number of columns", schema.num_columns() as u64, limits.columns_max as u64, "columns_max")?;
    Ok(schema)
}

/// The schema is a tree written depth first; its decoder recurses.
fn check_nesting(file: &Struct<'_>, limits: &Limits) -> Parsed<()> {
    const NUM_CHILDREN: i16 = 5;
    let list = file.list(file_meta::SCHEMA)?.ok_or(Broken::Wrong("the footer has no schema"))?;
    // How many children are still to come, on each level that is open.
    let mut open: Vec<u64> = vec![1];
    for element in list.structs() {
        let children = element?.size_if(NUM_CHILDREN)?.unwrap_or(0);
        while open.last() == Some(&0) {
            open.pop();
        }
        *open.last_mut().ok_or(Broken::Wrong("the schema has more than one root"))? -= 1;
        open.push(children);
        Error::check_limit("a nesting", open.len() as u64, limits.nesting_max as u64, "nesting_max")?;
    }
    if open.iter().any(|&missing| missing > 0) {
        return Err(Broken::Wrong("the schema ends too early").into());
    }
    Ok(())
}

/// Bytes that are no Thrift struct, at `offset` of the file.
pub(super) fn malformed(offset: u64, broken: Broken) -> crate::Error {
    match broken {
        Broken::End => Error::malformed(offset, "the metadata there ends too early").into(),
        Broken::Wrong(what) => Error::malformed(offset, what).into(),
    }
}

pub(super) type Parsed<T> = std::result::Result<T, Stop>;

/// Why structs of Thrift are read no further.
pub(super) enum Stop {
    Broken(Broken),
    Error(crate::Error),
}

impl Stop {
    /// The error, where the structs are those at `offset` of the file.
    pub(super) fn at(self, offset: u64) -> crate::Error {
        match self {
            Self::Broken(broken) => malformed(offset, broken),
            Self::Error(error) => error,
        }
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<crate::Error> for Stop {
    fn from(error: crate::Error) -> Self {
        Self::Error(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error.into())
    }
}

impl<'a> RowGroup<'a> {
    fn parse(input: &dyn ReadAt, raw: &'a [u8], first_row: u64, columns: usize, end: u64) -> Parsed<Self> {
        let group = Struct::whole(raw)?;
        let rows = group.size(row_group::NUM_ROWS)?;
        let list = group.source_list(row_group::COLUMNS)?.ok_or(Broken::Wrong("a row group lists no columns"))?;
        if list.len() != columns {
            return Err(Broken::Wrong("a row group has another number of columns than the schema").into());
        }
        let mut chunks = Vec::with_capacity(columns);
        for item in list.items() {
            chunks.push(Chunk::parse(input, item?, end)?);
        }
        Ok(Self { raw, first_row, rows, chunks })
    }
}

impl<'a> Chunk<'a> {
    fn parse(input: &dyn ReadAt, raw: &'a [u8], end: u64) -> Parsed<Self> {
        let chunk = Struct::whole(raw)?;
        if chunk.has(column_chunk::CRYPTO) || chunk.has(column_chunk::ENCRYPTED_META_DATA) {
            return Err(Error::Encrypted { what: "one of its columns".into() }.into());
        }
        if chunk.binary(column_chunk::FILE_PATH)?.is_some_and(|path| !path.is_empty()) {
            return Err(Error::Unsupported { what: "a column chunk that lies in another file".into() }.into());
        }
        let meta = chunk.inner(column_chunk::META_DATA)?;
        let meta = meta.ok_or(Broken::Wrong("a column chunk has no metadata"))?;
        let within = |start: u64, length: u64| {
            let range = start..start.checked_add(length).ok_or(Broken::Wrong("a position is beyond the file"))?;
            if range.start < 4 || range.end > end {
                return Err(Broken::Wrong("a part of a row group lies outside of the file"));
            }
            Ok(range)
        };
        let data = meta.size(chunk_meta::DATA_PAGE_OFFSET)?;
        let length = meta.size(chunk_meta::TOTAL_COMPRESSED_SIZE)?;
        // Writers note 0 where there is no dictionary, and where there are no data pages.
        let dictionary = meta.size_if(chunk_meta::DICTIONARY_PAGE_OFFSET)?;
        let dictionary = dictionary.filter(|&at| at >= 4 && (at < data || data < 4));
        let pages = if length == 0 { 4..4 } else { within(dictionary.unwrap_or(data), length)? };
        let bloom = match meta.size_if(chunk_meta::BLOOM_OFFSET)? {
            None | Some(0) => None,
            Some(offset) => {
                let length = match meta.size_if(chunk_meta::BLOOM_LENGTH)? {
                    Some(length) => length,
                    None => super::bloom::length(input, offset, end)?,
                };
                Some(within(offset, length)?)
            }
        };
        let index = |offset, length| match (chunk.size_if(offset)?, chunk.size_if(length)?) {
            (Some(offset @ 1..), Some(length @ 1..)) => within(offset, length).map(Some),
            _ => Ok(None),
        };
        let offset_index = index(column_chunk::OFFSET_INDEX_OFFSET, column_chunk::OFFSET_INDEX_LENGTH)?;
        let column_index = index(column_chunk::COLUMN_INDEX_OFFSET, column_chunk::COLUMN_INDEX_LENGTH)?;
        Ok(Self {
            raw,
            pages,
            has_dictionary: dictionary.is_some(),
            codec: meta.int(chunk_meta::CODEC)?.ok_or(Broken::Wrong("a column chunk names no codec"))?,
            values: meta.size(chunk_meta::NUM_VALUES)?,
            uncompressed: meta.size(chunk_meta::TOTAL_UNCOMPRESSED_SIZE)?,
            is_padded: false,
            is_one_run: false,
            bloom,
            column_index,
            offset_index,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writers_that_forget() {
        for old in ["parquet-mr", "parquet-mr version 1.2.8 (build abc)", "parquet-mr version 1.0"] {
            assert!(forgets_dictionary_headers(old.as_bytes()), "{old}");
        }
        for new in
            ["parquet-mr version 1.2.9", "parquet-mr version 1.12.0-2018 (build x)", "parquet-cpp version 1.0", ""]
        {
            assert!(!forgets_dictionary_headers(new.as_bytes()), "{new}");
        }
    }
}
