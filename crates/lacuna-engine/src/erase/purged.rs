//! What a purge did to a shard, and the line of a receipt that says so.

use lacuna_erase::tombstone::{ShardVersion, Tombstone};
use lacuna_store::{BlobInfo, Etag, Store};
use roaring::RoaringTreemap;

use super::copies::OldBytes;
use super::{hidden, journal};
use crate::problem::ShardError;
use crate::receipt::{OldVersions, ProvedSurvivors, ReceiptShard, ShardState};

/// What is said of a shard that was gone before its rows were out of the bytes.
pub(crate) const REMOVED: &str = "another writer removed it; whether its rows went elsewhere, a new search tells";

/// What a purge did to a shard.
#[derive(Clone, Debug)]
pub(crate) struct Purged {
    /// The rows that went, and whose they were.
    pub(crate) tombstone: Tombstone,
    /// `None` when the shard was deleted, because no row was left.
    pub(crate) etag_after: Option<Etag>,
    /// `None` when another writer removed the shard.
    pub(crate) sha256_before: Option<String>,
    pub(crate) sha256_after: Option<String>,
    pub(crate) rows_after: u64,
    /// What became of the bytes that held the rows.
    pub(crate) old: OldBytes,
    /// Whether the rows were out of the bytes before, and only old ones were left.
    pub(crate) is_again: bool,
    /// Whether another writer removed the shard, and nobody has looked since where its rows went.
    pub(crate) has_moved: bool,
    /// What was proved of the rows that stay.
    pub(crate) survivors: Option<ProvedSurvivors>,
    /// What stays beside the logs until the receipts are written: what hid the rows, and what was written down of the purge.
    pub(crate) served: Option<BlobInfo>,
    pub(crate) record: Option<BlobInfo>,
}

impl Purged {
    /// Takes away what stayed beside the logs. What was written down of the purge comes last: as long as it is there, a tombstone of the
    /// old version is no riddle.
    pub(crate) async fn retire(&self, store: &dyn Store, keeps_rows: bool) -> Result<(), (String, ShardError)> {
        if let Some(served) = &self.served {
            let retired = hidden::retire(store, &self.tombstone, served, self.after(), keeps_rows).await;
            retired.map_err(|error| (served.path.to_string(), error))?;
        }
        if let Some(record) = &self.record {
            journal::end(store, record).await.map_err(|error| (record.path.to_string(), error))?;
        }
        Ok(())
    }

    /// How many of these rows it took out of the bytes.
    pub(crate) fn took(&self, rows: &RoaringTreemap) -> u64 {
        if self.is_again || self.has_moved { 0 } else { rows.len() }
    }

    /// How many rows it took out of the bytes.
    pub(crate) fn rows(&self) -> u64 {
        self.took(self.tombstone.hidden())
    }

    /// The version that took the place of the one whose rows went.
    fn after(&self) -> Option<ShardVersion> {
        version_after(&self.tombstone, self.etag_after.as_ref(), self.rows_after)
    }

    /// The line of a receipt, but for how many of the rows are a request's.
    pub(crate) fn line(&self) -> ReceiptShard {
        let (mut state, old_versions) = match &self.old {
            OldBytes::None => (ShardState::Gone, OldVersions::None),
            OldBytes::Removed => (ShardState::Gone, OldVersions::Removed),
            OldBytes::Retained { .. } => (ShardState::Verified, OldVersions::Retained),
            OldBytes::Held(_) => (ShardState::Blocked, OldVersions::Held),
            OldBytes::Left(_) => (ShardState::Verified, OldVersions::Left),
        };
        let mut reasons = Vec::new();
        if self.sha256_before.is_none() {
            reasons.push(REMOVED);
            state = match state {
                _ if self.has_moved => ShardState::Blocked,
                ShardState::Gone => ShardState::Verified,
                state => state,
            };
        }
        let mut gone_by = None;
        match &self.old {
            OldBytes::None | OldBytes::Removed => {}
            OldBytes::Retained { gone_by: day, why } => {
                gone_by = day.map(|day| day.to_string());
                reasons.push(why);
            }
            OldBytes::Held(why) | OldBytes::Left(why) => reasons.push(why),
        }
        ReceiptShard {
            shard: self.tombstone.version().shard.clone(),
            state,
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            etag_before: self.tombstone.version().etag.clone(),
            etag_after: self.etag_after.as_ref().map(ToString::to_string),
            sha256_before: self.sha256_before.clone(),
            sha256_after: self.sha256_after.clone(),
            rows_before: self.tombstone.version().rows,
            matched: 0,
            rows_after: self.rows_after,
            survivors: self.survivors.clone(),
            old_versions,
            gone_by,
        }
    }
}

/// The version of a shard that took the place of the one that `purged` is of.
pub(super) fn version_after(purged: &Tombstone, etag: Option<&Etag>, rows: u64) -> Option<ShardVersion> {
    let shard = purged.version().shard.clone();
    etag.map(|etag| ShardVersion { shard, etag: etag.to_string(), rows })
}
