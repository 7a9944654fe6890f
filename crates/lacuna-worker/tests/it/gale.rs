//! A store on which some operations fail: before they happen, or with their answer lost.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use lacuna_store::testing::{Gate, Listed};
use lacuna_store::{BlobPath, Error, ErrorKind, Result, Store};

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

impl Gate for Gale {
    fn inner(&self) -> &dyn Store {
        self.inner.as_ref()
    }

    async fn pass<T: Send>(&self, path: &BlobPath, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
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

    fn pass_list<'s>(&'s self, list: impl FnOnce() -> Listed<'s>) -> Listed<'s> {
        let broken = stream::once(std::future::ready(Err(Error::new(ErrorKind::Unavailable))));
        match (self.gust)() {
            None => list(),
            Some(Gust::Refused) => broken.boxed(),
            Some(Gust::Lost) => list().take(1).chain(broken).boxed(),
        }
    }
}
