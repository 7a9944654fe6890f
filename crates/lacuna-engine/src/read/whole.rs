//! A whole version of a blob, read from its first byte to its last.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use lacuna_store::{BlobInfo, ErrorKind, Store};
use sha2::{Digest as _, Sha256};

use super::origin::Origin;
use crate::cpu::blocking;
use crate::problem::ShardError;
use crate::receipt::seal::hex;
use crate::workshop::Workshop;

/// A receipt, a manifest or a record of what is under way may be this large: one of a million shards is not.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// One of Lacuna's own records.
pub(crate) async fn read_record(store: &dyn Store, info: &BlobInfo) -> lacuna_store::Result<Bytes> {
    if info.size > RECORD_BYTES_MAX {
        let why = format!("it has {} bytes, and a record has {RECORD_BYTES_MAX} at most", info.size);
        return Err(lacuna_store::Error::new(ErrorKind::Other).at(&info.path).because(why));
    }
    store.read(&info.path, 0..info.size, &info.etag).await
}

/// The bytes of this version of a blob in a temporary file, within the memory's budget.
pub(crate) async fn copied(shop: &Workshop, store: &Arc<dyn Store>, info: &BlobInfo) -> Result<File, ShardError> {
    let origin = Origin::Blob(store.clone(), info.clone());
    let mut file = tempfile::tempfile_in(shop.temp_dir()).map_err(ShardError::Temp)?;
    let (mut at, window) = (0, shop.budget.window);
    while at < info.size {
        let range = at..info.size.min(at + window);
        at = range.end;
        let loaded = shop.budget.load(&origin, range, &Default::default()).await?;
        let write = move || file.write_all(&loaded.bytes).map(|()| file);
        file = blocking(write).await?;
    }
    Ok(file)
}

/// The SHA-256 of this version of a shard, read from the store.
pub(crate) async fn sha256_of(shop: &Workshop, store: &Arc<dyn Store>, shard: &BlobInfo) -> Result<String, ShardError> {
    let origin = Origin::Blob(store.clone(), shard.clone());
    let mut hasher = Sha256::new();
    let (mut at, window) = (0, shop.budget.window);
    while at < shard.size {
        let range = at..shard.size.min(at + window);
        at = range.end;
        let loaded = shop.budget.load(&origin, range, &Default::default()).await?;
        hasher = shop.cpu.run(move || hasher.chain_update(&loaded.bytes)).await?;
    }
    Ok(hex(&hasher.finalize()))
}
