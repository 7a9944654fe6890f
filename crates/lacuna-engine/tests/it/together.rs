//! Several runs erase from the same shards at once, while a writer adds to them: nothing is lost, nothing is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lacuna_engine::{Action, EraseMode, PurgeOptions, Reporter, Request};
use lacuna_store::{Condition, Content, ErrorKind, WriteOptions};
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
