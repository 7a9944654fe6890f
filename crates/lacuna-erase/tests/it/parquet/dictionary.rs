//! A dictionary that loses entries: what moves, and what stays where it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::FileReader;
use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use bytes::Bytes;
use lacuna_erase::Change;

use super::shape::open;
use super::survivors::survivors;
use super::{assert_same, read, rewrite, without};

/// Rows in pages of ten.
fn write(column: ArrayRef) -> Bytes {
    let is_ordered = matches!(column.data_type(), DataType::Dictionary(..));
    let field = Field::new("word", column.data_type().clone(), false);
    #[expect(deprecated, reason = "how Arrow's schema says that categories are ordered")]
    let field = if is_ordered { Field::new_dict("word", column.data_type().clone(), false, 0, true) } else { field };
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// Each data page of the only column, header and body.
fn pages(file: &Bytes) -> Vec<Bytes> {
    let open = open(file);
    let locations = open.metadata().offset_index().unwrap()[0][0].page_locations().clone();
    let range = |offset: i64, length: i32| offset as usize..offset as usize + length as usize;
    locations.iter().map(|page| file.slice(range(page.offset, page.compressed_page_size))).collect()
}

fn words(rows: impl Iterator<Item = usize>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.map(|row| format!("word-{row:02}"))))
}

#[test]
fn only_pages_that_use_the_last_entries_change_with_those_that_are_hit() {
    let file = write(words(0..60));
    let hits = BTreeSet::from([3, 17]);
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    assert_same("rows", &without(&read(&file).unwrap(), &hits), &read(&out).unwrap());
    survivors(&file, &out, &hits, Change::Delete).unwrap();
    let same: Vec<bool> = pages(&file).iter().zip(pages(&out)).map(|(old, new)| *old == new).collect();
    assert_eq!(same, [false, false, true, true, true, false]);
    assert!(!out.windows(7).any(|bytes| bytes == b"word-03" || bytes == b"word-17"));
    // Once more: what moved moves again, and the last entry leaves.
    let (again, hits) = (out, BTreeSet::from([4, 57]));
    let (out, _) = rewrite(&again, &hits, Change::Delete).unwrap();
    assert_same("rows", &without(&read(&again).unwrap(), &hits), &read(&out).unwrap());
    survivors(&again, &out, &hits, Change::Delete).unwrap();
}

#[test]
fn a_page_that_would_mean_other_values_is_found() {
    // The second half repeats the first, so every page of it refers to entries that others brought.
    let file = write(words((0..30).chain(0..30)));
    let hits = BTreeSet::from([5, 35]);
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    survivors(&file, &out, &hits, Change::Delete).unwrap();
    let same: Vec<bool> = pages(&file).iter().zip(pages(&out)).map(|(old, new)| *old == new).collect();
    assert_eq!(same, [false, true, false, false, true, false]);
    // The last entry stands where the fifth one stood; its page keeps its bytes, and the dictionary is another.
    for word in [12, 29] {
        let word = format!("word-{word:02}");
        let at = out.windows(7).position(|bytes| bytes == word.as_bytes()).unwrap();
        let corrupt = [&out[..at], b"word-99", &out[at + 7..]].concat().into();
        assert!(survivors(&file, &corrupt, &hits, Change::Delete).is_err(), "{word}");
    }
}

#[test]
fn the_order_of_categories_stays() {
    let sizes = ["small", "medium", "large", "huge"];
    let keys = Int32Array::from_iter_values((0..40).map(|row| [0, 1, 2, 3, 3][row % 5]));
    let column = DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(sizes.to_vec())));
    let file = write(Arc::new(column));
    // All rows of the second category.
    let hits: BTreeSet<u64> = (0..40).filter(|row| row % 5 == 1).collect();
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    assert_same("rows", &without(&read(&file).unwrap(), &hits), &read(&out).unwrap());
    survivors(&file, &out, &hits, Change::Delete).unwrap();
    let after = read(&out).unwrap();
    let categories = after.column(0).as_dictionary::<Int32Type>().values();
    let categories: Vec<&str> = categories.as_string::<i32>().iter().flatten().collect();
    assert_eq!(categories, ["small", "large", "huge"]);
}
