//! What a listing cannot tell of makes an answer incomplete where it may be a shard, and hides no other shard.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use futures::StreamExt as _;
use lacuna_engine::{Job, Outcome, Reporter, SetSize};
use tokio_util::sync::CancellationToken;

use crate::disk::disk;
use crate::world::{World, erase, export, find, mixed, ndjson, source};

/// A link from `name` to what is called `target` there.
fn link(dir: &Path, name: &str, target: &str) {
    let place = dir.join(name);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    symlink(target, place).unwrap();
}

/// How many shards a search for somebody lists, and what it has to say of others.
async fn found(world: &World, shards: &str) -> (u64, Vec<(String, String)>) {
    let outcome = world.run(vec![source("all", shards)], vec![find("u3")]).await.unwrap();
    let source = &outcome.sources[0];
    assert_eq!(outcome.is_complete(), source.problems.is_empty());
    assert_eq!(outcome.matched, 3 * source.shards, "what is listed is searched");
    let checked = &world.engine().check(&[self::source("all", shards)], &[]).await[0].problems;
    assert_eq!(checked, &source.problems, "and a check tells the same");
    (source.shards, told(&outcome))
}

fn told(outcome: &Outcome) -> Vec<(String, String)> {
    let problems = outcome.sources.iter().flat_map(|source| &source.problems);
    problems.map(|problem| (problem.shard.clone(), problem.reason.clone())).collect()
}

#[tokio::test]
async fn a_linked_shard_is_missed_by_nobody() {
    let (dir, world) = disk(&["archive/1.ndjson", "live/0.ndjson"]);
    link(dir.path(), "live/today.ndjson", "../archive/1.ndjson");
    let (shards, problems) = found(&world, "live/*.ndjson").await;
    assert_eq!(shards, 1);
    assert_eq!(problems[0].0, "live/today.ndjson");
    assert!(problems[0].1.contains("a symbolic link") && problems[0].1.contains("`archive/1.ndjson`"), "{problems:?}");
    // Listed where it is, it is searched.
    assert_eq!(found(&world, "**/*.ndjson").await, (2, Vec::new()));
    assert_eq!(found(&world, "{live,archive}/*.ndjson").await, (2, Vec::new()));
    // Of no other source's.
    assert_eq!(found(&world, "archive/*.ndjson").await, (1, Vec::new()));
    assert_eq!(found(&world, "live/0*").await, (1, Vec::new()));
}

#[tokio::test]
async fn shards_in_a_linked_folder_are_missed_by_nobody() {
    let (dir, world) = disk(&["archive/1.ndjson", "archive/deep/2.ndjson", "live/0.ndjson"]);
    link(dir.path(), "live/current", "../archive");
    link(dir.path(), "other", "archive/deep");
    let named = |problems: Vec<(String, String)>| problems.into_iter().map(|problem| problem.0).collect::<Vec<_>>();
    let (shards, problems) = found(&world, "live/**/*.ndjson").await;
    assert_eq!((shards, named(problems)), (1, vec!["live/current".to_owned()]));
    // The glob starts behind the link.
    let (_, problems) = found(&world, "other/*.ndjson").await;
    assert_eq!(named(problems), ["other"]);
    let (_, problems) = found(&world, "live/current/deep/*.ndjson").await;
    assert_eq!(named(problems), ["live/current"]);
    // All that is behind the links is listed where it is, or is no shard.
    assert_eq!(found(&world, "**/*.ndjson").await, (3, Vec::new()));
    assert_eq!(found(&world, "live/*.ndjson").await, (1, Vec::new()));
    assert_eq!(found(&world, "{archive,live/current}/*.ndjson").await, (1, Vec::new()));
}

#[tokio::test]
async fn links_in_circles_end() {
    let (dir, world) = disk(&["a/1.ndjson", "b/2.ndjson"]);
    link(dir.path(), "a/up", "..");
    link(dir.path(), "a/self", "self");
    assert_eq!(found(&world, "**/*.ndjson").await, (2, Vec::new()));
    let (shards, problems) = found(&world, "a/**/*.ndjson").await;
    assert_eq!((shards, problems.len()), (1, 1), "nobody searches `a/up/b/2.ndjson`: {problems:?}");
}

#[tokio::test]
async fn links_out_of_the_store_and_to_nowhere_are_told_where_they_may_be_shards() {
    let (dir, world) = disk(&["a/1.ndjson"]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("2.ndjson"), ndjson(&mixed())).unwrap();
    link(dir.path(), "a/latest.txt", "nowhere");
    assert_eq!(found(&world, "**/*.ndjson").await, (1, Vec::new()));
    link(dir.path(), "a/gone.ndjson", "nowhere");
    link(dir.path(), "a/out", &outside.path().display().to_string());
    link(dir.path(), "a/out.ndjson", &outside.path().join("2.ndjson").display().to_string());
    let (_, problems) = found(&world, "a/*.ndjson").await;
    assert_eq!(problems.iter().map(|problem| &*problem.0).collect::<Vec<_>>(), ["a/gone.ndjson", "a/out.ndjson"]);
    let (_, problems) = found(&world, "**/*.ndjson").await;
    assert_eq!(problems.len(), 3);
}

#[tokio::test]
async fn an_entry_that_cannot_be_listed_hides_no_other() {
    let (dir, world) = disk(&["a/1.ndjson", "z/2.ndjson", "z/3.ndjson"]);
    for name in [&b"bad\xff.tmp"[..], b"bad\xff.ndjson", b"line\nbreak.ndjson"] {
        let place = dir.path().join("m").join(OsStr::from_bytes(name));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, ndjson(&mixed())).unwrap();
    }
    let (shards, problems) = found(&world, "**/*.ndjson").await;
    let names: Vec<_> = problems.iter().map(|problem| &*problem.0).collect();
    assert_eq!((shards, names), (3, vec!["m/bad\\xff.ndjson", "m/line\\nbreak.ndjson"]));
    assert_eq!(found(&world, "z/*.ndjson").await, (2, Vec::new()));

    // Everything else is exported and erased.
    let all = || vec![source("all", "**/*.ndjson")];
    let exported = world.run(all(), vec![export("x1", "u3")]).await.unwrap();
    assert_eq!((exported.matched, exported.is_complete()), (9, false));
    let erased = world.run(all(), vec![erase("e1", "u3")]).await.unwrap();
    assert_eq!((erased.sources[0].erased, erased.is_complete()), (9, false));
    assert_eq!(told(&erased), problems);
}

#[tokio::test]
async fn a_plan_has_all_shards_that_can_be_listed() {
    let (dir, world) = disk(&["a/1.ndjson", "z/2.ndjson", "z/3.ndjson"]);
    link(dir.path(), "b.ndjson", "nowhere");
    link(dir.path(), "y.ndjson", "nowhere");
    let sources = vec![source("all", "**/*.ndjson")];
    let job = Job { sources, requests: vec![find("u3")], others: Vec::new() };
    let (engine, reporter, never) = (world.engine(), Reporter::default(), CancellationToken::new());
    let pass = engine.pass(&job, &reporter, &never).unwrap();
    let cut: Vec<_> = pass.plan(SetSize { shards: 2, bytes: u64::MAX }).collect().await;
    let sizes: Vec<_> = cut.iter().map(|set| set.as_ref().map_or(0, |set| set.shards.len())).collect();
    assert_eq!(sizes, [2, 1, 0]);
    let unlisted = cut.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(
        unlisted[0].problems().iter().map(|problem| &*problem.shard).collect::<Vec<_>>(),
        ["b.ndjson", "y.ndjson"]
    );
}
