//! A store that lets every request wait, as over a network, and counts what is fetched.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};

use crate::{BlobInfo, BlobPath, Condition, Content, Etag, OldCopy, Removal, Result, Store, WriteOptions};

/// A store behind a delay.
#[derive(Debug)]
pub struct SlowStore {
    inner: Arc<dyn Store>,
    delay: Duration,
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl SlowStore {
    /// `inner`, with every request to it waiting for `delay`.
    pub fn new(inner: Arc<dyn Store>, delay: Duration) -> Self {
        Self { inner, delay, bytes: AtomicU64::new(0), requests: AtomicU64::new(0) }
    }

    /// Bytes fetched, and requests made, so far.
    pub fn counted(&self) -> (u64, u64) {
        (self.bytes.load(Relaxed), self.requests.load(Relaxed))
    }

    async fn wait(&self) {
        self.requests.fetch_add(1, Relaxed);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

/// The engine reads no more at a time than the store fetches with one request, so a read is a request.
#[async_trait::async_trait]
impl Store for SlowStore {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        let listed = self.inner.list(prefix);
        self.wait().map(|()| listed).flatten_stream().boxed()
    }

    async fn head(&self, path: &BlobPath) -> Result<BlobInfo> {
        self.wait().await;
        self.inner.head(path).await
    }

    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        self.bytes.fetch_add(range.end - range.start, Relaxed);
        self.wait().await;
        self.inner.read(path, range, etag).await
    }

    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        self.wait().await;
        self.inner.write(path, content, condition, options).await
    }

    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()> {
        self.wait().await;
        self.inner.delete(path, etag).await
    }

    async fn old_copies(&self, path: &BlobPath) -> Result<Vec<OldCopy>> {
        self.wait().await;
        self.inner.old_copies(path).await
    }

    async fn remove_copy(&self, path: &BlobPath, copy: &OldCopy) -> Result<Removal> {
        self.wait().await;
        self.inner.remove_copy(path, copy).await
    }

    async fn remove_leftovers(&self) -> Result<()> {
        self.inner.remove_leftovers().await
    }

    fn is_here(&self) -> bool {
        self.inner.is_here()
    }

    fn local_file(&self, path: &BlobPath) -> Option<PathBuf> {
        self.inner.local_file(path)
    }
}
