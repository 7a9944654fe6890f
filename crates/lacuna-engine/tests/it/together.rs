//! Several runs erase from the same shards at once, while a writer adds to them: nothing is lost, nothing is left, nothing shows again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lacuna_engine::{Action, EraseMode, PurgeOptions, Reporter, Request};
use lacuna_store::testing::{Gate, Gated, Listed};
use lacuna_store::{BlobPath, Condition, Content, ErrorKind, Result, Store, WriteOptions};
use tokio_util::sync::CancellationToken;

use crate::world::{World, blob, erase, find, mixed, ndjson, request, source};

/// Adds lines to the shard until it is told to stop, each with a condition on what it read; says how many it added.
async fn add_lines(world: &World, path: &str, stop: &AtomicBool) -> i64 {
    let mut added = 0;
    while !stop.load(Ordering::Relaxed) && added < 40 {
        let info = world.store.head(&blob(path)).await.unwrap();
        let Ok(bytes) = world.store.read(&info.path, 0..info.size, &info.etag).await else { continue };
        let mut text = bytes.to_vec();
        text.extend_from_slice(ndjson(&[("T", "u3", 1000 + added), ("T", "u5", 2000 + added)]).as_bytes());
        let content = Content::Bytes(text.into());
        match world.store.write(&info.path, content, Condition::Matches(info.etag), WriteOptions::default()).await {
            Ok(_) => added += 1,
            Err(error) => assert_eq!(error.kind, ErrorKind::Changed),
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    added
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_side_by_side_and_a_writer() {
    for _ in 0..20 {
        let world = Arc::new(World::new());
        let shards = ["a.ndjson", "b.ndjson", "c.ndjson"];
        for shard in shards {
            world.put(shard, ndjson(&mixed())).await;
        }
        let sources = vec![source("all", "*.ndjson")];
        let stop = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (world, stop) = (world.clone(), stop.clone());
            async move { add_lines(&world, shards[0], &stop).await }
        });
        let hide = |id: &str, user: &str| request(id, user, Action::Erase(EraseMode::Hide));
        let jobs = [vec![erase("e1", "u3")], vec![erase("e2", "u4")], vec![erase("e3", "u3")], vec![hide("e4", "u6")]];
        let runs = jobs.map(|requests: Vec<Request>| {
            let (world, sources) = (world.clone(), sources.clone());
            tokio::spawn(async move { world.run(sources, requests).await.unwrap() })
        });
        for run in runs {
            run.await.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let added = writer.await.unwrap();

        // What the writer kept them from is done by the same requests once it rests.
        let again = vec![erase("e1", "u3"), erase("e2", "u4"), erase("e3", "u3"), hide("e4", "u6")];
        let outcome = world.run(sources.clone(), again).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:?}");
        let (engine, cancel) = (world.engine(), CancellationToken::new());
        let purged = engine.purge(&sources, PurgeOptions::default(), &Reporter::default(), &cancel).await.unwrap();
        assert!(purged.problems.is_empty(), "{purged:?}");

        for user in ["u3", "u4", "u6"] {
            assert_eq!(world.run(sources.clone(), vec![find(user)]).await.unwrap().matched, 0, "{user}");
        }
        let survivors: Vec<_> =
            mixed().into_iter().filter(|row| row.0 == "X" || !["u3", "u4", "u6"].contains(&row.1)).collect();
        let more: Vec<_> = (0..added).map(|n| ("T", "u5", 2000 + n)).collect();
        for shard in shards {
            let expected = if shard == shards[0] { [&survivors[..], &more].concat() } else { survivors.clone() };
            assert_eq!(String::from_utf8(world.get(shard).await).unwrap(), ndjson(&expected), "{shard}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn erasures_side_by_side_leave_nothing_that_a_purge_could_not_explain() {
    for round in 0..30 {
        let world = Arc::new(World::new());
        for shard in ["a.ndjson", "b.ndjson", "c.ndjson"] {
            world.put(shard, ndjson(&mixed())).await;
        }
        let sources = vec![source("all", "*.ndjson")];
        let runs = ["u3", "u4", "u6"].map(|user| {
            let (world, sources) = (world.clone(), sources.clone());
            tokio::spawn(async move { world.run(sources, vec![erase(user, user)]).await.unwrap() })
        });
        for run in runs {
            run.await.unwrap();
        }
        let (engine, reporter, cancel) = (world.engine(), Reporter::default(), CancellationToken::new());
        let mut problems = Vec::new();
        // What one run was at when another one came, the first purge looks after.
        for _ in 0..2 {
            let purge = engine.purge(&sources, PurgeOptions::default(), &reporter, &cancel);
            problems = purge.await.unwrap().problems;
        }
        assert!(problems.is_empty(), "round {round}: {problems:?}");
        for user in ["u3", "u4", "u6"] {
            assert_eq!(world.run(sources.clone(), vec![find(user)]).await.unwrap().matched, 0, "{user}");
        }
    }
}

/// A store whose operations take their time, each another one.
#[derive(Debug)]
struct Slow {
    store: Arc<dyn Store>,
    random: AtomicU64,
}

impl Slow {
    async fn wait(&self) {
        // A linear congruential generator (Knuth's MMIX): the seed decides, but for how the threads take turns.
        let next =
            |random: u64| Some(random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        let random = self.random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
        tokio::time::sleep(Duration::from_micros((random >> 33) % 3000)).await;
    }
}

impl Gate for Slow {
    fn inner(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn pass<T: Send>(&self, _path: &BlobPath, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.wait().await;
        let done = operation.await;
        self.wait().await;
        done
    }

    fn pass_list<'s>(&'s self, list: impl FnOnce() -> Listed<'s>) -> Listed<'s> {
        list()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_an_erasure_hid_shows_never_again_whatever_others_do_at_once() {
    for round in 0..10 {
        let store: Arc<dyn Store> = Arc::new(lacuna_store::MemoryStore::default());
        let world = || {
            let slow = Slow { store: store.clone(), random: AtomicU64::new(round) };
            World { store: Arc::new(Gated(slow)), ..World::new() }
        };
        let (quick, sources) = (World { store: store.clone(), ..World::new() }, vec![source("all", "*.ndjson")]);
        quick.put("a.ndjson", ndjson(&mixed())).await;
        let hide = |user: &str| request(user, user, Action::Erase(EraseMode::Hide));
        assert!(quick.run(sources.clone(), vec![hide("u0")]).await.unwrap().is_complete());

        let wait = |n: u64| Duration::from_micros((round * 7 + n * 5) % 13 * 1500);
        let purges = (0..2).map(|n| {
            let (world, sources, wait) = (world(), sources.clone(), wait(n + 9));
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let (reporter, never) = (Reporter::default(), CancellationToken::new());
                world.engine().purge(&sources, PurgeOptions::default(), &reporter, &never).await.unwrap();
            })
        });
        let purges: Vec<_> = purges.collect();
        let users = ["u1", "u2", "u3", "u4", "u5", "u6"];
        let requests = users.map(|user| if user < "u5" { hide(user) } else { erase(user, user) });
        let runs = (0..).zip(requests).map(|(n, request)| {
            let (world, sources, wait) = (world(), sources.clone(), wait(n));
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                world.run(sources, vec![request]).await.unwrap().is_complete()
            })
        });
        let runs: Vec<_> = runs.collect();
        let mut complete = Vec::new();
        for (user, run) in users.into_iter().zip(runs) {
            complete.extend(run.await.unwrap().then_some(user));
        }
        for purge in purges {
            purge.await.unwrap();
        }
        for user in &complete {
            assert_eq!(quick.run(sources.clone(), vec![find(user)]).await.unwrap().matched, 0, "round {round}: {user}");
        }
        // Those that others were in the way of are run again, and then nothing is a riddle.
        for user in users.into_iter().filter(|user| !complete.contains(user)) {
            assert!(quick.run(sources.clone(), vec![hide(user)]).await.unwrap().is_complete(), "round {round}: {user}");
        }
        let (engine, reporter, never) = (quick.engine(), Reporter::default(), CancellationToken::new());
        let mut problems = Vec::new();
        for _ in 0..2 {
            problems = engine.purge(&sources, PurgeOptions::default(), &reporter, &never).await.unwrap().problems;
        }
        assert!(problems.is_empty(), "round {round}: {problems:?}");
        let gone = ["u0", "u1", "u2", "u3", "u4", "u5", "u6"];
        let survivors: Vec<_> = mixed().into_iter().filter(|row| row.0 == "X" || !gone.contains(&row.1)).collect();
        assert_eq!(String::from_utf8(quick.get("a.ndjson").await).unwrap(), ndjson(&survivors), "round {round}");
    }
}
