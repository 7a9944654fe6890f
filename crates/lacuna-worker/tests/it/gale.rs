//! A store on which some operations fail: before they happen, or with their answer lost.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use lacuna_store::{
    BlobInfo, BlobPath, Condition, Content, Error, ErrorKind, Etag, OldCopy, Removal, Result, Store, WriteOptions,
};

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gust {
    /// It does not happen.
    Refused,
    /// It happens, and nobody hears of it.
    Lost,
}

/// A store that a [`Gust`] may meet with every operation.
pub(crate) struct Gale {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) gust: Arc<dyn Fn() -> Option<Gust> + Send + Sync>,
}

impl fmt::Debug for Gale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gale").finish_non_exhaustive()
    }
}

impl Gale {
    async fn step<T>(&self, path: &BlobPath, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let unavailable = || Error::new(ErrorKind::Unavailable).at(path);
        match (self.gust)() {
            None => operation.await,
            Some(Gust::Refused) => Err(unavailable()),
            Some(Gust::Lost) => {
                operation.await?;
                Err(unavailable())
            }
        }
    }
}

#[async_trait::async_trait]
impl Store for Gale {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        let broken = stream::once(std::future::ready(Err(Error::new(ErrorKind::Unavailable))));
        match (self.gust)() {
            None => self.inner.list(prefix),
            Some(Gust::Refused) => broken.boxed(),
            Some(Gust::Lost) => self.inner.list(prefix).take(1).chain(broken).boxed(),
        }
    }

    async fn head(&self, path: &BlobPath) -> Result<BlobInfo> {
        self.step(path, self.inner.head(path)).await
    }

    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        self.step(path, self.inner.read(path, range, etag)).await
    }

    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        self.step(path, self.inner.write(path, content, condition, options)).await
    }

    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()> {
        self.step(path, self.inner.delete(path, etag)).await
    }

    async fn old_copies(&self, path: &BlobPath) -> Result<Vec<OldCopy>> {
        self.step(path, self.inner.old_copies(path)).await
    }

    async fn remove_copy(&self, path: &BlobPath, copy: &OldCopy) -> Result<Removal> {
        self.step(path, self.inner.remove_copy(path, copy)).await
    }
}
