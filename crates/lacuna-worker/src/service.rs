//! A worker that stays: each kind of work at its times, requests on demand and notices at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use lacuna_engine::chain;
use lacuna_ledger::Lane;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::metrics::Waiting;
use crate::summary::Summary;
use crate::{Result, Schedule, Work, Worker};

/// When each kind of work is done; one without a schedule is left to others.
pub type Schedules = BTreeMap<Work, Schedule>;

impl Worker {
    /// Works until `stop` is cancelled, and what was begun is finished or handed back. What fails is logged and tried again at its next
    /// time: a worker that stays outlives its ledger's and its store's outages.
    pub async fn serve(&self, schedules: &Schedules, stop: &CancellationToken) {
        let scheduled = schedules.iter().map(|(work, schedule)| self.at_times(*work, schedule, stop));
        tokio::join!(
            join_all(scheduled),
            self.again_and_again("requests on demand", stop, async || {
                Box::pin(self.lane(Lane::OnDemand, stop)).await.map(drop)
            }),
            // The common pass begins at its times, and once it is there, all workers share it.
            self.again_and_again("the common pass", stop, async || {
                Box::pin(self.help(Lane::Batch, &mut Summary::default(), stop)).await
            }),
            self.again_and_again("notices", stop, async || self.tell().await.map(drop)),
        );
    }

    async fn at_times(&self, work: Work, schedule: &Schedule, stop: &CancellationToken) {
        while let Some(next) = schedule.next(self.now()) {
            let wait = Duration::try_from(next - self.now()).unwrap_or_default();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            match Box::pin(self.at(work, next, stop)).await {
                Ok(summary) => {
                    tracing::info!(%work, summary = %serde_json::to_string(&summary).unwrap_or_default(), "done")
                }
                Err(error) => {
                    tracing::error!(%work, error = chain(&error), "failed; it is tried again at its next time")
                }
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    /// Does what was `due` then. What another worker has done since, of work that one does for all, is not done again.
    pub async fn at(&self, work: Work, due: OffsetDateTime, stop: &CancellationToken) -> Result<Summary> {
        self.work(work, Some(due), stop).await
    }

    async fn again_and_again(&self, what: &str, stop: &CancellationToken, work: impl AsyncFn() -> Result<()>) {
        while !stop.is_cancelled() {
            if let Err(error) = work().await {
                tracing::error!(error = chain(&error), "{what}: failed, and tried again");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.settings.look_every) => {}
            }
        }
    }

    /// What waits now, for the page of metrics; `None` when the ledger does not answer.
    pub async fn waiting(&self) -> Option<Waiting> {
        let now = self.now();
        self.ledger.overview(now).await.ok().map(|overview| Waiting::of(&overview, now))
    }
}
