//! The ledger at a glance, for metrics.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::sql::args;
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
    /// Notices that wait.
    pub notices: u64,
}

impl Ledger {
    /// The ledger at a glance; its cost does not grow with the requests that have ended.
    pub async fn overview(&self, now: OffsetDateTime) -> Result<Overview> {
        const NOW: &str = "SELECT (SELECT MIN(received) FROM request WHERE ready <= $1) AS oldest_due,
            (SELECT MIN(deadline) FROM request WHERE deadline IS NOT NULL) AS nearest_deadline,
            (SELECT COUNT(*) FROM request WHERE deadline < $1) AS overdue,
            (SELECT COUNT(*) FROM notice) AS notices";
        let mut tx = self.read().await?;
        let mut requests = BTreeMap::new();
        for row in tx.rows("SELECT kind, state, requests FROM tally WHERE requests > 0", args![]).await? {
            let key: (Kind, State) = (row.text("kind")?.parse()?, row.text("state")?.parse()?);
            requests.insert(key, row.count("requests")?);
        }
        let row = tx.one(NOW, args![now]).await?;
        Ok(Overview {
            requests,
            oldest_due: row.maybe_time("oldest_due")?,
            nearest_deadline: row.maybe_time("nearest_deadline")?,
            overdue: row.count("overdue")?,
            notices: row.count("notices")?,
        })
    }
}
