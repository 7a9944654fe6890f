//! The outbox: who is told of a change of state reads it here. Written in the same transaction as the change.

use std::fmt;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{Counts, Kind, Ledger, RequestId, Result, State};

/// The id of a notice, the same in every try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoticeId(pub(crate) Uuid);

/// A change of state that others are told of: without tenant, requester or subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// The request.
    pub request: RequestId,
    /// What the request wants.
    pub kind: Kind,
    /// Where it stood before; absent for a new one.
    pub previous: Option<State>,
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub at: OffsetDateTime,
    /// When the request was received.
    pub received: OffsetDateTime,
    /// When it was due then.
    pub due: OffsetDateTime,
    /// What was found and done by then.
    pub counts: Option<Counts>,
    /// How often it was tried before.
    pub tries: u32,
    /// When it was tried first.
    pub first_tried: Option<OffsetDateTime>,
    /// The receivers that have it.
    pub delivered: Vec<String>,
}

impl Ledger {
    /// Claims at most `limit` notices whose time has come, the oldest first. Whoever does not settle one within `lease` leaves it to others.
    pub async fn claim_notices(&self, limit: u32, lease: Duration, now: OffsetDateTime) -> Result<Vec<Notice>> {
        todo!()
    }

    /// Every receiver has it: it is removed.
    pub async fn notice_done(&self, id: NoticeId) -> Result<()> {
        todo!()
    }

    /// These receivers have it; the others are tried again at `next_try`.
    pub async fn notice_failed(
        &self,
        id: NoticeId,
        delivered: &[String],
        next_try: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<()> {
        todo!()
    }

    /// It was tried for long enough: it is removed, and the chain says which request was not heard of.
    pub async fn notice_given_up(&self, id: NoticeId, now: OffsetDateTime) -> Result<()> {
        todo!()
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
