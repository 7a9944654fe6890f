//! Data pages without an entry, as PyArrow writes them.

use std::collections::BTreeSet;
use std::path::Path;

use ::parquet::file::reader::FileReader;
use bytes::Bytes;
use lacuna_erase::Change;
use rstest::rstest;

use super::shape::{assert_same_shape, open};
use super::survivors::survivors;
use super::{assert_same, read, rewrite, without};

/// How many values each data page of the lists has.
fn pages(file: &Bytes) -> Vec<u32> {
    let open = open(file);
    let group = open.get_row_group(0).unwrap();
    let pages = group.get_column_page_reader(1).unwrap();
    pages.map(|page| page.unwrap()).filter(|page| page.is_data_page()).map(|page| page.num_values()).collect()
}

#[rstest]
fn an_empty_page_leaves_with_the_pages_around_it(#[values("v1", "v2")] version: &str) {
    let name = format!("../../fixtures/parquet/pyarrow-empty-page.{version}.parquet");
    let file: Bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap().into();
    assert_eq!(pages(&file), [3, 0, 1]);
    for (hits, left) in [(&[0, 1][..], &[1][..]), (&[2], &[3]), (&[0], &[2, 0, 1])] {
        let hits: BTreeSet<u64> = hits.iter().copied().collect();
        let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
        assert_eq!(pages(&out), left, "{hits:?}");
        assert_same("rows", &without(&read(&file).unwrap(), &hits), &read(&out).unwrap());
        assert_same_shape("shape", &file, &out, &hits);
        survivors(&file, &out, &hits, Change::Delete).unwrap();
    }
}
