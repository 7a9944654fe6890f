//! A change of the record: its transaction, with the entries, notices and tallies that belong to it.
//!
//! What it records is kept aside and written last, so that the chain, which all changes queue for, is locked for as short as possible.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::chain::Entry;
use crate::kept::Kept;
use crate::sql::{Tx, Value, args};
use crate::{Actor, Kind, Policy, RequestId, Result, Role, State, Step, next, standing};

/// What an entry says besides, sorted by name.
pub(crate) type Detail = BTreeMap<&'static str, Json>;

/// A change that is under way.
pub(crate) struct Change {
    pub(crate) tx: Tx,
    entries: Vec<Entry>,
    notices: Vec<Vec<Value>>,
    standing: Vec<(RequestId, OffsetDateTime)>,
    tally: BTreeMap<(Kind, State), i64>,
    policy: Policy,
}

impl Change {
    pub(crate) fn begin(tx: Tx, policy: Policy) -> Self {
        let (entries, notices, standing) = (Vec::new(), Vec::new(), Vec::new());
        Self { tx, entries, notices, standing, tally: BTreeMap::new(), policy }
    }

    /// Moves a request as [`next`] allows, and writes it with what was changed on it before.
    pub(crate) async fn step(
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
            self.ended(request.id, step == Step::Complete && request.kind.erases(), now).await?;
        }
        if step == Step::Hide {
            // Every shard that was there was searched for it: what arrives from now on is the sweep's.
            self.stands(request.id, now).await?;
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
        kept.save(&mut self.tx).await?;
        self.record(step.as_str(), Some(kept.request.id), actor, detail, now);
        Ok(())
    }

    /// Says how long the identifiers of a request that ends are kept. An erasure that is complete stands from now on.
    async fn ended(&mut self, id: RequestId, erased: bool, now: OffsetDateTime) -> Result<()> {
        let mut keep = now.saturating_add(self.policy.grace);
        if erased {
            keep = keep.max(self.stands(id, now).await?);
        } else {
            // One that was hidden on the way stood already.
            self.tx.run("DELETE FROM standing WHERE request = $1", args![id]).await?;
        }
        self.tx.run("UPDATE sealed SET keep_until = $2 WHERE request = $1", args![id, keep]).await?;
        Ok(())
    }

    /// Lets an erasure stand, and says until when. One that stands already keeps its number.
    async fn stands(&mut self, id: RequestId, now: OffsetDateTime) -> Result<OffsetDateTime> {
        let until = now.saturating_add(self.policy.standing);
        if self.tx.run("UPDATE standing SET until = $2 WHERE request = $1", args![id, until]).await? == 0 {
            self.standing.push((id, until));
        }
        Ok(until)
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

    /// Writes what was recorded; what is left to do is to commit.
    pub(crate) async fn finish(mut self) -> Result<Tx> {
        const NOTICE: &str =
            "notice (id, request, kind, previous, state, at, received, due, counts, tries, first_tried,
            delivered, next_try)";
        const COUNT: &str = "INSERT INTO tally (kind, state, requests) VALUES ($1, $2, $3)
            ON CONFLICT (kind, state) DO UPDATE SET requests = tally.requests + excluded.requests";
        if !self.entries.is_empty() {
            Entry::append(&mut self.tx, self.entries).await?;
        }
        self.tx.insert(NOTICE, self.notices, "").await?;
        standing::stand(&mut self.tx, self.standing).await?;
        for ((kind, state), change) in self.tally {
            if change != 0 {
                self.tx.run(COUNT, args![kind.as_str(), state.as_str(), change]).await?;
            }
        }
        Ok(self.tx)
    }
}
