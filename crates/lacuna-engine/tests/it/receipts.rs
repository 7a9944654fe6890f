//! Receipts keep to their schema, and those that were ever given out stay readable.

mod schema;

use std::collections::BTreeSet;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use futures::TryStreamExt as _;
use lacuna_engine::{Action, EmptyShards, EraseMode, OnErase, PurgeOptions, Receipt, Reporter, Source, verify};
use lacuna_scan::Mapping;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::world::{World, erase, field, get, mixed, ndjson, parquet, receipt, request, source};
use schema::Schema;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/receipts"))
}

fn schema() -> Schema {
    let text = std::fs::read(folder().join("receipt.v1.schema.json")).unwrap();
    Schema::new(serde_json::from_slice(&text).unwrap())
}

fn payload(jws: &str) -> Value {
    let payload = jws.trim().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Signs what a file says with the fixtures' key.
fn sign(said: &Value) -> String {
    let key = SigningKey::from_bytes(&[42; 32]);
    let header = r#"{"alg":"EdDSA","kid":"fixture","typ":"lacuna-receipt+json"}"#;
    let parts = [header.to_owned(), said.to_string()].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let signed = parts.join(".");
    format!("{signed}.{}\n", BASE64_URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes()))
}

#[test]
fn golden_receipts_verify_and_say_what_they_said() {
    let pem = std::fs::read_to_string(folder().join("key.pem")).unwrap();
    let key = VerifyingKey::from_public_key_pem(&pem).unwrap();
    let schema = schema();
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder().join("v1")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    names.sort();
    let (mut states, mut old_versions) = (BTreeSet::new(), BTreeSet::new());
    for path in &names {
        let said: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(schema.faults(&said), [""; 0], "{}", path.display());
        let signed = path.with_extension("jws");
        if std::env::var_os("LACUNA_UPDATE_GOLDEN").is_some() && !signed.exists() {
            std::fs::write(&signed, sign(&said)).unwrap();
        }
        let jws = std::fs::read_to_string(&signed).unwrap();
        assert_eq!(payload(&jws), said, "{}", path.display());
        let receipt = verify::receipt(&jws, &key).unwrap();
        // What is read is all that is there: written again, it is the same.
        assert_eq!(serde_json::to_value(&receipt).unwrap(), said, "{}", path.display());
        for line in receipt.sources.iter().flat_map(|source| &source.shards) {
            states.insert(serde_json::to_value(line.state).unwrap().to_string());
            old_versions.insert(serde_json::to_value(line.old_versions).unwrap().to_string());
        }
    }
    assert_eq!(states, schema.values("state"), "each state has a golden receipt");
    assert_eq!(old_versions, schema.values("old_versions"));
}

#[test]
fn what_is_not_in_the_schema_is_told() {
    let schema = schema();
    let good: Value = serde_json::from_slice(&std::fs::read(folder().join("v1/gone.json")).unwrap()).unwrap();
    let bad = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        !schema.faults(&bad).is_empty()
    };
    let line = |value: &mut Value, key: &str, new: Value| value["sources"][0]["shards"][0][key] = new;
    assert!(!bad(&|_| ()));
    assert!(bad(&|value| value["version"] = 2.into()));
    assert!(bad(&|value| value["more"] = 2.into()));
    assert!(bad(&|value| value["started"] = "yesterday".into()));
    assert!(bad(&|value| value["sources"][0]["on_erase"] = "burn".into()));
    assert!(bad(&|value| drop(value.as_object_mut().unwrap().remove("chain_head"))));
    for (key, new) in [
        ("state", "lost".into()),
        ("state", "hidden".into()),
        ("state", "blocked".into()),
        ("sha256_after", "00".into()),
        ("rows_after", (-1).into()),
        ("old_versions", "left".into()),
        ("gone_by", "2026-03-08".into()),
        ("survivors", serde_json::json!({ "rows": 1, "hash": "xyz" })),
    ] {
        assert!(bad(&|value| line(value, key, new.clone())), "{key}: {new}");
    }
}

/// All receipts in a world's store.
async fn receipts(world: &World) -> Vec<Value> {
    let listed: Vec<_> = world.store.list("_lacuna/receipts/").try_collect().await.unwrap();
    let mut receipts = Vec::new();
    for info in listed {
        let jws = String::from_utf8(get(world.store.as_ref(), info.path.as_str()).await).unwrap();
        let receipt: Receipt = verify::receipt(&jws, &crate::world::key().verifying_key()).unwrap();
        assert_eq!(serde_json::to_value(&receipt).unwrap(), payload(&jws));
        receipts.push(payload(&jws));
    }
    receipts
}

#[tokio::test]
async fn receipts_that_are_made_now_keep_to_the_schema() {
    let schema = schema();
    let kept = OnErase::Keep { reason: "audit log".into() };
    let sources = vec![
        source("columns", "*.parquet"),
        Source { empty_shards: EmptyShards::Delete, ..source("lines", "*.ndjson") },
        Source { on_erase: OnErase::Anonymize, ..source("anonymous", "*.csv") },
        Source { on_erase: kept, ..source("kept", "kept/*.ndjson") },
        of_devices(source("devices", "devices/*.ndjson")),
    ];
    let world = World::new();
    world.put("a.parquet", parquet(&mixed())).await;
    world.put("broken.parquet", "nothing").await;
    world.put("b.ndjson", ndjson(&mixed())).await;
    world.put("only.ndjson", ndjson(&[("T", "u3", 1)])).await;
    world.put("c.csv", "TenantId,UserId,n\nT,u3,1\nT,u4,2\n").await;
    world.put("kept/d.ndjson", ndjson(&mixed())).await;
    world.run(sources.clone(), vec![request("e1", "u3", Action::Erase(EraseMode::Hide))]).await.unwrap();
    let options = PurgeOptions { chain_head: Some("0".repeat(64)), ..PurgeOptions::default() };
    world.engine().purge(&sources, options, &Reporter::default(), &CancellationToken::new()).await.unwrap();
    world.run(sources, vec![erase("e2", "u4")]).await.unwrap();
    let receipts = receipts(&world).await;
    assert_eq!(receipts.len(), 3, "{receipts:?}");
    for receipt in &receipts {
        assert_eq!(schema.faults(receipt), [""; 0], "{receipt:#}");
    }
}

/// A source that identifies nobody by what the requests give.
fn of_devices(source: Source) -> Source {
    let mapping = Mapping { identifiers: vec![field("DeviceId", "device")], ..source.mapping };
    Source { mapping, ..source }
}

#[tokio::test]
async fn a_receipt_names_what_was_not_searched_until_it_is() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    world.put("devices/b.ndjson", ndjson(&mixed())).await;
    let (users, devices) = (source("users", "*.ndjson"), source("devices", "devices/*.ndjson"));
    let unmapped = of_devices(devices.clone());
    let run = async |sources: Vec<Source>| {
        let outcome = world.run(sources, vec![erase("e", "u3")]).await.unwrap();
        let told = receipt(&world, &outcome).await;
        let searched: Vec<String> = told.sources.iter().map(|source| source.source.clone()).collect();
        (searched.join(" "), told.excluded)
    };
    let (searched, excluded) = run(vec![users.clone(), unmapped]).await;
    assert_eq!((searched.as_str(), excluded.len()), ("users", 1));
    assert_eq!(excluded[0].source, "devices");
    assert!(excluded[0].reason.contains("kinds of identifiers"), "{}", excluded[0].reason);
    // Whoever asks for the other source alone has not searched this one.
    assert_eq!(run(vec![users.clone()]).await, ("users".to_owned(), excluded));
    assert_eq!(run(vec![users, devices]).await, ("users devices".to_owned(), Vec::new()));
}
