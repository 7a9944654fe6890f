//! Passes: requests that ride together over the sources, and the worker that leads them.
//!
//! A pass is planned by the worker that began it, searched by all (see [`SetClaim`]), and finished by one. Who plans or
//! finishes holds a lease; when that runs out, [`Ledger::claim_pass`] hands the pass to another under a higher fence, and the old claim is
//! [`Fenced`](crate::Error::Fenced).

use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::{Actor, Hold, Lane, Ledger, Request, Result, Subject};

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
        todo!()
    }

    /// Claims a pass that is ready to be finished, or one whose leader's lease ran out. What a lost leader had planned is planned anew.
    pub async fn claim_pass(&self, worker: &Actor, lease: Duration, now: OffsetDateTime) -> Result<Option<PassClaim>> {
        todo!()
    }

    /// Says that the leader lives, and for how long again.
    pub async fn renew_pass(&self, claim: &PassClaim, lease: Duration, now: OffsetDateTime) -> Result<()> {
        todo!()
    }

    /// Hands a claim back, so that another worker may have it at once.
    pub async fn release_pass(&self, claim: &PassClaim) -> Result<()> {
        todo!()
    }

    /// The passes that have not ended, the oldest first.
    pub async fn open_passes(&self) -> Result<Vec<Pass>> {
        todo!()
    }

    /// The requests of a pass that are not concluded yet, by id.
    pub async fn pass_requests(&self, pass: PassId) -> Result<Vec<PassRequest>> {
        todo!()
    }
}

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
