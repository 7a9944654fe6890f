//! Dictionary entries that only erased rows used go; all others stay where they are.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray,
    StringViewArray,
};
use arrow::datatypes::{Float64Type, Int8Type, Int64Type};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::util::display::array_value_to_string;
use lacuna_erase::{Change, Error};
use lacuna_scan::ColumnPath;

use super::tables::encode;
use super::{holds, pick, read, rewrite};

fn keys(keys: &[Option<i8>], values: &[&str]) -> ArrayRef {
    let values = Arc::new(StringArray::from(values.to_vec()));
    Arc::new(DictionaryArray::<Int8Type>::new(Int8Array::from(keys.to_vec()), values))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// The values of the dictionary of a column.
fn entries(batch: &RecordBatch, column: &str) -> Vec<String> {
    let values = batch.column_by_name(column).unwrap().as_any_dictionary().values();
    values.as_string::<i32>().iter().map(|value| value.unwrap_or("null").to_owned()).collect()
}

#[test]
fn an_entry_without_rows_goes_and_copied_batches_stay_valid() {
    let everybody = ["ann", "bob@contoso.example", "cyn", "unused"];
    let one = batch(vec![
        ("user", keys(&[Some(0), Some(1), None], &everybody)),
        ("app", keys(&[Some(0); 3], &["mail", "web"])),
    ]);
    let two =
        batch(vec![("user", keys(&[Some(2), Some(0)], &everybody)), ("app", keys(&[Some(0); 2], &["mail", "web"]))]);
    for codec in [None, Some(CompressionType::ZSTD)] {
        let bytes = encode(&one.schema(), &[one.clone(), two.clone()], true, codec, 64);
        let (out, _) = rewrite(&bytes, &[1], Change::Delete).unwrap();
        let left = read(&out);
        assert_eq!(left, [pick(&one, &[0, 2]), two.clone()]);
        assert_eq!(entries(&left[0], "user"), ["ann", "", "cyn", "~1"]);
        assert_eq!(entries(&left[0], "app"), ["mail", "web"], "a dictionary that loses nothing stays as it is");
        assert!(!holds(&out, b"bob@contoso.example"));
    }
}

#[test]
fn an_entry_that_another_row_or_column_uses_stays() {
    let users = ["ann", "bob"];
    let one = batch(vec![("user", keys(&[Some(1), Some(0)], &users))]);
    let two = batch(vec![("user", keys(&[Some(1)], &users))]);
    let bytes = encode(&one.schema(), &[one.clone(), two.clone()], false, None, 8);
    let (out, _) = rewrite(&bytes, &[0], Change::Delete).unwrap();
    assert_eq!(entries(&read(&out)[0], "user"), users);
}

#[test]
fn additions_and_replacements_are_looked_at_each() {
    let batches = [
        batch(vec![("user", keys(&[Some(0)], &["ann"]))]),
        batch(vec![("user", keys(&[Some(0), Some(1)], &["ann", "bob@contoso.example"]))]),
        batch(vec![("user", keys(&[Some(2)], &["ann", "bob@contoso.example", "cyn"]))]),
        batch(vec![("user", keys(&[Some(0), Some(1)], &["dan", "bob@contoso.example"]))]),
        batch(vec![("user", keys(&[Some(0)], &["bob@contoso.example"]))]),
    ];
    let bytes = encode(&batches[0].schema(), &batches, false, None, 8);
    let (out, _) = rewrite(&bytes, &[2, 5, 6], Change::Delete).unwrap();
    assert!(!holds(&out, b"bob@contoso.example"));
    let left = read(&out);
    assert_eq!(left.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 1, 1, 1, 0]);
    assert_eq!(left[2], batches[2]);
    assert_eq!(entries(&left[2], "user"), ["ann", "", "cyn"]);
    assert_eq!(entries(&left[3], "user"), ["dan", ""]);
    let reader = StreamReader::try_new(Cursor::new(&out), None).unwrap();
    assert_eq!(reader.schema(), batches[0].schema());
}

#[test]
fn numbers_take_the_smallest_that_are_free() {
    let values = Arc::new(Int64Array::from(vec![0, 77, 1, 88]));
    let array = DictionaryArray::<Int8Type>::new(Int8Array::from(vec![0, 1, 2, 3]), values);
    let one = batch(vec![("user", Arc::new(array))]);
    let bytes = encode(&one.schema(), std::slice::from_ref(&one), true, None, 8);
    let (out, _) = rewrite(&bytes, &[0, 1], Change::Delete).unwrap();
    let left = read(&out);
    let values = left[0].column(0).as_any_dictionary().values().as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(values, [2, 3, 1, 88]);
}

#[test]
fn anonymous_rows_of_a_dictionary() {
    let path: [ColumnPath; 1] = ["user".parse().unwrap()];
    let users = keys(&[Some(0), Some(1), Some(0)], &["ann", "bob@contoso.example"]);
    let nullable = batch(vec![("user", users.clone())]);
    let bytes = encode(&nullable.schema(), std::slice::from_ref(&nullable), true, None, 8);
    let (out, _) = rewrite(&bytes, &[1], Change::Anonymize(&path)).unwrap();
    assert!(read(&out)[0].column(0).is_null(1));
    assert!(!holds(&out, b"bob@contoso.example"));

    let fixed = RecordBatch::try_from_iter_with_nullable([("user", users, false)]).unwrap();
    let bytes = encode(&fixed.schema(), std::slice::from_ref(&fixed), true, None, 8);
    let (out, _) = rewrite(&bytes, &[1], Change::Anonymize(&path)).unwrap();
    let left = read(&out);
    let texts = left[0].column(0).as_dictionary::<Int8Type>().downcast_dict::<StringArray>().unwrap();
    assert_eq!(texts.into_iter().collect::<Vec<_>>(), [Some("ann"), Some(""), Some("ann")]);
    assert!(!holds(&out, b"bob@contoso.example"));
}

#[test]
fn an_empty_entry_is_added_where_none_can_be_emptied() {
    let path: [ColumnPath; 1] = ["user".parse().unwrap()];
    let fixed = |users: ArrayRef| RecordBatch::try_from_iter_with_nullable([("user", users, false)]).unwrap();
    let of = |values: ArrayRef| {
        let keys = Int8Array::from(vec![0, 1, 0]);
        Arc::new(DictionaryArray::<Int8Type>::new(keys, values)) as ArrayRef
    };
    let texts = Arc::new(StringArray::from(vec!["ann", "bob"]));
    let views = Arc::new(StringViewArray::from(vec!["ann", "bob@contoso.example"]));
    let numbers = Arc::new(Int64Array::from(vec![7, 8]));
    // One that no row points to.
    let unused = Arc::new(StringArray::from(vec!["ann", "bob", ""]));
    for (users, shown) in [(of(texts), ""), (of(views), ""), (of(numbers), "0"), (of(unused), "")] {
        let one = fixed(users);
        for (is_file, codec) in [(true, None), (false, Some(CompressionType::ZSTD))] {
            let bytes = encode(&one.schema(), std::slice::from_ref(&one), is_file, codec, 8);
            // The entry of the first row belongs to the third as well.
            let (out, _) = rewrite(&bytes, &[0], Change::Anonymize(&path)).unwrap();
            let left = read(&out);
            assert_eq!(left[0].slice(1, 2), one.slice(1, 2));
            assert_eq!(array_value_to_string(left[0].column(0), 0).unwrap(), shown);
            assert_eq!(left[0].column(0).as_any_dictionary().values().len(), 3);
        }
    }
    // Their type has no key for one more.
    let everybody: Vec<String> = (0..128).map(|user| format!("user-{user}")).collect();
    let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
    let one = fixed(keys(&[Some(0), Some(0)], &everybody));
    let bytes = encode(&one.schema(), std::slice::from_ref(&one), true, None, 8);
    assert!(matches!(rewrite(&bytes, &[0], Change::Anonymize(&path)), Err(Error::Unfaithful(_))));
}

#[test]
fn an_entry_that_a_stream_gives_behind_the_rows_is_not_pointed_to() {
    let path: [ColumnPath; 1] = ["user".parse().unwrap()];
    let fixed = |users: ArrayRef| RecordBatch::try_from_iter_with_nullable([("user", users, false)]).unwrap();
    let batches =
        [fixed(keys(&[Some(0), Some(0)], &["ann"])), fixed(keys(&[Some(0), Some(1), Some(1)], &["ann", "bob"]))];
    let bytes = encode(&batches[0].schema(), &batches, false, None, 8);
    assert!(matches!(rewrite(&bytes, &[0], Change::Anonymize(&path)), Err(Error::Unfaithful(_))));
    let (out, _) = rewrite(&bytes, &[3], Change::Anonymize(&path)).unwrap();
    assert_eq!(entries(&read(&out)[1], "user"), ["ann", "bob", ""]);
}

#[test]
fn a_float_goes_and_no_zero_takes_its_place() {
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![12_345.0, -0.0, 7.0, f64::NAN]));
    let column = |keys: &[Option<i8>]| {
        let keys = Int8Array::from(keys.to_vec());
        Arc::new(DictionaryArray::<Int8Type>::new(keys, floats.clone())) as ArrayRef
    };
    let one = batch(vec![("user", column(&[Some(0), Some(1), Some(2), Some(3)]))]);
    for (row, identifier) in [(0, "12345"), (1, "0")] {
        let bytes = encode(&one.schema(), std::slice::from_ref(&one), true, None, 8);
        let matcher = super::matcher(&[("user".into(), identifier.into())]);
        let (out, _) = super::rewrite_for(&bytes, &[row], Change::Delete, &matcher).unwrap();
        let left = read(&out);
        let values = left[0].column(0).as_any_dictionary().values().clone();
        let values = values.as_primitive::<Float64Type>().values().to_vec();
        let is_theirs = |float: &&f64| **float == identifier.parse::<f64>().unwrap();
        assert_eq!(values.iter().filter(is_theirs).count(), 0, "{identifier}: {values:?}");
        let places =
            lacuna_erase::ipc::residue(&bytes::Bytes::from(out), &matcher, &lacuna_scan::Limits::default()).unwrap();
        assert_eq!(places, []);
    }
}
