//! A request's row.

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;

use crate::sql::{Row, Tx, Value, args, group, micros};
use crate::{Clock, Error, PassId, Policy, Request, RequestId, Result, State};

/// How many rows are asked for by their ids at a time.
pub(crate) const IDS_MAX: usize = 500;

/// The rows of a query about `requests`, which `sql` makes of a group of their ids; many ids with each statement.
pub(crate) async fn rows_about(
    tx: &mut Tx,
    requests: &[RequestId],
    sql: impl Fn(String) -> String,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for ids in requests.chunks(IDS_MAX) {
        rows.extend(tx.rows(sql(group(0, ids.len())), ids.iter().flat_map(|id| args![*id]).collect()).await?);
    }
    Ok(rows)
}

/// A request, with what only the ledger needs to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) request: Request,
    /// Whether the cancel window is skipped.
    pub(crate) forced: bool,
    /// Grows whenever approvals are asked for anew.
    pub(crate) round: i64,
    pub(crate) package_removed: Option<OffsetDateTime>,
    pub(crate) forgotten: Option<OffsetDateTime>,
}

impl Kept {
    fn read(row: &Row) -> Result<Self> {
        let number = |column: &str, what| u8::try_from(row.int(column)?).map_err(|_| Error::Corrupt(what));
        let forgotten = row.maybe_time("forgotten")?;
        let request = Request {
            id: row.id("id")?,
            tenant: Some(row.string("tenant")?).filter(|tenant| !tenant.is_empty()),
            requester: row.string("requester")?,
            kind: row.text("kind")?.parse()?,
            regulation: row.string("regulation")?,
            sources: row.json("sources")?.unwrap_or_default(),
            options: row.json("options")?.unwrap_or_default(),
            lane: row.text("lane")?.parse()?,
            state: row.text("state")?.parse()?,
            clock: Clock {
                received: row.time("received")?,
                due: row.time("due")?,
                paused: row.maybe_time("paused")?,
                extended: match row.maybe_int("extended")? {
                    Some(_) => Some(number("extended", "a request's extension")?),
                    None => None,
                },
            },
            not_before: row.time("not_before")?,
            subject_hash: crate::seal::hex(row.bytes("subject_hash")?),
            has_identifiers: forgotten.is_none(),
            counts: row.json("counts")?,
            approved: row.json("approved")?,
            approvers: Vec::new(),
            approvals_needed: number("approvals_needed", "a number of approvals")?,
            missing: row.json("missing")?.unwrap_or_default(),
            reason: row.maybe_string("reason")?,
            package: row.maybe_string("package")?,
            package_expires: row.maybe_time("package_expires")?,
            receipt: row.maybe_string("receipt")?,
            pass: row.maybe_int("pass")?.map(PassId),
            tries: u32::try_from(row.int("tries")?).map_err(|_| Error::Corrupt("a number of tries"))?,
            ended: row.maybe_time("ended")?,
        };
        let package_removed = row.maybe_time("package_removed")?;
        Ok(Self { request, forced: row.int("forced")? != 0, round: row.int("round")?, package_removed, forgotten })
    }

    /// The requests of a query for whole rows, in its order.
    pub(crate) async fn all(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<Self>> {
        let mut all: Vec<Self> = rows.iter().map(Self::read).collect::<Result<_>>()?;
        for chunk in all.chunks_mut(IDS_MAX) {
            // Nobody approves what asks for no approval.
            let needing: Vec<_> = chunk.iter().filter(|kept| kept.request.approvals_needed > 0).collect();
            if needing.is_empty() {
                continue;
            }
            let ids = needing.iter().flat_map(|kept| args![kept.request.id]).collect();
            let sql = format!(
                "SELECT request, round, approver FROM approval WHERE request IN {} ORDER BY request, round, at, approver",
                group(0, needing.len())
            );
            for row in tx.rows(sql, ids).await? {
                let (id, round) = (row.id("request")?, row.int("round")?);
                if let Some(kept) = chunk.iter_mut().find(|kept| kept.request.id == id && kept.round == round) {
                    kept.request.approvers.push(row.string("approver")?);
                }
            }
        }
        Ok(all)
    }

    /// The request of this id.
    pub(crate) async fn load(tx: &mut Tx, id: RequestId) -> Result<Self> {
        Self::find(tx, id, "").await
    }

    /// The same, locked until the transaction ends.
    pub(crate) async fn lock(tx: &mut Tx, id: RequestId) -> Result<Self> {
        let lock = tx.for_update();
        Self::find(tx, id, lock).await
    }

    /// Those of these ids that are there, by id, locked until the transaction ends.
    pub(crate) async fn lock_all(tx: &mut Tx, ids: &[RequestId]) -> Result<Vec<Self>> {
        let mut all = Vec::with_capacity(ids.len());
        // Whoever locks several requests locks them in this order, so that nobody waits for the other.
        let ids: BTreeSet<_> = ids.iter().copied().collect();
        let ids: Vec<_> = ids.into_iter().collect();
        for ids in ids.chunks(IDS_MAX) {
            let sql =
                format!("SELECT * FROM request WHERE id IN {} ORDER BY id{}", group(0, ids.len()), tx.for_update());
            let rows = tx.rows(sql, ids.iter().flat_map(|id| args![*id]).collect()).await?;
            all.extend(Self::all(tx, rows).await?);
        }
        Ok(all)
    }

    async fn find(tx: &mut Tx, id: RequestId, lock: &str) -> Result<Self> {
        let rows = tx.rows(format!("SELECT * FROM request WHERE id = $1{lock}"), args![id]).await?;
        Self::all(tx, rows).await?.pop().ok_or(Error::NotFound("request"))
    }

    /// It is about to be scheduled: after the cancel window of an erasure, at once otherwise.
    pub(crate) fn schedule(&mut self, policy: &Policy, now: OffsetDateTime) {
        let window = self.request.clock.received.saturating_add(policy.cancel_window);
        let waits = self.request.kind.erases() && !self.forced;
        self.request.not_before = if waits { window.max(now) } else { now };
    }

    /// When a pass may take it.
    pub(crate) fn ready(&self) -> Option<OffsetDateTime> {
        let request = &self.request;
        if request.pass.is_some() || request.clock.paused.is_some() {
            return None;
        }
        match request.state {
            State::Received | State::Scheduled | State::Incomplete => Some(request.not_before),
            _ => None,
        }
    }

    /// When it is due, if its clock runs.
    pub(crate) fn deadline(&self) -> Option<OffsetDateTime> {
        let runs = !self.request.state.has_ended() && self.request.clock.paused.is_none();
        runs.then_some(self.request.clock.due)
    }

    /// Writes what may have changed, of any number of them.
    pub(crate) async fn save_all(tx: &mut Tx, all: impl IntoIterator<Item = &Self>) -> Result<()> {
        const COLUMNS: [&str; 24] = [
            "id",
            "state",
            "received",
            "due",
            "paused",
            "extended",
            "not_before",
            "counts",
            "approved",
            "approvals_needed",
            "round",
            "missing",
            "reason",
            "package",
            "package_expires",
            "package_removed",
            "receipt",
            "tries",
            "pass",
            "ended",
            "forgotten",
            "ready",
            "deadline",
            "forced",
        ];
        let rows: Vec<_> = all.into_iter().map(Self::values).collect();
        let count = rows.len() as u64;
        match tx.update("request", &COLUMNS, rows).await? {
            written if written == count => Ok(()),
            _ => Err(Error::NotFound("request")),
        }
    }

    /// What may have changed, in the order of the columns.
    fn values(&self) -> Vec<Value> {
        let request = &self.request;
        args![
            request.id,
            request.state.as_str(),
            request.clock.received,
            request.clock.due,
            request.clock.paused,
            request.clock.extended.map(i64::from),
            request.not_before,
            request.counts.as_ref().map(json),
            request.approved.as_ref().map(json),
            i64::from(request.approvals_needed),
            self.round,
            Some(&request.missing).filter(|missing| !missing.is_empty()).map(json),
            request.reason.clone(),
            request.package.clone(),
            request.package_expires,
            self.package_removed,
            request.receipt.clone(),
            request.tries,
            request.pass.map(|pass| pass.0),
            request.ended,
            self.forgotten,
            self.ready(),
            self.deadline(),
            i64::from(self.forced),
        ]
    }
}

/// Plain structs of strings and numbers always serialise.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A time as the database keeps it.
pub(crate) fn whole(time: OffsetDateTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros(time)) * 1000).unwrap_or(time)
}
