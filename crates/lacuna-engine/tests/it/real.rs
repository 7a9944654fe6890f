//! Real logs and the Parquet project's own files, where `LACUNA_REAL_LOGS` says they are.

use std::path::{Path, PathBuf};

use arrow::array::AsArray as _;
use bytes::Bytes;
use lacuna_engine::{FormatChoice, TextOptions};
use lacuna_scan::{Field, IdentifierRule, Kind, Mapping, TenantRule};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::world::{World, erase, field, find, source};

const COMMON: &str = "AIDATFQR7NSC5AU2ZV3IE";
const RARE: &str = "AIDATFQR7NSC5U6Q3TMDR";

/// The folder `name` of the real logs; without them there is nothing to test.
fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LACUNA_REAL_LOGS").map(|root| Path::new(&root).join(name));
    if folder.is_none() {
        eprintln!("LACUNA_REAL_LOGS is not set: nothing to read");
    }
    folder
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn mapped(name: &str, shards: &str, columns: &[&str]) -> lacuna_engine::Source {
    lacuna_engine::Source {
        mapping: Mapping {
            identifiers: columns.iter().map(|column| field(column, "id")).collect(),
            tenant: TenantRule::Single,
        },
        ..source(name, shards)
    }
}

fn cloudtrail() -> lacuna_engine::Source {
    let text = TextOptions { records: Some("Records[]".parse().unwrap()), ..TextOptions::default() };
    lacuna_engine::Source {
        format: FormatChoice { name: None, text },
        ..mapped("cloudtrail", "*.json", &["userIdentity.principalId"])
    }
}

/// All records of a document, as an independent reader sees them.
fn records(bytes: &[u8]) -> Vec<serde_json::Value> {
    let mut document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    document["Records"].as_array_mut().unwrap().drain(..).collect()
}

#[tokio::test]
async fn cloudtrail_is_counted_and_erased_as_an_independent_reader_sees_it() {
    let Some(folder) = real("cloudtrail") else { return };
    let world = World::new();
    let files: Vec<_> = files(&folder).into_iter().filter(|(name, _)| name.ends_with(".json")).collect();
    let mut survivors = Vec::new();
    let (mut all, mut rare) = (0, 0);
    for (name, bytes) in &files {
        world.put(name, bytes.as_slice()).await;
        let mut records = records(bytes);
        all += records.len() as u64;
        let before = records.len();
        records.retain(|record| record["userIdentity"]["principalId"] != RARE);
        rare += (before - records.len()) as u64;
        survivors.push((name, records));
    }
    assert_eq!((files.len(), all, rare), (55, 2900, 105));

    let common = world.run(vec![cloudtrail()], vec![find(COMMON)]).await.unwrap();
    assert!(common.is_complete(), "{:?}", common.sources[0].problems);
    assert_eq!((common.matched, common.sources[0].rows_scanned), (2642, 2900));
    let erased = world.run(vec![cloudtrail()], vec![erase("e1", RARE)]).await.unwrap();
    assert!(erased.is_complete(), "{:?}", erased.sources[0].problems);
    assert_eq!((erased.matched, erased.sources[0].shards_matched, erased.sources[0].erased), (105, 20, 105));
    assert_eq!(world.run(vec![cloudtrail()], vec![find(RARE)]).await.unwrap().matched, 0);
    for (name, expected) in survivors {
        assert_eq!(records(&world.get(name).await), expected, "{name}");
    }
}

#[tokio::test]
async fn who_made_an_audit_event_is_told_by_json_within_text() {
    let Some(folder) = real("entra-m365-windows") else { return };
    let bytes = std::fs::read(folder.join("AADAuditEvents.json")).unwrap();
    let path = |record: &serde_json::Value| -> Option<String> {
        let by: serde_json::Value = serde_json::from_str(record["InitiatedBy"].as_str()?).unwrap();
        Some(by["user"]["userPrincipalName"].as_str()?.to_owned())
    };
    let records: Vec<serde_json::Value> =
        serde_json::Deserializer::from_slice(&bytes).into_iter().map(Result::unwrap).collect();
    let who = records.iter().find_map(path).unwrap();
    let expected = records.iter().filter(|record| path(record).as_ref() == Some(&who)).count() as u64;
    let field = Field {
        json: Some("user.userPrincipalName".parse().unwrap()),
        ..Field::new("InitiatedBy".parse().unwrap(), Kind::new("id"))
    };
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let audit = || vec![lacuna_engine::Source { mapping: mapping.clone(), ..source("audit", "*.json") }];
    let world = World::new();
    world.put("AADAuditEvents.json", bytes).await;
    let erased = world.run(audit(), vec![erase("e1", &who)]).await.unwrap();
    assert!(erased.is_complete(), "{:?}", erased.sources[0].problems);
    assert_eq!((erased.matched, erased.sources[0].erased), (expected, expected));
    let left = serde_json::Deserializer::from_slice(&world.get("AADAuditEvents.json").await)
        .into_iter()
        .collect::<Result<Vec<serde_json::Value>, _>>()
        .unwrap();
    let others = records.into_iter().filter(|record| path(record).as_ref() != Some(&who)).collect::<Vec<_>>();
    assert_eq!(left, others);
}

#[tokio::test]
async fn windows_and_office_events_are_found_at_their_paths() {
    let Some(folder) = real("entra-m365-windows") else { return };
    for (name, bytes) in files(&folder).into_iter().filter(|(name, _)| name.ends_with(".json")) {
        let values: Vec<serde_json::Value> =
            serde_json::Deserializer::from_slice(&bytes).into_iter().map(Result::unwrap).collect();
        // Any text at the top level will do as an identifier: the oracle is a look at every record.
        let (column, wanted) = values
            .iter()
            .flat_map(|value| value.as_object().unwrap())
            .find_map(|(key, value)| Some((key.clone(), value.as_str().filter(|text| !text.is_empty())?.to_owned())))
            .unwrap();
        let expected = values.iter().filter(|value| value[&column] == wanted.as_str()).count() as u64;
        let world = World::new();
        world.put(&name, bytes).await;
        let quoted = format!("\"{column}\"");
        let outcome = world.run(vec![mapped("events", "*.json", &[&quoted])], vec![find(&wanted)]).await.unwrap();
        assert!(outcome.is_complete(), "{name}: {:?}", outcome.sources[0].problems);
        assert_eq!((outcome.matched, outcome.sources[0].rows_scanned), (expected, values.len() as u64), "{name}");
    }
}

/// Each top-level text or integer column of a Parquet file, with a value of it and the number of rows that hold the value.
fn columns_of(bytes: &[u8]) -> Option<Vec<(String, String, u64)>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(bytes)).ok()?.build().ok()?;
    let batches: Vec<_> = reader.collect::<Result<_, _>>().ok()?;
    let schema = batches.first()?.schema();
    let mut columns = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        if !(field.data_type().is_integer() || *field.data_type() == arrow::datatypes::DataType::Utf8) {
            continue;
        }
        let texts: Vec<Option<String>> = batches
            .iter()
            .flat_map(|batch| {
                let text = arrow::compute::cast(batch.column(index), &arrow::datatypes::DataType::Utf8).unwrap();
                let text: Vec<_> = text.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect();
                text
            })
            .collect();
        if let Some(wanted) = texts.iter().flatten().last() {
            let count = texts.iter().filter(|text| text.as_ref() == Some(wanted)).count() as u64;
            columns.push((format!("\"{}\"", field.name()), wanted.clone(), count));
        }
    }
    Some(columns)
}

#[tokio::test]
async fn the_parquet_projects_files_are_searched_as_its_reader_sees_them() {
    let Some(folder) = real("parquet-testing/data") else { return };
    let mut searched = 0;
    for (name, bytes) in files(&folder).into_iter().filter(|(name, _)| name.ends_with(".parquet")) {
        if name.starts_with("large_string_map") {
            continue;
        }
        for (column, wanted, count) in columns_of(&bytes).unwrap_or_default() {
            let world = World::new();
            world.put(&name, bytes.as_slice()).await;
            let outcome = world.run(vec![mapped("one", "*.parquet", &[&column])], vec![find(&wanted)]).await.unwrap();
            assert!(outcome.is_complete(), "{name} {column}: {:?}", outcome.sources[0].problems);
            assert_eq!(outcome.matched, count, "{name} {column} {wanted}");
            searched += 1;
        }
    }
    assert!(searched > 50, "{searched}");
}

#[tokio::test]
async fn damaged_and_encrypted_parquet_is_refused_with_a_reason() {
    let Some(folder) = real("parquet-testing") else { return };
    let bad = [
        ("bad_data/ARROW-GH-41317.parquet", "x", "cannot be decoded"),
        ("bad_data/ARROW-GH-41321.parquet", "int64", "levels cannot be read"),
        ("bad_data/ARROW-GH-45185.parquet", "x[]", "middle of a row"),
        ("bad_data/ARROW-GH-47662.parquet", "flba_field", "a page ends within a value"),
        ("bad_data/ARROW-RS-GH-6229-DICTHEADER.parquet", "nation_key", "behind the file's end"),
        ("bad_data/ARROW-RS-GH-6229-LEVELS.parquet", "outer[].c", "row group 0"),
        ("bad_data/PARQUET-1481.parquet", "x", "cannot be decoded"),
    ];
    let encrypted = files(&folder.join("data")).into_iter().filter(|(name, _)| name.ends_with(".parquet.encrypted"));
    let encrypted: Vec<_> = encrypted.map(|(name, _)| (format!("data/{name}"), "double_field", "encrypted")).collect();
    let bad = bad.map(|(name, column, reason)| (name.to_owned(), column, reason));
    for (name, column, expected) in bad.into_iter().chain(encrypted) {
        let world = World::new();
        world.put("a.parquet", std::fs::read(folder.join(&name)).unwrap()).await;
        // Statistics must not tell that nothing is there.
        let wanted = if column == "int64" { "-100000000000" } else { "1" };
        let outcome = world.run(vec![mapped("one", "*.parquet", &[column])], vec![find(wanted)]).await.unwrap();
        let problems = &outcome.sources[0].problems;
        assert!(problems.first().is_some_and(|problem| problem.reason.contains(expected)), "{name}: {problems:?}");
    }
}

#[tokio::test]
async fn indices_of_no_bits_are_all_the_first_entry() {
    let Some(folder) = real("parquet-testing/bad_data") else { return };
    // Odd, but what Polars wrote for a column of one value: a run of packed indices that take no bits. Readers crashed on it.
    let world = World::new();
    world.put("a.parquet", std::fs::read(folder.join("ARROW-GH-43605.parquet")).unwrap()).await;
    for (wanted, matched) in [("0", 21_186), ("1", 0)] {
        let outcome = world.run(vec![mapped("one", "*.parquet", &["min_fl"])], vec![find(wanted)]).await.unwrap();
        assert!(outcome.is_complete(), "{:?}", outcome.sources[0].problems);
        assert_eq!(outcome.matched, matched);
    }
}

#[tokio::test]
async fn a_page_that_expands_beyond_the_limit_is_never_expanded() {
    let Some(folder) = real("parquet-testing/data") else { return };
    let name = "large_string_map.brotli.parquet";
    let world = World::new();
    world.put(name, std::fs::read(folder.join(name)).unwrap()).await;
    let cat = world.engine().cat(&mapped("one", "*.parquet", &["arr{}"]), name, &mut std::io::sink()).await;
    let reason = cat.unwrap_err().to_string();
    assert!(reason.contains("page_bytes_max"), "{reason}");
}

#[tokio::test]
async fn a_wrong_checksum_is_refused() {
    let Some(folder) = real("parquet-testing/data") else { return };
    // The values are ones that no statistics and no dictionary exclude.
    for (name, column, wanted) in [
        ("datapage_v1-corrupt-checksum.parquet", "a", "1"),
        ("rle-dict-uncompressed-corrupt-checksum.parquet", "long_field", "0"),
    ] {
        let world = World::new();
        world.put(name, std::fs::read(folder.join(name)).unwrap()).await;
        let outcome = world.run(vec![mapped("one", "*.parquet", &[column])], vec![find(wanted)]).await.unwrap();
        let problems = &outcome.sources[0].problems;
        assert!(problems.first().is_some_and(|problem| problem.reason.contains("checksum")), "{name}: {problems:?}");
    }
}
