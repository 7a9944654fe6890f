//! What must not leave the bytes, as the ledger knows it.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use lacuna_engine::{Holds, HoldsError, NoHolds, NoLedger};
use lacuna_ledger::Ledger;
use lacuna_store::Store;
use lacuna_worker::LedgerHolds;

use crate::config::Config;

/// The ledger's holds.
pub(crate) fn holds(ledger: &Ledger) -> Arc<dyn Holds> {
    Arc::new(LedgerHolds::of(ledger.clone()))
}

/// Without a ledger: what one hid in `store` before stays.
pub(crate) fn holds_without_ledger(store: &Arc<dyn Store>, key: &SigningKey) -> Arc<dyn Holds> {
    Arc::new(NoLedger::new(store.clone(), key.clone()))
}

/// For what takes nothing out of the bytes, and so opens no ledger. Where there is one, it could not.
pub(crate) fn unasked_holds(config: &Config) -> Arc<dyn Holds> {
    match config.ledger {
        Some(_) => Arc::new(Unasked),
        None => Arc::new(NoHolds),
    }
}

/// A ledger that was not opened.
#[derive(Debug)]
struct Unasked;

#[async_trait::async_trait]
impl Holds for Unasked {
    async fn held(&self, _: &str, _: &[&str]) -> Result<Option<String>, HoldsError> {
        Err("the ledger was not asked for its holds".into())
    }
}
