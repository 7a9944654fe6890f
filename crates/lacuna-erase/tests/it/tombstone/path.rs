//! Where tombstones lie.

use std::collections::HashMap;

use lacuna_erase::tombstone::{PREFIX, path};
use proptest::prelude::*;

#[test]
fn a_tombstone_lies_where_its_shard_says() {
    assert_eq!(path("activity/day=1/a.parquet"), "_lacuna/tombstones/by-path/activity/day=1/a.parquet.puffin");
    assert_eq!(path("a"), "_lacuna/tombstones/by-path/a.puffin");
    // A shard may end in `.puffin`; only a directory that does would be in the way.
    assert_eq!(path("a.puffin"), "_lacuna/tombstones/by-path/a.puffin.puffin");
}

#[test]
fn what_would_not_fit_goes_by_its_hash() {
    assert_eq!(
        path("a.puffin/b"),
        "_lacuna/tombstones/by-hash/182af4f85ad850eb79ea0c6414b18903a38d1821cb9cdc65ad413a6f23b2eb09.puffin"
    );
    let by_hash = |shard: &str| path(shard).starts_with("_lacuna/tombstones/by-hash/");
    let long = |bytes: usize| "x".repeat(bytes);
    assert!(!by_hash(&long(255 - 7)));
    assert!(by_hash(&long(255 - 6)));
    let deep = |levels: usize| vec!["d"; levels].join("/");
    assert!(!by_hash(&deep(57)));
    assert!(by_hash(&deep(58)));
    let wide = |bytes: usize| format!("{0}/{0}/{0}/{0}/{1}", long(240), long(bytes - 4 * 241));
    assert!(!by_hash(&wide(1024 - 34)));
    assert!(by_hash(&wide(1024 - 33)));
}

/// Shards of few names, so that they come close to each other, and some of the paths that tombstones have.
fn shards() -> impl Strategy<Value = Vec<String>> {
    let segment =
        prop_oneof![Just("a"), Just("a.puffin"), Just("b"), Just("by-path"), Just("by-hash"), Just("a.puffin.puffin")];
    let shard = prop::collection::vec(segment, 1..5).prop_map(|segments| segments.join("/"));
    prop::collection::vec(shard, 1..30).prop_map(|mut shards| {
        let nested: Vec<String> = shards.iter().map(|shard| path(shard)[PREFIX.len()..].to_owned()).collect();
        shards.extend(nested);
        shards.sort();
        shards.dedup();
        shards
    })
}

proptest! {
    #[test]
    fn no_tombstone_is_in_the_way_of_another(shards in shards()) {
        let mut files = HashMap::new();
        for shard in &shards {
            let path = path(shard);
            prop_assert!(path.starts_with(PREFIX));
            prop_assert_eq!(files.insert(path, shard), None);
        }
        for path in files.keys() {
            for (at, _) in path.match_indices('/') {
                prop_assert!(!files.contains_key(&path[..at]), "{}", path);
            }
        }
    }

    #[test]
    fn every_path_is_one_that_stores_take(shard in "([^/.\\p{Cc}]{1,200}/){0,12}[^/.\\p{Cc}]{1,200}") {
        let path = path(&shard);
        prop_assert!(path.len() <= 1024);
        prop_assert!(path.split('/').all(|segment| (1..=255).contains(&segment.len())));
    }
}
