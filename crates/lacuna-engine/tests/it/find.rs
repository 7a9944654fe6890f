use std::sync::Arc;

use lacuna_engine::Error;
use lacuna_scan::MatcherError;

use crate::world::{World, find, mixed, ndjson, parquet, source};

#[tokio::test]
async fn counts_the_tenants_own_rows_in_every_format() {
    let world = World::new();
    world.put("logs/a.parquet", parquet(&mixed())).await;
    world.put("logs/b.ndjson", ndjson(&mixed())).await;
    world.put("logs/deeper/c.json", ndjson(&mixed())).await;
    world.put("_lacuna/d.ndjson", ndjson(&mixed())).await;
    let outcome = world.run(vec![source("all", "**/*.*")], vec![find("u3")]).await.unwrap();
    assert!(outcome.is_complete());
    assert_eq!(outcome.matched, 9);
    let source = &outcome.sources[0];
    assert_eq!((source.shards, source.shards_matched, source.rows_scanned), (3, 3, 180));
    assert!(source.bytes_read > 0);
}

#[tokio::test]
async fn nothing_listed_is_not_nothing_there() {
    let world = World::new();
    let outcome = world.run(vec![source("none", "logs/*.parquet")], vec![find("u3")]).await.unwrap();
    assert!(!outcome.is_complete());
    assert_eq!(outcome.sources[0].problems[0].shard, "logs/*.parquet");
}

#[tokio::test]
async fn a_request_without_a_tenant_reads_nothing() {
    let world = World::new();
    let mut anybody = find("u3");
    Arc::make_mut(&mut anybody.selector).tenant = None;
    let error = world.run(vec![source("all", "**/*")], vec![anybody]).await.unwrap_err();
    assert!(matches!(error, Error::Source { source: MatcherError::TenantNeeded, .. }));
}

#[tokio::test]
async fn an_identifier_that_no_source_maps_is_refused() {
    let world = World::new();
    let mut phone = find("u3");
    Arc::make_mut(&mut phone.selector).identifiers[0] = lacuna_scan::Identifier::new("phone", "1");
    assert!(matches!(world.run(vec![source("all", "**/*")], vec![phone]).await, Err(Error::Configuration(_))));
}

#[tokio::test]
async fn one_pass_serves_many_requests() {
    let world = World::new();
    world.put("a.parquet", parquet(&mixed())).await;
    let requests = ["u0", "u3", "nobody"].map(find).to_vec();
    let outcome = world.run(vec![source("all", "*.parquet")], requests).await.unwrap();
    assert_eq!(outcome.matched, 6);
    assert_eq!(outcome.requests.iter().map(|request| request.matched).collect::<Vec<_>>(), [3, 3, 0]);
}
