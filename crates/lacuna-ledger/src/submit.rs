//! A request comes in.

use time::OffsetDateTime;

use crate::{Actor, Ledger, NewRequest, Request, RequestId, Result};

/// What became of a submission.
#[derive(Clone, Debug)]
pub enum Submitted {
    /// It is recorded.
    New(Request),
    /// It was recorded before, under the same idempotency key and with the same body.
    Known(Request),
    /// The same wish for the same person is under way, and nothing was recorded.
    Duplicate {
        /// The request that is under way.
        of: RequestId,
    },
}

impl Ledger {
    /// Records a request of `actor`. The same one any number of times at once is recorded once.
    ///
    /// What needs no approval is scheduled at once; an erasure that needs some is [`Received`](crate::State::Received), rides on the
    /// next pass to be counted, and then awaits approval.
    pub async fn submit(&self, new: NewRequest, actor: &Actor, now: OffsetDateTime) -> Result<Submitted> {
        todo!()
    }
}
