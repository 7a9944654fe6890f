//! A world on a disk.

use std::sync::Arc;

use lacuna_store::LocalStore;

use crate::world::{World, mixed, ndjson};

/// A world whose shards are files, and the folder that they lie in.
pub fn disk(shards: &[&str]) -> (tempfile::TempDir, World) {
    let dir = tempfile::tempdir().unwrap();
    for shard in shards {
        let place = dir.path().join(shard);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, ndjson(&mixed())).unwrap();
    }
    let store = Arc::new(LocalStore::open(dir.path()).unwrap());
    (dir, World { store, ..World::new() })
}
