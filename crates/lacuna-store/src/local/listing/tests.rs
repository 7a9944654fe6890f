use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

fn paths(root: &Path, prefix: &str, names_max: usize) -> Vec<String> {
    let mut found = Vec::new();
    walk_in_steps(&Root::new(root.canonicalize().unwrap()), prefix.as_bytes(), names_max, |item| {
        found.push(item.map_or_else(|error| format!("error: {error}"), |info| info.path.to_string()));
        true
    });
    found
}

fn put(root: &Path, path: &str) {
    let place = root.join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, path).unwrap();
}

#[test]
fn a_walk_goes_by_the_bytes_of_whole_paths() {
    let root = tempfile::tempdir().unwrap();
    let sorted = ["a!/x", "a-b", "a.b", "a/0", "a/b/c", "a0", "b", "ä/z", "日本"];
    for path in sorted {
        put(root.path(), path);
    }
    assert_eq!(paths(root.path(), "", NAMES_MAX), sorted);
    assert_eq!(paths(root.path(), "a", NAMES_MAX), &sorted[..6]);
    assert_eq!(paths(root.path(), "a/", NAMES_MAX), &sorted[3..5]);
    assert_eq!(paths(root.path(), "a/b/c", NAMES_MAX), &sorted[4..5]);
    for nowhere in ["../", "a/../", "a//", "z/", "a/z/0", "a0/"] {
        assert_eq!(paths(root.path(), nowhere, NAMES_MAX), <[&str; 0]>::default(), "{nowhere}");
    }
}

#[test]
fn a_directory_with_more_names_than_are_held_is_listed_whole() {
    let root = tempfile::tempdir().unwrap();
    let mut expected: Vec<_> = (0..50).map(|n| format!("d/{n}")).collect();
    expected.extend((0..9).map(|n| format!("d/{n}x/y")));
    for path in &expected {
        put(root.path(), path);
    }
    expected.sort();
    for names_max in [1, 2, 7, 59, 60] {
        assert_eq!(paths(root.path(), "", names_max), expected, "{names_max} names at a time");
    }
}

#[test]
fn what_cannot_be_listed_is_an_error_and_not_nothing() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(root.path(), "logs/a");
    put(outside.path(), "secret");
    symlink(outside.path(), root.path().join("logs/out")).unwrap();
    symlink(outside.path().join("secret"), root.path().join("logs/file")).unwrap();
    symlink(root.path().join("logs/a"), root.path().join("logs/inside")).unwrap();
    symlink(root.path().join("nowhere"), root.path().join("logs/dangling")).unwrap();
    fs::write(root.path().join("logs").join(OsStr::from_bytes(b"\xff.parquet")), "").unwrap();
    let found = paths(root.path(), "logs/", NAMES_MAX);
    assert_eq!(
        found,
        [
            "logs/a",
            "error: logs/dangling: failed",
            "error: logs/file: access denied",
            "error: logs/inside: failed",
            "error: logs/out: access denied",
            "error: failed"
        ]
    );
    // A prefix that lies behind the link is not searched either.
    assert_eq!(paths(root.path(), "logs/out/2026/", NAMES_MAX), ["error: logs/out: access denied"]);
    assert_eq!(paths(root.path(), "elsewhere/", NAMES_MAX), <[&str; 0]>::default());
}

#[test]
fn a_gap_says_where_blobs_may_be_that_are_not_listed() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(root.path(), "a/1");
    put(outside.path(), "file");
    let links = [
        ("l/dangling", root.path().join("nowhere")),
        ("l/file", root.path().join("a/1")),
        ("l/folder", root.path().join("a")),
        ("l/loop", root.path().join("l/loop")),
        ("l/out", outside.path().to_owned()),
        ("l/out-file", outside.path().join("file")),
        ("l/root", root.path().to_owned()),
    ];
    fs::create_dir(root.path().join("l")).unwrap();
    for (name, target) in links {
        symlink(target, root.path().join(name)).unwrap();
    }
    fs::write(root.path().join("l").join(OsStr::from_bytes(b"\xff")), "").unwrap();
    put(root.path(), "z");
    let mut found = Vec::new();
    walk(&Root::new(root.path().canonicalize().unwrap()), b"", |item| {
        found.extend(item.err().map(|error| {
            let gap = error.gap.unwrap();
            (gap.to_string(), gap.extent, gap.target)
        }));
        true
    });
    let gap = |name: &str, extent, target: Option<&str>| (name.to_owned(), extent, target.map(str::to_owned));
    assert_eq!(
        found,
        [
            gap("l/dangling", Extent::Blob, None),
            gap("l/file", Extent::Blob, Some("a/1")),
            gap("l/folder", Extent::Folder, Some("a")),
            gap("l/loop", Extent::Blob, None),
            gap("l/out", Extent::Folder, None),
            gap("l/out-file", Extent::Blob, None),
            gap("l/root", Extent::Folder, Some("")),
            gap("l/\\xff", Extent::Blob, None),
        ]
    );
}

#[test]
fn a_store_that_is_gone_is_not_an_empty_one() {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("store");
    put(&store, "a/1");
    let walked = Root::new(store.canonicalize().unwrap());
    fs::remove_dir_all(&store).unwrap();
    for prefix in ["", "a/"] {
        let mut failed = false;
        walk(&walked, prefix.as_bytes(), |item| {
            failed |= item.is_err();
            true
        });
        assert!(failed, "{prefix:?}");
    }
}

#[test]
fn the_stores_own_files_are_not_listed() {
    let root = tempfile::tempdir().unwrap();
    for path in ["_lacuna/locks/0", "_lacuna/staging/x", "_lacuna/tombstones/t", "logs/_lacuna/staging/y"] {
        put(root.path(), path);
    }
    assert_eq!(paths(root.path(), "", NAMES_MAX), ["_lacuna/tombstones/t", "logs/_lacuna/staging/y"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_tree_is_listed_in_order_and_whole(
        paths_in in proptest::collection::btree_set("[ab.!-]{1,2}(/[ab.!-]{1,2}){0,3}", 0..25),
        prefix in "[ab./]{0,3}",
        names_max in 1_usize..5,
    ) {
        let root = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for path in paths_in {
            let place = root.path().join(&path);
            if BlobPath::new(path.clone()).is_ok() && fs::create_dir_all(place.parent().unwrap()).is_ok() && fs::write(&place, "").is_ok() {
                expected.push(path);
            }
        }
        expected.retain(|path| path.starts_with(&prefix));
        prop_assert_eq!(paths(root.path(), &prefix, names_max), expected);
    }
}
