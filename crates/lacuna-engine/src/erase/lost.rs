//! JSON columns whose last record a purge took out of a shard. No record is left to show that a column is spelt so; what was written
//! down of it does, for the version that the purge left.

use lacuna_scan::ColumnPath;
use lacuna_store::{BlobInfo, Etag, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::journal::{self, Intent};
use crate::problem::ShardError;
use crate::receipt::seal::hex;

/// Columns that a version of a shard lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lost {
    shard: String,
    etag: String,
    columns: Vec<String>,
}

/// What this version of a shard lost, if it is what a purge left.
pub(crate) async fn columns(store: &dyn Store, shard: &BlobInfo) -> Result<Vec<ColumnPath>, ShardError> {
    let kept = journal::read::<Lost>(store, &path(shard.path.as_str())).await?;
    let of_version = kept.filter(|kept| kept.record.etag == shard.etag.as_str());
    let columns = of_version.map_or_else(Vec::new, |kept| kept.record.columns);
    Ok(columns.iter().filter_map(|column| column.parse().ok()).collect())
}

/// Writes down what the version `etag` of a shard lost, as an intent that came into place as this says; once it says that itself, that was
/// done, and there may be a later version.
pub(crate) async fn note(store: &dyn Store, shard: &str, etag: &Etag, intent: &Intent) -> Result<(), ShardError> {
    if intent.lost.is_empty() || intent.is_committed() {
        return Ok(());
    }
    let lost = Lost { shard: shard.to_owned(), etag: etag.to_string(), columns: intent.lost.clone() };
    match journal::keep(store, &path(shard), &lost).await {
        // Another run finishes the same.
        Err(error) if error.is_change() => Err(ShardError::Busy),
        kept => kept.map(drop),
    }
}

fn path(shard: &str) -> String {
    format!("_lacuna/lost/{}.json", hex(&Sha256::digest(shard)))
}
