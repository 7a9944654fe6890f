//! What a job did, as values: the `--json` document is made of these.

use std::collections::BTreeMap;

use lacuna_store::Etag;
use serde::{Deserialize, Serialize};

use crate::RequestId;
use crate::erase::copies::OldBytes;
use crate::problem::ShardError;
use crate::receipt::{Receipt, ReceiptSource, Told};

/// What a job did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Rows that belong to any of the requests.
    pub matched: u64,
    /// What happened in each source, in the job's order.
    pub sources: Vec<SourceOutcome>,
    /// What came of each request, in the job's order.
    pub requests: Vec<RequestOutcome>,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
}

/// What happened in one source.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceOutcome {
    /// The source's name.
    pub source: String,
    /// Shards listed.
    pub shards: u64,
    /// Shards with a match.
    pub shards_matched: u64,
    /// Rows in the shards that were searched.
    pub rows_scanned: u64,
    /// Bytes read to search them.
    pub bytes_read: u64,
    /// Bytes that were decompressed of them, as they are then.
    pub bytes_decompressed: u64,
    /// Parquet pages that were decompressed.
    pub pages_decoded: u64,
    /// Rows of which more was decoded than the columns that are searched.
    pub rows_decoded: u64,
    /// Rows that belong to any of the requests.
    pub matched: u64,
    /// Rows taken out of the bytes, or made anonymous in them.
    pub erased: u64,
    /// Rows that tombstones hide until a purge takes them out of the bytes.
    pub hidden: u64,
    /// Whether any identifier of the requests is of a kind that this source maps; otherwise nothing was searched.
    pub searched: bool,
    /// What was matched and stays, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptShard>,
    /// Shards whose old bytes are deleted, and kept for a while all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<Retained>,
    /// Shards that others replaced since rows of them were hidden. Nothing hides rows in their new versions, but what this run hid there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<String>,
    /// What could not be read or changed. A request with any is incomplete.
    pub problems: Vec<Problem>,
    /// The shards that were replaced, by path.
    #[serde(skip)]
    pub replaced: BTreeMap<String, Versions>,
    /// Shards that another writer changed so often that they were left.
    #[serde(skip)]
    pub conflicts: u64,
    /// Shards that stay as they are, because an erased value was found in the bytes that were to replace them.
    #[serde(skip)]
    pub residues: u64,
}

/// The versions of a shard that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The one that was replaced. Where another writer came first, that is not the one that was listed.
    pub before: Etag,
    /// The one in its place; none, when the shard was deleted.
    pub after: Option<Etag>,
}

/// A shard, or a whole source, that could not be worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The shard's path; the source's glob when it is about all shards, and an entry's name when what is there cannot be told.
    pub shard: String,
    /// What is wrong, without the record's content.
    pub reason: String,
}

impl Problem {
    /// That a listing of the blobs that the glob `shards` names ended, or could not tell of some.
    pub(crate) fn unlisted(shards: &str, error: lacuna_store::Error) -> Self {
        let Some(gap) = &error.gap else { return ShardError::Store(error).into_problem(shards) };
        let name = gap.to_string();
        let error = match &gap.target {
            Some(target) => ShardError::Refused(format!(
                "a symbolic link: what it leads to is not searched under this name; let `shards` name it where it is, \
                 at `{target}`"
            )),
            None => ShardError::Store(error),
        };
        error.into_problem(&name)
    }

    /// That old bytes of a shard could not be removed.
    pub(crate) fn of_copies(shard: &str, old: &OldBytes) -> Option<Self> {
        old.problem().map(|reason| Self { shard: shard.to_owned(), reason: reason.to_owned() })
    }
}

/// A shard whose rows are out of its bytes, and whose old bytes the store drops later.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Retained {
    /// The shard's path.
    pub shard: String,
    /// The day, in UTC as `YYYY-MM-DD`, by whose end they are gone; absent when the store does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone_by: Option<String>,
    /// Why they are not gone now.
    pub reason: String,
}

impl Retained {
    pub(crate) fn of_copies(shard: &str, old: &OldBytes) -> Option<Self> {
        let OldBytes::Retained { gone_by, why } = old else { return None };
        Some(Self { shard: shard.to_owned(), gone_by: gone_by.map(|day| day.to_string()), reason: why.clone() })
    }
}

/// Matched rows that an erasure leaves, as configured.
#[derive(Clone, Debug, Serialize)]
pub struct KeptShard {
    /// The shard's path.
    pub shard: String,
    /// How many rows.
    pub rows: u64,
    /// Why.
    pub reason: String,
}

/// What came of one request.
#[derive(Clone, Debug, Serialize)]
pub struct RequestOutcome {
    /// The request.
    pub request: RequestId,
    /// Rows that belong to it.
    pub matched: u64,
    /// Its rows that are out of the bytes, or anonymous in them.
    pub erased: u64,
    /// Its rows that tombstones hide until a purge takes them out of the bytes.
    pub hidden: u64,
    /// Its rows that stay, as configured or because its subject is held.
    pub kept: u64,
    /// Whether every shard could be searched (and, for an erasure, changed).
    pub complete: bool,
    /// Why nothing of it was erased although rows were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// The same, source by source: those that were searched for it.
    #[serde(skip)]
    pub sources: Vec<RequestSource>,
    /// Where the export package lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Where the receipt lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The receipt itself, when it could not be written anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_jws: Option<String>,
}

impl RequestOutcome {
    /// Notes the receipt at `place`, which tells of earlier runs, too.
    pub(crate) fn state(&mut self, place: String, receipt: &Receipt) {
        self.receipt = Some(place);
        for source in &mut self.sources {
            source.told = receipt.sources.iter().find(|told| told.source == source.source).map(ReceiptSource::told);
        }
    }
}

/// What came of one request in one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestSource {
    /// The source's name.
    pub source: String,
    /// Rows that were searched.
    pub rows_scanned: u64,
    /// Rows that belong to the request.
    pub matched: u64,
    /// Shards with any of them.
    pub shards: u64,
    /// Rows that are out of the bytes, or anonymous in them.
    pub erased: u64,
    /// Rows that tombstones hide.
    pub hidden: u64,
    /// Rows that stay.
    pub kept: u64,
    /// What its receipt tells of the source: what earlier runs of it did, too.
    pub told: Option<Told>,
    /// Of a request that only counts, each shard with any of its rows, and how many.
    pub found: Vec<(String, u64)>,
}

/// Why an erasure did not begin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Stopped {
    /// More rows than it may match.
    MaxRows {
        /// What it matched.
        matched: u64,
        /// What it may.
        max: u64,
    },
    /// Rows in more shards than it may reach.
    MaxShards {
        /// Those with any of its rows.
        matched: u64,
        /// What it may.
        max: u64,
    },
    /// A larger part of a source than it may match.
    MaxShare {
        /// The source.
        source: String,
        /// Its rows there.
        matched: u64,
        /// All rows there.
        rows: u64,
        /// What part it may.
        max: f64,
    },
    /// The package of the same request is not complete, and what it would hold must stay until it is.
    Package,
}

impl Stopped {
    /// Whether it was a limit: then somebody who approves of it lets it go on.
    pub fn is_limit(&self) -> bool {
        !matches!(self, Self::Package)
    }
}

impl Outcome {
    /// Whether every request is complete.
    pub fn is_complete(&self) -> bool {
        !self.interrupted && self.requests.iter().all(|request| request.complete)
    }
}
