//! How requests leave a pass.

use lacuna_ledger::{Conclusion, Ending, Error, Kind, Missing, Policy, Refusal, Sequence, State};
use time::Duration;

use crate::make::{LEASE, NEXT_DAY, NOW, begin, concluded, counts, missing, new, run, search, state, submit, worker};
use crate::place::Place;

on_both!(
    a_complete_export_has_its_package,
    a_complete_erasure_stands,
    what_is_incomplete_is_tried_again_later_and_later,
    what_could_not_be_counted_is_counted_again,
    what_cannot_be_done_fails,
    what_was_only_counted_is_not_done,
    a_conclusion_said_twice_has_one_effect,
    what_is_missing_is_kept_as_far_as_there_is_room,
);

async fn a_complete_export_has_its_package(place: Place) {
    let ledger = place.open_with(Policy { package_keep: Some(Duration::days(7)), ..Policy::default() }).await;
    let id = submit(&ledger, new(Kind::Export, "ann")).await.id;
    let claim = begin(&ledger, "w", NOW).await;
    let claim = search(&ledger, &claim, "w", NOW).await;
    ledger.verifying(&claim, &[id], &worker("w"), NOW).await.unwrap();
    assert_eq!(state(&ledger, id).await, State::Verifying);
    let end = Conclusion {
        package: Some("contoso/1/".into()),
        receipt: Some("r.jws".into()),
        ..concluded(id, Ending::Complete)
    };
    ledger.conclude(&claim, &[end], &worker("w"), NOW).await.unwrap();
    let request = ledger.request(id).await.unwrap();
    assert_eq!((request.state, request.pass, request.ended), (State::Complete, None, Some(NOW)));
    assert_eq!((request.counts, request.receipt.as_deref()), (Some(counts(3)), Some("r.jws")));
    assert_eq!(request.package.as_deref(), Some("contoso/1/"));
    assert_eq!(request.package_expires, Some(NOW + Duration::days(7)));
    assert_eq!(ledger.last_sequence().await.unwrap(), Sequence(0), "an export does not stand");
    let said: Vec<_> = ledger.history(id).await.unwrap().into_iter().map(|entry| entry.what).collect();
    assert_eq!(said, ["received", "scheduled", "started", "verifying", "completed"]);
    assert_eq!(ledger.overview(NOW).await.unwrap().requests.len(), 1, "each is counted in one state");
}

async fn a_complete_erasure_stands(place: Place) {
    let ledger = place.open_with(Policy { standing: Duration::days(9), ..Policy::default() }).await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    run(&ledger, &Ending::Complete, NEXT_DAY).await;
    let standing = ledger.standing(Sequence(0), 10, NEXT_DAY).await.unwrap();
    assert_eq!((standing.len(), standing[0].request, standing[0].sequence), (1, id, Sequence(1)));
    assert_eq!(standing[0].until, NEXT_DAY + Duration::days(9));
}

async fn what_is_incomplete_is_tried_again_later_and_later(place: Place) {
    let ledger = place.open_with(Policy { retry: Duration::HOUR, ..Policy::default() }).await;
    let id = submit(&ledger, new(Kind::Export, "ann")).await.id;
    let mut now = NOW;
    for hours in [1, 2, 4, 8, 16, 24, 24] {
        run(&ledger, &Ending::Incomplete { missing: vec![missing("a.parquet")] }, now).await;
        let request = ledger.request(id).await.unwrap();
        assert_eq!((request.state, request.missing.as_slice()), (State::Incomplete, &[missing("a.parquet")][..]));
        assert_eq!(request.not_before, now + Duration::hours(hours));
        let early = request.not_before - Duration::SECOND;
        assert!(ledger.begin_pass(request.lane, &worker("w"), 9, LEASE, early).await.unwrap().is_none());
        now = request.not_before;
    }
    run(&ledger, &Ending::Complete, now).await;
    let done = ledger.request(id).await.unwrap();
    assert_eq!((done.state, done.tries, done.missing.as_slice()), (State::Complete, 8, &[][..]));
}

async fn what_could_not_be_counted_is_counted_again(place: Place) {
    let ledger = place.open_with(Policy { approvals: 1, ..Policy::default() }).await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    run(&ledger, &Ending::Incomplete { missing: vec![missing("a.parquet")] }, NOW).await;
    let request = ledger.request(id).await.unwrap();
    assert_eq!((request.state, request.not_before), (State::Received, NOW + Duration::HOUR));
    run(&ledger, &Ending::Counted { missing: vec![] }, NOW + Duration::HOUR).await;
    assert_eq!(state(&ledger, id).await, State::AwaitingApproval);
}

async fn what_cannot_be_done_fails(place: Place) {
    let ledger = place.open_with(Policy { approvals: 1, ..Policy::default() }).await;
    let ids = [submit(&ledger, new(Kind::Export, "ann")).await.id, submit(&ledger, new(Kind::Erase, "ann")).await.id];
    run(&ledger, &Ending::Failed { reason: "there is no such source".into() }, NOW).await;
    for id in ids {
        let request = ledger.request(id).await.unwrap();
        assert_eq!((request.state, request.ended), (State::Failed, Some(NOW)));
        assert_eq!(request.reason.as_deref(), Some("there is no such source"));
    }
}

async fn what_was_only_counted_is_not_done(place: Place) {
    let ledger = place.open_with(Policy { approvals: 1, ..Policy::default() }).await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    let claim = begin(&ledger, "w", NOW).await;
    let claim = search(&ledger, &claim, "w", NOW).await;
    for ending in [Ending::Complete, Ending::Hidden, Ending::OverLimits] {
        let refused = ledger.conclude(&claim, &[concluded(id, ending)], &worker("w"), NOW).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::State(State::Received)))), "{refused:?}");
    }
    assert_eq!(state(&ledger, id).await, State::Received);
    assert_eq!(ledger.last_sequence().await.unwrap(), Sequence(0));
}

async fn a_conclusion_said_twice_has_one_effect(place: Place) {
    let ledger = place.open().await;
    let ids = [submit(&ledger, new(Kind::Erase, "ann")).await.id, submit(&ledger, new(Kind::Erase, "ben")).await.id];
    let claim = begin(&ledger, "w", NEXT_DAY).await;
    let claim = search(&ledger, &claim, "w", NEXT_DAY).await;
    let ends = ids.map(|id| concluded(id, Ending::Complete));
    for (part, is_last) in [(&ends[..1], false), (&ends[..], true)] {
        assert_eq!(ledger.conclude(&claim, part, &worker("w"), NEXT_DAY).await.unwrap(), is_last);
        let head = ledger.chain_head().await.unwrap();
        assert_eq!(ledger.conclude(&claim, part, &worker("w"), NEXT_DAY).await.unwrap(), is_last);
        assert_eq!(ledger.chain_head().await.unwrap(), head);
    }
    assert_eq!(ledger.last_sequence().await.unwrap(), Sequence(2));
}

async fn what_is_missing_is_kept_as_far_as_there_is_room(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Export, "ann")).await.id;
    let missing: Vec<_> = (0..Missing::KEPT_MAX + 5).map(|n| missing(&n.to_string())).collect();
    run(&ledger, &Ending::Incomplete { missing: missing.clone() }, NOW).await;
    assert_eq!(ledger.request(id).await.unwrap().missing, missing[..Missing::KEPT_MAX]);
    let entry = ledger.history(id).await.unwrap().pop().unwrap();
    assert_eq!(entry.detail["missing"], missing.len(), "the chain says how many there were");
}
