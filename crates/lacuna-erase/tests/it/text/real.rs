//! Real logs, where `LACUNA_REAL_LOGS` names their folder: erase one person, and all others are as they were.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lacuna_erase::Change;
use lacuna_scan::text::{TextFormat, TextSearch};
use lacuna_scan::{
    Epochs, Field, Identifier, IdentifierRule, Ignore, Kind, Limits, Mapping, Matcher, Selector, StreamSearch as _,
    TenantRule,
};
use serde_json::Value;

use super::{anonymize, delete, document, gzip, lz4, path, rewrite, unpack, zstd_whole};

fn files(folder: &str) -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("LACUNA_REAL_LOGS") else {
        eprintln!("LACUNA_REAL_LOGS is not set: real logs are not tested");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(Path::new(&root).join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == "json"));
    files.sort();
    files
}

/// The rows that hold `id` at `column`.
fn search(stored: &[u8], format: &TextFormat, column: &str, id: &str) -> Vec<u64> {
    let mapping = Mapping {
        identifiers: vec![IdentifierRule::One(Field::new(path(column), Kind::new("id")))],
        tenant: TenantRule::Single,
    };
    let selector = Selector { tenant: None, identifiers: vec![Identifier::new("id", id)] };
    let matcher = Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap();
    let mut search = TextSearch::new(format.clone(), Arc::new(matcher), Limits::default()).unwrap();
    search.feed(stored.to_vec().into(), &mut Ignore).unwrap();
    search.finish(&mut Ignore).unwrap().matches.rows().iter().collect()
}

#[test]
fn cloudtrail() {
    let (format, column, id) = (document("Records[]"), "userIdentity.principalId", "AIDATFQR7NSC5U6Q3TMDR");
    let (mut erased, mut changed) = (0, 0);
    let files = files("cloudtrail");
    for (at, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        let stored = [gzip as fn(&[u8]) -> Vec<u8>, zstd_whole, lz4, <[u8]>::to_vec][at % 4](&bytes);
        let hits = search(&stored, &format, column, id);
        assert_eq!(unpack(&delete(&stored, &format, &[]).unwrap()), bytes);

        let (packed, rewritten) = rewrite(&stored, &format, &hits, Change::Delete, false).unwrap();
        assert_eq!(search(&packed, &format, column, id), [0; 0]);
        let mut expected: Value = serde_json::from_slice(&bytes).unwrap();
        expected["Records"].as_array_mut().unwrap().retain(|record| record["userIdentity"]["principalId"] != id);
        let found: Value = serde_json::from_slice(&unpack(&packed)).unwrap();
        assert_eq!(found, expected);
        erased += rewritten.rows_changed;
        changed += u32::from(!hits.is_empty());

        let nulled: Value = serde_json::from_slice(&unpack(&anonymize(&stored, &format, &hits, &[column]))).unwrap();
        let mut expected: Value = serde_json::from_slice(&bytes).unwrap();
        for record in expected["Records"].as_array_mut().unwrap() {
            if record["userIdentity"]["principalId"] == id {
                record["userIdentity"]["principalId"] = Value::Null;
            }
        }
        assert_eq!(nulled, expected);
    }
    if !files.is_empty() {
        assert_eq!((erased, changed), (105, 20));
    }
}

#[test]
fn entra_defender_windows() {
    for file in files("entra-m365-windows") {
        let text = std::fs::read_to_string(&file).unwrap();
        let rows = text.lines().count() as u64;
        let hits: Vec<u64> = (0..rows).filter(|row| row % 2 == 0).collect();
        let expected: String =
            (0..).zip(text.split_inclusive('\n')).filter(|(row, _)| row % 2 == 1).map(|(_, line)| line).collect();
        let packed = delete(&gzip(text.as_bytes()), &TextFormat::Ndjson, &hits).unwrap();
        assert_eq!(String::from_utf8(unpack(&packed)).unwrap(), expected, "{}", file.display());
    }
}
