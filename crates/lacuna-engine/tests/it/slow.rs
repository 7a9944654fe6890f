//! A store far away: every request waits, and all that is fetched is counted.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use lacuna_store::testing::SlowStore;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::world::{World, export, find, source};

/// What each request waits for, as over a network.
const DELAY: Duration = Duration::from_millis(20);

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

async fn world(shards: usize) -> (World, Arc<SlowStore>, u64) {
    let mut world = World::new();
    let bytes = shard(true);
    for n in 0..shards {
        world.put(&format!("logs/{n}.parquet"), bytes.as_slice()).await;
    }
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(bytes)).unwrap();
    let users: i64 = metadata.row_groups().iter().map(|group| group.column(1).compressed_size()).sum();
    let slow = Arc::new(SlowStore::new(world.store, DELAY));
    world.store = slow.clone();
    (world, slow, users as u64 * shards as u64)
}

#[tokio::test]
async fn hardly_more_is_fetched_than_must_be_looked_at() {
    let (world, slow, users) = world(3).await;
    let found = world.run(vec![source("all", "logs/*.parquet")], vec![find("me")]).await.unwrap();
    let (fetched, _) = slow.counted();
    assert_eq!((found.matched, found.sources[0].bytes_read), (3, fetched));
    // Beside the identifiers: the footers, and the tenants of the row groups that have a hit.
    assert!(fetched * 10 <= users * 11, "{fetched} bytes for {users}");

    world.run(vec![source("all", "logs/*.parquet")], vec![export("r", "me")]).await.unwrap();
    let exported = slow.counted().0 - fetched;
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
