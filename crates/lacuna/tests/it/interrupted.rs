//! Ctrl-C in the middle of a run.

use std::time::Duration;

use crate::home::{ALICE, Home};

/// More shards than any machine searches while the test waits: one file under many names.
fn endless(home: Home) -> Home {
    let line = "{\"TenantId\":\"contoso\",\"User\":\"bob@example.org\",\"N\":2}\n";
    home.write("logs/activity/9.ndjson", line.repeat(100_000));
    let first = home.path("logs/activity/9.ndjson");
    for n in 0..4000 {
        std::fs::hard_link(&first, home.path(&format!("logs/activity/9{n:04}.ndjson"))).unwrap();
    }
    home
}

#[test]
fn a_search_says_that_it_was_interrupted() {
    let home = endless(Home::with_logs());
    let find = ["find", "--tenant", "contoso", "--subject", ALICE, "--json", "--source", "activity"];
    let ran = home.run_and_interrupt(&find, Duration::from_millis(300));
    let document = ran.ends(130).json();
    assert_eq!((&document["interrupted"], &document["complete"]), (&true.into(), &false.into()));
}

#[test]
fn an_export_leaves_no_package_that_looks_whole() {
    let home = endless(Home::with_logs());
    let export = ["export", "--tenant", "contoso", "--subject", ALICE, "--yes", "--source", "activity"];
    let ran = home.run_and_interrupt(&export, Duration::from_millis(300));
    ran.ends(130);
    assert!(!home.files("exports").iter().any(|path| path.ends_with("_SUCCESS")), "{:?}", home.files("exports"));
}

#[test]
fn an_erasure_changes_no_shard_before_all_are_searched() {
    let home = endless(Home::with_logs());
    let before = home.read("logs/activity/1.ndjson");
    let erase = ["erase", "--now", "--yes", "--tenant", "contoso", "--subject", ALICE, "--source", "activity"];
    home.run_and_interrupt(&erase, Duration::from_millis(300)).ends(130);
    let after = home.read("logs/activity/1.ndjson");
    assert_eq!(after, before);
}

#[test]
fn a_worker_that_was_to_end_by_itself_says_that_it_was_interrupted() {
    let home = endless(Home::with_ledger("cancel_window_hours = 0"));
    let submit = ["request", "submit", "erase", "--now", "--tenant", "contoso", "--subject", ALICE];
    home.run(&submit).ends(0);
    let before = home.read("logs/activity/1.ndjson");
    let ran = home.run_and_interrupt(&["worker", "--once", "--json"], Duration::from_millis(300));
    let document = ran.ends(130).json();
    assert_eq!((&document["interrupted"], &document["complete"]), (&true.into(), &false.into()));
    assert_eq!(home.read("logs/activity/1.ndjson"), before);
}
