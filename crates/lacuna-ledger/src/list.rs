//! Requests by id, and pages of them.

use time::OffsetDateTime;

use crate::{Kind, Ledger, Request, RequestId, Result, State};

/// Which requests; all, by default.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this tenant only.
    pub tenant: Option<String>,
    /// In this state only.
    pub state: Option<State>,
    /// Of this kind only.
    pub kind: Option<Kind>,
    /// By their deadline; they come the most urgent first then, else the newest first.
    pub due: Option<Due>,
}

/// Requests that have not ended and whose clock runs, by their deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It has passed.
    Overdue,
    /// It has passed or comes within [`Policy::near_due`](crate::Policy::near_due).
    Near,
}

/// Where a page ended. An opaque text that may be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A page of requests.
#[derive(Clone, Debug)]
pub struct Page {
    /// The requests.
    pub requests: Vec<Request>,
    /// Where the next page begins, when there is one.
    pub next: Option<Cursor>,
}

impl Ledger {
    /// One request.
    pub async fn request(&self, id: RequestId) -> Result<Request> {
        todo!()
    }

    /// A page of at most `limit` requests, from where `after` ended.
    pub async fn list(&self, filter: &Filter, after: Option<&Cursor>, limit: u32, now: OffsetDateTime) -> Result<Page> {
        todo!()
    }
}
