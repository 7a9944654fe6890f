//! Sets of shards: the unit in which a pass is planned, claimed and searched.
//!
//! A shard's row is written once and never changes; its state is that of its set, so that claiming or finishing a thousand shards changes one row.

use time::{Duration, OffsetDateTime};

use crate::pass::led;
use crate::sql::{Row, Tx, args, group};
use crate::{Actor, Error, Fence, Ledger, PassClaim, PassId, Phase, Result};

/// The number of a set within its pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId(pub i64);

/// A shard in the version that is to be searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its path.
    pub path: String,
    /// Its ETag.
    pub etag: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A set, as it is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSet {
    /// The source of all its shards.
    pub source: String,
    /// The shards.
    pub shards: Vec<Shard>,
}

/// The right to search a set, for as long as the lease runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetClaim {
    /// The pass.
    pub pass: PassId,
    /// The set.
    pub set: SetId,
    /// The claim's fence.
    pub fence: Fence,
    /// The source of all its shards.
    pub source: String,
    /// The shards, in the order in which they were planned.
    pub shards: Vec<Shard>,
    /// Whether it was taken over from a worker whose lease ran out.
    pub taken_over: bool,
}

/// What came of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetResult {
    /// Where the result is kept in the store.
    pub reference: String,
    /// Rows that were searched.
    pub rows: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Rows that matched, of all requests.
    pub matched: u64,
}

/// Where a set stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetState {
    /// Nobody has it.
    Planned,
    /// A worker has it.
    Claimed,
    /// It is searched.
    Done,
}

/// A set, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetStatus {
    /// Its number.
    pub set: SetId,
    /// The source of its shards.
    pub source: String,
    /// How many shards it has.
    pub shards: u64,
    /// Where it stands.
    pub state: SetState,
    /// The worker that had it last.
    pub worker: Option<String>,
    /// Its result, when it is done.
    pub result: Option<SetResult>,
}

/// How far a pass is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassProgress {
    /// Sets, in all.
    pub sets: u64,
    /// Sets that a worker has.
    pub claimed: u64,
    /// Sets that are done.
    pub done: u64,
    /// Shards, in all.
    pub shards: u64,
    /// Bytes of all shards.
    pub bytes: u64,
    /// Bytes of the shards of sets that are done.
    pub bytes_done: u64,
}

/// Sets that are claimed at a time at most.
const CLAIM_MAX: u32 = 500;

impl Ledger {
    /// Adds sets to the plan of a pass, and answers with their numbers. Called as often as needed; the same call again, when its answer was
    /// lost, adds nothing.
    pub async fn plan_sets(
        &self,
        claim: &PassClaim,
        sets: &[NewSet],
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Vec<SetId>> {
        self.change(async |change| {
            let last = planned(&led(change, claim).await?, claim)?.int("sets")?;
            if let Some(known) = added_last(&mut change.tx, claim.pass, last, sets).await? {
                return Ok(known);
            }
            let first = last + 1;
            let (mut rows, mut shards) = (Vec::new(), Vec::new());
            for (number, set) in (first..).zip(sets) {
                let bytes = size(&set.shards);
                let source = set.source.as_str();
                rows.push(args![
                    claim.pass,
                    number,
                    source,
                    set.shards.len() as u64,
                    bytes,
                    0_i64,
                    0_i64,
                    0_i64,
                    0_i64,
                    0_i64
                ]);
                shards.extend(set.shards.iter().zip(0_i64..).map(|(shard, position)| {
                    args![claim.pass, number, position, shard.path.as_str(), shard.etag.as_str(), shard.size]
                }));
            }
            const SET: &str =
                "shard_set (pass, number, source, shards, bytes, free, fence, rows_read, bytes_read, matched)";
            change.tx.insert(SET, rows, "").await?;
            change.tx.insert("shard (pass, number, position, path, etag, size)", shards, "").await?;
            let sql = "UPDATE pass SET sets = $2, lease = $3, planned = planned + $4, shards = shards + $5, bytes = bytes + $6
                WHERE id = $1";
            let last = last + i64::try_from(sets.len()).unwrap_or(i64::MAX);
            let mut values = args![claim.pass, last, now.saturating_add(lease), sets.len() as u64];
            values.extend(args![sets.iter().map(|set| set.shards.len() as u64).sum::<u64>(), size(sets.iter().flat_map(|set| &set.shards))]);
            change.tx.run(sql, values).await?;
            Ok((first..=last).map(SetId).collect())
        })
        .await
    }

    /// The plan is whole: the pass is searched from here on, and the claim has ended.
    pub async fn plan_done(&self, claim: &PassClaim) -> Result<()> {
        self.change(async |change| {
            planned(&led(change, claim).await?, claim)?;
            let sql = "UPDATE pass SET phase = 'searching', leader = NULL, lease = 0 WHERE id = $1";
            change.tx.run(sql, args![claim.pass]).await?;
            Ok(())
        })
        .await
    }

    /// Claims at most `sets_max` sets of a pass that nobody has, or whose lease ran out. No set is held twice.
    pub async fn claim_sets(
        &self,
        pass: PassId,
        worker: &Actor,
        sets_max: u32,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Vec<SetClaim>> {
        self.change(async |change| {
            let tx = &mut change.tx;
            let phase = tx.row("SELECT phase FROM pass WHERE id = $1", args![pass]).await?;
            if !phase.is_some_and(|row| row.text("phase").is_ok_and(|phase| phase == Phase::Searching.as_str())) {
                return Ok(Vec::new());
            }
            let sql = format!(
                "SELECT number, source, free, fence FROM shard_set WHERE pass = $1 AND free <= $2 ORDER BY free, number
                    LIMIT $3{}",
                tx.skip_locked()
            );
            let rows = tx.rows(sql, args![pass, now, sets_max.min(CLAIM_MAX)]).await?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            let numbers: Vec<_> = rows.iter().map(|row| row.int("number")).collect::<Result<_>>()?;
            let sql = format!(
                "UPDATE shard_set SET free = $1, fence = fence + 1, worker = $2 WHERE pass = $3 AND number IN {}",
                group(3, numbers.len())
            );
            let mut values = args![now.saturating_add(lease), worker.name.as_str(), pass];
            values.extend(numbers.iter().flat_map(|number| args![*number]));
            tx.run(sql, values).await?;
            let mut claims = rows.iter().map(|row| SetClaim::read(pass, row)).collect::<Result<Vec<_>>>()?;
            claims.sort_by_key(|claim| claim.set);
            for (set, shard) in shards(tx, pass, &numbers).await? {
                if let Ok(at) = claims.binary_search_by_key(&set, |claim| claim.set) {
                    claims[at].shards.push(shard);
                }
            }
            Ok(claims)
        })
        .await
    }

    /// Says that the worker lives, and for how long again. Answers with the sets that it no longer holds: taken over, or done.
    pub async fn renew_sets(&self, claims: &[SetClaim], lease: Duration, now: OffsetDateTime) -> Result<Vec<SetId>> {
        let sql = "UPDATE shard_set SET free = $4 WHERE pass = $1 AND number = $2 AND fence = $3 AND free IS NOT NULL";
        self.change(async |change| {
            let mut lost = Vec::new();
            for claim in in_order(claims) {
                let values = args![claim.pass, claim.set.0, claim.fence.0, now.saturating_add(lease)];
                if change.tx.run(sql, values).await? == 0 {
                    lost.push(claim.set);
                }
            }
            Ok(lost)
        })
        .await
    }

    /// Hands sets back, so that others may have them at once. Those that are no longer held are left alone.
    pub async fn release_sets(&self, claims: &[SetClaim]) -> Result<()> {
        let sql = "UPDATE shard_set SET free = 0, fence = fence + 1
            WHERE pass = $1 AND number = $2 AND fence = $3 AND free IS NOT NULL";
        self.change(async |change| {
            for claim in in_order(claims) {
                change.tx.run(sql, args![claim.pass, claim.set.0, claim.fence.0]).await?;
            }
            Ok(())
        })
        .await
    }

    /// Records what came of a set; [`Error::Fenced`] when it is no longer held. The same claim with the same reference may say so again.
    pub async fn finish_set(&self, claim: &SetClaim, result: &SetResult) -> Result<()> {
        const UPDATE: &str =
            "UPDATE shard_set SET free = NULL, reference = $4, rows_read = $5, bytes_read = $6, matched = $7
            WHERE pass = $1 AND number = $2 AND fence = $3 AND free IS NOT NULL";
        const AGAIN: &str = "SELECT number FROM shard_set
            WHERE pass = $1 AND number = $2 AND fence = $3 AND free IS NULL AND reference = $4";
        const COUNT: &str = "UPDATE pass SET done = done + 1, bytes_done = bytes_done + $2 WHERE id = $1";
        self.change(async |change| {
            let mut values = args![claim.pass, claim.set.0, claim.fence.0, result.reference.as_str()];
            let again = values.clone();
            values.extend(args![result.rows, result.bytes, result.matched]);
            if change.tx.run(UPDATE, values).await? == 1 {
                change.tx.run(COUNT, args![claim.pass, size(&claim.shards)]).await?;
                return Ok(());
            }
            if change.tx.row(AGAIN, again).await?.is_some() { Ok(()) } else { Err(Error::Fenced) }
        })
        .await
    }

    /// At most `limit` sets of a pass by their number, from the one after `after`.
    pub async fn sets(&self, pass: PassId, after: Option<SetId>, limit: u32) -> Result<Vec<SetStatus>> {
        let sql = "SELECT * FROM shard_set WHERE pass = $1 AND number > $2 ORDER BY number LIMIT $3";
        let after = after.map_or(0, |set| set.0);
        let rows = self.read().await?.rows(sql, args![pass, after, limit]).await?;
        rows.iter().map(SetStatus::read).collect()
    }

    /// The shards of a set, in the order in which they were planned.
    pub async fn set_shards(&self, pass: PassId, set: SetId) -> Result<Vec<Shard>> {
        let all = shards(&mut self.read().await?, pass, &[set.0]).await?;
        Ok(all.into_iter().map(|(_, shard)| shard).collect())
    }

    /// How far a pass is; its cost does not grow with the pass. Of one that was tidied away nothing is known.
    pub async fn progress(&self, pass: PassId) -> Result<PassProgress> {
        const NOW: &str = "SELECT planned, shards, bytes, done, bytes_done,
            (SELECT COUNT(*) FROM shard_set WHERE shard_set.pass = $1 AND free > 0) AS claimed FROM pass WHERE id = $1";
        let Some(row) = self.read().await?.row(NOW, args![pass]).await? else { return Ok(PassProgress::default()) };
        Ok(PassProgress {
            sets: row.count("planned")?,
            claimed: row.count("claimed")?,
            done: row.count("done")?,
            shards: row.count("shards")?,
            bytes: row.count("bytes")?,
            bytes_done: row.count("bytes_done")?,
        })
    }
}

fn size<'a>(shards: impl IntoIterator<Item = &'a Shard>) -> u64 {
    shards.into_iter().map(|shard| shard.size).sum()
}

/// Only a pass that is being planned takes sets.
fn planned<'a>(row: &'a Row, claim: &PassClaim) -> Result<&'a Row> {
    if claim.phase == Phase::Planning { Ok(row) } else { Err(Error::Fenced) }
}

/// The numbers of these sets if they are what was added last. No plan has a shard twice, so a set is told by its first one.
async fn added_last(tx: &mut Tx, pass: PassId, last: i64, sets: &[NewSet]) -> Result<Option<Vec<SetId>>> {
    const FIRSTS: &str = "SELECT shard_set.number, shard_set.source, shard.path, shard.etag FROM shard_set
        JOIN shard ON shard.pass = shard_set.pass AND shard.number = shard_set.number AND shard.position = 0
        WHERE shard_set.pass = $1 AND shard_set.number > $2 ORDER BY shard_set.number";
    let rows = tx.rows(FIRSTS, args![pass, last - i64::try_from(sets.len()).unwrap_or(i64::MAX)]).await?;
    if rows.len() != sets.len() {
        return Ok(None);
    }
    let mut numbers = Vec::with_capacity(sets.len());
    for (row, set) in rows.iter().zip(sets) {
        let known = (row.text("source")?, row.text("path")?, row.text("etag")?);
        if set.shards.first().map(|shard| (set.source.as_str(), shard.path.as_str(), shard.etag.as_str()))
            != Some(known)
        {
            return Ok(None);
        }
        numbers.push(SetId(row.int("number")?));
    }
    Ok(Some(numbers))
}

/// The shards of some sets, by set and position.
async fn shards(tx: &mut Tx, pass: PassId, numbers: &[i64]) -> Result<Vec<(SetId, Shard)>> {
    let sql = format!(
        "SELECT number, path, etag, size FROM shard WHERE pass = $1 AND number IN {} ORDER BY number, position",
        group(1, numbers.len())
    );
    let mut values = args![pass];
    values.extend(numbers.iter().flat_map(|number| args![*number]));
    let rows = tx.rows(sql, values).await?;
    let shard = |row: &Row| {
        let shard = Shard { path: row.string("path")?, etag: row.string("etag")?, size: row.count("size")? };
        Ok((SetId(row.int("number")?), shard))
    };
    rows.iter().map(shard).collect()
}

/// Whoever locks several sets locks them in this order, so that nobody waits for the other.
fn in_order(claims: &[SetClaim]) -> Vec<&SetClaim> {
    let mut claims: Vec<_> = claims.iter().collect();
    claims.sort_by_key(|claim| (claim.pass, claim.set));
    claims
}

impl SetClaim {
    /// From a set's row as it was before it was claimed.
    fn read(pass: PassId, row: &Row) -> Result<Self> {
        Ok(Self {
            pass,
            set: SetId(row.int("number")?),
            fence: Fence(row.int("fence")? + 1),
            source: row.string("source")?,
            shards: Vec::new(),
            taken_over: row.int("free")? > 0,
        })
    }
}

impl SetStatus {
    fn read(row: &Row) -> Result<Self> {
        let state = match row.maybe_int("free")? {
            None => SetState::Done,
            Some(0) => SetState::Planned,
            Some(_) => SetState::Claimed,
        };
        let result = |reference| {
            let (rows, bytes) = (row.count("rows_read")?, row.count("bytes_read")?);
            Ok::<_, Error>(SetResult { reference, rows, bytes, matched: row.count("matched")? })
        };
        Ok(Self {
            set: SetId(row.int("number")?),
            source: row.string("source")?,
            shards: row.count("shards")?,
            state,
            worker: row.maybe_string("worker")?,
            result: row.maybe_string("reference")?.map(result).transpose()?,
        })
    }
}
