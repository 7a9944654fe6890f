//! A dictionary that loses entries: what moves, and what stays where it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::basic::Compression;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::FileReader;
use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use bytes::Bytes;
use lacuna_erase::{Change, parquet};
use lacuna_scan::{Limits, Matcher};
use rstest::rstest;

use super::residue::matcher;
use super::shape::open;
use super::survivors::survivors;
use super::{assert_same, read, rewrite, without};

/// Rows in pages of ten.
fn write(column: ArrayRef) -> Bytes {
    in_groups(&[column])
}

/// The same, each array as a row group.
fn in_groups(columns: &[ArrayRef]) -> Bytes {
    written(columns, None, None)
}

/// The same, with what pandas says of the column, or as this writer writes it who leaves Arrow's schema out.
fn written(columns: &[ArrayRef], pandas: Option<&str>, writer: Option<&str>) -> Bytes {
    let (of, is_nullable) = (columns[0].data_type().clone(), columns[0].is_nullable());
    #[expect(deprecated, reason = "how Arrow's schema says that categories are ordered")]
    let field = match of {
        DataType::Dictionary(..) => Field::new_dict("word", of, is_nullable, 0, true),
        _ => Field::new("word", of, is_nullable),
    };
    let schema = Arc::new(Schema::new(vec![field]));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10);
    if let Some(writer) = writer {
        properties = properties.set_created_by(writer.to_owned());
    }
    let options =
        ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(writer.is_some());
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options).unwrap();
    if let Some(pandas) = pandas {
        writer.append_key_value_metadata(KeyValue::new("pandas".to_owned(), pandas.to_owned()));
    }
    for column in columns {
        writer.write(&RecordBatch::try_new(schema.clone(), vec![column.clone()]).unwrap()).unwrap();
        writer.flush().unwrap();
    }
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
fn other_pages_are_not_looked_at_once_every_value_that_left_is_somebody_elses() {
    // Each page has five words twice, and then five others once.
    let file = write(words((0..20).map(|row| row % 5).chain((5..15).cycle().take(40))));
    // The bit width of the indices in the last page makes no sense any more.
    let last = pages(&file).pop().unwrap();
    let page = file.windows(last.len()).rposition(|bytes| bytes == last).unwrap();
    let width = page + last.len() - 1 - 1 - 2 * 4;
    assert_eq!(file[width], 4);
    let damaged: Bytes = [&file[..width], &[0xff], &file[width + 1..]].concat().into();
    // The smallest word stays the smallest.
    for row in [0, 3, 14] {
        let hits = BTreeSet::from([row]);
        let (whole, _) = rewrite(&file, &hits, Change::Delete).unwrap();
        let (out, _) = rewrite(&damaged, &hits, Change::Delete).unwrap();
        assert_eq!(pages(&out)[..5], pages(&whole)[..5], "{row}");
        assert_eq!(
            open(&out).metadata().row_group(0).column(0).statistics(),
            open(&file).metadata().row_group(0).column(0).statistics()
        );
    }
    // A value of the last pages may be used in each of them.
    assert!(rewrite(&damaged, &BTreeSet::from([22]), Change::Delete).is_ok());
    let rare = write(words((0..60).map(|row| if row == 25 { 99 } else { row % 5 })));
    let (out, _) = rewrite(&rare, &BTreeSet::from([25]), Change::Delete).unwrap();
    assert!(!holds(&out, "word-99"));
}

#[rstest]
fn nothing_is_left_where_no_row_has_a_value_any_more(#[values(true, false)] is_category: bool) {
    let word = "a word that only one row has";
    let rows = [Some(word), None, Some(word), None, None];
    let column: ArrayRef = match is_category {
        true => Arc::new(rows.into_iter().collect::<DictionaryArray<Int32Type>>()),
        false => Arc::new(StringArray::from_iter(rows)),
    };
    let file = write(column);
    let hits = BTreeSet::from([0, 2]);
    assert!(holds(&file, word));
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    survivors(&file, &out, &hits, Change::Delete).unwrap();
    assert_same("rows", &without(&read(&file).unwrap(), &hits), &read(&out).unwrap());
    assert!(!holds(&out, word));
    let emptied = ["word".parse().unwrap()];
    let (out, _) = rewrite(&file, &hits, Change::Anonymize(&emptied)).unwrap();
    survivors(&file, &out, &hits, Change::Anonymize(&emptied)).unwrap();
    assert_eq!(read(&out).unwrap().column(0).null_count(), 5);
    assert!(!holds(&out, word));
}

fn holds(file: &Bytes, word: &str) -> bool {
    file.windows(word.len()).any(|bytes| bytes == word.as_bytes())
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

/// The categories of each row group.
fn categories(file: &Bytes) -> Vec<Vec<String>> {
    let builder = || ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let of_group = |group: usize| {
        let rows = builder().with_row_groups(vec![group]).build().unwrap().next().unwrap().unwrap();
        let values = rows.column(0).as_dictionary::<Int32Type>().values().clone();
        values.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
    };
    (0..builder().metadata().num_row_groups()).map(of_group).collect()
}

#[test]
fn a_category_leaves_all_row_groups_or_none() {
    let sizes = ["small", "medium", "large", "secret"];
    let group = |keys: &[i32]| -> ArrayRef {
        let values = Arc::new(StringArray::from(sizes.to_vec()));
        Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(keys.to_vec()), values))
    };
    let file = in_groups(&[group(&[0, 1, 2, 3]), group(&[0, 1, 2]), group(&[0, 1, 2])]);
    let check = |file: &Bytes, hits: &[u64], left: [&[&str]; 3]| -> Bytes {
        let hits = hits.iter().copied().collect();
        let (out, _) = rewrite(file, &hits, Change::Delete).unwrap();
        survivors(file, &out, &hits, Change::Delete).unwrap();
        assert_same("rows", &without(&read(file).unwrap(), &hits), &read(&out).unwrap());
        assert_eq!(categories(&out), left, "{hits:?}");
        assert!(sizes.iter().all(|size| holds(&out, size) == left.concat().contains(size)), "{hits:?}");
        out
    };
    let some = &sizes[..3];
    check(&file, &[3], [some; 3]);
    check(&file, &[1, 5, 8], [&["small", "large", "secret"], &["small", "large"], &["small", "large"]]);
    // The only medium one of its row group; others have some.
    let out = check(&file, &[1], [&sizes, some, some]);
    // These were the others, and the first row group, which has no medium one any more, keeps all its rows.
    check(&out, &[4, 7], [&["small", "large", "secret"], &["small", "large"], &["small", "large"]]);
}

/// Who calls a column's values categories.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Categories {
    Arrow,
    Pandas,
    /// Nobody; this writer makes some without saying so.
    Silent(&'static str),
    Nobody,
}

/// Two row groups of eight rows, Ann's and Bob's in turn; in the second one Bob's are made Ann's, and what is said of it stays: as writers
/// of categories do it, who give each row group all of them.
fn haunted(of: Categories) -> Bytes {
    let names = StringArray::from(vec!["ann", "bob"]);
    let keys = Int32Array::from_iter_values([0, 1].into_iter().cycle().take(8));
    let words: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(names)));
    let texts = || arrow::compute::cast(&words, &DataType::Utf8).unwrap();
    let words = if of == Categories::Arrow { words.clone() } else { texts() };
    let pandas = r#"{"columns": [{"name": "word", "pandas_type": "categorical"}]}"#;
    let pandas = (of == Categories::Pandas).then_some(pandas);
    let writer = if let Categories::Silent(writer) = of { Some(writer) } else { None };
    let mut bytes = written(&[words.clone(), words], pandas, writer).to_vec();
    // The indices of a row group are one byte of bits: a run of one group, 0 and 1 in turn.
    let at = bytes.windows(3).rposition(|window| window == [1, 0b11, 0b1010_1010]).unwrap();
    bytes[at + 2] = 0;
    bytes.into()
}

#[rstest]
fn categories_without_rows_leave_every_row_group(
    #[values(
        Categories::Arrow,
        Categories::Pandas,
        Categories::Silent("parquet-cpp-arrow version 26.0.1"),
        Categories::Silent("parquet-cpp version 1.5.1-SNAPSHOT"),
        Categories::Nobody
    )]
    of: Categories,
) {
    let file = haunted(of);
    let hits = BTreeSet::from([1, 3, 5, 7]);
    let bob = matcher("word", "bob");
    let places = |file: &Bytes| -> Vec<String> {
        let residue = parquet::residue(file, &bob, &Limits::default()).unwrap();
        residue.into_iter().map(|residue| residue.place.rsplit_once(": ").unwrap().1.to_owned()).collect()
    };
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    // Of what is not called a category, other row groups are looked at only where that is asked for.
    let left = if of == Categories::Nobody { &["column index", "dictionary", "statistics"][..] } else { &[] };
    assert_eq!(places(&out), left);

    let sweep = |file: &Bytes, hits: &BTreeSet<u64>, unwanted: &Matcher| -> Bytes {
        let (hits, mut out) = (hits.iter().collect(), Vec::new());
        parquet::rewrite(file, &hits, Change::Delete, &[unwanted], &Limits::default(), &mut out).unwrap();
        out.into()
    };
    let swept = sweep(&file, &hits, &bob);
    assert!(places(&swept).is_empty() && !swept.windows(3).any(|bytes| bytes == b"bob"));
    assert_same("rows", &without(&read(&file).unwrap(), &hits), &read(&swept).unwrap());
    survivors(&file, &swept, &hits, Change::Delete).unwrap();
    // What rows have stays.
    assert_eq!(sweep(&file, &BTreeSet::new(), &matcher("word", "ann")), file);
    assert_eq!(sweep(&swept, &BTreeSet::new(), &bob), swept);
    // The proof notices when another category goes.
    let at = swept.windows(7).rposition(|bytes| bytes == b"\x03\0\0\0ann").unwrap();
    let corrupt = [&swept[..at + 4], b"eve", &swept[at + 7..]].concat().into();
    assert!(survivors(&file, &corrupt, &hits, Change::Delete).is_err());
}

#[test]
fn values_that_arrow_does_not_call_categories_leave_only_with_their_rows() {
    // Of the second row group's names no row has Bob's, so that he is in the file as long as the first or the third one has him.
    let [first, second, third] = [&["ann", "bob", "bob"][..], &["ann", "bob"], &["bob", "cleo"]].map(|names| {
        let names: ArrayRef = Arc::new(StringArray::from(names.to_vec()));
        names
    });
    let mut bytes = written(&[first, second, third], None, Some("parquet-cpp-arrow version 26.0.1")).to_vec();
    let at: Vec<usize> = (0..bytes.len() - 2).filter(|&at| bytes[at..at + 3] == [1, 0b11, 0b10]).collect();
    bytes[at[0] + 2] = 0;
    let file = bytes.into();
    let check = |hits: &[u64], bobs: usize| {
        let hits = hits.iter().copied().collect();
        let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
        survivors(&file, &out, &hits, Change::Delete).unwrap();
        assert_same("rows", &without(&read(&file).unwrap(), &hits), &read(&out).unwrap());
        assert_eq!(out.windows(7).filter(|bytes| bytes == b"\x03\0\0\0bob").count(), bobs, "{hits:?}");
    };
    // All three dictionaries have him; one whose rows do not any more loses him, too.
    check(&[1], 3);
    check(&[1, 2], 2);
    check(&[5], 2);
    check(&[1, 2, 5], 0);
}

#[test]
fn fastparquet_finds_the_indices_of_a_page_in_one_run() {
    // Stretches of one value and of different ones, which make runs of both kinds, and more than other writers pack in one.
    let rows = || (0..3000_usize).map(|row| if row % 1000 < 100 { 7 } else { row * 13 % 90 });
    let write = |writer| {
        let column = words(rows());
        let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).set_created_by(writer);
        let schema = Arc::new(Schema::new(vec![Field::new("word", DataType::Utf8, false)]));
        let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties.build())).unwrap();
        writer.write(&RecordBatch::try_new(schema, vec![column]).unwrap()).unwrap();
        Bytes::from(writer.into_inner().unwrap())
    };
    let is_one_run = |file: &Bytes| {
        let [page] = &pages(file)[..] else { panic!("more than one page") };
        // Width, and as many groups of eight as hold 2,999 values.
        let packed = 375 * 8;
        page[page.len().saturating_sub(3 + packed)..].starts_with(&[8, 0b1110_1111, 0b101])
    };
    let hits = BTreeSet::from([1500]);
    for (writer, wanted) in
        [("fastparquet-python version 2026.5.0 (build 0)", true), ("parquet-mr version 1.16.0", false)]
    {
        let file = write(writer.to_owned());
        let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
        assert_eq!((is_one_run(&file), is_one_run(&out)), (false, wanted), "{writer}");
        assert_same(writer, &without(&read(&file).unwrap(), &hits), &read(&out).unwrap());
        survivors(&file, &out, &hits, Change::Delete).unwrap();
    }
}
