//! The search of a file, row group by row group.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::chunk::{ChunkSearch, Searched};
use super::few::FewPages;
use super::index::{IndexRanges, gaps};
use super::known::KnownColumn;
use super::leaf::{Leaf, check_json, resolve, resolve_one};
use super::pages::{Chunk, chunk_range};
use super::prune::{self, Bounds};
use crate::{Effort, Error, FieldTest, Hit, Limits, Matcher, Matches, Result, SelectorIndex};

/// What to look for in one file.
#[derive(Clone, Debug)]
pub struct ParquetSearch {
    metadata: Arc<ParquetMetaData>,
    matcher: Arc<Matcher>,
    limits: Limits,
    /// The leaf columns of the wanted fields, each behind the field's index.
    leaves: Vec<(usize, Leaf)>,
    tenant: Option<Leaf>,
    /// The ordinal of each row group's first row, and the number of rows at the end.
    first_rows: Vec<u64>,
    file_size: u64,
    notes_unused: bool,
    /// The leaves of [categories](prune::categories), where unused identifiers are noted.
    categories: BTreeSet<usize>,
}

/// What was found in one row group.
#[derive(Clone, Debug, Default)]
pub struct RowGroupMatches {
    /// Its rows.
    pub rows: u64,
    /// Which of them belong to whom, as ordinals in the file.
    pub matches: Matches,
    /// The values that they were found by, if these were to be kept: for [`RowGroupTake`](super::RowGroupTake).
    pub known: Vec<KnownColumn>,
    /// Identifiers that a dictionary on the way holds, and no row of the group has in that column: whose, and in which field. Told only
    /// where it was asked for.
    pub unused: Vec<(SelectorIndex, usize)>,
    /// Identifiers that rows have, of whatever tenant, told like those: rows of one row group may have what another one holds unused.
    pub used: Vec<(SelectorIndex, usize)>,
    /// The rows that hold a wanted identifier, and name the selector's tenant and another one: they are nobody's.
    pub torn: Vec<u64>,
    /// What it took to find them.
    pub effort: Effort,
}

impl ParquetSearch {
    /// Finds the mapped columns in the file's schema.
    ///
    /// Fails when a wanted column is missing or cannot hold an identifier, when there are several for the tenant, and when the
    /// metadata contradicts itself.
    pub fn new(metadata: Arc<ParquetMetaData>, file_size: u64, matcher: Arc<Matcher>, limits: Limits) -> Result<Self> {
        let schema = metadata.file_metadata().schema_descr();
        let mut leaves = Vec::new();
        for (index, field) in matcher.fields().iter().enumerate().filter(|(_, field)| field.is_wanted()) {
            for leaf in field.places(resolve(schema, field.column()))? {
                if prune::is_wide_integer(metadata.file_metadata(), leaf.column) {
                    let found =
                        "an integer of 128 bits, which Parquet knows not: write it as text, or as a decimal".into();
                    return Err(Error::ColumnType { column: field.column().to_string(), found });
                }
                check_json(field, &schema.column(leaf.column), leaf.values)?;
                leaves.push((index, leaf));
            }
        }
        let tenant = match matcher.tenant() {
            Some(tenant) if !leaves.is_empty() => {
                let leaf = resolve_one(schema, tenant.column())?;
                check_json(tenant, &schema.column(leaf.column), leaf.values)?;
                Some(leaf)
            }
            _ => None,
        };
        let mut first_rows = vec![0];
        let mut rows = 0_u64;
        for group in metadata.row_groups() {
            let count = u64::try_from(group.num_rows()).ok().and_then(|count| rows.checked_add(count));
            rows = count.ok_or_else(|| Error::malformed(0, "a row group has an impossible number of rows"))?;
            first_rows.push(rows);
        }
        Ok(Self {
            metadata,
            matcher,
            limits,
            leaves,
            tenant,
            first_rows,
            file_size,
            notes_unused: false,
            categories: BTreeSet::new(),
        })
    }

    /// The same, which also tells of [`unused`](RowGroupMatches::unused) identifiers.
    pub fn noting_unused(self) -> Self {
        let categories = prune::categories(self.metadata.file_metadata());
        Self { notes_unused: true, categories, ..self }
    }

    /// The same, for rows of whatever tenant; nothing when it looks at all of them already.
    pub fn of_any_tenant(&self) -> Option<Self> {
        self.tenant.map(|_| Self { tenant: None, ..self.clone() })
    }

    /// The file's rows, as its footer counts them.
    pub fn rows(&self) -> u64 {
        self.first_rows.last().copied().unwrap_or_default()
    }

    /// How many row groups the file has.
    pub fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// The search of row group `index`, which `keeps` the values of hits or does not. Searches of different row groups may run at the same
    /// time.
    pub fn row_group(&self, index: usize, keeps: bool) -> Result<RowGroupSearch> {
        let first_row = self.first_rows[index];
        RowGroupSearch::new(
            self,
            index,
            self.metadata.row_group(index),
            first_row,
            self.first_rows[index + 1] - first_row,
            keeps,
        )
    }

    fn bounds(&self, leaf: Leaf) -> Bounds {
        let file = self.metadata.file_metadata();
        let descriptor = file.schema_descr().column(leaf.column);
        Bounds {
            physical: descriptor.physical_type(),
            values: leaf.values,
            order: file.column_order(leaf.column),
            is_required: descriptor.max_def_level() == 0,
        }
    }
}

/// Searches one row group: asks for bytes with [`need`](Self::need), takes them with [`feed`](Self::feed).
///
/// Of the identifier columns, those come first whose statistics and Bloom filter allow a match; the tenant's column is asked for
/// only when they match somewhere.
pub struct RowGroupSearch {
    matcher: Arc<Matcher>,
    limits: Limits,
    first_row: u64,
    rows: u64,
    /// Chunks to search yet, the last one first.
    todo: Vec<Candidate>,
    tenant: Option<Chunk>,
    stage: Stage,
    hits: Vec<Vec<Hit>>,
    /// Whether the values of hits are kept, and those that are.
    keeps: bool,
    known: Vec<KnownColumn>,
    notes_unused: bool,
    unused: Vec<(SelectorIndex, usize)>,
    used: Vec<(SelectorIndex, usize)>,
    torn: Vec<u64>,
    effort: Effort,
}

/// A chunk that may hold something wanted.
struct Candidate {
    field: usize,
    chunk: Chunk,
    bounds: Bounds,
    /// Whether its statistics allow a match.
    is_admitted: bool,
    /// Where its Bloom filter lies, if that can tell more.
    bloom: Option<Range<u64>>,
    /// Where its page index lies, if that can tell more.
    index: Option<IndexRanges>,
    /// Where its data pages begin, if the dictionary before them is to be looked into whatever the metadata exclude.
    behind_dictionary: Option<u64>,
}

enum Stage {
    Bloom(Candidate, Part),
    /// The pages' bounds, then their locations.
    Index(Candidate, Part, Part),
    Field(usize, ChunkSearch),
    Tenant(Vec<Hit>, ChunkSearch),
    Done(Vec<Hit>),
}

/// A part of the file on its way in.
pub(super) struct Part {
    pub(super) range: Range<u64>,
    pub(super) bytes: Vec<u8>,
}

impl Part {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self { range, bytes: Vec::new() }
    }

    pub(super) fn need(&self, window: u64) -> Option<Range<u64>> {
        let next = self.range.start + self.bytes.len() as u64;
        let end = self.range.end.min(next.saturating_add(window));
        (next < end).then_some(next..end)
    }
}

impl RowGroupSearch {
    fn new(
        search: &ParquetSearch,
        index: usize,
        group: &RowGroupMetaData,
        first_row: u64,
        rows: u64,
        keeps: bool,
    ) -> Result<Self> {
        // A file that was cut off, or put together wrongly, is not trusted for the columns that are there.
        for column in group.columns() {
            let place = || format!("row group {index}, column {}", column.column_path().string());
            chunk_range(column, search.file_size, &place)?;
            if rows == 0 && column.num_values() != 0 {
                return Err(Error::malformed(0, format!("{}: values in a row group without rows", place())));
            }
        }
        // What is held whole is bounded as a page is; without it, more pages are read.
        let fits = |part: &Range<u64>| part.end - part.start <= search.limits.page_bytes_max as u64;
        let mut todo = Vec::new();
        for &(field, leaf) in search.leaves.iter().rev().filter(|_| rows > 0) {
            let chunk = Chunk::new(&search.metadata, search.file_size, index, leaf)?;
            let column = group.column(leaf.column);
            let bounds = search.bounds(leaf);
            let test = &search.matcher.fields()[field];
            let notes = search.categories.contains(&leaf.column) && search.matcher.identifies(field);
            let behind_dictionary = prune::behind_dictionary(column).filter(|at| notes && chunk.range.contains(at));
            let statistics = column.statistics();
            let is_admitted = bounds.admit_chunk(test, statistics, chunk.values);
            if is_admitted || behind_dictionary.is_some() {
                let created_by = search.metadata.file_metadata().created_by();
                let bloom = prune::bloom_range(column, created_by, search.file_size)
                    .filter(|range| bounds.fits_bloom(test) && fits(range));
                let is_sound = !statistics.is_some_and(|statistics| bounds.contradict(statistics));
                let is_flat = chunk.column.descriptor.max_rep_level() == 0;
                let has_bounds = is_sound && is_flat && bounds.fits_index(test, statistics);
                let index = IndexRanges::of(column, search.file_size)
                    .filter(|index| has_bounds && fits(&index.bounds) && fits(&index.locations));
                todo.push(Candidate { field, chunk, bounds, is_admitted, bloom, index, behind_dictionary });
            }
        }
        let tenant = match search.tenant {
            Some(leaf) if rows > 0 => {
                let chunk = Chunk::new(&search.metadata, search.file_size, index, leaf)?;
                let statistics = group.column(leaf.column).statistics();
                let may_be_here = |test| search.bounds(leaf).admit_chunk(test, statistics, chunk.values);
                if !search.matcher.tenant().is_none_or(may_be_here) {
                    todo.clear();
                }
                Some(chunk)
            }
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
            keeps,
            known: Vec::new(),
            notes_unused: search.notes_unused,
            unused: Vec::new(),
            used: Vec::new(),
            torn: Vec::new(),
            effort: Effort::default(),
        };
        this.next_stage()?;
        Ok(this)
    }

    /// The bytes to hand over next, `window` of them at most. `None` when the row group is done.
    pub fn need(&self, window: u64) -> Option<Range<u64>> {
        match &self.stage {
            Stage::Bloom(_, part) => part.need(window),
            Stage::Index(_, bounds, locations) => bounds.need(window).or_else(|| locations.need(window)),
            Stage::Field(_, chunk) | Stage::Tenant(_, chunk) => chunk.need(window),
            Stage::Done(_) => None,
        }
    }

    /// Searches the bytes that [`need`](Self::need) named.
    pub fn feed(&mut self, piece: &[u8]) -> Result<()> {
        match &mut self.stage {
            Stage::Bloom(_, part) => part.bytes.extend_from_slice(piece),
            Stage::Index(_, bounds, locations) => {
                let part = if bounds.need(1).is_some() { bounds } else { locations };
                part.bytes.extend_from_slice(piece);
            }
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
            matches.extend(&hits, self.first_row);
        }
        RowGroupMatches {
            rows: self.rows,
            matches,
            known: self.known,
            unused: self.unused,
            used: self.used,
            torn: self.torn.iter().map(|row| self.first_row + row).collect(),
            effort: self.effort,
        }
    }

    /// Ends the stage that has all its bytes, and enters the next one that needs any.
    fn next_stage(&mut self) -> Result<()> {
        loop {
            let next = match std::mem::replace(&mut self.stage, Stage::Done(Vec::new())) {
                Stage::Bloom(candidate, part) => self.after_bloom(candidate, &part)?,
                Stage::Index(candidate, bounds, locations) => self.after_index(candidate, &bounds, &locations)?,
                Stage::Field(field, chunk) => {
                    let notes_unused = self.notes_unused && self.matcher.identifies(field);
                    let Searched { hits, known, used, unused, effort, .. } = chunk.finish(notes_unused)?;
                    self.effort += effort;
                    self.hits[field].extend(hits);
                    self.known.extend(known);
                    self.unused.extend(unused.into_iter().map(|selector| (selector, field)));
                    self.used.extend(used.into_iter().map(|selector| (selector, field)));
                    None
                }
                Stage::Tenant(candidates, chunk) => {
                    let Searched { hits, counts, effort, .. } = chunk.finish(false)?;
                    self.effort += effort;
                    let (own, torn) = self.matcher.within_tenant(&candidates, hits, counts.as_deref());
                    (self.stage, self.torn) = (Stage::Done(own), torn);
                    return Ok(());
                }
                Stage::Done(_) => None,
            };
            self.stage = match next {
                Some(stage) => stage,
                None => self.next_column()?,
            };
            if matches!(self.stage, Stage::Done(_)) || self.need(1).is_some() {
                return Ok(());
            }
        }
    }

    fn next_column(&mut self) -> Result<Stage> {
        while let Some(mut candidate) = self.todo.pop() {
            let stage = match candidate.bloom.take() {
                _ if !candidate.is_admitted => self.excluded(candidate)?,
                Some(range) => Some(Stage::Bloom(candidate, Part::new(range))),
                None => Some(self.index_or_pages(candidate)?),
            };
            if let Some(stage) = stage {
                return Ok(stage);
            }
        }
        let candidates = self.matcher.candidates(std::mem::take(&mut self.hits));
        match self.tenant.take() {
            Some(chunk) if !candidates.is_empty() => {
                Ok(Stage::Tenant(candidates, ChunkSearch::counting(chunk, self.limits)?))
            }
            _ => Ok(Stage::Done(candidates)),
        }
    }

    fn after_bloom(&self, candidate: Candidate, filter: &Part) -> Result<Option<Stage>> {
        let test = &self.matcher.fields()[candidate.field];
        // A filter that cannot be read, or has no room for a value, excludes nothing.
        let is_excluded = Sbbf::from_bytes(&filter.bytes)
            .is_ok_and(|filter| filter.num_blocks() > 0 && !candidate.bounds.admit_bloom(test, &filter));
        if is_excluded { self.excluded(candidate) } else { self.index_or_pages(candidate).map(Some) }
    }

    /// What is still to be read of a chunk whose rows hold nothing that is wanted.
    fn excluded(&self, candidate: Candidate) -> Result<Option<Stage>> {
        let Candidate { field, chunk, behind_dictionary, .. } = candidate;
        let dictionary = behind_dictionary.map(|data| ChunkSearch::of_dictionary(chunk, data, self.limits));
        dictionary.map(|dictionary| Ok(Stage::Field(field, dictionary?))).transpose()
    }

    fn index_or_pages(&self, mut candidate: Candidate) -> Result<Stage> {
        match candidate.index.take() {
            Some(index) => Ok(Stage::Index(candidate, Part::new(index.bounds), Part::new(index.locations))),
            None => self.pages(candidate.field, candidate.chunk),
        }
    }

    fn pages(&self, field: usize, chunk: Chunk) -> Result<Stage> {
        let new = if self.keeps { ChunkSearch::keeping } else { ChunkSearch::new };
        Ok(Stage::Field(field, new(chunk, self.limits)?))
    }

    fn after_index(&self, mut candidate: Candidate, bounds: &Part, locations: &Part) -> Result<Option<Stage>> {
        let Candidate { field, ref mut chunk, bounds: column, .. } = candidate;
        let test = &self.matcher.fields()[field];
        if let Some(gaps) = gaps(&bounds.bytes, &locations.bytes, &chunk.range, chunk.rows, column, test) {
            if gaps.iter().map(|gap| gap.rows).sum::<u64>() == chunk.rows {
                return self.excluded(candidate);
            }
            chunk.gaps = gaps.into();
        }
        let notes_unused = self.notes_unused && self.matcher.identifies(field);
        if !self.keeps
            && !notes_unused
            && let Some(few) = FewPages::of(chunk)
        {
            return Ok(Some(Stage::Field(field, ChunkSearch::of_few_pages(candidate.chunk, few, self.limits)?)));
        }
        self.pages(field, candidate.chunk).map(Some)
    }
}
