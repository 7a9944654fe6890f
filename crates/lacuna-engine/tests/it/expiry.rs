//! An expired package goes, with all that the store keeps of it.

use std::sync::Arc;

use lacuna_engine::{PackageEnd, RequestId};
use lacuna_scan::TenantId;
use lacuna_store::{Hold, Keeping, MemoryStore, Store as _};

use crate::world::{World, blob, export, mixed, ndjson, source};

/// Ids as a ledger gives them.
const X1: &str = "0193e6a0-0000-7000-8000-000000000001";
const X2: &str = "0193e6a0-0000-7000-8000-000000000002";

/// A package of request [`X1`], of whose files the store keeps earlier bytes, and another one of [`X2`].
async fn packaged(keeping: Keeping) -> (World, Arc<MemoryStore>) {
    let mut world = World::new();
    let packages = Arc::new(MemoryStore::keeping(keeping));
    world.packages = packages.clone();
    world.put("a/1.ndjson", ndjson(&mixed())).await;
    for request in [X1, X2] {
        world.run(vec![source("a", "a/*.ndjson")], vec![export(request, "u3")]).await.unwrap();
    }
    (world, packages)
}

/// Whether a file is of this request's package.
fn is_of(path: &str, request: &str) -> bool {
    path.starts_with(&format!("T/{request}/"))
}

async fn remove(world: &World) -> PackageEnd {
    world.engine().remove_package(Some(&TenantId::new("T")), &RequestId::new(X1).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_package_goes_with_its_old_bytes_and_no_other_does() {
    let (world, packages) = packaged(Keeping::Versions).await;
    assert_eq!(remove(&world).await, PackageEnd::Gone);
    assert!(packages.old_bytes().is_empty());
    let left = world.packages().await;
    assert!(
        left.contains_key(&format!("T/{X2}/_SUCCESS")) && left.keys().all(|path| is_of(path, X2)),
        "{:?}",
        left.keys()
    );
    assert_eq!(remove(&world).await, PackageEnd::Gone, "said again, it is gone still");
}

#[tokio::test]
async fn what_an_interrupted_removal_deleted_is_looked_after() {
    let (world, packages) = packaged(Keeping::Versions).await;
    // Killed between a data file and the copy that the store keeps of it.
    let files: Vec<String> = world.packages().await.into_keys().filter(|path| is_of(path, X1)).collect();
    for path in files.iter().filter(|path| !path.ends_with("manifest.json")) {
        let info = packages.head(&blob(path)).await.unwrap();
        packages.delete(&info.path, &info.etag).await.unwrap();
    }
    assert_eq!(packages.old_bytes().len(), files.len() - 1);
    assert_eq!(remove(&world).await, PackageEnd::Gone);
    assert!(packages.old_bytes().is_empty());
}

#[tokio::test]
async fn a_package_whose_old_bytes_are_held_is_not_called_gone() {
    let (world, packages) = packaged(Keeping::Held(Hold::Legal)).await;
    let files = world.packages().await.keys().filter(|path| is_of(path, X1)).count();
    // The manifest names what is held, and waits with it.
    assert_eq!(remove(&world).await, PackageEnd::Retained(files as u64 - 1));
    let left: Vec<String> = world.packages().await.into_keys().filter(|path| is_of(path, X1)).collect();
    assert_eq!(left, [format!("T/{X1}/manifest.json")]);
    packages.keep(Keeping::Versions);
    assert_eq!(remove(&world).await, PackageEnd::Gone);
    assert!(packages.old_bytes().is_empty());
}
