//! What must not leave the bytes now. Whatever rewrites a shard, or removes old bytes of one, asks here first.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ed25519_dalek::SigningKey;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lacuna_erase::tombstone::Tombstone;
use lacuna_store::Store;

use crate::OnErase;
use crate::erase::Purge;
use crate::problem::ShardError;
use crate::receipt::stored;

/// Requests whose receipts are looked for at a time.
const AT_ONCE: usize = 16;

/// Who knows of holds. Asked again for each shard, just before its bytes would change: a hold that was set a moment ago counts.
#[async_trait::async_trait]
pub trait Holds: fmt::Debug + Send + Sync {
    /// Why rows that are hidden for `requests` must stay in the bytes of a source; nothing when they may go.
    async fn held(&self, source: &str, requests: &[&str]) -> Result<Option<String>, HoldsError>;
}

/// Why nobody can tell what is held. Then nothing leaves the bytes.
pub type HoldsError = Box<dyn std::error::Error + Send + Sync>;

/// Where nobody can set a hold, because there never was a ledger. What the sources say themselves counts all the same.
#[derive(Clone, Copy, Debug)]
pub struct NoHolds;

#[async_trait::async_trait]
impl Holds for NoHolds {
    async fn held(&self, _: &str, _: &[&str]) -> Result<Option<String>, HoldsError> {
        Ok(None)
    }
}

/// Where no ledger is configured. Rows that a ledger's request hid stay: whether anybody set a hold on them, only that ledger knows.
#[derive(Debug)]
pub struct NoLedger {
    store: Arc<dyn Store>,
    key: SigningKey,
    /// Whether a request is a ledger's, once that was looked up: it may have rows in any number of shards.
    known: Mutex<HashMap<String, bool>>,
}

impl NoLedger {
    /// For what is hidden in `store`, as receipts tell that are signed with `key`.
    pub fn new(store: Arc<dyn Store>, key: SigningKey) -> Self {
        Self { store, key, known: Mutex::default() }
    }

    /// Whether a ledger recorded the request: then its receipt, or the record of what it began, names the head of the ledger's chain.
    async fn is_a_ledgers(&self, request: &str) -> Result<bool, ShardError> {
        if let Some(known) = self.known().get(request) {
            return Ok(*known);
        }
        // Of a request that left nothing it cannot be told, now.
        let Some((_, receipt)) = stored::newest(self.store.as_ref(), &self.key, request).await? else {
            return Ok(false);
        };
        self.known().insert(request.to_owned(), receipt.chain_head.is_some());
        Ok(receipt.chain_head.is_some())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Holds for NoLedger {
    async fn held(&self, _: &str, requests: &[&str]) -> Result<Option<String>, HoldsError> {
        let asked = requests.iter().map(|request| self.is_a_ledgers(request)).collect::<Vec<_>>();
        let mut asked = stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some(is_a_ledgers) = asked.try_next().await? {
            if is_a_ledgers {
                return Ok(Some("requests of a ledger are in it, and no ledger is configured".into()));
            }
        }
        Ok(None)
    }
}

impl Purge<'_> {
    /// Why the rows that a tombstone hides must stay in the bytes now, if they must.
    pub(crate) async fn held(&self, tombstone: &Tombstone) -> Result<Option<String>, ShardError> {
        if let OnErase::Keep { reason } = &self.source.on_erase {
            return Ok(Some(reason.clone()));
        }
        let requests: Vec<&str> = tombstone.requests().map(|(request, _)| request).collect();
        self.holds.held(&self.source.name, &requests).await.map_err(ShardError::HoldsUnknown)
    }

    /// Fails where the rows that a tombstone hides must stay in the bytes now.
    pub(crate) async fn ask(&self, tombstone: &Tombstone) -> Result<(), ShardError> {
        self.held(tombstone).await?.map_or(Ok(()), |why| Err(ShardError::Held(why)))
    }
}
