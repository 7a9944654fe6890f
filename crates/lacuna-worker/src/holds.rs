//! What the ledger holds back from every purge.

use lacuna_engine::{Holds, HoldsError};
use lacuna_ledger::{Ledger, RequestId};

use crate::job::reason;

/// The holds of a ledger, for whatever takes hidden records out of the bytes.
#[derive(Clone, Debug)]
pub struct LedgerHolds(Ledger);

impl LedgerHolds {
    /// Those of this one.
    pub fn of(ledger: Ledger) -> Self {
        Self(ledger)
    }
}

#[async_trait::async_trait]
impl Holds for LedgerHolds {
    async fn held(&self, source: &str, requests: &[&str]) -> Result<Option<String>, HoldsError> {
        // One that no ledger knows was made at a terminal.
        let known: Vec<RequestId> = requests.iter().filter_map(|id| id.parse().ok()).collect();
        if let Some(hold) = self.0.holding(source, &known).await? {
            return Ok(Some(reason(&hold)));
        }
        let is_taken_back = !self.0.taken_back(&known).await?.is_empty();
        Ok(is_taken_back
            .then(|| "a request that hid rows in it was cancelled; the worker's next purge shows them again".into()))
    }
}
