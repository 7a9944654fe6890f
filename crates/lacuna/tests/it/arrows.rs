//! The house: which crate may depend on which, and which knows no I/O, no formats, no threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What each crate of ours may depend on, among ours. The portal joins when it is built.
const ARROWS: [(&str, &[&str]); 10] = [
    ("lacuna-scan", &[]),
    ("lacuna-store", &[]),
    ("lacuna-ledger", &[]),
    ("lacuna-export", &["lacuna-scan"]),
    ("lacuna-erase", &["lacuna-scan"]),
    ("lacuna-engine", &["lacuna-scan", "lacuna-export", "lacuna-erase", "lacuna-store"]),
    ("lacuna-worker", &["lacuna-scan", "lacuna-store", "lacuna-ledger", "lacuna-engine"]),
    (
        "lacuna",
        &[
            "lacuna-scan",
            "lacuna-export",
            "lacuna-erase",
            "lacuna-store",
            "lacuna-ledger",
            "lacuna-engine",
            "lacuna-worker",
            "lacuna-benches",
        ],
    ),
    (
        "lacuna-benches",
        &["lacuna-scan", "lacuna-export", "lacuna-erase", "lacuna-store", "lacuna-ledger", "lacuna-engine"],
    ),
    ("xtask", &["lacuna-benches"]),
];

/// What a crate must not know. Tests may.
const BANS: [(&str, &[&str]); 6] = [
    ("lacuna-scan", &["tokio", "reqwest", "azure_core", "object_store"]),
    ("lacuna-export", &["tokio", "reqwest", "azure_core", "object_store"]),
    ("lacuna-erase", &["tokio", "reqwest", "azure_core", "object_store"]),
    ("lacuna-store", &["arrow", "parquet", "csv", "rayon"]),
    ("lacuna-ledger", &["arrow", "parquet", "csv", "rayon", "azure_core", "reqwest"]),
    ("lacuna-engine", &["sqlx"]),
];

/// The packages of the workspace, with what they depend on outside of tests.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependencies = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"] != "dev").map(|dependency| text(&dependency["name"])).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (text(&package["name"]), dependencies(package))).collect()
}

#[test]
fn arrows_point_down() {
    let packages = packages();
    for (package, dependencies) in &packages {
        let allowed = ARROWS.iter().find(|arrows| arrows.0 == package).map(|arrows| arrows.1);
        let allowed = allowed.unwrap_or_else(|| panic!("{package} has no place in the house yet: give it one above"));
        for dependency in dependencies.iter().filter(|name| packages.contains_key(*name)) {
            assert!(allowed.contains(&dependency.as_str()), "{package} must not depend on {dependency}");
        }
    }
}

/// The map of the code in the README, from which a newcomer starts.
#[test]
fn what_the_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let map = readme.split("## The code").nth(1).unwrap().split("Dependencies point down").next().unwrap();
    let (mut home, mut folder, mut named) = (root.clone(), String::new(), 0);
    for line in map.lines().filter(|line| line.starts_with("    ")) {
        let depth = line.len() - line.trim_start().len();
        let names = line.split_whitespace().take_while(|name| name.ends_with('/') || name.ends_with(".rs"));
        let names: Vec<&str> = if depth == 4 { line.split_whitespace().take(1).collect() } else { names.collect() };
        for name in names {
            let place = match depth {
                4 => {
                    home = root.join(name);
                    home.clone()
                }
                6 => {
                    folder = name.to_owned();
                    home.join("src").join(name)
                }
                _ => home.join("src").join(&folder).join(name),
            };
            assert!(place.exists(), "{}", place.display());
            named += 1;
        }
    }
    assert!(named > 25, "{named}");
}

#[test]
fn each_crate_knows_its_own_trade_only() {
    let packages = packages();
    for (package, banned) in BANS {
        for name in banned {
            assert!(!packages[package].contains(*name), "{package} must not know {name}");
        }
    }
    for (package, dependencies) in &packages {
        let both = dependencies.contains("tokio") && dependencies.contains("rayon");
        // Benchmarks are a program of their own: floors on rayon, and an engine that is measured.
        let may = ["lacuna-engine", "lacuna-benches"].contains(&package.as_str());
        assert!(!both || may, "tokio meets rayon in the engine only, and not in {package}");
    }
}
