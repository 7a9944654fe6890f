//! What became of the shards of a receipt since it was written.

use std::collections::BTreeMap;

use lacuna_store::{BlobPath, ErrorKind, Etag, Store};
use serde::Serialize;

use super::{Receipt, ReceiptShard, ShardState};
use crate::Engine;
use crate::erase::{copies, hidden};
use crate::problem::{ShardError, chain};
use crate::read::whole::sha256_of;

/// A shard now, against what a receipt says of it.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct ShardStanding {
    /// The shard's path.
    pub shard: String,
    /// What the receipt says of it.
    pub stated: ShardState,
    /// Whether that still is so.
    pub now: Standing,
    /// Why it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether what a receipt says of a shard still is so.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is the version that the receipt names, with these bytes; what is hidden still is.
    AsStated,
    /// It has the same bytes in another version: somebody copied them.
    SameBytes,
    /// It has the same bytes, and the store has old ones of it again that were gone: somebody brought them back.
    OldBytes,
    /// Another writer changed it: the receipt says nothing of what it holds now.
    Changed,
    /// It is not there any more.
    Removed,
    /// It cannot be looked at.
    Unknown,
}

impl Engine {
    /// Looks at every shard of a receipt. Of a shard that was worked on more than once, the last line counts.
    pub async fn against(&self, receipt: &Receipt) -> Vec<ShardStanding> {
        let lines = receipt.sources.iter().flat_map(|source| &source.shards);
        let newest: BTreeMap<&str, &ReceiptShard> = lines.map(|line| (line.shard.as_str(), line)).collect();
        let mut standings = Vec::with_capacity(newest.len());
        for line in newest.into_values() {
            let (now, reason) = match standing(self, receipt, line).await {
                Ok(now) => (now, None),
                Err(error) => (Standing::Unknown, Some(chain(&error))),
            };
            standings.push(ShardStanding { shard: line.shard.clone(), stated: line.state, now, reason });
        }
        standings
    }
}

async fn standing(engine: &Engine, receipt: &Receipt, line: &ReceiptShard) -> Result<Standing, ShardError> {
    let store = &engine.settings.store;
    let path = BlobPath::new(line.shard.as_str()).map_err(|error| ShardError::Refused(error.to_string()))?;
    let shard = match store.head(&path).await {
        Ok(shard) => shard,
        Err(error) if error.kind == ErrorKind::NotFound => {
            let was_removed = line.etag_after.is_none() && line.is_out_of_the_bytes();
            return Ok(if was_removed { Standing::AsStated } else { Standing::Removed });
        }
        Err(error) => return Err(ShardError::Store(error)),
    };
    match (&line.etag_after, line.state) {
        (Some(etag), _) => {
            let is_same = Some(sha256_of(&engine.shop, store, &shard).await?) == line.sha256_after;
            Ok(match (is_same, shard.etag.as_str() == etag) {
                (true, _) if line.state == ShardState::Gone && has_old_bytes(store.as_ref(), line, &path).await? => {
                    Standing::OldBytes
                }
                (true, true) => Standing::AsStated,
                (true, false) => Standing::SameBytes,
                (false, _) => Standing::Changed,
            })
        }
        (None, ShardState::Hidden) => {
            let held = hidden::fresh(store.as_ref(), &shard).await?;
            let mut requests = held.iter().flat_map(|held| held.tombstone.requests());
            // Another source may name the shard, and have found more.
            let is_hidden = requests.any(|(request, rows)| request == receipt.request && rows.len() >= line.matched);
            Ok(if is_hidden { Standing::AsStated } else { Standing::Changed })
        }
        (None, _) if line.is_out_of_the_bytes() => Ok(Standing::Changed),
        (None, _) if shard.etag.as_str() == line.etag_before => Ok(Standing::AsStated),
        (None, _) => Ok(Standing::Changed),
    }
}

/// Whether the store has bytes of versions that are older than what the receipt names.
async fn has_old_bytes(store: &dyn Store, line: &ReceiptShard, path: &BlobPath) -> Result<bool, ShardError> {
    let after = line.etag_after.as_deref().map(Etag::new);
    let found = store.old_copies(path).await.map_err(ShardError::Store)?;
    Ok(!copies::older(found, &line.etag_before, after.as_ref()).is_empty())
}
