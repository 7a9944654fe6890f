//! Parquet and Arrow IPC shards.

use std::{fs::File, io::BufWriter};

use anyhow::Result;
use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    ipc::{
        CompressionType,
        writer::{FileWriter, IpcWriteOptions, StreamWriter},
    },
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression as Codec, ZstdLevel},
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::WriterProperties,
    },
    schema::types::ColumnPath,
};
use serde::{Deserialize, Serialize};

use super::source::Spec;

/// Records that are made at once.
pub(crate) const BATCH_ROWS: usize = 8192;

/// How a Parquet shard is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParquetLayout {
    /// The codec of all columns.
    pub compression: Compression,
    /// Rows in a row group.
    pub row_group_rows: usize,
    /// Whether columns begin with a dictionary.
    pub dictionary: bool,
    /// How large the user column's dictionary may become, in bytes, before the column goes on without; the writer's own limit
    /// (1 MiB) when absent.
    pub user_dictionary_max: Option<usize>,
    /// Whether the identifier columns have Bloom filters.
    pub bloom_filters: bool,
    /// Whether rows are in order of the user's id, and the shard says so.
    pub sorted_by_user: bool,
}

impl Default for ParquetLayout {
    fn default() -> Self {
        Self {
            compression: Compression::Zstd,
            row_group_rows: 131_072,
            dictionary: true,
            user_dictionary_max: None,
            bloom_filters: false,
            sorted_by_user: false,
        }
    }
}

/// How many of the values that a row group lacks its Bloom filter lets pass: one in a hundred, as parquet-java has it.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// A codec of Parquet pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// None.
    None,
    /// Snappy.
    Snappy,
    /// Zstandard, level 1.
    Zstd,
}

/// Writes what `next` gives; answers how many bytes it took.
pub(crate) fn write_parquet(
    file: File,
    schema: &SchemaRef,
    layout: &ParquetLayout,
    spec: &Spec,
    mut next: impl FnMut() -> Result<Option<RecordBatch>>,
) -> Result<u64> {
    let properties = properties(schema, layout, spec)?;
    let mut writer = ArrowWriter::try_new(BufWriter::new(file), schema.clone(), Some(properties))?;
    while let Some(batch) = next()? {
        writer.write(&batch)?;
    }
    Ok(len(writer.into_inner()?)?)
}

fn properties(schema: &SchemaRef, layout: &ParquetLayout, spec: &Spec) -> Result<WriterProperties> {
    let codec = match layout.compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(1)?),
    };
    let mut properties = WriterProperties::builder()
        .set_compression(codec)
        .set_max_row_group_row_count(Some(layout.row_group_rows))
        .set_dictionary_enabled(layout.dictionary)
        .set_key_value_metadata(Some(vec![
            KeyValue::new("pipeline".to_owned(), spec.name.to_owned()),
            KeyValue::new("retention".to_owned(), "P180D".to_owned()),
        ]));
    // Identifiers inside lists have another path in Parquet; the first column's filter is what a search profits from.
    let user = spec.identifiers.first().map_or("", |&(column, ..)| column);
    if let Some(bytes) = layout.user_dictionary_max {
        properties = properties.set_column_dictionary_page_size_limit(ColumnPath::from(user), bytes);
    }
    if layout.bloom_filters {
        // The writer folds a filter to what the row group's distinct values need.
        properties = properties
            .set_column_bloom_filter_enabled(ColumnPath::from(user), true)
            .set_column_bloom_filter_fpp(ColumnPath::from(user), BLOOM_FALSE_POSITIVES);
    }
    if layout.sorted_by_user {
        // All columns before it are flat, so a field's index is its leaf's.
        let column_idx = i32::try_from(schema.index_of(user)?)?;
        let sorting = SortingColumn { column_idx, descending: false, nulls_first: true };
        properties = properties.set_sorting_columns(Some(vec![sorting]));
    }
    Ok(properties.build())
}

/// Whether a shard is an IPC stream, and not a file.
pub(crate) fn is_stream(shard: u64) -> bool {
    shard % 2 == 1
}

/// Writes what `next` gives, as file or stream; answers how many bytes it took.
pub(crate) fn write_ipc(
    file: File,
    schema: &SchemaRef,
    shard: u64,
    mut next: impl FnMut() -> Result<Option<RecordBatch>>,
) -> Result<u64> {
    let file = BufWriter::new(file);
    if is_stream(shard) {
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
        let mut writer = StreamWriter::try_new_with_options(file, schema, options)?;
        while let Some(batch) = next()? {
            writer.write(&batch)?;
        }
        Ok(len(writer.into_inner()?)?)
    } else {
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let mut writer = FileWriter::try_new_with_options(file, schema, options)?;
        while let Some(batch) = next()? {
            writer.write(&batch)?;
        }
        Ok(len(writer.into_inner()?)?)
    }
}

fn len(file: BufWriter<File>) -> std::io::Result<u64> {
    Ok(file.into_inner()?.metadata()?.len())
}
