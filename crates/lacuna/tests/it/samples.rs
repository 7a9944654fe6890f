//! Sample logs, and the demo that walks one person through them.

use serde_json::Value;

use crate::home::Home;

#[test]
fn a_sample_is_ready_to_be_searched() {
    let home = Home::empty();
    let written = home.run(&["sample", "--out", "s", "--rows", "20000", "--json"]).ends(0).json();
    assert_eq!(written["rows"], 20_000);
    let config = written["config"].as_str().unwrap();
    home.run(&["check", "--config", config]).ends(0);
    for person in written["people"].as_array().unwrap() {
        let identifiers = person["identifiers"].as_object().unwrap();
        let mut subjects = String::new();
        for (kind, value) in identifiers {
            subjects += &format!("{kind}={}\n", value.as_str().unwrap());
        }
        let tenant = person["tenant"].as_str().unwrap();
        let find = ["find", "--config", config, "--tenant", tenant, "--subjects", "-", "--json"];
        let found = home.run_with(&find, &[], &subjects).ends(0).json();
        assert_eq!(found["matched"], person["rows"], "{}", person["role"]);
    }
}

#[test]
fn a_sample_has_the_formats_that_were_asked_for_and_overwrites_nothing() {
    let home = Home::empty();
    let sample = ["sample", "--out", "s", "--rows", "2000", "--format", "csv", "ndjson"];
    home.run(&sample).ends(0);
    let logs = home.files("s/logs");
    assert!(logs.iter().all(|path| ["csv", "ndjson"].iter().any(|name| path.to_string_lossy().contains(name))));
    assert!(home.run(&sample).ends(2).stderr.contains("is not empty"));
    assert_eq!(home.files("s/logs"), logs);
}

#[test]
fn the_demo_leads_from_export_to_a_search_that_finds_nothing() {
    let home = Home::empty();
    let ran = home.run(&["demo", "--dir", "d", "--rows", "20000"]);
    ran.ends(0);
    let parts =
        ["Package: ", "manifest.jws", "Erased ", "The signature is valid", "Found no record.", "What to try next"];
    let mut rest = ran.stdout.as_str();
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in\n{rest}"));
        rest = &rest[at..];
    }

    let document = home.run(&["demo", "--dir", "e", "--rows", "20000", "--json"]).ends(0).json();
    assert_eq!(document["find"]["matched"], 0);
    assert!(document["export"]["matched"].as_u64().unwrap() > 0);
    assert_eq!(document["receipt"]["complete"], Value::Bool(true));
    // What the demo suggests to try works.
    let config = document["sample"]["config"].as_str().unwrap();
    for signed in [&document["export"]["package"], &document["erase"]["receipt"]] {
        home.run(&["verify", "--config", config, signed.as_str().unwrap()]).ends(0);
    }
}
