//! Real logs, where `LACUNA_REAL_LOGS` names their folder; counted by serde_json on the side.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Query, gzip, lz4, zstd};

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("LACUNA_REAL_LOGS") else {
        eprintln!("LACUNA_REAL_LOGS is not set: real logs are not tested");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(Path::new(&root).join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

#[test]
fn cloudtrail() {
    let people = ["AIDATFQR7NSC5AU2ZV3IE", "AIDATFQR7NSC5U6Q3TMDR"];
    let query = Query::document("Records[]", "userIdentity.principalId", &people).pieces_of(10_000);
    let (mut rows, mut counts, mut files_of_second) = (0, [0; 2], 0);
    let files = files("cloudtrail", "json");
    for (at, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        let stored = match at % 4 {
            0 => gzip(&bytes),
            1 => zstd(&bytes),
            2 => lz4(&bytes),
            _ => bytes.clone(),
        };
        let answer = query.run(&stored).unwrap();
        assert_eq!(answer.poisoned, 0);
        rows += answer.rows;

        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let mut expected = Vec::new();
        for (row, record) in document["Records"].as_array().unwrap().iter().enumerate() {
            if let Some(person) = people.iter().position(|id| record["userIdentity"]["principalId"] == *id) {
                expected.push((row as u64, vec![person as u32], record.clone()));
                counts[person] += 1;
            }
        }
        files_of_second += u32::from(expected.iter().any(|(_, owners, _)| owners == &[1]));
        let found: Vec<(u64, Vec<u32>, Value)> = answer
            .found
            .into_iter()
            .map(|(row, owners, text)| (row, owners, serde_json::from_str(&text).unwrap()))
            .collect();
        assert_eq!(found, expected, "{}", file.display());
    }
    if !files.is_empty() {
        assert_eq!((rows, counts, files_of_second), (2_900, [2_642, 105], 20));
    }
}

#[test]
fn entra_defender_windows() {
    for file in files("entra-m365-windows", "json") {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        // Every string at the top that any record holds finds just the records that hold it there.
        for column in ["Id", "UserId", "AccountObjectId", "SubjectUserSid", "Hostname", "host"] {
            let mut ids: Vec<&str> = lines.iter().filter_map(|line| line[column].as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            let answer = Query::ndjson(column, &ids).run(text.as_bytes()).unwrap();
            assert_eq!((answer.rows, answer.poisoned), (lines.len() as u64, 0));
            let expected: Vec<(u64, &str)> =
                (0..).zip(&lines).filter_map(|(row, line)| Some((row, line[column].as_str()?))).collect();
            let found: Vec<(u64, &str)> =
                answer.found.iter().map(|(row, owners, _)| (*row, ids[owners[0] as usize])).collect();
            assert_eq!(found, expected, "{} {column}", file.display());
        }
    }
}
