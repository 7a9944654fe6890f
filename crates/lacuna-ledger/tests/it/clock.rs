//! When requests are due, and how they are found by it.

use lacuna_ledger::{
    Act, Due, Error, Filter, Kind, Ledger, NewRequest, Policy, Refusal, Role, State, due, one_month_after,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::make::{NOW, cancel, extend, new, operator, pause, requester, submit, submit_at, worker};
use crate::place::Place;

on_both!(
    a_deadline_is_extended_once_within_the_first_month,
    a_pause_moves_the_deadline_and_keeps_the_request_from_passes,
    late_and_nearly_late_requests_are_listed_the_most_urgent_first,
    what_ran_out_of_time_ends,
);

#[test]
fn due_is_the_earlier_of_thirty_days_and_one_calendar_month() {
    let table = [
        (datetime!(2026-01-01 00:00 UTC), datetime!(2026-01-31 00:00 UTC)), // 30 days
        (datetime!(2026-02-01 08:30 UTC), datetime!(2026-03-01 08:30 UTC)), // a month of 28 days
        (datetime!(2028-02-01 08:30 UTC), datetime!(2028-03-01 08:30 UTC)), // of 29
        (datetime!(2026-04-10 23:59:59 UTC), datetime!(2026-05-10 23:59:59 UTC)), // of 30: the same
        (datetime!(2026-01-31 12:00 UTC), datetime!(2026-02-28 12:00 UTC)), // there is no February 31
        (datetime!(2028-01-31 12:00 UTC), datetime!(2028-02-29 12:00 UTC)),
        (datetime!(2026-12-15 12:00 UTC), datetime!(2027-01-14 12:00 UTC)), // over the year's end
    ];
    for (received, ought) in table {
        assert_eq!(due(received), ought, "received {received}");
    }
}

#[test]
fn a_month_ends_on_the_same_day_or_the_months_last() {
    let table = [
        (datetime!(2026-01-28 0:00 UTC), datetime!(2026-02-28 0:00 UTC)),
        (datetime!(2026-01-29 0:00 UTC), datetime!(2026-02-28 0:00 UTC)),
        (datetime!(2026-03-31 0:00 UTC), datetime!(2026-04-30 0:00 UTC)),
        (datetime!(2026-12-31 0:00 UTC), datetime!(2027-01-31 0:00 UTC)),
    ];
    for (from, to) in table {
        assert_eq!(one_month_after(from), to, "from {from}");
    }
}

async fn a_deadline_is_extended_once_within_the_first_month(place: Place) {
    let ledger = place.open().await;
    let received = datetime!(2026-01-31 12:00 UTC);
    let submitted = submit_at(&ledger, new(Kind::Export, "ann"), received).await;
    let (id, first) = (submitted.id, submitted.clock.due);
    assert_eq!(first, datetime!(2026-02-28 12:00 UTC));
    let act = async |act: Act, now| ledger.act(id, act, &operator(), now).await;

    for months in [0, 3, 255] {
        assert!(matches!(act(extend(months), received).await, Err(Error::Refused(Refusal::Months))));
    }
    let no_reason = Act::Extend { months: 1, reason: "  ".into() };
    assert!(matches!(act(no_reason, received).await, Err(Error::Refused(Refusal::NoReason))));
    let late = act(extend(2), first + Duration::SECOND).await;
    assert!(matches!(late, Err(Error::Refused(Refusal::TooLateToExtend))));
    let extended = act(extend(2), first).await.unwrap();
    assert_eq!((extended.clock.due, extended.clock.extended), (datetime!(2026-04-28 12:00 UTC), Some(2)));
    assert!(matches!(act(extend(1), first).await, Err(Error::Refused(Refusal::ExtendedAlready))));
    let by_requester = ledger.act(id, extend(1), &requester(), received).await;
    assert!(matches!(by_requester, Err(Error::Refused(Refusal::Role(Role::Requester)))));

    let said = &ledger.history(id).await.unwrap().pop().unwrap();
    assert_eq!(
        (said.what.as_str(), &said.detail["reason"], &said.detail["months"]),
        ("extended", &"many logs".into(), &2.into())
    );
}

async fn a_pause_moves_the_deadline_and_keeps_the_request_from_passes(place: Place) {
    let ledger = place.open().await;
    let submitted = submit(&ledger, new(Kind::Export, "ann")).await;
    let (id, first) = (submitted.id, submitted.clock.due);
    let act = async |act: Act, now| ledger.act(id, act, &operator(), now).await;

    assert!(matches!(act(Act::Resume, NOW).await, Err(Error::Refused(Refusal::NotPaused))));
    let paused = act(pause(), NOW + Duration::DAY).await.unwrap();
    assert_eq!(paused.reason.as_deref(), Some("proof of identity"));
    assert!(matches!(act(pause(), NOW + Duration::DAY).await, Err(Error::Refused(Refusal::PausedAlready))));
    assert_eq!(paused.clock.due_as_of(NOW + Duration::days(6)), first + Duration::days(5), "it moves as time goes by");
    let much_later = first + Duration::days(100);
    assert!(ids(&ledger, Due::Overdue, much_later).await.is_empty(), "its clock does not run");
    assert!(begin(&ledger, NOW + Duration::days(2)).await.is_none(), "nor does it");
    assert_eq!(ledger.overview(much_later).await.unwrap().nearest_deadline, None);

    let resumed = act(Act::Resume, NOW + Duration::days(11)).await.unwrap();
    assert_eq!((resumed.clock.due, resumed.reason), (first + Duration::days(10), None));
    assert_eq!(ids(&ledger, Due::Overdue, much_later).await.len(), 1);
    assert!(begin(&ledger, NOW + Duration::days(11)).await.is_some());
}

async fn begin(ledger: &Ledger, now: OffsetDateTime) -> Option<lacuna_ledger::PassClaim> {
    ledger.begin_pass(lacuna_ledger::Lane::Batch, &worker("w"), 10, Duration::MINUTE, now).await.unwrap()
}

/// The requesters' choice of names by their deadline.
async fn ids(ledger: &Ledger, due: Due, now: OffsetDateTime) -> Vec<lacuna_ledger::RequestId> {
    let filter = Filter { due: Some(due), ..Filter::default() };
    ledger.list(&filter, None, 100, now).await.unwrap().requests.iter().map(|request| request.id).collect()
}

async fn late_and_nearly_late_requests_are_listed_the_most_urgent_first(place: Place) {
    let ledger = place.open_with(Policy { near_due: Duration::days(7), ..Policy::default() }).await;
    // In an order that is neither that of their ids nor its reverse.
    let mut by_age = Vec::new();
    for (name, days) in [("d", 2), ("a", 40), ("c", 25), ("b", 35)] {
        let received = Some(NOW - Duration::days(days));
        by_age.push((days, submit(&ledger, NewRequest { received, ..new(Kind::Export, name) }).await.id));
    }
    by_age.sort_by_key(|(days, _)| std::cmp::Reverse(*days));
    let ordered: Vec<_> = by_age.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids(&ledger, Due::Overdue, NOW).await, ordered[..2]);
    assert_eq!(ids(&ledger, Due::Near, NOW).await, ordered[..3]);
    let overview = ledger.overview(NOW).await.unwrap();
    assert_eq!(overview.overdue, 2);
    assert_eq!(overview.nearest_deadline, Some(due(NOW - Duration::days(40))));
    assert_eq!(overview.oldest_due, Some(NOW - Duration::days(40)));

    // Page by page, it is the same list.
    let filter = Filter { due: Some(Due::Near), ..Filter::default() };
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.list(&filter, after.as_ref(), 1, NOW).await.unwrap();
        paged.extend(page.requests.iter().map(|request| request.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, ordered[..3]);

    // What has ended is not late any more.
    ledger.act(ordered[0], cancel(), &operator(), NOW).await.unwrap();
    assert_eq!(ids(&ledger, Due::Overdue, NOW).await, ordered[1..2]);
}

async fn what_ran_out_of_time_ends(place: Place) {
    let policy = Policy { approvals: 1, undecided: Duration::days(5), ..Policy::default() };
    let ledger = place.open_with(policy).await;
    let undecided = submit(&ledger, new(Kind::Erase, "ann")).await;
    let incomplete = submit(&ledger, new(Kind::Export, "ben")).await.id;
    let paused = submit(&ledger, new(Kind::Erase, "cleo")).await.id;
    ledger.act(paused, pause(), &operator(), NOW).await.unwrap();
    let claim = begin(&ledger, NOW).await.unwrap();
    let claim = crate::make::search(&ledger, &claim, "w", NOW).await;
    let ending = lacuna_ledger::Ending::Incomplete { missing: vec![crate::make::missing("a")] };
    let ends = [undecided.id, incomplete].map(|id| crate::make::concluded(id, ending.clone()));
    ledger.conclude(&claim, &ends, &worker("w"), NOW).await.unwrap();

    let deadline = undecided.clock.due;
    let before = ledger.lapse(&worker("w"), deadline - Duration::SECOND).await.unwrap();
    assert!(before.failed.is_empty() && before.expired.is_empty(), "{before:?}");
    assert_eq!(ledger.lapse(&worker("w"), deadline).await.unwrap().failed, [incomplete]);
    assert!(ledger.lapse(&worker("w"), deadline + Duration::days(4)).await.unwrap().expired.is_empty());
    assert_eq!(ledger.lapse(&worker("w"), deadline + Duration::days(5)).await.unwrap().expired, [undecided.id]);
    let states = [(undecided.id, State::Expired), (incomplete, State::Failed), (paused, State::Received)];
    for (id, ought) in states {
        assert_eq!(crate::make::state(&ledger, id).await, ought);
    }
}
