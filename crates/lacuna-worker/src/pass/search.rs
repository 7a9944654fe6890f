//! The search of a pass: sets are claimed, searched and answered for, by all workers at once.

use futures::StreamExt as _;
use lacuna_engine::{Pass, Reporter, ShardSet};
use lacuna_ledger::{Lane, PassId, Phase, SetClaim, SetId, SetResult};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::job::Stage;
use crate::lease::holding;
use crate::shards::blob;
use crate::summary::Summary;
use crate::{Result, Worker};

/// Sets that are searched at a time: while the last shards of one are under way, the next one keeps the threads busy.
const SETS_AT_ONCE: u8 = 2;

impl Worker {
    /// Searches what is free of a lane's passes until nothing is; how many sets that were.
    pub(super) async fn search(&self, lane: Lane, summary: &mut Summary, stop: &CancellationToken) -> Result<u64> {
        let mut searched = 0;
        let open = self.ledger.open_passes().await?;
        for pass in open.iter().filter(|pass| pass.lane == lane && pass.phase == Phase::Searching) {
            searched += self.search_pass(pass.id, lane, stop).await?;
        }
        summary.sets += searched;
        Ok(searched)
    }

    async fn search_pass(&self, id: PassId, lane: Lane, stop: &CancellationToken) -> Result<u64> {
        let mut claims = self.claim_sets(id).await?;
        if claims.is_empty() {
            return Ok(0);
        }
        let composed = self.composed(id, lane, Stage::Search).await?;
        let (reporter, stop) = (Reporter::default(), stop.child_token());
        // Whatever it was that the pass was to do, it is decided: nothing is searched for nobody.
        let pass = match composed.placed.is_empty() {
            true => None,
            false => Some(self.engine(lane).pass(&composed.job, &reporter, &stop)?),
        };
        let mut searched = 0;
        while !claims.is_empty() {
            match self.search_sets(pass.as_ref(), &claims, &stop).await {
                Ok(done) => searched += done,
                Err(error) => {
                    self.ledger.release_sets(&claims).await?;
                    return Err(error);
                }
            }
            if stop.is_cancelled() {
                // What was finished is no longer held, and stays finished.
                self.ledger.release_sets(&claims).await?;
                break;
            }
            claims = self.claim_sets(id).await?;
        }
        Ok(searched)
    }

    async fn claim_sets(&self, pass: PassId) -> Result<Vec<SetClaim>> {
        let claims = self.ledger.claim_sets(pass, &self.actor, SETS_AT_ONCE.into(), self.lease(), self.now()).await?;
        self.metrics.lease_takeovers(claims.iter().filter(|claim| claim.taken_over).count() as u64);
        Ok(claims)
    }

    /// Searches sets, each under its claim; how many of them this worker could answer for.
    async fn search_sets(&self, pass: Option<&Pass<'_>>, claims: &[SetClaim], stop: &CancellationToken) -> Result<u64> {
        let renew = async || self.ledger.renew_sets(claims, self.lease(), self.now()).await.map(drop);
        let work = async {
            let mut answers = futures::stream::iter(claims)
                .map(|claim| self.search_set(pass, claim))
                .buffer_unordered(SETS_AT_ONCE.into());
            let mut searched = 0;
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(done) => searched += u64::from(done),
                    // Another worker has it, and its answer counts.
                    Err(error) if error.is_fenced() => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(searched)
        };
        let span = tracing::info_span!("search", sets = claims.len());
        Box::pin(holding(self.settings.lease, stop, renew, work)).instrument(span).await
    }

    /// Searches a set and answers for it; false when it was stopped.
    async fn search_set(&self, pass: Option<&Pass<'_>>, claim: &SetClaim) -> Result<bool> {
        let Some(pass) = pass else {
            self.ledger.finish_set(claim, &SetResult::default()).await?;
            return Ok(true);
        };
        let shards = claim.shards.iter().map(blob).collect::<Result<_, _>>()?;
        let set = ShardSet { source: claim.source.clone(), shards };
        let Some(found) = pass.search_set(&set).await? else { return Ok(false) };
        let counts = *found.counts();
        let reference = pass.keep(&claim.pass.to_string(), &set_name(claim.set), found).await?;
        let (rows, bytes, matched) = (counts.rows_scanned, counts.bytes_read, counts.matched);
        self.ledger.finish_set(claim, &SetResult { reference, rows, bytes, matched }).await?;
        self.metrics.searched(&claim.source, rows, bytes, matched);
        Ok(true)
    }
}

/// What a set is called where what was found in it is kept: names sort as numbers do.
pub(super) fn set_name(set: SetId) -> String {
    format!("{:012}", set.0)
}
