//! Requests ride on a common pass, to the end that each deserves.

use lacuna_engine::EraseLimits;
use lacuna_ledger::{Act, Actor, HoldOn, Kind, Lane, NewHold, Policy, Role, State};
use lacuna_worker::Work;
use time::Duration;

use crate::world::{World, lines, subject, wish};

#[tokio::test]
async fn all_due_requests_ride_on_one_pass() {
    let world = World::new().await;
    let find = world.submit(Kind::Discover, "u1").await;
    let export = world.submit(Kind::Export, "u2").await;
    let erase = world.erase_now("u3").await;
    let summary = world.only(Work::Requests).await;
    assert_eq!((summary.passes, summary.sets, summary.requests.complete), (1, 6, 3));
    assert_eq!(world.request(find).await.counts.unwrap().matched(), 10);

    let exported = world.request(export).await;
    assert_eq!(exported.state, State::Complete);
    let packaged = world.packaged().await;
    assert!(packaged.contains_key(&format!("_/{export}/_SUCCESS")));
    assert_eq!(packaged[&format!("_/{export}/Office/a.json")].matches("u2").count(), 5);

    let erased = world.request(erase).await;
    assert_eq!((erased.state, erased.counts.unwrap().erased()), (State::Complete, 10));
    assert_eq!(world.rows_of("u3").await, 0);
    assert!(world.receipt(erase).await.complete);
    let head = world.receipt(erase).await.chain_head.unwrap().parse().unwrap();
    assert!(world.ledger.verify_chain(&[head]).await.unwrap().broken.is_none());

    // Nothing of the pass is left, and there is nothing more to do.
    assert!(!world.own().await.iter().any(|path| path.contains("/passes/")), "{:?}", world.own().await);
    let summary = world.only(Work::Requests).await;
    assert_eq!((summary.passes, summary.sets), (0, 0));
}

#[tokio::test]
async fn what_was_hidden_waits_for_the_purge_and_so_does_its_request() {
    let world = World::new().await;
    let both = world.submit(Kind::ExportAndErase, "u4").await;
    let summary = world.only(Work::Requests).await;
    assert_eq!((summary.requests.complete, summary.requests.hidden), (0, 1));
    assert_eq!((world.state(both).await, world.rows_of("u4").await), (State::Verifying, 10));
    assert!(world.packaged().await.contains_key(&format!("_/{both}/_SUCCESS")));
    let purge = world.only(Work::Purge).await.purge.unwrap();
    assert_eq!((purge.shards, purge.rows, purge.complete), (10, 10, 1));
    let done = world.request(both).await;
    assert_eq!((done.state, done.counts.unwrap().erased()), (State::Complete, 10));
    assert_eq!(world.rows_of("u4").await, 0);
    assert_eq!(world.receipt(both).await.shards_pending(), 0);
    // Every shard was searched before it was hidden: the sweep has nothing to look at but what the purge wrote.
    assert_eq!(world.only(Work::Sweep).await.sweep.unwrap().searched, 10);
}

#[tokio::test]
async fn a_hidden_erasure_whose_receipt_is_lost_is_searched_again_before_it_is_complete() {
    let world = World::new().await;
    let hide = world.submit(Kind::Erase, "u4").await;
    world.only(Work::Requests).await;
    world.remove(&format!("_lacuna/receipts/{hide}.jws")).await;
    // What the purge tells now is not all that there was to tell.
    let summary = world.only(Work::Purge).await;
    assert!(!summary.is_complete(), "{summary:?}");
    let purge = summary.purge.unwrap();
    assert_eq!((purge.complete, purge.incomplete), (0, 1));
    assert_eq!((world.state(hide).await, world.rows_of("u4").await), (State::Incomplete, 0));
    world.wait(Duration::hours(25));
    world.work().await;
    assert_eq!(world.state(hide).await, State::Complete);
    assert!(world.receipt(hide).await.is_done());
}

#[tokio::test]
async fn a_receipt_that_cannot_be_read_holds_up_nobody_else() {
    let world = World::new().await;
    let mine = world.submit(Kind::Erase, "u3").await;
    world.only(Work::Requests).await;
    for path in world.own().await.into_iter().filter(|path| path.contains(&format!("receipts/{mine}"))) {
        world.put(&path, "no receipt").await;
    }
    let theirs = world.erase_now("u4").await;
    let summary = world.work().await;
    assert!(!summary.is_complete() && summary.retention.is_some(), "{summary:?}");
    let problems = summary.purge.unwrap().problems;
    assert!(problems.iter().any(|problem| problem.reason.contains("newest receipt")), "{problems:?}");
    assert_eq!([world.state(mine).await, world.state(theirs).await], [State::Verifying, State::Complete]);
}

#[tokio::test]
async fn a_purge_ahead_of_deadlines_goes_by_the_ledger() {
    let mut world = World::new().await;
    world.purge_within = Some(std::time::Duration::from_hours(5 * 24));
    let id = world.submit(Kind::Erase, "u4").await;
    world.only(Work::Requests).await;
    let purge = async || world.only(Work::Purge).await.purge.unwrap();
    let done = purge().await;
    assert_eq!((done.purged, done.not_due), (0, 10));
    // A tombstone that cannot be read is named, and stops no other shard.
    let unreadable = "_lacuna/tombstones/by-path/a/9.ndjson.puffin";
    world.put(unreadable, "no tombstone").await;
    let done = purge().await;
    assert_eq!((done.problems.len(), done.not_due), (1, 10), "{done:?}");
    world.remove(unreadable).await;
    // The receipt's clock is the machine's, which says that the erasure began just now.
    world.wait(world.request(id).await.clock.due - world.now() - Duration::days(2));
    assert_eq!(purge().await.purged, 10);
    assert_eq!(world.state(id).await, State::Complete);
}

#[tokio::test]
async fn what_a_request_hid_that_is_taken_back_shows_again() {
    let world = World::new().await;
    let whole = world.get("a/1.ndjson").await;
    world.put("a/1.ndjson", &format!("{whole}{{\"UserId\": \n")).await;
    let (hide, other) = (world.submit(Kind::Erase, "u4").await, world.submit(Kind::Erase, "u5").await);
    world.only(Work::Requests).await;
    let hidden = |own: Vec<String>| own.iter().filter(|path| path.contains("tombstones")).count();
    assert_eq!((world.state(hide).await, hidden(world.own().await)), (State::Incomplete, 9));
    let act = Act::Cancel { reason: Some("a mistake".into()) };
    world.ledger.act(hide, act, &Actor::new("ann", Role::Approver), world.now()).await.unwrap();
    let purge = world.only(Work::Purge).await.purge.unwrap();
    assert_eq!((purge.purged, purge.rows, purge.held), (9, 9, 0), "{purge:?}");
    assert_eq!((world.rows_of("u4").await, world.rows_of("u5").await, hidden(world.own().await)), (10, 1, 0));
    assert_eq!(world.state(other).await, State::Incomplete);
}

#[tokio::test]
async fn an_erasure_that_is_tried_again_counts_what_it_found_before() {
    let world = World::new().await;
    let whole = world.get("a/1.ndjson").await;
    world.put("a/1.ndjson", &format!("{whole}{{\"UserId\": \n")).await;
    let (now, hide) = (world.erase_now("u3").await, world.submit(Kind::Erase, "u4").await);
    world.work().await;
    assert_eq!([world.state(now).await, world.state(hide).await], [State::Incomplete; 2]);
    world.put("a/1.ndjson", &whole).await;
    for _ in 0..3 {
        world.wait(Duration::hours(25));
        world.work().await;
    }
    for request in [now, hide] {
        let request = world.request(request).await;
        let counts = request.counts.unwrap();
        assert_eq!((request.state, counts.matched(), counts.erased()), (State::Complete, 10, 10));
    }
}

#[tokio::test]
async fn erasures_wait_for_their_cancel_window_and_their_approvers() {
    let policy = Policy { approvals: 1, cancel_window: Duration::DAY, ..Policy::default() };
    let world = World::with(policy).await;
    let erase = world.erase_now("u3").await;
    let summary = world.work().await;
    assert_eq!((summary.requests.awaiting_approval, world.state(erase).await), (1, State::AwaitingApproval));
    assert_eq!(world.request(erase).await.counts.unwrap().matched(), 10);
    assert_eq!(world.rows_of("u3").await, 10);
    let approver = Actor::new("bob", Role::Approver);
    world.ledger.act(erase, Act::Approve { force: false }, &approver, world.now()).await.unwrap();
    world.work().await;
    assert_eq!((world.state(erase).await, world.rows_of("u3").await), (State::Scheduled, 10));
    world.wait(Duration::DAY);
    world.work().await;
    assert_eq!((world.state(erase).await, world.rows_of("u3").await), (State::Complete, 0));
}

#[tokio::test]
async fn an_erasure_that_reaches_too_far_stops_until_somebody_approves() {
    let mut world = World::new().await;
    world.limits = EraseLimits { max_rows: Some(9), ..EraseLimits::default() };
    let erase = world.erase_now("u3").await;
    world.work().await;
    assert_eq!((world.state(erase).await, world.rows_of("u3").await), (State::AwaitingApproval, 10));
    let approver = Actor::new("bob", Role::Approver);
    world.ledger.act(erase, Act::Approve { force: false }, &approver, world.now()).await.unwrap();
    world.work().await;
    assert_eq!((world.state(erase).await, world.rows_of("u3").await), (State::Complete, 0));
}

#[tokio::test]
async fn what_is_missing_is_tried_again_until_the_deadline() {
    let world = World::new().await;
    world.put("a/broken.ndjson", "{\"UserId\": \n").await;
    let erase = world.erase_now("u3").await;
    let summary = world.work().await;
    assert!(!summary.is_complete());
    let request = world.request(erase).await;
    assert_eq!((request.state, request.missing[0].shard.as_str()), (State::Incomplete, "a/broken.ndjson"));
    // Not before its time.
    assert_eq!(world.work().await.passes, 0);
    world.put("a/broken.ndjson", "{\"UserId\":\"u3\"}\n").await;
    world.wait(Duration::HOUR);
    world.work().await;
    assert_eq!((world.state(erase).await, world.rows_of("u3").await), (State::Complete, 0));

    world.put("b/broken.ndjson", "{\"UserId\": \n").await;
    let late = world.erase_now("u4").await;
    world.work().await;
    world.wait(Duration::days(31));
    let retention = world.only(Work::Retention).await.retention.unwrap();
    assert_eq!((retention.failed, world.state(late).await), (1, State::Failed));
}

#[tokio::test]
async fn a_request_that_cannot_be_asked_fails_alone() {
    let world = World::new().await;
    let mut wrong = wish(Kind::Discover, "u1");
    wrong.subject = lacuna_ledger::Subject::new([lacuna_ledger::Identifier::new("phone", "555")]);
    let wrong = world.submit_new(wrong).await;
    let right = world.submit(Kind::Discover, "u1").await;
    world.work().await;
    let failed = world.request(wrong).await;
    assert_eq!((failed.state, world.state(right).await), (State::Failed, State::Complete));
    assert!(failed.reason.unwrap().contains("no source maps"));
}

#[tokio::test]
async fn holds_win_over_erasures_and_what_they_kept_is_made_up_for() {
    let world = World::new().await;
    let operator = Actor::new("olga", Role::Operator);
    let hold =
        |on, exports| NewHold { on, reason: "a lawsuit".into(), legal_basis: "law 1".into(), review: None, exports };
    let person = HoldOn::Subject { tenant: None, subject: subject("u3") };
    let on_person = world.ledger.set_hold(hold(person, true), &operator, world.now()).await.unwrap();
    let audit = HoldOn::Source { source: "b".into(), class: "audit".into() };
    world.ledger.set_hold(hold(audit, false), &operator, world.now()).await.unwrap();
    let held = world.erase_now("u3").await;
    let free = world.erase_now("u4").await;
    let export = world.submit(Kind::Export, "u3").await;
    world.work().await;
    let request = world.request(held).await;
    assert_eq!((request.state, request.counts.unwrap().kept()), (State::Complete, 10));
    assert_eq!(world.rows_of("u3").await, 10);
    let counts = world.request(free).await.counts.unwrap();
    assert_eq!((counts.erased(), counts.kept(), world.rows_of("u4").await), (5, 5, 5));
    let receipt = world.receipt(free).await;
    let reasons: Vec<_> =
        receipt.sources.iter().flat_map(|source| &source.shards).filter_map(|line| line.reason.as_deref()).collect();
    assert!(reasons.iter().all(|reason| *reason == "a lawsuit (law 1)"), "{reasons:?}");
    // The person's records may not even be exported.
    let export = world.request(export).await;
    assert_eq!((export.state, export.missing[0].reason.as_str()), (State::Incomplete, "held: a lawsuit (law 1)"));

    let approver = Actor::new("bob", Role::Approver);
    world.ledger.lift_hold(on_person.id, "it is settled", &approver, world.now()).await.unwrap();
    let sweep = world.only(Work::Sweep).await.sweep.unwrap();
    assert_eq!((sweep.erased, world.rows_of("u3").await), (5, 5), "source b is held still");
    let request = world.request(held).await;
    let counts = request.counts.as_ref().unwrap();
    assert_eq!((counts.matched(), counts.erased(), counts.kept()), (10, 5, 5));
    let history = world.ledger.history(held).await.unwrap();
    let swept: Vec<_> = history.iter().filter(|entry| entry.what == "swept").collect();
    assert_eq!(swept.iter().filter_map(|entry| entry.detail["erased"].as_u64()).sum::<u64>(), 5);
    assert_eq!(swept.last().unwrap().detail["receipt"].as_str(), request.receipt.as_deref());
}

#[tokio::test]
async fn what_a_purge_takes_out_is_counted_for_a_request_that_is_not_done() {
    let world = World::new().await;
    world.put("a/broken.ndjson", "broken\n").await;
    let hidden = world.submit(Kind::Erase, "u3").await;
    world.only(Work::Requests).await;
    let request = world.request(hidden).await;
    let counts = request.counts.unwrap();
    assert_eq!((request.state, counts.matched(), counts.erased()), (State::Incomplete, 10, 0));
    world.only(Work::Purge).await;
    let request = world.request(hidden).await;
    let counts = request.counts.unwrap();
    assert_eq!((request.state, counts.matched(), counts.erased(), counts.shards()), (State::Incomplete, 10, 10, 10));
    assert!(request.receipt.unwrap().ends_with(".2.jws"));
    let history = world.ledger.history(hidden).await.unwrap();
    assert_eq!(history.iter().filter(|entry| entry.what == "purged").count(), 1);
    // Nothing new, nothing said.
    world.only(Work::Purge).await;
    assert_eq!(world.ledger.history(hidden).await.unwrap().len(), history.len());
}

#[tokio::test]
async fn a_request_on_demand_does_not_wait_for_the_common_pass() {
    let world = World::new().await;
    let batch = world.submit(Kind::Discover, "u1").await;
    // Another worker leads the common pass, and is slow.
    let other = Actor::worker("slow");
    world.ledger.begin_pass(Lane::Batch, &other, 10, Duration::HOUR, world.now()).await.unwrap().unwrap();
    let mut urgent = wish(Kind::Export, "u2");
    urgent.lane = Lane::OnDemand;
    let urgent = world.submit_new(urgent).await;
    let late = world.submit(Kind::Discover, "u5").await;
    let summary = world.work().await;
    assert_eq!((summary.passes_open, world.state(urgent).await), (1, State::Complete));
    assert_eq!((world.state(batch).await, world.state(late).await), (State::Running, State::Scheduled));
    // When the slow one has died, its pass is taken over, and the next one takes what came meanwhile.
    world.wait(Duration::hours(2));
    let summary = world.work().await;
    assert_eq!((summary.passes, summary.passes_open), (2, 0));
    assert_eq!((world.state(batch).await, world.state(late).await), (State::Complete, State::Complete));
}

#[tokio::test]
async fn a_hold_on_somebody_whose_records_are_hidden_wins_over_others_erasures_purges_and_sweeps() {
    let world = World::new().await;
    let held = world.submit(Kind::Erase, "u3").await;
    world.only(Work::Requests).await;
    let (operator, approver) = (Actor::new("olga", Role::Operator), Actor::new("bob", Role::Approver));
    let on = HoldOn::Subject { tenant: None, subject: subject("u3") };
    let hold = NewHold { on, reason: "a lawsuit".into(), legal_basis: "law 1".into(), review: None, exports: false };
    let hold = world.ledger.set_hold(hold, &operator, world.now()).await.unwrap();
    let other = world.erase_now("u4").await;
    world.only(Work::Requests).await;
    assert_eq!((world.rows_of("u3").await, world.rows_of("u4").await), (10, 10), "they share all shards");
    assert_eq!((world.state(held).await, world.state(other).await), (State::Verifying, State::Verifying));
    world.put("a/late.ndjson", &lines(0..10)).await;
    world.only(Work::Sweep).await;
    let purge = world.only(Work::Purge).await.purge.unwrap();
    assert_eq!((purge.held, world.rows_of("u3").await), (10, 11));
    world.ledger.lift_hold(hold.id, "it is settled", &approver, world.now()).await.unwrap();
    world.work().await;
    assert_eq!((world.rows_of("u3").await, world.rows_of("u4").await), (0, 0));
    assert_eq!((world.state(held).await, world.state(other).await), (State::Complete, State::Complete));
}
