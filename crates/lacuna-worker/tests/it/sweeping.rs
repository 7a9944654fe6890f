//! What was erased stays erased, whatever arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{FutureExt as _, StreamExt as _};
use lacuna_engine::OnErase;
use lacuna_ledger::{Kind as RequestKind, State};
use lacuna_scan::{Field, IdentifierRule, Kind};
use lacuna_worker::Work;
use time::Duration;

use crate::world::{World, lines, put};

#[tokio::test]
async fn what_arrives_late_is_erased_and_nothing_is_searched_twice() {
    let world = World::new().await;
    let erase = world.erase_now("u3").await;
    world.only(Work::Requests).await;
    // The pass has searched everything, and knows the versions that it wrote.
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.shards, sweep.searched, sweep.matched), (10, 0, 0));

    world.put("a/late.ndjson", &lines(0..10)).await;
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.searched, sweep.matched, sweep.erased), (1, 1, 1));
    assert_eq!((world.rows_of("u3").await, world.rows_of("u4").await), (0, 11));
    let counts = world.ledger.request(erase).await.unwrap().counts.unwrap();
    assert_eq!((counts.matched(), counts.erased(), counts.shards()), (11, 11, 11));
    let receipt = world.receipt(erase).await;
    assert!(receipt.sources.iter().flat_map(|source| &source.shards).any(|line| line.shard == "a/late.ndjson"));
    assert_eq!(receipt.sources.iter().map(|source| source.rows_erased()).sum::<u64>(), 11);
    // What the sweep wrote is looked at once more, and then no more.
    assert_eq!(world.only(Work::Sweep).await.sweep.unwrap().searched, 1);
    assert_eq!(world.only(Work::Sweep).await.sweep.unwrap().searched, 0);
}

#[tokio::test]
async fn another_mapping_finds_what_stands_where_the_first_did_not_look() {
    let mut world = World::new().await;
    world.put("a/owned.ndjson", "{\"UserId\":\"u4\",\"Owner\":\"u3\"}\n").await;
    world.erase_now("u3").await;
    world.only(Work::Requests).await;
    for _ in 0..2 {
        world.only(Work::Sweep).await;
    }
    assert_eq!(world.only(Work::Sweep).await.sweep.unwrap().searched, 0);
    let mut owner = Field::new("Owner".parse().unwrap(), Kind::new("id"));
    owner.optional = true;
    world.sources[0].mapping.identifiers.push(IdentifierRule::One(owner));
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.searched, sweep.matched, sweep.erased), (6, 1, 1));
    for _ in 0..2 {
        world.only(Work::Sweep).await;
    }
    assert_eq!(world.only(Work::Sweep).await.sweep.unwrap().searched, 0);
}

#[tokio::test]
async fn other_names_of_columns_find_what_stands_where_the_first_did_not_look() {
    let mut world = World::new().await;
    world.put("a/owned.csv", "u4,u3\n").await;
    let mut owned = world.sources[0].clone();
    (owned.name, owned.shards) = ("owned".into(), "a/*.csv".into());
    owned.format.text.header = Some(vec!["UserId".into(), "Owner".into()]);
    world.sources.push(owned);
    world.erase_now("u3").await;
    world.only(Work::Requests).await;
    for _ in 0..2 {
        world.only(Work::Sweep).await;
    }
    assert_eq!(world.only(Work::Sweep).await.sweep.unwrap().searched, 0);
    world.sources[2].format.text.header = Some(vec!["Owner".into(), "UserId".into()]);
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.searched, sweep.matched, sweep.erased), (1, 1, 1));
}

#[tokio::test]
async fn a_backup_that_is_restored_is_purged_again() {
    let world = World::new().await;
    let backup = world.get("b/2.ndjson").await;
    world.erase_now("u3").await;
    world.work().await;
    assert_eq!(world.rows_of("u3").await, 0);
    world.put("b/2.ndjson", &backup).await;
    assert_eq!(world.rows_of("u3").await, 1);
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.searched, sweep.erased, world.rows_of("u3").await), (1, 1, 0));
}

#[tokio::test]
async fn hidden_rows_that_a_writer_brings_back_are_erased_and_their_request_ends() {
    let world = World::new().await;
    let backup = world.get("b/2.ndjson").await;
    let erase = world.submit(RequestKind::Erase, "u3").await;
    world.only(Work::Requests).await;
    assert_eq!(world.state(erase).await, State::Verifying);
    // A compaction writes the shard anew: the tombstone is of a version that is gone.
    world.put("b/2.ndjson", &format!("{backup}{}", lines(10..12))).await;
    world.work().await;
    assert_eq!(world.rows_of("u3").await, 0);
    world.work().await;
    assert_eq!(world.state(erase).await, State::Complete);
}

#[tokio::test]
async fn an_erasure_stands_for_as_long_as_records_may_arrive() {
    let world = World::new().await;
    world.erase_now("u3").await;
    world.work().await;
    world.wait(Duration::days(91));
    world.only(Work::Retention).await;
    world.put("a/late.ndjson", &lines(0..10)).await;
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.searched, world.rows_of("u3").await), (0, 1));
}

#[tokio::test]
async fn what_cannot_be_searched_is_tried_again() {
    let world = World::new().await;
    world.erase_now("u3").await;
    world.work().await;
    world.put("a/late.ndjson", "{\"UserId\": \n").await;
    let summary = world.only(Work::Sweep).await;
    assert!(!summary.is_complete());
    assert_eq!(summary.sweep.unwrap().problems[0].shard, "a/late.ndjson");
    world.put("a/late.ndjson", "{\"UserId\":\"u3\"}\n").await;
    assert_eq!(world.only(Work::Sweep).await.sweep.unwrap().erased, 1);
}

#[tokio::test]
async fn what_a_source_kept_goes_when_it_keeps_its_rows_no_more() {
    let mut world = World::new().await;
    world.sources[0].on_erase = OnErase::Keep { reason: "an audit log".into() };
    let erase = world.erase_now("u3").await;
    world.work().await;
    assert_eq!((world.state(erase).await, world.rows_of("u3").await), (State::Complete, 5));
    world.sources[0].on_erase = OnErase::Delete;
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.searched, sweep.erased, world.rows_of("u3").await), (5, 5, 0));
}

#[tokio::test]
async fn what_a_killed_sweep_kept_goes_with_the_next_one() {
    let world = World::new().await;
    world.put("_lacuna/passes/sweep/0", "found").await;
    world.only(Work::Sweep).await;
    assert!(world.own().await.is_empty(), "{:?}", world.own().await);
}

#[tokio::test]
async fn a_pass_does_not_hide_from_the_sweep_what_it_did_not_look_for() {
    let world = World::new().await;
    world.erase_now("u3").await;
    world.work().await;
    // It arrives late, and the next pass searches it for somebody else.
    world.put("a/late.ndjson", &lines(0..10)).await;
    world.erase_now("u5").await;
    world.only(Work::Requests).await;
    assert_eq!((world.rows_of("u3").await, world.rows_of("u5").await), (1, 0));
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.searched, sweep.erased, world.rows_of("u3").await), (1, 1, 0));
}

#[tokio::test]
async fn a_pass_does_not_hide_from_the_sweep_what_came_while_it_erased() {
    let mut world = World::new().await;
    world.erase_now("u3").await;
    world.work().await;
    // The next pass has searched everything for somebody else, and begins to erase.
    let (store, is_there) = (world.store.clone(), AtomicBool::new(false));
    world.gust = Arc::new(move || {
        let has_begun = store.list("_lacuna/operations/requests/").next().now_or_never().flatten().is_some();
        if has_begun && !is_there.swap(true, Ordering::SeqCst) {
            put(store.as_ref(), "a/0.ndjson", &lines(0..10)).now_or_never().unwrap();
        }
        None
    });
    world.erase_now("u5").await;
    world.only(Work::Requests).await;
    assert_eq!((world.rows_of("u3").await, world.rows_of("u5").await), (1, 0));
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.searched, sweep.erased, world.rows_of("u3").await), (1, 1, 0));
}
