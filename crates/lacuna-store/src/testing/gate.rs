//! A store behind a gate: tests say in one place what becomes of whatever is asked of it.

use std::fmt::Debug;
use std::ops::{Deref, Range};

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{BlobInfo, BlobPath, Condition, Content, Etag, OldCopy, Removal, Result, Store, WriteOptions};

/// What every operation on a store has to pass.
pub trait Gate: Debug + Send + Sync {
    /// The store behind it.
    fn inner(&self) -> &dyn Store;

    /// What becomes of an `operation` on the blob at `path`. It does not happen unless it is awaited.
    fn pass<T: Send>(
        &self,
        path: &BlobPath,
        operation: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send;

    /// What becomes of a listing. It does not happen unless it is called.
    fn pass_list<'s>(&'s self, list: impl FnOnce() -> Listed<'s>) -> Listed<'s>;
}

/// What a store lists.
pub type Listed<'s> = BoxStream<'s, Result<BlobInfo>>;

/// The store behind a [`Gate`]. Its blobs have no files that could be read past it.
#[derive(Debug)]
pub struct Gated<G>(pub G);

impl<G> Deref for Gated<G> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.0
    }
}

#[async_trait::async_trait]
impl<G: Gate> Store for Gated<G> {
    fn url(&self) -> String {
        self.inner().url()
    }

    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        self.pass_list(|| self.inner().list(prefix))
    }

    async fn head(&self, path: &BlobPath) -> Result<BlobInfo> {
        self.pass(path, self.inner().head(path)).await
    }

    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        self.pass(path, self.inner().read(path, range, etag)).await
    }

    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        self.pass(path, self.inner().write(path, content, condition, options)).await
    }

    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()> {
        self.pass(path, self.inner().delete(path, etag)).await
    }

    async fn old_copies(&self, path: &BlobPath) -> Result<Vec<OldCopy>> {
        self.pass(path, self.inner().old_copies(path)).await
    }

    async fn remove_copy(&self, path: &BlobPath, copy: &OldCopy) -> Result<Removal> {
        self.pass(path, self.inner().remove_copy(path, copy)).await
    }
}
