//! How the requests of a pass end.

use std::collections::BTreeMap;

use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::change::{Change, Detail};
use crate::kept::Kept;
use crate::pass::{find, led};
use crate::sql::args;
use crate::{Actor, Counts, Error, Ledger, Missing, PassClaim, Phase, Policy, Refusal, RequestId, Result, State, Step};

/// The longest wait before an incomplete request is tried again.
const RETRY_MAX: Duration = Duration::DAY;

/// How one request of a pass ended.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// The request.
    pub request: RequestId,
    /// How it ended.
    pub ending: Ending,
    /// What was found and done.
    pub counts: Counts,
    /// Where its package is, when one was made.
    pub package: Option<String>,
    /// Where its receipt is, when one was made.
    pub receipt: Option<String>,
}

/// How a request leaves a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It only was to be counted, and is: it awaits approval.
    Counted {
        /// What could not be counted.
        missing: Vec<Missing>,
    },
    /// Done and proved. An erasure stands from here on.
    Complete,
    /// The rows of an erasure are hidden, and taken out of the bytes later: it stands from here on, and waits as
    /// [`Verifying`](State::Verifying), on no pass, for [`Ledger::verified`].
    Hidden,
    /// Not all could be done: tried again, until the deadline.
    Incomplete {
        /// What is missing.
        missing: Vec<Missing>,
    },
    /// It was searched, and would erase more than the limits allow: nothing was erased, and it awaits approval.
    OverLimits,
    /// It cannot be done.
    Failed {
        /// Why; without any identifier.
        reason: String,
    },
}

impl Ledger {
    /// Says that the results of these requests are being checked.
    pub async fn verifying(
        &self,
        claim: &PassClaim,
        requests: &[RequestId],
        worker: &Actor,
        now: OffsetDateTime,
    ) -> Result<()> {
        self.change(async |change| {
            led(change, claim).await?;
            for mut kept in Kept::lock_all(&mut change.tx, requests).await? {
                if kept.request.pass == Some(claim.pass) && kept.request.state == State::Running {
                    change.step(&mut kept, Step::Verify, worker, Detail::new(), now)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Says how requests of a pass ended: some or all of them, in one transaction. With the last one the pass has ended, and the answer is
    /// true; its sets are removed by [`Ledger::tidy`] then. The same call again, by the same claim, changes nothing.
    ///
    /// Requests that are not on the pass any more (somebody decided on them while they were counted) are left alone.
    pub async fn conclude(
        &self,
        claim: &PassClaim,
        conclusions: &[Conclusion],
        worker: &Actor,
        now: OffsetDateTime,
    ) -> Result<bool> {
        self.change(async |change| {
            let row = find(&mut change.tx, claim).await?;
            if row.int("fence")? != claim.fence.0 {
                return Err(Error::Fenced);
            }
            match row.text("phase")?.parse()? {
                Phase::Ended => return Ok(true),
                phase if phase != claim.phase => return Err(Error::Fenced),
                Phase::Planning | Phase::Searching | Phase::Finishing => {}
            }
            let conclusions: BTreeMap<_, _> =
                conclusions.iter().map(|conclusion| (conclusion.request, conclusion)).collect();
            let requests: Vec<_> = conclusions.keys().copied().collect();
            for mut kept in Kept::lock_all(&mut change.tx, &requests).await? {
                let conclusion = conclusions.get(&kept.request.id).filter(|_| kept.request.pass == Some(claim.pass));
                if let Some(conclusion) = conclusion {
                    self.conclude_one(change, &mut kept, conclusion, worker, now)?;
                }
            }
            change.write().await?;
            let left = change.tx.row("SELECT id FROM request WHERE pass = $1 LIMIT 1", args![claim.pass]).await?;
            if left.is_none() {
                let sql = "UPDATE pass SET phase = 'ended', leader = NULL, lease = 0 WHERE id = $1";
                change.tx.run(sql, args![claim.pass]).await?;
            }
            Ok(left.is_none())
        })
        .await
    }

    /// Writes a conclusion on its request.
    pub(crate) fn conclude_one(
        &self,
        change: &mut Change,
        kept: &mut Kept,
        conclusion: &Conclusion,
        worker: &Actor,
        now: OffsetDateTime,
    ) -> Result<()> {
        let request = &mut kept.request;
        let was_counted = request.state == State::Received;
        let mut detail = Detail::from([("counts", json!(conclusion.counts))]);
        request.pass = None;
        request.counts = Some(conclusion.counts.clone());
        request.missing = Vec::new();
        if let Some(package) = &conclusion.package {
            request.package = Some(package.clone());
            request.package_expires = self.policy().package_keep.map(|keep| now.saturating_add(keep));
            kept.package_removed = None;
            detail.insert("package", json!(package));
        }
        if let Some(receipt) = &conclusion.receipt {
            request.receipt = Some(receipt.clone());
            detail.insert("receipt", json!(receipt));
        }
        let step = match &conclusion.ending {
            Ending::Counted { missing } => {
                request.miss(missing, &mut detail);
                Step::Counted
            }
            Ending::Complete => Step::Complete,
            Ending::Hidden => Step::Hide,
            Ending::Incomplete { missing } => {
                request.miss(missing, &mut detail);
                request.not_before = now.saturating_add(retry_after(self.policy(), request.tries));
                if was_counted {
                    change.save(kept);
                    change.record("not_counted", Some(conclusion.request), worker, detail, now);
                    return Ok(());
                }
                Step::Incomplete
            }
            Ending::OverLimits => {
                // Somebody must approve, also where none had to; approvals of another count do not count.
                request.approvals_needed = request.approvals_needed.max(1);
                request.approvers.clear();
                request.reason = Some("it would erase more than `[limits]` allow without an approval".into());
                kept.round += 1;
                Step::OverLimits
            }
            Ending::Failed { reason } => {
                // An error's text may hold anything; databases take no NUL.
                let reason = reason.replace('\0', " ");
                detail.insert("reason", json!(reason));
                request.reason = Some(reason);
                Step::Fail
            }
        };
        if was_counted && !matches!(step, Step::Counted | Step::Fail) {
            return Err(Refusal::State(State::Received).into());
        }
        change.step(kept, step, worker, detail, now)
    }

    /// Removes sets and shards of passes that have ended, at most `sets_max` sets at a time; true when something is left.
    pub async fn tidy(&self, sets_max: u32) -> Result<bool> {
        self.change(async |change| {
            let tx = &mut change.tx;
            let sql = format!("SELECT id, sets, removed FROM pass WHERE phase = 'ended' LIMIT 1{}", tx.skip_locked());
            let Some(row) = tx.row(sql, args![]).await? else { return Ok(false) };
            let (pass, sets, from) = (row.int("id")?, row.int("sets")?, row.int("removed")?);
            let to = sets.min(from.saturating_add(sets_max.max(1).into()));
            for table in ["shard", "shard_set"] {
                let sql = format!("DELETE FROM {table} WHERE pass = $1 AND number > $2 AND number <= $3");
                tx.run(sql, args![pass, from, to]).await?;
            }
            if to == sets {
                tx.run("DELETE FROM pass WHERE id = $1", args![pass]).await?;
            } else {
                tx.run("UPDATE pass SET removed = $2 WHERE id = $1", args![pass, to]).await?;
            }
            Ok(true)
        })
        .await
    }
}

/// When a request that was tried so often is tried again.
fn retry_after(policy: &Policy, tries: u32) -> Duration {
    let doubled = 1 << tries.saturating_sub(1).min(16);
    policy.retry.saturating_mul(doubled).min(RETRY_MAX)
}

impl crate::Request {
    /// Keeps what is missing, as far as there is room.
    fn miss(&mut self, missing: &[Missing], detail: &mut Detail) {
        self.missing = missing.iter().take(Missing::KEPT_MAX).cloned().collect();
        detail.insert("missing", json!(missing.len()));
    }
}

impl Missing {
    /// How many a request keeps.
    pub const KEPT_MAX: usize = 1000;
}
