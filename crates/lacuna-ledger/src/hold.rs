//! Holds: why a source or a person must not be erased now. A hold wins over every erasure.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::json;
use time::macros::format_description;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::act::{check_actor, check_reason};
use crate::change::{Change, Detail};
use crate::kept::{IDS_MAX, Kept, rows_about};
use crate::name::is_name;
use crate::sql::{Row, Tx, Value, args, group};
use crate::{Actor, Error, Identifier, Ledger, Refusal, RequestId, Result, Role, Subject, standing};

/// The id of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldId(pub(crate) Uuid);

/// What is held, as it is set.
#[derive(Clone, Debug)]
pub enum HoldOn {
    /// All of a source.
    Source {
        /// The source's name.
        source: String,
        /// What sort of record it is, as `audit`.
        class: String,
    },
    /// A person: whoever shares one of these identifiers, whatever its case and form. Only keyed hashes of them are kept.
    Subject {
        /// In this tenant only, whatever the case and form of its id, and where a request names none; in all, when absent.
        tenant: Option<String>,
        /// The person.
        subject: Subject,
    },
}

/// A hold, as it is set.
#[derive(Clone, Debug)]
pub struct NewHold {
    /// What is held.
    pub on: HoldOn,
    /// Why; receipts say it.
    pub reason: String,
    /// The law it rests on.
    pub legal_basis: String,
    /// When somebody must look at it again.
    pub review: Option<Date>,
    /// Whether exports are held, too; they go on otherwise.
    pub exports: bool,
}

/// A hold, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// The source it is on; a person, when absent.
    pub source: Option<String>,
    /// What sort of record the source is.
    pub class: Option<String>,
    /// The tenant of the person it is on.
    pub tenant: Option<String>,
    /// Why.
    pub reason: String,
    /// The law it rests on.
    pub legal_basis: String,
    /// When somebody must look at it again.
    pub review: Option<Date>,
    /// Whether exports are held, too.
    pub exports: bool,
    /// Who set it.
    pub set_by: String,
    /// When it was set.
    pub set: OffsetDateTime,
    /// Who lifted it, when, and why.
    pub lifted: Option<Lift>,
}

/// How a hold ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lift {
    /// Who lifted it.
    pub by: String,
    /// When.
    pub at: OffsetDateTime,
    /// Why.
    pub reason: String,
}

/// Which holds.
#[derive(Clone, Debug, Default)]
pub struct HoldFilter {
    /// Also those that were lifted.
    pub lifted: bool,
    /// Only those that somebody should have looked at by this day.
    pub review_by: Option<Date>,
}

impl Ledger {
    /// Sets a hold. Approvers and operators may. The same one by the same actor, as long as it is not lifted, is set once.
    pub async fn set_hold(&self, new: NewHold, actor: &Actor, now: OffsetDateTime) -> Result<Hold> {
        if !matches!(actor.role, Role::Approver | Role::Operator) {
            return Err(Refusal::Role(actor.role).into());
        }
        check_actor(actor)?;
        let (source, class, tenant, hashes) = match &new.on {
            HoldOn::Source { source, class } => {
                if !is_name(source) || !is_name(class) {
                    return Err(Refusal::Malformed("the source or its class is missing or too long").into());
                }
                (Some(source.clone()), Some(class.clone()), None, Vec::new())
            }
            HoldOn::Subject { tenant, subject } => {
                if subject.identifiers.is_empty() {
                    return Err(Refusal::Malformed("there is no identifier").into());
                }
                if subject.identifiers.iter().any(Identifier::is_blank) {
                    return Err(Refusal::Malformed("an identifier has no visible value").into());
                }
                if tenant.as_ref().is_some_and(|tenant| !is_name(tenant)) {
                    return Err(Refusal::Malformed("a tenant is empty or too long").into());
                }
                (None, None, tenant.clone(), self.keys().hold_hashes(tenant.as_deref(), subject))
            }
        };
        for text in [&new.reason, &new.legal_basis] {
            check_reason(text, new.on.subject())?;
        }
        let id = HoldId(Uuid::now_v7());
        self.change(async |change| {
            let like = args![
                source.clone(),
                class.clone(),
                tenant.clone(),
                new.reason.as_str(),
                new.legal_basis.as_str(),
                new.review.map(day),
                i64::from(new.exports),
                actor.name.as_str(),
            ];
            if let Some(hold) = set_before(&mut change.tx, like.clone(), &hashes).await? {
                return Ok(hold);
            }
            const INSERT: &str =
                "INSERT INTO hold (id, source, class, tenant, reason, legal_basis, review, exports, set_by, set_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
            change.tx.run(INSERT, [args![id.to_string()], like, args![now]].concat()).await?;
            let rows = hashes.iter().map(|hash| args![hash.as_slice(), id.to_string()]).collect();
            change.tx.insert("held (hash, hold)", rows, "").await?;
            let hold = load(&mut change.tx, id, "").await?;
            let detail = Detail::from([
                ("class", json!(hold.class)),
                ("exports", json!(hold.exports)),
                ("hold", json!(id.to_string())),
                ("legal_basis", json!(hold.legal_basis)),
                ("reason", json!(hold.reason)),
                ("review", json!(hold.review.map(day))),
                ("source", json!(hold.source)),
                ("tenant", json!(hold.tenant)),
            ]);
            change.record("hold_set", None, actor, detail, now);
            Ok(hold)
        })
        .await
    }

    /// Lifts a hold. Approvers may.
    ///
    /// Standing erasures that it held back get a new sequence number, or the source's watermarks go, so that the next sweep makes up for
    /// what was kept.
    pub async fn lift_hold(&self, id: HoldId, reason: &str, actor: &Actor, now: OffsetDateTime) -> Result<Hold> {
        if actor.role != Role::Approver {
            return Err(Refusal::Role(actor.role).into());
        }
        check_reason(reason, None)?;
        self.change(async |change| {
            let lock = change.tx.for_update();
            if load(&mut change.tx, id, lock).await?.lifted.is_some() {
                return Err(Refusal::Malformed("the hold is lifted already").into());
            }
            let sql = "UPDATE hold SET lifted_by = $2, lifted_at = $3, lift_reason = $4 WHERE id = $1";
            change.tx.run(sql, args![id.to_string(), actor.name.as_str(), now, reason]).await?;
            let hold = load(&mut change.tx, id, "").await?;
            self.make_up(change, &hold, now).await?;
            let detail = Detail::from([("hold", json!(id.to_string())), ("reason", json!(reason))]);
            change.record("hold_lifted", None, actor, detail, now);
            Ok(hold)
        })
        .await
    }

    /// Lets the next sweep do what a hold kept it from.
    async fn make_up(&self, change: &mut Change, hold: &Hold, now: OffsetDateTime) -> Result<()> {
        if let Some(source) = &hold.source {
            change.tx.run("DELETE FROM watermark WHERE source = $1", args![source.as_str()]).await?;
            return Ok(());
        }
        const HELD: &str = "SELECT DISTINCT standing.request, standing.until FROM held
            JOIN identifier ON identifier.hash = held.hash
            JOIN standing ON standing.request = identifier.request
            WHERE held.hold = $1 ORDER BY standing.request";
        let rows = change.tx.rows(HELD, args![hold.id.to_string()]).await?;
        // From now on for as long as any other: what arrived while it was held must still be found.
        let until = now.saturating_add(self.policy().standing);
        let mut again = Vec::new();
        for row in rows {
            let (request, until) = (row.id("request")?, row.time("until")?.max(until));
            change.tx.run("DELETE FROM standing WHERE request = $1", args![request]).await?;
            change.tx.run("UPDATE sealed SET keep_until = $2 WHERE request = $1", args![request, until]).await?;
            again.push((request, until));
        }
        standing::stand(&mut change.tx, again).await
    }

    /// The holds, the newest first.
    pub async fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>> {
        let mut sql = "SELECT * FROM hold WHERE id <> ''".to_owned();
        let mut values = args![];
        if !filter.lifted {
            sql.push_str(" AND lifted_at IS NULL");
        }
        if let Some(review) = filter.review_by {
            sql.push_str(" AND review <= $1");
            values = args![day(review)];
        }
        let rows = self.read().await?.rows(sql + " ORDER BY id DESC", values).await?;
        rows.iter().map(Hold::read).collect()
    }

    /// The holds that apply to a request now: those on its person, and those on sources it is about.
    pub async fn holds_on(&self, request: RequestId) -> Result<Vec<Hold>> {
        let mut tx = self.read().await?;
        let request = Kept::load(&mut tx, request).await?.request;
        let applying = Applying::to(&mut tx, &[request.id]).await?;
        Ok(applying.on(request.id, &request.sources))
    }

    /// The holds that would apply to a request about all sources for this person in this tenant.
    pub async fn holds_about(&self, tenant: Option<&str>, subject: &Subject) -> Result<Vec<Hold>> {
        let hashes = self.keys().request_hashes(tenant, subject);
        let mut tx = self.read().await?;
        let mut holds = Applying::to(&mut tx, &[]).await?.sources;
        for chunk in hashes.chunks(IDS_MAX) {
            let sql = format!(
                "SELECT DISTINCT hold.* FROM held JOIN hold ON hold.id = held.hold
                    WHERE held.hash IN {} AND hold.lifted_at IS NULL ORDER BY hold.id",
                group(0, chunk.len())
            );
            let rows = tx.rows(sql, chunk.iter().flat_map(|hash| args![hash.as_slice()]).collect()).await?;
            let on_person = rows.iter().map(Hold::read).collect::<Result<Vec<_>>>()?;
            holds.extend(on_person);
        }
        Ok(holds)
    }

    /// The hold that keeps rows of a source, found for any of these requests, where they are; the oldest on the source first.
    pub async fn holding(&self, source: &str, requests: &[RequestId]) -> Result<Option<Hold>> {
        let Applying { sources, subjects } = Applying::to(&mut self.read().await?, requests).await?;
        let on_source = sources.into_iter().find(|hold| hold.source.as_deref() == Some(source));
        Ok(on_source.or_else(|| subjects.into_values().flatten().next()))
    }
}

/// The holds that apply to some requests.
pub(crate) struct Applying {
    sources: Vec<Hold>,
    subjects: BTreeMap<RequestId, Vec<Hold>>,
}

impl Applying {
    /// Those that apply to these requests.
    pub(crate) async fn to(tx: &mut Tx, requests: &[RequestId]) -> Result<Self> {
        let rows =
            tx.rows("SELECT * FROM hold WHERE source IS NOT NULL AND lifted_at IS NULL ORDER BY id", args![]).await?;
        let sources = rows.iter().map(Hold::read).collect::<Result<_>>()?;
        let mut subjects: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let sql = |ids| {
            format!(
                "SELECT DISTINCT identifier.request, hold.* FROM identifier
                    JOIN held ON held.hash = identifier.hash
                    JOIN hold ON hold.id = held.hold
                    WHERE identifier.request IN {ids} AND hold.lifted_at IS NULL ORDER BY hold.id"
            )
        };
        for row in rows_about(tx, requests, sql).await? {
            subjects.entry(row.id("request")?).or_default().push(Hold::read(&row)?);
        }
        Ok(Self { sources, subjects })
    }

    /// Those that apply to one of them, which is about these sources; about all, when there is none.
    pub(crate) fn on(&self, request: RequestId, sources: &[String]) -> Vec<Hold> {
        let about = |hold: &&Hold| {
            let named = hold.source.as_ref().is_some_and(|source| sources.contains(source));
            sources.is_empty() || named
        };
        let subjects = self.subjects.get(&request).into_iter().flatten();
        subjects.chain(self.sources.iter().filter(about)).cloned().collect()
    }
}

impl Hold {
    fn read(row: &Row) -> Result<Self> {
        let lifted = match row.maybe_time("lifted_at")? {
            Some(at) => Some(Lift { by: row.string("lifted_by")?, at, reason: row.string("lift_reason")? }),
            None => None,
        };
        let review = row.maybe_string("review")?;
        let parse = |text: String| Date::parse(&text, DAY).map_err(|_| Error::Corrupt("a date of review"));
        Ok(Self {
            id: row.text("id")?.parse().map_err(|_| Error::Corrupt("a hold's id"))?,
            source: row.maybe_string("source")?,
            class: row.maybe_string("class")?,
            tenant: row.maybe_string("tenant")?,
            reason: row.string("reason")?,
            legal_basis: row.string("legal_basis")?,
            review: review.map(parse).transpose()?,
            exports: row.int("exports")? != 0,
            set_by: row.string("set_by")?,
            set: row.time("set_at")?,
            lifted,
        })
    }
}

impl HoldOn {
    fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Source { .. } => None,
            Self::Subject { subject, .. } => Some(subject),
        }
    }
}

/// The hold that is not lifted, has these values in its columns, and is on these identifiers.
async fn set_before(tx: &mut Tx, values: Vec<Value>, hashes: &[Vec<u8>]) -> Result<Option<Hold>> {
    const LIKE: &str = "SELECT * FROM hold WHERE lifted_at IS NULL AND COALESCE(source, '') = COALESCE($1, '')
        AND COALESCE(class, '') = COALESCE($2, '') AND COALESCE(tenant, '') = COALESCE($3, '') AND reason = $4
        AND legal_basis = $5 AND COALESCE(review, '') = COALESCE($6, '') AND exports = $7 AND set_by = $8";
    for row in tx.rows(LIKE, values).await? {
        let held = tx.rows("SELECT hash FROM held WHERE hold = $1 ORDER BY hash", args![row.text("id")?]).await?;
        let held: Vec<_> = held.iter().map(|row| row.bytes("hash")).collect::<Result<_>>()?;
        if held == hashes {
            return Ok(Some(Hold::read(&row)?));
        }
    }
    Ok(None)
}

async fn load(tx: &mut Tx, id: HoldId, lock: &str) -> Result<Hold> {
    let row = tx.row(format!("SELECT * FROM hold WHERE id = $1{lock}"), args![id.to_string()]).await?;
    Hold::read(&row.ok_or(Error::NotFound("hold"))?)
}

const DAY: &[time::format_description::BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// A day as the database keeps it; sorts as days do.
fn day(date: Date) -> String {
    // Every date has this form.
    date.format(DAY).unwrap_or_default()
}

impl FromStr for HoldId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::try_parse(text).map(Self).map_err(|_| Error::NotFound("hold"))
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
