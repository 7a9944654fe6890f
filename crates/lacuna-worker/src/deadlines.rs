//! What a purge that goes by deadlines must know of the ledger.

use std::collections::HashMap;
use std::time::Duration;

use lacuna_engine::Engine;
use lacuna_ledger::{Ledger, RequestId};
use time::OffsetDateTime;

use crate::Result;

/// Whether the ledger's requests with hidden rows are due `within` this time from `now` on.
pub async fn known_due(
    ledger: &Ledger,
    engine: &Engine,
    within: Duration,
    now: OffsetDateTime,
) -> Result<HashMap<String, bool>> {
    let hiding: Vec<RequestId> = engine.hiding().await?.iter().filter_map(|id| id.parse().ok()).collect();
    let known = ledger.deadlines(&hiding).await?;
    Ok(known.into_iter().map(|(id, due)| (id.to_string(), due <= now + within)).collect())
}
