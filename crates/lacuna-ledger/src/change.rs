//! A change of the record: its transaction, with the entries, notices and tallies that belong to it.
//!
//! What it changes and records is kept aside and written last: many rows with each statement, and the chain, which all changes queue for,
//! is locked for as short as possible.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::chain::Entry;
use crate::kept::Kept;
use crate::sql::{Tx, Value, args};
use crate::{Actor, Kind, Policy, Request, RequestId, Result, Role, State, Step, next, standing};

/// What an entry says besides, sorted by name.
pub(crate) type Detail = BTreeMap<&'static str, Json>;

/// A change that is under way.
pub(crate) struct Change {
    pub(crate) tx: Tx,
    /// Requests that are not written yet.
    kept: BTreeMap<RequestId, Kept>,
    /// Requests that ended, and until when their identifiers are kept.
    ended: BTreeMap<RequestId, OffsetDateTime>,
    /// Erasures that stand, and until when; not any more, without a time.
    standing: BTreeMap<RequestId, Option<OffsetDateTime>>,
    entries: Vec<Entry>,
    notices: Vec<Vec<Value>>,
    tally: BTreeMap<(Kind, State), i64>,
    policy: Policy,
}

impl Change {
    pub(crate) fn begin(tx: Tx, policy: Policy) -> Self {
        let (kept, ended, standing) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { tx, kept, ended, standing, entries: Vec::new(), notices: Vec::new(), tally: BTreeMap::new(), policy }
    }

    /// Moves a request as [`next`] allows, and [saves](Self::save) it with what was changed on it before.
    pub(crate) fn step(
        &mut self,
        kept: &mut Kept,
        step: Step,
        actor: &Actor,
        mut detail: Detail,
        now: OffsetDateTime,
    ) -> Result<()> {
        let request = &mut kept.request;
        let from = request.state;
        request.state = next(from, request.kind, step, actor.role)?;
        if request.state.has_ended() {
            request.ended = Some(now);
            self.ended(request.id, step == Step::Complete && request.kind.erases(), now);
        }
        if step == Step::Hide {
            // Every shard that was there was searched for it: what arrives from now on is the sweep's.
            self.stands(request.id, now);
        }
        // A pass that was counting what somebody has decided on meanwhile has nothing to do with it any more.
        if request.state.has_ended() || (request.state != from && actor.role != Role::Worker) {
            request.pass = None;
        }
        if request.state != from {
            detail.insert("from", json!(from));
            detail.insert("to", json!(request.state));
            self.moved(kept, Some(from), now);
        }
        self.save(kept);
        self.record(step.as_str(), Some(kept.request.id), actor, detail, now);
        Ok(())
    }

    /// Writes what may have changed on a request, when the transaction ends. Who reads it before [writes](Self::write) first.
    pub(crate) fn save(&mut self, kept: &Kept) {
        self.kept.insert(kept.request.id, kept.clone());
    }

    /// Says how long the identifiers of a request that ends are kept. An erasure that is complete stands from now on.
    fn ended(&mut self, id: RequestId, erased: bool, now: OffsetDateTime) {
        let mut keep = now.saturating_add(self.policy.grace);
        if erased {
            keep = keep.max(self.stands(id, now));
        } else {
            // One that was hidden on the way stood already.
            self.standing.insert(id, None);
        }
        self.ended.insert(id, keep);
    }

    /// Lets an erasure stand, and says until when. One that stands already keeps its number.
    fn stands(&mut self, id: RequestId, now: OffsetDateTime) -> OffsetDateTime {
        let until = now.saturating_add(self.policy.standing);
        self.standing.insert(id, Some(until));
        until
    }

    /// Counts and announces that a request is in another state.
    pub(crate) fn moved(&mut self, kept: &Kept, from: Option<State>, now: OffsetDateTime) {
        let request = &kept.request;
        if let Some(from) = from {
            *self.tally.entry((request.kind, from)).or_default() -= 1;
        }
        *self.tally.entry((request.kind, request.state)).or_default() += 1;
        if self.policy.notices {
            self.notices.push(args![
                Uuid::now_v7().hyphenated().to_string(),
                request.id,
                request.kind.as_str(),
                from.map(|from| from.as_str().to_owned()),
                request.state.as_str(),
                now,
                request.clock.received,
                request.clock.due_as_of(now),
                request.counts.as_ref().map(|counts| json!(counts).to_string()),
                0_i64,
                None::<i64>,
                "[]",
                now,
            ]);
        }
    }

    /// Adds an entry to the chain.
    pub(crate) fn record(
        &mut self,
        what: &'static str,
        request: Option<RequestId>,
        actor: &Actor,
        detail: Detail,
        now: OffsetDateTime,
    ) {
        self.entries.push(Entry::new(what, request, actor, detail, now));
    }

    /// Writes the requests that were saved.
    pub(crate) async fn write(&mut self) -> Result<()> {
        Kept::save_all(&mut self.tx, std::mem::take(&mut self.kept).values()).await
    }

    /// A request as it was written.
    pub(crate) async fn written(&mut self, id: RequestId) -> Result<Request> {
        self.write().await?;
        Ok(Kept::load(&mut self.tx, id).await?.request)
    }

    /// Writes all that was changed and recorded; what is left to do is to commit.
    pub(crate) async fn finish(mut self) -> Result<Tx> {
        const NOTICE: &str =
            "notice (id, request, kind, previous, state, at, received, due, counts, tries, first_tried,
            delivered, next_try)";
        const COUNT: &str = "INSERT INTO tally (kind, state, requests) VALUES ($1, $2, $3)
            ON CONFLICT (kind, state) DO UPDATE SET requests = tally.requests + excluded.requests";
        self.write().await?;
        let keep = self.ended.into_iter().map(|(id, until)| args![id, until]).collect();
        self.tx.update("sealed", &["request", "keep_until"], keep).await?;
        let new = standing::prolong(&mut self.tx, self.standing).await?;
        if !self.entries.is_empty() {
            Entry::append(&mut self.tx, self.entries).await?;
        }
        self.tx.insert(NOTICE, self.notices, "").await?;
        standing::stand(&mut self.tx, new).await?;
        for ((kind, state), change) in self.tally {
            if change != 0 {
                self.tx.run(COUNT, args![kind.as_str(), state.as_str(), change]).await?;
            }
        }
        Ok(self.tx)
    }
}
