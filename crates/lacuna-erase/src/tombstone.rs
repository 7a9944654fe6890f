//! The tombstone of a shard: which rows of one version of it are hidden, and by which requests.
//!
//! It is a Puffin file with one `deletion-vector-v1` blob, as the Iceberg specification lays both out, so that others can read
//! which rows are hidden. Which request hides which of them stands in the file's properties and not in further blobs: a reader
//! of deletion vectors may take every blob for one, as PyIceberg 0.12 does. A property `lacuna.request.REQUEST` holds the rows
//! of one request, laid out as the blob is and in base64. So a purge knows each request's rows, for its receipt.
//!
//! Reading fails closed. What is not exactly one deletion vector, or does not agree with its properties or with their checksum,
//! is an error and never a tombstone with fewer rows.

pub mod deletion_vector;
mod fault;
mod path;
pub mod puffin;

use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roaring::RoaringTreemap;
use sha2::{Digest as _, Sha256};

use crate::Result;
pub use fault::Fault;
pub use path::{PREFIX, SUPERSEDED, path, places, superseded_path};
use puffin::{Properties, Puffin};

/// The largest tombstone, in bytes. Whoever reads one from a store must refuse a larger one before holding it.
///
/// Enough for any rows of a shard of 200 million that one request hides; far more where they lie together or are few.
pub const BYTES_MAX: usize = 64 << 20;

/// The shard's path, and how many rows are hidden. The Puffin specification demands both of a deletion vector.
const SHARD: &str = "referenced-data-file";
const HIDDEN: &str = "cardinality";
/// What the specification recommends to say of the writer.
const CREATED_BY: &str = "created-by";
/// Ours, all of them below one prefix.
const OURS: &str = "lacuna.";
const ETAG: &str = "lacuna.etag";
const ROWS: &str = "lacuna.rows";
const REQUEST: &str = "lacuna.request.";
const CHECKSUM: &str = "lacuna.checksum";

/// One version of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardVersion {
    /// Where the shard is, within the store.
    pub shard: String,
    /// Which version it is.
    pub etag: String,
    /// How many rows it has.
    pub rows: u64,
}

/// The hidden rows of one version of a shard, by their ordinals in it.
///
/// - Every hidden row belongs to at least one request, and every row is one of the shard's.
/// - The same rows of the same requests make the same bytes, in whatever order they came.
#[derive(Clone, Debug, PartialEq)]
pub struct Tombstone {
    version: ShardVersion,
    hidden: RoaringTreemap,
    requests: BTreeMap<String, RoaringTreemap>,
}

impl Tombstone {
    /// A tombstone that hides nothing yet.
    pub fn new(version: ShardVersion) -> Self {
        Self { version, hidden: RoaringTreemap::new(), requests: BTreeMap::new() }
    }

    /// The version of the shard whose rows it hides; it says nothing of any other.
    pub fn version(&self) -> &ShardVersion {
        &self.version
    }

    /// All hidden rows.
    pub fn hidden(&self) -> &RoaringTreemap {
        &self.hidden
    }

    /// The rows of each request that has any, by the request's id.
    pub fn requests(&self) -> impl Iterator<Item = (&str, &RoaringTreemap)> {
        self.requests.iter().map(|(request, rows)| (request.as_str(), rows))
    }

    /// Hides further rows for `request`, an id that names nobody. Rows that are hidden already stay so, and no step is lost or
    /// done twice when it is run again. An error when the shard has not all of these rows.
    pub fn hide(&mut self, request: &str, rows: &RoaringTreemap) -> Result<()> {
        deletion_vector::check(rows, self.version.rows)?;
        if !rows.is_empty() {
            *self.requests.entry(request.to_owned()).or_default() |= rows;
            self.hidden |= rows;
        }
        Ok(())
    }

    /// Forgets the rows of the requests that are not `kept`. Rows that no other request hides show again.
    pub fn retain(&mut self, kept: impl Fn(&str) -> bool) {
        self.requests.retain(|request, _| kept(request));
        self.hidden = self.requests.values().fold(RoaringTreemap::new(), |all, rows| all | rows);
    }

    /// Hides what `other` hides, for the same requests. An error when it is of another version of the shard: its rows would be
    /// other people's here.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.version != other.version {
            return Err(Fault::OtherVersion.into());
        }
        other.requests.iter().try_for_each(|(request, rows)| self.hide(request, rows))
    }

    /// The tombstone's bytes. An error when they were more than [`BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>> {
        let blob = deletion_vector::encode(&self.hidden)?;
        let mut properties = Properties::from([
            (CREATED_BY.into(), concat!("Lacuna ", env!("CARGO_PKG_VERSION")).into()),
            (ETAG.into(), self.version.etag.clone()),
            (ROWS.into(), self.version.rows.to_string()),
        ]);
        for (request, rows) in &self.requests {
            let rows = BASE64_STANDARD.encode(deletion_vector::encode(rows)?);
            properties.insert(format!("{REQUEST}{request}"), rows);
        }
        let blob_properties = Properties::from([
            (SHARD.into(), self.version.shard.clone()),
            (HIDDEN.into(), self.hidden.len().to_string()),
        ]);
        let mut file = Puffin { blob: &blob, blob_properties, properties };
        file.properties.insert(CHECKSUM.into(), checksum(&file));
        puffin::write(&file)
    }

    /// The tombstone that these bytes are.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let file = puffin::read(bytes)?;
        if property::<String>(&file.properties, CHECKSUM)? != checksum(&file) {
            return Err(Fault::Property(CHECKSUM).into());
        }
        let version = ShardVersion {
            shard: property(&file.blob_properties, SHARD)?,
            etag: property(&file.properties, ETAG)?,
            rows: property(&file.properties, ROWS)?,
        };
        let hidden = deletion_vector::decode(file.blob, version.rows)?;
        if property::<u64>(&file.blob_properties, HIDDEN)? != hidden.len() {
            return Err(Fault::Property(HIDDEN).into());
        }
        let mut tombstone = Self::new(version);
        for (name, rows) in &file.properties {
            let Some(request) = name.strip_prefix(REQUEST) else { continue };
            let rows = BASE64_STANDARD.decode(rows).map_err(|_| Fault::Property(REQUEST))?;
            tombstone.hide(request, &deletion_vector::decode(&rows, tombstone.version.rows)?)?;
        }
        if tombstone.hidden != hidden {
            return Err(Fault::Property(REQUEST).into());
        }
        Ok(tombstone)
    }
}

fn property<T: FromStr>(properties: &Properties, name: &'static str) -> Result<T, Fault> {
    properties.get(name).and_then(|value| value.parse().ok()).ok_or(Fault::Property(name))
}

/// SHA-256 over what a tombstone says. Nothing in a Puffin file guards its footer, and a changed ETag would make a tombstone pass
/// for a stale one, whose rows show again. Properties that others add do not count.
fn checksum(file: &Puffin<'_>) -> String {
    let mut hasher = Sha256::new();
    // Each part with its length, so that none runs into the next.
    let mut add = |part: &[u8]| {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    add(file.blob);
    for properties in [&file.blob_properties, &file.properties] {
        let ours = |name: &str| name == SHARD || name == HIDDEN || name.starts_with(OURS) && name != CHECKSUM;
        for (name, value) in properties.iter().filter(|(name, _)| ours(name)) {
            add(name.as_bytes());
            add(value.as_bytes());
        }
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
