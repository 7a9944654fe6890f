//! A busy database, a connection that is lost before the commit or after it: the same call again has one effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lacuna_ledger::testing::{Fault, Faults, Moment};
use lacuna_ledger::{
    Ending, Error, Filter, Kind, Lane, Ledger, NewRequest, Policy, Result, Sequence, SetResult, State, Submitted,
};

use crate::make::{
    LEASE, NEXT_DAY, NOW, approve, approver, begin, cancel, concluded, new, requester, search, sets, shard, submit,
    worker,
};
use crate::place::Place;

on_both!(
    a_busy_database_is_tried_again,
    one_that_stays_busy_is_said_to_be,
    a_submission_whose_answer_is_lost_is_known,
    a_submission_that_is_lost_is_not_recorded,
    a_decision_whose_answer_is_lost_is_made_once,
    a_pass_whose_beginning_is_lost_is_taken_over,
    a_plan_whose_answer_is_lost_is_written_once,
    a_set_whose_answer_is_lost_is_finished_once,
    a_conclusion_whose_answer_is_lost_is_drawn_once,
    watermarks_whose_answer_is_lost_stand,
    a_duty_whose_answer_is_lost_is_free_after_its_lease,
);

/// So many faults of one kind at one moment; none after them.
struct Next {
    moment: Moment,
    fault: Fault,
    left: AtomicI64,
}

impl Faults for Next {
    fn strike(&self, moment: Moment) -> Option<Fault> {
        let strikes = moment == self.moment && self.left.fetch_sub(1, Ordering::SeqCst) > 0;
        strikes.then_some(self.fault)
    }
}

fn with(ledger: &Ledger, moment: Moment, fault: Fault, times: i64) -> Ledger {
    ledger.with_faults(Arc::new(Next { moment, fault, left: AtomicI64::new(times) }))
}

/// Loses the answer to the next change.
fn losing(ledger: &Ledger) -> Ledger {
    with(ledger, Moment::Committed, Fault::Lost, 1)
}

fn is_lost<T>(result: &Result<T>) -> bool {
    matches!(result, Err(error @ Error::Unavailable(_)) if error.is_retriable())
}

fn keyed() -> NewRequest {
    NewRequest { idempotency_key: Some("T-17".into()), ..new(Kind::Export, "ann") }
}

async fn requests(ledger: &Ledger) -> usize {
    ledger.list(&Filter::default(), None, 100, NOW).await.unwrap().requests.len()
}

async fn a_busy_database_is_tried_again(place: Place) {
    let ledger = place.open().await;
    for moment in [Moment::Begin, Moment::Commit] {
        let busy = with(&ledger, moment, Fault::Busy, 3);
        let id = submit(&busy, new(Kind::Erase, "ann")).await.id;
        busy.act(id, cancel(), &requester(), NOW).await.unwrap();
    }
    assert_eq!(requests(&ledger).await, 2);
    assert_eq!(ledger.verify_chain(&[]).await.unwrap().entries, 6, "what was rolled back left no entry");
}

async fn one_that_stays_busy_is_said_to_be(place: Place) {
    let ledger = place.open().await;
    let busy = with(&ledger, Moment::Commit, Fault::Busy, i64::MAX);
    let said = busy.submit(keyed(), &requester(), NOW).await;
    assert!(matches!(said, Err(error @ Error::Busy) if error.is_retriable()));
    assert_eq!(requests(&ledger).await, 0);
}

async fn a_submission_whose_answer_is_lost_is_known(place: Place) {
    let ledger = place.open().await;
    let lossy = losing(&ledger);
    assert!(is_lost(&lossy.submit(keyed(), &requester(), NOW).await));
    assert!(matches!(lossy.submit(keyed(), &requester(), NOW).await.unwrap(), Submitted::Known(_)));
    // Busy after the commit is a lost answer, too, and not a reason to run it again unasked.
    let lossy = with(&ledger, Moment::Committed, Fault::Busy, 1);
    assert!(is_lost(&lossy.submit(new(Kind::Erase, "ben"), &requester(), NOW).await));
    let again = lossy.submit(new(Kind::Erase, "ben"), &requester(), NOW).await.unwrap();
    assert!(matches!(again, Submitted::Duplicate { .. }));
    assert_eq!(requests(&ledger).await, 2);
}

async fn a_submission_that_is_lost_is_not_recorded(place: Place) {
    let ledger = place.open().await;
    for moment in [Moment::Begin, Moment::Commit] {
        let lossy = with(&ledger, moment, Fault::Lost, 1);
        assert!(is_lost(&lossy.submit(keyed(), &requester(), NOW).await));
        assert_eq!(requests(&ledger).await, 0);
    }
    assert!(matches!(ledger.submit(keyed(), &requester(), NOW).await.unwrap(), Submitted::New(_)));
    assert!(is_lost(&with(&ledger, Moment::Begin, Fault::Lost, 1).chain_head().await), "reads can be lost, too");
}

async fn a_decision_whose_answer_is_lost_is_made_once(place: Place) {
    let ledger = place.open_with(Policy { approvals: 2, ..Policy::default() }).await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    crate::make::run(&ledger, &Ending::Counted { missing: vec![] }, NOW).await;
    let lossy = losing(&ledger);
    assert!(is_lost(&lossy.act(id, approve(), &approver("ada"), NOW).await));
    assert!(matches!(lossy.act(id, approve(), &approver("ada"), NOW).await, Err(Error::Refused(_))));
    let request = ledger.request(id).await.unwrap();
    assert_eq!((request.state, request.approvers), (State::AwaitingApproval, vec!["ada".to_owned()]));
}

async fn a_pass_whose_beginning_is_lost_is_taken_over(place: Place) {
    let ledger = place.open().await;
    submit(&ledger, new(Kind::Export, "ann")).await;
    let lossy = losing(&ledger);
    assert!(is_lost(&lossy.begin_pass(Lane::Batch, &worker("w"), 9, LEASE, NOW).await));
    assert!(lossy.begin_pass(Lane::Batch, &worker("w"), 9, LEASE, NOW).await.unwrap().is_none());
    let claim = ledger.claim_pass(Lane::Batch, &worker("v"), LEASE, NOW + LEASE).await.unwrap().unwrap();
    assert_eq!(ledger.pass_requests(claim.pass).await.unwrap().len(), 1);
    assert_eq!(ledger.open_passes().await.unwrap().len(), 1);
}

async fn a_plan_whose_answer_is_lost_is_written_once(place: Place) {
    let ledger = place.open().await;
    submit(&ledger, new(Kind::Export, "ann")).await;
    let claim = begin(&ledger, "w", NOW).await;
    ledger.plan_sets(&claim, &sets("a", 2), LEASE, NOW).await.unwrap();
    let (lossy, plan) = (losing(&ledger), sets("b", 3));
    assert!(is_lost(&lossy.plan_sets(&claim, &plan, LEASE, NOW).await));
    assert_eq!(lossy.plan_sets(&claim, &plan, LEASE, NOW).await.unwrap().len(), 3);
    assert_eq!(ledger.progress(claim.pass).await.unwrap().sets, 5);
    let lossy = with(&ledger, Moment::Commit, Fault::Lost, 1);
    assert!(is_lost(&lossy.plan_sets(&claim, &sets("c", 1), LEASE, NOW).await));
    assert_eq!(ledger.progress(claim.pass).await.unwrap().sets, 5, "nothing of it");
}

async fn a_set_whose_answer_is_lost_is_finished_once(place: Place) {
    let ledger = place.open().await;
    submit(&ledger, new(Kind::Export, "ann")).await;
    let claim = begin(&ledger, "w", NOW).await;
    ledger.plan_sets(&claim, &sets("a", 1), LEASE, NOW).await.unwrap();
    ledger.plan_done(&claim).await.unwrap();
    // Nobody knows of the first claim: it is as if its worker had died.
    let lossy = losing(&ledger);
    assert!(is_lost(&lossy.claim_sets(claim.pass, &worker("w"), 9, LEASE, NOW).await));
    assert!(lossy.claim_sets(claim.pass, &worker("w"), 9, LEASE, NOW).await.unwrap().is_empty());
    let later = NOW + LEASE;
    let mine = ledger.claim_sets(claim.pass, &worker("w"), 9, LEASE, later).await.unwrap();
    let result = SetResult { reference: "r".into(), ..SetResult::default() };
    let lossy = losing(&ledger);
    assert!(is_lost(&lossy.finish_set(&mine[0], &result).await));
    lossy.finish_set(&mine[0], &result).await.unwrap();
    assert_eq!(ledger.progress(claim.pass).await.unwrap().done, 1);
}

async fn a_conclusion_whose_answer_is_lost_is_drawn_once(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    let claim = begin(&ledger, "w", NEXT_DAY).await;
    let claim = search(&ledger, &claim, "w", NEXT_DAY).await;
    let end = [concluded(id, Ending::Complete)];
    let lossy = losing(&ledger);
    assert!(is_lost(&lossy.conclude(&claim, &end, &worker("w"), NEXT_DAY).await));
    assert!(lossy.conclude(&claim, &end, &worker("w"), NEXT_DAY).await.unwrap());
    assert_eq!(ledger.last_sequence().await.unwrap(), Sequence(1));
    let done = ledger.history(id).await.unwrap().iter().filter(|entry| entry.what == "completed").count();
    assert_eq!(done, 1);
}

async fn watermarks_whose_answer_is_lost_stand(place: Place) {
    let ledger = place.open().await;
    let shards = [shard("a", "e1")];
    let lossy = losing(&ledger);
    assert!(is_lost(&lossy.advance_watermarks("s", &shards, Sequence(4)).await));
    lossy.advance_watermarks("s", &shards, Sequence(4)).await.unwrap();
    assert_eq!(ledger.watermarks("s", &shards).await.unwrap(), [Sequence(4)]);
}

async fn a_duty_whose_answer_is_lost_is_free_after_its_lease(place: Place) {
    let ledger = place.open().await;
    let lossy = losing(&ledger);
    assert!(is_lost(&lossy.claim_duty("sweep", &worker("w"), LEASE, NOW).await));
    assert!(lossy.claim_duty("sweep", &worker("w"), LEASE, NOW).await.unwrap().is_none());
    assert!(lossy.claim_duty("sweep", &worker("w"), LEASE, NOW + LEASE).await.unwrap().unwrap().taken_over);
}
