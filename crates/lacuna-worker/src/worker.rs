//! A worker: what it works with, and one round of all there is to do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lacuna_engine::{Engine, SetSize};
use lacuna_ledger::{Actor, Lane, Ledger};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::job::Catalogue;
use crate::metrics::Metrics;
use crate::notice::{Notifier, Told};
use crate::summary::Summary;
use crate::{Result, Work};

/// Works through a ledger.
pub struct Worker {
    pub(crate) ledger: Ledger,
    pub(crate) engines: Engines,
    pub(crate) catalogue: Catalogue,
    pub(crate) notifier: Notifier,
    pub(crate) metrics: Metrics,
    pub(crate) actor: Actor,
    pub(crate) settings: Settings,
    clock: Arc<dyn Fn() -> OffsetDateTime + Send + Sync>,
}

/// What runs jobs. Each has threads and memory of its own, so that neither waits for the other.
#[derive(Debug)]
pub struct Engines {
    /// For the common pass, purges and sweeps.
    pub batch: Engine,
    /// For requests on demand.
    pub on_demand: Engine,
}

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For how long a claim holds when its worker says nothing more.
    pub lease: Duration,
    /// The most requests that ride on one pass.
    pub requests_max: u32,
    /// How large the sets are that a pass is cut into.
    pub set_size: SetSize,
    /// Purge only what hides rows of a request whose time is up within this; all, when absent.
    pub purge_within: Option<Duration>,
    /// How often a worker that stays looks for requests on demand, for work of others that it may share, and for notices.
    pub look_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            requests_max: 10_000,
            set_size: SetSize::default(),
            purge_within: None,
            look_every: Duration::from_secs(2),
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("actor", &self.actor.name).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker called `name`, as the audit chain shows it.
    pub fn new(name: &str, ledger: Ledger, engines: Engines, catalogue: Catalogue, settings: Settings) -> Self {
        Self {
            ledger,
            engines,
            catalogue,
            notifier: Notifier::default(),
            metrics: Metrics::default(),
            actor: Actor::worker(name),
            settings,
            clock: Arc::new(OffsetDateTime::now_utc),
        }
    }

    /// The same, telling others of changes.
    #[must_use]
    pub fn telling(mut self, notifier: Notifier) -> Self {
        self.notifier = notifier;
        self
    }

    /// The same, counting there.
    #[must_use]
    pub fn counting(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same by another clock, for simulations.
    #[must_use]
    pub fn by_clock(mut self, clock: Arc<dyn Fn() -> OffsetDateTime + Send + Sync>) -> Self {
        self.clock = clock;
        self
    }

    /// Does all of these kinds of work that there is to do now, one kind after the other, and comes back. Stops early, with nothing half done,
    /// when `stop` asks for it. What goes wrong with one kind is told when the others are done.
    pub async fn once(&self, kinds: &[Work], stop: &CancellationToken) -> Result<Summary> {
        let (mut summary, mut failed) = (Summary::default(), None);
        for work in Work::ALL.into_iter().filter(|work| kinds.contains(work)) {
            if stop.is_cancelled() {
                break;
            }
            match Box::pin(self.work(work, None, stop)).await {
                Ok(done) => summary.add(done),
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        if !stop.is_cancelled() {
            let told = self.tell().await?;
            (summary.notices, summary.notices_failed) = (told.delivered, told.failed);
            if kinds.contains(&Work::Requests) {
                summary.passes_open = self.ledger.open_passes().await?.len() as u64;
            }
        }
        summary.interrupted = stop.is_cancelled();
        failed.map_or(Ok(summary), Err)
    }

    /// Where it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Closes the ledger.
    pub async fn close(&self) {
        self.ledger.close().await;
    }

    /// Does all of one kind of work that there is to do now.
    pub(crate) async fn work(
        &self,
        work: Work,
        due: Option<OffsetDateTime>,
        stop: &CancellationToken,
    ) -> Result<Summary> {
        let span = tracing::info_span!("work", otel.name = format!("work {work}"), kind = work.as_str());
        self.do_work(work, due, stop).instrument(span).await
    }

    async fn do_work(&self, work: Work, due: Option<OffsetDateTime>, stop: &CancellationToken) -> Result<Summary> {
        match work {
            Work::Requests => {
                // Neither waits for the other, and what goes wrong with one ends when the other has.
                let (on_demand, batch) = tokio::join!(self.lane(Lane::OnDemand, stop), self.lane(Lane::Batch, stop));
                Ok(on_demand?.and(batch?))
            }
            Work::Sweep => self.sweep(due, stop).await,
            Work::Purge => self.purge(due, stop).await,
            Work::Retention => self.retention(due, stop).await,
        }
    }

    /// Tells receivers of what changed.
    pub(crate) async fn tell(&self) -> Result<Told> {
        Ok(self.notifier.run_once(&self.ledger, &self.actor, &self.metrics, self.now()).await?)
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    /// The lease as the ledger counts it.
    pub(crate) fn lease(&self) -> time::Duration {
        time::Duration::try_from(self.settings.lease).unwrap_or(time::Duration::MINUTE)
    }

    /// Who runs the jobs of a lane.
    pub(crate) fn engine(&self, lane: Lane) -> &Engine {
        match lane {
            Lane::Batch => &self.engines.batch,
            Lane::OnDemand => &self.engines.on_demand,
        }
    }
}
