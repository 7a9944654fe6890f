//! The purge: hidden rows out of the bytes, and the requests complete that waited for it.

use std::collections::HashMap;

use lacuna_engine::{Error as EngineError, Problem, PurgeOptions, Receipt, Reporter, RequestId as EngineId, Source};
use lacuna_ledger::{Conclusion, Counts, Ending, Error as LedgerError, HoldFilter, Missing, Request, RequestId, State};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::summary::{PurgeSummary, Summary};
use crate::{Error, Result, Work, Worker, known_due};

/// Requests that are asked for at a time.
const PAGE: u32 = 500;

impl Worker {
    pub(crate) async fn purge(&self, due: Option<OffsetDateTime>, stop: &CancellationToken) -> Result<Summary> {
        let purge = self.on_duty(Work::Purge, due, stop, async |stop| self.purge_all(stop).await).await?;
        Ok(Summary { purge, ..Summary::default() })
    }

    async fn purge_all(&self, stop: &CancellationToken) -> Result<PurgeSummary> {
        let engine = &self.engines.batch;
        let sources = self.sources_now().await?;
        let mut summary = PurgeSummary::default();
        let (hiding, unread) = match self.look_ahead().await {
            Ok(hiding) => (hiding, None),
            Err(error) => (Vec::new(), Some(problem(error)?)),
        };
        if !sources.is_empty() {
            let known_due = match self.settings.purge_within {
                Some(within) => known_due(&self.ledger, &hiding, within, self.now()).await?,
                None => HashMap::new(),
            };
            let options = PurgeOptions {
                due_within: self.settings.purge_within,
                known_due,
                chain_head: Some(self.ledger.chain_head().await?.to_string()),
                others: Vec::new(),
            };
            let outcome = Box::pin(engine.purge(&sources, options, &Reporter::default(), stop)).await?;
            for (source, rows) in &outcome.sources {
                self.metrics.purged(source, *rows);
            }
            for purged in outcome.requests.iter().filter(|purged| purged.rows > 0) {
                self.note_purged(&purged.request, &mut summary).await?;
            }
            summary = PurgeSummary {
                shards: outcome.shards,
                purged: outcome.shards_purged,
                not_due: outcome.shards_not_due,
                held: outcome.shards_held,
                rows: outcome.rows_purged,
                problems: outcome.problems.into_iter().chain(summary.problems).collect(),
                ..summary
            };
        }
        unread.into_iter().for_each(|problem| summary.note(problem));
        // Of what cannot be read it cannot be told whom it hides: nobody is done until it can.
        if !stop.is_cancelled()
            && let Err(error) = self.verify(&mut summary, stop).await
        {
            summary.note(problem(error)?);
        }
        Ok(summary)
    }

    /// Shows again what requests have hidden that were taken back since; answers with those that have rows hidden.
    async fn look_ahead(&self) -> Result<Vec<RequestId>> {
        let hiding: Vec<_> = self.engines.batch.hiding().await?.iter().filter_map(|id| id.parse().ok()).collect();
        let taken_back = self.ledger.taken_back(&hiding).await?;
        if !taken_back.is_empty() {
            let names: Vec<String> = taken_back.iter().map(ToString::to_string).collect();
            self.engines.batch.show_again(&names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        }
        Ok(hiding)
    }

    /// The sources as they are erased now: those that are held keep their rows.
    pub(crate) async fn sources_now(&self) -> Result<Vec<Source>> {
        let holds = self.ledger.holds(&HoldFilter::default()).await?;
        Ok(self.catalogue.held_by(holds.iter()))
    }

    /// Completes the requests whose last hidden row is out of the bytes. One whose receipt cannot be read is a problem, and waits.
    async fn verify(&self, summary: &mut PurgeSummary, stop: &CancellationToken) -> Result<()> {
        let hiding = self.engines.batch.hiding().await?;
        let (mut after, mut left) = (None, Vec::new());
        loop {
            let page = self.ledger.hidden_requests(after, PAGE).await?;
            after = page.last().map(|request| request.id);
            let is_last = page.len() < PAGE as usize;
            for request in page.into_iter().filter(|request| !hiding.contains(&request.id.to_string())) {
                if stop.is_cancelled() {
                    return Ok(());
                }
                let known = match self.receipt_of(&request).await? {
                    Ok(known) => known,
                    Err(problem) => {
                        summary.note(problem);
                        continue;
                    }
                };
                match known.as_ref().is_some_and(|(_, receipt)| receipt.is_done()) {
                    true => {
                        summary.complete += u64::from(self.verified(&request, known, Ending::Complete).await?);
                    }
                    false => left.push(request),
                }
            }
            if is_last {
                break;
            }
        }
        self.search_again(left, summary, stop).await
    }

    /// Has requests searched again of which nothing is hidden and whose newest receipts still say that something is to be done: a run that
    /// was late told of a shard as it had been. What is hidden is looked at anew, after they were seen to wait: rows that another worker hid
    /// in between are no reason, and neither are old bytes, which the next purge looks after.
    async fn search_again(
        &self,
        left: Vec<Request>,
        summary: &mut PurgeSummary,
        stop: &CancellationToken,
    ) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let hiding = self.engines.batch.hiding().await?;
        for request in left.iter().filter(|request| !hiding.contains(&request.id.to_string())) {
            if stop.is_cancelled() {
                break;
            }
            // What could be read a moment ago is read by the next purge.
            let Ok(known) = self.receipt_of(request).await? else { continue };
            let ending = match &known {
                Some((_, receipt)) if receipt.is_done() => Ending::Complete,
                Some((_, receipt)) if receipt.waits_for_old_bytes() => continue,
                Some((_, receipt)) => Ending::Incomplete { missing: missing(receipt) },
                None => {
                    let reason = "its receipt is not where it was written".to_owned();
                    Ending::Incomplete { missing: vec![Missing { source: "*".into(), shard: "*".into(), reason }] }
                }
            };
            let count = match &ending {
                Ending::Complete => &mut summary.complete,
                _ => &mut summary.incomplete,
            };
            *count += u64::from(self.verified(request, known, ending).await?);
        }
        Ok(())
    }

    /// Notes in the ledger what was taken out of the bytes for a request that does not wait for that, but is incomplete or over.
    async fn note_purged(&self, request: &str, summary: &mut PurgeSummary) -> Result<()> {
        // Whoever has no ledger chooses other ids.
        let Ok(id) = request.parse() else { return Ok(()) };
        let request = match self.ledger.request(id).await {
            Err(LedgerError::NotFound(_)) => return Ok(()),
            request => request?,
        };
        if matches!(request.state, State::Running | State::Verifying) {
            return Ok(());
        }
        match self.receipt_of(&request).await? {
            Ok(Some((place, receipt))) => {
                let mut counts = request.counts.clone().unwrap_or_default();
                note_told(&mut counts, &receipt);
                self.ledger.purged(id, &counts, &place, &self.actor, self.now()).await?;
            }
            Ok(None) => {}
            Err(problem) => summary.note(problem),
        }
        Ok(())
    }

    /// The newest receipt of a request, and where it lies; a problem, where it cannot be read.
    async fn receipt_of(&self, request: &Request) -> Result<Result<Option<(String, Receipt)>, Problem>> {
        let Some(id) = EngineId::new(&request.id.to_string()) else { return Ok(Ok(None)) };
        match self.engines.batch.receipt(&id).await {
            Ok(receipt) => Ok(Ok(receipt)),
            Err(error) => problem(error.into()).map(Err),
        }
    }

    /// Ends a request of which this receipt is known; false, if somebody else was there first.
    async fn verified(&self, request: &Request, known: Option<(String, Receipt)>, ending: Ending) -> Result<bool> {
        let mut counts = request.counts.clone().unwrap_or_default();
        let receipt = known.map(|(place, receipt)| {
            note_told(&mut counts, &receipt);
            place
        });
        let verified = Conclusion { request: request.id, ending, counts, package: None, receipt };
        match self.ledger.verified(&verified, &self.actor, self.now()).await {
            Ok(_) => Ok(true),
            Err(LedgerError::Refused(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is wrong with one thing beside the logs, which stops nothing else; any other error is one.
fn problem(error: Error) -> Result<Problem> {
    match error {
        Error::Engine(EngineError::Shard { shard, reason }) => Ok(Problem { shard, reason }),
        error => Err(error),
    }
}

/// What a receipt says is left to do.
fn missing(receipt: &Receipt) -> Vec<Missing> {
    let pending = receipt.sources.iter().flat_map(|source| {
        source.pending().map(|line| Missing {
            source: source.source.clone(),
            shard: line.shard.clone(),
            reason: line.reason.clone().unwrap_or_else(|| "it is searched again".into()),
        })
    });
    let problems = receipt.sources.iter().flat_map(|source| {
        source.problems.iter().map(|problem| Missing {
            source: source.source.clone(),
            shard: problem.shard.clone(),
            reason: problem.reason.clone(),
        })
    });
    pending.chain(problems).take(Missing::KEPT_MAX).collect()
}

/// Notes in the counts what the receipt tells.
fn note_told(counts: &mut Counts, receipt: &Receipt) {
    for source in &mut counts.sources {
        if let Some(own) = receipt.sources.iter().find(|own| own.source == source.source) {
            let told = own.told();
            source.matched = source.matched.max(told.matched);
            source.erased = told.erased;
            source.shards = source.shards.max(told.shards);
        }
    }
}
