//! Passes: requests that ride together over the sources, and the worker that leads them.
//!
//! A pass is planned by the worker that began it, searched by all (see [`SetClaim`]), and finished by one. Who plans or
//! finishes holds a lease; when that runs out, [`Ledger::claim_pass`] hands the pass to another under a higher fence, and the old claim is
//! [`Fenced`](crate::Error::Fenced).

use std::fmt;
use std::str::FromStr;

use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::change::{Change, Detail};
use crate::hold::Applying;
use crate::kept::Kept;
use crate::sql::{Row, Tx, args};
use crate::{Actor, Error, Hold, Lane, Ledger, Refusal, Request, Result, Role, State, Step, Subject};

/// The number of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PassId(pub i64);

/// Grows with every claim of the same thing: a lower one is no longer held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fence(pub i64);

/// Where a pass stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its sets are being written.
    Planning,
    /// Its sets are being searched.
    Searching,
    /// All sets are done: packages, erasures, receipts.
    Finishing,
    /// All its requests are concluded.
    Ended,
}

/// The right to plan or to finish a pass, for as long as the lease runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassClaim {
    /// The pass.
    pub pass: PassId,
    /// The claim's fence.
    pub fence: Fence,
    /// What is to be done: [`Phase::Planning`] or [`Phase::Finishing`].
    pub phase: Phase,
    /// With whom its requests ride.
    pub lane: Lane,
    /// Whether it was taken over from a worker whose lease ran out.
    pub taken_over: bool,
}

/// A pass, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Its number.
    pub id: PassId,
    /// With whom its requests ride.
    pub lane: Lane,
    /// Where it stands.
    pub phase: Phase,
    /// When it began.
    pub began: OffsetDateTime,
    /// The worker that leads it, when one does.
    pub leader: Option<String>,
}

/// What a pass does for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// Counts what an erasure would erase, for approvers to see, and changes nothing.
    Count,
    /// What it asks for.
    Do,
}

/// A request on a pass, with all that its work needs.
#[derive(Clone, Debug)]
pub struct PassRequest {
    /// The request.
    pub request: Request,
    /// Whom it is about.
    pub subject: Subject,
    /// What is to be done.
    pub work: Work,
    /// The holds that apply to it now.
    pub holds: Vec<Hold>,
}

impl Ledger {
    /// Begins a pass with the requests of a lane that may run now, at most `requests_max` of them, and moves them to
    /// [`Running`](crate::State::Running); those that only are to be counted stay [`Received`](crate::State::Received).
    ///
    /// `None` when there is none, or when the batch has a pass already: what is due meanwhile waits for the next one.
    pub async fn begin_pass(
        &self,
        lane: Lane,
        worker: &Actor,
        requests_max: u32,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Option<PassClaim>> {
        if worker.role != Role::Worker {
            return Err(Refusal::Role(worker.role).into());
        }
        self.change(async |change| {
            const ANY: &str = "SELECT id FROM request WHERE lane = $1 AND ready <= $2 LIMIT 1";
            if change.tx.row(ANY, args![lane.as_str(), now]).await?.is_none() {
                return Ok(None);
            }
            const INSERT: &str = "INSERT INTO pass (id, lane, phase, fence, leader, lease, began, sets, removed)
                SELECT last_pass + 1, $1, 'planning', 1, $2, $3, $4, 0, 0 FROM ledger WHERE one = 1
                ON CONFLICT DO NOTHING RETURNING id";
            let values = args![lane.as_str(), worker.name.as_str(), now.saturating_add(lease), now];
            let Some(row) = change.tx.row(INSERT, values).await? else {
                // The batch has one, or another worker took this number: it looks again on its next turn.
                return Ok(None);
            };
            let pass = PassId(row.int("id")?);
            // Only who has the pass takes requests, so that nobody else's locks hide the longest waiting ones.
            let sql = format!(
                "SELECT * FROM request WHERE lane = $1 AND ready <= $2 ORDER BY ready, id LIMIT $3{}",
                change.tx.skip_locked()
            );
            let rows = change.tx.rows(sql, args![lane.as_str(), now, requests_max]).await?;
            if rows.is_empty() {
                change.tx.run("DELETE FROM pass WHERE id = $1", args![pass]).await?;
                return Ok(None);
            }
            for mut kept in Kept::all(&mut change.tx, rows).await? {
                kept.request.pass = Some(pass);
                kept.request.tries = kept.request.tries.saturating_add(1);
                let detail = Detail::from([("pass", json!(pass.0))]);
                if kept.request.state == State::Received {
                    change.save(&kept);
                    change.record("counting", Some(kept.request.id), worker, detail, now);
                } else {
                    change.step(&mut kept, Step::Start, worker, detail, now)?;
                }
            }
            change.tx.run("UPDATE ledger SET last_pass = $1 WHERE one = 1 AND last_pass < $1", args![pass]).await?;
            Ok(Some(PassClaim { pass, fence: Fence(1), phase: Phase::Planning, lane, taken_over: false }))
        })
        .await
    }

    /// Claims a pass of a lane that is ready to be finished, or whose leader's lease ran out. What a lost leader had planned is planned anew.
    pub async fn claim_pass(
        &self,
        lane: Lane,
        worker: &Actor,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Option<PassClaim>> {
        self.change(async |change| {
            let sql = format!(
                "SELECT * FROM pass WHERE lane = $2 AND ((phase IN ('planning', 'finishing') AND lease <= $1)
                    OR (phase = 'searching' AND NOT EXISTS
                        (SELECT 1 FROM shard_set WHERE shard_set.pass = pass.id AND shard_set.free IS NOT NULL)))
                    ORDER BY id LIMIT 1{}",
                change.tx.skip_locked()
            );
            let Some(row) = change.tx.row(sql, args![now, lane.as_str()]).await? else { return Ok(None) };
            let pass = Pass::read(&row)?;
            let phase = if pass.phase == Phase::Planning { Phase::Planning } else { Phase::Finishing };
            if phase == Phase::Planning {
                // The numbers go on, so the shards of the sets that go are never taken for those of others.
                change.tx.run("DELETE FROM shard_set WHERE pass = $1", args![pass.id]).await?;
            }
            let fence = Fence(row.int("fence")? + 1);
            let sql = if phase == Phase::Planning {
                "UPDATE pass SET phase = $2, fence = $3, leader = $4, lease = $5, planned = 0, shards = 0, bytes = 0 WHERE id = $1"
            } else {
                "UPDATE pass SET phase = $2, fence = $3, leader = $4, lease = $5 WHERE id = $1"
            };
            let values = args![pass.id, phase.as_str(), fence.0, worker.name.as_str(), now.saturating_add(lease)];
            change.tx.run(sql, values).await?;
            let taken_over = pass.phase != Phase::Searching && pass.leader.is_some();
            Ok(Some(PassClaim { pass: pass.id, fence, phase, lane: pass.lane, taken_over }))
        })
        .await
    }

    /// Says that the leader lives, and for how long again.
    pub async fn renew_pass(&self, claim: &PassClaim, lease: Duration, now: OffsetDateTime) -> Result<()> {
        self.lead(claim, "UPDATE pass SET lease = $2 WHERE id = $1", Some(now.saturating_add(lease))).await
    }

    /// Hands a claim back, so that another worker may have it at once.
    pub async fn release_pass(&self, claim: &PassClaim) -> Result<()> {
        self.lead(claim, "UPDATE pass SET lease = 0, leader = NULL, fence = fence + 1 WHERE id = $1", None).await
    }

    /// Changes a pass that `claim` still leads.
    pub(crate) async fn lead(&self, claim: &PassClaim, sql: &'static str, value: Option<OffsetDateTime>) -> Result<()> {
        self.change(async |change| {
            led(change, claim).await?;
            let mut values = args![claim.pass];
            values.extend(value.into_iter().map(Into::into));
            change.tx.run(sql, values).await?;
            Ok(())
        })
        .await
    }

    /// The passes that have not ended, the oldest first.
    pub async fn open_passes(&self) -> Result<Vec<Pass>> {
        let sql = "SELECT * FROM pass WHERE phase IN ('planning', 'searching', 'finishing') ORDER BY id";
        let rows = self.read().await?.rows(sql, args![]).await?;
        rows.iter().map(Pass::read).collect()
    }

    /// The requests of a pass that are not concluded yet, by id.
    pub async fn pass_requests(&self, pass: PassId) -> Result<Vec<PassRequest>> {
        let mut tx = self.read().await?;
        let rows = tx.rows("SELECT * FROM request WHERE pass = $1 ORDER BY id", args![pass]).await?;
        let requests = Kept::all(&mut tx, rows).await?;
        let mut subjects = self.subjects_of(&mut tx, pass).await?;
        let ids: Vec<_> = requests.iter().map(|kept| kept.request.id).collect();
        let holds = Applying::to(&mut tx, &ids).await?;
        let with_all = |Kept { request, .. }: Kept| {
            let subject =
                subjects.remove(&request.id).ok_or(Error::Corrupt("a request that runs has no identifiers"))?;
            let holds = holds.on(request.id, &request.sources);
            let work = if request.state == State::Received { Work::Count } else { Work::Do };
            Ok(PassRequest { request, subject, work, holds })
        };
        requests.into_iter().map(with_all).collect()
    }
}

/// Locks a pass for as long as the transaction takes, if `claim` still leads it.
pub(crate) async fn led(change: &mut Change, claim: &PassClaim) -> Result<Row> {
    let row = find(&mut change.tx, claim).await?;
    let is_led = row.int("fence")? == claim.fence.0 && row.text("phase")? == claim.phase.as_str();
    if is_led { Ok(row) } else { Err(Error::Fenced) }
}

/// Locks the pass of a claim. One that is not there any more has ended.
pub(crate) async fn find(tx: &mut Tx, claim: &PassClaim) -> Result<Row> {
    let sql = format!("SELECT * FROM pass WHERE id = $1{}", tx.for_update());
    tx.row(sql, args![claim.pass]).await?.ok_or(Error::Fenced)
}

impl Pass {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: PassId(row.int("id")?),
            lane: row.text("lane")?.parse()?,
            phase: row.text("phase")?.parse()?,
            began: row.time("began")?,
            leader: row.maybe_string("leader")?,
        })
    }
}

impl Phase {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Searching => "searching",
            Self::Finishing => "finishing",
            Self::Ended => "ended",
        }
    }
}

impl FromStr for Phase {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let all = [Self::Planning, Self::Searching, Self::Finishing, Self::Ended];
        all.into_iter().find(|phase| phase.as_str() == text).ok_or(Error::Corrupt("a pass's phase"))
    }
}

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
