//! An erasure whose rows are hidden waits for its purge on no pass, and ends when that is proved.

use lacuna_ledger::{Conclusion, Ending, Error, Kind, Lane, Ledger, Refusal, RequestId, Role, Sequence, State};
use time::Duration;

use crate::make::{
    LEASE, NEXT_DAY, NOW, begin, cancel, concluded, counts, missing, new, operator, run, search, state, submit, worker,
};
use crate::place::Place;

on_both!(
    what_is_hidden_waits_on_no_pass_until_it_is_verified,
    what_is_hidden_may_turn_out_incomplete,
    what_was_hidden_and_then_taken_back_stands_no_more,
    only_what_is_hidden_is_verified,
    an_export_is_not_hidden,
    hidden_requests_come_in_pages,
);

/// An erasure that is hidden, with a receipt that says so.
async fn hide(ledger: &Ledger) -> RequestId {
    let id = submit(ledger, new(Kind::Erase, "ann")).await.id;
    let claim = begin(ledger, "w", NEXT_DAY).await;
    let claim = search(ledger, &claim, "w", NEXT_DAY).await;
    // Also when it is being checked already.
    ledger.verifying(&claim, &[id], &worker("w"), NEXT_DAY).await.unwrap();
    let hidden = Conclusion { receipt: Some("r/1.jws".into()), ..concluded(id, Ending::Hidden) };
    assert!(ledger.conclude(&claim, &[hidden], &worker("w"), NEXT_DAY).await.unwrap(), "nobody is left on the pass");
    id
}

async fn what_is_hidden_waits_on_no_pass_until_it_is_verified(place: Place) {
    let ledger = place.open().await;
    let id = hide(&ledger).await;
    let request = ledger.request(id).await.unwrap();
    assert_eq!((request.state, request.pass, request.ended), (State::Verifying, None, None));
    assert_eq!((request.counts, request.receipt.as_deref()), (Some(counts(3)), Some("r/1.jws")));
    // What arrives before its purge is the sweep's already.
    let standing = ledger.standing(Sequence(0), 10, NEXT_DAY).await.unwrap();
    assert_eq!(standing.iter().map(|erasure| erasure.request).collect::<Vec<_>>(), [id]);
    let later = NEXT_DAY + Duration::days(10);
    let pass = ledger.begin_pass(Lane::Batch, &worker("w"), 10, LEASE, later).await.unwrap();
    assert_eq!(pass, None, "no pass takes it again");
    assert_eq!(ledger.hidden_requests(None, 10).await.unwrap().len(), 1);

    let end = Conclusion { receipt: Some("r/2.jws".into()), ..concluded(id, Ending::Complete) };
    let request = ledger.verified(&end, &worker("w"), later).await.unwrap();
    assert_eq!((request.state, request.ended), (State::Complete, Some(later)));
    assert_eq!(request.receipt.as_deref(), Some("r/2.jws"));
    assert!(ledger.hidden_requests(None, 10).await.unwrap().is_empty());
    let standing = ledger.standing(Sequence(0), 10, later).await.unwrap();
    assert_eq!(
        standing.iter().map(|erasure| (erasure.request, erasure.sequence)).collect::<Vec<_>>(),
        [(id, Sequence(1))]
    );
    assert_eq!(standing[0].until, later + ledger.policy().standing, "for its time from now on");

    // Said again, it changes nothing.
    let before = ledger.chain_head().await.unwrap();
    ledger.verified(&end, &worker("w"), later + Duration::HOUR).await.unwrap();
    assert_eq!(ledger.chain_head().await.unwrap(), before);
    assert_eq!(ledger.last_sequence().await.unwrap(), Sequence(1));
}

async fn what_is_hidden_may_turn_out_incomplete(place: Place) {
    let ledger = place.open().await;
    let id = hide(&ledger).await;
    let ending = Ending::Incomplete { missing: vec![missing("a.parquet")] };
    let request = ledger.verified(&concluded(id, ending), &worker("w"), NEXT_DAY).await.unwrap();
    assert_eq!((request.state, request.missing), (State::Incomplete, vec![missing("a.parquet")]));
    let later = NEXT_DAY + Duration::DAY;
    assert_eq!(run(&ledger, &Ending::Complete, later).await, [id], "the next pass takes it again");
}

async fn what_was_hidden_and_then_taken_back_stands_no_more(place: Place) {
    let ledger = place.open().await;
    let id = hide(&ledger).await;
    let ending = Ending::Incomplete { missing: vec![missing("a.parquet")] };
    ledger.verified(&concluded(id, ending), &worker("w"), NEXT_DAY).await.unwrap();
    assert_eq!(ledger.standing(Sequence(0), 10, NEXT_DAY).await.unwrap().len(), 1);
    ledger.act(id, cancel(), &operator(), NEXT_DAY).await.unwrap();
    assert!(ledger.standing(Sequence(0), 10, NEXT_DAY).await.unwrap().is_empty(), "nobody wants it any more");
    ledger.forget(&worker("w"), NEXT_DAY + ledger.policy().grace).await.unwrap();
    assert!(matches!(ledger.subject(id).await, Err(Error::NotFound("identifiers"))));
}

async fn only_what_is_hidden_is_verified(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    let end = concluded(id, Ending::Complete);
    let refused = |state| move |result| matches!(result, Err(Error::Refused(Refusal::State(s))) if s == state);
    assert!(refused(State::Scheduled)(ledger.verified(&end, &worker("w"), NOW).await));
    let claim = begin(&ledger, "w", NEXT_DAY).await;
    assert!(refused(State::Running)(ledger.verified(&end, &worker("w"), NOW).await));
    let claim = search(&ledger, &claim, "w", NEXT_DAY).await;
    ledger.verifying(&claim, &[id], &worker("w"), NEXT_DAY).await.unwrap();
    assert!(refused(State::Verifying)(ledger.verified(&end, &worker("w"), NOW).await), "its pass concludes it");
    assert!(ledger.hidden_requests(None, 10).await.unwrap().is_empty());
    ledger.conclude(&claim, &[concluded(id, Ending::Hidden)], &worker("w"), NEXT_DAY).await.unwrap();

    let by_operator = ledger.verified(&end, &operator(), NEXT_DAY).await;
    assert!(matches!(by_operator, Err(Error::Refused(Refusal::Role(Role::Operator)))));
    for ending in [Ending::Hidden, Ending::OverLimits, Ending::Counted { missing: vec![] }] {
        let refused = ledger.verified(&concluded(id, ending), &worker("w"), NEXT_DAY).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Malformed(_)))));
    }
    assert_eq!(state(&ledger, id).await, State::Verifying);
}

async fn an_export_is_not_hidden(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Export, "ann")).await.id;
    let claim = begin(&ledger, "w", NOW).await;
    let claim = search(&ledger, &claim, "w", NOW).await;
    let refused = ledger.conclude(&claim, &[concluded(id, Ending::Hidden)], &worker("w"), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Kind(Kind::Export)))));
    assert_eq!(state(&ledger, id).await, State::Running, "a refused conclusion leaves no trace");
}

async fn hidden_requests_come_in_pages(place: Place) {
    let ledger = place.open().await;
    for name in ["ann", "ben", "cleo"] {
        submit(&ledger, new(Kind::ExportAndErase, name)).await;
    }
    let all = run(&ledger, &Ending::Hidden, NEXT_DAY).await;
    let first = ledger.hidden_requests(None, 2).await.unwrap();
    let rest = ledger.hidden_requests(Some(first[1].id), 2).await.unwrap();
    let found: Vec<_> = first.iter().chain(&rest).map(|request| request.id).collect();
    assert_eq!((first.len(), found), (2, all));
}
