//! A request comes in.

use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::{NoContext, Timestamp, Uuid};

use crate::act::check_actor;
use crate::change::{Change, Detail};
use crate::kept::{Kept, json as text, whole};
use crate::name::is_name;
use crate::sql::args;
use crate::{
    Actor, Clock, Error, Identifier, Ledger, NewRequest, Refusal, Request, RequestId, Result, Role, State, Step,
};

/// What is too long to be kept.
const OPTIONS_BYTES_MAX: usize = 64 * 1024;
const IDENTIFIERS_MAX: usize = 1000;
const SUBJECT_BYTES_MAX: usize = 1024 * 1024;
pub(crate) const REASON_BYTES_MAX: usize = 4000;

/// What became of a submission.
#[derive(Clone, Debug)]
pub enum Submitted {
    /// It is recorded.
    New(Request),
    /// It was recorded before, under the same idempotency key and with the same body.
    Known(Request),
    /// The same wish for the same person, about the same sources and with the same options, is under way, and nothing was recorded.
    Duplicate {
        /// The request that is under way.
        of: RequestId,
        /// Whether that one is due earlier now, as this wish was received before it.
        is_due_earlier: bool,
    },
}

impl Ledger {
    /// Records a request of `actor`, who is no worker. The same one any number of times at once is recorded once; where it was received before
    /// the one that is under way, that one is due as early.
    ///
    /// What needs no approval is scheduled at once; an erasure that needs some is [`Received`](crate::State::Received), rides on the
    /// next pass to be counted, and then awaits approval.
    pub async fn submit(&self, new: NewRequest, actor: &Actor, now: OffsetDateTime) -> Result<Submitted> {
        check(&new, actor, now)?;
        let hashes = Hashes::of(self, &new);
        let id = RequestId(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds(now), now.nanosecond())));
        self.change(async |change| {
            if self.insert(change, id, &new, &hashes, actor, now).await? {
                return self.admit(change, id, &new, actor, now).await.map(Submitted::New);
            }
            // Whoever was there first has committed: the insert waited for it.
            if let Some(key) = &hashes.idempotency {
                let sql = "SELECT id, body_hash FROM request WHERE tenant = $1 AND idempotency = $2";
                let values = args![new.tenant.clone().unwrap_or_default(), key.as_slice()];
                if let Some(row) = change.tx.row(sql, values).await? {
                    if row.bytes("body_hash")? != hashes.body {
                        return Err(Refusal::OtherBody.into());
                    }
                    return Ok(Submitted::Known(Kept::load(&mut change.tx, row.id("id")?).await?.request));
                }
            }
            let sql = "SELECT id FROM request WHERE wish = $1 AND ended IS NULL";
            match change.tx.row(sql, args![hashes.wish.as_slice()]).await? {
                Some(row) => {
                    let of = row.id("id")?;
                    let is_due_earlier = self.antedate(change, of, &new, actor, now).await?;
                    Ok(Submitted::Duplicate { of, is_due_earlier })
                }
                // It has ended since: the next try records this one.
                None => Err(Error::Busy),
            }
        })
        .await
    }

    /// Lets a request that wants the same be due as early as one that was received before it; false where it is already.
    async fn antedate(
        &self,
        change: &mut Change,
        of: RequestId,
        new: &NewRequest,
        actor: &Actor,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let Some(received) = new.received.map(whole) else { return Ok(false) };
        let mut kept = Kept::lock(&mut change.tx, of).await?;
        if kept.request.state.has_ended() || !kept.request.clock.antedate(received) {
            return Ok(false);
        }
        let Clock { received, due, .. } = kept.request.clock;
        change.save(&kept);
        let detail = [("due", json!(due.unix_timestamp())), ("received", json!(received.unix_timestamp()))];
        change.record("antedated", Some(of), actor, Detail::from(detail), now);
        Ok(true)
    }

    /// Writes the request's rows, unless one like it is there: false then.
    async fn insert(
        &self,
        change: &mut Change,
        id: RequestId,
        new: &NewRequest,
        hashes: &Hashes,
        actor: &Actor,
        now: OffsetDateTime,
    ) -> Result<bool> {
        const INSERT: &str = "INSERT INTO request (id, tenant, requester, kind, regulation, sources, options, lane, state,
            received, due, not_before, forced, subject_hash, body_hash, wish, idempotency, approvals_needed, round, tries)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 0, 0)
            ON CONFLICT DO NOTHING";
        let clock = Clock::started(whole(new.received.unwrap_or(now)));
        let approvals = if new.kind.erases() { self.policy().approvals } else { 0 };
        let values = args![
            id,
            new.tenant.clone().unwrap_or_default(),
            actor.name.as_str(),
            new.kind.as_str(),
            new.regulation.as_str(),
            text(&new.sources),
            text(&new.options),
            new.lane.as_str(),
            State::Received.as_str(),
            clock.received,
            clock.due,
            now,
            i64::from(new.force),
            hashes.subject.as_slice(),
            hashes.body.as_slice(),
            hashes.wish.as_slice(),
            hashes.idempotency.clone(),
            i64::from(approvals),
        ];
        if change.tx.run(INSERT, values).await? == 0 {
            return Ok(false);
        }
        let sealed = self.keys().seal(id, &new.subject)?;
        const SEALED: &str = "INSERT INTO sealed (request, key_id, content) VALUES ($1, $2, $3)";
        change.tx.run(SEALED, args![id, sealed.key_id, sealed.content.as_slice()]).await?;
        let identifiers = self.keys().request_hashes(new.tenant.as_deref(), &new.subject);
        let rows = identifiers.into_iter().map(|hash| args![id, hash.as_slice()]).collect();
        change.tx.insert("identifier (request, hash)", rows, "").await?;
        Ok(true)
    }

    /// Records that the request is there, and schedules it when nobody has to approve it.
    async fn admit(
        &self,
        change: &mut Change,
        id: RequestId,
        new: &NewRequest,
        actor: &Actor,
        now: OffsetDateTime,
    ) -> Result<Request> {
        let mut kept = Kept::load(&mut change.tx, id).await?;
        let detail = Detail::from([
            ("due", json!(kept.request.clock.due.unix_timestamp())),
            ("kind", json!(new.kind)),
            ("lane", json!(new.lane)),
            ("regulation", json!(new.regulation)),
            ("received", json!(kept.request.clock.received.unix_timestamp())),
            ("sources", json!(new.sources)),
            ("subject", json!(kept.request.subject_hash)),
            ("tenant", json!(new.tenant)),
            ("to", json!(State::Received)),
        ]);
        change.record("received", Some(id), actor, detail, now);
        change.moved(&kept, None, now);
        if kept.request.approvals_needed == 0 {
            kept.schedule(self.policy(), now);
            change.step(&mut kept, Step::Schedule, &Actor::worker("lacuna"), Detail::new(), now)?;
        } else {
            change.save(&kept);
        }
        change.written(id).await
    }
}

/// What a request is told from others by.
struct Hashes {
    subject: Vec<u8>,
    body: Vec<u8>,
    /// The same for the same kind of request about the same person and sources, in any order, to be carried out in the same way.
    wish: Vec<u8>,
    idempotency: Option<Vec<u8>>,
}

impl Hashes {
    fn of(ledger: &Ledger, new: &NewRequest) -> Self {
        let keys = ledger.keys();
        let subject = keys.subject_hash(&new.subject);
        let rest = text(&(
            (&new.tenant, new.kind, &new.regulation, new.received.map(crate::sql::micros)),
            (&new.sources, &new.options, new.lane, new.force),
        ));
        let body = keys.hash("body", [subject.as_slice(), rest.as_bytes()]);
        // A client's key may well hold what it is about.
        let idempotency = new.idempotency_key.as_ref().map(|key| keys.hash("idempotency", [key.as_bytes()]));
        let mut sources = new.sources.clone();
        sources.sort();
        sources.dedup();
        let how = (&new.options, new.lane, new.force);
        let wish = keys.hash("wish", [subject.as_slice(), text(&(&new.tenant, new.kind, sources, how)).as_bytes()]);
        Self { subject, body, wish, idempotency }
    }
}

fn check(new: &NewRequest, actor: &Actor, now: OffsetDateTime) -> Result<(), Refusal> {
    if actor.role == Role::Worker || (new.force && actor.role != Role::Approver) {
        return Err(Refusal::Role(actor.role));
    }
    if new.force && !new.kind.erases() {
        return Err(Refusal::Kind(new.kind));
    }
    check_actor(actor)?;
    let options = text(&new.options);
    let malformed = [
        (new.tenant.as_ref().is_some_and(|tenant| !is_name(tenant)), "a tenant is empty or too long"),
        (!is_name(&new.regulation), "the regulation is missing or too long"),
        (!new.sources.iter().all(|source| is_name(source)), "a source's name is empty or too long"),
        (new.sources.len() > IDENTIFIERS_MAX, "there are too many sources"),
        (new.idempotency_key.as_ref().is_some_and(|key| !is_name(key)), "the idempotency key is empty or too long"),
        (options.len() > OPTIONS_BYTES_MAX, "the options are too long"),
        // Its day may have begun elsewhere.
        (
            new.received.is_some_and(|received| received > now + Duration::DAY),
            "it was received at a time that is yet to come",
        ),
        (new.subject.identifiers.is_empty(), "there is no identifier"),
        (new.subject.identifiers.len() > IDENTIFIERS_MAX, "there are too many identifiers"),
        (new.subject.identifiers.iter().any(|one| !is_name(&one.kind)), "an identifier's kind is missing or too long"),
        (new.subject.identifiers.iter().any(Identifier::is_blank), "an identifier has no visible value"),
        (new.subject.encode().len() > SUBJECT_BYTES_MAX, "the identifiers are too long"),
    ];
    if let Some((_, why)) = malformed.into_iter().find(|(is, _)| *is) {
        return Err(Refusal::Malformed(why));
    }
    // These stay when the identifiers are gone.
    for (kept, what) in [(&options, "an option"), (&actor.name, "the requester"), (&new.regulation, "the regulation")] {
        if new.subject.is_named_in(kept) {
            return Err(Refusal::NamesSubject(what));
        }
    }
    Ok(())
}

/// Seconds since 1970; a request of before then sorts as of then.
fn seconds(now: OffsetDateTime) -> u64 {
    u64::try_from(now.unix_timestamp()).unwrap_or(0)
}
