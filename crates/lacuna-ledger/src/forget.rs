//! What time takes: deadlines that nobody met, identifiers that nobody needs, packages that have expired.

use serde_json::json;
use time::OffsetDateTime;

use crate::change::{Change, Detail};
use crate::kept::Kept;
use crate::sql::{Tries, args, group};
use crate::{Actor, Ledger, RequestId, Result, Step};

/// Requests that one transaction ends or forgets at most.
const BATCH: u32 = 500;

/// Which requests ran out of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lapsed {
    /// Were incomplete at their deadline, and failed.
    pub failed: Vec<RequestId>,
    /// Nobody decided on them for [`Policy::undecided`](crate::Policy::undecided) after their deadline.
    pub expired: Vec<RequestId>,
}

/// How many identifiers went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Requests whose identifiers are gone.
    pub requests: u64,
    /// Standing erasures that stand no more.
    pub standing: u64,
}

/// A package that has expired and is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredPackage {
    /// Its request.
    pub request: RequestId,
    /// Where it is.
    pub package: String,
    /// Since when it is expired.
    pub expired: OffsetDateTime,
}

impl Ledger {
    /// Ends what ran out of time. Called by the worker's clock.
    pub async fn lapse(&self, worker: &Actor, now: OffsetDateTime) -> Result<Lapsed> {
        let mut lapsed = Lapsed::default();
        let undecided = now.saturating_sub(self.policy().undecided);
        loop {
            let failed = self.end(Step::Fail, "('incomplete')", now, worker, now).await?;
            let expired = self.end(Step::Expire, "('received', 'awaiting_approval')", undecided, worker, now).await?;
            if failed.is_empty() && expired.is_empty() {
                return Ok(lapsed);
            }
            lapsed.failed.extend(failed);
            lapsed.expired.extend(expired);
        }
    }

    /// Moves a batch of what stands in one of `states` and was due by then.
    async fn end(
        &self,
        step: Step,
        states: &'static str,
        by: OffsetDateTime,
        worker: &Actor,
        now: OffsetDateTime,
    ) -> Result<Vec<RequestId>> {
        self.change(async |change| {
            let sql = format!(
                "SELECT * FROM request WHERE deadline <= $1 AND state IN {states} ORDER BY deadline, id LIMIT $2{}",
                change.tx.skip_locked()
            );
            let rows = change.tx.rows(sql, args![by, BATCH]).await?;
            let mut ended = Vec::new();
            for mut kept in Kept::all(&mut change.tx, rows).await? {
                let reason = "its deadline has passed";
                kept.request.reason = Some(reason.into());
                change.step(&mut kept, step, worker, Detail::from([("reason", json!(reason))]), now)?;
                ended.push(kept.request.id);
            }
            Ok(ended)
        })
        .await
    }

    /// Erases the identifiers of requests that ended longer ago than the grace period, and of erasures that stand no more; a keyed
    /// hash, dates and counts stay. On SQLite no byte of them is left in the file or its WAL after this.
    ///
    /// A standing erasure that a hold keeps back is not forgotten before the hold is lifted.
    pub async fn forget(&self, worker: &Actor, now: OffsetDateTime) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        loop {
            let standing = self.change(async |change| end_standing(change, now).await).await?;
            let requests = self.change(async |change| forget_some(change, worker, now).await).await?;
            if standing == 0 && requests == 0 {
                break;
            }
            forgotten.standing += standing;
            forgotten.requests += requests;
        }
        // Also when nothing was forgotten now: an earlier run may have ended before this.
        let mut tries = Tries::default();
        while let Err(error) = self.db().scrub().await {
            tries.again(error).await?;
        }
        Ok(forgotten)
    }

    /// At most `limit` packages that have expired, the oldest first.
    pub async fn expired_packages(&self, limit: u32, now: OffsetDateTime) -> Result<Vec<ExpiredPackage>> {
        let sql =
            "SELECT id, package, package_expires FROM request WHERE package_expires <= $1 AND package_removed IS NULL
            ORDER BY package_expires LIMIT $2";
        let rows = self.read().await?.rows(sql, args![now, limit]).await?;
        let expired = |row: &crate::sql::Row| {
            let (package, expired) = (row.string("package")?, row.time("package_expires")?);
            Ok(ExpiredPackage { request: row.id("id")?, package, expired })
        };
        rows.iter().map(expired).collect()
    }

    /// Says that a request's package is gone, with all its versions.
    pub async fn package_removed(&self, request: RequestId, worker: &Actor, now: OffsetDateTime) -> Result<()> {
        self.change(async |change| {
            let mut kept = Kept::lock(&mut change.tx, request).await?;
            if kept.request.package.take().is_none() {
                return Ok(());
            }
            kept.package_removed = Some(now);
            change.save(&kept);
            change.record("package_removed", Some(request), worker, Detail::new(), now);
            Ok(())
        })
        .await
    }
}

/// Ends a batch of erasures whose time to stand is over, and says how many.
async fn end_standing(change: &mut Change, now: OffsetDateTime) -> Result<u64> {
    const OVER: &str = "SELECT sequence FROM standing WHERE until <= $1 AND NOT EXISTS (
        SELECT 1 FROM identifier JOIN held ON held.hash = identifier.hash JOIN hold ON hold.id = held.hold
        WHERE identifier.request = standing.request AND hold.lifted_at IS NULL) ORDER BY until LIMIT $2";
    let rows = change.tx.rows(OVER, args![now, BATCH]).await?;
    for row in &rows {
        change.tx.run("DELETE FROM standing WHERE sequence = $1", args![row.int("sequence")?]).await?;
    }
    Ok(rows.len() as u64)
}

/// Forgets a batch of people, and says how many.
async fn forget_some(change: &mut Change, worker: &Actor, now: OffsetDateTime) -> Result<u64> {
    let sql = format!(
        "SELECT request FROM sealed WHERE keep_until <= $1
            AND NOT EXISTS (SELECT 1 FROM standing WHERE standing.request = sealed.request)
            ORDER BY keep_until, request LIMIT $2{}",
        change.tx.skip_locked()
    );
    let rows = change.tx.rows(sql, args![now, BATCH]).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id("request")).collect::<Result<_>>()?;
    if ids.is_empty() {
        return Ok(0);
    }
    let values = || ids.iter().flat_map(|id| args![*id]);
    for table in ["sealed", "identifier"] {
        let sql = format!("DELETE FROM {table} WHERE request IN {}", group(0, ids.len()));
        change.tx.run(sql, values().collect()).await?;
    }
    // What somebody wrote goes, too, though none of it should name anybody.
    let sql = format!(
        "UPDATE request SET forgotten = $1, options = '{{}}', missing = NULL, reason = NULL WHERE id IN {}",
        group(1, ids.len())
    );
    let mut all = args![now];
    all.extend(values());
    change.tx.run(sql, all).await?;
    for id in &ids {
        change.record("forgotten", Some(*id), worker, Detail::new(), now);
    }
    Ok(ids.len() as u64)
}
