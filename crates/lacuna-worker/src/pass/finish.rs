//! The end of a pass: what all sets found becomes packages, erasures and receipts, and each request moves on.

use lacuna_engine::{Outcome, Reporter, chain};
use lacuna_ledger::{Conclusion, Ending, Missing, PassClaim, PassRequest, SetId, SetResult, SetStatus};
use tokio_util::sync::CancellationToken;

use super::end::conclusions;
use super::marks::Marks;
use crate::job::{Composed, LeftOut, Stage};
use crate::summary::Summary;
use crate::{Result, Worker};

/// Sets that are asked for at a time.
const PAGE: u32 = 500;

impl Worker {
    pub(super) async fn finish(
        &self,
        claim: &PassClaim,
        summary: &mut Summary,
        stop: &CancellationToken,
    ) -> Result<()> {
        let composed = self.composed(claim.pass, claim.lane, Stage::End).await?;
        if self.conclude_left_out(claim, &composed, summary).await? {
            return self.forget_found(claim).await;
        }
        let sets = self.sets(claim).await?;
        let started = std::time::Instant::now();
        let marks = Marks::before(self).await?;
        let ended = match Box::pin(self.run(claim, &composed, &sets, stop)).await {
            Ok(outcome) if outcome.interrupted || stop.is_cancelled() => {
                // What was done stays done; another worker does the rest.
                self.hand_back(claim).await;
                return Ok(());
            }
            Ok(outcome) => {
                self.count(&outcome, started.elapsed());
                (conclusions(&composed, &outcome), Some(outcome))
            }
            // A destination that cannot be written, a disk that is full: every request is tried again, and says why.
            Err(error) if stop.is_cancelled() => {
                tracing::warn!(error = chain(&error), pass = claim.pass.0, "stopped in the middle of an error");
                self.hand_back(claim).await;
                return Ok(());
            }
            Err(error) => {
                tracing::error!(error = chain(&error), pass = claim.pass.0, "a pass could not be finished");
                let ending = incomplete(&chain(&error));
                (composed.placed.iter().map(|placed| untouched(&placed.request, ending.clone())).collect(), None)
            }
        };
        let (conclusions, outcome) = ended;
        self.ledger.conclude(claim, &conclusions, &self.actor, self.now()).await?;
        summary.passes += 1;
        summary.requests.count(&conclusions);
        self.metrics.retries(count_incomplete(&conclusions));
        tracing::info!(pass = claim.pass.0, lane = claim.lane.as_str(), requests = conclusions.len(), "finished");
        if let Some(outcome) = outcome {
            marks.advance(self, &composed, &outcome, claim.pass, &sets).await?;
        }
        self.forget_found(claim).await
    }

    /// Runs the job's end on what the sets found.
    async fn run(
        &self,
        claim: &PassClaim,
        composed: &Composed,
        sets: &[SetStatus],
        stop: &CancellationToken,
    ) -> Result<Outcome, lacuna_engine::Error> {
        let (engine, reporter) = (self.engine(claim.lane), Reporter::default());
        let pass = engine.pass(&composed.job, &reporter, stop)?;
        let unsearched = lacuna_engine::Error::Defect("a pass ends before all of its sets are searched");
        let results: Option<Vec<&SetResult>> = sets.iter().map(|set| set.result.as_ref()).collect();
        let mut kept: Vec<&str> =
            results.ok_or(unsearched)?.into_iter().map(|found| found.reference.as_str()).collect();
        // A set without a reference was searched for nobody.
        kept.retain(|reference| !reference.is_empty());
        let found = futures::stream::iter(kept);
        let found = futures::StreamExt::then(found, async |reference| engine.load(&composed.job, reference).await);
        pass.finish(found).await
    }

    /// All sets of a pass, in their order.
    async fn sets(&self, claim: &PassClaim) -> Result<Vec<SetStatus>> {
        let (mut all, mut after) = (Vec::<SetStatus>::new(), None::<SetId>);
        loop {
            let page = self.ledger.sets(claim.pass, after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            after = page.last().map(|set| set.set);
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Concludes the requests that cannot be done, or not now; whether the pass has ended with them.
    pub(super) async fn conclude_left_out(
        &self,
        claim: &PassClaim,
        composed: &Composed,
        summary: &mut Summary,
    ) -> Result<bool> {
        if composed.left_out.is_empty() && !composed.placed.is_empty() {
            return Ok(false);
        }
        let ending = |why: &LeftOut| match why {
            LeftOut::Held(reason) => incomplete(&format!("held: {reason}")),
            LeftOut::Wrong(reason) => Ending::Failed { reason: reason.clone() },
        };
        let conclusions = composed.left_out.iter().map(|(request, why)| untouched(request, ending(why)));
        let conclusions: Vec<_> = conclusions.collect();
        let ended = self.ledger.conclude(claim, &conclusions, &self.actor, self.now()).await?;
        summary.requests.count(&conclusions);
        summary.passes += u64::from(ended);
        Ok(ended)
    }

    /// Removes what was kept of a pass that has ended: it holds personal data. What a killed worker leaves, the retention removes.
    async fn forget_found(&self, claim: &PassClaim) -> Result<()> {
        self.engine(claim.lane).forget_pass(&claim.pass.to_string()).await?;
        Ok(())
    }

    fn count(&self, outcome: &Outcome, took: std::time::Duration) {
        for source in outcome.sources.iter().filter(|source| source.searched) {
            self.metrics.changed(source);
            self.metrics.pass(&source.source, took);
        }
    }
}

/// The conclusion of a request for which nothing was done: what was found earlier stays known.
fn untouched(request: &PassRequest, ending: Ending) -> Conclusion {
    let request = &request.request;
    let counts = request.counts.clone().unwrap_or_default();
    Conclusion { request: request.id, ending, counts, package: None, receipt: None }
}

/// That all of a request is missing, and why.
fn incomplete(reason: &str) -> Ending {
    Ending::Incomplete { missing: vec![Missing { source: "*".into(), shard: "*".into(), reason: reason.to_owned() }] }
}

fn count_incomplete(conclusions: &[Conclusion]) -> u64 {
    conclusions.iter().filter(|conclusion| matches!(conclusion.ending, Ending::Incomplete { .. })).count() as u64
}
