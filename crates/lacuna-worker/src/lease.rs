//! Leases: while something is worked on, the ledger is told again and again that the worker lives.

use std::time::Duration;

use lacuna_ledger::Error;
use tokio_util::sync::CancellationToken;

/// Does `work`, and renews its claim three times in each `lease` meanwhile. A claim that another worker has by now cancels `stop`: what
/// `work` was at is of no use any more. A ledger that does not answer may answer the next time.
pub(crate) async fn holding<T>(
    lease: Duration,
    stop: &CancellationToken,
    renew: impl AsyncFn() -> Result<(), Error>,
    work: impl Future<Output = T>,
) -> T {
    let beat = async {
        loop {
            tokio::time::sleep(lease / 3).await;
            match renew().await {
                Ok(()) => {}
                Err(Error::Fenced) => {
                    stop.cancel();
                    return std::future::pending().await;
                }
                Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
            }
        }
    };
    tokio::select! {
        biased;
        value = work => value,
        value = beat => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    use tokio::sync::Notify;

    const LEASE: Duration = Duration::from_millis(3);

    #[tokio::test]
    async fn a_claim_is_renewed_while_work_goes_on() {
        let (renewed, is_enough) = (Cell::new(0), Notify::new());
        let stop = CancellationToken::new();
        let renew = async || {
            renewed.set(renewed.get() + 1);
            if renewed.get() == 3 {
                is_enough.notify_one();
            }
            Ok(())
        };
        holding(LEASE, &stop, renew, is_enough.notified()).await;
        assert!(!stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_lost_claim_stops_the_work_and_a_silent_ledger_does_not() {
        let stop = CancellationToken::new();
        let answers = Cell::new(0);
        let renew = async || {
            answers.set(answers.get() + 1);
            Err(if answers.get() == 1 { Error::Busy } else { Error::Fenced })
        };
        holding(LEASE, &stop, renew, stop.cancelled()).await;
        assert_eq!(answers.get(), 2);
    }
}
