//! Numbers that are kept as differences.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::basic::Encoding;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use bytes::Bytes;
use lacuna_erase::Change;
use rstest::rstest;

use super::survivors::survivors;
use super::{read, rewrite};

/// A column of 32-bit numbers as differences, which are reckoned with 64 bits, as DuckDB does it, or with 32.
fn differences(numbers: &[u32], with_64: bool) -> Bytes {
    let column: ArrayRef = match with_64 {
        true => Arc::new(Int64Array::from_iter_values(numbers.iter().map(|&number| number.into()))),
        false => Arc::new(Int32Array::from_iter_values(numbers.iter().map(|&number| number.cast_signed()))),
    };
    let batch = RecordBatch::try_from_iter([("number", column)]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    let mut file = writer.into_inner().unwrap();
    if with_64 {
        // The type of the column: in the schema, before whether it is required, and in the chunk's metadata, before the encodings.
        for behind in [0x25, 0x19] {
            let at = file.windows(3).rposition(|window| window == [0x15, 4, behind]).unwrap();
            file[at + 1] = 2;
        }
    }
    file.into()
}

#[rstest]
fn numbers_of_32_bits_stay_whatever_their_differences_were_reckoned_with(#[values(true, false)] with_64: bool) {
    let numbers: Vec<u32> = [3_000_000_000, 7, u32::MAX, 0, 1 << 31].into_iter().cycle().take(1500).collect();
    let file = differences(&numbers, with_64);
    let hits: BTreeSet<u64> = (0..1500).step_by(7).collect();
    let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
    survivors(&file, &out, &hits, Change::Delete).unwrap();
    let stays = (0..1500).filter(|row| !hits.contains(row)).map(|row| numbers[row as usize].cast_signed());
    let expected: ArrayRef = Arc::new(Int32Array::from_iter_values(stays));
    assert_eq!(read(&out).unwrap().column(0), &expected);
}
