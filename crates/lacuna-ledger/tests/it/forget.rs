//! Nobody is remembered longer than needed: the database and the logs hold no identifier, and in the end no trace of one.

use std::io::Write;
use std::sync::{Arc, Mutex};

use lacuna_ledger::{
    Act, Conclusion, Ending, Error, HoldOn, Identifier, Kind, Ledger, NewHold, NewRequest, Policy, Refusal, RequestId,
    Sequence, State, Subject,
};
use time::Duration;

use crate::make::{
    NEXT_DAY, NOW, approver, begin, cancel, concluded, erased, missing, new, operator, requester, run, search, submit,
    worker,
};
use crate::place::Place;

on_both!(
    identifiers_stand_nowhere_in_the_clear,
    what_is_forgotten_leaves_no_byte,
    identifiers_are_kept_for_the_grace_period,
    an_erasure_that_stands_keeps_its_identifiers,
    keyed_hashes_dates_and_counts_stay,
    packages_expire_and_are_removed_once,
    packages_that_never_expire_do_not,
);

/// Identifiers that occur nowhere else, in several scripts.
const CANARIES: [&str; 3] = ["canary-4711@example.org", "Kanarienvögel-Ünïcode-0815", "5e0c9a6e-canary-uuid"];

fn canaries() -> Subject {
    Subject::new(CANARIES.map(|value| Identifier::new("email", value)))
}

fn about_canaries(kind: Kind) -> NewRequest {
    NewRequest { subject: canaries(), ..new(kind, "") }
}

/// A request that is done, with all that may be written on the way.
async fn a_life(ledger: &Ledger) -> RequestId {
    let hold = NewHold {
        on: HoldOn::Subject { tenant: None, subject: canaries() },
        reason: "case 17".into(),
        legal_basis: "law".into(),
        review: None,
        exports: false,
    };
    let hold = ledger.set_hold(hold, &operator(), NOW).await.unwrap();
    let id = submit(ledger, about_canaries(Kind::Erase)).await.id;
    ledger.submit(about_canaries(Kind::Erase), &requester(), NOW).await.unwrap();
    let naming = Act::Cancel { reason: Some(format!("{} has asked", CANARIES[0])) };
    let refused = ledger.act(id, naming, &requester(), NOW).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::NamesSubject(_))));
    assert!(!format!("{refused} {refused:?}").contains("canary"));
    run(ledger, &Ending::Incomplete { missing: vec![missing("a.parquet")] }, NEXT_DAY).await;
    ledger.lift_hold(hold.id, "closed", &approver("ada"), NEXT_DAY).await.unwrap();
    run(ledger, &Ending::Complete, NEXT_DAY + Duration::DAY).await;
    assert_eq!(ledger.subject(id).await.unwrap(), canaries());
    id
}

async fn identifiers_stand_nowhere_in_the_clear(place: Place) {
    let logs = Logs::catch();
    let ledger = place.open_with(Policy { notices: true, ..Policy::default() }).await;
    a_life(&ledger).await;
    for canary in CANARIES {
        assert!(!place.holds(canary.as_bytes()).await, "{canary}");
        assert!(!place.holds(canary.to_lowercase().as_bytes()).await, "{canary}");
    }
    assert!(!format!("{:?}", canaries()).contains("canary"));
    let said = logs.text();
    assert!(CANARIES.iter().all(|canary| !said.contains(canary)));
}

async fn what_is_forgotten_leaves_no_byte(place: Place) {
    let policy = Policy { grace: Duration::days(1), standing: Duration::days(2), ..Policy::default() };
    let ledger = place.open_with(policy).await;
    let id = a_life(&ledger).await;
    // What is encrypted and hashed, exactly as it is kept.
    let sealed = place.query("SELECT content FROM sealed").await;
    let hashes = place.query("SELECT hash FROM identifier").await;
    let bytes = |hexadecimal: &str| -> Vec<u8> {
        let digits = hexadecimal.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    };
    let mut traces: Vec<_> = sealed.iter().map(|row| bytes(&row[0])).collect();
    // Each identifier within its tenant, and whatever the tenant.
    assert_eq!((traces.len(), hashes.len()), (1, 3 * 2));
    // A part of it is a trace, too.
    traces.push(traces[0][20..40].to_vec());
    for trace in &traces {
        assert!(place.holds(trace).await, "the search finds it while it is there");
    }

    let forgotten = ledger.forget(&worker("w"), NEXT_DAY + Duration::days(10)).await.unwrap();
    assert_eq!((forgotten.requests, forgotten.standing), (1, 1));
    assert!(matches!(ledger.subject(id).await, Err(Error::NotFound("identifiers"))));
    for trace in &traces {
        assert!(!place.holds(trace).await);
    }
    assert!(place.query("SELECT 1 FROM sealed").await.is_empty());
    assert!(place.query("SELECT 1 FROM identifier").await.is_empty());
    assert!(ledger.standing(Sequence(0), 10, NEXT_DAY).await.unwrap().is_empty());
    let again = ledger.forget(&worker("w"), NEXT_DAY + Duration::days(10)).await.unwrap();
    assert_eq!((again.requests, again.standing), (0, 0));
    assert_eq!(ledger.verify_chain(&[]).await.unwrap().broken, None);
    assert_eq!(ledger.history(id).await.unwrap().pop().unwrap().what, "forgotten");
}

async fn identifiers_are_kept_for_the_grace_period(place: Place) {
    let ledger = place.open_with(Policy { grace: Duration::days(30), ..Policy::default() }).await;
    let (ann, ben) =
        (submit(&ledger, new(Kind::Export, "ann")).await.id, submit(&ledger, new(Kind::Erase, "ben")).await.id);
    ledger.act(ann, cancel(), &requester(), NOW).await.unwrap();
    let forget = async |now| ledger.forget(&worker("w"), now).await.unwrap().requests;
    assert_eq!(forget(NOW + Duration::days(30) - Duration::SECOND).await, 0);
    assert!(ledger.request(ann).await.unwrap().has_identifiers);
    assert_eq!(forget(NOW + Duration::days(30)).await, 1);
    assert!(!ledger.request(ann).await.unwrap().has_identifiers);
    assert!(ledger.subject(ben).await.is_ok(), "what has not ended is needed");
}

async fn an_erasure_that_stands_keeps_its_identifiers(place: Place) {
    let policy = Policy { grace: Duration::days(1), standing: Duration::days(90), ..Policy::default() };
    let ledger = place.open_with(policy).await;
    let id = erased(&ledger, "ann", NOW).await;
    ledger.forget(&worker("w"), NOW + Duration::days(89)).await.unwrap();
    assert_eq!(ledger.standing(Sequence(0), 10, NOW + Duration::days(89)).await.unwrap()[0].request, id);
    let forgotten = ledger.forget(&worker("w"), NOW + Duration::days(90)).await.unwrap();
    assert_eq!((forgotten.requests, forgotten.standing), (1, 1));
}

async fn keyed_hashes_dates_and_counts_stay(place: Place) {
    let ledger = place.open_with(Policy { grace: Duration::ZERO, ..Policy::default() }).await;
    let options = [("note".to_owned(), "free text".into())].into_iter().collect();
    let id = submit(&ledger, NewRequest { options, ..new(Kind::Export, "ann") }).await.id;
    let why = Act::Cancel { reason: Some("she said so".into()) };
    ledger.act(id, why, &requester(), NOW).await.unwrap();
    let before = ledger.request(id).await.unwrap();
    ledger.forget(&worker("w"), NOW).await.unwrap();
    let after = ledger.request(id).await.unwrap();
    assert_eq!(
        (after.subject_hash.clone(), after.clock.clone(), after.ended),
        (before.subject_hash, before.clock, before.ended)
    );
    assert_eq!((after.state, after.reason, after.options.len()), (State::Cancelled, None, 0), "free text goes, too");
}

async fn packages_expire_and_are_removed_once(place: Place) {
    let ledger = place.open_with(Policy { package_keep: Some(Duration::days(7)), ..Policy::default() }).await;
    let mut ids = Vec::new();
    for (name, day) in [("ann", 0), ("ben", 1)] {
        let now = NOW + Duration::days(day);
        let id = crate::make::submit_at(&ledger, new(Kind::Export, name), now).await.id;
        let claim = begin(&ledger, "w", now).await;
        let claim = search(&ledger, &claim, "w", now).await;
        let end = Conclusion { package: Some(format!("p/{name}/")), ..concluded(id, Ending::Complete) };
        ledger.conclude(&claim, &[end], &worker("w"), now).await.unwrap();
        ids.push(id);
    }
    let expired = async |now| {
        let all = ledger.expired_packages(10, now).await.unwrap();
        all.into_iter().map(|one| (one.request, one.package, one.expired)).collect::<Vec<_>>()
    };
    let week = NOW + Duration::days(7);
    assert!(expired(week - Duration::SECOND).await.is_empty());
    assert_eq!(expired(week).await, [(ids[0], "p/ann/".to_owned(), week)]);
    assert_eq!(
        expired(week + Duration::DAY).await.iter().map(|one| one.0).collect::<Vec<_>>(),
        ids,
        "the oldest first"
    );
    for _ in 0..2 {
        ledger.package_removed(ids[0], &worker("w"), week).await.unwrap();
    }
    assert_eq!(expired(week + Duration::DAY).await.len(), 1);
    assert_eq!(ledger.request(ids[0]).await.unwrap().package, None);
    let removed = ledger.history(ids[0]).await.unwrap().iter().filter(|entry| entry.what == "package_removed").count();
    assert_eq!(removed, 1);
}

async fn packages_that_never_expire_do_not(place: Place) {
    let ledger = place.open_with(Policy { package_keep: None, ..Policy::default() }).await;
    let id = submit(&ledger, new(Kind::Export, "ann")).await.id;
    let claim = begin(&ledger, "w", NOW).await;
    let claim = search(&ledger, &claim, "w", NOW).await;
    let end = Conclusion { package: Some("p/".into()), ..concluded(id, Ending::Complete) };
    ledger.conclude(&claim, &[end], &worker("w"), NOW).await.unwrap();
    assert!(ledger.expired_packages(10, NOW + Duration::days(10_000)).await.unwrap().is_empty());
}

/// What the ledger and its libraries log, at every level.
#[derive(Clone)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// From here on, for the whole process: workers' threads log, too.
    fn catch() -> Self {
        static LOGS: std::sync::OnceLock<Logs> = std::sync::OnceLock::new();
        let logs = LOGS.get_or_init(|| {
            let (logs, writer) = {
                let logs = Self(Arc::default());
                (logs.clone(), logs)
            };
            let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
            subscriber.with_writer(move || writer.clone()).init();
            logs
        });
        logs.clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
