//! What a purge is to do, and what it came to.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;

use crate::Source;
use crate::outcome::{Problem, Retained};

/// What a purge does.
#[derive(Clone, Debug, Default)]
pub struct PurgeOptions {
    /// Only shards that hide rows of a request whose time is up within this; all, when absent.
    pub due_within: Option<Duration>,
    /// Of these requests, whether their time is up within it: a ledger knows better than their receipts.
    pub known_due: HashMap<String, bool>,
    /// The head of the ledger's chain, for receipts.
    pub chain_head: Option<String>,
    /// What other sources there are, as for a [`Job`](crate::Job).
    pub others: Vec<Source>,
}

/// What a purge came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PurgeOutcome {
    /// Shards with hidden rows.
    pub shards: u64,
    /// Shards whose hidden rows are out of the bytes now.
    pub shards_purged: u64,
    /// Shards that are not near their time, and were left.
    pub shards_not_due: u64,
    /// Shards whose rows a hold or their source keeps in the bytes, and were left.
    pub shards_held: u64,
    /// Those shards, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Problem>,
    /// Rows that are out of the bytes now.
    pub rows_purged: u64,
    /// Those rows by source.
    #[serde(skip)]
    pub sources: BTreeMap<String, u64>,
    /// Shards that others replaced or removed since their rows were hidden: what their new versions hold, or other shards by now, is not
    /// hidden.
    pub shards_superseded: u64,
    /// Shards that had been purged before, and whose old bytes were looked after now.
    pub shards_looked_after: u64,
    /// Shards whose old bytes are deleted, and kept for a while all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<Retained>,
    /// Each request that had any rows in these shards, or was begun and left, and the receipt that tells of it.
    pub requests: Vec<PurgedRequest>,
    /// Shards that could not be purged, and those whose old bytes could not be removed.
    pub problems: Vec<Problem>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// What came of one request in a purge.
#[derive(Clone, Debug, Serialize)]
pub struct PurgedRequest {
    /// The request's id.
    pub request: String,
    /// Its rows that are out of the bytes now.
    pub rows: u64,
    /// Where its new receipt lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The receipt itself, when it could not be written anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_jws: Option<String>,
    /// Whether no run of it has come to its end: unless one is still at work, it was killed, and may not have reached all records.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
}

impl PurgeOutcome {
    /// What was told of a request so far.
    pub(super) fn told(&mut self, request: &str) -> Option<&mut PurgedRequest> {
        self.requests.iter_mut().find(|told| told.request == request)
    }
}

impl PurgedRequest {
    /// One that was begun, and of which there is nothing else to tell.
    pub(super) fn unfinished(request: String) -> Self {
        Self { request, rows: 0, receipt: None, receipt_jws: None, unfinished: true }
    }
}
