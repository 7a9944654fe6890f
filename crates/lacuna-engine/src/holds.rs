//! What must not leave the bytes now. Whatever rewrites a shard, or removes old bytes of one, asks here first.

use std::fmt;

use lacuna_erase::tombstone::Tombstone;

use crate::OnErase;
use crate::erase::Purge;
use crate::problem::ShardError;

/// Who knows of holds. Asked again for each shard, just before its bytes would change: a hold that was set a moment ago counts.
#[async_trait::async_trait]
pub trait Holds: fmt::Debug + Send + Sync {
    /// Why rows that are hidden for `requests` must stay in the bytes of a source; nothing when they may go.
    async fn held(&self, source: &str, requests: &[&str]) -> Result<Option<String>, HoldsError>;
}

/// Why nobody can tell what is held. Then nothing leaves the bytes.
pub type HoldsError = Box<dyn std::error::Error + Send + Sync>;

/// Where nobody can set a hold, because there is no ledger. What the sources say themselves counts all the same.
#[derive(Clone, Copy, Debug)]
pub struct NoHolds;

#[async_trait::async_trait]
impl Holds for NoHolds {
    async fn held(&self, _: &str, _: &[&str]) -> Result<Option<String>, HoldsError> {
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
