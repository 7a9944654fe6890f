//! What time takes.

use lacuna_ledger::{Kind, Policy};
use lacuna_worker::Work;
use time::Duration;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test]
async fn packages_expire_and_go_with_all_their_files() {
    let world = World::new().await;
    let export = world.submit(Kind::Export, "u2").await;
    let other = world.submit(Kind::Export, "u5").await;
    world.work().await;
    world.wait(Duration::days(10));
    let late = world.submit(Kind::Export, "u6").await;
    world.work().await;
    world.wait(Duration::days(20));
    let retention = world.only(Work::Retention).await.retention.unwrap();
    assert_eq!((retention.packages, retention.packages_left), (2, 0));
    let left = world.packaged().await;
    assert!(!left.is_empty() && left.keys().all(|path| path.contains(&late.to_string())), "{:?}", left.keys());
    for request in [export, other] {
        assert_eq!(world.request(request).await.package, None);
    }
    assert_eq!(world.only(Work::Retention).await.retention.unwrap().packages, 0);
}

#[tokio::test]
async fn nothing_in_the_ledgers_files_names_a_person_who_is_forgotten() {
    const CANARY: &str = "canary-7f3a9c@example.org";
    let policy =
        Policy { grace: Duration::DAY, standing: Duration::DAY, cancel_window: Duration::ZERO, ..Policy::default() };
    let world = World::with(policy).await;
    world.put("a/canary.ndjson", &format!("{{\"UserId\":\"{CANARY}\"}}\n")).await;
    world.submit(Kind::Export, CANARY).await;
    world.erase_now(CANARY).await;
    world.work().await;
    assert_eq!(world.rows_of(CANARY).await, 0);
    let named = |world: &World| {
        let files =
            std::fs::read_dir(world.dir.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        let text: Vec<String> = files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
        text.iter().any(|text| text.contains("canary-7f3a9c"))
    };
    // They are encrypted as long as they are needed, and then not even that is left.
    assert!(!named(&world));
    world.wait(Duration::days(2));
    let retention = world.only(Work::Retention).await.retention.unwrap();
    assert_eq!(retention.forgotten, 2);
    assert!(!named(&world));
    for (path, content) in world.packaged().await {
        assert!(!path.contains(CANARY) && (!content.contains(CANARY) || path.ends_with("a.json")), "{path}");
    }
    for path in world.own().await {
        assert!(!path.contains("canary") && !world.get(&path).await.contains("canary"), "{path}");
    }
}

#[tokio::test]
async fn what_a_killed_worker_kept_of_a_pass_goes() {
    let world = World::new().await;
    world.put("_lacuna/passes/77/000000000001", "found").await;
    world.only(Work::Retention).await;
    assert!(world.own().await.is_empty(), "{:?}", world.own().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_worker_has_done_no_other_does_at_the_same_time_of_its_schedule() {
    let world = World::new().await;
    let stop = CancellationToken::new();
    let due = world.now();
    for work in [Work::Sweep, Work::Purge, Work::Retention] {
        let did = async |name: &str, due| {
            let did = world.worker(name).at(work, due, &stop).await.unwrap();
            did.sweep.is_some() || did.purge.is_some() || did.retention.is_some()
        };
        assert!(did("first", due).await, "{work}");
        assert!(!did("second", due).await, "{work}");
        world.wait(Duration::HOUR);
        assert!(did("second", world.now()).await, "{work}");
    }
}
