//! What time takes: deadlines that nobody met, identifiers that nobody needs, packages that have expired.

use time::OffsetDateTime;

use crate::{Actor, Ledger, RequestId, Result};

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
        todo!()
    }

    /// Erases the identifiers of requests that ended longer ago than the grace period, and of erasures that stand no more; a keyed
    /// hash, dates and counts stay. On SQLite no byte of them is left in the file or its WAL after this.
    ///
    /// A standing erasure that a hold keeps back is not forgotten before the hold is lifted.
    pub async fn forget(&self, worker: &Actor, now: OffsetDateTime) -> Result<Forgotten> {
        todo!()
    }

    /// At most `limit` packages that have expired, the oldest first.
    pub async fn expired_packages(&self, limit: u32, now: OffsetDateTime) -> Result<Vec<ExpiredPackage>> {
        todo!()
    }

    /// Says that a request's package is gone, with all its versions.
    pub async fn package_removed(&self, request: RequestId, worker: &Actor, now: OffsetDateTime) -> Result<()> {
        todo!()
    }
}
