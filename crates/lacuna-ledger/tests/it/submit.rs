//! A request comes in, once.

use lacuna_ledger::{
    Error, Filter, Identifier, Kind, Lane, Ledger, NewRequest, Policy, Refusal, RequestId, Role, State, Subject,
    Submitted,
};
use serde_json::json;
use time::Duration;

use crate::make::{NEXT_DAY, NOW, approver, cancel, new, person, requester, submit, submit_at, worker};
use crate::place::Place;

on_both!(
    what_was_submitted_is_kept,
    the_same_key_with_the_same_body_is_the_same_request,
    the_same_key_with_another_body_is_refused,
    the_same_wish_is_not_recorded_twice_while_it_is_under_way,
    the_same_wish_is_due_as_early_as_it_was_first_received,
    a_hundred_at_once_have_one_effect,
    a_hundred_keyless_at_once_have_one_effect,
    what_is_malformed_is_refused,
    what_would_keep_an_identifier_is_refused,
    lists_are_filtered_and_paged,
    a_request_about_many_sources_is_kept,
);

fn keyed(key: &str, new: NewRequest) -> NewRequest {
    NewRequest { idempotency_key: Some(key.into()), ..new }
}

async fn requests(ledger: &Ledger) -> usize {
    ledger.list(&Filter::default(), None, 1000, NOW).await.unwrap().requests.len()
}

async fn what_was_submitted_is_kept(place: Place) {
    let ledger = place.open().await;
    let options: serde_json::Map<_, _> = [("format".to_owned(), "ndjson".into())].into_iter().collect();
    let request = submit(
        &ledger,
        NewRequest {
            received: Some(NOW - Duration::days(3)),
            sources: vec!["activity".into(), "audit".into()],
            options: options.clone(),
            lane: Lane::OnDemand,
            ..new(Kind::ExportAndErase, "ann")
        },
    )
    .await;
    assert_eq!(ledger.request(request.id).await.unwrap(), request);
    assert_eq!((request.tenant.as_deref(), request.requester.as_str()), (Some("contoso"), "rita"));
    assert_eq!((request.kind, request.lane, request.state), (Kind::ExportAndErase, Lane::OnDemand, State::Scheduled));
    assert_eq!(
        (request.sources.as_slice(), &request.options),
        (&["activity".to_owned(), "audit".to_owned()][..], &options)
    );
    assert_eq!(request.clock.received, NOW - Duration::days(3));
    assert_eq!(request.not_before, NOW, "its cancel window was over when it came");
    assert_eq!(ledger.subject(request.id).await.unwrap(), person("ann"));
    let said: Vec<_> = ledger.history(request.id).await.unwrap().iter().map(|entry| entry.what.clone()).collect();
    assert_eq!(said, ["received", "scheduled"]);
    let missing: RequestId = "01920000-0000-7000-8000-000000000000".parse().unwrap();
    assert!(matches!(ledger.request(missing).await, Err(Error::NotFound("request"))));
}

async fn the_same_key_with_the_same_body_is_the_same_request(place: Place) {
    let ledger = place.open().await;
    let first = submit(&ledger, keyed("T-17", new(Kind::Export, "ann"))).await;
    let submit = async |new| ledger.submit(new, &requester(), NOW + Duration::HOUR).await.unwrap();
    let head = ledger.chain_head().await.unwrap();
    let again = submit(keyed("T-17", new(Kind::Export, "ann"))).await;
    assert!(matches!(again, Submitted::Known(request) if request == first));
    // Also when it has ended; and the chain holds nothing of it.
    assert_eq!(ledger.chain_head().await.unwrap(), head);
    ledger.act(first.id, cancel(), &requester(), NOW).await.unwrap();
    let again = submit(keyed("T-17", new(Kind::Export, "ann"))).await;
    assert!(matches!(again, Submitted::Known(request) if request.id == first.id && request.state == State::Cancelled));
    assert_eq!(requests(&ledger).await, 1);
    // Another tenant's key is another key.
    let other = NewRequest { tenant: Some("fabrikam".into()), ..keyed("T-17", new(Kind::Erase, "ben")) };
    assert!(matches!(submit(other).await, Submitted::New(_)));
}

async fn the_same_key_with_another_body_is_refused(place: Place) {
    let ledger = place.open().await;
    let first = keyed("T-17", new(Kind::Export, "ann"));
    submit(&ledger, first.clone()).await;
    let others = [
        NewRequest { subject: person("ben"), ..first.clone() },
        NewRequest { kind: Kind::Erase, ..first.clone() },
        NewRequest { regulation: "ccpa".into(), ..first.clone() },
        NewRequest { received: Some(NOW), ..first.clone() },
        NewRequest { sources: vec!["activity".into()], ..first.clone() },
        NewRequest { lane: Lane::OnDemand, ..first.clone() },
        NewRequest { options: [("a".to_owned(), 1.into())].into_iter().collect(), ..first.clone() },
    ];
    for other in others {
        let said = format!("{other:?}");
        let refused = ledger.submit(other, &requester(), NOW).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::OtherBody))), "{said}: {refused:?}");
    }
    assert_eq!(requests(&ledger).await, 1);
}

async fn the_same_wish_is_due_as_early_as_it_was_first_received(place: Place) {
    let ledger = place.open().await;
    let first = submit(&ledger, new(Kind::Erase, "ann")).await;
    let received = |before| {
        let received = NOW - time::Duration::days(before);
        let new = NewRequest { received: Some(received), ..new(Kind::Erase, "ann") };
        (received, new)
    };
    let (earlier, wish) = received(20);
    let again = ledger.submit(wish, &requester(), NOW).await.unwrap();
    assert!(matches!(again, Submitted::Duplicate { of, is_due_earlier: true } if of == first.id));
    let clock = ledger.request(first.id).await.unwrap().clock;
    assert_eq!(clock, lacuna_ledger::Clock::started(earlier));
    let history = ledger.history(first.id).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.what.as_str(), last.detail["due"].as_i64()), ("antedated", Some(clock.due.unix_timestamp())));
    // What was received later, or no one knows when, moves nothing; and what was extended stays so.
    for wish in [received(3).1, received(20).1, new(Kind::Erase, "ann")] {
        ledger.submit(wish, &requester(), NOW).await.unwrap();
    }
    assert_eq!(ledger.history(first.id).await.unwrap().len(), history.len());
    assert_eq!(ledger.request(first.id).await.unwrap().clock, clock);
}

async fn the_same_wish_is_not_recorded_twice_while_it_is_under_way(place: Place) {
    let ledger = place.open().await;
    let two = Subject::new([Identifier::new("email", "ann@example.org"), Identifier::new("user", "17")]);
    let turned = Subject::new(two.identifiers.iter().rev().cloned());
    let sources = vec!["activity".to_owned(), "audit".to_owned()];
    let first = NewRequest { subject: two, sources: sources.clone(), ..new(Kind::Erase, "ann") };
    let id = submit(&ledger, first.clone()).await.id;
    let again = async |new| ledger.submit(new, &requester(), NOW).await.unwrap();

    let same =
        NewRequest { subject: turned, sources: sources.into_iter().rev().collect(), ..keyed("T-1", first.clone()) };
    assert!(matches!(again(same).await, Submitted::Duplicate { of, is_due_earlier: false } if of == id));
    let others = [
        NewRequest { kind: Kind::Export, ..first.clone() },
        NewRequest { tenant: None, ..first.clone() },
        NewRequest { sources: vec![], ..first.clone() },
        NewRequest { subject: person("ann"), ..first.clone() },
        // Whoever asks for it sooner, or in another form, is not to wait for what was asked for first.
        NewRequest { lane: Lane::OnDemand, ..first.clone() },
        NewRequest { options: [("erase".to_owned(), json!("now"))].into_iter().collect(), ..first.clone() },
    ];
    for other in others {
        assert!(matches!(again(other).await, Submitted::New(_)));
    }
    ledger.act(id, cancel(), &requester(), NOW).await.unwrap();
    assert!(matches!(again(first).await, Submitted::New(_)), "the first has ended");
}

async fn a_hundred_at_once_have_one_effect(place: Place) {
    let ledger = place.open().await;
    let submit = async |_| ledger.submit(keyed("T-17", new(Kind::Export, "ann")), &requester(), NOW).await.unwrap();
    let all = futures::future::join_all((0..100).map(submit)).await;
    let ids: std::collections::BTreeSet<_> = all
        .iter()
        .map(|submitted| match submitted {
            Submitted::New(request) | Submitted::Known(request) => request.id,
            Submitted::Duplicate { .. } => panic!("it has a key"),
        })
        .collect();
    assert_eq!(all.iter().filter(|submitted| matches!(submitted, Submitted::New(_))).count(), 1);
    assert_eq!((ids.len(), requests(&ledger).await), (1, 1));
    let entries = ledger.verify_chain(&[]).await.unwrap();
    assert_eq!((entries.entries, entries.broken), (2, None), "received and scheduled, once");
}

async fn a_hundred_keyless_at_once_have_one_effect(place: Place) {
    // Two processes on one ledger: each has connections of its own.
    let (one, two) = (place.open().await, place.open().await);
    let submit = async |n: usize| {
        let ledger = if n.is_multiple_of(2) { &one } else { &two };
        ledger.submit(new(Kind::Erase, "ann"), &requester(), NOW).await.unwrap()
    };
    let all = futures::future::join_all((0..100).map(submit)).await;
    assert_eq!(all.iter().filter(|submitted| matches!(submitted, Submitted::New(_))).count(), 1);
    assert_eq!(requests(&one).await, 1);
}

async fn what_is_malformed_is_refused(place: Place) {
    let ledger = place.open().await;
    let ann = || new(Kind::Erase, "ann");
    let (long, many) = ("x".repeat(201), vec!["s".to_owned(); 1001]);
    let malformed = [
        NewRequest { tenant: Some(String::new()), ..ann() },
        NewRequest { tenant: Some(long.clone()), ..ann() },
        NewRequest { tenant: Some("a\0b".into()), ..ann() },
        NewRequest { regulation: " ".into(), ..ann() },
        NewRequest { regulation: "a\0b".into(), ..ann() },
        NewRequest { sources: vec![String::new()], ..ann() },
        NewRequest { sources: vec!["a\0b".into()], ..ann() },
        NewRequest { sources: many, ..ann() },
        NewRequest { received: Some(NOW + Duration::days(2)), ..ann() },
        NewRequest { subject: Subject::new([]), ..ann() },
        NewRequest { subject: Subject::new([Identifier::new("", "x")]), ..ann() },
        NewRequest { subject: Subject::new([Identifier::new("id", "ann"), Identifier::new("email", " ")]), ..ann() },
        NewRequest { subject: Subject::new([Identifier::new("id", "\u{feff}\u{200b}")]), ..ann() },
        NewRequest { options: [("a".to_owned(), "x".repeat(65_536).into())].into_iter().collect(), ..ann() },
        keyed("", ann()),
        keyed(&long, ann()),
    ];
    for new in malformed {
        let said = format!("{new:?}").chars().take(300).collect::<String>();
        let refused = ledger.submit(new, &requester(), NOW).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Malformed(_)))), "{said}: {refused:?}");
    }
    let nobody = lacuna_ledger::Actor::new("", Role::Requester);
    let refused = ledger.submit(ann(), &nobody, NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Malformed(_)))));
    let refused = ledger.submit(ann(), &worker("w"), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Role(Role::Worker)))));
    // Only an approver skips the cancel window, and only erasures have one.
    let refused = ledger.submit(NewRequest { force: true, ..ann() }, &requester(), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Role(Role::Requester)))));
    let forced = NewRequest { force: true, ..new(Kind::Export, "ann") };
    let refused = ledger.submit(forced, &approver("ada"), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Kind(Kind::Export)))));
    assert_eq!(requests(&ledger).await, 0);
    assert_eq!(ledger.chain_head().await.unwrap().sequence, 0);
}

async fn what_would_keep_an_identifier_is_refused(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Erase, "ann")).await.id;
    let naming = NewRequest {
        options: [("note".to_owned(), "for ANN@example.org".into())].into_iter().collect(),
        ..new(Kind::Export, "ann")
    };
    let refused = ledger.submit(naming, &requester(), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NamesSubject("an option")))));
    let own = lacuna_ledger::Actor::new("ann@example.org", Role::Requester);
    let refused = ledger.submit(new(Kind::Export, "ann"), &own, NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NamesSubject("the requester")))));
    let why = lacuna_ledger::Act::Cancel { reason: Some("Ann@Example.org has asked".into()) };
    let refused = ledger.act(id, why, &requester(), NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NamesSubject("the reason")))));
    assert!(!format!("{refused:?}").to_lowercase().contains("example.org"));
}

async fn lists_are_filtered_and_paged(place: Place) {
    let ledger = place.open_with(Policy { approvals: 1, ..Policy::default() }).await;
    let mut all = Vec::new();
    for n in 0..6_usize {
        let kind = if n.is_multiple_of(2) { Kind::Export } else { Kind::Erase };
        let tenant = Some(if n < 3 { "contoso" } else { "fabrikam" }.to_owned());
        let request = NewRequest { tenant, ..new(kind, &format!("p{n}")) };
        all.push(submit_at(&ledger, request, NOW + Duration::minutes(i64::try_from(n).unwrap())).await.id);
    }
    let list = async |filter: Filter| {
        let page = ledger.list(&filter, None, 100, NEXT_DAY).await.unwrap();
        page.requests.iter().map(|request| all.iter().position(|id| *id == request.id).unwrap()).collect::<Vec<_>>()
    };
    let contoso = Some("contoso".to_owned());
    assert_eq!(list(Filter::default()).await, [5, 4, 3, 2, 1, 0], "the newest first");
    assert_eq!(list(Filter { tenant: contoso.clone(), ..Filter::default() }).await, [2, 1, 0]);
    assert_eq!(list(Filter { kind: Some(Kind::Erase), ..Filter::default() }).await, [5, 3, 1]);
    assert_eq!(list(Filter { state: Some(State::Received), tenant: contoso, ..Filter::default() }).await, [1]);
    assert!(list(Filter { state: Some(State::Failed), ..Filter::default() }).await.is_empty());

    let first = ledger.list(&Filter::default(), None, 4, NOW).await.unwrap();
    let second = ledger.list(&Filter::default(), first.next.as_ref(), 4, NOW).await.unwrap();
    assert_eq!((first.requests.len(), second.requests.len(), second.next), (4, 2, None));
    assert_eq!(second.requests[0].id, all[1]);
    let broken = lacuna_ledger::Cursor("nonsense".into());
    assert!(matches!(ledger.list(&Filter::default(), Some(&broken), 4, NOW).await, Err(Error::Configuration(_))));

    let overview = ledger.overview(NOW).await.unwrap();
    assert_eq!(overview.requests[&(Kind::Erase, State::Received)], 3);
    assert_eq!(overview.requests[&(Kind::Export, State::Scheduled)], 3);
}

async fn a_request_about_many_sources_is_kept(place: Place) {
    let ledger = place.open().await;
    // Names that do not shrink when an index packs them.
    let sources: Vec<_> = (0..500_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let many = NewRequest { sources: sources.clone(), ..new(Kind::Export, "ann") };
    let id = submit(&ledger, many.clone()).await.id;
    assert_eq!(ledger.request(id).await.unwrap().sources, sources);
    let again = ledger.submit(many, &requester(), NOW).await.unwrap();
    assert!(matches!(again, Submitted::Duplicate { of, is_due_earlier: false } if of == id));
}
