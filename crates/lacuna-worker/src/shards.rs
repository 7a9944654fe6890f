//! Shards between the store and the ledger: the same versions, as each of them names them.

use lacuna_ledger::Shard;
use lacuna_store::{BlobInfo, BlobPath, Etag};

/// A shard as the ledger records it.
pub(crate) fn shard(info: &BlobInfo) -> Shard {
    Shard { path: info.path.to_string(), etag: info.etag.to_string(), size: info.size }
}

/// A shard as the store names it. What was planned came from a listing, so its path is one.
pub(crate) fn blob(shard: &Shard) -> Option<BlobInfo> {
    let path = BlobPath::new(shard.path.as_str()).ok()?;
    Some(BlobInfo { path, etag: Etag::new(&shard.etag), size: shard.size })
}
