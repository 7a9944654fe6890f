//! The receipt: what an erasure did to each shard, for the person and for whoever checks it later.
//!
//! - [`statement`]: made of what a run did, and signed ([`seal`]);
//! - [`stored`]: written behind the earlier ones of its request; [`news`] of a purge go into it;
//! - [`verify`], [`standing`]: whether it is its signer's, and whether it still holds.

pub(crate) mod account;
pub(crate) mod news;
pub(crate) mod seal;
pub(crate) mod standing;
pub(crate) mod statement;
pub(crate) mod stored;
#[cfg(test)]
mod tests;
pub mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;

use lacuna_erase::Survivors;
use lacuna_scan::TenantId;
use serde::{Deserialize, Serialize};

/// The version of the receipt's format that is written. Older ones stay readable.
pub const RECEIPT_VERSION: u32 = 1;

/// The `typ` of a receipt's signature.
pub(crate) const RECEIPT_TYPE: &str = "lacuna-receipt+json";

/// What an erasure did.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Receipt {
    /// [`RECEIPT_VERSION`] when it was written.
    pub version: u32,
    /// The request.
    pub request: String,
    /// The tenant that it acted for.
    pub tenant: Option<TenantId>,
    /// A hash of the subject's identifiers under a key that only the signer has.
    pub subject: String,
    /// The kinds of identifiers that were searched for; never their values.
    pub identifier_kinds: Vec<String>,
    /// When the erasure began and ended, in RFC 3339.
    pub started: String,
    /// See [`started`](Self::started).
    pub finished: String,
    /// What made the receipt.
    pub tool: String,
    /// Whether every shard could be searched and changed when all were, and nobody replaced any before its rows were out of the bytes. What
    /// became of each since, its line tells.
    pub complete: bool,
    /// Each source that was searched.
    pub sources: Vec<ReceiptSource>,
    /// Each that was there and was not. Receipts of older versions name none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<ReceiptExcluded>,
    /// The head of the ledger's chain, when there is a ledger.
    pub chain_head: Option<String>,
}

/// A source that was not searched.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ReceiptExcluded {
    /// The source's name.
    pub source: String,
    /// Why it was not.
    pub reason: String,
}

/// What an erasure did in one source.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ReceiptSource {
    /// The source's name.
    pub source: String,
    /// `delete`, `anonymize` or `keep`.
    pub on_erase: String,
    /// Shards that were searched.
    pub shards_searched: u64,
    /// Shards with the subject's rows.
    pub shards: Vec<ReceiptShard>,
    /// Shards that could not be searched or changed, and why.
    pub problems: Vec<ReceiptProblem>,
}

/// What an erasure did to one shard.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ReceiptShard {
    /// The shard's path.
    pub shard: String,
    /// How far it came.
    pub state: ShardState,
    /// Why it was kept or is blocked, or why its rows are only hidden where they should be out of the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The version that held the rows.
    pub etag_before: String,
    /// The version without them; absent when no row was left and the shard was deleted, or nothing was changed.
    pub etag_after: Option<String>,
    /// SHA-256 of the shard's bytes that held the rows, in hexadecimal.
    pub sha256_before: Option<String>,
    /// SHA-256 of its bytes now.
    pub sha256_after: Option<String>,
    /// Its rows before.
    pub rows_before: u64,
    /// The subject's rows.
    pub matched: u64,
    /// Its rows now.
    pub rows_after: u64,
    /// What was proved of the rows that stay, before the new bytes took the old ones' place. Absent where nothing was replaced,
    /// and in receipts of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survivors: Option<ProvedSurvivors>,
    /// What became of the old bytes: previous versions, snapshots and soft-deleted copies.
    pub old_versions: OldVersions,
    /// The day, in UTC as `YYYY-MM-DD`, by whose end the store drops the last old bytes; only with `retained`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_by: Option<String>,
}

/// A shard's line, and how many of the shard's rows are one request's: what thousands of requests say of one shard is kept once.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) line: Arc<ReceiptShard>,
    pub(crate) matched: u64,
}

impl Share {
    /// The line as the request's receipt says it.
    pub(crate) fn own(&self) -> ReceiptShard {
        ReceiptShard { matched: self.matched, ..ReceiptShard::clone(&self.line) }
    }
}

/// How many rows a receipt tells of, in one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// All.
    pub matched: u64,
    /// Those that are out of the bytes, or anonymous in them.
    pub erased: u64,
    /// Those that stay on purpose.
    pub kept: u64,
    /// Shards with any of them.
    pub shards: u64,
    /// Shards whose rows are not out of the bytes yet, or whose old bytes are still there.
    pub shards_pending: u64,
}

impl Receipt {
    /// Shards whose rows are not out of the bytes yet, or whose old bytes are still there. Of a shard that was worked on more than
    /// once, the last line counts.
    pub fn shards_pending(&self) -> usize {
        self.sources.iter().map(|source| source.pending().count()).sum()
    }

    /// Whether nothing is left to do: all was searched, and no shard is pending.
    pub fn is_done(&self) -> bool {
        self.complete && self.shards_pending() == 0
    }

    /// Whether all that is left are old bytes: every purge tries to remove those.
    pub fn waits_for_old_bytes(&self) -> bool {
        let mut pending = self.sources.iter().flat_map(ReceiptSource::pending);
        self.complete && !self.is_done() && pending.all(ReceiptShard::is_out_of_the_bytes)
    }
}

impl ReceiptSource {
    /// Rows of the subject that are out of the bytes, or anonymous in them.
    pub fn rows_erased(&self) -> u64 {
        self.shards.iter().filter(|line| line.is_replaced()).map(|line| line.matched).sum()
    }

    /// The rows of the subject that it tells of, whatever run found them.
    pub fn told(&self) -> Told {
        let of = |wanted: &dyn Fn(&&ReceiptShard) -> bool| self.newest().filter(wanted).map(|line| line.matched).sum();
        let (erased, left) = (self.rows_erased(), of(&|line| !line.is_replaced()));
        let kept = of(&|line| line.state == ShardState::Kept);
        let (shards, shards_pending) = (self.newest().count() as u64, self.pending().count() as u64);
        Told { matched: erased + left, erased, kept, shards, shards_pending }
    }

    /// Shards whose rows are not out of the bytes yet, or whose old bytes are still there.
    pub fn pending(&self) -> impl Iterator<Item = &ReceiptShard> {
        self.newest().filter(|line| match line.state {
            ShardState::Hidden | ShardState::Rewritten | ShardState::Blocked => true,
            ShardState::Verified => line.old_versions == OldVersions::Left,
            ShardState::Gone | ShardState::Kept => false,
        })
    }

    /// The last line of each shard.
    pub fn newest(&self) -> impl Iterator<Item = &ReceiptShard> {
        let newest: BTreeMap<&str, &ReceiptShard> =
            self.shards.iter().map(|line| (line.shard.as_str(), line)).collect();
        newest.into_values()
    }
}

impl ReceiptShard {
    /// The line of a shard with so many `rows`, whose bytes are as they were; none of them is a request's yet.
    pub(crate) fn unchanged(shard: &str, etag: &str, rows: u64, state: ShardState, reason: Option<&str>) -> Self {
        Self {
            shard: shard.to_owned(),
            state,
            reason: reason.map(str::to_owned),
            etag_before: etag.to_owned(),
            etag_after: None,
            sha256_before: None,
            sha256_after: None,
            rows_before: rows,
            matched: 0,
            rows_after: rows,
            survivors: None,
            old_versions: OldVersions::Unchanged,
            gone_by: None,
        }
    }

    /// Whether it is of this version of a shard.
    pub(crate) fn is_of(&self, shard: &str, etag: &str) -> bool {
        self.shard == shard && self.etag_before == etag
    }

    /// How far the shard came by this line. Runs tell late of what they saw: of two lines of one version the further one holds, whichever
    /// was written first.
    pub(crate) fn progress(&self) -> impl Ord {
        let is_proved = self.is_replaced() && self.sha256_before.is_some();
        match (self.state, self.old_versions) {
            _ if !is_proved => 0,
            (ShardState::Gone, _) => 4,
            (ShardState::Verified, OldVersions::Left) | (ShardState::Rewritten, _) => 1,
            (ShardState::Verified, _) => 3,
            _ => 2,
        }
    }

    /// Whether the shard's bytes were replaced, verified or not yet.
    pub(crate) fn is_replaced(&self) -> bool {
        self.state == ShardState::Rewritten || self.is_out_of_the_bytes()
    }

    /// Whether the rows are out of the shard, whatever became of its old bytes.
    pub(crate) fn is_out_of_the_bytes(&self) -> bool {
        match self.state {
            ShardState::Verified | ShardState::Gone => true,
            ShardState::Blocked => self.old_versions == OldVersions::Held,
            ShardState::Hidden | ShardState::Rewritten | ShardState::Kept => false,
        }
    }
}

/// The rows of a shard that stay: they were read from the old bytes, leaving the hidden ones out, and from the new bytes, and were
/// the same values, nulls and lists in the same order.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ProvedSurvivors {
    /// How many they are.
    pub rows: u64,
    /// XXH3 with 128 bits, in hexadecimal: of Parquet over levels and values of all pages that changed (all other pages are the same
    /// bytes), of Arrow IPC over the values of all batches that changed, of text over all records and their line ends.
    pub hash: String,
}

impl From<Survivors> for ProvedSurvivors {
    fn from(survivors: Survivors) -> Self {
        Self { rows: survivors.rows, hash: format!("{:032x}", survivors.hash) }
    }
}

/// How far the erasure of a shard came.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ShardState {
    /// Its rows are hidden and still in the bytes.
    Hidden,
    /// Its bytes were replaced.
    Rewritten,
    /// The new bytes were read back and hold none of the subject's rows.
    Verified,
    /// And no old bytes are left: the store keeps none, or they were removed and a look found none.
    Gone,
    /// It stays as it is, as configured.
    Kept,
    /// It could not be changed; or it was, and a policy holds old bytes of it (`old_versions` is `held`). The reason tells.
    Blocked,
}

/// What became of a shard's old bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum OldVersions {
    /// The store keeps none.
    None,
    /// All were removed.
    Removed,
    /// They are deleted, and the store keeps them until `gone_by`.
    Retained,
    /// An immutability policy or a legal hold forbids their removal.
    Held,
    /// They could not be removed; the next purge tries again.
    Left,
    /// The storage account's settings for versions, snapshots and soft deletion decide, and were not looked at. Receipts of
    /// earlier releases say so.
    NotInspected,
    /// Nothing was replaced.
    Unchanged,
}

/// A shard that could not be searched or changed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ReceiptProblem {
    /// The shard's path, or the source's glob.
    pub shard: String,
    /// Why.
    pub reason: String,
}
