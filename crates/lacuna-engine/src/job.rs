//! What is to be done: sources, requests, and what each request wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use lacuna_scan::{ColumnPath, IdentifierRule, Kind, Mapping, Selector};

use crate::plan::glob::Glob;

/// The requests of any number of people over these sources, worked through in one pass.
#[derive(Clone, Debug)]
pub struct Job {
    /// The sources to search, in the order in which packages list them.
    pub sources: Vec<Source>,
    /// The requests.
    pub requests: Vec<Request>,
    /// What other sources there are. Nothing is erased in a shard that one of them names, too, and would not erase in the same way.
    pub others: Vec<Source>,
}

/// A named set of shards with one mapping.
#[derive(Clone, Debug)]
pub struct Source {
    /// The source's name.
    pub name: String,
    /// Which blobs of the store are its shards: a glob over their paths. One shard should be of one source.
    pub shards: String,
    /// What the shards are.
    pub format: FormatChoice,
    /// The product that the records are about, as `Office/SharePoint`: the package's folders.
    pub product: String,
    /// The type of data, as `ProductAndServiceUsage`: the package's file.
    pub data_type: String,
    /// Which columns identify whom.
    pub mapping: Mapping,
    /// The column that says when a record was made.
    pub time: Option<ColumnPath>,
    /// What an erasure does here.
    pub on_erase: OnErase,
    /// What an erasure does with a shard that has broken records.
    pub poison: Poison,
    /// What an erasure does with a shard that it leaves without rows.
    pub empty_shards: EmptyShards,
    /// Whether it may have no shards at all. Otherwise an answer from none is incomplete: what was to be searched may be elsewhere.
    pub may_be_empty: bool,
}

/// How a shard's format is known.
#[derive(Clone, Debug, Default)]
pub struct FormatChoice {
    /// The format's name (`parquet`, `ndjson`, `json`, `csv`, `arrow`); by the path's extension when absent.
    pub name: Option<String>,
    /// What text formats need to know.
    pub text: TextOptions,
}

/// What text formats need to know.
#[derive(Clone, Debug, Default)]
pub struct TextOptions {
    /// The path of the array that holds the records of a JSON document, as `Records[]`. A shard may hold several documents.
    pub records: Option<ColumnPath>,
    /// The byte between CSV fields; a comma when absent.
    pub delimiter: Option<u8>,
    /// Whether quotes enclose CSV fields; when absent they do, and what looks like lines that a stray one swallowed is a problem.
    pub quote: Option<bool>,
    /// The CSV columns' names where the shards have no header line.
    pub header: Option<Vec<String>>,
}

/// What an erasure does to the records of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnErase {
    /// The rows go.
    Delete,
    /// The rows stay, and their identifying columns become null (or empty, where a column cannot be null).
    Anonymize,
    /// The rows stay as they are.
    Keep {
        /// Why; receipts and packages say it.
        reason: String,
    },
}

/// What an erasure does with a shard that has broken records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Poison {
    /// Leaves the shard alone, and the request incomplete.
    #[default]
    Refuse,
    /// Keeps the broken records as they are, and takes the matching ones out.
    Keep,
}

/// What becomes of a shard without rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyShards {
    /// It stays, as a valid shard without rows.
    #[default]
    Keep,
    /// It is deleted.
    Delete,
}

/// What one request wants for one person.
#[derive(Clone, Debug)]
pub struct Request {
    /// The request's id; a package's folder and a receipt's name.
    pub id: RequestId,
    /// Whom it is about, within which tenant.
    pub selector: Arc<Selector>,
    /// What it wants.
    pub action: Action,
    /// The sources that it is about; all of the job's, when it names none.
    pub sources: Vec<String>,
    /// Sources that it is about, and that nothing of may be handed out for now, with the reason; its package says so.
    pub withheld: BTreeMap<String, String>,
    /// How far its erasure may reach before somebody looks at it.
    pub limits: EraseLimits,
    /// Why its subject's rows must stay for now. They are counted, kept and named in the receipt; an export still holds them.
    pub held: Option<String>,
    /// The head of the ledger's chain, for its receipt.
    pub chain_head: Option<String>,
}

/// How much an erasure may match before it stops and is looked at. What a source keeps by configuration does not count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EraseLimits {
    /// Rows in all sources together.
    pub max_rows: Option<u64>,
    /// Shards with any of them.
    pub max_shards: Option<u64>,
    /// The part of any one source's rows, between 0 and 1.
    pub max_share: Option<f64>,
    /// What somebody saw and approved, source by source: where no source has more, nothing above counts.
    pub approved: Option<BTreeMap<String, Reach>>,
}

/// How far an erasure reaches in one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Rows that go.
    pub rows: u64,
    /// Shards with any of them.
    pub shards: u64,
}

/// What a request wants.
#[derive(Clone, Debug)]
pub enum Action {
    /// Counts only.
    Discover,
    /// The records, as a package.
    Export(ExportOptions),
    /// The records gone, and a receipt.
    Erase(EraseMode),
}

/// How far an erasure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraseMode {
    /// Count and say what would happen, and change nothing.
    DryRun,
    /// Hide the records at once by tombstones; a purge takes them out of the bytes.
    Hide,
    /// Hide them, and take them out of the bytes in the same run.
    Now,
}

/// How a package is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportOptions {
    /// The data files' format.
    pub format: lacuna_export::Format,
}

/// The id of a request: letters, digits, `-` and `_`, at most 64 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl Request {
    /// A request without limits, holds or a ledger.
    pub fn new(id: RequestId, selector: impl Into<Arc<Selector>>, action: Action) -> Self {
        let selector = selector.into();
        let (sources, withheld, limits) = (Vec::new(), BTreeMap::new(), EraseLimits::default());
        Self { id, selector, action, sources, withheld, limits, held: None, chain_head: None }
    }

    /// Whether it is about this source, and the source maps what it asks by: for a composite, all of its parts.
    pub fn is_answerable_from(&self, source: &Source) -> bool {
        let is_named = |rule: &IdentifierRule| rule.fields().iter().all(|field| self.names(&field.kind));
        self.is_about(source) && source.mapping.identifiers.iter().any(is_named)
    }

    /// Whether it gives an identifier of this kind.
    pub(crate) fn names(&self, kind: &Kind) -> bool {
        self.selector.identifiers.iter().any(|identifier| identifier.kind == *kind)
    }

    /// Whether it is about this source.
    pub(crate) fn is_about(&self, source: &Source) -> bool {
        (self.sources.is_empty() || self.sources.contains(&source.name)) && !self.withheld.contains_key(&source.name)
    }

    /// Why it is not answered from this source, in words for the person.
    pub(crate) fn why_passed_over(&self, source: &Source) -> String {
        match self.withheld.get(&source.name) {
            Some(reason) => format!("Its records must not be handed out for now: {reason}."),
            None if self.is_about(source) => {
                "It does not hold any of the kinds of identifiers that the request gave.".into()
            }
            None => "The request is about other sources.".into(),
        }
    }

    /// Whether it wants a package.
    pub(crate) fn exports(&self) -> bool {
        matches!(self.action, Action::Export(_))
    }

    /// Whether it changes shards.
    pub(crate) fn changes(&self) -> bool {
        matches!(self.action, Action::Erase(EraseMode::Hide | EraseMode::Now))
    }

    /// Whether it is an erasure that is only tried, and that no hold forbids.
    pub(crate) fn tries(&self) -> bool {
        matches!(self.action, Action::Erase(EraseMode::DryRun)) && self.held.is_none()
    }

    /// Whether it is about an erasure, a dry run among them: then hidden rows count, too.
    pub(crate) fn erases(&self) -> bool {
        matches!(self.action, Action::Erase(_))
    }
}

impl Source {
    /// Whether the blob at this path of the store is a shard of it.
    pub fn has_shard(&self, path: &str) -> bool {
        Glob::new(&self.shards).is_ok_and(|glob| glob.names(path))
    }

    /// Whether any shard of it may lie below this folder of the store; the store itself is the folder without a name. It may be said to
    /// where none can.
    pub fn reaches_into(&self, folder: &str) -> bool {
        Glob::new(&self.shards).is_ok_and(|glob| glob.reaches_into(folder.as_bytes()))
    }
}

impl OnErase {
    /// Whether erased rows stay, and only their identifying columns go.
    pub(crate) fn keeps_rows(&self) -> bool {
        *self == Self::Anonymize
    }
}

impl RequestId {
    /// A new id that sorts by time.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// Checks a given id; `None` when it is not one.
    pub fn new(id: &str) -> Option<Self> {
        let valid = (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        valid.then(|| Self(id.to_owned()))
    }

    /// When the id was made, in RFC 3339, for ids that say so (UUIDs of version 7).
    pub fn time(&self) -> Option<String> {
        let timestamp = uuid::Uuid::parse_str(&self.0).ok()?.get_timestamp()?;
        let time = time::OffsetDateTime::from_unix_timestamp(i64::try_from(timestamp.to_unix().0).ok()?).ok()?;
        time.format(&time::format_description::well_known::Rfc3339).ok()
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
