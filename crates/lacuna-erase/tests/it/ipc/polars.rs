//! Files by Polars, and what Polars reads.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, DictionaryArray, Int8Array, RecordBatch, StringArray, StringViewArray,
    StructArray,
};
use arrow::datatypes::{DataType, Field, Int8Type};
use arrow::ipc::CompressionType;
use bytes::Bytes;
use lacuna_erase::{Change, Error, ipc};
use lacuna_scan::ipc::frame::Message;
use lacuna_scan::ipc::message::Header;
use lacuna_scan::{ColumnPath, Limits, Matcher};

use super::tables::encode;
use super::{holds, matcher, messages, read, rewrite, rewrite_for};

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/arrow").join(name);
    std::fs::read(path).unwrap()
}

fn residue(bytes: &[u8], matcher: &Matcher) -> Vec<String> {
    let found = ipc::residue(&Bytes::copy_from_slice(bytes), matcher, &Limits::default()).unwrap();
    found.into_iter().map(|residue| residue.place).collect()
}

#[test]
fn rows_go_and_the_framing_stays() {
    for name in ["polars.arrow", "polars-zstd.arrow"] {
        let before = fixture(name);
        let (after, done) = rewrite(&before, &[3, 13], Change::Delete).unwrap();
        assert_eq!((done.rows_before, done.rows_after), (20, 18), "{name}");
        assert!(!after.windows(3).any(|bytes| bytes == b"ann"), "{name}");
        let schema = &messages(&before)[0];
        assert!(schema.prefix.is_empty());
        assert_eq!(&after[8..8 + schema.metadata.len()], &schema.metadata[..], "{name}");
        let numbers =
            |batch: &RecordBatch| batch.column(2).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
        let numbers: Vec<i64> = read(&after).iter().flat_map(numbers).collect();
        assert_eq!(numbers, (0..20).filter(|n| n % 10 != 3).collect::<Vec<_>>(), "{name}");

        let columns: Vec<ColumnPath> = vec!["UserId".parse().unwrap()];
        let (after, done) = rewrite(&before, &[3], Change::Anonymize(&columns)).unwrap();
        assert_eq!((done.rows_after, read(&after)[0].column(0).null_count()), (20, 1), "{name}");
    }
}

fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let texts = |batch: &RecordBatch| {
        let texts = arrow::compute::cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
        texts.as_string::<i32>().iter().map(|text| text.unwrap_or("null").to_owned()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(texts).collect()
}

/// Readers of streams, too, find dictionaries in front. Polars takes the categories of an enum from the metadata, wherever that stands.
#[test]
fn categories_go_and_dictionaries_come_in_front() {
    for name in ["polars-categorical.arrow", "polars-enum.arrow"] {
        let before = fixture(name);
        let ann = matcher(&[("UserId".into(), "ann".into())]);
        let (after, done) = rewrite_for(&before, &[3, 13], Change::Delete, &ann).unwrap();
        assert_eq!((done.rows_before, done.rows_after), (20, 18), "{name}");
        assert!(!holds(&after, b"ann"), "{name}");
        for column in ["UserId", "Site"] {
            let stay = texts(&read(&before), column).into_iter().enumerate().filter(|(row, _)| row % 10 != 3);
            assert_eq!(texts(&read(&after), column), stay.map(|(_, text)| text).collect::<Vec<_>>(), "{name}");
        }
        let is_rows = |message: &Message| matches!(Header::new(message, &Limits::default()), Ok(Header::Batch(_)));
        assert!(messages(&after).iter().map(is_rows).is_sorted(), "{name}");
        assert!(residue(&after, &ann).is_empty());
    }
}

#[test]
fn an_enum_lists_what_its_dictionary_holds() {
    let (after, _) = rewrite(&fixture("polars-enum.arrow"), &[3, 13], Change::Delete).unwrap();
    let listed = "2;u02;u12;u20;2;~12;u32;u42;u52;u6";
    assert_eq!(read(&after)[0].schema().field(0).metadata()["_PL_ENUM_VALUES2"], listed, "the footer's");
    let Header::Schema(table) = Header::new(&messages(&after)[0], &Limits::default()).unwrap() else { panic!() };
    assert_eq!(table.schema.field(0).metadata()["_PL_ENUM_VALUES2"], listed);
    assert!(!holds(&after, b"nobody"));
}

/// An enum within a struct, whose dictionary has these values, as a file or stream.
fn enumeration(listed: &str, values: &[&str], keys: &[i8], is_file: bool) -> Vec<u8> {
    let values = Arc::new(StringArray::from(values.to_vec()));
    let array = DictionaryArray::<Int8Type>::new(Int8Array::from(keys.to_vec()), values);
    let metadata = [("_PL_ENUM_VALUES2".to_owned(), listed.to_owned())].into();
    let field = Field::new("u", array.data_type().clone(), true).with_metadata(metadata);
    let within = StructArray::new(vec![field].into(), vec![Arc::new(array)], None);
    let batch = RecordBatch::try_from_iter([("s", Arc::new(within) as ArrayRef)]).unwrap();
    encode(&batch.schema(), std::slice::from_ref(&batch), is_file, None, 8)
}

fn listed(bytes: &[u8]) -> String {
    let DataType::Struct(fields) = read(bytes)[0].schema().field(0).data_type().clone() else { panic!() };
    fields[0].metadata()["_PL_ENUM_VALUES2"].clone()
}

#[test]
fn a_list_of_categories_may_grow() {
    for is_file in [true, false] {
        let bytes = enumeration("1;a1;b1;c1;d1;e", &["a", "b", "c", "d", "e"], &[0, 4, 0], is_file);
        let (after, _) = rewrite(&bytes, &[1], Change::Delete).unwrap();
        assert_eq!(listed(&after), "1;a0;2;~12;~22;~3");
        assert_eq!(
            texts(&read(&after).iter().map(|batch| batch.column(0).as_struct().into()).collect::<Vec<_>>(), "u"),
            ["a", "a"]
        );
        let schema = &messages(&after)[0];
        assert!((schema.prefix.len() + schema.metadata.len()).is_multiple_of(8));
    }
}

#[test]
fn a_category_that_no_row_has_is_found() {
    let bob = matcher(&[("s.u".into(), "bob".into())]);
    let told = ["the metadata of column `s`"];
    for (listed, values, keys, places) in [
        ("3;ann3;bob", &["ann", ""][..], &[0, 0][..], &told[..]),
        ("3;ann3;bob", &["ann"], &[0], &told),
        ("3;ann3;bob", &["ann", "bob"], &[0, 1], &[]),
        ("3;ann6;bobbob", &["ann"], &[0], &[]),
        ("3;ann30;bob", &["ann"], &[0], &told),
    ] {
        let bytes = enumeration(listed, values, keys, true);
        assert_eq!(residue(&bytes, &bob), places, "{listed} {values:?}");
    }
}

/// A category that rows still have must not change, nor move.
#[test]
fn other_categories_are_proved_to_stay() {
    let bytes = enumeration("3;ann3;bob3;cyn", &["ann", "bob", "cyn"], &[0, 1, 2], true);
    let (after, _) = rewrite(&bytes, &[1], Change::Delete).unwrap();
    let proved = |after: Vec<u8>| {
        let (before, after) = (Bytes::copy_from_slice(&bytes), Bytes::from(after));
        ipc::survivors(&before, &after, &[1].into_iter().collect(), Change::Delete, &Limits::default())
    };
    assert_eq!(proved(after.clone()).unwrap().rows, 2);
    for wrong in [&b"3;ann0;3;cyx"[..], b"3;cyn0;3;ann", b"3;ann3;cyn0;"] {
        let mut forged = after.clone();
        while let Some(at) = forged.windows(wrong.len()).position(|window| window == b"3;ann0;3;cyn") {
            forged[at..at + wrong.len()].copy_from_slice(wrong);
        }
        assert!(matches!(proved(forged), Err(Error::Unfaithful(_))));
    }
}

/// Polars reads the length in front of each compressed buffer of a view column, also where no view points into it.
#[test]
fn no_data_buffer_of_views_is_left_without_bytes() {
    let views = StringViewArray::from(vec!["too long to lie in its view", "short"]);
    let batch = RecordBatch::try_from_iter([("c", Arc::new(views) as ArrayRef)]).unwrap();
    for (codec, rows) in [(Some(CompressionType::ZSTD), 1), (Some(CompressionType::LZ4_FRAME), 0), (None, 1)] {
        let stream = encode(&batch.schema(), std::slice::from_ref(&batch), false, codec, 8);
        let hits: &[u64] = if rows == 1 { &[0] } else { &[0, 1] };
        let (after, done) = rewrite(&stream, hits, Change::Delete).unwrap();
        assert_eq!((done.rows_after, read(&after)[0].num_rows()), (rows, rows as usize));
        let Header::Batch(batch) = Header::new(&messages(&after)[1], &Limits::default()).unwrap() else { panic!() };
        assert_eq!(batch.variadic, [1]);
        assert!(!batch.buffers[2].is_empty(), "{codec:?}");
    }
}
