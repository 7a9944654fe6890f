//! Bounds that tell of more rows than those of their page, as some writers give them.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use ::parquet::file::page_index::column_index::ColumnIndexMetaData;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use lacuna_erase::{Change, parquet::residue};
use lacuna_scan::Limits;
use rstest::rstest;

use super::residue::matcher;
use super::survivors::survivors;
use super::{assert_same, read, rewrite, without};

const PAGE: usize = 10;
/// The row whose values are the chunks' largest.
const LARGEST: usize = 15;
const CITY: &str = "zz-secret-of-one";
const NUMBER: i64 = 0x7a_7a7a_5a5a_6b6b;

fn metadata(file: &Bytes) -> ParquetMetaData {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    reader.parse_and_finish(file).unwrap()
}

/// The upper bounds of a column's pages.
fn maxima(metadata: &ParquetMetaData, column: usize) -> Vec<Vec<u8>> {
    match &metadata.column_index().unwrap()[0][column] {
        ColumnIndexMetaData::BYTE_ARRAY(index) => index.max_values_iter().map(|max| max.unwrap().to_vec()).collect(),
        ColumnIndexMetaData::INT64(index) => index.max_values().iter().map(|max| max.to_le_bytes().to_vec()).collect(),
        other => panic!("an index of another type: {other:?}"),
    }
}

fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    let at: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(old)).collect();
    at.iter().for_each(|&at| bytes[at..at + old.len()].copy_from_slice(new));
    at.len()
}

fn write(version: WriterVersion, has_dictionary: bool, cut: Option<usize>, columns: [(&str, ArrayRef); 2]) -> Bytes {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, false))).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(has_dictionary)
        .set_encoding(::parquet::basic::Encoding::PLAIN)
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(PAGE)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_write_page_header_statistics(true)
        .set_statistics_truncate_length(cut)
        .set_column_index_truncate_length(cut)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// Forty rows in four pages: cities and numbers. Each page's upper bounds are those of the chunk.
fn file(version: WriterVersion, has_dictionary: bool, cut: Option<usize>) -> Bytes {
    let cities = (0..40).map(|row| if row == LARGEST { CITY.to_owned() } else { format!("city-of-row-{row:04}") });
    let numbers = (0..40).map(|row| if row == LARGEST { NUMBER } else { 0x1000_0000_0000 + row as i64 });
    let cities: ArrayRef = Arc::new(StringArray::from_iter_values(cities));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
    let file = write(version, has_dictionary, cut, [("city", cities), ("number", numbers)]);
    let metadata = metadata(&file);
    let mut bytes = file.to_vec();
    for (column, width) in [(0, 4 + CITY.len()), (1, 8)] {
        let maxima = maxima(&metadata, column);
        let largest = &maxima[LARGEST / PAGE];
        let body = if has_dictionary { 0 } else { PAGE * width };
        let pages = metadata.offset_index().unwrap()[0][column].page_locations();
        for (page, max) in pages.iter().zip(&maxima) {
            let start = page.offset as usize;
            let header = start..start + page.compressed_page_size as usize - body;
            assert!(replace(&mut bytes[header], max, largest) > 0, "no statistics in a page header");
        }
        let chunk = metadata.row_group(0).column(column);
        let start = chunk.column_index_offset().unwrap() as usize;
        let index = start..start + chunk.column_index_length().unwrap() as usize;
        for max in maxima.iter().collect::<BTreeSet<_>>() {
            assert!(replace(&mut bytes[index.clone()], max, largest) > 0, "no statistics in the column index");
        }
    }
    bytes.into()
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[rstest]
fn no_bound_tells_of_a_value_that_left(
    #[values(WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0)] version: WriterVersion,
    #[values(true, false)] has_dictionary: bool,
    #[values(None, Some(12))] cut: Option<usize>,
    // In one page; in the next as well, which never held the largest value; a whole page with it.
    #[values(vec![15], vec![15, 25], (10..20).collect())] hits: Vec<u64>,
) {
    let file = file(version, has_dictionary, cut);
    let hits: BTreeSet<u64> = hits.into_iter().collect();
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();

    assert!(!holds(&out, &CITY.as_bytes()[..10]), "the city stays");
    assert!(!holds(&out, &NUMBER.to_le_bytes()), "the number stays");
    assert_eq!(residue(&out, &matcher("city", CITY), &Limits::default()).unwrap(), []);
    let rows = without(&read(&file).unwrap(), &hits);
    assert_same("the rows that stay", &rows, &read(&out).unwrap());
    survivors(&file, &out, &hits, Change::Delete).unwrap();
    // Each page has its own bounds now.
    let metadata = metadata(&out);
    let mut last = (0..4).map(|page| (0..10).map(|row| page * 10 + row).rfind(|row| !hits.contains(row)));
    let numbers: Vec<Vec<u8>> =
        last.by_ref().flatten().map(|row| (0x1000_0000_0000 + row as i64).to_le_bytes().to_vec()).collect();
    assert_eq!(maxima(&metadata, 1), numbers);
}

/// The bytes of these pages of a column.
fn pages<const N: usize>(file: &Bytes, column: usize, pages: [usize; N]) -> [Bytes; N] {
    let locations = metadata(file).offset_index().unwrap()[0][column].page_locations().clone();
    pages.map(|page| {
        let start = locations[page].offset as usize;
        file.slice(start..start + locations[page].compressed_page_size as usize)
    })
}

#[test]
fn bounds_of_another_rows_value_stay() {
    // The row with the largest values stays: pages are as loose as they were, and the untouched ones are the same bytes.
    let file = file(WriterVersion::PARQUET_1_0, false, None);
    let (out, _) = rewrite(&file, &BTreeSet::from([25]), Change::Delete).unwrap();
    for column in 0..2 {
        assert_eq!(maxima(&metadata(&file), column), maxima(&metadata(&out), column));
        assert_eq!(pages(&file, column, [0, 1, 3]), pages(&out, column, [0, 1, 3]));
    }
}

#[test]
fn pages_with_the_same_values_stay_the_same_bytes() {
    let words: ArrayRef = Arc::new(StringArray::from_iter_values((0..40).map(|row| format!("word-{}", row % 4))));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..40).map(|row| row % 4)));
    let file = write(WriterVersion::PARQUET_1_0, false, None, [("city", words), ("number", numbers)]);
    let (out, _) = rewrite(&file, &BTreeSet::from([12, 15]), Change::Delete).unwrap();
    for column in 0..2 {
        assert_eq!(maxima(&metadata(&file), column), maxima(&metadata(&out), column));
        assert_eq!(pages(&file, column, [0, 2, 3]), pages(&out, column, [0, 2, 3]));
    }
}
