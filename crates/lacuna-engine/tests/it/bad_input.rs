use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringArray, StringBuilder};
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use flate2::Compression;
use flate2::write::GzEncoder;
use lacuna_scan::{Field, IdentifierRule, TenantRule};
use parquet::arrow::ArrowWriter;

use crate::world::{World, erase, find, mixed, ndjson, parquet, source};

/// The reason why the one shard `path` with these bytes cannot be searched.
async fn reason(path: &str, bytes: &[u8]) -> String {
    let world = World::new();
    world.put(path, bytes).await;
    let outcome = world.run(vec![source("all", "**/*")], vec![find("u3")]).await.unwrap();
    assert!(!outcome.is_complete(), "{path} was called complete");
    assert_eq!(outcome.sources[0].problems[0].shard, path);
    outcome.sources[0].problems[0].reason.clone()
}

#[tokio::test]
async fn a_file_cut_at_any_byte_is_never_complete() {
    let whole = parquet(&mixed()[..12]);
    for length in 0..whole.len() {
        reason("a.parquet", &whole[..length]).await;
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(ndjson(&mixed()[..12]).as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    for length in 1..whole.len() {
        reason("a.ndjson.gz", &whole[..length]).await;
    }
    let whole = zstd::encode_all(ndjson(&mixed()[..12]).as_bytes(), 3).unwrap();
    for length in 1..whole.len() {
        reason("a.ndjson.zst", &whole[..length]).await;
    }
}

#[tokio::test]
async fn every_bad_shard_says_what_is_wrong() {
    let utf16: Vec<u8> = "\u{feff}UserId,TenantId\nu3,T\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let whole = ndjson(&mixed());
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("a.parquet", ndjson(&mixed()).into_bytes(), "is not Parquet"),
        ("a.ndjson", parquet(&mixed()), "it is Parquet"),
        ("a.csv", utf16, "UTF-16"),
        ("a.csv", b"UserId,TenantId\nu\xe9,T\n".to_vec(), "UTF-8"),
        ("a.csv", b"User,TenantId\nu3,T\n".to_vec(), "no column `UserId`"),
        ("a.ndjson", whole.replace("UserId", "UserID").into_bytes(), "no record with `UserId`"),
        ("a.ndjson", whole.replace("TenantId", "tenant").into_bytes(), "no record with `TenantId`"),
        ("a.ndjson", format!("{whole}{{").into_bytes(), "1 record cannot be read (line 61: "),
        ("a.ndjson.bz2", b"BZh91AY&SY".to_vec(), "compressed as bz2, which is not read"),
        ("a.unknown", whole.clone().into_bytes(), "does not tell its format"),
        ("a.ndjson", whole.replace("\"UserId\": \"u5\"", "\"UserId\": \"u5").into_bytes(), "6 records cannot be read"),
    ];
    for (path, bytes, expected) in cases {
        let reason = reason(path, &bytes).await;
        assert!(reason.contains(expected), "{path}: {reason}");
    }
}

#[tokio::test]
async fn a_record_that_names_two_tenants_is_nobodys_and_is_told() {
    let world = World::new();
    let torn = r#"{"UserId":"u3","TenantId":"X","TenantId":"T"}"#;
    let others = r#"{"UserId":"u3","TenantId":"X","TenantId":"Y"}
{"UserId":"u4","TenantId":"X","TenantId":"T"}
{"UserId":"u3","TenantId":"T","TenantId":"T"}"#;
    world.put("a.ndjson", format!("{torn}\n{others}\n")).await;
    let outcome = world.run(vec![source("all", "*")], vec![find("u3")]).await.unwrap();
    assert_eq!((outcome.matched, outcome.is_complete()), (1, false));
    let reasons: Vec<_> = outcome.sources[0].problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!(reasons, ["1 record names two tenants (line 1), so it is nobody's"]);
}

#[tokio::test]
async fn a_record_that_holds_the_person_in_another_form_is_told() {
    let world = World::new();
    let lines = r#"{"UserId":"u3","TenantId":"T"}
{"UserId":"u4","TenantId":"T"}
{"UserId":["u4"],"TenantId":"T"}
{"UserId":["u3","u4"],"TenantId":"T"}"#;
    for request in [find("u3"), erase("e", "u3")] {
        world.put("a.ndjson", format!("{lines}\n")).await;
        let outcome = world.run(vec![source("all", "*")], vec![request.clone()]).await.unwrap();
        assert_eq!((outcome.matched, outcome.is_complete()), (1, false));
        let reasons: Vec<_> = outcome.sources[0].problems.iter().map(|problem| problem.reason.as_str()).collect();
        let told = "1 record may be missed (line 4, an array at `UserId`: map `UserId[]` beside it)";
        assert_eq!(reasons, [told]);

        world.put("a.ndjson", format!("{lines}\n")).await;
        let mut both = source("all", "*");
        let lists = both.mapping.identifiers[0].fields()[0].clone();
        both.mapping.identifiers.push(IdentifierRule::One(Field { column: "UserId[]".parse().unwrap(), ..lists }));
        let outcome = world.run(vec![both], vec![request]).await.unwrap();
        assert_eq!((outcome.matched, outcome.is_complete()), (2, true));
    }
}

#[tokio::test]
async fn a_record_that_lists_two_tenants_is_nobodys_in_every_format() {
    let lists: [&[&str]; 4] = [&["T"], &["X", "T"], &["X", "Y"], &["T", "T"]];
    let mut tenants = ListBuilder::new(StringBuilder::new());
    lists.iter().for_each(|list| tenants.append_value(list.iter().map(|tenant| Some(*tenant))));
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u3"; lists.len()]));
    let batch =
        RecordBatch::try_from_iter([("TenantId", Arc::new(tenants.finish()) as ArrayRef), ("UserId", users)]).unwrap();
    let mut parquet = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    parquet.write(&batch).unwrap();
    let mut arrow = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    arrow.write(&batch).unwrap();
    let text = lists.map(|list| format!("{{\"TenantId\": {list:?}, \"UserId\": \"u3\"}}\n")).concat();
    for (path, bytes, place) in [
        ("a.parquet", parquet.into_inner().unwrap(), "record 2"),
        ("a.arrow", arrow.into_inner().unwrap(), "record 2"),
        ("a.ndjson", text.into_bytes(), "line 2"),
    ] {
        let world = World::new();
        world.put(path, bytes).await;
        let mut source = source("all", "*");
        source.mapping.tenant = TenantRule::Column("TenantId[]".parse().unwrap());
        for request in [find("u3"), erase("e", "u3")] {
            let outcome = world.run(vec![source.clone()], vec![request]).await.unwrap();
            assert_eq!((outcome.matched, outcome.is_complete()), (2, false), "{path}");
            let reasons: Vec<_> = outcome.sources[0].problems.iter().map(|problem| problem.reason.clone()).collect();
            assert_eq!(reasons, [format!("1 record names two tenants ({place}), so it is nobody's")], "{path}");
        }
        // What is left is the other tenants', and nobody's.
        let outcome = world.run(vec![source], vec![find("u3")]).await.unwrap();
        assert_eq!((outcome.matched, outcome.sources[0].rows_scanned), (0, 2), "{path}");
    }
}

#[tokio::test]
async fn the_rest_of_a_broken_shard_is_searched() {
    let world = World::new();
    world.put("a.ndjson", format!("{{broken\n{}", ndjson(&mixed()))).await;
    let outcome = world.run(vec![source("all", "*")], vec![find("u3")]).await.unwrap();
    assert_eq!((outcome.matched, outcome.is_complete()), (3, false));
}
