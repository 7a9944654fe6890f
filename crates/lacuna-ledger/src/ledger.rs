//! A ledger that is open.

use crate::{LedgerConfig, Result};

/// A ledger that is open: cheap to clone, and used by any number of tasks at a time.
#[derive(Clone, Debug)]
pub struct Ledger {}

impl Ledger {
    /// Opens the ledger, makes it when there is none, and brings its tables up to date.
    pub async fn open(config: &LedgerConfig) -> Result<Self> {
        todo!()
    }

    /// Waits for what is under way and closes every connection; a SQLite file has no WAL beside it then.
    pub async fn close(&self) {
        todo!()
    }
}
