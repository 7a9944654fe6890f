//! The store in memory.

use std::sync::Arc;

use lacuna_store::{Keeping, MemoryStore, testing};

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    testing::run(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_keeps_versions_keeps_the_contract() {
    testing::run(Arc::new(MemoryStore::keeping(Keeping::Versions))).await;
}
