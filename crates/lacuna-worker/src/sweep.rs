//! The sweep: standing erasures over shards that arrived, changed or came back since.
//!
//! A shard's watermark says up to which standing erasure this very version of it was searched. What is below the newest is searched for
//! all that stand, and what is found is erased from the bytes at once. By another mapping, or with other keys, all is searched anew. A
//! version that the sweep itself writes has no watermark, and is looked at once more by the next one: that costs little and proves much.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use lacuna_engine::{
    Action, Engine, EraseMode, Job, OnErase, Pass, Reporter, Request, RequestId, SetFound, ShardSet, Source,
};
use lacuna_ledger::{Sequence, StandingErasure, Swept};
use lacuna_store::BlobInfo;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::job::selector;
use crate::shards::{searched, shard};
use crate::summary::{Summary, SweepSummary};
use crate::{Result, Work, Worker};

/// Standing erasures that ride together at most.
const ERASURES_MAX: u32 = 50_000;
/// Where what was found waits, beside what passes keep.
const PLACE: &str = "sweep";

/// Standing erasures that are applied together, in one source.
struct Round<'a> {
    worker: &'a Worker,
    source: &'a Source,
    /// All sources.
    sources: &'a [Source],
    erasures: &'a [StandingErasure],
    /// Shards from here on are searched: what came before was applied, or is now.
    from: Sequence,
    /// Where a shard is after this.
    to: Sequence,
    stop: &'a CancellationToken,
}

impl Worker {
    pub(crate) async fn sweep(&self, due: Option<OffsetDateTime>, stop: &CancellationToken) -> Result<Summary> {
        let sweep = self.on_duty(Work::Sweep, due, stop, async |stop| self.sweep_all(stop).await).await?;
        Ok(Summary { sweep, ..Summary::default() })
    }

    async fn sweep_all(&self, stop: &CancellationToken) -> Result<SweepSummary> {
        // What a killed sweep left: it holds personal data, and whoever is on duty is the only one here.
        self.engines.batch.forget_pass(PLACE).await?;
        let mut summary = SweepSummary::default();
        let sources = self.sources_now().await?;
        let mut from = Sequence(0);
        while !stop.is_cancelled() {
            // Read before the erasures: none below it comes later.
            let last = self.ledger.last_sequence().await?;
            let erasures = self.ledger.standing(from, ERASURES_MAX, self.now()).await?;
            let is_full = erasures.len() == ERASURES_MAX as usize;
            let to = match erasures.last() {
                Some(newest) if is_full => newest.sequence,
                Some(newest) => newest.sequence.max(last),
                None => break,
            };
            for source in sources.iter().filter(|source| !matches!(source.on_erase, OnErase::Keep { .. })) {
                let round = Round { worker: self, source, sources: &sources, erasures: &erasures, from, to, stop };
                Box::pin(round.run(&mut summary)).await?;
            }
            if !is_full {
                break;
            }
            from = to;
        }
        Ok(summary)
    }
}

impl Round<'_> {
    async fn run(&self, summary: &mut SweepSummary) -> Result<()> {
        let head = self.worker.ledger.chain_head().await?.to_string();
        let job = self.job(&head);
        if job.requests.is_empty() {
            return Ok(());
        }
        let reporter = Reporter::default();
        let pass = self.engine().pass(&job, &reporter, self.stop)?;
        let mut plan = std::pin::pin!(pass.plan(self.worker.settings.set_size));
        while let Some(set) = plan.next().await {
            if self.stop.is_cancelled() {
                break;
            }
            match set {
                Ok(set) => {
                    summary.shards += set.shards.len() as u64;
                    self.set(&job, &pass, set, summary).await?;
                }
                Err(unlisted) => summary.problems.extend_from_slice(unlisted.problems()),
            }
        }
        Ok(())
    }

    /// All erasures that this source can be searched for. Who is held is left out, and gets a new number when the hold is lifted.
    fn job(&self, head: &str) -> Job {
        let free = self.erasures.iter().filter(|erasure| erasure.holds.iter().all(|hold| hold.source.is_some()));
        let requests = free.filter_map(|erasure| {
            let id = RequestId::new(&erasure.request.to_string())?;
            let selector = selector(erasure.tenant.as_deref(), &erasure.subject);
            let mut request = Request::new(id, selector, Action::Erase(EraseMode::Now));
            request.sources = erasure.sources.clone();
            request.chain_head = Some(head.to_owned());
            request.is_answerable_from(self.source).then_some(request)
        });
        let others = self.sources.iter().filter(|other| other.name != self.source.name).cloned();
        Job { sources: vec![self.source.clone()], requests: requests.collect(), others: others.collect() }
    }

    /// Searches what is due of a set of shards, and erases what is found.
    async fn set(&self, job: &Job, pass: &Pass<'_>, set: ShardSet, summary: &mut SweepSummary) -> Result<()> {
        let ledger = &self.worker.ledger;
        let search = self.engine().search_of(self.source);
        let shards = searched(set.shards.iter().map(shard), &search);
        let marks = ledger.watermarks(&self.source.name, &shards).await?;
        let due = set.shards.into_iter().zip(&marks).filter(|(_, mark)| **mark < self.to);
        let (due, reached): (Vec<BlobInfo>, Vec<bool>) = due.map(|(info, mark)| (info, *mark >= self.from)).unzip();
        if due.is_empty() {
            return Ok(());
        }
        let set = ShardSet { source: set.source, shards: due };
        let Some(found) = pass.search_set(&set).await? else { return Ok(()) };
        let counts = *found.counts();
        self.worker.metrics.searched(&self.source.name, counts.rows_scanned, counts.bytes_read, counts.matched);
        summary.searched += counts.shards;
        summary.matched += counts.matched;
        let mut left: BTreeSet<String> = found.problems().iter().map(|problem| problem.shard.clone()).collect();
        // What is matched is written anew, as a version that nobody has searched.
        left.extend(found.shards().map(|info| info.path.to_string()));
        let stale = found.stale().to_vec();
        if found.requests().is_empty() {
            summary.problems.extend_from_slice(found.problems());
        } else {
            self.erase(job, pass, found, summary).await?;
        }
        if self.stop.is_cancelled() {
            return Ok(());
        }
        if !stale.is_empty() && left.is_empty() {
            // The versions that hid rows are gone, and the ones in their place were searched.
            let requests: Vec<&str> = job.requests.iter().map(|request| request.id.as_str()).collect();
            let shards = stale.iter().map(|(shard, _)| shard.clone()).collect();
            self.engine().release(&requests, &stale, &shards).await?;
        }
        // An older round that has not been here must not be taken for done.
        let done =
            set.shards.iter().zip(reached).filter(|(info, reached)| *reached && !left.contains(info.path.as_str()));
        let done = searched(done.map(|(info, _)| shard(info)), &search);
        ledger.advance_watermarks(&self.source.name, &done, self.to).await?;
        Ok(())
    }

    /// Erases what was found, for the requests that have any of it: each gets a receipt that says so.
    async fn erase(&self, job: &Job, pass: &Pass<'_>, found: SetFound, summary: &mut SweepSummary) -> Result<()> {
        let matched = found.requests();
        let requests = matched.iter().filter_map(|at| job.requests.get(*at).cloned()).collect();
        let few = Job { requests, ..job.clone() };
        let kept = pass.keep(PLACE, &uuid::Uuid::now_v7().to_string(), found).await?;
        let reporter = Reporter::default();
        let found = self.engine().load(&few, &kept).await;
        let finish = self.engine().pass(&few, &reporter, self.stop)?.of_some_shards();
        let outcome = Box::pin(finish.finish(futures::stream::iter([found]))).await;
        self.engine().forget_pass(PLACE).await?;
        let outcome = outcome?;
        let swept = outcome.requests.into_iter().filter(|request| request.erased > 0).filter_map(|request| {
            let id = request.request.as_str().parse().ok()?;
            let told = request.sources.iter().filter_map(|source| source.told);
            Some(Swept {
                request: id,
                source: self.source.name.clone(),
                erased: request.erased,
                shards: told.map(|told| told.shards).sum(),
                receipt: request.receipt,
            })
        });
        self.worker.ledger.swept(&swept.collect::<Vec<_>>(), &self.worker.actor, self.worker.now()).await?;
        for source in outcome.sources {
            self.worker.metrics.changed(&source);
            summary.erased += source.erased;
            summary.problems.extend(source.problems);
        }
        tracing::info!(source = self.source.name, requests = few.requests.len(), "erased again");
        Ok(())
    }

    fn engine(&self) -> &Engine {
        &self.worker.engines.batch
    }
}
