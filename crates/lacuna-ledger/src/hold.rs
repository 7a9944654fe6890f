//! Holds: why a source or a person must not be erased now. A hold wins over every erasure.

use std::fmt;

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::{Actor, Ledger, RequestId, Result, Subject};

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
    /// A person: whoever shares one of these identifiers, whatever its case. Only keyed hashes of them are kept.
    Subject {
        /// In this tenant only; in all, when absent.
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
    /// Sets a hold. Approvers and operators may.
    pub async fn set_hold(&self, new: NewHold, actor: &Actor, now: OffsetDateTime) -> Result<Hold> {
        todo!()
    }

    /// Lifts a hold. Approvers may.
    ///
    /// Standing erasures that it held back get a new sequence number, or the source's watermarks go, so that the next sweep makes up for
    /// what was kept.
    pub async fn lift_hold(&self, id: HoldId, reason: &str, actor: &Actor, now: OffsetDateTime) -> Result<Hold> {
        todo!()
    }

    /// The holds, the newest first.
    pub async fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>> {
        todo!()
    }

    /// The holds that apply to a request now: those on its person, and those on sources it is about.
    pub async fn holds_on(&self, request: RequestId) -> Result<Vec<Hold>> {
        todo!()
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
