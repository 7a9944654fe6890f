//! Tombstones: laid out as the Iceberg specification says, and never read as hiding less than they do.

mod deletion_vector;
mod path;
mod puffin;
mod whole;

use lacuna_erase::Error;
use lacuna_erase::tombstone::Fault;
use roaring::RoaringTreemap;

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tombstones").join(name);
    std::fs::read(path).unwrap()
}

fn rows(rows: impl IntoIterator<Item = u64>) -> RoaringTreemap {
    rows.into_iter().collect()
}

/// What is wrong, in the words that a person reads.
fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Tombstone(fault)) => fault.to_string(),
        other => panic!("{other:?}"),
    }
}

fn is_vector_fault<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Tombstone(Fault::Vector(_) | Fault::Bitmap(_) | Fault::NoSuchRow { .. })))
}
