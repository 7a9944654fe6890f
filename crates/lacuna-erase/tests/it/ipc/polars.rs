//! Files by Polars, and what Polars reads.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringViewArray};
use arrow::ipc::CompressionType;
use lacuna_erase::Change;
use lacuna_scan::ipc::message::Header;
use lacuna_scan::{ColumnPath, Limits};

use super::tables::encode;
use super::{messages, read, rewrite};

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/arrow").join(name);
    std::fs::read(path).unwrap()
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
