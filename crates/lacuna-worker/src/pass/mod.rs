//! Passes: the requests that are due ride together, and workers share the way.
//!
//! Whoever begins a pass plans it: the shards are listed and cut into sets. All workers search sets, and keep what they found beside the
//! logs. One of them finishes: packages, erasures, receipts, and the requests' states. Each of these steps holds a lease, can be killed
//! anywhere, and comes to the same when another worker does it again.

mod end;
mod finish;
mod marks;
mod plan;
mod search;

use lacuna_ledger::{Lane, PassClaim, PassId, PassRequest, Phase};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::job::{Composed, Stage};
use crate::lease::holding;
use crate::summary::Summary;
use crate::{Result, Worker};

impl Worker {
    /// Works on the passes of a lane, and begins one when requests are due, until there is nothing more to do there now.
    pub(crate) async fn lane(&self, lane: Lane, stop: &CancellationToken) -> Result<Summary> {
        let mut summary = Summary::default();
        loop {
            self.help(lane, &mut summary, stop).await?;
            if stop.is_cancelled() {
                return Ok(summary);
            }
            let (lease, requests_max) = (self.lease(), self.settings.requests_max);
            match self.ledger.begin_pass(lane, &self.actor, requests_max, lease, self.now()).await? {
                Some(claim) => self.lead(&claim, &mut summary, stop).await?,
                None => return Ok(summary),
            }
        }
    }

    /// Works on the passes of a lane that were begun, whoever did: searches sets, finishes, takes over what dead workers left.
    pub(crate) async fn help(&self, lane: Lane, summary: &mut Summary, stop: &CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            if let Some(claim) = self.ledger.claim_pass(lane, &self.actor, self.lease(), self.now()).await? {
                self.lead(&claim, summary, stop).await?;
            } else if self.search(lane, summary, stop).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Plans or finishes a pass, for as long as this worker holds it.
    async fn lead(&self, claim: &PassClaim, summary: &mut Summary, stop: &CancellationToken) -> Result<()> {
        if claim.taken_over {
            self.metrics.lease_takeovers(1);
            tracing::warn!(pass = claim.pass.0, "a pass is taken over from a worker whose lease ran out");
        }
        let stop = stop.child_token();
        let renew = async || self.ledger.renew_pass(claim, self.lease(), self.now()).await;
        let phase = if claim.phase == Phase::Planning { "plan" } else { "finish" };
        let span = tracing::info_span!("pass", otel.name = phase, pass = claim.pass.0, lane = claim.lane.as_str());
        let work = async {
            match claim.phase {
                Phase::Planning => self.plan(claim, summary, &stop).await,
                _ => self.finish(claim, summary, &stop).await,
            }
        };
        let work = work.instrument(span);
        match Box::pin(holding(self.settings.lease, &stop, renew, work)).await {
            // Another worker goes on with it.
            Err(error) if error.is_fenced() => Ok(()),
            Err(error) => {
                // Whoever comes next need not wait for the lease to run out.
                self.hand_back(claim).await;
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Lets another worker have the pass at once.
    async fn hand_back(&self, claim: &PassClaim) {
        if let Err(error) = self.ledger.release_pass(claim).await {
            tracing::warn!(%error, pass = claim.pass.0, "a pass could not be handed back; its lease will run out");
        }
    }

    /// The job of a pass, as it stands now.
    async fn composed(&self, pass: PassId, lane: Lane, stage: Stage) -> Result<Composed> {
        self.compose(self.ledger.pass_requests(pass).await?, lane, stage).await
    }

    /// The job of these requests.
    async fn compose(&self, requests: Vec<PassRequest>, lane: Lane, stage: Stage) -> Result<Composed> {
        let head = self.ledger.chain_head().await?.to_string();
        Ok(self.catalogue.compose(requests, stage, &head, self.engine(lane)))
    }
}
