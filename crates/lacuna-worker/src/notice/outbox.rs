//! From the ledger's outbox to the receivers.

use futures::{StreamExt as _, stream};
use lacuna_ledger::{Actor, Ledger, Notice, Result};
use time::{Duration, OffsetDateTime};

use super::{Change, Counts, Notifier, Tried, next_try};
use crate::metrics::Metrics;

/// Notices that are claimed at a time.
const BATCH: u32 = 64;
/// Notices that are under way at a time.
const ABREAST: usize = 8;
/// How long a claim holds: longer than a batch takes when every receiver stays silent.
const LEASE: Duration = Duration::minutes(5);

/// How many notices were tried, by what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Every receiver has them, or wants no more, and one took them now.
    pub delivered: u64,
    /// Some receiver did not take them.
    pub failed: u64,
}

impl Notifier {
    /// Delivers what waits in the outbox now. What fails waits there for its next try. Where nobody is to be told, the outbox is emptied.
    pub async fn run_once(
        &self,
        ledger: &Ledger,
        worker: &Actor,
        metrics: &Metrics,
        now: OffsetDateTime,
    ) -> Result<Told> {
        let mut told = Told::default();
        loop {
            let batch = ledger.claim_notices(BATCH, LEASE, now).await?;
            let is_last = batch.len() < BATCH as usize;
            let mut settled = stream::iter(batch)
                .map(|notice| self.settle(ledger, worker, metrics, notice, now))
                .buffer_unordered(ABREAST);
            while let Some(tried) = settled.next().await {
                let tried = tried?;
                told.delivered += u64::from(tried.failed == 0 && tried.taken > 0);
                told.failed += u64::from(tried.failed > 0);
            }
            if is_last {
                return Ok(told);
            }
        }
    }

    async fn settle(
        &self,
        ledger: &Ledger,
        worker: &Actor,
        metrics: &Metrics,
        notice: Notice,
        now: OffsetDateTime,
    ) -> Result<Tried> {
        let id = notice.id.to_string();
        let tried = self.tell(&id, &change(&notice), &notice.delivered, now).await;
        metrics.notices(tried.taken, tried.failed);
        if tried.failed == 0 {
            ledger.notice_done(notice.id).await?;
            return Ok(tried);
        }
        match next_try(notice.tries + 1, notice.first_tried.unwrap_or(now), now, spread(&id)) {
            Some(next) => ledger.notice_failed(notice.id, &tried.settled, next).await?,
            None => {
                metrics.notices_given_up(tried.failed);
                tracing::error!(notice = id, request = %notice.request, "a notice is given up: it was tried for long enough");
                ledger.notice_given_up(notice.id, worker, now).await?;
            }
        }
        Ok(tried)
    }
}

fn change(notice: &Notice) -> Change {
    Change {
        request: notice.request.to_string(),
        kind: notice.kind.as_str(),
        previous: notice.previous.map(lacuna_ledger::State::as_str),
        state: notice.state.as_str(),
        at: notice.at,
        received: notice.received,
        due: notice.due,
        counts: notice.counts.as_ref().map(|counts| Counts {
            matched: counts.matched(),
            erased: counts.erased(),
            kept: counts.kept(),
        }),
    }
}

/// A number from 0 to 1 that differs from notice to notice: the end of a UUID is random.
fn spread(id: &str) -> f64 {
    let end = id.get(id.len().saturating_sub(2)..).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    f64::from(end.unwrap_or_default()) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_id_spreads_tries() {
        assert_eq!(["0192e5c4-0000-7000-8000-0000000000ff", "…00", "", "z"].map(spread), [1.0, 0.0, 0.0, 0.0]);
    }
}
