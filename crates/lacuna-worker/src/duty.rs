//! Duties: work that one worker of a ledger does at a time.

use lacuna_ledger::DutyClaim;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::lease::holding;
use crate::{Result, Work, Worker};

impl Worker {
    /// Does `duty` unless another worker is at this kind of work, or has done it since it was `due`; `None` then.
    pub(crate) async fn on_duty<T>(
        &self,
        work: Work,
        due: Option<OffsetDateTime>,
        stop: &CancellationToken,
        duty: impl AsyncFnOnce(&CancellationToken) -> Result<T>,
    ) -> Result<Option<T>> {
        let claim = self.ledger.claim_duty(work.as_str(), &self.actor, self.lease(), self.now()).await?;
        let Some(claim) = claim else {
            tracing::info!(%work, "another worker is at it");
            return Ok(None);
        };
        if due.is_some_and(|due| claim.last_done.is_some_and(|done| done >= due)) {
            tracing::info!(%work, "another worker has done it");
            self.ledger.release_duty(&claim).await?;
            return Ok(None);
        }
        self.metrics.lease_takeovers(claim.taken_over.into());
        let stop = stop.child_token();
        let renew = async || self.ledger.renew_duty(&claim, self.lease(), self.now()).await;
        let done = Box::pin(holding(self.settings.lease, &stop, renew, duty(&stop))).await;
        self.leave(&claim, done.is_ok() && !stop.is_cancelled()).await;
        done.map(Some)
    }

    async fn leave(&self, claim: &DutyClaim, is_done: bool) {
        let left = match is_done {
            true => self.ledger.duty_done(claim, self.now()).await,
            false => self.ledger.release_duty(claim).await,
        };
        match left {
            Ok(()) | Err(lacuna_ledger::Error::Fenced) => {}
            Err(error) => tracing::warn!(%error, "a duty could not be handed back; its lease will run out"),
        }
    }
}
