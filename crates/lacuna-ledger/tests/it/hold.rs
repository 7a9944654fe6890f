//! A hold wins over every erasure, and what it kept back is made up for when it is lifted.

use lacuna_ledger::{
    Actor, Error, Hold, HoldFilter, HoldOn, Identifier, Kind, Ledger, NewHold, NewRequest, Policy, Refusal, Role,
    Sequence, Subject,
};
use time::Duration;
use time::macros::date;

use crate::make::{NOW, approver, begin, erased, new, operator, person, requester, shard, submit, worker};
use crate::place::Place;

on_both!(
    a_hold_on_a_source_applies_to_requests_about_it,
    a_hold_on_a_person_applies_to_who_shares_an_identifier,
    a_hold_holds_whatever_form_a_person_and_a_tenant_are_given_in,
    a_hold_holds_a_tenant_in_whatever_form_and_no_other,
    a_hold_in_one_tenant_leaves_others_alone,
    holds_are_set_and_lifted_by_those_who_may,
    holds_are_listed_and_reviewed,
    a_lifted_hold_lets_erasures_stand_again,
    a_lifted_hold_on_a_source_takes_its_watermarks,
    a_held_erasure_stands_until_the_hold_is_lifted,
    the_same_hold_set_twice_is_one,
);

fn hold(on: HoldOn) -> NewHold {
    NewHold {
        on,
        reason: "case 17".into(),
        legal_basis: "Art. 17(3)(e) GDPR".into(),
        review: Some(date!(2027 - 01 - 31)),
        exports: false,
    }
}

fn on_source(source: &str) -> NewHold {
    hold(HoldOn::Source { source: source.into(), class: "audit".into() })
}

fn on_person(name: &str) -> NewHold {
    hold(HoldOn::Subject { tenant: None, subject: person(name) })
}

async fn set(ledger: &Ledger, new: NewHold) -> Hold {
    ledger.set_hold(new, &operator(), NOW).await.unwrap()
}

async fn a_hold_on_a_source_applies_to_requests_about_it(place: Place) {
    let ledger = place.open().await;
    let about = |sources: &[&str], name| NewRequest {
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        ..new(Kind::Export, name)
    };
    let all = submit(&ledger, about(&[], "a")).await.id;
    let audit = submit(&ledger, about(&["audit", "activity"], "b")).await.id;
    let other = submit(&ledger, about(&["activity"], "c")).await.id;
    let hold = set(&ledger, on_source("audit")).await;
    assert_eq!((hold.source.as_deref(), hold.class.as_deref()), (Some("audit"), Some("audit")));
    for (id, ought) in [(all, vec![hold.clone()]), (audit, vec![hold.clone()]), (other, vec![])] {
        assert_eq!(ledger.holds_on(id).await.unwrap(), ought);
    }
    let claim = begin(&ledger, "w", NOW).await;
    for riding in ledger.pass_requests(claim.pass).await.unwrap() {
        assert_eq!(riding.holds.len(), usize::from(riding.request.id != other), "the worker hears of them");
    }
    ledger.lift_hold(hold.id, "closed", &approver("ada"), NOW).await.unwrap();
    assert!(ledger.holds_on(all).await.unwrap().is_empty());
}

async fn a_hold_on_a_person_applies_to_who_shares_an_identifier(place: Place) {
    let ledger = place.open().await;
    let both = Subject::new([Identifier::new("user", "17"), Identifier::new("email", " Ann@EXAMPLE.org")]);
    let shares = submit(&ledger, NewRequest { subject: both, ..new(Kind::Erase, "") }).await.id;
    let other_kind = Subject::new([Identifier::new("login", "ann@example.org")]);
    let other = submit(&ledger, NewRequest { subject: other_kind, ..new(Kind::Erase, "") }).await.id;
    let hold = set(&ledger, on_person("ann")).await;
    assert_eq!(ledger.holds_on(shares).await.unwrap(), [hold]);
    assert!(ledger.holds_on(other).await.unwrap().is_empty());
    assert!(!place.holds(b"ann@example.org").await, "only keyed hashes are kept");
}

async fn a_hold_holds_whatever_form_a_person_and_a_tenant_are_given_in(place: Place) {
    const FORMS: [&str; 3] = [
        "b728e978-c4e1-4f3a-92d8-e339b7a2b694",
        "B728E978C4E14F3A92D8E339B7A2B694",
        "{b728e978-c4e1-4f3a-92d8-e339b7a2b694}",
    ];
    let ledger = place.open().await;
    let subject = |value: &str| Subject::new([Identifier::new("id", value)]);
    let mut ids = Vec::new();
    for form in FORMS {
        for value in [form, "7", "007.0"] {
            let new = NewRequest { tenant: Some(form.into()), subject: subject(value), ..new(Kind::Erase, "") };
            ids.push((value, submit(&ledger, new).await.id));
        }
    }
    for (tenant, value) in [(FORMS[0], FORMS[1]), (FORMS[1], FORMS[0]), (FORMS[2], "07")] {
        let on = HoldOn::Subject { tenant: Some(tenant.into()), subject: subject(value) };
        let hold = set(&ledger, hold(on)).await;
        for &(other, id) in &ids {
            let is_held = (other.len() > 5) == (value.len() > 5);
            assert_eq!(ledger.holds_on(id).await.unwrap().len(), usize::from(is_held), "{tenant} {value} {other}");
        }
        for form in FORMS {
            assert_eq!(ledger.holds_about(Some(form), &subject(value)).await.unwrap(), std::slice::from_ref(&hold));
        }
        ledger.lift_hold(hold.id, "settled", &approver("ada"), NOW).await.unwrap();
    }
}

async fn a_hold_holds_a_tenant_in_whatever_form_and_no_other(place: Place) {
    let ledger = place.open().await;
    let groups: [&[&str]; 4] =
        [&["7", "007", "7.0"], &["contoso", "CONTOSO", " contoso "], &["con-toso"], &["{contoso}"]];
    let tenants: Vec<(usize, &str)> = groups
        .iter()
        .enumerate()
        .flat_map(|(group, tenants)| tenants.iter().map(move |tenant| (group, *tenant)))
        .collect();
    let mut requests = Vec::new();
    for &(group, tenant) in &tenants {
        let new = NewRequest { tenant: Some(tenant.into()), ..new(Kind::Erase, "ann") };
        requests.push((group, submit(&ledger, new).await.id));
    }
    for (group, tenant) in tenants {
        let hold = set(&ledger, hold(HoldOn::Subject { tenant: Some(tenant.into()), subject: person("ann") })).await;
        for &(other, id) in &requests {
            let held = ledger.holds_on(id).await.unwrap().len();
            assert_eq!(held, usize::from(other == group), "{tenant} {other}");
        }
        ledger.lift_hold(hold.id, "settled", &approver("ada"), NOW).await.unwrap();
    }
}

async fn a_hold_in_one_tenant_leaves_others_alone(place: Place) {
    let ledger = place.open().await;
    let mut ids = Vec::new();
    for tenant in [Some("contoso".to_owned()), Some("fabrikam".to_owned()), None] {
        ids.push(submit(&ledger, NewRequest { tenant, ..new(Kind::Erase, "ann") }).await.id);
    }
    set(&ledger, hold(HoldOn::Subject { tenant: Some("contoso".into()), subject: person("ann") })).await;
    let (mut held, mut foreseen) = (Vec::new(), Vec::new());
    for (id, tenant) in ids.into_iter().zip([Some("contoso"), Some("fabrikam"), None]) {
        held.push(ledger.holds_on(id).await.unwrap().len());
        foreseen.push(ledger.holds_about(tenant, &person("ann")).await.unwrap().len());
    }
    // Who names no tenant may touch everybody's rows.
    assert_eq!((held.as_slice(), foreseen.as_slice()), (&[1, 0, 1][..], &[1, 0, 1][..]));
    assert!(ledger.holds_about(Some("contoso"), &person("bob")).await.unwrap().is_empty());
}

async fn holds_are_set_and_lifted_by_those_who_may(place: Place) {
    let ledger = place.open().await;
    let set = async |new, actor: Actor| ledger.set_hold(new, &actor, NOW).await;
    for actor in [requester(), worker("w")] {
        let role = actor.role;
        assert!(matches!(set(on_source("a"), actor).await, Err(Error::Refused(Refusal::Role(r))) if r == role));
    }
    let refused = |result: Result<Hold, Error>| matches!(result, Err(Error::Refused(_)));
    for source in ["", "a\0b", &"x".repeat(201)] {
        assert!(refused(set(on_source(source), operator()).await), "{source:?}");
    }
    assert!(refused(set(NewHold { reason: String::new(), ..on_source("a") }, operator()).await));
    assert!(refused(set(NewHold { reason: "of Ann@example.org".into(), ..on_person("ann") }, operator()).await));
    assert!(refused(set(hold(HoldOn::Subject { tenant: None, subject: Subject::new([]) }), operator()).await));

    let hold = set(on_source("a"), approver("ada")).await.unwrap();
    let lifted = ledger.lift_hold(hold.id, "closed", &operator(), NOW).await;
    assert!(matches!(lifted, Err(Error::Refused(Refusal::Role(Role::Operator)))), "an operator may not");
    assert!(refused(ledger.lift_hold(hold.id, " ", &approver("ada"), NOW).await));
    let lifted = ledger.lift_hold(hold.id, "closed", &approver("bob"), NOW).await.unwrap().lifted.unwrap();
    assert_eq!((lifted.by.as_str(), lifted.at, lifted.reason.as_str()), ("bob", NOW, "closed"));
    assert!(refused(ledger.lift_hold(hold.id, "closed", &approver("bob"), NOW).await), "once");
    let nobody = "01920000-0000-7000-8000-000000000000".parse().unwrap();
    assert!(matches!(ledger.lift_hold(nobody, "x", &approver("bob"), NOW).await, Err(Error::NotFound("hold"))));
}

async fn holds_are_listed_and_reviewed(place: Place) {
    let ledger = place.open().await;
    let late = set(&ledger, NewHold { review: None, ..on_source("a") }).await;
    let soon = set(&ledger, NewHold { review: Some(date!(2026 - 04 - 01)), exports: true, ..on_source("b") }).await;
    let lifted = set(&ledger, on_person("ann")).await;
    let lifted = ledger.lift_hold(lifted.id, "closed", &approver("ada"), NOW).await.unwrap();
    let list = async |filter: HoldFilter| ledger.holds(&filter).await.unwrap();
    assert_eq!(list(HoldFilter::default()).await, [soon.clone(), late.clone()]);
    assert_eq!(list(HoldFilter { lifted: true, review_by: None }).await, [lifted, soon.clone(), late]);
    let by = |day| HoldFilter { lifted: false, review_by: Some(day) };
    assert!(list(by(date!(2026 - 03 - 31))).await.is_empty());
    assert_eq!(list(by(date!(2026 - 04 - 01))).await, [soon]);
}

async fn a_lifted_hold_lets_erasures_stand_again(place: Place) {
    let ledger = place.open().await;
    let hold = set(&ledger, hold(HoldOn::Subject { tenant: Some("contoso".into()), subject: person("ann") })).await;
    let (ann, _ben) = (erased(&ledger, "ann", NOW).await, erased(&ledger, "ben", NOW).await);
    let before = ledger.standing(Sequence(0), 10, NOW).await.unwrap();
    assert_eq!(before.iter().map(|one| one.holds.len()).collect::<Vec<_>>(), [1, 0]);
    let seen = ledger.last_sequence().await.unwrap();

    let later = NOW + Duration::days(80);
    ledger.lift_hold(hold.id, "closed", &approver("ada"), later).await.unwrap();
    let again = ledger.standing(seen, 10, later).await.unwrap();
    assert_eq!(
        again.iter().map(|one| one.request).collect::<Vec<_>>(),
        [ann],
        "ann's is new to every sweep, ben's is not"
    );
    assert!(again[0].holds.is_empty());
    assert_eq!(again[0].until, later + ledger.policy().standing, "for as long as any other");
    assert_eq!(ledger.subject(ann).await.unwrap(), person("ann"), "so its identifiers are still there");
    ledger.forget(&worker("w"), NOW + Duration::days(100)).await.unwrap();
    assert!(ledger.subject(ann).await.is_ok());
}

async fn a_lifted_hold_on_a_source_takes_its_watermarks(place: Place) {
    let ledger = place.open().await;
    let hold = set(&ledger, on_source("audit")).await;
    let shards = [shard("a", "e1")];
    for source in ["audit", "activity"] {
        ledger.advance_watermarks(source, &shards, Sequence(4)).await.unwrap();
    }
    ledger.lift_hold(hold.id, "closed", &approver("ada"), NOW).await.unwrap();
    assert_eq!(ledger.watermarks("audit", &shards).await.unwrap(), [Sequence(0)]);
    assert_eq!(ledger.watermarks("activity", &shards).await.unwrap(), [Sequence(4)]);
}

async fn a_held_erasure_stands_until_the_hold_is_lifted(place: Place) {
    let policy = Policy { grace: Duration::days(1), standing: Duration::days(5), ..Policy::default() };
    let ledger = place.open_with(policy).await;
    let (ann, ben) = (erased(&ledger, "ann", NOW).await, erased(&ledger, "ben", NOW).await);
    let hold = set(&ledger, on_person("ann")).await;
    let later = NOW + Duration::days(50);
    ledger.forget(&worker("w"), later).await.unwrap();
    assert!(matches!(ledger.subject(ben).await, Err(Error::NotFound("identifiers"))));
    assert_eq!(ledger.subject(ann).await.unwrap(), person("ann"), "what was kept back must still be found");
    ledger.lift_hold(hold.id, "closed", &approver("ada"), later).await.unwrap();
    let standing = ledger.standing(Sequence(0), 10, later).await.unwrap();
    assert_eq!(standing.iter().map(|one| one.request).collect::<Vec<_>>(), [ann]);
    ledger.forget(&worker("w"), later + Duration::days(5)).await.unwrap();
    assert!(matches!(ledger.subject(ann).await, Err(Error::NotFound("identifiers"))));
}

async fn the_same_hold_set_twice_is_one(place: Place) {
    let ledger = place.open().await;
    for new in [on_source("audit"), on_person("ann")] {
        let first = set(&ledger, new.clone()).await;
        assert_eq!(set(&ledger, new.clone()).await, first, "as after a lost answer");
        let other = NewHold { reason: "case 18".into(), ..new.clone() };
        assert_ne!(set(&ledger, other).await.id, first.id);
        ledger.lift_hold(first.id, "closed", &approver("ada"), NOW).await.unwrap();
        assert_ne!(set(&ledger, new).await.id, first.id, "a lifted hold is over");
    }
    let both = Subject::new(person("ann").identifiers.into_iter().chain(person("ben").identifiers));
    let wider = set(&ledger, hold(HoldOn::Subject { tenant: None, subject: both })).await;
    assert_ne!(set(&ledger, on_person("ben")).await.id, wider.id, "another person's");
    assert_ne!(set(&ledger, on_person("cleo")).await.id, wider.id);
}
