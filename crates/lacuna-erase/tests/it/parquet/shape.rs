//! What of a file must not change when rows leave it.

use std::collections::BTreeSet;

use ::parquet::basic::{LogicalType, PageType, Type};
use ::parquet::column::page::{Page, PageReader};
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use ::parquet::file::properties::ReaderProperties;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedPageReader};
use bytes::Bytes;

/// The footer and page indexes of `file`.
pub(super) fn open(file: &Bytes) -> SerializedFileReader<Bytes> {
    let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
    let options = ReadOptionsBuilder::new().with_page_index().with_reader_properties(properties).build();
    SerializedFileReader::new_with_options(file.clone(), options).unwrap()
}

/// Says that `after` is built like `before`, which has lost `hits`: a row group for each that still has rows.
pub(super) fn assert_same_shape(name: &str, before: &Bytes, after: &Bytes, hits: &BTreeSet<u64>) {
    let (old, new) = (open(before), open(after));
    let (old, new) = (old.metadata(), new.metadata());
    let (old_file, new_file) = (old.file_metadata(), new.file_metadata());
    assert_eq!(old_file.schema(), new_file.schema(), "{name}");
    assert_eq!(old_file.version(), new_file.version(), "{name}");
    assert_eq!(old_file.created_by(), new_file.created_by(), "{name}");
    assert_eq!(old_file.key_value_metadata(), new_file.key_value_metadata(), "{name}");
    assert_eq!(old_file.column_orders(), new_file.column_orders(), "{name}");

    let mut first = 0;
    let mut groups = new.row_groups().iter();
    for old_group in old.row_groups() {
        let rows = first..first + old_group.num_rows() as u64;
        let left = rows.clone().filter(|row| !hits.contains(row)).count() as i64;
        first = rows.end;
        if left == 0 && old_group.num_rows() > 0 {
            continue;
        }
        let new_group = groups.next().unwrap();
        assert_eq!(new_group.num_rows(), left, "{name}");
        assert_same_group(name, before, after, old_group, new_group);
    }
    assert!(groups.next().is_none(), "{name}");
    if !new.row_groups().is_empty() {
        assert_eq!(indexes(old), indexes(new), "{name}");
    }
}

/// Whether there is a column index and an offset index.
fn indexes(metadata: &ParquetMetaData) -> (bool, bool) {
    (metadata.column_index().is_some(), metadata.offset_index().is_some())
}

fn assert_same_group(name: &str, before: &Bytes, after: &Bytes, old: &RowGroupMetaData, new: &RowGroupMetaData) {
    assert_eq!(old.sorting_columns(), new.sorting_columns(), "{name}");
    let total: i64 = new.columns().iter().map(ColumnChunkMetaData::uncompressed_size).sum();
    let old_total: i64 = old.columns().iter().map(ColumnChunkMetaData::uncompressed_size).sum();
    assert_eq!(new.total_byte_size() - total, old.total_byte_size() - old_total, "{name}");
    for (old, new) in old.columns().iter().zip(new.columns()) {
        let name = format!("{name}: {}", old.column_path());
        assert_eq!(old.compression_codec(), new.compression_codec(), "{name}");
        assert_eq!(old.encodings().collect::<Vec<_>>(), new.encodings().collect::<Vec<_>>(), "{name}");
        assert_eq!(old.statistics().is_some(), new.statistics().is_some(), "{name}");
        assert_eq!(old.bloom_filter_offset().is_some(), new.bloom_filter_offset().is_some(), "{name}");
        assert_eq!(old.dictionary_page_offset().is_some(), new.dictionary_page_offset().is_some(), "{name}");
        // There is no column index for a page whose values are all NaN.
        let may_lose = matches!(old.column_type(), Type::FLOAT | Type::DOUBLE)
            || old.column_descr().logical_type_ref() == Some(&LogicalType::Float16);
        let indexed = (old.column_index_offset().is_some(), new.column_index_offset().is_some());
        assert!(indexed.0 == indexed.1 || (may_lose && indexed.0), "{name}");
        assert_eq!(old.offset_index_offset().is_some(), new.offset_index_offset().is_some(), "{name}");
        let (old_pages, new_pages) = (pages(before, old), pages(after, new));
        assert!(is_subsequence(&new_pages, &old_pages), "{name}: {old_pages:?} {new_pages:?}");
    }
}

/// Type and encoding of each page.
fn pages(file: &Bytes, chunk: &ColumnChunkMetaData) -> Vec<(PageType, ::parquet::basic::Encoding)> {
    let reader = SerializedPageReader::new(std::sync::Arc::new(file.clone()), chunk, usize::MAX, None);
    // Without page locations, every page's header is read.
    let Ok(mut reader) = reader else { return Vec::new() };
    let mut pages = Vec::new();
    while let Ok(Some(page)) = reader.get_next_page() {
        let page: Page = page;
        pages.push((page.page_type(), page.encoding()));
    }
    pages
}

fn is_subsequence<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|found| found == wanted))
}
