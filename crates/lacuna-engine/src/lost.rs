//! JSON columns whose last record a purge took out of a shard. No record is left to show that a column is spelt so; what was written
//! down of it does, for the version that the purge left.

use lacuna_scan::ColumnPath;
use lacuna_store::{BlobInfo, ErrorKind, Etag, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::journal::{self, Kept};
use crate::problem::ShardError;
use crate::seal::hex;

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

/// Writes down what the version `etag` of a shard lost.
pub(crate) async fn keep(store: &dyn Store, shard: &str, etag: &Etag, columns: &[String]) -> Result<(), ShardError> {
    let lost = Lost { shard: shard.to_owned(), etag: etag.to_string(), columns: columns.to_vec() };
    let path = path(shard);
    let there: Option<Kept<Lost>> = journal::read(store, &path).await?;
    if there.as_ref().is_some_and(|kept| kept.record == lost) {
        return Ok(());
    }
    match journal::write(store, &path, &lost, there.as_ref().map(|kept| &kept.info)).await {
        Ok(_) => Ok(()),
        // Another run finishes the same.
        Err(error) if matches!(error.kind, ErrorKind::AlreadyExists | ErrorKind::Changed) => Err(ShardError::Busy),
        Err(error) => Err(ShardError::Store(error)),
    }
}

fn path(shard: &str) -> String {
    format!("_lacuna/lost/{}.json", hex(&Sha256::digest(shard)))
}
