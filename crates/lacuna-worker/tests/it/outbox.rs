//! From a real ledger's outbox to receivers on this machine.

use lacuna_ledger::{
    Act, Actor, Identifier, Keys, Kind, Ledger, LedgerConfig, NewRequest, Policy, RequestId, Role, Subject, Submitted,
};
use lacuna_worker::metrics::Metrics;
use lacuna_worker::notice::{AGE_MAX, Notifier, Told};
use time::Duration;

use crate::notice::{Answer, Hook, NOW};

const CANARY: &str = "canary-4711@example.org";

async fn ledger(dir: &tempfile::TempDir) -> Ledger {
    let url = dir.path().join("ledger.db").display().to_string();
    let keys = Keys::new("k", [1; 32], [2; 32]);
    Ledger::open(&LedgerConfig { url, keys, policy: Policy { notices: true, ..Policy::default() } }).await.unwrap()
}

async fn submit(ledger: &Ledger) -> RequestId {
    let subject = Subject::new([Identifier::new("email", CANARY)]);
    let new = NewRequest { tenant: Some("contoso".into()), ..NewRequest::new(Kind::Erase, subject, "gdpr") };
    match ledger.submit(new, &Actor::new("ann", Role::Requester), NOW).await.unwrap() {
        Submitted::New(request) => request.id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_change_is_told_once_and_names_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(&dir).await;
    let hook = Hook::start(vec![Answer::Status(200)]).await;
    let notifier = Notifier::new(vec![hook.receiver("portal", "localhost", true)]).unwrap();
    let (worker, metrics) = (Actor::worker("w"), Metrics::default());

    let id = submit(&ledger).await;
    let told = notifier.run_once(&ledger, &worker, &metrics, NOW).await.unwrap();
    let cancel = Act::Cancel { reason: Some("asked twice".into()) };
    ledger.act(id, cancel, &Actor::new("ann", Role::Requester), NOW).await.unwrap();
    let more = notifier.run_once(&ledger, &worker, &metrics, NOW).await.unwrap();
    assert_eq!((told.failed, more.failed), (0, 0));
    let told = told.delivered + more.delivered;
    let later = notifier.run_once(&ledger, &worker, &metrics, NOW + Duration::hours(1)).await.unwrap();
    assert_eq!(later, Told::default());

    let got = hook.got.lock().unwrap();
    assert_eq!(got.len() as u64, told);
    let types: Vec<_> = got
        .iter()
        .map(|(_, body)| serde_json::from_str::<serde_json::Value>(body).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(types.last().map(String::as_str), Some("request.cancelled"), "{types:?}");
    assert!(types.contains(&"request.scheduled".to_owned()), "{types:?}");
    for (headers, body) in got.iter() {
        let all = format!("{headers:?}{body}");
        for secret in [CANARY, "contoso", "ann", "asked twice"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
        assert!(body.contains(&id.to_string()));
    }
    assert!(metrics.render().contains(&format!("lacuna_notices_total{{result=\"taken\"}} {told}")));
    assert!(!metrics.render().contains(CANARY) && !metrics.render().contains("contoso"));
}

#[tokio::test]
async fn a_notice_that_fails_waits_longer_and_longer_and_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(&dir).await;
    let sound = Hook::start(vec![Answer::Status(200)]).await;
    let broken = Hook::start(vec![Answer::Status(503)]).await;
    let receivers = vec![sound.receiver("sound", "localhost", true), broken.receiver("broken", "localhost", true)];
    let notifier = Notifier::new(receivers).unwrap();
    let (worker, metrics) = (Actor::worker("w"), Metrics::default());
    submit(&ledger).await;
    let tried = notifier.run_once(&ledger, &worker, &metrics, NOW).await.unwrap();
    assert!(tried.delivered == 0 && tried.failed > 0, "{tried:?}");
    let first = tried.failed;
    let asked = broken.times_asked();
    // Not before its time.
    let early = notifier.run_once(&ledger, &worker, &metrics, NOW + Duration::seconds(5)).await.unwrap();
    assert_eq!(early, Told::default());
    assert_eq!(broken.times_asked(), asked);
    let mut now = NOW;
    while now - NOW < AGE_MAX + Duration::hours(12) {
        now += Duration::minutes(30);
        notifier.run_once(&ledger, &worker, &metrics, now).await.unwrap();
    }
    assert_eq!(ledger.overview(now).await.unwrap().notices, 0, "given up");
    assert_eq!(sound.times_asked() as u64, first, "told once each");
    let tries = broken.times_asked() as u64 / first;
    assert!((10..=15).contains(&tries), "{tries}");
    assert!(metrics.render().contains(&format!("lacuna_notices_total{{result=\"given_up\"}} {first}")));
}

#[tokio::test]
async fn without_a_receiver_the_outbox_does_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(&dir).await;
    submit(&ledger).await;
    let notifier = Notifier::new(Vec::new()).unwrap();
    notifier.run_once(&ledger, &Actor::worker("w"), &Metrics::default(), NOW).await.unwrap();
    assert_eq!(ledger.overview(NOW).await.unwrap().notices, 0);
}
