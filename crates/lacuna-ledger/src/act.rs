//! Somebody decides on a request, or moves its clock.

use std::collections::BTreeMap;

use serde_json::json;
use time::OffsetDateTime;

use crate::change::{Change, Detail};
use crate::kept::Kept;
use crate::name::is_name;
use crate::seal::Sealed;
use crate::sql::{Row, Tx, args};
use crate::submit::REASON_BYTES_MAX;
use crate::{Actor, Error, Ledger, PassId, Refusal, Request, RequestId, Result, Role, Step, Subject};

/// What somebody does to a request. Reasons are kept for ever, so one that holds an identifier of the person is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// An approver says yes to what was counted.
    Approve {
        /// Also before it is counted, and without the cancel window.
        force: bool,
    },
    /// An approver says no.
    Deny {
        /// Why.
        reason: String,
    },
    /// It is taken back.
    Cancel {
        /// Why.
        reason: Option<String>,
    },
    /// Its deadline moves.
    Extend {
        /// By how many calendar months: 1 or 2.
        months: u8,
        /// Why.
        reason: String,
    },
    /// Its clock stops while the requester must answer, and it is not run.
    Pause {
        /// What is asked of the requester.
        reason: String,
    },
    /// Its clock goes on.
    Resume,
    /// Its cancel window is skipped.
    Force,
}

impl Act {
    fn reason(&self) -> Option<&str> {
        match self {
            Self::Deny { reason } | Self::Extend { reason, .. } | Self::Pause { reason } => Some(reason),
            Self::Cancel { reason } => reason.as_deref(),
            Self::Approve { .. } | Self::Resume | Self::Force => None,
        }
    }
}

impl Ledger {
    /// Does `act` to a request, and says how it stands then.
    pub async fn act(&self, id: RequestId, act: Act, actor: &Actor, now: OffsetDateTime) -> Result<Request> {
        check_actor(actor)?;
        self.change(async |change| {
            let mut kept = Kept::lock(&mut change.tx, id).await?;
            let mut detail = Detail::new();
            if let Some(reason) = act.reason() {
                if let Some(subject) = self.kept_subject(&mut change.tx, id).await? {
                    check_reason(reason, Some(&subject))?;
                }
                check_reason(reason, None)?;
                detail.insert("reason", json!(reason));
                // An extension's reason is in the chain; it says nothing about where the request stands.
                if !matches!(act, Act::Extend { .. }) {
                    kept.request.reason = Some(reason.to_owned());
                }
            }
            let step = self.prepare(change, &mut kept, &act, actor, &mut detail, now).await?;
            change.step(&mut kept, step, actor, detail, now)?;
            change.written(id).await
        })
        .await
    }

    /// Changes what the act changes besides the state, and says which step it is.
    async fn prepare(
        &self,
        change: &mut Change,
        kept: &mut Kept,
        act: &Act,
        actor: &Actor,
        detail: &mut Detail,
        now: OffsetDateTime,
    ) -> Result<Step> {
        // Who may not do it at all hears that first.
        let (state, kind) = (kept.request.state, kept.request.kind);
        let allowed = |step: Step| crate::next(state, kind, step, actor.role).map(|_| step);
        match *act {
            Act::Approve { force } => {
                allowed(Step::Approve { enough: false, force })?;
                let enough = approve(change, kept, actor, now).await?;
                kept.forced |= force;
                kept.request.approved =
                    enough.then(|| kept.request.counts.clone()).flatten().or(kept.request.approved.take());
                if enough {
                    // Why it waited; a paused one waits for something else.
                    if kept.request.clock.paused.is_none() {
                        kept.request.reason = None;
                    }
                    kept.schedule(self.policy(), now);
                }
                detail.insert("counts", json!(kept.request.counts));
                detail.insert("forced", json!(force));
                Ok(Step::Approve { enough, force })
            }
            Act::Deny { .. } => allowed(Step::Deny).map_err(Error::from),
            Act::Cancel { .. } => {
                allowed(Step::Cancel)?;
                if actor.role == Role::Requester && actor.name != kept.request.requester {
                    return Err(Refusal::OthersRequest.into());
                }
                Ok(Step::Cancel)
            }
            Act::Extend { months, .. } => {
                allowed(Step::Extend)?;
                kept.request.clock.extend(months, now)?;
                detail.insert("months", json!(months));
                detail.insert("due", json!(kept.request.clock.due.unix_timestamp()));
                Ok(Step::Extend)
            }
            Act::Pause { .. } => {
                allowed(Step::Pause)?;
                kept.request.clock.pause(now)?;
                Ok(Step::Pause)
            }
            Act::Resume => {
                allowed(Step::Resume)?;
                kept.request.clock.resume(now)?;
                kept.request.reason = None;
                detail.insert("due", json!(kept.request.clock.due.unix_timestamp()));
                Ok(Step::Resume)
            }
            Act::Force => {
                allowed(Step::Force)?;
                kept.forced = true;
                kept.request.not_before = now;
                Ok(Step::Force)
            }
        }
    }

    /// The identifiers of a request; [`Error::NotFound`] when they are forgotten.
    pub async fn subject(&self, id: RequestId) -> Result<Subject> {
        let mut tx = self.read().await?;
        Kept::load(&mut tx, id).await?;
        self.kept_subject(&mut tx, id).await?.ok_or(Error::NotFound("identifiers"))
    }

    /// The identifiers of the requests of a pass.
    pub(crate) async fn subjects_of(&self, tx: &mut Tx, pass: PassId) -> Result<BTreeMap<RequestId, Subject>> {
        let sql = "SELECT sealed.request, key_id, content FROM request JOIN sealed ON sealed.request = request.id
            WHERE request.pass = $1";
        let rows = tx.rows(sql, args![pass]).await?;
        rows.iter().map(|row| Ok((row.id("request")?, self.opened(row.id("request")?, row)?))).collect()
    }

    /// What a row with `key_id` and `content` holds.
    pub(crate) fn opened(&self, id: RequestId, row: &Row) -> Result<Subject> {
        let sealed = Sealed { key_id: row.string("key_id")?, content: row.bytes("content")?.to_vec() };
        self.keys().open(id, &sealed)
    }

    async fn kept_subject(&self, tx: &mut Tx, id: RequestId) -> Result<Option<Subject>> {
        let row = tx.row("SELECT key_id, content FROM sealed WHERE request = $1", args![id]).await?;
        row.map(|row| self.opened(id, &row)).transpose()
    }
}

/// Counts an approval, and says whether there are enough now.
async fn approve(change: &mut Change, kept: &mut Kept, actor: &Actor, now: OffsetDateTime) -> Result<bool> {
    if actor.name == kept.request.requester {
        return Err(Refusal::OwnRequest.into());
    }
    if kept.request.approvers.contains(&actor.name) {
        return Err(Refusal::ApprovedAlready.into());
    }
    let sql = "INSERT INTO approval (request, round, approver, at) VALUES ($1, $2, $3, $4)";
    change.tx.run(sql, args![kept.request.id, kept.round, actor.name.as_str(), now]).await?;
    kept.request.approvers.push(actor.name.clone());
    Ok(kept.request.approvers.len() >= usize::from(kept.request.approvals_needed))
}

/// Whoever acts is named in the chain for ever.
pub(crate) fn check_actor(actor: &Actor) -> Result<(), Refusal> {
    let malformed = Refusal::Malformed("an account's name is missing or too long");
    if is_name(&actor.name) { Ok(()) } else { Err(malformed) }
}

/// A reason that is kept for ever must be one, and must not name the person.
pub(crate) fn check_reason(reason: &str, subject: Option<&Subject>) -> Result<(), Refusal> {
    if reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    if reason.len() > REASON_BYTES_MAX || reason.contains('\0') {
        return Err(Refusal::Malformed("the reason is too long or no text"));
    }
    match subject {
        Some(subject) if subject.is_named_in(reason) => Err(Refusal::NamesSubject("the reason")),
        _ => Ok(()),
    }
}
