//! What must not leave the bytes, as the ledger knows it.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use lacuna_engine::{Holds, HoldsError, NoHolds, NoLedger};
use lacuna_ledger::{Hold, Ledger};
use lacuna_scan::{Selector, TenantId};
use lacuna_store::Store;
use lacuna_worker::LedgerHolds;

use crate::config::Config;
use crate::failure::Result;
use crate::filing;

/// The ledger's holds.
pub(crate) fn holds(ledger: &Ledger) -> Arc<dyn Holds> {
    Arc::new(LedgerHolds::of(ledger.clone()))
}

/// Without a ledger: what one hid in `store` before stays.
pub(crate) fn holds_without_ledger(store: &Arc<dyn Store>, key: &SigningKey) -> Arc<dyn Holds> {
    Arc::new(NoLedger::new(store.clone(), key.clone()))
}

/// The holds that an erasure of each of these persons would meet, as the ledger says now: where there is none yet, there are none.
pub(crate) async fn holds_about(config: &Config, persons: &[Arc<Selector>]) -> Result<Vec<Vec<Hold>>> {
    let Some(ledger) = super::find(config).await? else { return Ok(vec![Vec::new(); persons.len()]) };
    let mut holds = Vec::with_capacity(persons.len());
    for person in persons {
        let tenant = person.tenant.as_ref().map(TenantId::as_str);
        holds.push(ledger.holds_about(tenant, &filing::subject(&person.identifiers)).await?);
    }
    ledger.close().await;
    Ok(holds)
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
    async fn held(&self, _: &str, _: &[&str]) -> std::result::Result<Option<String>, HoldsError> {
        Err("the ledger was not asked for its holds".into())
    }
}
