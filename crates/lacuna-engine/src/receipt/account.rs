//! What is known of requests beside the logs: whose rows are still hidden, and what their newest receipts say.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_erase::tombstone;
use lacuna_store::{BlobInfo, Etag};

use super::{news, stored};
use crate::engine::location;
use crate::erase::hidden::{self, Tombstones};
use crate::erase::journal;
use crate::outcome::Problem;
use crate::problem::{ShardError, chain};
use crate::{Engine, Error, Receipt, RequestId};

/// What is written down of requests that were begun.
#[derive(Debug, Default)]
pub(crate) struct BegunRequests {
    /// Of which no run has come to its end: one may be at work, or was killed and may not have reached all records.
    pub(crate) open: Vec<Receipt>,
    /// The records of those of which one has: it was killed just before it removed that.
    pub(crate) ended: Vec<BlobInfo>,
    /// What cannot be read.
    pub(crate) unread: Vec<Problem>,
}

impl Engine {
    /// The requests with rows that are hidden and still in the bytes, in whatever version of a shard.
    pub async fn hiding(&self) -> Result<BTreeSet<String>, Error> {
        let store = self.settings.store.as_ref();
        let tombstones = Tombstones::list(store).await.map_err(Error::hidden_unlisted)?;
        let mut reads = futures::stream::iter(tombstones.into_infos())
            .map(|info| async move {
                let path = info.path.to_string();
                let read = hidden::read_now(store, info).await;
                read.map_err(|error| Error::Shard { shard: path, reason: chain(&error) })
            })
            .buffer_unordered(self.shop.requests);
        let mut requests = BTreeSet::new();
        while let Some(held) = reads.try_next().await? {
            requests.extend(held.iter().flat_map(|held| held.tombstone.requests()).map(|(id, _)| id.to_owned()));
        }
        Ok(requests)
    }

    /// What is written down of requests that were begun.
    pub(crate) async fn begun(&self) -> Result<BegunRequests, Error> {
        let store = self.settings.store.as_ref();
        let records: Vec<BlobInfo> =
            store.list(journal::REQUESTS).try_collect().await.map_err(Error::hidden_unlisted)?;
        let read = |info: BlobInfo| async move { (self.begun_at(&info).await, info) };
        let mut begun = BegunRequests::default();
        let mut reads = futures::stream::iter(records).map(read).buffered(self.shop.requests);
        while let Some((read, info)) = reads.next().await {
            match read {
                Ok(Some((record, false))) => begun.open.push(record),
                Ok(Some((_, true))) => begun.ended.push(info),
                Ok(None) => {}
                Err(error) => begun.unread.push(error.into_problem(info.path.as_str())),
            }
        }
        Ok(begun)
    }

    /// What the record of a request says, and whether a run of it has come to its end since.
    async fn begun_at(&self, info: &BlobInfo) -> Result<Option<(Receipt, bool)>, ShardError> {
        let store = self.settings.store.as_ref();
        let Some(begun) = journal::read::<Receipt>(store, info.path.as_str()).await? else { return Ok(None) };
        let Some(key) = &self.settings.signing_key else { return Ok(Some((begun.record, false))) };
        let newest = stored::newest(store, key, &begun.record.request).await?;
        let has_ended = matches!(newest, Some((1.., newest)) if news::has_ended(&begun.record, &newest));
        Ok(Some((begun.record, has_ended)))
    }

    /// The requests that are no ledger's, and of which no run has come to its end: unless one is still at work, it was killed, and may not
    /// have reached all records.
    pub async fn unfinished(&self) -> Result<Vec<String>, Error> {
        let BegunRequests { open, unread, .. } = self.begun().await?;
        if let Some(Problem { shard, reason }) = unread.into_iter().next() {
            return Err(Error::Shard { shard, reason });
        }
        Ok(open.into_iter().filter(|begun| begun.chain_head.is_none()).map(|begun| begun.request).collect())
    }

    /// Shows again what is hidden for `requests`, which were taken back, and is still in the bytes.
    pub async fn show_again(&self, requests: &[&str]) -> Result<(), Error> {
        let store = self.settings.store.as_ref();
        let tombstones = Tombstones::list(store).await.map_err(Error::hidden_unlisted)?;
        let shows = tombstones.into_infos().into_iter().map(|info| async move {
            let shown = hidden::unhide(store, &info.path, requests).await;
            shown.map_err(|error| Error::Shard { shard: info.path.to_string(), reason: chain(&error) })
        });
        let shows = futures::stream::iter(shows).buffer_unordered(self.shop.requests);
        shows.try_for_each(async |()| Ok(())).await
    }

    /// Takes `requests` out of what hid rows for them in versions of shards that are there no more: those in `stale`, and those that made
    /// room for others' in any of `shards`. To be called when the versions that are there now were searched for these requests.
    pub async fn release(
        &self,
        requests: &[&str],
        stale: &[(String, Etag)],
        shards: &BTreeSet<String>,
    ) -> Result<(), Error> {
        let store = self.settings.store.as_ref();
        let failed = |error: ShardError| Error::Shard { shard: "a tombstone".into(), reason: chain(&error) };
        let listed: Vec<BlobInfo> =
            store.list(tombstone::SUPERSEDED).try_collect().await.map_err(Error::hidden_unlisted)?;
        hidden::release(store, requests, stale, listed, |shard| shards.contains(shard)).await.map_err(failed)
    }

    /// The newest receipt of a request, and where it lies.
    pub async fn receipt(&self, request: &RequestId) -> Result<Option<(String, Receipt)>, Error> {
        let Some(key) = &self.settings.signing_key else {
            return Err(Error::Configuration("there is no key to sign with".into()));
        };
        let store = self.settings.store.as_ref();
        let failed =
            |error: ShardError| Error::Shard { shard: format!("the receipt of {request}"), reason: chain(&error) };
        let newest = stored::newest(store, key, request.as_str()).await.map_err(failed)?;
        let Some((number @ 1.., receipt)) = newest else { return Ok(None) };
        let path = stored::receipt_path(request.as_str(), number).map_err(|error| failed(ShardError::Store(error)))?;
        Ok(Some((location(store, path.as_str()), receipt)))
    }
}
