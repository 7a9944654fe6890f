//! The signing key: made on demand, and never overwritten.

use crate::home::{ALICE, Home};

#[test]
fn init_keys_makes_one_pair_and_keeps_it() {
    let home = Home::with_logs();
    home.run(&["check", "--init-keys"]);
    let private = home.read("lacuna-signing.pem");
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(home.read("lacuna-signing.pub.pem").starts_with("-----BEGIN PUBLIC KEY-----"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = home.path("lacuna-signing.pem").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let again = home.run(&["check", "--init-keys"]);
    assert!(again.ends(2).stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(home.read("lacuna-signing.pem"), private);
}

#[test]
fn half_a_pair_is_told_of_and_no_other_pair_is_made() {
    let home = Home::with_logs();
    home.run(&["check", "--init-keys"]);
    std::fs::rename(home.path("lacuna-signing.pem"), home.path("elsewhere.pem")).unwrap();
    for command in [&["check", "--init-keys"][..], &["check"], &["export", "--tenant", "contoso", "--subject", ALICE]] {
        let ran = home.run(command);
        let text = format!("{}{}", ran.ends(2).stdout, ran.stderr);
        assert!(text.contains("private key") && text.contains("Put the private key back"), "{text}");
    }
    assert!(!home.path("lacuna-signing.pem").exists());
}

#[test]
fn check_tells_of_what_is_hidden_and_cannot_be_purged() {
    let home = Home::with_logs();
    home.run(&["erase", "--yes", "--tenant", "contoso", "--subject", ALICE, "--request-id", "R1"]).ends(0);
    home.run(&["check"]).ends(0);
    // Another key.
    for file in ["lacuna-signing.pem", "lacuna-signing.pub.pem"] {
        std::fs::rename(home.path(file), home.path(&format!("old-{file}"))).unwrap();
    }
    home.run(&["check", "--init-keys"]);
    let ran = home.run(&["check"]);
    let text = &ran.ends(2).stdout;
    assert!(text.contains("request R1 has hidden records, and its newest receipt"), "{text}");
    assert!(text.contains("[keys.signing]"), "{text}");
    home.write(
        "lacuna.toml",
        format!("[keys.signing]\nsecret = {{ file = \"old-lacuna-signing.pem\" }}\n{}", home.read("lacuna.toml")),
    );
    home.run(&["check"]).ends(0);

    let tombstone = "logs/_lacuna/tombstones/by-path/activity/1.ndjson.puffin";
    let mut bytes = std::fs::read(home.path(tombstone)).unwrap();
    bytes[60] ^= 0xff;
    home.write(tombstone, bytes);
    assert!(home.run(&["check"]).ends(2).stdout.contains("its tombstone is damaged: delete that"));
    std::fs::rename(home.path(tombstone), home.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(home.path("elsewhere"), home.path(tombstone)).unwrap();
    assert!(home.run(&["check"]).ends(2).stdout.contains("put the file there itself"));
    std::fs::remove_file(home.path(tombstone)).unwrap();
    home.run(&["erase", "--yes", "--tenant", "contoso", "--subject", ALICE, "--request-id", "R1"]).ends(0);
    home.run(&["purge"]).ends(0);
    let found = home.run(&["find", "--json", "--source", "activity", "--tenant", "contoso", "--subject", ALICE]);
    assert_eq!(found.ends(0).json()["matched"], 0);
}

#[test]
fn a_key_that_is_lost_is_not_replaced_where_records_were_hidden_with_it() {
    let home = Home::with_logs();
    let erase = ["erase", "--yes", "--tenant", "contoso", "--subject", ALICE];
    home.run(&erase).ends(0);
    let aside = ["lacuna-signing.pem", "lacuna-signing.pub.pem"]
        .map(|name| (home.path(name), home.path(&format!("{name}.aside"))));
    aside.iter().for_each(|(place, aside)| std::fs::rename(place, aside).unwrap());
    for command in [&["check"][..], &["purge"], &erase] {
        let ran = home.run(command);
        ran.ends(2);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("there is no signing key, and records were hidden"), "{command:?}: {said}");
        assert!(!aside[0].0.exists(), "{command:?}");
    }
    // Who finds needs none.
    home.run(&["find", "--tenant", "contoso", "--subject", ALICE]).ends(0);
    aside.iter().for_each(|(place, aside)| std::fs::rename(aside, place).unwrap());
    assert!(home.run(&["purge"]).ends(0).stdout.contains("Took"));
}

#[test]
fn what_is_neither_a_receipt_nor_a_package_is_said() {
    let home = Home::with_logs();
    home.run(&["check", "--init-keys"]);
    let ran = home.run(&["verify", "lacuna.toml"]);
    assert!(ran.ends(2).stderr.contains("lacuna.toml is neither a receipt nor a package"), "{}", ran.stderr);
}
