//! One column chunk of a row group with matched rows: first looked through, then made again.
//!
//! [`plan`] decodes every page once and notes what must change; [`make`](super::remake::make) makes one changed page. All other pages are copied as
//! they are, so that encodings, page boundaries and the point where a dictionary was given up stay. A dictionary loses the
//! entries that no row uses any more, and then every page that refers to it is made again.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lacuna_scan::{Error as ScanError, Limits};
use parquet::basic::Type;
use parquet::data_type::{AsBytes, DataType};
use parquet::schema::types::ColumnDescPtr;

use super::bloom::Bloom;
use super::codec::Codec;
use super::edit::{Edited, Fate, apply};
use super::footer::{Chunk, chunk_meta, column_chunk, malformed};
use super::index::{ColumnIndex, PageBounds, PageChange};
use super::levels::RowSpan;
use super::order::{Extremes, Order};
use super::page::{Kind, Page, Pages, Unpacked, data, data_v2, header};
use super::statistics::{self, Bound, Claims, Delta};
use super::thrift::{Broken, Struct};
use super::values::{blank, decode, decode_indices, plain, with_type};
use crate::{Error, ReadAt, Result};

/// More pages than any writer puts into a chunk.
const PAGES_MAX: usize = 1 << 22;

/// What is to be done to a chunk.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) input: &'a dyn ReadAt,
    pub(super) limits: &'a Limits,
    pub(super) column: &'a ColumnDescPtr,
    pub(super) chunk: &'a Chunk<'a>,
    /// How many rows its row group has.
    pub(super) rows: u64,
    /// The matched rows, sorted, counted in the row group.
    pub(super) hits: &'a [u64],
    pub(super) fate: Fate,
}

/// What becomes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is copied.
    Copy,
    /// It has no entries left.
    Drop,
    /// It is made again by [`make`](super::remake::make).
    Make,
}

/// A page and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct PagePlan {
    pub(super) page: Page,
    pub(super) action: Action,
    /// How many rows it has after, and how many bytes of byte arrays more than before.
    pub(super) rows: u64,
    pub(super) bytes_more: i64,
    pub(super) span: RowSpan,
    pub(super) is_hit: bool,
    /// The new `Statistics` in the header of a page with matched rows, if it had any.
    pub(super) statistics: Option<Vec<u8>>,
}

/// How a chunk changes.
pub(super) struct Plan {
    pub(super) pages: Vec<PagePlan>,
    pub(super) delta: Delta,
    /// The new `Statistics`.
    pub(super) statistics: Option<Struct<'static>>,
    /// The new Bloom filter with its header.
    pub(super) bloom: Option<Vec<u8>>,
    /// The new column index; `None` when there was none or none can be given.
    pub(super) column_index: Option<Vec<u8>>,
    /// Whether the offset index has an entry for each data page, so that it can be written again.
    pub(super) is_indexed: bool,
    /// Pages that are made already.
    made: Vec<Option<Made>>,
    pub(super) dictionary: DictionaryPlan,
    pub(super) codec: Codec,
}

/// A page that was made again.
pub(super) struct Made {
    /// Header and body.
    pub(super) bytes: Vec<u8>,
    /// The length of both before compression.
    pub(super) unpacked: u64,
}

/// How a chunk's dictionary changes.
#[derive(Debug, Default)]
pub(super) struct DictionaryPlan {
    /// Each entry's new index, or [`UNUSED`]; empty when all stay where they are.
    pub(super) moved: Vec<u32>,
    /// The index of the empty value, where pages need it.
    pub(super) blank: u32,
    /// Whether the empty value is added behind the last entry.
    pub(super) adds_blank: bool,
}

/// The index of an entry that goes.
pub(super) const UNUSED: u32 = u32::MAX;

/// Looks through a chunk.
pub(super) fn plan(job: Job<'_>) -> Result<Plan> {
    with_type!(job.column.physical_type(), T => Planner::<T>::new(job)?.run())
}

impl Plan {
    /// Makes pages again ahead of time, from the first one on, while `memory` (bytes) lasts.
    pub(super) fn make_ahead(&mut self, job: Job<'_>, memory: &AtomicU64) -> Result<()> {
        for at in 0..self.pages.len() {
            if self.pages[at].action == Action::Make {
                let need = self.pages[at].page.unpacked as u64;
                let left = |left: u64| left.checked_sub(need);
                if memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_err() {
                    return Ok(());
                }
                let made = super::remake::make(job, self, at)?;
                self.made.resize_with(at, || None);
                self.made.push(Some(made));
            }
        }
        Ok(())
    }

    /// The `at`th page, if it was made ahead of time.
    pub(super) fn take_made(&mut self, at: usize) -> Option<Made> {
        self.made.get_mut(at).and_then(Option::take)
    }

    /// Whether the `at`th page still has to be made.
    pub(super) fn is_to_make(&self, at: usize) -> bool {
        self.pages[at].action == Action::Make && self.made.get(at).is_none_or(Option::is_none)
    }
}

/// The dictionary of a chunk, and which of its entries rows refer to.
struct Dictionary<V> {
    values: Vec<V>,
    used: Vec<bool>,
    left: Vec<bool>,
    has_blanks: bool,
}

struct Planner<'a, T: DataType> {
    job: Job<'a>,
    order: Order,
    codec: Codec,
    blank: T::T,
    dictionary: Option<Dictionary<T::T>>,
    statistics: Option<Struct<'static>>,
    claims: Claims,
    extremes: Extremes,
    bloom: Option<(Bloom, parquet::bloom_filter::Sbbf)>,
    column_index: Option<ColumnIndex>,
    changes: Vec<PageChange>,
    pages: Vec<PagePlan>,
    delta: Delta,
}

impl<'a, T: DataType> Planner<'a, T> {
    fn new(job: Job<'a>) -> Result<Self> {
        let broken = |broken| malformed(job.chunk.pages.start, broken);
        let order = Order::of(job.column);
        let raw = Struct::whole(job.chunk.raw).map_err(broken)?;
        let statistics = raw.inner(column_chunk::META_DATA).map_err(broken)?;
        let statistics = match &statistics {
            Some(meta) => meta.inner(chunk_meta::STATISTICS).map_err(broken)?.map(Struct::into_owned),
            None => None,
        };
        let claims = Claims::of(statistics.as_ref(), order).map_err(broken)?;
        let bloom = Bloom::read(job.input, job.chunk, job.limits)?.map(|bloom| {
            let empty = bloom.empty();
            (bloom, empty)
        });
        let column_index = match job.chunk.column_index.clone() {
            None => None,
            Some(range) => Some(read_column_index(job, range)?),
        };
        Ok(Self {
            job,
            order,
            codec: Codec::new(job.chunk.codec),
            blank: blank::<T>(job.column, job.limits)?,
            dictionary: None,
            statistics,
            claims,
            extremes: Extremes::new(order),
            bloom,
            column_index,
            changes: Vec::new(),
            pages: Vec::new(),
            delta: Delta::new(job.column.max_rep_level(), job.column.max_def_level()),
        })
    }

    fn run(mut self) -> Result<Plan> {
        let mut pages = Pages::new(self.job.input, self.job.limits, self.job.chunk);
        let (mut rows, mut entries) = (0_u64, 0_u64);
        while let Some((page, bytes)) = pages.next()? {
            if self.pages.len() >= PAGES_MAX {
                return Err(ScanError::Unsupported { what: "a column chunk of millions of pages".into() }.into());
            }
            match page.kind {
                Kind::Other => {
                    return Err(Error::Unfaithful("a column chunk has pages of an unknown type".into()));
                }
                Kind::Dictionary => self.dictionary(page, &bytes)?,
                Kind::V1 { .. } | Kind::V2 { .. } => {
                    let unpacked = page.unpack(&bytes, &mut self.codec, self.job.column)?;
                    let span = RowSpan::new(rows, page.count, &unpacked.levels.repetition);
                    if span.continues && rows == 0 {
                        return Err(ScanError::malformed(page.offset, "a row starts before its row group").into());
                    }
                    rows += span.starts;
                    entries += page.count as u64;
                    self.data(page, span, &bytes, unpacked)?;
                }
            }
        }
        if rows != self.job.rows || entries != self.job.chunk.values {
            let what = "a column chunk has another number of rows or values than the footer says";
            return Err(ScanError::malformed(self.job.chunk.pages.start, what).into());
        }
        self.finish()
    }

    fn dictionary(&mut self, page: Page, bytes: &Bytes) -> Result<()> {
        if self.dictionary.is_some() || self.pages.iter().any(|page| page.page.is_dictionary_encoded()) {
            return Err(ScanError::malformed(page.offset, "a column chunk has a second or a late dictionary").into());
        }
        let encoded = page.unpack_dictionary(bytes, &mut self.codec)?;
        let values = decode_dictionary::<T>(self.job, page, encoded)?;
        let (used, left) = (vec![false; values.len()], vec![false; values.len()]);
        self.dictionary = Some(Dictionary { values, used, left, has_blanks: false });
        self.same(page, RowSpan::default());
        Ok(())
    }

    /// Notes a page whose entries stay as they are.
    fn same(&mut self, page: Page, span: RowSpan) {
        if page.is_data() {
            self.changes.push(PageChange::Same);
        }
        let (action, rows) = (Action::Copy, span.starts);
        self.pages.push(PagePlan { page, action, rows, bytes_more: 0, span, is_hit: false, statistics: None });
    }

    fn data(&mut self, page: Page, span: RowSpan, bytes: &Bytes, unpacked: Unpacked) -> Result<()> {
        let is_hit = span.is_hit(self.job.hits);
        if page.is_dictionary_encoded() {
            let missing = || ScanError::malformed(page.offset, "a page refers to a dictionary that is not there");
            let entries = self.dictionary.as_ref().ok_or_else(missing)?.values.len();
            let indices = decode_indices(&unpacked.encoded, unpacked.values, entries, page.offset)?;
            if is_hit {
                self.hit_indices(page, span, bytes, &unpacked, indices)
            } else {
                self.indices(page, span, indices)
            }
        } else {
            self.values(page, span, is_hit, bytes, unpacked)
        }
    }

    /// A page of dictionary indices without matched rows.
    fn indices(&mut self, page: Page, span: RowSpan, indices: Vec<u32>) -> Result<()> {
        if let Some(dictionary) = &mut self.dictionary {
            for index in indices {
                dictionary.used[index as usize] = true;
            }
        }
        self.same(page, span);
        Ok(())
    }

    /// A page of dictionary indices with matched rows.
    fn hit_indices(
        &mut self,
        page: Page,
        span: RowSpan,
        bytes: &Bytes,
        unpacked: &Unpacked,
        indices: Vec<u32>,
    ) -> Result<()> {
        let Some(mut dictionary) = self.dictionary.take() else { return Ok(()) };
        let edited = edit(self.job, span, page.count, unpacked, indices, &UNUSED);
        for &index in &edited.left {
            dictionary.left[index as usize] = true;
        }
        dictionary.has_blanks |= edited.delta.blanks > 0;
        for &index in edited.values.iter().filter(|&&index| index != UNUSED) {
            dictionary.used[index as usize] = true;
        }
        let value = |&index: &u32| dictionary.values.get(index as usize).unwrap_or(&self.blank).clone();
        let values: Vec<T::T> = edited.values.iter().map(value).collect();
        let left: Vec<T::T> = edited.left.iter().map(value).collect();
        self.dictionary = Some(dictionary);
        self.changed(page, span, bytes, edited.delta, &values, &left)
    }

    /// A page of values.
    fn values(&mut self, page: Page, span: RowSpan, is_hit: bool, bytes: &Bytes, unpacked: Unpacked) -> Result<()> {
        let Job { column, limits, .. } = self.job;
        if !is_hit && self.claims.is_empty() && self.bloom.is_none() {
            self.same(page, span);
            return Ok(());
        }
        let encoded = unpacked.encoded.clone();
        let values = decode::<T>(encoded, page.encoding, unpacked.values, column, limits, page.offset)?;
        if !is_hit {
            values.iter().for_each(|value| self.stays(value));
            self.same(page, span);
            return Ok(());
        }
        let edited = edit(self.job, span, page.count, &unpacked, values, &self.blank);
        edited.values.iter().for_each(|value| self.stays(value));
        edited.left.iter().for_each(|value| self.claims.left(plain(value)));
        self.changed(page, span, bytes, edited.delta, &edited.values, &edited.left)
    }

    /// Notes a value that stays, for what describes the whole chunk.
    fn stays(&mut self, value: &T::T) {
        let bytes = plain(value);
        if !self.claims.is_empty() {
            self.claims.stays(bytes);
            self.extremes.add(bytes);
        }
        if let Some((_, filter)) = &mut self.bloom {
            filter.insert(bytes);
        }
    }

    /// Notes a page with matched rows, of which `values` stay (or were put in) and `left` left.
    fn changed(
        &mut self,
        page: Page,
        span: RowSpan,
        bytes: &Bytes,
        mut delta: Delta,
        values: &[T::T],
        left: &[T::T],
    ) -> Result<()> {
        if delta.is_none() {
            // The matched rows had nothing here.
            self.same(page, span);
            return Ok(());
        }
        complete(&mut delta, self.job.column.physical_type(), self.order, left, &self.blank);
        self.delta.add(&delta);
        let rows = span.starts.saturating_add_signed(delta.rows);
        let is_empty = (page.count as u64).saturating_add_signed(delta.entries) == 0;
        let action = if is_empty { Action::Drop } else { Action::Make };
        let bytes_more = delta.bytes;
        let statistics = page_statistics(bytes, page, self.order, values, left, &delta);
        let statistics = statistics.map_err(|broken| malformed(page.offset, broken))?;
        let change = match &self.column_index {
            _ if is_empty => PageChange::Gone,
            None => PageChange::Same,
            Some(index) => match index.pages.get(self.changes.len()) {
                Some(bounds) => match self.bounds(bounds, values, left, &delta) {
                    Some(bounds) => PageChange::Changed { bounds, delta },
                    None => {
                        self.column_index = None;
                        PageChange::Same
                    }
                },
                None => PageChange::Same,
            },
        };
        self.changes.push(change);
        self.pages.push(PagePlan { page, action, rows, bytes_more, span, is_hit: true, statistics });
        Ok(())
    }

    /// A page's bounds in the column index; `None` when there are none to give.
    fn bounds(&self, old: &PageBounds, values: &[T::T], left: &[T::T], delta: &Delta) -> Option<PageBounds> {
        if values.is_empty() {
            return Some(PageBounds { is_null: true, min: Vec::new(), max: Vec::new() });
        }
        let (mut claims, mut extremes) = (Claims::pair(&old.min, &old.max, self.order), Extremes::new(self.order));
        if old.is_null {
            // Some writers say so of pages that hold values.
            claims.discard();
        }
        for value in values {
            claims.stays(plain(value));
            extremes.add(plain(value));
        }
        left.iter().for_each(|value| claims.left(plain(value)));
        let mut bounds = PageBounds { is_null: false, min: Vec::new(), max: Vec::new() };
        let sides = [(&mut bounds.min, &old.min), (&mut bounds.max, &old.max)];
        for ((new, old), bound) in sides.into_iter().zip(claims.judge(&extremes, delta)) {
            *new = match bound {
                Bound::Same => old.clone(),
                Bound::New { bound, .. } => bound,
                Bound::None => return None,
            };
        }
        Some(bounds)
    }

    fn finish(mut self) -> Result<Plan> {
        let broken = |broken| malformed(self.job.chunk.pages.start, broken);
        let mut dictionary_plan = DictionaryPlan::default();
        if let Some(dictionary) = self.dictionary.take() {
            dictionary_plan = self.settle(&dictionary);
            let is_changed = !dictionary_plan.moved.is_empty() || dictionary_plan.adds_blank;
            for page in &mut self.pages {
                let refers = page.page.is_dictionary_encoded() && page.page.is_data();
                let is_made =
                    page.page.kind == Kind::Dictionary && is_changed || refers && !dictionary_plan.moved.is_empty();
                if is_made && page.action == Action::Copy {
                    page.action = Action::Make;
                }
            }
        }
        if let Some(statistics) = &mut self.statistics
            && !self.delta.is_none()
        {
            statistics::update(statistics, &self.claims, &self.extremes, &self.delta).map_err(broken)?;
        }
        let bloom = match self.bloom {
            Some((bloom, filter)) => Some(bloom.encode(&filter)?),
            None => None,
        };
        let data_pages = self.changes.len();
        let column_index = match self.column_index {
            Some(index) if index.pages.len() == data_pages => {
                Some(index.update(&self.changes, self.order).map_err(broken)?)
            }
            _ => None,
        };
        let is_indexed = match self.job.chunk.offset_index.clone() {
            None => false,
            Some(range) => {
                let bytes = read_limited(self.job, range)?;
                super::index::offset_index_len(&bytes).map_err(broken)? == data_pages
            }
        };
        Ok(Plan {
            pages: self.pages,
            delta: self.delta,
            statistics: self.statistics,
            bloom,
            column_index,
            is_indexed,
            made: Vec::new(),
            dictionary: dictionary_plan,
            codec: self.codec,
        })
    }

    /// Notes the dictionary's values that stay and that left, and where its entries go.
    fn settle(&mut self, dictionary: &Dictionary<T::T>) -> DictionaryPlan {
        for (value, &used) in dictionary.values.iter().zip(&dictionary.used) {
            if used {
                self.stays(value);
            }
        }
        for (value, &left) in dictionary.values.iter().zip(&dictionary.left) {
            if left {
                self.claims.left(plain(value));
            }
        }
        if self.delta.left == 0 {
            return DictionaryPlan::default();
        }
        let mut plan = DictionaryPlan::default();
        let mut next = 0;
        let blank = plain(&self.blank).to_vec();
        let mut blank_at = None;
        for (value, &used) in dictionary.values.iter().zip(&dictionary.used) {
            if used {
                if plain(value) == blank {
                    blank_at = Some(next);
                }
                plan.moved.push(next);
                next += 1;
            } else {
                plan.moved.push(UNUSED);
            }
        }
        if dictionary.used.iter().all(|&used| used) {
            plan.moved = Vec::new();
        }
        if dictionary.has_blanks {
            plan.blank = blank_at.unwrap_or(next);
            plan.adds_blank = blank_at.is_none();
            let value = self.blank.clone();
            self.stays(&value);
        }
        plan
    }
}

/// Adds to `delta` what only the values' type tells.
fn complete<V: AsBytes>(delta: &mut Delta, physical: Type, order: Order, left: &[V], blank: &V) {
    delta.nans -= left.iter().filter(|value| order.is_nan(plain(*value))).count() as i64;
    if physical == Type::BYTE_ARRAY {
        delta.bytes -= left.iter().map(|value| plain(value).len() as i64).sum::<i64>();
        delta.bytes += delta.blanks.cast_signed() * plain(blank).len() as i64;
    }
}

pub(super) fn edit<V: Clone>(
    job: Job<'_>,
    span: RowSpan,
    count: usize,
    unpacked: &Unpacked,
    values: Vec<V>,
    blank: &V,
) -> Edited<V> {
    let mask = span.mask(count, &unpacked.levels.repetition, job.hits);
    let max = (job.column.max_rep_level(), job.column.max_def_level());
    apply(&unpacked.levels, values, &mask, job.fate, blank, max)
}

fn read_limited(job: Job<'_>, range: std::ops::Range<u64>) -> Result<Bytes> {
    let size = range.end - range.start;
    ScanError::check_limit("a page index", size, job.limits.page_bytes_max as u64, "page_bytes_max")?;
    Ok(job.input.read_at(range)?)
}

fn read_column_index(job: Job<'_>, range: std::ops::Range<u64>) -> Result<ColumnIndex> {
    let offset = range.start;
    ColumnIndex::read(&read_limited(job, range)?).map_err(|broken| malformed(offset, broken))
}

pub(super) fn decode_dictionary<T: DataType>(job: Job<'_>, page: Page, encoded: Bytes) -> Result<Vec<T::T>> {
    use parquet::basic::Encoding;
    if !matches!(page.encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
        return Err(ScanError::malformed(page.offset, "a dictionary has an unknown encoding").into());
    }
    decode::<T>(encoded, Encoding::PLAIN, page.count, job.column, job.limits, page.offset)
}

/// The statistics in the header of a data page, of which `values` stay and `left` left, brought up to date.
fn page_statistics<V: AsBytes>(
    bytes: &[u8],
    page: Page,
    order: Order,
    values: &[V],
    left: &[V],
    delta: &Delta,
) -> std::result::Result<Option<Vec<u8>>, Broken> {
    let (part, id) = match page.kind {
        Kind::V2 { .. } => (header::DATA_V2, data_v2::STATISTICS),
        _ => (header::DATA, data::STATISTICS),
    };
    let header = Struct::read(bytes)?.0;
    let Some(inner) = header.inner(part)? else { return Ok(None) };
    let Some(mut statistics) = inner.inner(id)? else { return Ok(None) };
    let (mut claims, mut extremes) = (Claims::of(Some(&statistics), order)?, Extremes::new(order));
    for value in values {
        claims.stays(plain(value));
        extremes.add(plain(value));
    }
    left.iter().for_each(|value| claims.left(plain(value)));
    statistics::update(&mut statistics, &claims, &extremes, delta)?;
    Ok(Some(statistics.to_vec()))
}
