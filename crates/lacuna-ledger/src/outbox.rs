//! The outbox: who is told of a change of state reads it here. Written in the same transaction as the change.

use std::fmt;

use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::change::Detail;
use crate::sql::{Row, args, group};
use crate::{Actor, Counts, Error, Kind, Ledger, RequestId, Result, State};

/// Notices that are claimed at a time at most.
const CLAIM_MAX: u32 = 500;

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
        self.change(async |change| {
            let tx = &mut change.tx;
            let sql =
                format!("SELECT * FROM notice WHERE next_try <= $1 ORDER BY next_try, id LIMIT $2{}", tx.skip_locked());
            let rows = tx.rows(sql, args![now, limit.min(CLAIM_MAX)]).await?;
            let notices = rows.iter().map(Notice::read).collect::<Result<Vec<_>>>()?;
            if notices.is_empty() {
                return Ok(notices);
            }
            let sql = format!(
                "UPDATE notice SET next_try = $1, first_tried = COALESCE(first_tried, $2), tries = tries + 1
                    WHERE id IN {}",
                group(2, notices.len())
            );
            let mut values = args![now.saturating_add(lease), now];
            values.extend(notices.iter().flat_map(|notice| args![notice.id.to_string()]));
            tx.run(sql, values).await?;
            Ok(notices)
        })
        .await
    }

    /// Every receiver has it: it is removed.
    pub async fn notice_done(&self, id: NoticeId) -> Result<()> {
        self.change(async |change| {
            change.tx.run("DELETE FROM notice WHERE id = $1", args![id.to_string()]).await?;
            Ok(())
        })
        .await
    }

    /// These receivers have it; the others are tried again at `next_try`.
    pub async fn notice_failed(&self, id: NoticeId, delivered: &[String], next_try: OffsetDateTime) -> Result<()> {
        self.change(async |change| {
            let sql = "UPDATE notice SET delivered = $2, next_try = $3 WHERE id = $1";
            change.tx.run(sql, args![id.to_string(), json!(delivered).to_string(), next_try]).await?;
            Ok(())
        })
        .await
    }

    /// It was tried for long enough: it is removed, and the chain says which change was not heard of, and by how many it was.
    pub async fn notice_given_up(&self, id: NoticeId, worker: &Actor, now: OffsetDateTime) -> Result<()> {
        self.change(async |change| {
            let sql = "DELETE FROM notice WHERE id = $1 RETURNING *";
            if let Some(row) = change.tx.row(sql, args![id.to_string()]).await? {
                let notice = Notice::read(&row)?;
                let detail = Detail::from([
                    ("delivered", json!(notice.delivered.len())),
                    ("state", json!(notice.state)),
                    ("tries", json!(notice.tries)),
                ]);
                change.record("notice_given_up", Some(notice.request), worker, detail, now);
            }
            Ok(())
        })
        .await
    }
}

impl Notice {
    fn read(row: &Row) -> Result<Self> {
        let previous = row.maybe_string("previous")?;
        Ok(Self {
            id: row.text("id")?.parse().map(NoticeId).map_err(|_| Error::Corrupt("a notice's id"))?,
            request: row.id("request")?,
            kind: row.text("kind")?.parse()?,
            previous: previous.map(|state| state.parse()).transpose()?,
            state: row.text("state")?.parse()?,
            at: row.time("at")?,
            received: row.time("received")?,
            due: row.time("due")?,
            counts: row.json("counts")?,
            tries: u32::try_from(row.int("tries")?).map_err(|_| Error::Corrupt("a number of tries"))?,
            first_tried: row.maybe_time("first_tried")?,
            delivered: row.json("delivered")?.unwrap_or_default(),
        })
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
