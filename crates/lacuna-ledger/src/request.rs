//! A request, as it is submitted and as it is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Clock, Counts, Error, Missing, PassId, State, Subject};

/// The id of a request: a UUID that sorts by the time of its receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub(crate) Uuid);

/// What a request wants. To rectify or to restrict is refused before it comes here: logs are a factual history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Counts only.
    Discover,
    /// The records, as a package.
    Export,
    /// The records gone, and a receipt.
    Erase,
    /// The records as a package, and then gone.
    ExportAndErase,
}

/// With whom a request rides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// With all others, on the next common pass.
    #[default]
    Batch,
    /// At once, on a pass beside the common one.
    OnDemand,
}

/// A request as it is submitted. All but the idempotency key is its body.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The organisation it acts for; absent where no source knows tenants.
    pub tenant: Option<String>,
    /// Whom it is about.
    pub subject: Subject,
    /// What it wants.
    pub kind: Kind,
    /// The law it rests on, as `gdpr`.
    pub regulation: String,
    /// When it was received; the clock runs from here. Now, when absent.
    pub received: Option<OffsetDateTime>,
    /// The sources it is about; all, when there is none.
    pub sources: Vec<String>,
    /// What a worker needs to know besides, as it is to be handed back: a JSON object of settings, without any identifier.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// With whom it rides.
    pub lane: Lane,
    /// Whether the cancel window is skipped; an approver's word.
    pub force: bool,
    /// The same key with the same body is the same request; with another body it is refused.
    pub idempotency_key: Option<String>,
}

impl NewRequest {
    /// A request of this law about all sources, received now, that rides with all others: of no tenant, and without options or a key.
    pub fn new(kind: Kind, subject: Subject, regulation: impl Into<String>) -> Self {
        Self {
            tenant: None,
            subject,
            kind,
            regulation: regulation.into(),
            received: None,
            sources: Vec::new(),
            options: serde_json::Map::new(),
            lane: Lane::default(),
            force: false,
            idempotency_key: None,
        }
    }
}

/// A request as it is kept. Its identifiers are not in it: [`Ledger::subject`](crate::Ledger::subject) has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// The organisation it acts for.
    pub tenant: Option<String>,
    /// The account that submitted it.
    pub requester: String,
    /// What it wants.
    pub kind: Kind,
    /// The law it rests on.
    pub regulation: String,
    /// The sources it is about; all, when there is none.
    pub sources: Vec<String>,
    /// What a worker needs to know besides.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// With whom it rides.
    pub lane: Lane,
    /// Where it stands.
    pub state: State,
    /// Its clock.
    pub clock: Clock,
    /// Not run before this: the cancel window, or the next try.
    pub not_before: OffsetDateTime,
    /// The keyed hash of its subject, in hexadecimal: the same for the same identifiers.
    pub subject_hash: String,
    /// Whether its identifiers are still kept.
    pub has_identifiers: bool,
    /// What was found when it was last searched, and what sweeps have erased since.
    pub counts: Option<Counts>,
    /// What an approver saw and approved.
    pub approved: Option<Counts>,
    /// Who has approved what stands now.
    pub approvers: Vec<String>,
    /// How many approvers it needs.
    pub approvals_needed: u8,
    /// What is missing, when it is incomplete; at most [`Missing::KEPT_MAX`] shards.
    pub missing: Vec<Missing>,
    /// Why it was denied, cancelled or failed, waits for its requester, or awaits approval although none was asked for.
    pub reason: Option<String>,
    /// Where its package is.
    pub package: Option<String>,
    /// When its package expires.
    pub package_expires: Option<OffsetDateTime>,
    /// Where its receipt is.
    pub receipt: Option<String>,
    /// The pass it rides on.
    pub pass: Option<PassId>,
    /// How often a pass took it.
    pub tries: u32,
    /// When it ended.
    pub ended: Option<OffsetDateTime>,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Discover, Self::Export, Self::Erase, Self::ExportAndErase];

    /// Whether it takes records away.
    pub fn erases(self) -> bool {
        match self {
            Self::Discover | Self::Export => false,
            Self::Erase | Self::ExportAndErase => true,
        }
    }

    /// Whether it makes a package.
    pub fn exports(self) -> bool {
        match self {
            Self::Discover | Self::Erase => false,
            Self::Export | Self::ExportAndErase => true,
        }
    }

    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Export => "export",
            Self::Erase => "erase",
            Self::ExportAndErase => "export_and_erase",
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(Error::Corrupt("a request's kind"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Lane {
    /// The lane's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::OnDemand => "on_demand",
        }
    }
}

impl FromStr for Lane {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Batch, Self::OnDemand].into_iter().find(|lane| lane.as_str() == text).ok_or(Error::Corrupt("a lane"))
    }
}

impl FromStr for RequestId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Uuid::try_parse(text).map(Self).map_err(|_| Error::NotFound("request"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
