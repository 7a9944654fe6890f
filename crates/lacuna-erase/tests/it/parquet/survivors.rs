//! What a rewrite must not do to the rows that stay is found in its bytes, whatever made them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use lacuna_erase::{Change, Error, Survivors, parquet};
use lacuna_scan::Limits;
use roaring::RoaringTreemap;
use rstest::rstest;

use super::rewrite;

pub(super) fn survivors(
    before: &Bytes,
    after: &Bytes,
    hits: &BTreeSet<u64>,
    change: Change<'_>,
) -> Result<Survivors, Error> {
    let hits: RoaringTreemap = hits.iter().collect();
    parquet::survivors(before, after, &AtomicU64::new(0), &hits, change, &Limits::default())
}

/// Forty rows in pages of ten: numbers, and words of which the third of each ten is missing.
fn file(version: WriterVersion, has_dictionary: bool) -> Bytes {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(1000..1040));
    let words: ArrayRef =
        Arc::new(StringArray::from_iter((0..40).map(|row| (row % 10 != 2).then(|| format!("word-{row:02}")))));
    let batch = RecordBatch::try_from_iter_with_nullable([("number", numbers, false), ("word", words, true)]).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(has_dictionary)
        .set_column_encoding("number".into(), ::parquet::basic::Encoding::PLAIN)
        .set_column_encoding("word".into(), ::parquet::basic::Encoding::PLAIN)
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// `bytes` with the first place that holds `old` holding `new`.
fn edited(bytes: &Bytes, old: &[u8], new: &[u8]) -> Bytes {
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    let mut edited = bytes.to_vec();
    edited[at..at + new.len()].copy_from_slice(new);
    edited.into()
}

fn number(value: i64) -> [u8; 8] {
    value.to_le_bytes()
}

#[rstest]
fn a_row_that_is_not_what_it_was_is_found(
    #[values(WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0)] version: WriterVersion,
) {
    let file = file(version, false);
    let hits = BTreeSet::from([5]);
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    let proved = survivors(&file, &out, &hits, Change::Delete).unwrap();
    assert_eq!(proved.rows, 39);
    let pair = |a, b| [number(a), number(b)].concat();
    // The levels of nine words, of which the third is missing: two groups of bits.
    let (levels, moved) = ([5, 0b1111_1011, 1], [5, 0b1111_0111, 1]);
    for (what, corrupt) in [
        ("a changed value", edited(&out, &number(1007), &number(7007))),
        ("swapped rows", edited(&out, &pair(1007, 1008), &pair(1008, 1007))),
        ("a changed value in a copied page", edited(&out, &number(1025), &number(1026))),
        ("a changed word", edited(&out, b"word-07", b"word-17")),
        ("a null in another row", edited(&out, &levels, &moved)),
        ("a null that became a value", edited(&out, &levels, &[5, 0xff, 1])),
    ] {
        assert!(survivors(&file, &corrupt, &hits, Change::Delete).is_err(), "{what}");
    }
    let error = survivors(&file, &edited(&out, &levels, &moved), &hits, Change::Delete).unwrap_err();
    assert!(matches!(&error, Error::Unfaithful(what) if what.contains("`word`")), "{error}");
    for other in [BTreeSet::new(), BTreeSet::from([6]), BTreeSet::from([5, 6]), BTreeSet::from([15])] {
        assert!(survivors(&file, &out, &other, Change::Delete).is_err(), "{other:?}");
    }
}

#[test]
fn what_was_compared_already_is_not_compared_again() {
    let file = file(WriterVersion::PARQUET_1_0, false);
    let hits = BTreeSet::from([35]);
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    let corrupt = edited(&out, &number(1007), &number(7007));
    let at = file.windows(8).position(|bytes| bytes == number(1007)).unwrap() as u64;
    let rows: RoaringTreemap = hits.iter().collect();
    let prove = |alike| {
        let alike = AtomicU64::new(alike);
        parquet::survivors(&file, &corrupt, &alike, &rows, Change::Delete, &Limits::default())
    };
    assert!(prove(0).is_err() && prove(at).is_err());
    // As the caller says, for sure.
    assert_eq!(prove(at + 100).unwrap().rows, 39);
}

#[test]
fn a_dictionary_that_is_not_what_it_was_is_found() {
    let file = file(WriterVersion::PARQUET_1_0, true);
    // The entry leaves, and all indices behind it move.
    let hits = BTreeSet::from([5]);
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    assert_eq!(survivors(&file, &out, &hits, Change::Delete).unwrap().rows, 39);
    for (old, new) in [("word-07", "word-70"), ("word-31", "word-32")] {
        let corrupt = edited(&out, old.as_bytes(), new.as_bytes());
        assert!(survivors(&file, &corrupt, &hits, Change::Delete).is_err(), "{old}");
    }
    // Nothing of the third row's word leaves: it has none.
    let paths = ["word".parse().unwrap()];
    let hits = BTreeSet::from([2]);
    let (out, _) = rewrite(&file, &hits, Change::Anonymize(&paths)).unwrap();
    assert_eq!(survivors(&file, &out, &hits, Change::Anonymize(&paths)).unwrap().rows, 40);
    let corrupt = edited(&out, b"word-07", b"word-70");
    assert!(survivors(&file, &corrupt, &hits, Change::Anonymize(&paths)).is_err());
}

#[test]
fn the_hash_is_of_values_in_their_order() {
    let file = file(WriterVersion::PARQUET_1_0, false);
    let hash = |hits: [u64; 1]| {
        let hits = BTreeSet::from(hits);
        let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
        survivors(&file, &out, &hits, Change::Delete).unwrap().hash
    };
    assert_eq!(hash([5]), hash([5]));
    assert_ne!(hash([5]), hash([6]));
}
