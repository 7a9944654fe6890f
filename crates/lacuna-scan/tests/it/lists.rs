//! Lists that go on in another page, as some writers let them do.

use std::sync::Arc;

use bytes::Bytes;
use parquet::data_type::Int32Type;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A column `v` of lists of numbers, a page for each two of these, in which the first number of a page begins a row or goes on with
/// the one before, and all others begin one. Also where its pages are, and which rows begin in them.
pub fn pages_of_lists(pages: &[(bool, [i32; 2])], created_by: &str) -> (Bytes, ParquetMetaData) {
    let schema = Arc::new(parse_message_type("message m { repeated int32 v; }").unwrap());
    let properties = WriterProperties::builder()
        .set_created_by(created_by.to_owned())
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(2)
        .set_write_batch_size(2);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    for (_, numbers) in pages {
        column.typed::<Int32Type>().write_batch(numbers, Some(&[1, 1]), Some(&[0, 0])).unwrap();
    }
    column.close().unwrap();
    group.close().unwrap();
    let mut file = file.into_inner().unwrap();
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    reader.try_parse(&Bytes::from(file.clone())).unwrap();
    let metadata = reader.finish().unwrap();
    let (mut first_row, mut index) = (0, metadata.offset_index().unwrap()[0][0].clone());
    assert_eq!(index.page_locations.len(), pages.len());
    for (page, (begins, _)) in index.page_locations.iter_mut().zip(pages) {
        page.first_row_index = first_row;
        first_row += 2;
        if !begins {
            // A page ends with its repetition levels, its definition levels, each of two bytes behind their length, and the numbers.
            let end = usize::try_from(page.offset + i64::from(page.compressed_page_size)).unwrap();
            let levels = end - 2 * 4 - 6;
            file[levels - 2..levels].copy_from_slice(&[3, 1]);
            first_row -= 1;
        }
    }
    let group = metadata.row_group(0).clone().into_builder().set_num_rows(first_row).build().unwrap();
    let metadata = metadata.into_builder().set_row_groups(vec![group]).set_offset_index(Some(vec![vec![index]]));
    (file.into(), metadata.build())
}
