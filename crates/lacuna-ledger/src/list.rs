//! Requests by id, and pages of them.

use time::OffsetDateTime;

use crate::kept::Kept;
use crate::sql::{Value, args};
use crate::{Error, Kind, Ledger, Request, RequestId, Result, State};

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

/// Requests on a page at most.
const PAGE_MAX: u32 = 1000;

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
        Ok(Kept::load(&mut self.read().await?, id).await?.request)
    }

    /// A page of at most `limit` requests, from where `after` ended.
    pub async fn list(&self, filter: &Filter, after: Option<&Cursor>, limit: u32, now: OffsetDateTime) -> Result<Page> {
        let limit = limit.clamp(1, PAGE_MAX);
        let (mut terms, mut values) = (Vec::new(), Vec::new());
        let mut add = |term: &str, value: Value| {
            values.push(value);
            terms.push(term.replace('?', &format!("${}", values.len())));
        };
        if let Some(tenant) = &filter.tenant {
            add("tenant = ?", tenant.as_str().into());
        }
        if let Some(state) = filter.state {
            add("state = ?", state.as_str().into());
        }
        if let Some(kind) = filter.kind {
            add("kind = ?", kind.as_str().into());
        }
        if let Some(due) = filter.due {
            let until = match due {
                Due::Overdue => now,
                Due::Near => now.saturating_add(self.policy().near_due),
            };
            add("deadline < ?", until.into());
        }
        let order = match (filter.due, after.map(Cursor::read).transpose()?) {
            (None, None) => "id DESC",
            (None, Some((_, id))) => {
                add("id < ?", id.into());
                "id DESC"
            }
            (Some(_), None) => "deadline, id",
            (Some(_), Some((deadline, id))) => {
                add("deadline >= ?", deadline.into());
                add(&format!("(deadline > {deadline} OR id > ?)"), id.into());
                "deadline, id"
            }
        };
        let terms = if terms.is_empty() { String::new() } else { format!("WHERE {}", terms.join(" AND ")) };
        // One more tells whether there is a next page.
        values.extend(args![limit + 1]);
        let sql = format!("SELECT * FROM request {terms} ORDER BY {order} LIMIT ${}", values.len());
        let mut tx = self.read().await?;
        let rows = tx.rows(sql, values).await?;
        let mut kept = Kept::all(&mut tx, rows).await?;
        let more = kept.len() > limit as usize;
        kept.truncate(limit as usize);
        let next = kept.last().filter(|_| more).map(Cursor::after);
        Ok(Page { requests: kept.into_iter().map(|kept| kept.request).collect(), next })
    }
}

impl Cursor {
    fn after(kept: &Kept) -> Self {
        let deadline = crate::sql::micros(kept.request.clock.due);
        Self(format!("{deadline}.{}", kept.request.id))
    }

    fn read(&self) -> Result<(i64, RequestId)> {
        let parts = self.0.split_once('.').and_then(|(deadline, id)| Some((deadline.parse().ok()?, id.parse().ok()?)));
        parts.ok_or_else(|| Error::Configuration("a page's beginning cannot be read".into()))
    }
}
