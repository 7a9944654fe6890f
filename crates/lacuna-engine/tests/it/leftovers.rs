//! Where old bytes live on although the shard itself is rewritten: under other names of its file, and where killed runs wrote.

use std::fs;

use lacuna_engine::{Action, EraseMode, PurgeOptions, PurgeOutcome, Reporter, ShardState};
use tokio_util::sync::CancellationToken;

use crate::disk::disk;
use crate::world::{World, erase, find, mixed, ndjson, receipt, request, source};

async fn purge(world: &World) -> PurgeOutcome {
    let (options, reporter, never) = (PurgeOptions::default(), Reporter::default(), CancellationToken::new());
    world.engine().purge(&[source("all", "*.ndjson")], options, &reporter, &never).await.unwrap()
}

#[tokio::test]
async fn what_another_hard_link_keeps_is_not_gone() {
    let (dir, world) = disk(&["1.ndjson", "2.ndjson"]);
    let other = dir.path().join("kept.bak");
    fs::hard_link(dir.path().join("1.ndjson"), &other).unwrap();
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(!outcome.is_complete());
    let problem = &outcome.sources[0].problems[0];
    assert!(problem.shard == "1.ndjson" && problem.reason.contains("another hard link"), "{problem:?}");
    let stated = receipt(&world, &outcome).await;
    let lines = &stated.sources[0].shards;
    let states: Vec<_> = lines.iter().map(|line| (line.shard.as_str(), line.state)).collect();
    assert_eq!(states, [("1.ndjson", ShardState::Hidden), ("2.ndjson", ShardState::Gone)]);
    assert!(lines[0].reason.as_ref().unwrap().contains("another hard link") && !stated.complete, "{stated:?}");
    // Its rows are hidden, and a purge says the same of its bytes.
    assert_eq!(outcome.sources[0].hidden, lines[0].matched);
    assert_eq!(world.run(vec![source("all", "*.ndjson")], vec![find("u3")]).await.unwrap().matched, 0);
    assert!(purge(&world).await.problems[0].reason.contains("another hard link"));
    assert_eq!(fs::read_to_string(dir.path().join("1.ndjson")).unwrap(), ndjson(&mixed()));
    fs::remove_file(other).unwrap();
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
}

/// Where a store takes no files from its own volume, they wait in the temporary directory: shards that are rewritten, parts of packages.
#[tokio::test]
async fn an_erasure_removes_what_killed_runs_left_among_temporary_files() {
    let temp = tempfile::tempdir().unwrap();
    let killed = temp.path().join("lacuna-run-killed");
    fs::create_dir(&killed).unwrap();
    fs::write(killed.join(".tmp1"), ndjson(&mixed())).unwrap();
    fs::write(temp.path().join("somebody-else"), "").unwrap();
    let world = World { temp_dir: Some(temp.path().to_owned()), ..World::new() };
    world.put("1.ndjson", ndjson(&mixed())).await;
    assert!(world.run(vec![source("all", "*.ndjson")], vec![erase("e1", "u3")]).await.unwrap().is_complete());
    let left: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["somebody-else"], "and the run that ended leaves nothing");
}

#[tokio::test]
async fn an_erasure_and_a_purge_remove_what_killed_runs_staged() {
    let (dir, world) = disk(&["1.ndjson"]);
    let staging = dir.path().join("_lacuna/staging");
    let killed = || {
        let run = staging.join("lacuna-run-killed");
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join(".tmp1"), ndjson(&mixed())).unwrap();
        fs::write(staging.join("lacuna-run-killed.lock"), "").unwrap();
        move || run.exists()
    };
    let is_there = killed();
    assert!(is_there());
    let hide = request("e1", "u3", Action::Erase(EraseMode::Hide));
    assert!(world.run(vec![source("all", "*.ndjson")], vec![hide]).await.unwrap().is_complete());
    assert!(!is_there());
    let is_there = killed();
    assert_eq!(purge(&world).await.problems, []);
    assert!(!is_there());
}
