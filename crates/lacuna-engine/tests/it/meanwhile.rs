//! Other runs come in between, at the worst moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use lacuna_engine::{Action, EraseMode, PurgeOptions, PurgeOutcome, Reporter, Request, ShardState, Source};
use lacuna_erase::tombstone;
use lacuna_store::testing::{Gate, Gated, Listed};
use lacuna_store::{BlobInfo, BlobPath, Result, Store};
use tokio_util::sync::CancellationToken;

use crate::world::{World, blob, erase, find, mixed, ndjson, receipt_at, request, source};

/// A store in which others come first when a blob is asked for: each once, one after the other.
struct Meanwhile {
    store: Arc<dyn Store>,
    others: Mutex<VecDeque<(&'static str, Others)>>,
}

type Others = BoxFuture<'static, ()>;

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meanwhile").finish_non_exhaustive()
    }
}

impl Gate for Meanwhile {
    fn inner(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn pass<T: Send>(&self, path: &BlobPath, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let next = self.others.lock().unwrap().pop_front_if(|(place, _)| *place == path.as_str());
        if let Some((_, others)) = next {
            others.await;
        }
        operation.await
    }

    fn pass_list<'s>(&'s self, list: impl FnOnce() -> Listed<'s>) -> Listed<'s> {
        list()
    }
}

/// The same world, where `others` come first when somebody asks for the blobs at their places.
fn meanwhile(world: &World, others: impl IntoIterator<Item = (&'static str, Others)>) -> World {
    let others = Mutex::new(others.into_iter().collect());
    World { store: Arc::new(Gated(Meanwhile { store: world.store.clone(), others })), ..World::new() }
}

async fn shard() -> (Arc<World>, Vec<Source>) {
    let world = World::new();
    world.put(SHARD, ndjson(&mixed())).await;
    (Arc::new(world), vec![source("all", "*.*")])
}

const SHARD: &str = "a.ndjson";
const TOMBSTONE: &str = "_lacuna/tombstones/by-path/a.ndjson.puffin";

fn hide(id: &str, user: &str) -> Request {
    request(id, user, Action::Erase(EraseMode::Hide))
}

async fn done(world: &World, sources: &[Source], request: Request) {
    let outcome = world.run(sources.to_vec(), vec![request]).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
}

async fn found(world: &World, sources: &[Source], user: &str) -> u64 {
    world.run(sources.to_vec(), vec![find(user)]).await.unwrap().matched
}

async fn purge(world: &World, sources: &[Source]) -> PurgeOutcome {
    let (reporter, never) = (Reporter::default(), CancellationToken::new());
    world.engine().purge(sources, PurgeOptions::default(), &reporter, &never).await.unwrap()
}

/// A purge that is killed when it asks for the blob at `place`; `others` come before.
async fn purge_until(world: &World, sources: &[Source], others: Vec<(&'static str, Others)>, place: &'static str) {
    let killed = CancellationToken::new();
    let dies = killed.clone();
    let dies = async move {
        dies.cancel();
        std::future::pending().await
    };
    let world = meanwhile(world, others.into_iter().chain([(place, dies.boxed())]));
    tokio::select! {
        purged = purge(&world, sources) => panic!("it was not killed: {purged:?}"),
        () = killed.cancelled() => {}
    }
}

/// What Lacuna keeps beside the logs, receipts aside.
async fn records(world: &World) -> Vec<String> {
    let listed: Vec<BlobInfo> = world.store.list("_lacuna/").try_collect().await.unwrap();
    let paths = listed.into_iter().map(|info| info.path.to_string());
    paths.filter(|path| !path.starts_with("_lacuna/receipts/")).collect()
}

fn without(users: &[&str]) -> String {
    let rows: Vec<_> = mixed().into_iter().filter(|row| row.0 != "T" || !users.contains(&row.1)).collect();
    ndjson(&rows)
}

#[tokio::test]
async fn a_late_erasure_shows_nothing_that_others_hid_in_a_newer_version() {
    let (world, sources) = shard().await;
    let (theirs, all) = (world.clone(), sources.clone());
    let erases = async move {
        done(&theirs, &all, erase("e1", "u3")).await;
        done(&theirs, &all, hide("e2", "u4")).await;
    };
    let (theirs, all) = (world.clone(), sources.clone());
    let finds = async move { assert_eq!(found(&theirs, &all, "u4").await, 0) };
    // There is no tombstone while it searches, and it looks for one before it hides anything; then it looks whether the shard is there.
    let late = meanwhile(&world, [(TOMBSTONE, erases.boxed()), (SHARD, finds.boxed())]);
    done(&late, &sources, hide("late", "u5")).await;
    for user in ["u3", "u4", "u5"] {
        assert_eq!(found(&world, &sources, user).await, 0, "{user}");
    }
    let purged = purge(&world, &sources).await;
    assert_eq!((purged.rows_purged, purged.shards_superseded, purged.problems.len()), (6, 0, 0), "{purged:?}");
    assert_eq!(String::from_utf8(world.get(SHARD).await).unwrap(), without(&["u3", "u4", "u5"]));
    assert!(records(&world).await.is_empty());
}

#[tokio::test]
async fn what_a_killed_purge_took_out_is_told_although_an_erasure_went_on_from_its_version() {
    for hides in [false, true] {
        let (world, sources) = shard().await;
        done(&world, &sources, hide("e1", "u3")).await;
        let (theirs, all) = (world.clone(), sources.clone());
        let purges = async move {
            let (hiding, sources) = (theirs.clone(), all.clone());
            // While the purge reads the shard, somebody else's rows are hidden in it.
            let hides_others = async move { done(&hiding, &sources, hide("e2", "u4")).await };
            let others = vec![(SHARD, async {}.boxed()), (SHARD, hides_others.boxed())];
            let others = if hides { others } else { Vec::new() };
            purge_until(&theirs, &all, others, "_lacuna/receipts/e1.2.jws").await;
        };
        // It looks at its id first, finishes what was begun, and writes down what it begins.
        let begun = "_lacuna/operations/requests/e3.json";
        let goes_on = meanwhile(&world, [(begun, async {}.boxed()), (begun, purges.boxed())]);
        done(&goes_on, &sources, erase("e3", "u5")).await;

        let purged = purge(&world, &sources).await;
        let [told] = purged.requests.as_slice() else { panic!("{purged:?}") };
        assert_eq!((told.request.as_str(), told.rows, purged.problems.len()), ("e1", 3, 0), "{purged:?}");
        let told = receipt_at(&world, told.receipt.as_deref().unwrap()).await;
        assert!(told.is_done() && told.sources[0].shards[0].state == ShardState::Gone, "{told:?}");
        let users = if hides { &["u3", "u4", "u5"][..] } else { &["u3", "u5"] };
        assert_eq!(String::from_utf8(world.get(SHARD).await).unwrap(), without(users));
        assert!(records(&world).await.is_empty());
    }
}

#[tokio::test]
async fn what_was_put_aside_of_the_very_version_is_hidden_again() {
    let (world, sources) = shard().await;
    done(&world, &sources, hide("e1", "u3")).await;
    let place = blob(TOMBSTONE);
    let (held, version) = (world.store.head(&place).await.unwrap(), world.store.head(&blob(SHARD)).await.unwrap());
    let aside = tombstone::superseded_path(SHARD, version.etag.as_str());
    world.put(&aside, world.get(TOMBSTONE).await).await;
    world.store.delete(&place, &held.etag).await.unwrap();
    assert_eq!(found(&world, &sources, "u3").await, 3);

    done(&world, &sources, hide("e2", "u4")).await;
    assert_eq!([found(&world, &sources, "u3").await, found(&world, &sources, "u4").await], [0, 0]);
    assert_eq!(records(&world).await, [TOMBSTONE]);
    assert_eq!(purge(&world, &sources).await.rows_purged, 6);
    assert_eq!(String::from_utf8(world.get(SHARD).await).unwrap(), without(&["u3", "u4"]));
}

#[tokio::test]
async fn a_tombstone_that_changes_while_it_is_purged_is_read_again() {
    let (world, sources) = shard().await;
    done(&world, &sources, hide("e1", "u3")).await;
    let (theirs, all) = (world.clone(), sources.clone());
    let hides = async move { done(&theirs, &all, hide("e2", "u4")).await };
    let purged = purge(&meanwhile(&world, [(TOMBSTONE, hides.boxed())]), &sources).await;
    assert_eq!((purged.rows_purged, purged.problems.len()), (6, 0), "{purged:?}");
    for request in &purged.requests {
        assert!(receipt_at(&world, request.receipt.as_deref().unwrap()).await.is_done(), "{request:?}");
    }
    assert_eq!(String::from_utf8(world.get(SHARD).await).unwrap(), without(&["u3", "u4"]));
}
