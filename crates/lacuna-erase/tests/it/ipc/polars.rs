//! Files by Polars.

use arrow::array::{AsArray as _, RecordBatch};
use lacuna_erase::Change;
use lacuna_scan::ColumnPath;

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
