//! Any number of workers on one ledger, which may stop or die at any point.

use std::time::Duration;

use lacuna_ledger::{Actor, HoldOn, Kind, NewHold, Role, State};
use lacuna_worker::{Schedules, Summary, Work};
use tokio_util::sync::CancellationToken;

use crate::world::{World, killed_after, wish};

/// A worker is killed after so many polls more each time, until it comes to its end: a round takes some hundreds.
const STEP: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_share_a_pass_and_nothing_is_done_twice() {
    let world = World::new().await;
    let mut requests = vec![world.submit(Kind::Export, "u2").await];
    for user in ["u3", "u4", "u5"] {
        requests.push(world.erase_now(user).await);
    }
    let workers = ["w1", "w2", "w3"].map(|name| world.worker(name));
    let never = CancellationToken::new();
    let rounds = workers.iter().map(|worker| worker.once(&[Work::Requests], &never));
    let summaries: Vec<Summary> = futures::future::try_join_all(rounds).await.unwrap();
    // One that came while the others were at the last set may have gone before the end.
    world.work().await;
    assert_eq!(summaries.iter().map(|summary| summary.sets).sum::<u64>(), 6);
    for request in requests {
        assert_eq!(world.state(request).await, State::Complete);
    }
    for (user, rows) in [("u2", 10), ("u3", 0), ("u4", 0), ("u5", 0), ("u6", 10)] {
        assert_eq!(world.rows_of(user).await, rows, "{user}");
    }
    let chain = world.ledger.verify_chain(&[]).await.unwrap();
    assert!(chain.broken.is_none(), "{chain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_lifted_under_way_leaves_no_package_without_what_it_kept() {
    let mut polls = 0;
    let mut is_killed = true;
    while is_killed {
        polls += STEP;
        let world = World::new().await;
        let on = HoldOn::Source { source: "b".into(), class: "audit".into() };
        let (reason, legal_basis) = ("an audit".into(), "law 1".into());
        let hold = NewHold { on, reason, legal_basis, review: None, exports: true };
        let hold = world.ledger.set_hold(hold, &Actor::new("olga", Role::Operator), world.now()).await.unwrap();
        let export = world.submit(Kind::Export, "u2").await;
        is_killed = killed_after(&world.worker("dies"), polls).await;
        let approver = Actor::new("bob", Role::Approver);
        world.ledger.lift_hold(hold.id, "it is over", &approver, world.now()).await.unwrap();
        world.wait(time::Duration::minutes(2));
        world.work().await;
        assert_eq!(world.state(export).await, State::Complete, "{polls}");
        let packaged = world.packaged().await;
        let rows = packaged.get(&format!("_/{export}/Office/b.json")).map_or(0, |file| file.matches("u2").count());
        let says_so = packaged[&format!("_/{export}/manifest.json")]
            .contains("must not be handed out for now: an audit (law 1).");
        // All of them, or none and the manifest says so.
        assert_eq!(rows, if says_so { 0 } else { 5 }, "{polls}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_point_leaves_what_another_finishes() {
    let mut step = 0;
    let mut is_killed = true;
    while is_killed {
        step += STEP;
        let world = World::new().await;
        let export = world.submit(Kind::Export, "u2").await;
        let erase = world.erase_now("u3").await;
        is_killed = killed_after(&world.worker("dies"), step).await;
        // What it held is free when its lease has run out.
        world.wait(time::Duration::minutes(2));
        world.work().await;
        world.wait(time::Duration::hours(2));
        world.work().await;
        assert_eq!((world.state(export).await, world.state(erase).await), (State::Complete, State::Complete), "{step}");
        assert_eq!((world.rows_of("u2").await, world.rows_of("u3").await), (10, 0), "{step}");
        assert!(world.packaged().await.contains_key(&format!("_/{export}/_SUCCESS")), "{step}");
        assert!(!world.own().await.iter().any(|path| path.contains("/passes/")), "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_to_stop_hands_back_what_it_holds() {
    let world = World::new().await;
    let erase = world.erase_now("u3").await;
    let stop = CancellationToken::new();
    stop.cancel();
    let summary = world.worker("stops").once(&Work::ALL, &stop).await.unwrap();
    assert!(summary.interrupted);
    // No time has passed, and the other one need not wait for a lease to run out.
    world.work().await;
    assert_eq!(world.state(erase).await, State::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stays_does_what_comes_and_stops_when_asked() {
    let world = World::new().await;
    let worker = world.worker("stays");
    let stop = CancellationToken::new();
    let mut urgent = wish(Kind::Export, "u2");
    urgent.lane = lacuna_ledger::Lane::OnDemand;
    let schedules = Schedules::new();
    let watch = async {
        let request = world.submit_new(urgent).await;
        while world.state(request).await != State::Complete {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    tokio::join!(worker.serve(&schedules, &stop), watch);
    assert!(worker.waiting().await.is_some());
}
