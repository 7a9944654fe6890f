//! How the requests of a pass end.

use time::OffsetDateTime;

use crate::{Counts, Ledger, Missing, PassClaim, RequestId, Result};

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
    pub async fn verifying(&self, claim: &PassClaim, requests: &[RequestId], now: OffsetDateTime) -> Result<()> {
        todo!()
    }

    /// Says how requests of a pass ended: some or all of them, in one transaction. With the last one the pass has ended, and the answer is
    /// true; its sets are removed by [`Ledger::tidy`] then.
    pub async fn conclude(&self, claim: &PassClaim, conclusions: &[Conclusion], now: OffsetDateTime) -> Result<bool> {
        todo!()
    }

    /// Removes sets and shards of passes that have ended, at most `shards_max` shards at a time; true when something is left.
    pub async fn tidy(&self, shards_max: u32) -> Result<bool> {
        todo!()
    }
}

impl Missing {
    /// How many a request keeps.
    pub const KEPT_MAX: usize = 1000;
}
