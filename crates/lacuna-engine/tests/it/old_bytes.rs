//! Old bytes of shards in storage accounts that keep some: removed, retained or held, and said so.

use std::sync::Arc;

use lacuna_engine::{
    Action, EraseMode, OldVersions, PurgeOptions, PurgeOutcome, Receipt, Reporter, ShardState, verify,
};
use lacuna_store::{AzureStore, BlobPath, ErrorKind, Hold};
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Protection};
use crate::world::{World, erase, get, key, mixed, ndjson, request, source};

const SHARD: &str = "a.ndjson";

const VERSIONS: Protection = Protection { versions: true, soft_delete: None, permanent_delete: false, is_owner: false };

/// An account whose shard was written and has a snapshot.
async fn world(protection: Protection) -> (Account, World) {
    let account = Account::start(protection).await;
    let world = World { store: Arc::new(AzureStore::open(&account.config()).unwrap()), ..World::new() };
    world.put(SHARD, ndjson(&mixed())).await;
    account.snapshot(SHARD);
    (account, world)
}

async fn purge(world: &World) -> PurgeOutcome {
    let sources = [source("all", "*.ndjson")];
    let (reporter, never) = (Reporter::default(), CancellationToken::new());
    world.engine().purge(&sources, PurgeOptions::default(), &reporter, &never).await.unwrap()
}

async fn receipt(world: &World, number: u32) -> Receipt {
    let infix = if number == 1 { String::new() } else { format!(".{number}") };
    let jws = get(world.store.as_ref(), &format!("_lacuna/receipts/e1{infix}.jws")).await;
    verify::receipt(std::str::from_utf8(&jws).unwrap(), &key().verifying_key()).unwrap()
}

/// Whether the account has anything of the shard but what it is now.
fn has_old_bytes(account: &Account) -> bool {
    account.bytes_of(SHARD).len() > 1
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_removed_is_removed_and_gone() {
    let soft = Protection { soft_delete: Some(7), permanent_delete: true, is_owner: true, ..Protection::default() };
    for protection in [Protection::default(), VERSIONS, soft, Protection { versions: true, ..soft }] {
        let (account, world) = world(protection).await;
        let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:?}");
        let line = receipt(&world, 1).await.sources.remove(0).shards.remove(0);
        assert_eq!((line.state, line.old_versions), (ShardState::Gone, OldVersions::Removed), "{protection:?}");
        assert!(!has_old_bytes(&account), "{protection:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_account_retains_is_gone_by_a_day_and_then_gone() {
    let (account, world) = world(Protection { soft_delete: Some(7), ..VERSIONS }).await;
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete(), "it goes by itself: {outcome:?}");
    let day = (OffsetDateTime::now_utc() + Duration::days(7)).date().to_string();
    assert_eq!(outcome.sources[0].retained[0].gone_by, Some(day.clone()));
    let line = receipt(&world, 1).await.sources.remove(0).shards.remove(0);
    assert_eq!((line.state, line.old_versions), (ShardState::Verified, OldVersions::Retained));
    assert_eq!(line.gone_by, Some(day));
    let again = purge(&world).await;
    assert_eq!((again.shards_purged, again.shards_looked_after, again.retained.len()), (0, 1, 1), "{again:?}");

    account.pass_days(7);
    let after = purge(&world).await;
    assert!(after.problems.is_empty() && after.retained.is_empty(), "{after:?}");
    let line = receipt(&world, 2).await.sources.remove(0).shards.remove(0);
    assert_eq!((line.state, line.old_versions, line.gone_by), (ShardState::Gone, OldVersions::Removed, None));
    assert!(!has_old_bytes(&account));
    assert_eq!(purge(&world).await.shards_looked_after, 0, "nothing is left to look after");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hold_keeps_is_blocked_until_it_is_lifted() {
    let (account, world) = world(VERSIONS).await;
    account.hold(SHARD, Some(Hold::Legal));
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(!outcome.is_complete() && outcome.sources[0].problems[0].reason.contains("legal hold"), "{outcome:?}");
    assert_eq!(outcome.requests[0].erased, outcome.sources[0].erased, "they are out of the shard all the same");
    let line = receipt(&world, 1).await.sources.remove(0).shards.remove(0);
    assert_eq!((line.state, line.old_versions, line.rows_after), (ShardState::Blocked, OldVersions::Held, 57));
    assert!(has_old_bytes(&account));
    assert_eq!(purge(&world).await.problems.len(), 1, "it is not forgotten");

    account.hold(SHARD, None);
    assert!(purge(&world).await.problems.is_empty());
    let line = receipt(&world, 2).await.sources.remove(0).shards.remove(0);
    assert_eq!((line.state, line.old_versions), (ShardState::Gone, OldVersions::Removed));
    assert!(!has_old_bytes(&account));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leased_shard_is_a_problem_and_nothing_is_lost() {
    let (account, world) = world(Protection::default()).await;
    let before = world.get(SHARD).await;
    account.lease(SHARD, true);
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(!outcome.is_complete(), "{outcome:?}");
    assert!(outcome.sources[0].problems[0].reason.contains("lease"), "{outcome:?}");
    assert_eq!(world.get(SHARD).await, before);
    account.lease(SHARD, false);
    let purged = purge(&world).await;
    assert!(purged.problems.is_empty() && purged.shards_purged == 1, "{purged:?}");
    assert!(!has_old_bytes(&account));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_a_lease_refuses_is_blocked_in_the_receipt_until_it_is_lifted() {
    let (account, world) = world(Protection::default()).await;
    let hide = request("e1", "u3", Action::Erase(EraseMode::Hide));
    assert!(world.run(vec![source("all", "*.ndjson")], vec![hide]).await.unwrap().is_complete());
    account.lease(SHARD, true);
    for _ in 0..2 {
        let outcome = purge(&world).await;
        assert_eq!((outcome.shards_purged, outcome.problems.len()), (0, 1), "{outcome:?}");
        assert_eq!((outcome.requests.len(), outcome.requests[0].rows), (1, 0));
        let line = receipt(&world, 2).await.sources.remove(0).shards.remove(0);
        assert_eq!((line.state, line.old_versions), (ShardState::Blocked, OldVersions::Unchanged));
        assert_eq!((line.rows_before, line.matched, line.rows_after), (60, 3, 60));
        assert_eq!(line.reason.as_deref(), Some(outcome.problems[0].reason.as_str()));
        assert!(line.reason.is_some_and(|reason| reason.contains("lease")));
    }
    let third = world.store.head(&BlobPath::new("_lacuna/receipts/e1.3.jws").unwrap()).await;
    assert_eq!(third.unwrap_err().kind, ErrorKind::NotFound, "what a receipt says is not said again");

    account.lease(SHARD, false);
    assert!(purge(&world).await.problems.is_empty());
    let line = receipt(&world, 3).await.sources.remove(0).shards.remove(0);
    assert_eq!((line.state, line.reason, line.rows_after), (ShardState::Gone, None, 57));
}

/// A shard that is committed as a list of blocks, with the run cut off once the first of them is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_is_killed_between_its_blocks_and_their_commit_is_done_by_the_next() {
    let (account, world) = world(VERSIONS).await;
    let rows: Vec<_> = (0..4_000).flat_map(|_| mixed()).collect();
    world.put(SHARD, ndjson(&rows)).await;
    assert!(account.bytes_of(SHARD).iter().any(|bytes| bytes.len() > 8 << 20), "too short for blocks");
    let hide = request("e1", "u3", Action::Erase(EraseMode::Hide));
    assert!(world.run(vec![source("all", "*.ndjson")], vec![hide]).await.unwrap().is_complete());

    let blocks = || account.requests().iter().filter(|asked| asked.ends_with("comp=block")).count();
    let (sent, engine) = (blocks(), world.engine());
    let killed = tokio::spawn(async move {
        let (sources, never) = ([source("all", "*.ndjson")], CancellationToken::new());
        engine.purge(&sources, PurgeOptions::default(), &Reporter::default(), &never).await
    });
    while blocks() == sent && !killed.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    killed.abort();
    let _ = killed.await;
    assert!(blocks() > sent, "it sent blocks");

    let purged = purge(&world).await;
    assert!(purged.problems.is_empty(), "{purged:?}");
    let survivors: Vec<_> = rows.into_iter().filter(|row| *row != ("T", "u3", row.2)).collect();
    assert!(world.get(SHARD).await == ndjson(&survivors).into_bytes(), "not what survives");
    assert!(!has_old_bytes(&account));
}
