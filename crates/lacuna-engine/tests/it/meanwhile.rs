//! Other runs come in between, at the worst moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use lacuna_engine::{Action, EraseMode, PurgeOptions, PurgeOutcome, Reporter, Request, ShardState, Source};
use lacuna_erase::tombstone;
use lacuna_store::testing::{Gate, Gated, Listed};
use lacuna_store::{BlobInfo, BlobPath, Result, Store};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
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

/// Nobody of `users` shows, the next purge takes out `rows` of theirs, and nothing is left of them or beside the logs.
async fn are_gone(world: &World, sources: &[Source], users: &[&str], rows: u64) {
    for user in users {
        assert_eq!(found(world, sources, user).await, 0, "{user}");
    }
    let purged = purge(world, sources).await;
    assert_eq!((purged.rows_purged, purged.shards_superseded, purged.problems.len()), (rows, 0, 0), "{purged:?}");
    assert_eq!(String::from_utf8(world.get(SHARD).await).unwrap(), without(users));
    assert!(records(world).await.is_empty());
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
    are_gone(&world, &sources, &["u3", "u4", "u5"], 6).await;
}

#[tokio::test]
async fn a_search_that_meets_the_tombstone_of_a_newer_version_takes_nothing_out_of_it() {
    let (world, sources) = shard().await;
    done(&world, &sources, hide("e1", "u3")).await;
    let (theirs, all) = (world.clone(), sources.clone());
    let others = async move {
        assert_eq!(purge(&theirs, &all).await.rows_purged, 3);
        done(&theirs, &all, hide("e2", "u4")).await;
    };
    // It has listed the old version when it looks for the tombstone.
    let late = meanwhile(&world, [(TOMBSTONE, others.boxed())]);
    done(&late, &sources, hide("late", "u5")).await;
    are_gone(&world, &sources, &["u3", "u4", "u5"], 6).await;
}

#[tokio::test]
async fn what_is_in_place_is_known_although_another_run_meant_to_put_something_else_there() {
    // A purge that is killed once its bytes are in place, and has not come to what was hidden meanwhile.
    let mut count = 0;
    let (world, sources) = loop {
        let (world, sources) = shard().await;
        done(&world, &sources, hide("e1", "u3")).await;
        let (hiding, all) = (world.clone(), sources.clone());
        let hides = async move { done(&hiding, &all, hide("e2", "u4")).await }.boxed();
        let nothing = (0..count).map(|_| (TOMBSTONE, async {}.boxed()));
        let others: Vec<(_, Others)> = [(SHARD, async {}.boxed()), (SHARD, hides)].into_iter().chain(nothing).collect();
        purge_until(&world, &sources, others, TOMBSTONE).await;
        if world.get(SHARD).await != ndjson(&mixed()).into_bytes() {
            break (world, sources);
        }
        count += 1;
    };
    assert_eq!(found(&world, &sources, "u4").await, 3, "it is not carried over yet");
    // Another run has written down its own beside it, just before it found the shard changed.
    let place = records(&world).await.into_iter().find(|path| path.starts_with("_lacuna/operations/shards/")).unwrap();
    let in_place: serde_json::Value = serde_json::from_slice(&world.get(&place).await).unwrap();
    let mut other = in_place.clone();
    other["sha256_after"] = "00".repeat(32).into();
    other["rivals"] = vec![in_place].into();
    world.put(&place, serde_json::to_vec(&other).unwrap()).await;

    // Whoever erases next finishes what is in place.
    done(&world, &sources, hide("e3", "u5")).await;
    let told = receipt_at(&world, "_lacuna/receipts/e1.2.jws").await;
    assert_eq!(told.sources[0].shards[0].state, ShardState::Gone, "{told:?}");
    are_gone(&world, &sources, &["u3", "u4", "u5"], 6).await;
}

/// A purge that stops when it is about to put its bytes in place, and again behind that: it never goes on from there.
struct Halting {
    goes_on: oneshot::Sender<()>,
    is_in_place: oneshot::Receiver<()>,
}

impl Halting {
    /// Where the record of what it intends lies, and the purge.
    async fn start(world: &Arc<World>, sources: &[Source]) -> (&'static str, Self) {
        let version = world.store.head(&blob(SHARD)).await.unwrap().etag;
        let hash = Sha256::digest(format!("{SHARD}\n{version}"));
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let intent: &'static str = format!("_lacuna/operations/shards/{hash}.json").leak();
        // Its last look at the shard is when it writes: then what it intends is written down.
        for looks in 0.. {
            let ((goes_on, resumed), (placed, is_in_place)) = (oneshot::channel(), oneshot::channel());
            let (halted, is_halted) = oneshot::channel();
            let halts = async move {
                halted.send(()).unwrap();
                let _: std::result::Result<(), _> = resumed.await;
            };
            let ends = async move {
                let _: std::result::Result<(), ()> = placed.send(());
                std::future::pending().await
            };
            let looks = (0..looks).map(|_| (SHARD, async {}.boxed()));
            let halting = meanwhile(world, looks.chain([(SHARD, halts.boxed()), (TOMBSTONE, ends.boxed())]));
            let all = sources.to_vec();
            let run = tokio::spawn(async move { purge(&halting, &all).await });
            is_halted.await.unwrap();
            if world.store.head(&blob(intent)).await.is_ok() {
                return (intent, Self { goes_on, is_in_place });
            }
            run.abort();
        }
        unreachable!("it puts no bytes in place")
    }

    async fn puts_its_bytes_in_place(self) {
        self.goes_on.send(()).unwrap();
        self.is_in_place.await.unwrap();
    }
}

#[tokio::test]
async fn what_was_hidden_stays_so_where_two_runs_rewrite_a_shard_at_once() {
    let (world, sources) = shard().await;
    done(&world, &sources, hide("e1", "u3")).await;
    let (intent, first) = Halting::start(&world, &sources).await;
    done(&world, &sources, hide("e2", "u4")).await;
    // The second one looks what is begun, then what was intended, and writes down its own just after the first has put its bytes in place.
    let looks = (0..4).map(|_| (intent, async {}.boxed()));
    let second = meanwhile(&world, looks.chain([(intent, first.puts_its_bytes_in_place().boxed())]));
    done(&second, &sources, erase("e3", "u5")).await;
    // What the first had put in place is told by whoever comes next.
    are_gone(&world, &sources, &["u3", "u4", "u5"], 3).await;
    for id in ["e1", "e2", "e3"] {
        let (_, told) = world.engine().receipt(&lacuna_engine::RequestId::new(id).unwrap()).await.unwrap().unwrap();
        let lines = &told.sources[0].shards;
        assert!(lines.iter().any(|line| line.state == ShardState::Gone && line.matched == 3), "{id}: {told:?}");
    }
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
