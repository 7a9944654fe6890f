//! Shards between the store and the ledger: the same versions, as each of them names them.

use lacuna_ledger::Shard;
use lacuna_store::{BlobInfo, BlobPath, Etag};

/// A shard as the ledger records it.
pub(crate) fn shard(info: &BlobInfo) -> Shard {
    Shard { path: info.path.to_string(), etag: info.etag.to_string(), size: info.size }
}

/// Versions of shards as watermarks know them: searched in this way.
pub(crate) fn searched(shards: impl IntoIterator<Item = Shard>, search: &str) -> Vec<Shard> {
    let searched = |shard: Shard| Shard { etag: format!("{} {search}", shard.etag), ..shard };
    shards.into_iter().map(searched).collect()
}

/// A shard as the store names it. What was planned came from a listing, so its path is one.
pub(crate) fn blob(shard: &Shard) -> Result<BlobInfo, lacuna_engine::Error> {
    let odd = |_| lacuna_engine::Error::Defect("the ledger names a shard as no store does");
    let path = BlobPath::new(shard.path.as_str()).map_err(odd)?;
    Ok(BlobInfo { path, etag: Etag::new(&shard.etag), size: shard.size })
}
