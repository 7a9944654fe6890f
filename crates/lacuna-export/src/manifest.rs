//! What a package says of itself: `manifest.json` and `RequestInfo.json`.
//!
//! Both carry their version first and never an identifier's value. The same values make the same bytes.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Format, Result};

/// The version of both documents that this build writes and reads.
pub const VERSION: u64 = 1;

/// `manifest.json`: what a package holds, where it came from, and what it does not hold and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u64,
    /// The request's id.
    pub request: String,
    /// The organisation that the request acts for.
    pub tenant: Option<String>,
    /// What was asked for: `export`.
    #[serde(rename = "type")]
    pub request_type: String,
    /// What wrote the package, with its version: `lacuna 0.1.0`.
    pub tool: String,
    /// The data files' format.
    pub format: Format,
    /// Whether every shard of every source below could be searched whole.
    pub complete: bool,
    /// Records in all data files together.
    pub records: u64,
    /// All files but the manifest, its signature and `_SUCCESS`.
    pub files: Vec<File>,
    /// The sources that were searched, in their configured order.
    pub sources: Vec<Source>,
    /// The sources, or parts of them, that are not in the package, and why.
    pub excluded: Vec<Excluded>,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its path in the package.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in lower-case hex.
    pub sha256: String,
    /// How many records it holds; only data files do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

/// What was searched of a source, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The source's name.
    pub source: String,
    /// The product that its records are about.
    pub product: String,
    /// Their type of data.
    pub data_type: String,
    /// How many shards were searched whole.
    pub shards_scanned: u64,
    /// How many rows those and the rest of what could be read hold.
    pub rows_scanned: u64,
    /// Rows that belong to the subject.
    pub matched: u64,
    /// The shards with a match; those without are only counted.
    pub shards: Vec<Shard>,
    /// What could not be read, and why.
    pub problems: Vec<Problem>,
}

/// A shard with a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its path in its store.
    pub shard: String,
    /// The version that was searched.
    pub etag: String,
    /// How many rows it holds.
    pub rows_scanned: u64,
    /// Those that belong to the subject.
    pub matched: u64,
}

/// A shard, or a whole source, that could not be searched whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its path; the source's glob when it is about all of them.
    pub shard: String,
    /// What is wrong, without a record's content.
    pub reason: String,
}

/// A source that is not in the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// The source's name.
    pub source: String,
    /// The product that its records are about.
    pub product: String,
    /// Their type of data.
    pub data_type: String,
    /// Why, in words for the person.
    pub reason: String,
}

/// `RequestInfo.json`: what was asked, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestInfo {
    /// [`VERSION`].
    pub version: u64,
    /// The request's id.
    pub request: String,
    /// The organisation that the request acts for.
    pub tenant: Option<String>,
    /// What was asked for: `export`.
    #[serde(rename = "type")]
    pub request_type: String,
    /// When it was asked for, in RFC 3339.
    pub requested_at: Option<String>,
    /// When the search began, in RFC 3339.
    pub started_at: Option<String>,
    /// When the package was made, in RFC 3339.
    pub finished_at: Option<String>,
    /// Between which times records were looked for; all when absent.
    pub window: Option<Window>,
    /// The kinds of identifiers that were searched for, never their values.
    pub identifier_kinds: Vec<String>,
    /// What wrote the package, with its version.
    pub tool: String,
    /// The data files' format.
    pub format: Format,
}

/// A span of time; open where it has no end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From then on, in RFC 3339.
    pub from: Option<String>,
    /// Before then, in RFC 3339.
    pub until: Option<String>,
}

const MANIFEST: &str = "the manifest";
const REQUEST_INFO: &str = "the request info";

impl Manifest {
    /// The document's bytes.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        to_json(MANIFEST, self)
    }

    /// Reads a document back.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        from_json(MANIFEST, bytes)
    }
}

impl RequestInfo {
    /// The document's bytes.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        to_json(REQUEST_INFO, self)
    }

    /// Reads a document back.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        from_json(REQUEST_INFO, bytes)
    }
}

fn to_json(what: &'static str, document: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(document).map_err(|source| Error::Document { what, source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn from_json<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    let wrong = |source| Error::Document { what, source };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(wrong)?;
    if version != VERSION {
        return Err(Error::Version { what, found: version, known: VERSION });
    }
    serde_json::from_slice(bytes).map_err(wrong)
}

#[cfg(test)]
mod tests;
