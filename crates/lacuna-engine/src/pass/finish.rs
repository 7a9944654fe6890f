//! The end of a job, once everything was searched: packages, then limits, then erasures, then receipts. A package is complete before
//! anything that it holds is erased.

use super::Pass;
use super::gather::{Gathered, Searched};
use crate::erase::hidden;
use crate::outcome::{RequestOutcome, RequestSource, SourceOutcome};
use crate::receipt::{ReceiptShard, ShardState};
use crate::{Action, Error, Outcome};

impl Pass<'_> {
    pub(super) async fn conclude(mut self, mut gathered: Gathered) -> Result<Outcome, Error> {
        if !self.cancel.is_cancelled() {
            gathered.note_empty(&self).await;
        }
        let mut outcomes: Vec<RequestOutcome> = self.request_outcomes(&gathered.sources);
        if !self.cancel.is_cancelled() {
            self.publish(&gathered, &mut outcomes).await?;
        }
        let Gathered { sources: mut searched, spool, stale } = gathered;
        // Its records are in packages by now; erasures need the room more.
        drop(spool);
        if !self.cancel.is_cancelled() {
            self.rehearse(&mut searched).await?;
            self.stop(&searched, &mut outcomes);
            self.erase(&mut searched, &outcomes).await?;
        }
        let interrupted = self.cancel.is_cancelled();
        self.settle(&searched, interrupted, &mut outcomes);
        self.statement.end();
        self.write_receipts(&mut searched, interrupted, &mut outcomes).await;
        self.settle_others(&mut searched, &outcomes).await;
        let searched_anew: Vec<&str> = (self.job.requests.iter().zip(&outcomes))
            .filter(|(request, outcome)| request.changes() && outcome.complete)
            .map(|(request, _)| request.id.as_str())
            .collect();
        if !searched_anew.is_empty()
            && let Some(tombstones) = self.tombstones.take()
        {
            let store = self.engine.settings.store.as_ref();
            let superseded = if self.is_partial { Vec::new() } else { tombstones.superseded() };
            let is_searched = |shard: &str| self.sources.iter().any(|prepared| prepared.glob.names(shard));
            if let Err(error) = hidden::release(store, &searched_anew, &stale, superseded, is_searched).await
                && let Some(searched) = searched.first_mut()
            {
                searched.outcome.problems.push(error.into_problem("a tombstone of an older version"));
            }
        }
        let sources: Vec<SourceOutcome> = searched.into_iter().map(|searched| searched.outcome).collect();
        Ok(Outcome {
            matched: sources.iter().map(|source| source.matched).sum(),
            sources,
            requests: outcomes,
            interrupted,
        })
    }

    fn request_outcomes(&self, searched: &[Searched]) -> Vec<RequestOutcome> {
        let requests = self.job.requests.iter().enumerate();
        requests
            .map(|(index, request)| RequestOutcome {
                request: request.id.clone(),
                matched: searched.iter().map(|searched| searched.matched[index]).sum(),
                erased: 0,
                hidden: 0,
                kept: 0,
                complete: self.searched_for(index, searched).all(|searched| searched.outcome.problems.is_empty()),
                stopped: None,
                sources: Vec::new(),
                package: None,
                receipt: None,
                receipt_jws: None,
            })
            .collect()
    }

    /// The sources that could hold rows of request `index`.
    fn searched_for<'s>(&'s self, index: usize, searched: &'s [Searched]) -> impl Iterator<Item = &'s Searched> {
        let sources = self.sources.iter().zip(searched);
        sources.filter(move |(prepared, _)| prepared.searchable[index]).map(|(_, searched)| searched)
    }

    /// Brings the requests' outcomes up to what came after the search: an erasure is complete when every shard was changed.
    fn settle(&self, searched: &[Searched], interrupted: bool, outcomes: &mut [RequestOutcome]) {
        for (index, outcome) in outcomes.iter_mut().enumerate() {
            outcome.complete &= !interrupted && searched.iter().all(|searched| !searched.blocked[index]);
            outcome.sources = self.searched_for(index, searched).map(|searched| searched.of_request(index)).collect();
            if matches!(self.job.requests[index].action, Action::Discover) {
                let sources = outcome.sources.iter_mut().zip(self.searched_for(index, searched));
                sources.for_each(|(source, searched)| source.found = searched.found(index));
            }
            outcome.erased = outcome.sources.iter().map(|source| source.erased).sum();
            outcome.hidden = outcome.sources.iter().map(|source| source.hidden).sum();
            outcome.kept = outcome.sources.iter().map(|source| source.kept).sum();
        }
    }
}

impl Searched {
    /// What came of one request here.
    fn of_request(&self, index: usize) -> RequestSource {
        let rows = |counts: fn(&ReceiptShard) -> bool| {
            self.receipts[index].iter().filter(|share| counts(&share.line)).map(|share| share.matched).sum()
        };
        RequestSource {
            source: self.outcome.source.clone(),
            rows_scanned: self.outcome.rows_scanned,
            matched: self.matched[index],
            shards: self.shards[index].len() as u64,
            erased: rows(ReceiptShard::is_replaced),
            hidden: rows(|line| line.state == ShardState::Hidden),
            kept: rows(|line| line.state == ShardState::Kept),
            told: None,
            found: Vec::new(),
        }
    }

    /// The shards with rows of a request, and how many.
    fn found(&self, index: usize) -> Vec<(String, u64)> {
        self.shards[index].iter().map(|(shard, matched)| (shard.shard.clone(), *matched)).collect()
    }
}
