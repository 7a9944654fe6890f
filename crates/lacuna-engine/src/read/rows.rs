//! The matched rows of a Parquet shard: only the pages that hold one are fetched and decoded.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use futures::{StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use lacuna_export::Renderer;
use lacuna_scan::parquet::{KnownColumn, Leaf, RowGroupTake, TakenRows};
use lacuna_scan::{Effort, HeldValue, Mapping, Matches, Record, SelectorIndex};
use parquet::DecodeResult;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use roaring::RoaringTreemap;
use tokio::sync::OwnedSemaphorePermit;

use super::near::Near;
use super::open::{Opened, open};
use super::origin::Origin;
use super::schema::{self, Texts};
use super::search::Question;
use crate::package::spool::Part;
use crate::problem::ShardError;
use crate::workshop::Workshop;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1024;

/// Rows that were taken are rendered when they take so many bytes, or are so many.
const RENDER_BYTES: usize = 4 << 20;
const RENDER_ROWS: usize = 8192;

/// By row group, what the search has met already.
pub(crate) type Known = BTreeMap<usize, Vec<KnownColumn>>;

/// Where rows are read from.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) shop: &'a Workshop,
    pub(crate) origin: &'a Origin,
    /// The same bytes, if they lie on this machine.
    pub(crate) near: Option<&'a Arc<Near>>,
    pub(crate) bytes_read: &'a AtomicU64,
}

/// Renders the rows of `matches` whose selectors want their records, in the order of rows; and what it took.
pub(crate) async fn collect_rows(
    shard: Rows<'_>,
    metadata: Arc<ParquetMetaData>,
    matches: &Matches,
    known: &Known,
    question: &Question,
) -> Result<(Part, Effort), ShardError> {
    let Rows { shop, origin, near, bytes_read } = shard;
    let (mut all, mut effort) = (Part::new(shop.temp_dir()), Effort::default());
    let wanted: Arc<Wanted> = matches
        .iter()
        .filter(|(selector, _)| question.collect[*selector as usize])
        .map(|(selector, rows)| (selector, rows.clone()))
        .collect();
    if wanted.is_empty() {
        return Ok((all, effort));
    }
    let rows = wanted.iter().fold(RoaringTreemap::new(), |all, (_, rows)| all | rows);
    let metadata = with_page_locations(shop, origin, metadata, bytes_read).await?;
    let takes = slices(&metadata, &rows, shop.budget.window);
    let mut takes = futures::stream::iter(takes)
        .map(|slice| {
            let known = known.get(&slice.group).cloned().unwrap_or_default();
            take(shard, metadata.clone(), slice, known, None).map_err(|error| match error {
                // Whose they are is known by now.
                ShardError::Scan(error) => ShardError::Rows(error),
                error => error,
            })
        })
        .buffered(shop.at_once(near.is_some()))
        .fuse();
    let mut rows = rows.iter();
    let mut held: Option<TakenRows> = None;
    loop {
        let taken = takes.try_next().await?.map(|(taken, took)| {
            effort += took;
            taken
        });
        let is_last = taken.is_none();
        match (&mut held, taken) {
            (Some(held), Some(taken)) => held.append(taken),
            (held, Some(taken)) => *held = Some(taken),
            (_, None) => {}
        }
        let is_full = held.as_ref().is_some_and(|held| held.bytes() >= RENDER_BYTES || held.len() >= RENDER_ROWS);
        if let Some(taken) = held.take_if(|_| is_full || is_last) {
            let ordinals: Vec<u64> = rows.by_ref().take(taken.len()).collect();
            let (metadata, wanted, temp_dir) = (metadata.clone(), wanted.clone(), shop.temp_dir().to_owned());
            let part = shop.cpu.run(move || {
                let render = |texts| render(&metadata, &taken, &ordinals, &wanted, texts, Part::new(&temp_dir));
                // Text that is not UTF-8 is rare, and to look at each value for itself costs more.
                render(Texts::Checked).or_else(|failed| match failed {
                    ShardError::Rows(_) => render(Texts::Bare),
                    failed => Err(failed),
                })
            });
            let part = part.await??;
            all.append(part).map_err(ShardError::Temp)?;
        }
        if is_last {
            return Ok((all, effort));
        }
    }
}

/// Whose records are wanted, and their rows.
type Wanted = [(SelectorIndex, RoaringTreemap)];

/// Rows of one row group, counted from its first, that are taken at once.
struct Slice {
    group: usize,
    rows: Arc<[u64]>,
}

/// The row groups that hold any of `rows`, and of each so many at once as take about `bytes` in memory.
fn slices(metadata: &ParquetMetaData, rows: &RoaringTreemap, bytes: u64) -> Vec<Slice> {
    let mut slices = Vec::new();
    for (group, first, inside) in groups_with(metadata, rows) {
        let sizes = metadata.row_group(group);
        let row_bytes = sizes.total_byte_size().unsigned_abs() / sizes.num_rows().unsigned_abs().max(1);
        let at_once = usize::try_from(bytes / row_bytes.max(1)).unwrap_or(usize::MAX).clamp(1, 1 << 16);
        for rows in inside.chunks(at_once) {
            slices.push(Slice { group, rows: rows.iter().map(|row| row - first).collect() });
        }
    }
    slices
}

/// What `rows` hold in the columns of `mapping`, each value once, with the index of its field.
pub(crate) async fn held_values(
    shop: &Workshop,
    origin: &Origin,
    rows: &RoaringTreemap,
    mapping: &Mapping,
) -> Result<HashSet<(usize, HeldValue)>, ShardError> {
    let bytes_read = AtomicU64::new(0);
    let Opened { metadata, near, .. } = open(shop, origin, &bytes_read).await?;
    let metadata = with_page_locations(shop, origin, metadata, &bytes_read).await?;
    let leaves: Arc<[(usize, Leaf)]> = lacuna_scan::parquet::mapped_leaves(&metadata, mapping)?.into();
    let shard = Rows { shop, origin, near: near.as_ref(), bytes_read: &bytes_read };
    let mut held = HashSet::new();
    for slice in slices(&metadata, rows, shop.budget.window) {
        let (taken, _) = take(shard, metadata.clone(), slice, Vec::new(), Some(leaves.clone())).await?;
        held.extend(lacuna_scan::parquet::held_values(&taken, &metadata, &leaves)?);
    }
    Ok(held)
}

/// Takes the rows of one slice out of its row group: of the leaf columns those that are `wanted`, or all.
async fn take(
    shard: Rows<'_>,
    metadata: Arc<ParquetMetaData>,
    slice: Slice,
    known: Vec<KnownColumn>,
    wanted: Option<Arc<[(usize, Leaf)]>>,
) -> Result<(TakenRows, Effort), ShardError> {
    let Rows { shop, origin, near, bytes_read } = shard;
    let columns = metadata.row_group(slice.group).num_columns() as u64;
    let window = (shop.budget.window / columns.max(1)).max(4 << 10);
    let (size, limits) = (origin.size(), shop.limits);
    let is_wanted =
        move |column| wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|(_, leaf)| leaf.column == column));
    let start = move || RowGroupTake::new(&metadata, size, slice.group, &slice.rows, is_wanted, &known, limits);
    if let Some(near) = near {
        // Column by column, and all of it by one thread.
        let (near, window) = (near.clone(), shop.budget.window);
        let room = shop.budget.reserve(window).await?;
        let work = move || {
            let (mut taking, mut read) = (start()?, 0);
            for column in 0..taking.columns() {
                loop {
                    let ranges = taking.needs_of(column, window);
                    if ranges.is_empty() {
                        break;
                    }
                    for range in ranges {
                        read += range.end - range.start;
                        near.with(&range, |piece| taking.feed(column, piece))??;
                    }
                }
            }
            near.check()?;
            drop(room);
            Ok::<_, ShardError>((taking.finish()?, read))
        };
        let (taken, read) = shop.cpu.run(work).await??;
        bytes_read.fetch_add(read, Ordering::Relaxed);
        return Ok(taken);
    }
    let mut taking = shop.cpu.run(start).await??;
    loop {
        let (columns, ranges): (Vec<usize>, Vec<Range<u64>>) = taking.needs(window).into_iter().unzip();
        if ranges.is_empty() {
            return Ok(taking.finish()?);
        }
        let (pieces, held) = shop.budget.load_all(origin, &ranges, bytes_read).await?;
        let work = move || {
            let fed = columns.into_iter().zip(&pieces).try_for_each(|(column, piece)| taking.feed(column, piece));
            drop(held);
            fed.map(|()| taking)
        };
        taking = shop.cpu.run(work).await??;
    }
}

fn render(
    metadata: &ParquetMetaData,
    taken: &TakenRows,
    ordinals: &[u64],
    wanted: &Wanted,
    texts: Texts,
    mut part: Part,
) -> Result<Part, ShardError> {
    let (bytes, metadata) = taken.file(metadata).map_err(ShardError::Rows)?;
    let bad = |source| footer_error("rows that were found", source);
    let arrow = arrow_metadata(&Arc::new(metadata), texts)?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, arrow).with_batch_size(BATCH_ROWS);
    let (mut renderer, mut line, mut selectors) = (Renderer::default(), Vec::new(), Vec::new());
    let owned = owned(wanted, ordinals);
    let mut owned = owned.iter().peekable();
    let mut ordinals = ordinals.iter();
    for batch in reader.build().map_err(bad)? {
        let batch = batch.map_err(|source| footer_error("rows that were found", source.into()))?;
        for (row, &ordinal) in (0..batch.num_rows()).zip(ordinals.by_ref()) {
            selectors.clear();
            selectors.extend(
                std::iter::from_fn(|| owned.next_if(|(row, _)| *row == ordinal)).map(|(_, selector)| *selector),
            );
            line.clear();
            renderer.render(Record::Arrow { batch: &batch, row }, &mut line)?;
            part.push(&line, &selectors).map_err(ShardError::Temp)?;
        }
    }
    match ordinals.next() {
        Some(_) => Err(ShardError::Refused("a row group holds fewer rows than its footer says".into())),
        None => Ok(part),
    }
}

/// Which of the rows `ordinals`, in order, belong to whom.
fn owned(wanted: &Wanted, ordinals: &[u64]) -> Vec<(u64, SelectorIndex)> {
    let (Some(&first), Some(&last)) = (ordinals.first(), ordinals.last()) else { return Vec::new() };
    let mut owned = Vec::with_capacity(ordinals.len());
    for (selector, rows) in wanted {
        let mut rows = rows.iter();
        rows.advance_to(first);
        owned.extend(rows.take_while(|&row| row <= last).map(|row| (row, *selector)));
    }
    owned.sort_unstable();
    owned
}

/// The row groups that hold any of `rows`: their first row's ordinal in the file, and the ordinals of those of `rows` that they hold.
fn groups_with(metadata: &ParquetMetaData, rows: &RoaringTreemap) -> Vec<(usize, u64, Vec<u64>)> {
    let mut groups = Vec::new();
    let mut rows = rows.iter().peekable();
    let mut end = 0_u64;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let first = end;
        end += u64::try_from(group.num_rows()).unwrap_or_default();
        let inside: Vec<u64> = std::iter::from_fn(|| rows.next_if(|&row| row < end)).collect();
        if !inside.is_empty() {
            groups.push((index, first, inside));
        }
    }
    groups
}

/// Reads where the pages lie, where the file says it, so that pages without a wanted row are never fetched.
async fn with_page_locations(
    shop: &Workshop,
    origin: &Origin,
    metadata: Arc<ParquetMetaData>,
    bytes_read: &AtomicU64,
) -> Result<Arc<ParquetMetaData>, ShardError> {
    let bad = |source| footer_error("page index", source);
    let mut decoder = ParquetMetaDataPushDecoder::try_new_with_metadata(origin.size(), (*metadata).clone())
        .map_err(bad)?
        .with_column_index_policy(PageIndexPolicy::Skip)
        .with_offset_index_policy(PageIndexPolicy::Optional);
    loop {
        match decoder.try_decode().map_err(bad)? {
            DecodeResult::Data(metadata) => return Ok(Arc::new(metadata)),
            DecodeResult::Finished => return Ok(metadata),
            DecodeResult::NeedsData(ranges) => {
                for range in ranges {
                    let loaded = shop.budget.load(origin, range.clone(), bytes_read).await?;
                    decoder.push_range(range, loaded.bytes).map_err(bad)?;
                }
            }
        }
    }
}

/// Decodes rows of a Parquet file into Arrow batches.
pub(crate) struct Reader<'a> {
    shop: &'a Workshop,
    origin: &'a Origin,
    arrow: ArrowReaderMetadata,
    bytes_read: &'a AtomicU64,
}

impl<'a> Reader<'a> {
    /// A reader of the shard with this metadata.
    pub(crate) async fn open(
        shop: &'a Workshop,
        origin: &'a Origin,
        metadata: Arc<ParquetMetaData>,
        bytes_read: &'a AtomicU64,
    ) -> Result<Self, ShardError> {
        // Where pages are is left unread: the library then takes it that no row goes on in another page, as lists of some writers do.
        let arrow = shop.cpu.run(move || arrow_metadata(&metadata, Texts::Bare)).await??;
        Ok(Self { shop, origin, arrow, bytes_read })
    }

    /// How many row groups the file has.
    pub(crate) fn groups(&self) -> usize {
        self.arrow.metadata().num_row_groups()
    }

    /// All rows of row group `group`.
    pub(crate) fn rows(&self, group: usize) -> Result<GroupRows<'_>, ShardError> {
        let builder = ParquetPushDecoderBuilder::new_with_metadata(self.arrow.clone())
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS);
        let decoder = builder.build().map_err(|source| row_error(group, source))?;
        Ok(GroupRows { reader: self, group, decoder: Some(decoder), held: Vec::new() })
    }
}

/// Rows of one row group, batch by batch.
pub(crate) struct GroupRows<'a> {
    reader: &'a Reader<'a>,
    group: usize,
    /// `None` only while a decode is under way.
    decoder: Option<ParquetPushDecoder>,
    /// The budget's share of what the decoder was handed.
    held: Vec<OwnedSemaphorePermit>,
}

impl GroupRows<'_> {
    /// The next batch; `None` behind the last one.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>, ShardError> {
        let shop = self.reader.shop;
        loop {
            let Some(mut decoder) = self.decoder.take() else { return Err(ShardError::Defect) };
            let (decoder, decoded) = shop
                .cpu
                .run(move || {
                    let decoded = decoder.try_decode();
                    (decoder, decoded)
                })
                .await?;
            let decoder = self.decoder.insert(decoder);
            match decoded.map_err(|source| row_error(self.group, source))? {
                DecodeResult::Data(batch) => return Ok(Some(batch)),
                DecodeResult::Finished => return Ok(None),
                DecodeResult::NeedsData(ranges) => {
                    let load = shop.budget.load_all(self.reader.origin, &ranges, self.reader.bytes_read);
                    let (bytes, permit) = load.await?;
                    for (range, bytes) in ranges.iter().zip(&bytes) {
                        lacuna_scan::parquet::check_pages(bytes, range.start, &shop.limits)?;
                    }
                    decoder.push_ranges(ranges, bytes).map_err(|source| row_error(self.group, source))?;
                    self.held.push(permit);
                }
            }
        }
    }
}

fn arrow_metadata(metadata: &Arc<ParquetMetaData>, texts: Texts) -> Result<ArrowReaderMetadata, ShardError> {
    schema::readable(metadata, texts).map_err(|source| footer_error("schema", source))
}

fn footer_error(place: &str, source: ParquetError) -> ShardError {
    ShardError::Rows(lacuna_scan::Error::Parquet { place: place.into(), source })
}

fn row_error(group: usize, source: ParquetError) -> ShardError {
    ShardError::Rows(lacuna_scan::Error::Parquet { place: format!("rows of row group {group}"), source })
}
