//! The Parquet project's conformance files, when `LACUNA_REAL_LOGS` says where they are.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use lacuna_erase::{Change, Error};
use lacuna_scan::Error as ScanError;

use super::shape::assert_same_shape;
use super::{assert_same, read, rewrite, without};

/// Files that the independent reader does not read, and what taking their first row out ends in.
const UNREADABLE: [(&str, Outcome); 5] = [
    ("datapage_v1-corrupt-checksum.parquet", Outcome::Malformed),
    ("rle-dict-uncompressed-corrupt-checksum.parquet", Outcome::Malformed),
    // A page of 2 GiB.
    ("large_string_map.brotli.parquet", Outcome::Limit),
    // The reader knows no level histograms of 16 bits.
    ("dict-page-offset-zero.parquet", Outcome::Done),
    // Its chunks are longer than their metadata say.
    ("nation.dict-malformed.parquet", Outcome::Done),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Done,
    Malformed,
    Limit,
}

/// The Parquet files in a folder of `parquet-testing`, by name.
fn files(folder: &str) -> Vec<(String, Bytes)> {
    let Some(root) = std::env::var_os("LACUNA_REAL_LOGS") else {
        eprintln!("LACUNA_REAL_LOGS is not set: the Parquet project's files are not tested");
        return Vec::new();
    };
    let folder = PathBuf::from(root).join("parquet-testing").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.to_string_lossy().ends_with(".json"))
        .filter(|path| path.to_string_lossy().contains(".parquet"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap().into()))
        .collect();
    files.sort();
    files
}

fn plain_files() -> impl Iterator<Item = (String, Bytes)> {
    files("data").into_iter().filter(|(name, _)| !name.ends_with(".encrypted"))
}

fn is_unreadable(name: &str) -> bool {
    UNREADABLE.iter().any(|(unreadable, _)| *unreadable == name)
}

#[test]
fn without_a_match_every_part_stays_the_same_bytes() {
    for (name, file) in plain_files() {
        let (out, done) = rewrite(&file, &BTreeSet::new(), Change::Delete).unwrap();
        assert_eq!(done.rows_before, done.rows_after, "{name}");
        let (before, after) = (SerializedFileReader::new(file.clone()), SerializedFileReader::new(out.clone()));
        let (before, after) = match (before, after) {
            (Err(_), _) if is_unreadable(&name) => continue,
            (before, after) => (before.unwrap(), after.unwrap()),
        };
        for (a, b) in before.metadata().row_groups().iter().zip(after.metadata().row_groups()) {
            for (a, b) in a.columns().iter().zip(b.columns()) {
                let bytes =
                    |file: &Bytes, (start, length): (u64, u64)| file.slice(start as usize..(start + length) as usize);
                assert_eq!(bytes(&file, a.byte_range()), bytes(&out, b.byte_range()), "{name}");
                assert_eq!(format!("{:?}", a.statistics()), format!("{:?}", b.statistics()), "{name}");
            }
        }
        if !is_unreadable(&name) {
            assert_same(&name, &read(&file).unwrap(), &read(&out).unwrap());
            assert_same_shape(&name, &file, &out, &BTreeSet::new());
        }
    }
}

#[test]
fn with_matches_the_other_rows_stay() {
    for (name, file) in plain_files().filter(|(name, _)| !is_unreadable(name)) {
        let rows = read(&file).unwrap();
        let count = rows.num_rows() as u64;
        let choices: [BTreeSet<u64>; 5] = [
            (0..count.min(1)).collect(),
            (count.saturating_sub(1)..count).collect(),
            (0..count).step_by(3).collect(),
            (0..count).filter(|row| row % 2 == 1).collect(),
            (0..count).collect(),
        ];
        for hits in choices {
            let (out, done) = rewrite(&file, &hits, Change::Delete).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            if count > 0 {
                assert_eq!(done.rows_after, count - hits.len() as u64, "{name}");
            }
            assert_same(&name, &without(&rows, &hits), &read(&out).unwrap_or_else(|error| panic!("{name}: {error}")));
            if count > 0 {
                assert_same_shape(&name, &file, &out, &hits);
            }
        }
    }
}

/// Chunks whose metadata leave the header of the dictionary page out must not lose their last bytes.
#[test]
fn chunks_that_are_longer_than_noted_stay_whole() {
    let Some((_, file)) = plain_files().find(|(name, _)| name == "nation.dict-malformed.parquet") else { return };
    let last = |file: &Bytes| file.windows(17).any(|window| window == b"y final packages.");
    assert!(last(&file));
    let (out, _) = rewrite(&file, &BTreeSet::new(), Change::Delete).unwrap();
    assert_eq!(out, file);
    let (out, done) = rewrite(&file, &BTreeSet::from([3, 24]), Change::Delete).unwrap();
    assert_eq!(done.rows_after, 23);
    // What was changed is noted right, so that the reader gets through.
    let rows = read(&out).unwrap();
    let keys = rows.column(0).as_primitive::<Int32Type>().values().to_vec();
    assert_eq!(keys, (0..24).filter(|key| *key != 3).collect::<Vec<_>>());
    let names = rows.column(1).as_binary::<i32>();
    assert_eq!((names.value(0), names.value(22)), (&b"ALGERIA"[..], &b"UNITED KINGDOM"[..]));
}

#[test]
fn damaged_pages_are_refused() {
    for (name, file) in plain_files() {
        let Some((_, expected)) = UNREADABLE.iter().find(|(unreadable, _)| *unreadable == name) else { continue };
        let outcome = match rewrite(&file, &BTreeSet::from([0]), Change::Delete) {
            Ok(_) => Outcome::Done,
            Err(Error::Scan(ScanError::Malformed { .. })) => Outcome::Malformed,
            Err(Error::Scan(ScanError::Limit { .. })) => Outcome::Limit,
            Err(error) => panic!("{name}: {error:?}"),
        };
        assert_eq!(outcome, *expected, "{name}");
    }
}

#[test]
fn bad_files_are_errors() {
    for (name, file) in files("bad_data") {
        let result = rewrite(&file, &BTreeSet::from([0]), Change::Delete);
        match name.as_str() {
            // Bad for the readers that had the bug, and well formed.
            "ARROW-GH-43605.parquet" => {
                let (out, _) = result.unwrap();
                assert_same(&name, &without(&read(&file).unwrap(), &BTreeSet::from([0])), &read(&out).unwrap());
            }
            // Its only row leaves, so nothing of it has to be read.
            "ARROW-RS-GH-6229-LEVELS.parquet" => assert_eq!(result.unwrap().1.rows_after, 0),
            _ => assert!(result.is_err(), "{name}: {result:?}"),
        }
    }
}

#[test]
fn encrypted_files_are_named_so() {
    for (name, file) in files("data").into_iter().filter(|(name, _)| name.ends_with(".encrypted")) {
        let error = rewrite(&file, &BTreeSet::new(), Change::Delete).unwrap_err();
        assert!(matches!(error, Error::Scan(ScanError::Encrypted { .. })), "{name}: {error}");
    }
}
