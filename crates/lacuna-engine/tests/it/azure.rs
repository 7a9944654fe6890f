//! The same jobs in Azure Blob Storage, against Azurite.

use std::sync::Arc;

use lacuna_store::{AzureStore, Store, testing};

use crate::world::{World, erase, export, find, key, mixed, ndjson, parquet, source};

/// A world whose shards and packages lie in containers of their own.
async fn world() -> World {
    let container = || async {
        let store = AzureStore::open(&testing::azurite_http()).unwrap();
        store.create_container().await.unwrap();
        Arc::new(store) as Arc<dyn Store>
    };
    World { store: container().await, packages: container().await, ..World::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn find_export_and_erase_in_a_container() {
    let world = world().await;
    world.put("logs/a.parquet", parquet(&mixed())).await;
    world.put("logs/b.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "logs/*.*")];

    assert_eq!(world.run(sources.clone(), vec![find("u3")]).await.unwrap().matched, 6);
    let exported = world.run(sources.clone(), vec![export("r1", "u3")]).await.unwrap();
    assert!(exported.is_complete(), "{exported:?}");
    let package = lacuna_engine::verify::package(&world.packages, "T/r1", &key().verifying_key()).await.unwrap();
    assert_eq!((package.records, package.mismatches), (6, vec![]));

    let erased = world.run(sources.clone(), vec![erase("e1", "u3")]).await.unwrap();
    assert!(erased.is_complete(), "{erased:?}");
    assert_eq!(erased.sources[0].erased, 6);
    assert!(erased.requests[0].receipt.as_deref().unwrap().starts_with("az://"));
    assert_eq!(world.run(sources, vec![find("u3")]).await.unwrap().matched, 0);
    let survivors: Vec<_> = mixed().into_iter().filter(|row| *row != ("T", "u3", row.2)).collect();
    assert_eq!(world.get("logs/b.ndjson").await, ndjson(&survivors).into_bytes());
}
