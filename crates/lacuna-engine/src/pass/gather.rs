//! What all sets found, on its way to packages, erasures and receipts: counts by request, shards to change, records in one file.

use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use lacuna_export::manifest::Shard;
use lacuna_scan::SelectorIndex;
use lacuna_store::Etag;

use super::Pass;
use super::found::{FoundShard, SetFound};
use super::prepared::Prepared;
use crate::cpu::blocking;
use crate::erase::{Purged, Target};
use crate::outcome::{Problem, SourceOutcome};
use crate::package::spool::Spool;
use crate::plan::format::ShardFormat;
use crate::problem::ShardError;
use crate::receipt::Share;
use crate::{Error, Outcome, Request};

/// What was found in all sources of a job.
pub(super) struct Gathered {
    pub(super) sources: Vec<Searched>,
    pub(super) spool: Arc<Spool>,
    /// Shards with tombstones of versions that are there no more.
    pub(super) stale: Vec<(String, Etag)>,
}

/// What was found in a source, and then what was done there.
#[derive(Default)]
pub(crate) struct Searched {
    pub(crate) outcome: SourceOutcome,
    /// Each request's rows, by request.
    pub(super) matched: Vec<u64>,
    /// Each request's shards with a match, and how many rows of it, by request: what is said of a shard is kept once.
    pub(super) shards: Vec<Vec<(Arc<Shard>, u64)>>,
    pub(crate) shards_searched: u64,
    pub(super) targets: Vec<Target>,
    /// Shards that an erasure which is only tried would change.
    pub(super) tried: Vec<Target>,
    /// Each request's shards for its receipt, by request.
    pub(crate) receipts: Vec<Vec<Share>>,
    /// Requests with a shard that could not be changed, by request.
    pub(super) blocked: Vec<bool>,
    /// Shards whose hidden rows are out of the bytes, other requests' among them.
    pub(super) purged: Vec<Purged>,
}

impl Pass<'_> {
    /// Brings the job to its end with what was found in all of its sets: writes packages, then erases, then writes receipts. The sets
    /// come source after source and in their order, as [`plan`](Self::plan) cut them: a package's records keep it.
    pub async fn finish(self, found: impl Stream<Item = Result<SetFound, Error>>) -> Result<Outcome, Error> {
        self.tombstones().await?;
        let mut gathered = Gathered::new(&self)?;
        let mut found = std::pin::pin!(found);
        while let Some(found) = found.next().await {
            let found = found?;
            let index = self.sources.iter().position(|prepared| prepared.source.name == found.source);
            let index = index.ok_or(Error::Defect("a set of shards is of a source that the job lacks"))?;
            gathered.take(&self, index, found).await?;
        }
        self.conclude(gathered).await
    }
}

impl Gathered {
    /// Nothing yet.
    pub(super) fn new(pass: &Pass<'_>) -> Result<Self, Error> {
        let requests = pass.job.requests.len();
        let sources = pass.sources.iter().map(|prepared| Searched {
            outcome: SourceOutcome {
                source: prepared.source.name.clone(),
                searched: prepared.is_searchable(),
                ..SourceOutcome::default()
            },
            matched: vec![0; requests],
            shards: vec![Vec::new(); requests],
            receipts: vec![Vec::new(); requests],
            blocked: vec![false; requests],
            ..Searched::default()
        });
        let spool = Spool::new(pass.engine.shop.temp_dir()).map_err(Error::Temp)?;
        Ok(Self { sources: sources.collect(), spool: Arc::new(spool), stale: Vec::new() })
    }

    /// Adds what was found in shards of source `index`.
    pub(super) async fn take(&mut self, pass: &Pass<'_>, index: usize, found: SetFound) -> Result<(), Error> {
        let (searched, prepared) = (&mut self.sources[index], &pass.sources[index]);
        let outcome = &mut searched.outcome;
        let counts = &found.counts;
        searched.shards_searched += counts.shards_searched;
        outcome.shards += counts.shards;
        outcome.shards_matched += found.shards.len() as u64;
        outcome.rows_scanned += counts.rows_scanned;
        outcome.bytes_read += counts.bytes_read;
        outcome.bytes_decompressed += counts.effort.bytes_decompressed;
        outcome.pages_decoded += counts.effort.pages_decoded;
        outcome.rows_decoded += counts.effort.rows_decoded;
        outcome.matched += counts.matched;
        outcome.problems.extend(found.problems);
        for (shard, _) in &found.stale {
            if outcome.superseded.last() != Some(shard) {
                outcome.superseded.push(shard.clone());
            }
        }
        self.stale.extend(found.stale);
        for shard in found.shards {
            searched.take(pass, prepared, shard);
        }
        if let Some(records) = found.records
            && prepared.asked.collects()
        {
            let spool = self.spool.clone();
            blocking(move || spool.append(index, records)).await.map_err(temp)?;
        }
        Ok(())
    }

    /// Says in the log what was found in a source.
    pub(super) fn tell(&self, index: usize) {
        let SourceOutcome { source, shards, shards_matched, rows_scanned: rows, matched, problems, .. } =
            &self.sources[index].outcome;
        tracing::info!(source, shards, shards_matched, rows, matched, problems = problems.len(), "searched");
    }

    /// Notes sources where there was nothing to search: that is not the same as to find nothing.
    pub(super) async fn note_empty(&mut self, pass: &Pass<'_>) {
        for (prepared, searched) in pass.sources.iter().zip(&mut self.sources) {
            let outcome = &mut searched.outcome;
            let should_have = !prepared.source.may_be_empty && !pass.is_partial;
            let is_empty = should_have && outcome.searched && outcome.shards == 0 && outcome.problems.is_empty();
            // Where there are shards of other tenants, there may be none of the request's.
            if is_empty && !pass.has_shards(prepared).await {
                outcome.problems.push(Problem {
                    shard: prepared.source.shards.clone(),
                    reason: format!(
                        "no blob in {} matches it, so nothing was searched (where a source may have none, `may_be_empty = true` says so)",
                        pass.engine.settings.store.url()
                    ),
                });
            }
        }
    }
}

impl Searched {
    fn take(&mut self, pass: &Pass<'_>, prepared: &Prepared<'_>, shard: FoundShard) {
        let FoundShard { info, rows, poisoned, matches } = shard;
        let (path, etag) = (info.path.to_string(), info.etag.to_string());
        let shard = Arc::new(Shard { shard: path, etag, rows_scanned: rows, matched: 0 });
        for (selector, own) in matches.iter() {
            self.matched[selector as usize] += own.len();
            self.shards[selector as usize].push((shard.clone(), own.len()));
        }
        let format = match ShardFormat::of(prepared.source, info.path.as_str()) {
            Ok(format) => format,
            // Another worker searched it, by another configuration.
            Err(reason) => return self.outcome.problems.push(Problem { shard: info.path.to_string(), reason }),
        };
        let of = |counts: fn(&Request) -> bool| {
            let own = |selector: SelectorIndex| counts(&pass.job.requests[selector as usize]);
            matches.iter().any(|(selector, _)| own(selector)).then(|| {
                let mut matches = matches.clone();
                matches.retain(own);
                Target { info: info.clone(), format: format.clone(), rows, matches, poisoned }
            })
        };
        self.tried.extend(of(Request::tries));
        self.targets.extend(of(Request::changes));
    }
}

fn temp(error: ShardError) -> Error {
    match error {
        ShardError::Temp(error) => Error::Temp(error),
        _ => Error::Defect("writing a temporary file"),
    }
}
