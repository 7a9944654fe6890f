//! What the search of shards found, as a value: it is kept in memory on its way to the end of a run, and stored by workers.

use std::collections::BTreeSet;
use std::io;

use lacuna_scan::{Effort, Matches};
use lacuna_store::{BlobInfo, Etag};

use crate::outcome::Problem;
use crate::package::spool::Part;

/// What the search of a set of shards found, for all requests of the job.
#[derive(Debug)]
pub struct SetFound {
    pub(super) source: String,
    pub(super) counts: Counts,
    /// The shards with a match, in their order.
    pub(super) shards: Vec<FoundShard>,
    /// Shards with a tombstone of a version that is there no more, and that version.
    pub(super) stale: Vec<(String, Etag)>,
    pub(super) problems: Vec<Problem>,
    /// The records of the requests that export, in the order of shards and rows.
    pub(super) records: Option<Part>,
}

/// What was looked at, and how much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Shards of the set.
    pub shards: u64,
    /// Those that could be searched.
    pub shards_searched: u64,
    /// Rows in them.
    pub rows_scanned: u64,
    /// Bytes read to search them.
    pub bytes_read: u64,
    /// What was decoded of them.
    pub effort: Effort,
    /// Rows that belong to any of the requests.
    pub matched: u64,
}

/// A shard with a match.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoundShard {
    pub(super) info: BlobInfo,
    pub(super) rows: u64,
    pub(super) poisoned: u64,
    pub(super) matches: Matches,
}

impl SetFound {
    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            counts: Counts::default(),
            shards: Vec::new(),
            stale: Vec::new(),
            problems: Vec::new(),
            records: None,
        }
    }

    /// The source that was searched.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What was looked at.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The shards with a match, in the version that was searched.
    pub fn shards(&self) -> impl Iterator<Item = &BlobInfo> {
        self.shards.iter().map(|shard| &shard.info)
    }

    /// The requests with a match, by their place in the job.
    pub fn requests(&self) -> BTreeSet<usize> {
        let selectors = self.shards.iter().flat_map(|shard| shard.matches.iter());
        selectors.filter_map(|(selector, _)| usize::try_from(selector).ok()).collect()
    }

    /// Shards with a tombstone of a version that is there no more, and that version.
    pub fn stale(&self) -> &[(String, Etag)] {
        &self.stale
    }

    /// What could not be searched.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Adds what was found in further shards of the same source.
    pub(super) fn append(&mut self, other: Self) -> io::Result<()> {
        self.counts.add(&other.counts);
        self.shards.extend(other.shards);
        self.stale.extend(other.stale);
        self.problems.extend(other.problems);
        match (&mut self.records, other.records) {
            (Some(records), Some(more)) => records.append(more),
            (records, more) => {
                *records = records.take().or(more);
                Ok(())
            }
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.shards += other.shards;
        self.shards_searched += other.shards_searched;
        self.rows_scanned += other.rows_scanned;
        self.bytes_read += other.bytes_read;
        self.effort += other.effort;
        self.matched += other.matched;
    }
}
