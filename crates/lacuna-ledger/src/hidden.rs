//! Erasures whose rows are hidden and not out of the bytes yet: they wait for a purge, on no pass.

use serde_json::json;
use time::OffsetDateTime;

use crate::change::Detail;
use crate::kept::{Kept, rows_about};
use crate::sql::args;
use crate::{Actor, Conclusion, Counts, Ending, Ledger, Refusal, Request, RequestId, Result, State};

impl Ledger {
    /// At most `limit` requests that left their pass as [`Ending::Hidden`] and are not [`verified`](Ledger::verified) yet, by id, from the
    /// one after `after`.
    pub async fn hidden_requests(&self, after: Option<RequestId>, limit: u32) -> Result<Vec<Request>> {
        const HIDDEN: &str =
            "SELECT * FROM request WHERE state = 'verifying' AND pass IS NULL AND id > $1 ORDER BY id LIMIT $2";
        let mut tx = self.read().await?;
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows = tx.rows(HIDDEN, args![after, limit]).await?;
        Ok(Kept::all(&mut tx, rows).await?.into_iter().map(|kept| kept.request).collect())
    }

    /// Those of `requests` that were taken back: what they have hidden is to be shown again.
    pub async fn taken_back(&self, requests: &[RequestId]) -> Result<Vec<RequestId>> {
        let sql = |ids| format!("SELECT id FROM request WHERE state = 'cancelled' AND id IN {ids}");
        let rows = rows_about(&mut self.read().await?, requests, sql).await?;
        rows.iter().map(|row| row.id("id")).collect()
    }

    /// When those of `requests` are due that it knows.
    pub async fn deadlines(&self, requests: &[RequestId]) -> Result<Vec<(RequestId, OffsetDateTime)>> {
        let sql = |ids| format!("SELECT id, due FROM request WHERE id IN {ids}");
        let rows = rows_about(&mut self.read().await?, requests, sql).await?;
        rows.iter().map(|row| Ok((row.id("id")?, row.time("due")?))).collect()
    }

    /// Says how an erasure ended that was hidden, and how it stands then: [`Ending::Complete`] or [`Ending::Incomplete`]. The same call
    /// again changes nothing.
    pub async fn verified(&self, conclusion: &Conclusion, worker: &Actor, now: OffsetDateTime) -> Result<Request> {
        let ends_in = match &conclusion.ending {
            Ending::Complete => State::Complete,
            Ending::Incomplete { .. } => State::Incomplete,
            Ending::Counted { .. } | Ending::Hidden | Ending::OverLimits | Ending::Failed { .. } => {
                return Err(Refusal::Malformed("what was hidden ends as complete or incomplete").into());
            }
        };
        self.change(async |change| {
            let mut kept = Kept::lock(&mut change.tx, conclusion.request).await?;
            let same_receipt = conclusion.receipt.is_none() || kept.request.receipt == conclusion.receipt;
            if kept.request.state != ends_in || !same_receipt {
                if kept.request.state != State::Verifying || kept.request.pass.is_some() {
                    return Err(Refusal::State(kept.request.state).into());
                }
                self.conclude_one(change, &mut kept, conclusion, worker, now)?;
            }
            change.written(conclusion.request).await
        })
        .await
    }

    /// Notes what a purge took out of the bytes for a request that does not wait for it, as it is incomplete or over: its counts now, and where
    /// the receipt is that tells of it.
    pub async fn purged(
        &self,
        request: RequestId,
        counts: &Counts,
        receipt: &str,
        worker: &Actor,
        now: OffsetDateTime,
    ) -> Result<()> {
        self.change(async |change| {
            let mut kept = Kept::lock(&mut change.tx, request).await?;
            let is_told = kept.request.receipt.as_deref() == Some(receipt);
            // What a pass or the end of its wait comes to is noted then.
            if is_told || matches!(kept.request.state, State::Running | State::Verifying) {
                return Ok(());
            }
            kept.request.counts = Some(counts.clone());
            kept.request.receipt = Some(receipt.to_owned());
            change.save(&kept);
            let detail = Detail::from([("erased", json!(counts.erased())), ("receipt", json!(receipt))]);
            change.record("purged", Some(request), worker, detail, now);
            Ok(())
        })
        .await
    }
}
