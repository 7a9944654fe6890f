//! Duties: periodic work that one of any number of workers does at a time.
//!
//! A duty is claimed by its name for as long as a lease runs; whoever takes it over has a higher fence, and the old claim is
//! [`Fenced`](crate::Error::Fenced).

use time::{Duration, OffsetDateTime};

use crate::name::is_name;
use crate::sql::args;
use crate::{Actor, Error, Fence, Ledger, Refusal, Result, Role};

/// The right to do periodic work, for as long as the lease runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyClaim {
    /// The duty's name.
    pub name: String,
    /// The claim's fence.
    pub fence: Fence,
    /// When the duty was last done: who comes after another knows whether there is anything left to do.
    pub last_done: Option<OffsetDateTime>,
    /// Whether it was taken over from a worker whose lease ran out.
    pub taken_over: bool,
}

impl Ledger {
    /// Claims a duty, at most 200 bytes of name, that nobody has, or whose lease ran out. `None` while somebody has it.
    pub async fn claim_duty(
        &self,
        name: &str,
        worker: &Actor,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Option<DutyClaim>> {
        if worker.role != Role::Worker {
            return Err(Refusal::Role(worker.role).into());
        }
        if !is_name(name) {
            return Err(Refusal::Malformed("a duty's name is missing or too long").into());
        }
        const CLAIM: &str = "UPDATE duty SET fence = fence + 1, worker = $2, free = $3 WHERE name = $1 RETURNING fence";
        self.change(async |change| {
            let tx = &mut change.tx;
            tx.run("INSERT INTO duty (name, fence, free) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING", args![name])
                .await?;
            let sql = format!("SELECT free, done FROM duty WHERE name = $1{}", tx.for_update());
            let row = tx.one(sql, args![name]).await?;
            if row.time("free")? > now {
                return Ok(None);
            }
            let values = args![name, worker.name.as_str(), now.saturating_add(lease)];
            let fence = Fence(tx.one(CLAIM, values).await?.int("fence")?);
            let (last_done, taken_over) = (row.maybe_time("done")?, row.int("free")? > 0);
            Ok(Some(DutyClaim { name: name.to_owned(), fence, last_done, taken_over }))
        })
        .await
    }

    /// Says that the worker lives, and for how long again.
    pub async fn renew_duty(&self, claim: &DutyClaim, lease: Duration, now: OffsetDateTime) -> Result<()> {
        let sql = "UPDATE duty SET free = $3 WHERE name = $1 AND fence = $2 AND free > 0";
        self.on_duty(sql, claim, Some(now.saturating_add(lease))).await
    }

    /// Hands a duty back that is not done, so that another worker may have it at once.
    pub async fn release_duty(&self, claim: &DutyClaim) -> Result<()> {
        self.on_duty("UPDATE duty SET free = 0 WHERE name = $1 AND fence = $2", claim, None).await
    }

    /// Says that a duty is done, and hands it back. The same claim may say so again.
    pub async fn duty_done(&self, claim: &DutyClaim, now: OffsetDateTime) -> Result<()> {
        self.on_duty("UPDATE duty SET free = 0, done = $3 WHERE name = $1 AND fence = $2", claim, Some(now)).await
    }

    /// Changes a duty that `claim` still holds.
    async fn on_duty(&self, sql: &'static str, claim: &DutyClaim, time: Option<OffsetDateTime>) -> Result<()> {
        self.change(async |change| {
            let mut values = args![claim.name.as_str(), claim.fence.0];
            values.extend(time.into_iter().map(Into::into));
            if change.tx.run(sql, values).await? == 1 { Ok(()) } else { Err(Error::Fenced) }
        })
        .await
    }
}
