//! A store far away: every request waits, and all that is fetched is counted.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use lacuna_store::{BlobInfo, BlobPath, Condition, Content, Etag, Result, Store, WriteOptions};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::world::{World, export, find, source};

/// What each request waits for, as over a network.
const DELAY: Duration = Duration::from_millis(20);

#[derive(Debug)]
struct Slow {
    inner: Arc<dyn Store>,
    fetched: AtomicU64,
}

#[async_trait]
impl Store for Slow {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        self.inner.list(prefix)
    }

    async fn head(&self, path: &BlobPath) -> Result<BlobInfo> {
        tokio::time::sleep(DELAY).await;
        self.inner.head(path).await
    }

    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        self.fetched.fetch_add(range.end - range.start, Ordering::Relaxed);
        tokio::time::sleep(DELAY).await;
        self.inner.read(path, range, etag).await
    }

    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        self.inner.write(path, content, condition, options).await
    }

    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()> {
        self.inner.delete(path, etag).await
    }

    fn staging_dir(&self) -> Option<&Path> {
        None
    }
}

const ROWS: usize = 60_000;
const GROUP_ROWS: usize = 20_000;
const PAGE_ROWS: usize = 2_000;

/// Text that does not repeat, so that nothing is smaller than it looks.
fn noise(row: usize, salt: u64) -> String {
    let mut state = (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt;
    (0..4)
        .map(|_| {
            state = (state ^ (state >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            format!("{state:016x}")
        })
        .collect()
}

/// A shard whose user `me` has one row, in page 5 of row group 1. Without a page index, it has but one row group.
fn shard(has_page_index: bool) -> Vec<u8> {
    let me = GROUP_ROWS + 5 * PAGE_ROWS + 7;
    let users = (0..ROWS).map(|row| if row == me { "me".to_owned() } else { noise(row, 1) });
    let columns: [(&str, ArrayRef); 4] = [
        ("TenantId", Arc::new(StringArray::from(vec!["T"; ROWS]))),
        ("UserId", Arc::new(StringArray::from_iter_values(users))),
        ("A", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| noise(row, 2))))),
        ("B", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| noise(row, 3))))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(if has_page_index { GROUP_ROWS } else { ROWS }))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_offset_index_disabled(!has_page_index)
        .set_statistics_enabled(if has_page_index { EnabledStatistics::Page } else { EnabledStatistics::None })
        .set_column_dictionary_enabled("UserId".into(), false)
        .set_column_dictionary_enabled("A".into(), false)
        .set_column_dictionary_enabled("B".into(), false)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

async fn world(shards: usize) -> (World, Arc<Slow>, u64) {
    let mut world = World::new();
    let bytes = shard(true);
    for n in 0..shards {
        world.put(&format!("logs/{n}.parquet"), bytes.as_slice()).await;
    }
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(bytes)).unwrap();
    let users: i64 = metadata.row_groups().iter().map(|group| group.column(1).compressed_size()).sum();
    let slow = Arc::new(Slow { inner: world.store, fetched: AtomicU64::new(0) });
    world.store = slow.clone();
    (world, slow, users as u64 * shards as u64)
}

#[tokio::test]
async fn hardly_more_is_fetched_than_must_be_looked_at() {
    let (world, slow, users) = world(3).await;
    let found = world.run(vec![source("all", "logs/*.parquet")], vec![find("me")]).await.unwrap();
    assert_eq!((found.matched, found.sources[0].bytes_read), (3, slow.fetched.load(Ordering::Relaxed)));
    let fetched = slow.fetched.swap(0, Ordering::Relaxed);
    // Beside the identifiers: the footers, and the tenants of the row groups that have a hit.
    assert!(fetched * 10 <= users * 11, "{fetched} bytes for {users}");

    world.run(vec![source("all", "logs/*.parquet")], vec![export("r", "me")]).await.unwrap();
    let exported = slow.fetched.load(Ordering::Relaxed);
    // Of the other columns, a page of thirty each.
    assert!(exported - fetched <= 3 * users / 20, "{exported} bytes, {fetched} of them for the search");
}

#[tokio::test]
async fn a_row_group_that_is_larger_than_the_memory_is_exported_without_a_page_index() {
    // The row group takes 12 MB, and half of this holds what is read.
    let world = World { memory: 16 << 20, ..World::new() };
    world.put("logs/0.parquet", shard(false)).await;
    let outcome = world.run(vec![source("all", "logs/*.parquet")], vec![export("r", "me")]).await.unwrap();
    assert!(outcome.is_complete(), "{:?}", outcome.sources[0].problems);
    let files = world.packages().await;
    let (_, records) = files.iter().find(|(path, _)| path.ends_with("ProductAndServiceUsage.json")).unwrap();
    let records: Vec<serde_json::Value> = serde_json::from_slice(records).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["B"], noise(GROUP_ROWS + 5 * PAGE_ROWS + 7, 3));
}
