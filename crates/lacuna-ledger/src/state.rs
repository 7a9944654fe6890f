//! Where a request stands, and who may move it where.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Role};

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded. An erasure that needs approval stays here until its matches are counted.
    Received,
    /// Counted, and waits for approvers.
    AwaitingApproval,
    /// Waits for the next pass.
    Scheduled,
    /// In a pass.
    Running,
    /// Done, and its result is being checked; or its rows are hidden, and are taken out of the bytes later.
    Verifying,
    /// Done and proved.
    Complete,
    /// Not all of it could be done: tried again until the deadline.
    Incomplete,
    /// Cannot be done.
    Failed,
    /// An approver said no.
    Denied,
    /// Taken back.
    Cancelled,
    /// Nobody decided on it in time.
    Expired,
}

/// What moves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// It needs no approval.
    Schedule,
    /// Its matches are counted, for approvers to see.
    Counted,
    /// An approver says yes.
    Approve {
        /// With this one there are enough.
        enough: bool,
        /// Whether the count and the cancel window are skipped.
        force: bool,
    },
    /// An approver says no.
    Deny,
    /// It is taken back.
    Cancel,
    /// Its deadline moves.
    Extend,
    /// Its clock stops while the requester must answer.
    Pause,
    /// Its clock goes on.
    Resume,
    /// Its cancel window is skipped.
    Force,
    /// A pass takes it.
    Start,
    /// Its result is being checked.
    Verify,
    /// Its rows are hidden, and out of the bytes later: it leaves its pass.
    Hide,
    /// It is done and proved.
    Complete,
    /// Something is missing.
    Incomplete,
    /// It would erase more than the limits allow.
    OverLimits,
    /// It cannot be done.
    Fail,
    /// Its time is over and nobody decided.
    Expire,
}

/// Why a request is not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The role may not do this.
    #[error("a {0} may not do this")]
    Role(Role),
    /// It has ended.
    #[error("the request is {0}")]
    Ended(State),
    /// It does not stand where this can be done.
    #[error("this cannot be done while the request is {0}")]
    State(State),
    /// Nothing of the kind can be done to such a request.
    #[error("this is not for {0} requests")]
    Kind(Kind),
    /// Four eyes.
    #[error("nobody approves a request of their own")]
    OwnRequest,
    /// A requester takes back requests of their own.
    #[error("requesters take back requests of their own only")]
    OthersRequest,
    /// One approver counts once.
    #[error("this approver has approved already")]
    ApprovedAlready,
    /// Extended before.
    #[error("a deadline is extended once only")]
    ExtendedAlready,
    /// The first month is over.
    #[error("a deadline is extended within the first month only")]
    TooLateToExtend,
    /// One or two months.
    #[error("a deadline is extended by one or two months")]
    Months,
    /// It is paused.
    #[error("the request is paused already")]
    PausedAlready,
    /// It is not paused.
    #[error("the request is not paused")]
    NotPaused,
    /// A reason must be given.
    #[error("a reason must be given")]
    NoReason,
    /// A reason, an option or an account's name holds one of the person's identifiers, and would be kept.
    #[error("{0} names the person: it would be kept after the identifiers are gone")]
    NamesSubject(&'static str),
    /// The same idempotency key came with another body.
    #[error("the idempotency key belongs to another request")]
    OtherBody,
    /// It is too long, empty or malformed.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Who may move which request where. The only place that says it.
pub fn next(state: State, kind: Kind, step: Step, role: Role) -> Result<State, Refusal> {
    use State as S;
    if state.has_ended() {
        return Err(Refusal::Ended(state));
    }
    let allowed: &[Role] = match step {
        Step::Approve { .. } | Step::Deny | Step::Force => &[Role::Approver],
        Step::Cancel => &[Role::Requester, Role::Approver, Role::Operator],
        Step::Extend | Step::Pause | Step::Resume => &[Role::Approver, Role::Operator],
        Step::Schedule
        | Step::Counted
        | Step::Start
        | Step::Verify
        | Step::Hide
        | Step::Complete
        | Step::Incomplete
        | Step::OverLimits
        | Step::Fail
        | Step::Expire => &[Role::Worker],
    };
    if !allowed.contains(&role) {
        return Err(Refusal::Role(role));
    }
    let of_erasures =
        matches!(step, Step::Counted | Step::Approve { .. } | Step::Force | Step::Hide | Step::OverLimits);
    if of_erasures && !kind.erases() {
        return Err(Refusal::Kind(kind));
    }
    match (step, state) {
        (Step::Schedule, S::Received) => Ok(S::Scheduled),
        (Step::Counted, S::Received) => Ok(S::AwaitingApproval),
        (Step::Approve { enough, .. }, S::AwaitingApproval) | (Step::Approve { enough, force: true }, S::Received) => {
            Ok(if enough { S::Scheduled } else { state })
        }
        (Step::Deny, S::Received | S::AwaitingApproval | S::Scheduled) => Ok(S::Denied),
        (Step::Cancel, S::Received | S::AwaitingApproval | S::Scheduled | S::Incomplete) => Ok(S::Cancelled),
        (Step::Pause | Step::Resume, S::Received | S::AwaitingApproval | S::Scheduled | S::Incomplete) => Ok(state),
        (Step::Extend, _) => Ok(state),
        (Step::Force, S::Scheduled) => Ok(state),
        (Step::Start, S::Scheduled | S::Incomplete) => Ok(S::Running),
        (Step::Verify, S::Running) | (Step::Hide, S::Running | S::Verifying) => Ok(S::Verifying),
        (Step::Complete, S::Running | S::Verifying) => Ok(S::Complete),
        (Step::Incomplete, S::Running | S::Verifying) => Ok(S::Incomplete),
        (Step::OverLimits, S::Running) => Ok(S::AwaitingApproval),
        (Step::Fail, S::Received | S::Running | S::Verifying | S::Incomplete) => Ok(S::Failed),
        (Step::Expire, S::Received | S::AwaitingApproval) => Ok(S::Expired),
        _ => Err(Refusal::State(state)),
    }
}

impl Step {
    /// What the audit chain says of it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "scheduled",
            Self::Counted => "counted",
            Self::Approve { .. } => "approved",
            Self::Deny => "denied",
            Self::Cancel => "cancelled",
            Self::Extend => "extended",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Force => "forced",
            Self::Start => "started",
            Self::Verify => "verifying",
            Self::Hide => "hidden",
            Self::Complete => "completed",
            Self::Incomplete => "incomplete",
            Self::OverLimits => "over_limits",
            Self::Fail => "failed",
            Self::Expire => "expired",
        }
    }
}

impl State {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::Received,
        Self::AwaitingApproval,
        Self::Scheduled,
        Self::Running,
        Self::Verifying,
        Self::Complete,
        Self::Incomplete,
        Self::Failed,
        Self::Denied,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Whether nothing moves it any more.
    pub fn has_ended(self) -> bool {
        match self {
            Self::Received
            | Self::AwaitingApproval
            | Self::Scheduled
            | Self::Running
            | Self::Verifying
            | Self::Incomplete => false,
            Self::Complete | Self::Failed | Self::Denied | Self::Cancelled | Self::Expired => true,
        }
    }

    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(Error::Corrupt("a request's state"))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
