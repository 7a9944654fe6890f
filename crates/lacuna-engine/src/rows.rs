//! The matched rows of a Parquet shard: only the pages that hold one are fetched and decoded.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::record_batch::RecordBatch;
use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_export::Renderer;
use lacuna_scan::{Matches, Record, SelectorIndex};
use parquet::DecodeResult;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use roaring::RoaringTreemap;
use tokio::sync::OwnedSemaphorePermit;

use crate::origin::Origin;
use crate::problem::ShardError;
use crate::search::{Question, Workshop};
use crate::spool::Part;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1024;

/// Renders the rows of `matches` whose selectors want their records, in the order of rows.
pub(crate) async fn collect_rows(
    shop: &Workshop,
    origin: &Origin,
    metadata: Arc<ParquetMetaData>,
    matches: &Matches,
    question: &Question,
    bytes_read: &AtomicU64,
) -> Result<Part, ShardError> {
    let mut all = Part::new(&shop.temp_dir);
    let wanted: Arc<[(SelectorIndex, RoaringTreemap)]> = matches
        .iter()
        .filter(|(selector, _)| question.collect[*selector as usize])
        .map(|(selector, rows)| (selector, rows.clone()))
        .collect();
    if wanted.is_empty() {
        return Ok(all);
    }
    let rows = wanted.iter().fold(RoaringTreemap::new(), |all, (_, rows)| all | rows);
    let reader = Reader::open(shop, origin, metadata, bytes_read).await?;
    let mut groups = futures::stream::iter(reader.groups_with(&rows))
        .map(|(group, rows)| render_group(&reader, group, rows, wanted.clone()))
        .buffered(shop.threads);
    while let Some(part) = groups.try_next().await? {
        all.append(part).map_err(ShardError::Temp)?;
    }
    Ok(all)
}

async fn render_group(
    reader: &Reader<'_>,
    group: usize,
    rows: Vec<u64>,
    wanted: Arc<[(SelectorIndex, RoaringTreemap)]>,
) -> Result<Part, ShardError> {
    let mut part = Part::new(&reader.shop.temp_dir);
    let mut batches = reader.rows(group, Some(&rows))?;
    let mut rows = rows.into_iter();
    while let Some(batch) = batches.next_batch().await? {
        let batch_rows: Vec<u64> = rows.by_ref().take(batch.num_rows()).collect();
        let wanted = wanted.clone();
        let work = move || -> Result<Part, ShardError> {
            let (mut renderer, mut line, mut selectors) = (Renderer::default(), Vec::new(), Vec::new());
            for (index, row) in batch_rows.into_iter().enumerate() {
                selectors.clear();
                selectors.extend(wanted.iter().filter(|(_, rows)| rows.contains(row)).map(|(selector, _)| *selector));
                line.clear();
                renderer.render(Record::Arrow { batch: &batch, row: index }, &mut line)?;
                part.push(&line, &selectors).map_err(ShardError::Temp)?;
            }
            Ok(part)
        };
        part = reader.shop.cpu.run(work).await??;
    }
    if rows.next().is_some() {
        return Err(ShardError::Refused(format!("row group {group} holds fewer rows than its footer says")));
    }
    Ok(part)
}

/// Decodes rows of a Parquet file into Arrow batches.
pub(crate) struct Reader<'a> {
    shop: &'a Workshop,
    origin: &'a Origin,
    arrow: ArrowReaderMetadata,
    bytes_read: &'a AtomicU64,
}

impl<'a> Reader<'a> {
    /// Reads the page locations, where the file has them, so that pages without a wanted row are never fetched.
    pub(crate) async fn open(
        shop: &'a Workshop,
        origin: &'a Origin,
        metadata: Arc<ParquetMetaData>,
        bytes_read: &'a AtomicU64,
    ) -> Result<Self, ShardError> {
        let bad = |source| footer_error("page index", source);
        let mut decoder = ParquetMetaDataPushDecoder::try_new_with_metadata(origin.size(), (*metadata).clone())
            .map_err(bad)?
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = loop {
            match decoder.try_decode().map_err(bad)? {
                DecodeResult::Data(metadata) => break Arc::new(metadata),
                DecodeResult::Finished => break metadata,
                DecodeResult::NeedsData(ranges) => {
                    for range in ranges {
                        let loaded = shop.budget.load(origin, range.clone(), bytes_read).await?;
                        decoder.push_range(range, loaded.bytes).map_err(bad)?;
                    }
                }
            }
        };
        let arrow = shop.cpu.run(move || arrow_metadata(metadata)).await??;
        Ok(Self { shop, origin, arrow, bytes_read })
    }

    /// The row groups that hold any of `rows`, with their rows counted from each group's first.
    pub(crate) fn groups_with(&self, rows: &RoaringTreemap) -> Vec<(usize, Vec<u64>)> {
        let mut groups = Vec::new();
        let mut rows = rows.iter().peekable();
        let mut end = 0_u64;
        for (index, group) in self.arrow.metadata().row_groups().iter().enumerate() {
            end += u64::try_from(group.num_rows()).unwrap_or_default();
            let mut inside = Vec::new();
            while let Some(row) = rows.next_if(|&row| row < end) {
                inside.push(row);
            }
            if !inside.is_empty() {
                groups.push((index, inside));
            }
        }
        groups
    }

    /// How many row groups the file has.
    pub(crate) fn groups(&self) -> usize {
        self.arrow.metadata().num_row_groups()
    }

    /// The given `rows` (ordinals in the file, ascending) of row group `group`, or all its rows.
    pub(crate) fn rows(&self, group: usize, rows: Option<&[u64]>) -> Result<GroupRows<'_>, ShardError> {
        let mut builder = ParquetPushDecoderBuilder::new_with_metadata(self.arrow.clone())
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS);
        if let Some(rows) = rows {
            let groups = self.arrow.metadata().row_groups();
            let first: u64 = groups[..group].iter().map(|group| group.num_rows().unsigned_abs()).sum();
            builder = builder.with_row_selection(selection(rows, first));
        }
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
            let Some(mut decoder) = self.decoder.take() else { return Err(ShardError::Panicked) };
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

/// The Arrow schema of the file: the one that its writer stored, which knows time zones and UUIDs, if it fits the columns.
fn arrow_metadata(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata, ShardError> {
    let stored = ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new());
    stored
        .or_else(|_| {
            let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            ArrowReaderMetadata::try_new(metadata, plain)
        })
        .map_err(|source| footer_error("schema", source))
}

fn selection(rows: &[u64], first: u64) -> RowSelection {
    let mut selectors = Vec::new();
    let mut next = first;
    for &row in rows {
        let skipped = usize::try_from(row - next).unwrap_or(usize::MAX);
        if skipped > 0 {
            selectors.push(RowSelector::skip(skipped));
        }
        selectors.push(RowSelector::select(1));
        next = row + 1;
    }
    selectors.into()
}

fn footer_error(place: &str, source: ParquetError) -> ShardError {
    lacuna_scan::Error::Parquet { place: place.into(), source }.into()
}

fn row_error(group: usize, source: ParquetError) -> ShardError {
    lacuna_scan::Error::Parquet { place: format!("rows of row group {group}"), source }.into()
}
