//! Where shards and packages may lie: what is left out of a search, or would get into one, is told.

use crate::home::{ALICE, Home};

const FIND: [&str; 6] = ["find", "--json", "--tenant", "contoso", "--subject", ALICE];

/// A home whose activity is in all folders of the store.
fn everywhere() -> Home {
    let home = Home::with_logs();
    let config = home.read("lacuna.toml").replace("activity/*.ndjson", "**/*.ndjson");
    home.write("lacuna.toml", config);
    home
}

#[test]
fn a_search_makes_nothing_where_the_logs_are() {
    let home = Home::with_logs();
    home.run(&FIND).ends(0);
    assert!(!home.path("logs/_lacuna").exists());
}

#[test]
fn a_linked_shard_makes_an_answer_incomplete_and_a_check_tells_of_it() {
    let home = Home::with_logs();
    home.run(&FIND).ends(0);
    home.write("logs/archive/4.ndjson", "{\"TenantId\":\"contoso\",\"User\":\"alice@example.org\",\"N\":9}\n");
    std::os::unix::fs::symlink("../archive/4.ndjson", home.path("logs/activity/today.ndjson")).unwrap();
    let found = home.run(&FIND);
    let problem = found.ends(3).json()["sources"][0]["problems"][0].clone();
    assert_eq!(problem["shard"], "activity/today.ndjson");
    assert!(home.run(&["check"]).ends(3).stdout.contains("activity/today.ndjson: a symbolic link"));
}

#[test]
fn a_check_tells_of_a_shard_whose_old_bytes_would_have_another_name() {
    let home = Home::with_logs();
    let link = |shard: &str| std::fs::hard_link(home.path(shard), home.path("kept.bak")).unwrap();
    link("logs/activity/1.ndjson");
    assert!(home.run(&["check"]).ends(3).stdout.contains("activity/1.ndjson: its file has another hard link"));
    std::fs::remove_file(home.path("kept.bak")).unwrap();
    // What is kept is never rewritten.
    link("logs/audit/1.ndjson");
    home.run(&["check"]).ends(0);
}

#[test]
fn what_is_kept_stays_whatever_other_sources_name_it() {
    let home = everywhere();
    let before = home.read("logs/audit/1.ndjson");
    assert!(home.run(&["check"]).ends(3).stdout.contains("also a shard of source `audit`"));
    for sources in [&[][..], &["--source", "activity"]] {
        let erase = ["erase", "--yes", "--json", "--now", "--tenant", "contoso", "--subject", ALICE];
        let erased = home.run(&[&erase[..], sources].concat());
        assert!(erased.ends(3).stdout.contains("also a shard of source `audit`"));
        assert_eq!(home.read("logs/audit/1.ndjson"), before);
    }
}

#[test]
fn a_check_tells_of_a_folder_that_the_first_export_could_not_make() {
    let home = Home::with_logs();
    home.run(&["check"]).ends(0);
    assert!(!home.path("exports").exists());
    home.write("taken", "a file");
    let config = home.read("lacuna.toml").replace("url = \"exports\"", "url = \"taken/exports\"");
    home.write("lacuna.toml", config);
    let told = home.run(&["check"]);
    assert!(told.ends(0).stdout.contains("taken/exports cannot be made: Not a directory"), "{told:?}");
    home.run(&["export", "--tenant", "contoso", "--subject", ALICE]).ends(1);
}

#[test]
fn packages_go_nowhere_where_they_would_be_searched() {
    let home = everywhere();
    let config = home.read("lacuna.toml");
    let export = ["export", "--json", "--tenant", "contoso", "--subject", ALICE, "--source", "activity"];
    for place in ["logs", "logs/exports", "./logs/a/../exports"] {
        home.write("lacuna.toml", &config);
        let to = home.run(&[&export[..], &["--to", place]].concat());
        assert!(to.ends(2).stderr.contains("source `activity` has its shards"), "{to:?}");
        home.write("lacuna.toml", config.replace("url = \"exports\"", &format!("url = \"{place}\"")));
        let told =
            |ran: &crate::home::Ran| (ran.stdout.clone() + &ran.stderr).contains("source `activity` has its shards");
        assert!(told(home.run(&export).ends(2)), "{place}");
        assert!(told(&home.run(&["check"])), "{place}");
        // What writes no package is in nobody's way.
        home.run(&FIND).ends(0);
    }
    // In a folder that no source looks into, they are in nobody's way.
    home.write("lacuna.toml", config.replace("**/*.ndjson", "activity/*.ndjson"));
    home.run(&[&export[..], &["--to", "logs/exports"]].concat()).ends(0);
    assert_eq!(home.run(&FIND).ends(0).json()["matched"], 4);
}

#[test]
fn packages_go_nowhere_among_what_is_kept_beside_the_logs() {
    let home = Home::with_logs();
    let config = home.read("lacuna.toml");
    let export = ["export", "--json", "--tenant", "contoso", "--subject", ALICE];
    for place in ["logs/_lacuna", "logs/_lacuna/x", "./exports/a/../_lacuna/receipts", "elsewhere/_lacuna/x"] {
        home.write("lacuna.toml", &config);
        let to = home.run(&[&export[..], &["--to", place]].concat());
        assert!(to.ends(2).stderr.contains("would go into a folder `_lacuna`"), "{to:?}");
        assert!(!home.path(place).exists(), "{place}");
        home.write("lacuna.toml", config.replace("url = \"exports\"", &format!("url = \"{place}\"")));
        assert!(home.run(&["check"]).ends(2).stdout.contains("would go into a folder `_lacuna`"), "{place}");
    }
    home.write("lacuna.toml", &config);
    home.run(&[&export[..], &["--to", "exports/lacuna"]].concat()).ends(0);
}
