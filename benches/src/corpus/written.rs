//! What was written: the sources with their mapping, and the people whose rows are known.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::sample::Format;

/// A written sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The folder that shards' paths start from.
    pub dir: PathBuf,
    /// What was written where.
    pub sources: Vec<Source>,
    /// The tenants' ids; the known people are of the first.
    pub tenants: Vec<String>,
    /// People whose rows are known exactly.
    pub people: Vec<Person>,
    /// Many people at once.
    pub crowd: Crowd,
    /// Very many people at once.
    #[serde(default)]
    pub throng: Crowd,
    /// Records in all sources.
    pub rows: u64,
    /// Bytes of all shards.
    pub bytes: u64,
}

impl Written {
    /// The person in this role; `None` when the sample has no rows.
    pub fn person(&self, role: Role) -> Option<&Person> {
        self.people.iter().find(|person| person.role == role)
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.sources.iter().map(|source| source.paths.len()).sum()
    }
}

/// One source, as a configuration describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The glob that lists its shards.
    pub shards: String,
    /// As `Office/SharePoint`.
    pub product: String,
    /// As `ProductAndServiceUsage`.
    pub data_type: String,
    /// The shards' format.
    pub format: Format,
    /// Where the records of a JSON document lie: `Records[]`.
    pub records: Option<String>,
    /// The columns that identify a person.
    pub identifiers: Vec<Identifier>,
    /// The column that names the tenant.
    pub tenant: String,
    /// The column that says when.
    pub time: String,
    /// What an erasure does here.
    pub on_erase: OnErase,
    /// The shards' paths, in order.
    pub paths: Vec<String>,
    /// Records.
    pub rows: u64,
    /// Bytes of the shards.
    pub bytes: u64,
}

/// A column that identifies a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    /// The column's path, as `actor.emails[]`.
    pub column: String,
    /// The kind of identifier.
    pub kind: String,
    /// Whether letters' case is without meaning.
    pub case_insensitive: bool,
}

/// What an erasure does to a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnErase {
    /// The rows go.
    Delete,
    /// The rows stay.
    Keep {
        /// Why.
        reason: String,
    },
}

/// A person whose rows are known. In every source that maps one of their kinds of identifier, each kind alone finds all their rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Why this person is of interest.
    pub role: Role,
    /// Their tenant's id.
    pub tenant: String,
    /// Kind and value of each of their identifiers.
    pub identifiers: Vec<(String, String)>,
    /// Their rows, source by source.
    pub counts: Vec<Count>,
}

impl Person {
    /// Their rows in all sources.
    pub fn rows(&self) -> u64 {
        self.counts.iter().map(|count| count.rows).sum()
    }

    /// Their identifier of this kind.
    pub fn identifier(&self, kind: &str) -> Option<&str> {
        self.identifiers.iter().find(|(have, _)| have == kind).map(|(_, value)| value.as_str())
    }
}

/// Why a person is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A handful of rows.
    Rare,
    /// Rows in every row group (in sorted sources: one run in every shard).
    Common,
    /// More rows than anybody else.
    Busiest,
}

/// A person's rows in one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The source's name.
    pub source: String,
    /// Rows that name the person and their tenant.
    pub rows: u64,
    /// Rows that name the person, and another tenant or none. No request finds them.
    pub elsewhere: u64,
    /// Of `rows`, those in each shard that has any, by path.
    pub by_shard: BTreeMap<String, u64>,
}

/// Many people at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crowd {
    /// Their object ids.
    pub object_ids: Vec<String>,
    /// Their rows together, in sources that know object ids; a row of two of them counts once for each.
    pub rows: u64,
}
