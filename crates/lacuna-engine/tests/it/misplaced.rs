//! What lies in the place of a tombstone or a receipt and is none, or another's: nothing is believed, shown or taken away for it.

use std::fs;

use lacuna_engine::{Action, EraseMode, PurgeOptions, PurgeOutcome, Reporter, ShardState};
use tokio_util::sync::CancellationToken;

use crate::disk::disk;
use crate::world::{World, erase, find, mixed, ndjson, receipt_at, request, source};

const PLACE_OF_A: &str = "_lacuna/tombstones/by-path/a.ndjson.puffin";
const PLACE_OF_B: &str = "_lacuna/tombstones/by-path/b.ndjson.puffin";

fn hide(id: &str, user: &str) -> lacuna_engine::Request {
    request(id, user, Action::Erase(EraseMode::Hide))
}

async fn purge(world: &World) -> PurgeOutcome {
    let (options, reporter, never) = (PurgeOptions::default(), Reporter::default(), CancellationToken::new());
    world.engine().purge(&[source("all", "*.*")], options, &reporter, &never).await.unwrap()
}

#[tokio::test]
async fn a_tombstone_in_the_place_of_another_is_not_believed() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    world.put("b.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    let (of_a, of_b) = (world.get(PLACE_OF_A).await, world.get(PLACE_OF_B).await);
    world.put(PLACE_OF_B, of_a.clone()).await;

    let found = world.run(sources.clone(), vec![find("u4")]).await.unwrap();
    let [problem] = found.sources[0].problems.as_slice() else { unreachable!("{found:?}") };
    assert_eq!(problem.shard, "b.ndjson");
    assert!(problem.reason.contains("the tombstone of a.ndjson"), "{problem:?}");
    let erased = world.run(sources.clone(), vec![hide("e2", "u4")]).await.unwrap();
    assert_eq!((erased.is_complete(), erased.sources[0].hidden), (false, 3), "{erased:?}");
    let wrong = world.engine().check_hidden().await.unwrap_err();
    assert!(wrong.to_string().contains(PLACE_OF_B), "{wrong}");

    // Only the shard whose tombstone is in its place is purged, however often.
    for purged_now in [1, 0] {
        let purged = purge(&world).await;
        let places: Vec<_> = purged.problems.iter().map(|problem| problem.shard.as_str()).collect();
        assert_eq!((purged.shards_purged, places), (purged_now, vec![PLACE_OF_B]), "{purged:?}");
        assert_eq!(world.get(PLACE_OF_B).await, of_a);
    }
    let purged = purge(&world).await;
    let told = purged.requests.iter().find(|told| told.request == "e1");
    let told = receipt_at(&world, told.and_then(|told| told.receipt.as_deref()).unwrap_or("_lacuna/receipts/e1.2.jws"));
    let told = told.await;
    let states: Vec<_> = told.sources[0].shards.iter().map(|line| (line.shard.as_str(), line.state)).collect();
    assert_eq!(states, [("a.ndjson", ShardState::Gone), ("b.ndjson", ShardState::Blocked)], "{told:?}");

    world.put(PLACE_OF_B, of_b).await;
    assert_eq!(world.run(sources, vec![find("u3")]).await.unwrap().matched, 0);
    let purged = purge(&world).await;
    assert_eq!((purged.rows_purged, purged.problems.len()), (3, 0), "{purged:?}");
}

#[tokio::test]
async fn a_folder_or_a_socket_in_the_place_of_a_tombstone_shows_no_row() {
    let (dir, world) = disk(&["a.ndjson", "b.ndjson"]);
    let (sources, place) = (vec![source("all", "*.*")], dir.path().join(PLACE_OF_A));
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    for is_folder in [true, false] {
        fs::remove_file(&place).or_else(|_| fs::remove_dir(&place)).unwrap();
        match is_folder {
            true => fs::create_dir(&place).unwrap(),
            false => drop(std::os::unix::net::UnixListener::bind(&place).unwrap()),
        }
        let found = world.run(sources.clone(), vec![find("u3")]).await.unwrap();
        let [problem] = found.sources[0].problems.as_slice() else { unreachable!("{found:?}") };
        assert_eq!((found.matched, problem.shard.as_str()), (0, "a.ndjson"), "{found:?}");
        assert!(world.engine().cat(&sources[0], "a.ndjson", &mut Vec::new()).await.is_err());
        assert!(!world.run(sources.clone(), vec![erase("e2", "u4")]).await.unwrap().is_complete());
    }
}

#[tokio::test]
async fn a_folder_in_the_place_of_a_receipt_ends_a_run() {
    let (dir, world) = disk(&["a.ndjson"]);
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    let place = dir.path().join("_lacuna/receipts/e1.2.jws");
    fs::create_dir(&place).unwrap();
    let purged = purge(&world).await;
    let [problem] = purged.problems.as_slice() else { unreachable!("{purged:?}") };
    assert!(problem.reason.contains("a folder is in the place of a file"), "{problem:?}");
    let again = world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    assert!(!again.is_complete() && again.requests[0].receipt.is_none(), "{again:?}");

    // Nothing is lost that the receipt has to tell.
    fs::remove_dir(&place).unwrap();
    let purged = purge(&world).await;
    assert_eq!(purged.problems.len(), 0, "{purged:?}");
    let told = receipt_at(&world, purged.requests[0].receipt.as_deref().unwrap()).await;
    let line = &told.sources[0].shards[0];
    assert_eq!((line.state, line.matched), (ShardState::Gone, 3), "{told:?}");
}
