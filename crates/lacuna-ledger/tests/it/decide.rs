//! Approvals, four eyes, the cancel window, and who may say no.

use lacuna_ledger::{
    Act, Ending, Error, Kind, Lane, Ledger, NewRequest, Policy, Refusal, RequestId, Role, State, Submitted,
};
use time::{Duration, OffsetDateTime};

use crate::make::{
    LEASE, NEXT_DAY, NOW, approve, approver, begin, cancel, concluded, counts, deny, new, operator, requester, run,
    search, state, submit, worker,
};
use crate::place::Place;

on_both!(
    an_erasure_is_counted_then_approved_by_as_many_as_it_needs,
    nobody_approves_their_own_and_nobody_twice,
    approvers_of_an_unforced_erasure_see_its_count_first,
    an_erasure_waits_for_its_cancel_window,
    force_skips_the_cancel_window,
    who_takes_back_whose_requests,
    what_is_decided_on_while_it_is_counted_leaves_the_pass,
    more_than_the_limits_awaits_approval_anew,
    a_decision_that_is_refused_leaves_no_trace,
);

fn four_eyes() -> Policy {
    Policy { approvals: 2, ..Policy::default() }
}

async fn may_run(ledger: &Ledger, now: OffsetDateTime) -> bool {
    ledger.begin_pass(Lane::Batch, &worker("w"), 10, LEASE, now).await.unwrap().is_some()
}

fn force() -> Act {
    Act::Approve { force: true }
}

async fn counted(ledger: &Ledger) -> RequestId {
    let id = submit(ledger, new(Kind::Erase, "ann")).await.id;
    assert_eq!(run(ledger, &Ending::Counted { missing: vec![] }, NOW).await, [id]);
    id
}

async fn an_erasure_is_counted_then_approved_by_as_many_as_it_needs(place: Place) {
    let ledger = place.open_with(four_eyes()).await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    assert_eq!(state(&ledger, id).await, State::Received);
    let claim = begin(&ledger, "w", NOW).await;
    let riding = &ledger.pass_requests(claim.pass).await.unwrap()[0];
    assert_eq!((riding.work, riding.request.state), (lacuna_ledger::Work::Count, State::Received));
    let claim = search(&ledger, &claim, "w", NOW).await;
    let ending = Ending::Counted { missing: vec![crate::make::missing("a")] };
    ledger.conclude(&claim, &[concluded(id, ending)], &worker("w"), NOW).await.unwrap();

    let request = ledger.request(id).await.unwrap();
    assert_eq!((request.state, request.counts.clone()), (State::AwaitingApproval, Some(counts(3))));
    assert_eq!((request.missing.len(), request.approvals_needed), (1, 2), "approvers see what could not be counted");
    assert!(!may_run(&ledger, NEXT_DAY + Duration::days(9)).await);
    let once = ledger.act(id, approve(), &approver("ada"), NOW).await.unwrap();
    assert_eq!((once.state, once.approved), (State::AwaitingApproval, None));
    let twice = ledger.act(id, approve(), &approver("bob"), NOW).await.unwrap();
    assert_eq!((twice.state, twice.approved), (State::Scheduled, Some(counts(3))));
    assert_eq!(twice.approvers, ["ada", "bob"]);
    assert!(!may_run(&ledger, NEXT_DAY - Duration::SECOND).await, "its cancel window still runs");
    assert!(may_run(&ledger, NEXT_DAY).await);
    let said: Vec<_> = ledger.history(id).await.unwrap().into_iter().map(|entry| (entry.what, entry.actor)).collect();
    assert!(said.contains(&("approved".to_owned(), "bob".to_owned())), "{said:?}");
}

async fn nobody_approves_their_own_and_nobody_twice(place: Place) {
    let ledger = place.open_with(four_eyes()).await;
    let own = match ledger.submit(new(Kind::Erase, "ben"), &approver("ada"), NOW).await.unwrap() {
        Submitted::New(request) => request.id,
        other => panic!("{other:?}"),
    };
    run(&ledger, &Ending::Counted { missing: vec![] }, NOW).await;
    let refused = ledger.act(own, approve(), &approver("ada"), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::OwnRequest))));
    ledger.act(own, approve(), &approver("bob"), NOW).await.unwrap();
    let refused = ledger.act(own, approve(), &approver("bob"), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::ApprovedAlready))));
    for other in [requester(), operator(), worker("w")] {
        let refused = ledger.act(own, approve(), &other, NOW).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Role(role))) if role == other.role));
    }
    // The same approver many times at once counts once.
    let id = counted(&ledger).await;
    let again = async |_| ledger.act(id, approve(), &approver("ada"), NOW).await.is_ok();
    let all = futures::future::join_all((0..10).map(again)).await;
    assert_eq!(all.iter().filter(|taken| **taken).count(), 1);
    assert_eq!(state(&ledger, id).await, State::AwaitingApproval);
}

async fn approvers_of_an_unforced_erasure_see_its_count_first(place: Place) {
    let ledger = place.open_with(Policy { approvals: 1, ..Policy::default() }).await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    let refused = ledger.act(id, approve(), &approver("ada"), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::State(State::Received)))));
    let forced = ledger.act(id, force(), &approver("ada"), NOW).await.unwrap();
    assert_eq!((forced.state, forced.not_before), (State::Scheduled, NOW));
    assert!(may_run(&ledger, NOW).await);
    // What takes nothing away needs nobody's word.
    let export = submit(&ledger, new(Kind::Export, "ann")).await;
    assert_eq!((export.state, export.approvals_needed), (State::Scheduled, 0));
}

async fn an_erasure_waits_for_its_cancel_window(place: Place) {
    let ledger = place.open_with(Policy { cancel_window: Duration::hours(48), ..Policy::default() }).await;
    let erasure = submit(&ledger, new(Kind::ExportAndErase, "ann")).await;
    assert_eq!(erasure.not_before, NOW + Duration::hours(48));
    assert!(!may_run(&ledger, NOW + Duration::hours(47)).await);
    let export = submit(&ledger, new(Kind::Export, "ann")).await;
    assert_eq!(run(&ledger, &Ending::Complete, NOW).await, [export.id], "it does not hold up others");
    assert!(may_run(&ledger, NOW + Duration::hours(48)).await);
}

async fn force_skips_the_cancel_window(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    let refused = ledger.act(id, Act::Force, &operator(), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Role(Role::Operator)))));
    ledger.act(id, Act::Force, &approver("ada"), NOW).await.unwrap();
    let forced = NewRequest { force: true, ..new(Kind::Erase, "ben") };
    let Submitted::New(ben) = ledger.submit(forced, &approver("ada"), NOW).await.unwrap() else { panic!() };
    assert_eq!(ben.not_before, NOW);
    let mut both = [id, ben.id];
    both.sort();
    assert_eq!(run(&ledger, &Ending::Complete, NOW).await, both);
}

async fn who_takes_back_whose_requests(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    let other = lacuna_ledger::Actor::new("ralf", Role::Requester);
    let refused = ledger.act(id, cancel(), &other, NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::OthersRequest))));
    let why = Act::Cancel { reason: Some("asked twice".into()) };
    let cancelled = ledger.act(id, why, &requester(), NOW).await.unwrap();
    assert_eq!((cancelled.state, cancelled.reason.as_deref()), (State::Cancelled, Some("asked twice")));
    assert_eq!(cancelled.ended, Some(NOW));
    assert!(!may_run(&ledger, NEXT_DAY).await);
    let refused = ledger.act(id, cancel(), &requester(), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Ended(State::Cancelled)))));

    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    let denied = ledger.act(id, deny(), &approver("ada"), NOW).await.unwrap();
    assert_eq!((denied.state, denied.reason.as_deref()), (State::Denied, Some("not their own account")));
    // What runs is not taken back: its rows may be gone already.
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    assert!(may_run(&ledger, NEXT_DAY).await);
    let refused = ledger.act(id, cancel(), &requester(), NEXT_DAY).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::State(State::Running)))));
}

async fn what_is_decided_on_while_it_is_counted_leaves_the_pass(place: Place) {
    let ledger = place.open_with(Policy { approvals: 1, ..Policy::default() }).await;
    let (ann, ben) =
        (submit(&ledger, new(Kind::Erase, "ann")).await.id, submit(&ledger, new(Kind::Erase, "ben")).await.id);
    let claim = begin(&ledger, "w", NOW).await;
    ledger.act(ann, cancel(), &requester(), NOW).await.unwrap();
    ledger.act(ben, force(), &approver("ada"), NOW).await.unwrap();
    assert!(ledger.pass_requests(claim.pass).await.unwrap().is_empty());
    let claim = search(&ledger, &claim, "w", NOW).await;
    let ends = [ann, ben].map(|id| concluded(id, Ending::Counted { missing: vec![] }));
    assert!(ledger.conclude(&claim, &ends, &worker("w"), NOW).await.unwrap());
    assert_eq!(state(&ledger, ann).await, State::Cancelled);
    let forced = ledger.request(ben).await.unwrap();
    assert_eq!((forced.state, forced.counts), (State::Scheduled, None));
    assert!(may_run(&ledger, NOW).await, "the forced one runs on the next pass");
}

async fn more_than_the_limits_awaits_approval_anew(place: Place) {
    let ledger = place.open_with(Policy { approvals: 1, ..Policy::default() }).await;
    let id = counted(&ledger).await;
    ledger.act(id, approve(), &approver("ada"), NOW).await.unwrap();
    assert_eq!(run(&ledger, &Ending::OverLimits, NEXT_DAY).await, [id]);
    let over = ledger.request(id).await.unwrap();
    assert_eq!((over.state, over.pass, over.ended), (State::AwaitingApproval, None, None));
    assert!(over.approvers.is_empty(), "who approved another count did not approve this one");
    assert!(over.reason.is_some_and(|reason| reason.contains("`[limits]`")));
    let again = ledger.act(id, approve(), &approver("ada"), NEXT_DAY).await.unwrap();
    assert_eq!((again.state, again.approvers, again.reason), (State::Scheduled, vec!["ada".to_owned()], None));
    assert_eq!(run(&ledger, &Ending::Complete, NEXT_DAY).await, [id]);

    // Where nobody had to approve, somebody has to now.
    let free = place.open().await;
    let id = submit(&free, new(Kind::Erase, "ben")).await.id;
    run(&free, &Ending::OverLimits, NEXT_DAY).await;
    let over = free.request(id).await.unwrap();
    assert_eq!((over.state, over.approvals_needed), (State::AwaitingApproval, 1));
}

async fn a_decision_that_is_refused_leaves_no_trace(place: Place) {
    let ledger = place.open_with(four_eyes()).await;
    let id = counted(&ledger).await;
    let (before, head) = (ledger.request(id).await.unwrap(), ledger.chain_head().await.unwrap());
    let long = "x".repeat(4001);
    for act in [
        Act::Deny { reason: String::new() },
        Act::Deny { reason: long },
        Act::Deny { reason: "a\0b".into() },
        Act::Force,
    ] {
        assert!(matches!(ledger.act(id, act, &approver("ada"), NOW).await, Err(Error::Refused(_))));
    }
    let nameless = ledger.act(id, approve(), &approver(" "), NOW).await;
    assert!(matches!(nameless, Err(Error::Refused(Refusal::Malformed(_)))), "{nameless:?}");
    assert_eq!(ledger.request(id).await.unwrap(), before);
    assert_eq!(ledger.chain_head().await.unwrap(), head);
}
