//! What is under way, beside the logs and until it is done: which requests erase and have no receipt yet, and which bytes are about
//! to take a shard's place. So whoever comes next can finish what a killed run began.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lacuna_erase::tombstone::Tombstone;
use lacuna_store::{BlobInfo, BlobPath, Content, CopyId, ErrorKind, Etag, OldCopy, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::commit;
use crate::problem::ShardError;
use crate::read::whole::read_record;
use crate::receipt::ProvedSurvivors;
use crate::receipt::seal::hex;

/// How often a record that others change meanwhile is read again.
const ATTEMPTS_MAX: u32 = 32;

/// Bytes that are about to take the place of a version of a shard, or have taken it. Written before they do, and kept until
/// nothing of that version and of older ones is left.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(crate) struct Intent {
    /// The tombstone whose rows go, in base64: the shard, its version, and whose rows they are.
    tombstone: String,
    /// Nothing when another writer removed the shard first.
    pub(crate) sha256_before: Option<String>,
    /// What takes its place; nothing when the shard is deleted, because no row was left.
    pub(crate) sha256_after: Option<String>,
    pub(crate) rows_after: u64,
    /// What was proved of the rows that stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) survivors: Option<ProvedSurvivors>,
    /// Columns of JSON that no record is left of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lost: Vec<String>,
    /// The version that the bytes are in place as, once somebody went on from there: then nothing else may tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag_after: Option<String>,
    /// Once the bytes are in place, and the store was found to keep older ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) copies: Option<Copies>,
    /// What other runs were about to put in the place of the same version: of all of these, one at most comes into place, and whoever
    /// writes down another cannot know that none has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rivals: Vec<Intent>,
}

/// Old bytes of a shard that must go.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(crate) struct Copies {
    /// The version that took the place of the one that was purged; none, when the shard was deleted.
    pub(crate) etag_after: Option<String>,
    copies: Vec<Copy>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
struct Copy {
    id: String,
    etag: String,
}

impl Copies {
    pub(crate) fn new(after: Option<&Etag>, copies: &[OldCopy]) -> Self {
        let copy = |copy: &OldCopy| Copy { id: copy.id.to_string(), etag: copy.etag.to_string() };
        Self { etag_after: after.map(ToString::to_string), copies: copies.iter().map(copy).collect() }
    }

    /// Those of the copies that are among what the store `found`.
    pub(crate) fn among(&self, found: Vec<OldCopy>) -> Vec<OldCopy> {
        let nameless = CopyId::Deleted.to_string();
        let is_known = |copy: &OldCopy| {
            let (id, etag) = (copy.id.to_string(), copy.etag.as_str());
            // What has no name may get one later.
            self.copies.iter().any(|known| known.id == id || (known.id == nameless && known.etag == etag))
        };
        found.into_iter().filter(is_known).collect()
    }
}

impl Intent {
    pub(crate) fn new(
        tombstone: &Tombstone,
        sha256_before: Option<String>,
        sha256_after: Option<String>,
        rows_after: u64,
        survivors: Option<ProvedSurvivors>,
    ) -> Result<Self, ShardError> {
        let tombstone = BASE64_STANDARD.encode(tombstone.encode()?);
        Ok(Self {
            tombstone,
            sha256_before,
            sha256_after,
            rows_after,
            survivors,
            lost: Vec::new(),
            etag_after: None,
            copies: None,
            rivals: Vec::new(),
        })
    }

    /// All that may have come into place; each by itself.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Self> {
        let own = Self { rivals: Vec::new(), ..self.clone() };
        std::iter::once(own).chain(self.rivals.iter().cloned())
    }

    /// The same beside `others`, which were written down for the same version before.
    pub(crate) fn among(self, others: &Self) -> Self {
        let rivals = others.candidates().filter(|other| *other != self).collect();
        Self { rivals, ..self }
    }

    /// Whether it says itself that its bytes came into place; what they lost is written down by then.
    pub(crate) fn is_committed(&self) -> bool {
        self.etag_after.is_some() || self.copies.is_some()
    }

    /// What the bytes' commit is known by in the store.
    pub(crate) fn operation(&self) -> Option<String> {
        self.sha256_after.as_deref().map(operation)
    }

    pub(crate) fn tombstone(&self) -> Result<Tombstone, ShardError> {
        let bytes = BASE64_STANDARD.decode(&self.tombstone);
        let bytes = bytes.map_err(|_| ShardError::Refused("the record of its purge cannot be read".into()))?;
        Ok(Tombstone::decode(&bytes)?)
    }
}

/// A record as it was read.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    pub(crate) record: T,
    pub(crate) info: BlobInfo,
}

impl Kept<Intent> {
    /// Has the intent say that its bytes are in place as this version, before anybody goes on from there.
    pub(crate) async fn mark_committed(&mut self, store: &dyn Store, etag: &Etag) -> Result<(), ShardError> {
        let path = self.info.path.to_string();
        for _ in 0..ATTEMPTS_MAX {
            if self.record.is_committed() {
                return Ok(());
            }
            let marked = Intent { etag_after: Some(etag.to_string()), rivals: Vec::new(), ..self.record.clone() };
            match write(store, &path, &marked, Some(&self.info)).await {
                Ok(info) => {
                    *self = Self { record: marked, info };
                    return Ok(());
                }
                Err(error) if matches!(error.kind, ErrorKind::Changed | ErrorKind::NotFound) => {}
                Err(error) => return Err(ShardError::Store(error)),
            }
            match read::<Intent>(store, &path).await? {
                Some(there) if there.record.is_committed() => *self = there,
                // Nothing else that is intended for the same version can come into place any more.
                Some(there) => self.info = there.info,
                // Receipts tell of it.
                None => return Ok(()),
            }
        }
        Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
    }
}

/// Removes an intent that receipts tell of, also where another run has marked it since, or written down another for the same version, which
/// cannot come into place any more.
pub(crate) async fn end(store: &dyn Store, intent: &BlobInfo) -> Result<(), ShardError> {
    let mut info = intent.clone();
    for _ in 0..ATTEMPTS_MAX {
        match commit::delete(store, &info).await {
            Err(error) if error.kind == ErrorKind::Changed => {}
            Err(error) if error.kind != ErrorKind::NotFound => return Err(ShardError::Store(error)),
            _ => return Ok(()),
        }
        match read::<Intent>(store, intent.path.as_str()).await? {
            Some(there) if there.record.copies.is_none() => info = there.info,
            // Another run looks after old bytes.
            _ => return Ok(()),
        }
    }
    Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
}

/// Where all intents are kept.
pub(crate) const INTENTS: &str = "_lacuna/operations/shards/";

/// Where all requests are kept that have no receipt yet.
pub(crate) const REQUESTS: &str = "_lacuna/operations/requests/";

/// Where a request that has no receipt yet is kept.
pub(crate) fn request_path(request: &str) -> String {
    format!("{REQUESTS}{request}.json")
}

/// Where the intent on this version of a shard is kept.
pub(crate) fn intent_path(shard: &str, etag: &str) -> String {
    format!("{INTENTS}{}.json", hex(&Sha256::digest(format!("{shard}\n{etag}"))))
}

/// What a commit of bytes with this SHA-256 is known by.
pub(crate) fn operation(sha256: &str) -> String {
    format!("purge-{}", sha256.get(..16).unwrap_or(sha256))
}

/// The record at `path`, if there is one.
pub(crate) async fn read<T: DeserializeOwned>(store: &dyn Store, path: &str) -> Result<Option<Kept<T>>, ShardError> {
    let blob = blob_path(path)?;
    for _ in 0..ATTEMPTS_MAX {
        let read = async {
            let info = store.head(&blob).await?;
            read_record(store, &info).await.map(|bytes| (info, bytes))
        };
        return match read.await {
            Ok((info, bytes)) => match serde_json::from_slice(&bytes) {
                Ok(record) => Ok(Some(Kept { record, info })),
                Err(_) => Err(ShardError::Refused(format!("{path}: this record of what is under way cannot be read"))),
            },
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind == ErrorKind::Changed => continue,
            Err(error) => Err(ShardError::Store(error)),
        };
    }
    Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
}

/// Writes a record, unless it is there: another run is at the same, or this one is here again.
pub(crate) async fn keep<T: Serialize + DeserializeOwned + PartialEq>(
    store: &dyn Store,
    path: &str,
    record: &T,
) -> Result<BlobInfo, ShardError> {
    match read::<T>(store, path).await? {
        Some(kept) if kept.record == *record => Ok(kept.info),
        there => {
            write(store, path, record, there.as_ref().map(|kept| &kept.info)).await.map_err(|error| match error.kind {
                ErrorKind::AlreadyExists => ShardError::Busy,
                _ => ShardError::Store(error),
            })
        }
    }
}

/// Writes a record where `read` was, or where there was none.
pub(crate) async fn write<T: Serialize>(
    store: &dyn Store,
    path: &str,
    record: &T,
    read: Option<&BlobInfo>,
) -> Result<BlobInfo, lacuna_store::Error> {
    // Plain structs of strings and numbers always serialise.
    let content = Content::Bytes(serde_json::to_vec(record).unwrap_or_default().into());
    let blob =
        BlobPath::new(path).map_err(|error| lacuna_store::Error::new(ErrorKind::Configuration).because(error))?;
    commit::keep(store, &blob, read, content).await
}

fn blob_path(path: &str) -> Result<BlobPath, ShardError> {
    BlobPath::new(path).map_err(|error| ShardError::Refused(format!("{path}: {error}")))
}
