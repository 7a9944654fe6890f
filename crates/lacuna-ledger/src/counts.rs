//! What a search found and an erasure did, source by source; numbers only.

use serde::{Deserialize, Serialize};

/// Counts of one request, source by source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts {
    /// One for each source that was searched.
    pub sources: Vec<SourceCounts>,
}

/// Counts of one request in one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceCounts {
    /// The source's name.
    pub source: String,
    /// Rows that were searched.
    pub scanned: u64,
    /// Rows that matched.
    pub matched: u64,
    /// Shards with a row that matched.
    pub shards: u64,
    /// Rows that were erased.
    pub erased: u64,
    /// Rows that matched and were kept: a hold, or a source that keeps its rows.
    pub kept: u64,
}

/// A shard that was not done, so that its request is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The source's name.
    pub source: String,
    /// The shard's path.
    pub shard: String,
    /// Why; never with content of the shard.
    pub reason: String,
}

impl Counts {
    /// Rows that matched, in all sources.
    pub fn matched(&self) -> u64 {
        self.sources.iter().map(|source| source.matched).sum()
    }

    /// Shards with a row that matched, in all sources.
    pub fn shards(&self) -> u64 {
        self.sources.iter().map(|source| source.shards).sum()
    }

    /// Rows that were erased, in all sources.
    pub fn erased(&self) -> u64 {
        self.sources.iter().map(|source| source.erased).sum()
    }

    /// Rows that were kept, in all sources.
    pub fn kept(&self) -> u64 {
        self.sources.iter().map(|source| source.kept).sum()
    }

    /// Notes rows that a sweep erased: those that had been kept, hidden or found first, then such as came later; and in how many shards
    /// there were any so far.
    pub(crate) fn sweep(&mut self, source: &str, erased: u64, shards: u64) {
        let at = self.sources.iter().position(|own| own.source == source).unwrap_or_else(|| {
            self.sources.push(SourceCounts { source: source.to_owned(), ..SourceCounts::default() });
            self.sources.len() - 1
        });
        let own = &mut self.sources[at];
        own.erased += erased;
        own.kept -= own.kept.min(erased);
        own.matched = own.matched.max(own.erased + own.kept);
        own.shards = own.shards.max(shards);
    }
}
