//! The purge: hidden rows out of the bytes, and the requests complete that waited for it.

use std::collections::BTreeSet;

use lacuna_engine::{OnErase, PurgeOptions, Receipt, Reporter, RequestId as EngineId, Source};
use lacuna_ledger::{Conclusion, Counts, Ending, Error as LedgerError, HoldFilter, Request, RequestId};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::summary::{PurgeSummary, Summary};
use crate::{Result, Work, Worker};

/// Requests that are asked for at a time.
const PAGE: u32 = 500;

impl Worker {
    pub(crate) async fn purge(&self, due: Option<OffsetDateTime>, stop: &CancellationToken) -> Result<Summary> {
        let purge = self.on_duty(Work::Purge, due, stop, async |stop| self.purge_all(stop).await).await?;
        Ok(Summary { purge, ..Summary::default() })
    }

    async fn purge_all(&self, stop: &CancellationToken) -> Result<PurgeSummary> {
        let engine = &self.engines.batch;
        let held = self.held().await?;
        let sources = self.purgeable().await?;
        let mut summary = PurgeSummary::default();
        if !sources.is_empty() {
            let options = PurgeOptions {
                due_within: self.settings.purge_within,
                held,
                chain_head: Some(self.ledger.chain_head().await?.to_string()),
            };
            let outcome = Box::pin(engine.purge(&sources, options, &Reporter::default(), stop)).await?;
            for (source, rows) in &outcome.sources {
                self.metrics.purged(source, *rows);
            }
            summary = PurgeSummary {
                shards: outcome.shards,
                purged: outcome.shards_purged,
                not_due: outcome.shards_not_due,
                held: outcome.shards_held,
                rows: outcome.rows_purged,
                complete: 0,
                problems: outcome.problems,
            };
        }
        if !stop.is_cancelled() {
            summary.complete = self.verify(stop).await?;
        }
        Ok(summary)
    }

    /// The requests with hidden rows of somebody who is held: a hold that was set since wins still.
    async fn held(&self) -> Result<BTreeSet<String>> {
        let mut held = BTreeSet::new();
        for id in self.engines.batch.hiding().await? {
            // One that no ledger knows was made at a terminal.
            let Ok(request) = id.parse::<RequestId>() else { continue };
            match self.ledger.holds_on(request).await {
                Ok(holds) if holds.iter().any(|hold| hold.source.is_none()) => drop(held.insert(id)),
                Ok(_) | Err(LedgerError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(held)
    }

    /// The sources that an erasure may change now.
    pub(crate) async fn purgeable(&self) -> Result<Vec<Source>> {
        let holds = self.ledger.holds(&HoldFilter::default()).await?;
        let sources = self.catalogue.held_by(holds.iter());
        Ok(sources.into_iter().filter(|source| !matches!(source.on_erase, OnErase::Keep { .. })).collect())
    }

    /// Completes the requests whose last hidden row is out of the bytes; how many those are.
    async fn verify(&self, stop: &CancellationToken) -> Result<u64> {
        let hiding = self.engines.batch.hiding().await?;
        let (mut complete, mut after) = (0, None);
        loop {
            let page = self.ledger.hidden_requests(after, PAGE).await?;
            for request in page.iter().filter(|request| !hiding.contains(&request.id.to_string())) {
                if stop.is_cancelled() {
                    return Ok(complete);
                }
                complete += u64::from(self.verify_one(request).await?);
            }
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = Some(last.id),
                _ => return Ok(complete),
            }
        }
    }

    /// Completes a request, if its newest receipt says that nothing of it is left to do.
    async fn verify_one(&self, request: &Request) -> Result<bool> {
        let Some(id) = EngineId::new(&request.id.to_string()) else { return Ok(false) };
        let Some((place, receipt)) = self.engines.batch.receipt(&id).await? else { return Ok(false) };
        if receipt.shards_pending() > 0 {
            return Ok(false);
        }
        let verified = Conclusion {
            request: request.id,
            ending: Ending::Complete,
            counts: erased(request.counts.clone().unwrap_or_default(), &receipt),
            package: None,
            receipt: Some(place),
        };
        match self.ledger.verified(&verified, &self.actor, self.now()).await {
            Ok(_) => Ok(true),
            // Somebody else was there first.
            Err(LedgerError::Refused(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The counts, with what the receipt says is out of the bytes.
fn erased(mut counts: Counts, receipt: &Receipt) -> Counts {
    for source in &mut counts.sources {
        if let Some(own) = receipt.sources.iter().find(|own| own.source == source.source) {
            source.erased = own.rows_erased();
        }
    }
    counts
}
