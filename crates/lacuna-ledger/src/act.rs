//! Somebody decides on a request, or moves its clock.

use time::OffsetDateTime;

use crate::{Actor, Ledger, Request, RequestId, Result, Subject};

/// What somebody does to a request. Reasons are kept for ever, so one that holds an identifier of the person is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// An approver says yes to what was counted.
    Approve {
        /// Also before it is counted, and without the cancel window.
        force: bool,
    },
    /// An approver says no.
    Deny {
        /// Why.
        reason: String,
    },
    /// It is taken back.
    Cancel {
        /// Why.
        reason: Option<String>,
    },
    /// Its deadline moves.
    Extend {
        /// By how many calendar months: 1 or 2.
        months: u8,
        /// Why.
        reason: String,
    },
    /// Its clock stops while the requester must answer, and it is not run.
    Pause {
        /// What is asked of the requester.
        reason: String,
    },
    /// Its clock goes on.
    Resume,
    /// Its cancel window is skipped.
    Force,
}

impl Ledger {
    /// Does `act` to a request, and says how it stands then.
    pub async fn act(&self, id: RequestId, act: Act, actor: &Actor, now: OffsetDateTime) -> Result<Request> {
        todo!()
    }

    /// The identifiers of a request; [`Error::NotFound`](crate::Error::NotFound) when they are forgotten.
    pub async fn subject(&self, id: RequestId) -> Result<Subject> {
        todo!()
    }
}
