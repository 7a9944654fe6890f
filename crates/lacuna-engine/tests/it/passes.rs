//! A job whose steps are taken one by one, by several: it comes to what one run comes to.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_engine::{Action, EraseMode, Error, Job, Outcome, Reporter, Request, SetSize, ShardSet, Source};
use lacuna_store::{Keeping, MemoryStore, Store as _};
use tokio_util::sync::CancellationToken;

use crate::world::{World, blob, erase, export, find, mixed, ndjson, parquet, request, source};

const SMALL: SetSize = SetSize { shards: 2, bytes: u64::MAX };

async fn world() -> World {
    let world = World::new();
    for n in 0..5 {
        world.put(&format!("a/{n}.parquet"), parquet(&mixed())).await;
        world.put(&format!("b/{n}.ndjson"), ndjson(&mixed())).await;
    }
    world
}

fn sources() -> Vec<Source> {
    let mut b = source("b", "b/*.ndjson");
    b.product = "Exchange".into();
    vec![source("a", "a/*.parquet"), b]
}

fn job(requests: Vec<Request>) -> Job {
    Job { sources: sources(), requests, others: Vec::new() }
}

async fn plan(world: &World, job: &Job) -> Vec<ShardSet> {
    let (engine, reporter, never) = (world.engine(), Reporter::default(), CancellationToken::new());
    let pass = engine.pass(job, &reporter, &never).unwrap();
    pass.plan(SMALL).map(|set| set.map_err(|failed| format!("{failed:?}"))).try_collect().await.unwrap()
}

/// Searches a set with an engine of its own, as another worker would, and keeps what was found.
async fn search(world: &World, job: &Job, number: usize, set: &ShardSet) -> String {
    let (engine, reporter, never) = (world.engine(), Reporter::default(), CancellationToken::new());
    let pass = engine.pass(job, &reporter, &never).unwrap();
    let found = pass.search_set(set).await.unwrap().unwrap();
    pass.keep("1", &format!("{number:08}"), found).await.unwrap()
}

async fn finish(world: &World, job: &Job, kept: &[String]) -> Result<Outcome, Error> {
    let (engine, reporter, never) = (world.engine(), Reporter::default(), CancellationToken::new());
    let pass = engine.pass(job, &reporter, &never).unwrap();
    let mut found = Vec::new();
    for path in kept {
        found.push(engine.load(job, path).await);
    }
    Box::pin(pass.finish(futures::stream::iter(found))).await
}

async fn in_steps(world: &World, job: &Job) -> Outcome {
    let mut kept = Vec::new();
    // Backwards: who is done first does not matter.
    for (number, set) in plan(world, job).await.iter().enumerate().rev() {
        kept.push(search(world, job, number, set).await);
    }
    kept.reverse();
    Box::pin(finish(world, job, &kept)).await.unwrap()
}

fn all() -> Vec<Request> {
    vec![
        export("0193e6a0-0000-7000-8000-000000000001", "u3"),
        find("u5"),
        erase("e1", "u4"),
        request("e2", "u6", Action::Erase(EraseMode::Hide)),
    ]
}

#[tokio::test]
async fn steps_come_to_what_one_run_comes_to() {
    let (whole, parts) = (world().await, world().await);
    let one = whole.run(sources(), all()).await.unwrap();
    let many = in_steps(&parts, &job(all())).await;
    let counts = |outcome: &Outcome| serde_json::to_value(outcome).unwrap().to_string().replace("memory:", "");
    assert_eq!(counts(&one), counts(&many));
    assert!(many.is_complete());
    assert_eq!(whole.packages().await, parts.packages().await);
    for n in 0..5 {
        let path = format!("b/{n}.ndjson");
        assert_eq!(whole.get(&path).await, parts.get(&path).await);
    }
}

#[tokio::test]
async fn sets_are_cut_by_shards_and_by_bytes() {
    let world = world().await;
    let job = job(vec![find("u3")]);
    let sets = plan(&world, &job).await;
    let sizes: Vec<_> = sets.iter().map(|set| (set.source.as_str(), set.shards.len())).collect();
    assert_eq!(sizes, [("a", 2), ("a", 2), ("a", 1), ("b", 2), ("b", 2), ("b", 1)]);
    let (engine, reporter, never) = (world.engine(), Reporter::default(), CancellationToken::new());
    let pass = engine.pass(&job, &reporter, &never).unwrap();
    assert_eq!(pass.plan(SetSize { shards: 100, bytes: 1 }).count().await, 10);
}

#[tokio::test]
async fn a_set_searched_twice_counts_once() {
    let world = world().await;
    let job = job(all());
    let mut kept = Vec::new();
    for (number, set) in plan(&world, &job).await.iter().enumerate() {
        let first = search(&world, &job, number, set).await;
        let bytes = world.get(&first).await;
        assert_eq!(search(&world, &job, number, set).await, first);
        assert_eq!(world.get(&first).await, bytes);
        kept.push(first);
    }
    let outcome = Box::pin(finish(&world, &job, &kept)).await.unwrap();
    assert_eq!(outcome.requests[0].matched, 30);
    // Whoever finishes again after a crash writes the same packages and hides the same rows.
    let packages = world.packages().await;
    let again = Box::pin(finish(&world, &job, &kept)).await.unwrap();
    assert_eq!(world.packages().await, packages);
    assert!(again.is_complete(), "{again:?}");
    assert_eq!(again.requests[0].package, outcome.requests[0].package);
}

#[tokio::test]
async fn a_request_that_left_meanwhile_is_not_acted_on() {
    let world = world().await;
    let mut job = job(all());
    let mut kept = Vec::new();
    for (number, set) in plan(&world, &job).await.iter().enumerate() {
        kept.push(search(&world, &job, number, set).await);
    }
    job.requests.remove(2);
    let outcome = Box::pin(finish(&world, &job, &kept)).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(outcome.requests.iter().map(|request| request.matched).collect::<Vec<_>>(), [30, 30, 30]);
    assert_eq!(world.run(sources(), vec![find("u4")]).await.unwrap().matched, 30);
    assert_eq!(world.run(sources(), vec![find("u6")]).await.unwrap().matched, 0);
    // And one that came later was not searched for.
    job.requests.push(find("u9"));
    let error = Box::pin(finish(&world, &job, &kept)).await.unwrap_err();
    assert!(error.to_string().contains("not searched for all"), "{error}");
}

#[tokio::test]
async fn what_was_kept_is_used_whole_or_not_at_all() {
    let world = world().await;
    let job = job(vec![export("x1", "u3"), erase("e1", "u4")]);
    let set = &plan(&world, &job).await[0];
    let path = search(&world, &job, 0, set).await;
    let bytes = world.get(&path).await;
    let engine = world.engine();
    for at in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        world.put(&path, flipped).await;
        assert!(engine.load(&job, &path).await.is_err(), "{at}");
    }
    for length in (0..bytes.len()).step_by(97) {
        world.put(&path, &bytes[..length]).await;
        assert!(engine.load(&job, &path).await.is_err(), "{length}");
    }
    world.put(&path, bytes).await;
    assert_eq!(engine.load(&job, &path).await.unwrap().counts().shards, 2);
}

#[tokio::test]
async fn a_stopped_search_is_no_result() {
    let world = world().await;
    let job = job(all());
    let set = &plan(&world, &job).await[0];
    let (engine, reporter, stop) = (world.engine(), Reporter::default(), CancellationToken::new());
    stop.cancel();
    assert!(engine.pass(&job, &reporter, &stop).unwrap().search_set(set).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_kept_goes_with_its_pass() {
    let world = world().await;
    let job = job(vec![export("x1", "u3")]);
    for (number, set) in plan(&world, &job).await.iter().enumerate() {
        search(&world, &job, number, set).await;
    }
    assert_eq!(world.engine().kept_passes().await.unwrap(), ["1"]);
    world.engine().forget_pass("1").await.unwrap();
    assert!(world.engine().kept_passes().await.unwrap().is_empty());
    let left: Vec<_> = world.store.list("_lacuna/").try_collect().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_a_store_keeps_of_it_goes_too_wherever_a_removal_is_killed() {
    let store = Arc::new(MemoryStore::keeping(Keeping::Versions));
    let world = World { store: store.clone(), ..world().await };
    world.put("b/1.ndjson", ndjson(&mixed())).await;
    let job = Job { sources: vec![source("b", "b/*.ndjson")], ..job(vec![export("x1", "u3")]) };
    let keep = async || {
        for (number, set) in plan(&world, &job).await.iter().enumerate() {
            search(&world, &job, number, set).await;
        }
    };
    let holds_records = || store.old_bytes().iter().any(|(.., bytes)| bytes.windows(2).any(|window| window == b"u3"));
    keep().await;
    world.engine().forget_pass("1").await.unwrap();
    assert!(!holds_records() && world.engine().kept_passes().await.unwrap().is_empty());

    // Killed between the names and what the store keeps of the sets.
    keep().await;
    let sets: Vec<_> = store.list("_lacuna/passes/1/").try_collect().await.unwrap();
    let names: String = sets.iter().map(|set| format!("{}\n", set.path)).collect();
    world.put("_lacuna/passes/1/forgotten.txt", names).await;
    for set in &sets {
        store.delete(&set.path, &set.etag).await.unwrap();
    }
    assert!(holds_records());
    world.engine().forget_pass("1").await.unwrap();
    assert!(!holds_records() && world.engine().kept_passes().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_export_comes_before_the_erasure_of_the_same_request() {
    let world = world().await;
    world.put("b/broken.ndjson", "{\"UserId\": \n").await;
    let requests = vec![export("r1", "u3"), request("r1", "u3", Action::Erase(EraseMode::Hide))];
    let outcome = in_steps(&world, &job(requests.clone())).await;
    assert_eq!(outcome.requests[1].stopped, Some(lacuna_engine::Stopped::Package));
    assert!(!outcome.requests[1].complete);
    assert_eq!(world.run(sources(), vec![find("u3")]).await.unwrap().matched, 30);
    assert!(!world.packages().await.contains_key("T/r1/_SUCCESS"));

    let info = world.store.head(&blob("b/broken.ndjson")).await.unwrap();
    world.store.delete(&info.path, &info.etag).await.unwrap();
    world.engine().forget_pass("1").await.unwrap();
    let outcome = in_steps(&world, &job(requests)).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!((outcome.requests[1].hidden, outcome.requests[1].matched), (30, 30));
    assert!(world.packages().await.contains_key("T/r1/_SUCCESS"));
    assert_eq!(world.run(sources(), vec![find("u3")]).await.unwrap().matched, 0);
}

#[tokio::test]
async fn a_request_stays_within_the_sources_that_it_names() {
    let world = world().await;
    let mut request = erase("e1", "u3");
    request.sources = vec!["b".into()];
    let outcome = in_steps(&world, &job(vec![request])).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!((outcome.requests[0].erased, outcome.sources[0].searched), (15, false));
    assert_eq!(world.run(sources(), vec![find("u3")]).await.unwrap().matched, 15);
}
