//! Parquet files with rows taken out, read back by the `parquet` crate's Arrow reader and by its record reader.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on fails, and says what it leaves out"
)]

mod damaged;
mod dictionary;
mod differences;
mod empty;
mod loose;
mod real;
mod residue;
mod shape;
mod survivors;
mod table;

use std::collections::BTreeSet;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use bytes::Bytes;
use lacuna_erase::{Change, Result, Rewritten};
use lacuna_scan::Limits;
use roaring::RoaringTreemap;

/// Rewrites `file`.
fn rewrite(file: &Bytes, hits: &BTreeSet<u64>, change: Change<'_>) -> Result<(Bytes, Rewritten)> {
    let hits: RoaringTreemap = hits.iter().collect();
    let mut out = Vec::new();
    let done = lacuna_erase::parquet::rewrite(file, &hits, change, &[], &Limits::default(), &mut out)?;
    Ok((out.into(), done))
}

/// All rows of `file` in one batch.
fn read(file: &Bytes) -> ::parquet::errors::Result<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone())?.build()?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

/// `rows` without `hits`.
fn without(rows: &RecordBatch, hits: &BTreeSet<u64>) -> RecordBatch {
    let keep: BooleanArray = (0..rows.num_rows() as u64).map(|row| Some(!hits.contains(&row))).collect();
    filter_record_batch(rows, &keep).unwrap()
}

/// Says that both hold the same values in the same order, NaN being the same as itself.
fn assert_same(name: &str, left: &RecordBatch, right: &RecordBatch) {
    assert_eq!(left.schema(), right.schema(), "{name}");
    assert_eq!(left.num_rows(), right.num_rows(), "{name}");
    for (at, (a, b)) in left.columns().iter().zip(right.columns()).enumerate() {
        let (a, b): (&dyn Array, &dyn Array) = (a, b);
        assert!(a == b || format!("{a:?}") == format!("{b:?}"), "{name}: column {at}\n{a:?}\n{b:?}");
    }
}
