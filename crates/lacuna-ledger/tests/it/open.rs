//! Opening a ledger: made on first use, by one of many; with the right keys only; and never telling a secret.

use std::error::Error as _;

use lacuna_ledger::{Error, Keys, Kind, Ledger, LedgerConfig, Policy, is_there};

use crate::make::{new, person, submit};
use crate::place::Place;

on_both!(
    many_processes_at_once_make_one_ledger,
    what_is_recorded_is_there_when_it_is_opened_again,
    another_hashing_key_opens_nothing,
    another_sealing_key_opens_no_subject,
    a_ledger_is_there_once_it_was_made,
);

async fn a_ledger_is_there_once_it_was_made(place: Place) {
    assert!(!is_there(&place.url).await.unwrap());
    if place.is_sqlite() {
        std::fs::write(&place.url, "").unwrap();
        assert!(!is_there(&place.url).await.unwrap(), "an empty file is none");
    }
    place.open().await.close().await;
    assert!(is_there(&place.url).await.unwrap());
}

async fn many_processes_at_once_make_one_ledger(place: Place) {
    let ledgers = futures::future::join_all((0..12).map(async |_| place.open().await)).await;
    for (n, ledger) in ledgers.iter().enumerate() {
        submit(ledger, new(Kind::Export, &n.to_string())).await;
    }
    let report = ledgers[0].verify_chain(&[]).await.unwrap();
    assert_eq!((report.entries, report.broken), (24, None));
}

async fn what_is_recorded_is_there_when_it_is_opened_again(place: Place) {
    let ledger = place.open().await;
    let request = submit(&ledger, new(Kind::Erase, "ann")).await;
    let head = ledger.chain_head().await.unwrap();
    ledger.close().await;
    assert!(matches!(ledger.chain_head().await, Err(Error::Unavailable(_))), "it is closed");
    let again = place.open().await;
    assert_eq!(again.request(request.id).await.unwrap(), request);
    assert_eq!(again.chain_head().await.unwrap(), head);
}

fn with(place: &Place, keys: Keys) -> LedgerConfig {
    LedgerConfig { keys, ..place.config(Policy::default()) }
}

async fn another_hashing_key_opens_nothing(place: Place) {
    place.open().await.close().await;
    let other = with(&place, Keys::new("2026", [1; 32], [9; 32]));
    assert!(matches!(Ledger::open(&other).await, Err(Error::Key(key)) if key == "hashing"));
    assert!(Ledger::open(&with(&place, Keys::new("2027", [9; 32], [2; 32]))).await.is_ok(), "sealing keys may change");
}

async fn another_sealing_key_opens_no_subject(place: Place) {
    let id = submit(&place.open().await, new(Kind::Erase, "ann")).await.id;
    for keys in [Keys::new("2026", [9; 32], [2; 32]), Keys::new("2027", [1; 32], [2; 32])] {
        let ledger = Ledger::open(&with(&place, keys)).await.unwrap();
        assert!(matches!(ledger.subject(id).await, Err(Error::Key(key)) if key == "2026"));
        assert!(ledger.request(id).await.is_ok(), "all but the person is there");
    }
    // After a change of keys the older one still opens what it closed.
    let keys = Keys::new("2027", [3; 32], [2; 32]).with_older("2026", [1; 32]);
    let ledger = Ledger::open(&with(&place, keys)).await.unwrap();
    assert_eq!(ledger.subject(id).await.unwrap(), person("ann"));
    let newer = submit(&ledger, new(Kind::Erase, "ben")).await.id;
    assert_eq!(ledger.subject(newer).await.unwrap(), person("ben"));
    let keys = place.query("SELECT key_id FROM sealed ORDER BY key_id").await;
    assert_eq!(keys, [["2026"], ["2027"]]);
}

/// An error, with all that it says to anybody.
fn text(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

#[tokio::test]
async fn errors_hold_no_password() {
    let place = Place::postgres().await;
    let (user, server) = place.url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let name = user.split(':').next().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [
        format!("postgres://{name}:CANARY@{server}"),
        format!("postgres://{name}:CANARY@{closed}/x"),
        format!("postgres://{name}:CANARY@127.0.0.1:notaport/x"),
        format!("postgres://{name}:CANARY@{server}&sslmode=nonsense"),
    ];
    for url in urls {
        let error = Ledger::open(&LedgerConfig { url, ..place.config(Policy::default()) }).await.unwrap_err();
        assert!(!text(&error).contains("CANARY"), "{}", text(&error));
    }
}

#[tokio::test]
async fn a_file_that_is_no_ledger_is_left_alone() {
    let place = Place::sqlite();
    std::fs::write(
        &place.url,
        "once upon a time there was a text that is longer than a header of a database\n".repeat(9),
    )
    .unwrap();
    let before = std::fs::read(&place.url).unwrap();
    let error = Ledger::open(&place.config(Policy::default())).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    assert_eq!(std::fs::read(&place.url).unwrap(), before);
    let nowhere = LedgerConfig { url: "/nonexistent/ledger.db".into(), ..place.config(Policy::default()) };
    assert!(matches!(Ledger::open(&nowhere).await, Err(Error::Unavailable(_))));
}
