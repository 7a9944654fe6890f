//! Another writer changes shards while they are worked on, or there is no room for their new bytes.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use lacuna_engine::{Action, EraseMode, PurgeOptions, PurgeOutcome, Reporter, ShardState};
use lacuna_erase::tombstone::Tombstone;
use lacuna_store::{
    BlobInfo, BlobPath, Condition, Content, ErrorKind, Etag, MemoryStore, OldCopy, Removal, Result, Store, WriteOptions,
};
use tokio_util::sync::CancellationToken;

use crate::world::{World, erase, find, mixed, ndjson, receipt, receipt_at, request, source};

/// A store in which another writer appends a row right before each of the first `changes` replacements.
#[derive(Debug, Default)]
struct Contended {
    store: MemoryStore,
    changes: AtomicUsize,
    /// Whether another writer moves the shard right before it is replaced.
    moves: AtomicBool,
    /// Whether there is no room for a replacement.
    full: bool,
    /// What another writer puts in the shard's place right before it is replaced.
    other: Mutex<Option<String>>,
    /// Whose rows another run hides for `e2`, in the version that a purge has replaced, right before the purge writes `e1`'s receipt.
    hides: Option<&'static str>,
}

impl Contended {
    async fn hide(&self, user: &str) -> Result<()> {
        let path = BlobPath::new(TOMBSTONE).unwrap();
        let now = self.store.head(&path).await?;
        let mut tombstone = Tombstone::decode(&self.store.read(&path, 0..now.size, &now.etag).await?).unwrap();
        let rows = (0..).zip(mixed()).filter(|(_, row)| row.0 == "T" && row.1 == user).map(|(at, _)| at).collect();
        tombstone.hide("e2", &rows).unwrap();
        let content = Content::Bytes(tombstone.encode().unwrap().into());
        self.store.write(&path, content, Condition::Matches(now.etag), WriteOptions::default()).await.map(drop)
    }
}

const TOMBSTONE: &str = "_lacuna/tombstones/by-path/a.ndjson.puffin";

const APPENDED: &str = "{\"TenantId\": \"T\", \"UserId\": \"u3\", \"Number\": 100}\n";

#[async_trait::async_trait]
impl Store for Contended {
    fn url(&self) -> String {
        self.store.url()
    }

    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        self.store.list(prefix)
    }

    async fn head(&self, path: &BlobPath) -> Result<BlobInfo> {
        self.store.head(path).await
    }

    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        self.store.read(path, range, etag).await
    }

    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        if self.full && matches!(condition, Condition::Matches(_)) {
            return Err(lacuna_store::Error::new(ErrorKind::Full).at(path));
        }
        if let Some(user) = self.hides.filter(|_| path.as_str() == "_lacuna/receipts/e1.2.jws") {
            self.hide(user).await?;
        }
        let left = self.changes.load(Ordering::Relaxed);
        let is_shard = !path.as_str().starts_with("_lacuna/");
        if is_shard && matches!(condition, Condition::Matches(_)) && self.moves.swap(false, Ordering::Relaxed) {
            relocate(&self.store, path.as_str(), "moved.ndjson").await;
        }
        if is_shard && matches!(condition, Condition::Matches(_)) {
            let other = self.other.lock().unwrap().take();
            if let Some(other) = other {
                self.store.write(path, Content::Bytes(other.into()), Condition::Any, WriteOptions::default()).await?;
            }
        }
        if left > 0 && is_shard && matches!(condition, Condition::Matches(_)) {
            self.changes.store(left - 1, Ordering::Relaxed);
            let now = self.store.head(path).await?;
            let mut bytes = self.store.read(path, 0..now.size, &now.etag).await?.to_vec();
            bytes.extend_from_slice(APPENDED.as_bytes());
            self.store.write(path, Content::Bytes(bytes.into()), Condition::Any, WriteOptions::default()).await?;
        }
        self.store.write(path, content, condition, options).await
    }

    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()> {
        self.store.delete(path, etag).await
    }

    async fn old_copies(&self, path: &BlobPath) -> Result<Vec<OldCopy>> {
        self.store.old_copies(path).await
    }

    async fn remove_copy(&self, path: &BlobPath, copy: &OldCopy) -> Result<Removal> {
        self.store.remove_copy(path, copy).await
    }
}

/// Copies a shard to another place and deletes it, as compaction does.
async fn relocate(store: &dyn Store, from: &str, to: &str) {
    let from = BlobPath::new(from).unwrap();
    let info = store.head(&from).await.unwrap();
    let content = Content::Bytes(store.read(&from, 0..info.size, &info.etag).await.unwrap());
    store.write(&BlobPath::new(to).unwrap(), content, Condition::New, WriteOptions::default()).await.unwrap();
    store.delete(&from, &info.etag).await.unwrap();
}

async fn contended(changes: usize, full: bool) -> World {
    around(Contended { changes: AtomicUsize::new(changes), full, ..Contended::default() }).await
}

async fn around(store: Contended) -> World {
    let store = Arc::new(store);
    let world = World { store, ..World::new() };
    world.put("a.ndjson", ndjson(&mixed())).await;
    world
}

#[tokio::test]
async fn a_shard_that_changes_is_searched_again_and_loses_the_new_rows_too() {
    let world = contended(2, false).await;
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(outcome.sources[0].erased, 5);
    let survivors: Vec<_> = mixed().into_iter().filter(|row| *row != ("T", "u3", row.2)).collect();
    assert_eq!(String::from_utf8(world.get("a.ndjson").await).unwrap(), ndjson(&survivors));
}

#[tokio::test]
async fn what_a_new_version_may_hide_leaves_an_erasure_incomplete() {
    let (own, of_others) = (APPENDED, ndjson(&[("T", "u4", 1)]));
    let in_a_list = "{\"TenantId\": \"T\", \"UserId\": [\"u3\"], \"Number\": 1}\n";
    for (other, erased, told) in
        [(of_others + in_a_list, 0, 1), (format!("{own}{in_a_list}"), 1, 1), (own.to_owned(), 1, 0)]
    {
        let store = Contended { other: Mutex::new(Some(other)), ..Contended::default() };
        let world = around(store).await;
        let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
        assert_eq!((outcome.sources[0].erased, outcome.sources[0].problems.len()), (erased, told), "{outcome:?}");
        assert_eq!(outcome.is_complete(), told == 0);
        let receipt = receipt(&world, &outcome).await;
        assert_eq!(receipt.complete, told == 0);
        assert!(
            receipt.sources[0].shards.iter().all(|shard| told == 0 || erased > 0 || shard.state == ShardState::Blocked)
        );
        let why = outcome.sources[0].problems.first().map(|problem| problem.reason.clone()).unwrap_or_default();
        assert_eq!(why.contains("1 record may be missed"), told == 1, "{why}");
    }
}

#[tokio::test]
async fn a_shard_that_keeps_changing_is_left_and_named() {
    let world = contended(usize::MAX, false).await;
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(!outcome.is_complete());
    assert!(outcome.sources[0].problems[0].reason.contains("changed 8 times"), "{outcome:?}");
    let text = String::from_utf8(world.get("a.ndjson").await).unwrap();
    assert_eq!(text, ndjson(&mixed()) + &APPENDED.repeat(8), "nothing of the other writer's is lost");
    assert_eq!(world.run(vec![source("all", "*.ndjson")], vec![find("u3")]).await.unwrap().matched, 3 + 8);
}

#[tokio::test]
async fn without_room_a_shard_stays_as_it_is() {
    let world = contended(0, true).await;
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(!outcome.is_complete());
    assert!(outcome.sources[0].problems[0].reason.contains("no space left"), "{outcome:?}");
    assert_eq!(world.get("a.ndjson").await, ndjson(&mixed()).into_bytes());
}

#[tokio::test]
async fn what_is_hidden_in_a_version_that_a_purge_has_just_replaced_is_no_riddle() {
    for (user, left) in [("u3", 0), ("u4", 1)] {
        let changes = AtomicUsize::new(0);
        let store = Contended { changes, hides: Some(user), ..Contended::default() };
        let (world, sources) = (around(store).await, [source("all", "*.ndjson")]);
        let hide = request("e1", "u3", Action::Erase(EraseMode::Hide));
        assert!(world.run(sources.to_vec(), vec![hide]).await.unwrap().is_complete());
        let purge = async || {
            let (reporter, cancel) = (Reporter::default(), CancellationToken::new());
            world.engine().purge(&sources, PurgeOptions::default(), &reporter, &cancel).await.unwrap()
        };
        let purged = purge().await;
        assert_eq!((purged.shards_purged, purged.problems.len()), (1, 0), "{purged:?}");
        let purged = purge().await;
        assert_eq!((purged.shards, purged.shards_purged, purged.problems.len()), (left, left, 0), "{purged:?}");
        let survivors: Vec<_> =
            mixed().into_iter().filter(|row| row.0 != "T" || row.1 != "u3" && row.1 != user).collect();
        assert_eq!(String::from_utf8(world.get("a.ndjson").await).unwrap(), ndjson(&survivors));
    }
}

async fn purge(world: &World) -> PurgeOutcome {
    let (sources, stop) = ([source("all", "*.ndjson")], CancellationToken::new());
    world.engine().purge(&sources, PurgeOptions::default(), &Reporter::default(), &stop).await.unwrap()
}

/// Whether nothing but receipts is left beside the logs.
async fn is_clean(world: &World) -> bool {
    let own: Vec<BlobInfo> = world.store.list("_lacuna/").try_collect().await.unwrap();
    own.iter().all(|info| info.path.as_str().starts_with("_lacuna/receipts/"))
}

#[tokio::test]
async fn a_shard_that_is_moved_while_it_is_erased_from_is_missing_until_all_is_searched_again() {
    let world = around(Contended { moves: true.into(), ..Contended::default() }).await;
    let all = || vec![source("all", "*.ndjson")];
    let outcome = world.run(all(), vec![erase("e1", "u3")]).await.unwrap();
    assert_eq!((outcome.is_complete(), outcome.sources[0].erased, outcome.sources[0].problems.len()), (false, 0, 1));
    assert!(outcome.sources[0].problems[0].reason.contains("may have moved its records"), "{outcome:?}");
    assert!(!receipt(&world, &outcome).await.complete);
    let outcome = world.run(all(), vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete() && outcome.sources[0].erased == 3, "{outcome:?}");
    let purged = purge(&world).await;
    assert!(purged.problems.is_empty() && purged.shards_superseded == 0, "{purged:?}");
    assert!(is_clean(&world).await);
}

#[tokio::test]
async fn a_shard_that_is_moved_after_its_rows_were_hidden_is_not_purged() {
    for searches_first in [false, true] {
        let world = World::new();
        world.put("a.ndjson", ndjson(&mixed())).await;
        world.put("b.ndjson", ndjson(&mixed())).await;
        let all = || vec![source("all", "*.ndjson")];
        let hide = || vec![request("e1", "u3", Action::Erase(EraseMode::Hide))];
        assert!(world.run(all(), hide()).await.unwrap().is_complete());
        relocate(world.store.as_ref(), "a.ndjson", "moved.ndjson").await;
        if !searches_first {
            let purged = purge(&world).await;
            assert_eq!((purged.shards_purged, purged.rows_purged, purged.shards_superseded), (1, 3, 1));
            assert_eq!((purged.problems.len(), purged.requests[0].rows), (1, 3), "{purged:?}");
            let told = receipt_at(&world, purged.requests[0].receipt.as_deref().unwrap()).await;
            let states: Vec<_> = told.sources[0].shards.iter().map(|line| line.state).collect();
            assert_eq!((told.complete, states), (false, vec![ShardState::Blocked, ShardState::Gone]));
        }
        let outcome = world.run(all(), hide()).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:?}");
        let purged = purge(&world).await;
        assert!(purged.problems.is_empty() && purged.shards_superseded == 0, "{purged:?}");
        assert!(receipt_at(&world, purged.requests[0].receipt.as_deref().unwrap()).await.is_done());
        assert_eq!(world.run(all(), vec![find("u3")]).await.unwrap().matched, 0);
        assert!(is_clean(&world).await);
    }
}
