//! Parquet files whose footers say what is not so.

use bytes::Bytes;
use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};

use crate::world::{World, find, mixed, parquet, source};

/// The file with its first row group's number of rows replaced.
fn with_rows(file: &[u8], rows: i64) -> Vec<u8> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&Bytes::copy_from_slice(file)).unwrap();
    let mut builder = metadata.clone().into_builder();
    let groups = builder.take_row_groups();
    for (index, group) in groups.into_iter().enumerate() {
        let count = if index == 0 { rows } else { group.num_rows() };
        builder = builder.add_row_group(group.into_builder().set_num_rows(count).build().unwrap());
    }
    let footer = u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap()) as usize;
    let mut forged = file[..file.len() - 8 - footer].to_vec();
    ParquetMetaDataWriter::new(&mut forged, &builder.build()).finish().unwrap();
    forged
}

#[tokio::test]
async fn forged_row_counts_are_refused() {
    let file = parquet(&mixed());
    for rows in [0, 1, 9, 11, i64::MAX / 2, -1] {
        let world = World::new();
        world.put("a.parquet", with_rows(&file, rows)).await;
        let outcome = world.run(vec![source("all", "*.parquet")], vec![find("u3")]).await.unwrap();
        assert!(!outcome.is_complete(), "{rows}: {outcome:?}");
    }
}
