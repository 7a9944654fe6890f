//! Sets of shards: the unit in which a pass is planned, claimed and searched.
//!
//! A shard's row is written once and never changes; its state is that of its set, so that claiming or finishing a thousand shards changes one row.

use time::{Duration, OffsetDateTime};

use crate::{Actor, Fence, Ledger, PassClaim, PassId, Result};

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

impl Ledger {
    /// Adds sets to the plan of a pass, and answers with their numbers. Called as often as needed.
    pub async fn plan_sets(&self, claim: &PassClaim, sets: &[NewSet], now: OffsetDateTime) -> Result<Vec<SetId>> {
        todo!()
    }

    /// The plan is whole: the pass is searched from here on, and the claim has ended.
    pub async fn plan_done(&self, claim: &PassClaim, now: OffsetDateTime) -> Result<()> {
        todo!()
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
        todo!()
    }

    /// Says that the worker lives, and for how long again. Answers with the sets that it no longer holds.
    pub async fn renew_sets(
        &self,
        claims: &[SetClaim],
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Vec<(PassId, SetId)>> {
        todo!()
    }

    /// Hands sets back, so that others may have them at once. Those that are no longer held are left alone.
    pub async fn release_sets(&self, claims: &[SetClaim]) -> Result<()> {
        todo!()
    }

    /// Records what came of a set; [`Fenced`](crate::Error::Fenced) when it is no longer held. The same claim with the same
    /// reference may say so again.
    pub async fn finish_set(&self, claim: &SetClaim, result: &SetResult, now: OffsetDateTime) -> Result<()> {
        todo!()
    }

    /// At most `limit` sets of a pass by their number, from the one after `after`.
    pub async fn sets(&self, pass: PassId, after: Option<SetId>, limit: u32) -> Result<Vec<SetStatus>> {
        todo!()
    }

    /// The shards of a set, in the order in which they were planned.
    pub async fn set_shards(&self, pass: PassId, set: SetId) -> Result<Vec<Shard>> {
        todo!()
    }

    /// How far a pass is.
    pub async fn progress(&self, pass: PassId) -> Result<PassProgress> {
        todo!()
    }
}
