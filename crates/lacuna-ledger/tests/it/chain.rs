//! The audit chain: what it records, and that nothing in it is changed without a trace.

use futures::TryStreamExt as _;
use lacuna_ledger::{Access, Actor, Break, ChainHead, Ending, Error, Kind, Ledger, RequestId, Role};
use time::Duration;

use crate::make::{NEXT_DAY, NOW, approver, cancel, erased, new, operator, pause, requester, run, submit};
use crate::place::Place;

on_both!(
    every_change_is_an_entry,
    whoever_sees_a_result_is_an_entry,
    a_flipped_entry_is_found,
    an_entry_that_was_written_anew_with_its_hash_is_found,
    an_entry_under_another_request_is_found,
    a_deleted_entry_is_found,
    reordered_entries_are_found,
    a_cut_tail_is_found_by_the_ledgers_head_and_by_a_receipts,
    a_chain_written_anew_is_found_by_a_receipts_head,
    the_export_holds_the_chain_and_can_be_checked_without_the_ledger,
    many_writers_at_once_make_one_chain,
    long_chains_are_read_in_parts,
);

/// A chain of a few entries: of two requests, by several actors.
async fn some(ledger: &Ledger) -> (RequestId, RequestId) {
    let ann = erased(ledger, "ann", NOW).await;
    let ben = submit(ledger, new(Kind::Export, "ben")).await.id;
    ledger.act(ben, pause(), &operator(), NOW).await.unwrap();
    ledger.act(ben, cancel(), &approver("ada"), NOW).await.unwrap();
    let report = ledger.verify_chain(&[]).await.unwrap();
    assert_eq!((report.entries, report.broken), (8, None));
    assert_eq!(report.head, ledger.chain_head().await.unwrap());
    (ann, ben)
}

async fn broken(ledger: &Ledger) -> Option<Break> {
    ledger.verify_chain(&[]).await.unwrap().broken
}

async fn every_change_is_an_entry(place: Place) {
    let ledger = place.open().await;
    let (ann, ben) = some(&ledger).await;
    let told = async |id| {
        let history = ledger.history(id).await.unwrap();
        history.into_iter().map(|entry| (entry.what, entry.actor, entry.role)).collect::<Vec<_>>()
    };
    let entry = |what: &str, actor: &str, role| (what.to_owned(), actor.to_owned(), role);
    assert_eq!(
        told(ann).await,
        [
            entry("received", "rita", Role::Requester),
            entry("scheduled", "lacuna", Role::Worker),
            entry("started", "w", Role::Worker),
            entry("completed", "w", Role::Worker),
        ]
    );
    assert_eq!(
        told(ben).await,
        [
            entry("received", "rita", Role::Requester),
            entry("scheduled", "lacuna", Role::Worker),
            entry("paused", "otto", Role::Operator),
            entry("cancelled", "ada", Role::Approver),
        ]
    );
    let last = ledger.history(ben).await.unwrap().pop().unwrap();
    assert_eq!(
        (last.at.as_str(), &last.detail["from"], &last.detail["to"]),
        ("2026-03-10T12:00:00Z", &"scheduled".into(), &"cancelled".into())
    );
}

async fn whoever_sees_a_result_is_an_entry(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Export, "ann")).await.id;
    let portal = Actor::new("portal", Role::Operator);
    for (access, what) in [(Access::Package, "package"), (Access::Receipt, "receipt"), (Access::Subject, "subject")] {
        ledger.record_access(id, access, &portal, NEXT_DAY).await.unwrap();
        let entry = ledger.history(id).await.unwrap().pop().unwrap();
        assert_eq!((entry.what.as_str(), entry.actor.as_str()), ("accessed", "portal"));
        assert_eq!(entry.detail["result"], what);
    }
    let nobody = "01920000-0000-7000-8000-000000000000".parse().unwrap();
    let missing = ledger.record_access(nobody, Access::Package, &portal, NOW).await;
    assert!(matches!(missing, Err(Error::NotFound("request"))));
    let nameless = ledger.record_access(id, Access::Package, &Actor::new("", Role::Operator), NOW).await;
    assert!(matches!(nameless, Err(Error::Refused(_))), "who it was must be known");
}

async fn a_flipped_entry_is_found(place: Place) {
    let ledger = place.open().await;
    some(&ledger).await;
    let body = "UPDATE entry SET body = replace(body, '\"rita\"', '\"vera\"') WHERE sequence = 5";
    let time = "UPDATE entry SET body = replace(body, '12:00:00Z', '12:00:01Z') WHERE sequence = 5";
    let space = "UPDATE entry SET body = replace(body, ':', ': ') WHERE sequence = 5";
    let flipped = if place.is_sqlite() { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" };
    let hash = format!("UPDATE entry SET hash = {flipped} WHERE sequence = 5");
    for change in [body, time, space, &hash] {
        let kept = place.query("SELECT body, hash FROM entry WHERE sequence = 5").await;
        assert_eq!(place.run(change).await, 1);
        assert_eq!(broken(&ledger).await, Some(Break::Changed(5)), "{change}");
        let (body, hash) = (kept[0][0].replace('\'', "''"), &kept[0][1]);
        let hash = if place.is_sqlite() { format!("x'{hash}'") } else { format!("'\\x{hash}'::bytea") };
        place.run(&format!("UPDATE entry SET body = '{body}', hash = {hash} WHERE sequence = 5")).await;
        assert_eq!(broken(&ledger).await, None);
    }
}

async fn an_entry_that_was_written_anew_with_its_hash_is_found(place: Place) {
    let ledger = place.open().await;
    some(&ledger).await;
    let body = place.query("SELECT body FROM entry WHERE sequence = 5").await[0][0].replace("rita", "vera");
    let hash = sha256(&body);
    let hash = if place.is_sqlite() { format!("x'{hash}'") } else { format!("'\\x{hash}'::bytea") };
    place.run(&format!("UPDATE entry SET body = '{body}', hash = {hash} WHERE sequence = 5")).await;
    assert_eq!(broken(&ledger).await, Some(Break::Changed(6)), "the next one follows another");
}

/// In hexadecimal.
fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn an_entry_under_another_request_is_found(place: Place) {
    let ledger = place.open().await;
    let (ann, _) = some(&ledger).await;
    place.run(&format!("UPDATE entry SET request = '{ann}' WHERE sequence = 8")).await;
    assert_eq!(broken(&ledger).await, Some(Break::Changed(8)));
    place.run("UPDATE entry SET request = NULL WHERE sequence = 8").await;
    assert_eq!(broken(&ledger).await, Some(Break::Changed(8)));
}

async fn a_deleted_entry_is_found(place: Place) {
    let ledger = place.open().await;
    some(&ledger).await;
    place.run("DELETE FROM entry WHERE sequence = 3").await;
    assert_eq!(broken(&ledger).await, Some(Break::Missing(3)));
    // Nor does it help to close the gap.
    for sequence in 4..=8 {
        place.run(&format!("UPDATE entry SET sequence = {} WHERE sequence = {sequence}", sequence - 1)).await;
    }
    assert_eq!(broken(&ledger).await, Some(Break::Changed(3)));
    place.run("DELETE FROM entry WHERE sequence = 1").await;
    assert_eq!(broken(&ledger).await, Some(Break::Missing(1)));
}

async fn reordered_entries_are_found(place: Place) {
    let ledger = place.open().await;
    some(&ledger).await;
    for (from, to) in [(6, 100), (7, 6), (100, 7)] {
        place.run(&format!("UPDATE entry SET sequence = {to} WHERE sequence = {from}")).await;
    }
    assert_eq!(broken(&ledger).await, Some(Break::Changed(6)));
}

async fn a_cut_tail_is_found_by_the_ledgers_head_and_by_a_receipts(place: Place) {
    let ledger = place.open().await;
    some(&ledger).await;
    let (head, receipts) = (ledger.chain_head().await.unwrap(), ledger.chain_head().await.unwrap());
    place.run("DELETE FROM entry WHERE sequence > 6").await;
    assert_eq!(broken(&ledger).await, Some(Break::Cut(8)));
    // Whoever cuts it sets the ledger's own head back, too. A receipt's is out of reach.
    place.run("UPDATE ledger SET chain_sequence = 6, chain_hash = (SELECT hash FROM entry WHERE sequence = 6)").await;
    assert_eq!(broken(&ledger).await, None);
    let report = ledger.verify_chain(&[receipts]).await.unwrap();
    assert_eq!(report.broken, Some(Break::Cut(8)));
    let again: ChainHead = head.to_string().parse().unwrap();
    assert_eq!(again, head, "a head is carried as text");
    for nonsense in ["", "8", "8:ff", &format!("x{head}"), &format!("{head}0")] {
        assert!(nonsense.parse::<ChainHead>().is_err(), "{nonsense}");
    }
}

async fn a_chain_written_anew_is_found_by_a_receipts_head(place: Place) {
    let ledger = place.open().await;
    some(&ledger).await;
    let receipt = ledger.chain_head().await.unwrap();
    // All of it away, and other requests in its place.
    place.run("DELETE FROM entry").await;
    let none = if place.is_sqlite() { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" };
    place.run(&format!("UPDATE ledger SET chain_sequence = 0, chain_hash = {none}")).await;
    place.run("DELETE FROM request").await;
    for name in ["v", "w", "x", "y", "z"] {
        submit(&ledger, new(Kind::Export, name)).await;
    }
    assert_eq!(broken(&ledger).await, None, "it is a chain");
    let report = ledger.verify_chain(&[receipt]).await.unwrap();
    assert_eq!(report.broken, Some(Break::Rewritten(8)), "but not the one that was");
}

async fn the_export_holds_the_chain_and_can_be_checked_without_the_ledger(place: Place) {
    let ledger = place.open().await;
    some(&ledger).await;
    let lines: Vec<String> = ledger.export_chain(1).try_collect().await.unwrap();
    assert_eq!(lines.len(), 8);
    let mut previous = "0".repeat(64);
    for (line, sequence) in lines.iter().zip(1_u64..) {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&entry["sequence"], &entry["previous"]), (&sequence.into(), &previous.into()));
        let hash = entry["hash"].as_str().unwrap();
        let body = line.strip_suffix(&format!(",\"hash\":\"{hash}\"}}\n")).unwrap().to_owned() + "}";
        assert_eq!(sha256(&body), hash);
        previous = hash.to_owned();
    }
    assert_eq!(ledger.chain_head().await.unwrap().to_string(), format!("8:{previous}"));
    let rest: Vec<String> = ledger.export_chain(7).try_collect().await.unwrap();
    assert_eq!(rest, lines[6..]);
    assert!(!lines.concat().contains("example.org"));
}

async fn many_writers_at_once_make_one_chain(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    let write = async |n: usize| {
        let ledger = if n.is_multiple_of(2) { &one } else { &two };
        let id = submit(ledger, new(Kind::Erase, &n.to_string())).await.id;
        ledger.act(id, cancel(), &requester(), NOW).await.unwrap();
    };
    futures::future::join_all((0..40).map(write)).await;
    let report = one.verify_chain(&[]).await.unwrap();
    assert_eq!((report.entries, report.broken), (120, None));
    // And what is told of states adds up.
    let overview = one.overview(NOW).await.unwrap();
    assert_eq!(
        overview.requests.into_iter().map(|((_, state), count)| (state.as_str(), count)).collect::<Vec<_>>(),
        [("cancelled", 40)]
    );
}

async fn long_chains_are_read_in_parts(place: Place) {
    let ledger = place.open().await;
    for n in 0..80 {
        submit(&ledger, new(Kind::Export, &n.to_string())).await;
    }
    // Each pass writes two entries of each request.
    for day in 0..13 {
        run(&ledger, &Ending::Incomplete { missing: vec![] }, NOW + Duration::days(day)).await;
    }
    let entries = 80 * 2 * 14;
    let report = ledger.verify_chain(&[]).await.unwrap();
    assert_eq!((report.entries, report.broken), (entries, None));
    assert_eq!(ledger.export_chain(1).try_collect::<Vec<_>>().await.unwrap().len() as u64, entries);
    place.run("DELETE FROM entry WHERE sequence = 2100").await;
    assert_eq!(broken(&ledger).await, Some(Break::Missing(2100)));
}
