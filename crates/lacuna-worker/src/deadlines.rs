//! What a purge that goes by deadlines must know of the ledger.

use std::collections::HashMap;
use std::time::Duration;

use lacuna_ledger::{Ledger, RequestId};
use time::OffsetDateTime;

use crate::Result;

/// Whether those of these requests that the ledger knows are due `within` this time from `now` on.
pub async fn known_due(
    ledger: &Ledger,
    requests: &[RequestId],
    within: Duration,
    now: OffsetDateTime,
) -> Result<HashMap<String, bool>> {
    let known = ledger.deadlines(requests).await?;
    Ok(known.into_iter().map(|(id, due)| (id.to_string(), due <= now + within)).collect())
}
