//! The outbox: every change of state is told, once it is there, until somebody has it.

use lacuna_ledger::{Ending, Kind, Ledger, Notice, Policy, State};
use time::{Duration, OffsetDateTime};

use crate::make::{LEASE, NOW, cancel, counts, new, operator, pause, requester, run, submit, worker};
use crate::place::Place;

on_both!(
    every_change_of_state_is_told,
    nothing_is_told_where_nobody_listens,
    a_notice_is_one_receivers_business_at_a_time,
    what_failed_is_tried_again_for_those_who_do_not_have_it,
    what_is_given_up_is_in_the_chain,
);

async fn telling(place: &Place) -> Ledger {
    place.open_with(Policy { notices: true, ..Policy::default() }).await
}

async fn claim(ledger: &Ledger, now: OffsetDateTime) -> Vec<Notice> {
    ledger.claim_notices(100, LEASE, now).await.unwrap()
}

async fn every_change_of_state_is_told(place: Place) {
    let ledger = telling(&place).await;
    let request = submit(&ledger, new(Kind::Export, "ann")).await;
    ledger.act(request.id, pause(), &operator(), NOW).await.unwrap();
    ledger.act(request.id, lacuna_ledger::Act::Resume, &operator(), NOW).await.unwrap();
    run(&ledger, &Ending::Complete, NOW).await;
    let notices = claim(&ledger, NOW).await;
    let told: Vec<_> = notices.iter().map(|notice| (notice.previous, notice.state)).collect();
    assert_eq!(
        told,
        [
            (None, State::Received),
            (Some(State::Received), State::Scheduled),
            (Some(State::Scheduled), State::Running),
            (Some(State::Running), State::Complete),
        ]
    );
    let last = notices.last().unwrap();
    assert_eq!((last.request, last.kind, last.at), (request.id, Kind::Export, NOW));
    assert_eq!((last.received, last.due, &last.counts), (NOW, request.clock.due, &Some(counts(3))));
    assert_eq!((last.tries, last.first_tried, last.delivered.len()), (0, None, 0));
    assert_eq!(ledger.overview(NOW).await.unwrap().notices, 4);
    for notice in &notices {
        ledger.notice_done(notice.id).await.unwrap();
        ledger.notice_done(notice.id).await.unwrap();
    }
    assert_eq!(ledger.overview(NOW).await.unwrap().notices, 0);
    assert!(!place.query("SELECT * FROM notice").await.concat().concat().contains("contoso"));
}

async fn nothing_is_told_where_nobody_listens(place: Place) {
    let ledger = place.open().await;
    submit(&ledger, new(Kind::Export, "ann")).await;
    assert!(claim(&ledger, NOW).await.is_empty());
}

async fn a_notice_is_one_receivers_business_at_a_time(place: Place) {
    let ledger = telling(&place).await;
    for n in 0..10 {
        submit(&ledger, new(Kind::Erase, &n.to_string())).await;
    }
    let all =
        futures::future::join_all((0..20).map(async |_| ledger.claim_notices(3, LEASE, NOW).await.unwrap())).await;
    let mut ids: Vec<_> = all.iter().flatten().map(|notice| notice.id).collect();
    assert_eq!(ids.len(), 20);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20, "none twice");
    assert!(claim(&ledger, NOW + LEASE - Duration::SECOND).await.is_empty());
    let again = claim(&ledger, NOW + LEASE).await;
    assert_eq!(again.len(), 20, "who did not settle them has lost them");
    assert!(again.iter().all(|notice| notice.tries == 1 && notice.first_tried == Some(NOW)));
}

async fn what_failed_is_tried_again_for_those_who_do_not_have_it(place: Place) {
    let ledger = telling(&place).await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    ledger.act(id, cancel(), &requester(), NOW).await.unwrap();
    let first = claim(&ledger, NOW).await.remove(0);
    let later = NOW + Duration::HOUR;
    ledger.notice_failed(first.id, &["portal".to_owned()], later).await.unwrap();
    let ids = |notices: Vec<Notice>| notices.into_iter().map(|notice| notice.id).collect::<Vec<_>>();
    assert!(!ids(claim(&ledger, later - Duration::SECOND).await).contains(&first.id));
    let again = claim(&ledger, later).await.into_iter().find(|notice| notice.id == first.id).unwrap();
    assert_eq!((again.delivered, again.tries), (vec!["portal".to_owned()], 1));
}

async fn what_is_given_up_is_in_the_chain(place: Place) {
    let ledger = telling(&place).await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    for notice in claim(&ledger, NOW).await {
        ledger.notice_given_up(notice.id, &worker("w"), NOW).await.unwrap();
        ledger.notice_given_up(notice.id, &worker("w"), NOW).await.unwrap();
    }
    let history = ledger.history(id).await.unwrap();
    let given_up: Vec<_> = history.iter().filter(|entry| entry.what == "notice_given_up").collect();
    assert_eq!(given_up.len(), 2, "each once");
    assert_eq!(given_up[0].detail["state"], "received");
    assert!(claim(&ledger, NOW + Duration::days(1)).await.is_empty());
}
