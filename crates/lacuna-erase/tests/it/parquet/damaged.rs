//! Files that are cut off, flipped or forged end in an error or in a file; never in a panic or in memory without bounds.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, Encoding};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use arrow::array::{ArrayRef, BooleanArray, Int32Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use lacuna_erase::{Change, Error, parquet::residue};
use lacuna_scan::{Error as ScanError, Limits};

use super::residue::matcher;
use super::{assert_same, read, rewrite};

/// A small file that has a bit of everything.
fn small(version: WriterVersion, compression: Compression) -> Bytes {
    let users: ArrayRef =
        Arc::new(StringArray::from_iter((0..20).map(|row| (row % 5 > 0).then_some(["ann", "bob"][row % 2]))));
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..20));
    let flags: ArrayRef = Arc::new(BooleanArray::from_iter((0..20).map(|row| Some(row % 3 == 0))));
    let lists = (0..20).map(|row| (row % 4 > 0).then(|| (0..row % 4).map(Some)));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    let columns = [("user", users), ("number", numbers), ("flag", flags), ("list", lists)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(7)
        .set_write_batch_size(7)
        .set_bloom_filter_enabled(true)
        .set_bloom_filter_max_ndv(10)
        .set_max_row_group_row_count(Some(12))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn files() -> [Bytes; 3] {
    [
        small(WriterVersion::PARQUET_1_0, Compression::UNCOMPRESSED),
        small(WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED),
        small(WriterVersion::PARQUET_2_0, Compression::LZ4),
    ]
}

/// Does to `file` all that can be done.
fn try_all(file: &Bytes) {
    let user = [("user").parse().unwrap(), "number".parse().unwrap()];
    for change in [Change::Delete, Change::Anonymize(&user)] {
        let _ = rewrite(file, &BTreeSet::from([1, 8]), change);
    }
    let _ = residue(file, &matcher("user", "ann"), &Limits::default());
}

#[test]
fn cut_off_anywhere() {
    for file in files() {
        for length in 0..file.len() {
            let cut = file.slice(..length);
            assert!(rewrite(&cut, &BTreeSet::new(), Change::Delete).is_err(), "{length}");
            try_all(&cut);
        }
    }
}

#[test]
fn any_byte_changed() {
    for file in files() {
        for at in 0..file.len() {
            let mut changed = file.to_vec();
            changed[at] ^= if at % 2 == 0 { 0x01 } else { 0x90 };
            try_all(&changed.into());
        }
    }
}

#[test]
fn a_row_that_is_not_there() {
    let file = small(WriterVersion::PARQUET_1_0, Compression::SNAPPY);
    let error = rewrite(&file, &BTreeSet::from([20]), Change::Delete).unwrap_err();
    assert!(matches!(error, Error::Unfaithful(_)), "{error}");
}

#[test]
fn limits_hold() {
    let file = small(WriterVersion::PARQUET_1_0, Compression::SNAPPY);
    let limits = Limits { page_bytes_max: 30, ..Limits::default() };
    let hits = [1].into_iter().collect();
    let result = lacuna_erase::parquet::rewrite(&file, &hits, Change::Delete, &[], &limits, &mut Vec::new());
    assert!(matches!(result, Err(Error::Scan(ScanError::Limit { setting: "page_bytes_max", .. }))), "{result:?}");
    let limits = Limits { footer_bytes_max: 100, ..Limits::default() };
    let result = lacuna_erase::parquet::rewrite(&file, &hits, Change::Delete, &[], &limits, &mut Vec::new());
    assert!(matches!(result, Err(Error::Scan(ScanError::Limit { setting: "footer_bytes_max", .. }))), "{result:?}");
    let limits = Limits { columns_max: 3, ..Limits::default() };
    let result = lacuna_erase::parquet::rewrite(&file, &hits, Change::Delete, &[], &limits, &mut Vec::new());
    assert!(matches!(result, Err(Error::Scan(ScanError::Limit { setting: "columns_max", .. }))), "{result:?}");
}

#[test]
fn what_values_share_counts_for_each() {
    let word = "x".repeat(100_000);
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(word, 30)));
    let batch = RecordBatch::try_from_iter([("word", words)]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let file: Bytes = writer.into_inner().unwrap().into();
    let hits = [1].into_iter().collect();
    for (page_bytes_max, is_allowed) in [(1 << 20, false), (4 << 20, true)] {
        let limits = Limits { page_bytes_max, ..Limits::default() };
        let result = lacuna_erase::parquet::rewrite(&file, &hits, Change::Delete, &[], &limits, &mut Vec::new());
        match is_allowed {
            true => assert_eq!(result.unwrap().rows_after, 29),
            false => assert!(matches!(result, Err(Error::Scan(ScanError::Limit { setting: "page_bytes_max", .. })))),
        }
    }
}

#[test]
fn paths_that_lead_nowhere() {
    let file = small(WriterVersion::PARQUET_1_0, Compression::SNAPPY);
    // What is not there has nothing to lose.
    let paths = ["nobody".parse().unwrap()];
    let (out, _) = rewrite(&file, &BTreeSet::from([0]), Change::Anonymize(&paths)).unwrap();
    assert_same("rows", &read(&file).unwrap(), &read(&out).unwrap());
    let paths = ["list".parse().unwrap()];
    let error = rewrite(&file, &BTreeSet::from([0]), Change::Anonymize(&paths)).unwrap_err();
    assert!(matches!(error, Error::Scan(ScanError::ColumnType { .. })), "{error}");
}
