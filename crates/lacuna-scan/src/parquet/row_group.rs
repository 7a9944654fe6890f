//! The search of a file, row group by row group.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use super::chunk::{Chunk, ChunkSearch};
use super::leaf::{Leaf, resolve};
use super::values::Column;
use crate::{Error, FieldTest, Hit, Limits, Matcher, Matches, Result};

/// What to look for in one file.
#[derive(Clone, Debug)]
pub struct ParquetSearch {
    metadata: Arc<ParquetMetaData>,
    matcher: Arc<Matcher>,
    limits: Limits,
    /// The leaf column of each wanted field, by the field's index.
    leaves: BTreeMap<usize, Leaf>,
    tenant: Option<Leaf>,
    /// The ordinal of each row group's first row, and the number of rows at the end.
    first_rows: Vec<u64>,
    file_size: u64,
}

/// What was found in one row group.
#[derive(Clone, Debug, Default)]
pub struct RowGroupMatches {
    /// Its rows.
    pub rows: u64,
    /// Which of them belong to whom, as ordinals in the file.
    pub matches: Matches,
    /// Bytes that were decompressed to find them.
    pub bytes_decompressed: u64,
}

impl ParquetSearch {
    /// Finds the mapped columns in the file's schema.
    ///
    /// Fails when a wanted column is missing or cannot hold an identifier, and when the metadata contradicts itself.
    pub fn new(metadata: Arc<ParquetMetaData>, file_size: u64, matcher: Arc<Matcher>, limits: Limits) -> Result<Self> {
        let schema = metadata.file_metadata().schema_descr();
        let mut leaves = BTreeMap::new();
        for (index, field) in matcher.fields().iter().enumerate().filter(|(_, field)| field.is_wanted()) {
            leaves.insert(index, resolve(schema, field.column())?);
        }
        let tenant = match matcher.tenant() {
            Some(tenant) if !leaves.is_empty() => Some(resolve(schema, tenant.column())?),
            _ => None,
        };
        let mut first_rows = vec![0];
        let mut rows = 0_u64;
        for group in metadata.row_groups() {
            let count = u64::try_from(group.num_rows()).ok().and_then(|count| rows.checked_add(count));
            rows = count.ok_or_else(|| Error::malformed(0, "a row group has an impossible number of rows"))?;
            first_rows.push(rows);
        }
        Ok(Self { metadata, matcher, limits, leaves, tenant, first_rows, file_size })
    }

    /// The file's rows, as its footer counts them.
    pub fn rows(&self) -> u64 {
        self.first_rows.last().copied().unwrap_or_default()
    }

    /// How many row groups the file has.
    pub fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// The search of row group `index`. Searches of different row groups may run at the same time.
    pub fn row_group(&self, index: usize) -> Result<RowGroupSearch> {
        let first_row = self.first_rows[index];
        RowGroupSearch::new(
            self,
            index,
            self.metadata.row_group(index),
            first_row,
            self.first_rows[index + 1] - first_row,
        )
    }

    /// Where a column chunk lies in the file.
    fn range(&self, column: &ColumnChunkMetaData, place: &dyn Fn() -> String) -> Result<Range<u64>> {
        let bad = |what: &str| Error::malformed(0, format!("{}: {what}", place()));
        // Some writers say that the dictionary is at 0, where the magic is, and mean that there is none.
        let dictionary = column.dictionary_page_offset().filter(|&offset| offset > 0);
        let first = dictionary.map_or(column.data_page_offset(), |offset| offset.min(column.data_page_offset()));
        let start = u64::try_from(first).map_err(|_| bad("a negative offset"))?;
        let length = u64::try_from(column.compressed_size()).map_err(|_| bad("a negative size"))?;
        let end = start.checked_add(length).filter(|&end| end <= self.file_size);
        let end =
            end.ok_or_else(|| Error::Truncated { what: format!("{} lies behind the file's end", place()).into() })?;
        Ok(start..end)
    }

    fn chunk(&self, index: usize, group: &RowGroupMetaData, rows: u64, leaf: Leaf) -> Result<Chunk> {
        let column = group.column(leaf.column);
        let place = format!("row group {index}, column {}", column.column_path().string());
        let bad = |what: &str| Error::malformed(0, format!("{place}: {what}"));
        if column.file_path().is_some_and(|path| !path.is_empty()) {
            return Err(Error::Unsupported { what: format!("{place}: a column chunk in another file").into() });
        }
        let range = self.range(column, &|| place.clone())?;
        let values = u64::try_from(column.num_values()).map_err(|_| bad("a negative number of values"))?;
        let descriptor = self.metadata.file_metadata().schema_descr().column(leaf.column);
        if descriptor.max_rep_level() == 0 && values != rows {
            return Err(bad("another number of values than its row group has rows"));
        }
        let column = Column { descriptor, values: leaf.values };
        Ok(Chunk {
            column,
            codec: group.column(leaf.column).compression(),
            range,
            values,
            rows,
            place: place.as_str().into(),
        })
    }
}

/// Searches one row group: asks for bytes with [`need`](Self::need), takes them with [`feed`](Self::feed).
///
/// Identifier columns come first; the tenant's column is asked for only when they match somewhere.
pub struct RowGroupSearch {
    matcher: Arc<Matcher>,
    limits: Limits,
    first_row: u64,
    rows: u64,
    /// Chunks to search yet, the last one first.
    todo: Vec<(usize, Chunk)>,
    tenant: Option<Chunk>,
    stage: Stage,
    hits: Vec<Vec<Hit>>,
    bytes_decompressed: u64,
}

enum Stage {
    Field(usize, ChunkSearch),
    Tenant(Vec<Hit>, ChunkSearch),
    Done(Vec<Hit>),
}

impl RowGroupSearch {
    fn new(search: &ParquetSearch, index: usize, group: &RowGroupMetaData, first_row: u64, rows: u64) -> Result<Self> {
        // A file that was cut off, or put together wrongly, is not trusted for the columns that are there.
        for column in group.columns() {
            let place = || format!("row group {index}, column {}", column.column_path().string());
            search.range(column, &place)?;
            if rows == 0 && column.num_values() != 0 {
                return Err(Error::malformed(0, format!("{}: values in a row group without rows", place())));
            }
        }
        let mut todo = Vec::new();
        for (&field, &leaf) in search.leaves.iter().rev().filter(|_| rows > 0) {
            todo.push((field, search.chunk(index, group, rows, leaf)?));
        }
        let tenant = match search.tenant {
            Some(leaf) if rows > 0 => Some(search.chunk(index, group, rows, leaf)?),
            _ => None,
        };
        let mut this = Self {
            hits: vec![Vec::new(); search.matcher.fields().len()],
            matcher: search.matcher.clone(),
            limits: search.limits,
            first_row,
            rows,
            todo,
            tenant,
            stage: Stage::Done(Vec::new()),
            bytes_decompressed: 0,
        };
        this.next_stage()?;
        Ok(this)
    }

    /// The bytes to hand over next, `window` of them at most. `None` when the row group is done.
    pub fn need(&self, window: u64) -> Option<Range<u64>> {
        match &self.stage {
            Stage::Field(_, chunk) | Stage::Tenant(_, chunk) => chunk.need(window),
            Stage::Done(_) => None,
        }
    }

    /// Searches the bytes that [`need`](Self::need) named.
    pub fn feed(&mut self, piece: &Bytes) -> Result<()> {
        match &mut self.stage {
            Stage::Field(field, chunk) => chunk.feed(piece, &self.matcher.fields()[*field], None)?,
            Stage::Tenant(candidates, chunk) => {
                let test: Option<&FieldTest> = self.matcher.tenant();
                if let Some(test) = test {
                    chunk.feed(piece, test, Some(candidates))?;
                }
            }
            Stage::Done(_) => {}
        }
        if self.need(1).is_none() { self.next_stage() } else { Ok(()) }
    }

    /// What was found. Call when [`need`](Self::need) says `None`.
    pub fn finish(self) -> RowGroupMatches {
        let mut matches = Matches::default();
        if let Stage::Done(hits) = self.stage {
            hits.iter().for_each(|hit| matches.insert(self.first_row + hit.row, hit.selector));
        }
        RowGroupMatches { rows: self.rows, matches, bytes_decompressed: self.bytes_decompressed }
    }

    /// Ends the stage that has all its bytes, and enters the next one that needs any.
    fn next_stage(&mut self) -> Result<()> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done(Vec::new())) {
                Stage::Field(field, chunk) => {
                    chunk.finish()?;
                    self.bytes_decompressed += chunk.bytes_decompressed;
                    self.hits[field].extend(chunk.hits);
                }
                Stage::Tenant(candidates, chunk) => {
                    chunk.finish()?;
                    self.bytes_decompressed += chunk.bytes_decompressed;
                    self.stage = Stage::Done(Matcher::within_tenant(&candidates, chunk.hits));
                    return Ok(());
                }
                Stage::Done(_) => {}
            }
            self.stage = match self.todo.pop() {
                Some((field, chunk)) => Stage::Field(field, ChunkSearch::new(chunk, self.limits)?),
                None => {
                    let candidates = self.matcher.candidates(std::mem::take(&mut self.hits));
                    match self.tenant.take() {
                        Some(chunk) if !candidates.is_empty() => {
                            Stage::Tenant(candidates, ChunkSearch::new(chunk, self.limits)?)
                        }
                        _ => Stage::Done(candidates),
                    }
                }
            };
            if matches!(self.stage, Stage::Done(_)) || self.need(1).is_some() {
                return Ok(());
            }
        }
    }
}
