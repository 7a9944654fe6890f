//! The store in memory.

use std::sync::Arc;

use lacuna_store::{MemoryStore, testing};

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    testing::run(Arc::new(MemoryStore::new())).await;
}
