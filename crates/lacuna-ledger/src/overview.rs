//! The ledger at a glance, for metrics.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::{Kind, Ledger, Result, State};

/// The ledger at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Requests by kind and state.
    pub requests: BTreeMap<(Kind, State), u64>,
    /// When the oldest request that waits to run now was received.
    pub oldest_due: Option<OffsetDateTime>,
    /// The nearest deadline of a request that has not ended and whose clock runs; it may have passed.
    pub nearest_deadline: Option<OffsetDateTime>,
    /// Requests past their deadline.
    pub overdue: u64,
    /// Standing erasures.
    pub standing: u64,
    /// Notices that wait.
    pub notices: u64,
}

impl Ledger {
    /// The ledger at a glance; its cost does not grow with the requests that have ended.
    pub async fn overview(&self, now: OffsetDateTime) -> Result<Overview> {
        todo!()
    }
}
