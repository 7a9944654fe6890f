//! The plan of a pass: its shards, cut into sets.

use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_engine::{Pass, Reporter, SetFound, ShardSet};
use lacuna_ledger::{NewSet, PassClaim};
use tokio_util::sync::CancellationToken;

use super::search::set_name;
use crate::job::Stage;
use crate::shards::shard;
use crate::summary::Summary;
use crate::{Result, Worker};

/// Sets that are written down at a time.
const SETS_AT_ONCE: usize = 64;

impl Worker {
    /// Plans a pass. What cannot be done at all is concluded here, so that everybody who takes up the pass finds a job that can be.
    pub(super) async fn plan(&self, claim: &PassClaim, summary: &mut Summary, stop: &CancellationToken) -> Result<()> {
        let composed = self.composed(claim.pass, claim.lane, Stage::End).await?;
        if self.conclude_left_out(claim, &composed, summary).await? {
            return Ok(());
        }
        let riding = composed.placed.into_iter().map(|placed| placed.request).collect();
        let composed = self.compose(riding, claim.lane, Stage::Search).await?;
        let reporter = Reporter::default();
        let pass = self.engine(claim.lane).pass(&composed.job, &reporter, stop)?;
        let mut plan = pass.plan(self.settings.set_size).ready_chunks(SETS_AT_ONCE);
        let mut shards = 0;
        while let Some(cut) = plan.next().await {
            if stop.is_cancelled() {
                self.hand_back(claim).await;
                return Ok(());
            }
            shards += cut.iter().flatten().map(|set| set.shards.len()).sum::<usize>();
            self.write_down(claim, &pass, cut).await?;
        }
        drop(plan);
        self.ledger.plan_done(claim).await?;
        tracing::info!(
            pass = claim.pass.0,
            lane = claim.lane.as_str(),
            requests = composed.placed.len(),
            shards,
            "planned"
        );
        Ok(())
    }

    /// Writes sets down, and what could not be listed as what was found in a set without shards.
    async fn write_down(&self, claim: &PassClaim, pass: &Pass<'_>, cut: Vec<Result<ShardSet, SetFound>>) -> Result<()> {
        let new = |set: &Result<ShardSet, SetFound>| match set {
            Ok(set) => NewSet { source: set.source.clone(), shards: set.shards.iter().map(shard).collect() },
            Err(unlisted) => NewSet { source: unlisted.source().to_owned(), shards: Vec::new() },
        };
        let sets: Vec<NewSet> = cut.iter().map(new).collect();
        let ids = self.ledger.plan_sets(claim, &sets, self.lease(), self.now()).await?;
        let unlisted = ids.into_iter().zip(cut).filter_map(|(id, set)| Some((id, set.err()?)));
        futures::stream::iter(unlisted.map(Ok))
            .try_for_each(async |(id, found)| {
                pass.keep(&claim.pass.to_string(), &set_name(id), found).await?;
                Ok(())
            })
            .await
    }
}
