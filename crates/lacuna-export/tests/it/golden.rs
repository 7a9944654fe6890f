//! The golden packages under `fixtures/packages`: what a release changes for those who read packages shows there.
//!
//! `LACUNA_UPDATE_GOLDEN=1 cargo test -p lacuna-export golden` writes them anew.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lacuna_export::Format;

use crate::{Files, write_package};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/packages")
}

fn read(folder: &Path, prefix: &str, into: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{path}/"), into);
        } else {
            into.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn packages_are_the_golden_ones() {
    // NDJSON shows how files are split.
    for (format, part_bytes_max) in
        [(Format::Json, u64::MAX), (Format::Ndjson, 500), (Format::Csv, u64::MAX), (Format::Xml, u64::MAX)]
    {
        let folder = folder().join(format.extension());
        let files = write_package(format, part_bytes_max);
        if std::env::var_os("LACUNA_UPDATE_GOLDEN").is_some() {
            if folder.exists() {
                fs::remove_dir_all(&folder).unwrap();
            }
            for (path, bytes) in &files {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
        let mut golden = Files::new();
        read(&folder, "", &mut golden);
        assert_eq!(golden.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
        for (path, bytes) in &files {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(&golden[path]), text(bytes), "{format}: {path}");
        }
    }
}
