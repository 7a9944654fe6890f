use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use lacuna_engine::{Error, verify};
use lacuna_store::{Condition, Content, WriteOptions};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::ParquetMetaDataWriter;
use parquet::file::writer::TrackedWrite;
use serde_json::json;

use crate::lists::pages_of_lists;
use crate::world::{World, blob, export, key, mixed, ndjson, parquet, source};

async fn world() -> World {
    let world = World::new();
    world.put("a/1.parquet", parquet(&mixed())).await;
    world.put("a/2.parquet", parquet(&mixed())).await;
    world.put("b/3.ndjson", ndjson(&mixed())).await;
    world
}

fn sources() -> Vec<lacuna_engine::Source> {
    let mut lines = source("lines", "b/*.ndjson");
    lines.product = "Teams".into();
    vec![source("columns", "a/*.parquet"), lines]
}

#[tokio::test]
async fn a_package_holds_the_records_in_order() {
    let world = world().await;
    let outcome = world.run(sources(), vec![export("r1", "u3")]).await.unwrap();
    assert!(outcome.is_complete());
    assert_eq!(outcome.matched, 9);
    let files = world.packages().await;
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "T/r1/Office/SharePoint/ProductAndServiceUsage.json",
            "T/r1/README.html",
            "T/r1/RequestInfo.json",
            "T/r1/Teams/ProductAndServiceUsage.json",
            "T/r1/_SUCCESS",
            "T/r1/manifest.json",
            "T/r1/manifest.jws",
        ]
    );
    let records: Vec<serde_json::Value> = serde_json::from_slice(&files[names[0]]).unwrap();
    let numbers: Vec<i64> = records.iter().map(|record| record["Number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [3, 23, 43, 3, 23, 43]);
    assert_eq!(records[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["TenantId", "UserId", "Number"]);
    let found = verify::package(&world.packages, "T/r1", &key().verifying_key()).await.unwrap();
    assert_eq!((found.records, found.complete, found.mismatches), (9, true, vec![]));
}

#[tokio::test]
async fn two_persons_never_share_a_package() {
    let world = world().await;
    let (one, other) = tokio::join!(
        world.run(sources(), vec![export("chosen", "u3")]),
        world.run(sources(), vec![export("chosen", "u4")])
    );
    let matched: Vec<u64> = [&one, &other].into_iter().flatten().map(|outcome| outcome.matched).collect();
    let refused: Vec<String> =
        [&one, &other].into_iter().filter_map(|run| Some(run.as_ref().err()?.to_string())).collect();
    assert!(matched.len() == 1 && refused[0].ends_with("choose another request id"), "{refused:?}");
    let files = world.packages().await;
    assert_eq!(files.len(), 7, "{:?}", files.keys());
    let found = verify::package(&world.packages, "T/chosen", &key().verifying_key()).await.unwrap();
    assert_eq!((found.records, found.complete, found.mismatches), (matched[0], true, vec![]));
    let again = world.run(sources(), vec![export("chosen", "u4")]).await.unwrap_err().to_string();
    assert!(again.contains("a finished package is at"), "{again}");
}

#[tokio::test]
async fn a_package_that_is_begun_is_its_persons() {
    let world = world().await;
    let (path, claim) = (blob("T/begun/_STARTED"), Content::Bytes("another".into()));
    world.packages.write(&path, claim, Condition::Any, WriteOptions::default()).await.unwrap();
    let refused = world.run(sources(), vec![export("begun", "u3")]).await.unwrap_err().to_string();
    assert!(refused.contains("a package of somebody else"), "{refused}");
}

#[tokio::test]
async fn the_same_input_makes_the_same_bytes() {
    let (first, second) = (world().await, world().await);
    for world in [&first, &second] {
        world.run(sources(), vec![export("0193e6a0-0000-7000-8000-000000000000", "u3")]).await.unwrap();
    }
    let mut second = second.packages().await;
    for (path, bytes) in first.packages().await {
        assert_eq!(String::from_utf8_lossy(&second.remove(&path).unwrap()), String::from_utf8_lossy(&bytes), "{path}");
    }
}

#[tokio::test]
async fn requests_of_one_pass_get_packages_apart() {
    let world = world().await;
    world.run(sources(), vec![export("r1", "u3"), export("r2", "u4")]).await.unwrap();
    let files = world.packages().await;
    for (id, user) in [("r1", "u3"), ("r2", "u4")] {
        let text = String::from_utf8_lossy(&files[&format!("T/{id}/Teams/ProductAndServiceUsage.json")]).into_owned();
        assert_eq!(text.matches(user).count(), 3, "{text}");
        assert_eq!(text.matches("\"UserId\"").count(), 3, "{text}");
    }
}

#[tokio::test]
async fn a_finished_package_is_not_written_over() {
    let world = world().await;
    world.run(sources(), vec![export("r1", "u3")]).await.unwrap();
    assert!(matches!(world.run(sources(), vec![export("r1", "u4")]).await, Err(Error::Configuration(_))));
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_package_is_not_called_complete() {
    let world = world().await;
    let whole = parquet(&mixed());
    world.put("a/4.parquet", &whole[..whole.len() / 2]).await;
    let outcome = world.run(sources(), vec![export("r1", "u3")]).await.unwrap();
    assert!(!outcome.is_complete());
    assert_eq!(outcome.matched, 9);
    assert_eq!(outcome.sources[0].problems[0].shard, "a/4.parquet");
    let files = world.packages().await;
    assert!(!files.contains_key("T/r1/_SUCCESS"));
    let manifest: serde_json::Value = serde_json::from_slice(&files["T/r1/manifest.json"]).unwrap();
    assert_eq!(manifest["complete"], false);
    assert_eq!(manifest["sources"][0]["problems"][0]["shard"], "a/4.parquet");

    // Once it is complete, nothing is left beside it of what went from the logs meanwhile.
    assert!(files.contains_key("T/r1/Teams/ProductAndServiceUsage.json"));
    world.put("a/4.parquet", whole).await;
    world.put("b/3.ndjson", ndjson(&[("T", "u4", 1)])).await;
    assert!(world.run(sources(), vec![export("r1", "u3")]).await.unwrap().is_complete());
    let files = world.packages().await;
    assert!(files.contains_key("T/r1/_SUCCESS") && !files.contains_key("T/r1/Teams/ProductAndServiceUsage.json"));
    let check = verify::package(&world.packages, "T/r1", &key().verifying_key()).await.unwrap();
    assert_eq!((check.mismatches, check.complete), (Vec::new(), true));
}

#[tokio::test]
async fn a_changed_package_is_found_out() {
    let world = world().await;
    world.run(sources(), vec![export("r1", "u3")]).await.unwrap();
    let data = "T/r1/Teams/ProductAndServiceUsage.json";
    let changed = String::from_utf8(world.packages().await[data].clone()).unwrap().replace("43", "44");
    for (told, (path, bytes)) in (1..).zip([(data, changed), ("T/r1/_SUCCESS", ".".to_owned())]) {
        let (path, content) = (crate::world::blob(path), lacuna_store::Content::Bytes(bytes.into()));
        let options = lacuna_store::WriteOptions::default();
        world.packages.write(&path, content, lacuna_store::Condition::Any, options).await.unwrap();
        let found = verify::package(&world.packages, "T/r1", &key().verifying_key()).await.unwrap();
        assert_eq!(found.mismatches.len(), told, "{:?}", found.mismatches);
    }
}

/// `bytes` with `text` made Latin-1 wherever it stands.
fn in_latin1(bytes: &[u8], text: &[u8; 4]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - 3 {
        if bytes[at..].starts_with(text) {
            bytes[at..at + 4].copy_from_slice(b"caf\xe9");
        }
    }
    bytes
}

#[tokio::test]
async fn text_that_is_not_utf8_costs_no_record() {
    let column = |values: [&str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let columns = [("TenantId", column(["T"; 3])), ("UserId", column(["u3"; 3])), ("Note", column(["a", "QQQQ", "c"]))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let (mut parquet, mut arrow) = (Vec::new(), Vec::new());
    let mut writer = ArrowWriter::try_new(&mut parquet, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut writer = StreamWriter::try_new(&mut arrow, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let world = World::new();
    world.put("a/1.parquet", in_latin1(&parquet, b"QQQQ")).await;
    world.put("a/2.arrows", in_latin1(&arrow, b"QQQQ")).await;
    for shard in ["a/1.parquet", "a/2.arrows"] {
        let source = source("all", shard);
        let outcome = world.run(vec![source.clone()], vec![export(&shard[2..3], "u3")]).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:?}");
        let file =
            &world.packages().await[&format!("T/{}/Office/SharePoint/ProductAndServiceUsage.json", &shard[2..3])];
        let records: serde_json::Value = serde_json::from_slice(file).unwrap();
        let notes: Vec<_> = records.as_array().unwrap().iter().map(|record| record["Note"].clone()).collect();
        assert_eq!(notes, [json!("a"), json!({ "base64": "Y2Fm6Q==" }), json!("c")], "{shard}");
        let mut shown = Vec::new();
        world.engine().cat(&source, shard, &mut shown).await.unwrap();
        assert!(String::from_utf8(shown).unwrap().contains(r#""Note":{"base64":"Y2Fm6Q=="}"#), "{shard}");
    }
}

/// A column `v` of lists of one number, but for the 1024th, which goes on in another page, as parquet-rs before version 42 let it do.
fn going_on() -> Vec<u8> {
    let pages: Vec<_> = (0..=512).map(|page| (page < 512, [2 * page, 2 * page + 1])).collect();
    let (file, metadata) = pages_of_lists(&pages, "parquet-rs version 41.0.0");
    let mut out = Vec::new();
    let mut tracked = TrackedWrite::new(&mut out);
    tracked.write_all(&file).unwrap();
    ParquetMetaDataWriter::new_with_tracked(tracked, &metadata).finish().unwrap();
    out
}

#[tokio::test]
async fn a_list_that_goes_on_in_another_page_is_shown_whole() {
    let world = World::new();
    world.put("a.parquet", going_on()).await;
    let mut shown = Vec::new();
    world.engine().cat(&source("lists", "*.parquet"), "a.parquet", &mut shown).await.unwrap();
    let lines: Vec<&str> = std::str::from_utf8(&shown).unwrap().lines().collect();
    assert_eq!((lines.len(), lines[1023], lines[1024]), (1025, "{\"v\":[1023,1024]}", "{\"v\":[1025]}"));
}
