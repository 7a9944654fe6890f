//! What is to be done: sources, requests, and what each request wants.

use lacuna_scan::{ColumnPath, Mapping, Selector};

/// The requests of any number of people over these sources, worked through in one pass.
#[derive(Clone, Debug)]
pub struct Job {
    /// The sources to search, in the order in which packages list them.
    pub sources: Vec<Source>,
    /// The requests.
    pub requests: Vec<Request>,
}

/// A named set of shards with one mapping.
#[derive(Clone, Debug)]
pub struct Source {
    /// The source's name.
    pub name: String,
    /// Which blobs of the store are its shards: a glob over their paths.
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
    /// The path of the array that holds the records of a JSON document, as `Records[]`.
    pub records: Option<ColumnPath>,
    /// The byte between CSV fields; a comma when absent.
    pub delimiter: Option<u8>,
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
    pub selector: Selector,
    /// What it wants.
    pub action: Action,
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
