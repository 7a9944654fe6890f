//! A store in memory, for tests and demos.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use time::Date;

use crate::{
    BlobInfo, BlobPath, Condition, Content, CopyId, Deleted, Error, ErrorKind, Etag, Hold, OldCopy, Removal, Result,
    Retained, Store, WriteOptions,
};

/// Blobs in memory. Each write makes a new version, numbered across the store.
#[derive(Debug, Default)]
pub struct MemoryStore {
    blobs: RwLock<BTreeMap<String, Blob>>,
    versions: AtomicU64,
    keeping: RwLock<Keeping>,
    /// What blobs were, the oldest first; each with whether it is deleted.
    old: RwLock<BTreeMap<String, Vec<(Blob, bool)>>>,
}

/// What a store in memory keeps of bytes that a write or a delete takes out of a blob, as storage accounts do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// Nothing.
    #[default]
    Nothing,
    /// Previous versions, until they are removed.
    Versions,
    /// Previous versions, and once they are removed, soft-deleted ones until the end of this day.
    Deleted(Date),
    /// Previous versions that may not be removed.
    Held(Hold),
}

#[derive(Clone)]
struct Blob {
    bytes: Bytes,
    version: u64,
    operation: Option<String>,
}

impl std::fmt::Debug for Blob {
    /// Sizes and versions: a blob's content does not belong into logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob").field("size", &self.bytes.len()).field("version", &self.version).finish()
    }
}

impl Blob {
    fn etag(&self) -> Etag {
        Etag::new(&self.version.to_string())
    }

    fn copy_id(&self) -> CopyId {
        CopyId::Version(format!("{:020}", self.version))
    }

    fn info(&self, path: &BlobPath) -> BlobInfo {
        BlobInfo { path: path.clone(), etag: self.etag(), size: self.bytes.len() as u64 }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that keeps what blobs were.
    pub fn keeping(keeping: Keeping) -> Self {
        Self { keeping: RwLock::new(keeping), ..Self::default() }
    }

    /// From now on keeps what blobs were in another way; what is kept already is kept so, too.
    pub fn keep(&self, keeping: Keeping) {
        *self.keeping.write().unwrap_or_else(PoisonError::into_inner) = keeping;
    }

    fn kept(&self) -> Keeping {
        *self.keeping.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All bytes that blobs were and that are still kept, with the blob's path and the version that they were.
    pub fn old_bytes(&self) -> Vec<(String, Etag, Bytes)> {
        let old = self.old.read().unwrap_or_else(PoisonError::into_inner);
        let copies = old.iter().flat_map(|(path, copies)| copies.iter().map(move |(blob, _)| (path, blob)));
        copies.map(|(path, blob)| (path.clone(), blob.etag(), blob.bytes.clone())).collect()
    }

    /// Keeps what a blob was, where that is asked for.
    fn retire(&self, path: &BlobPath, blob: Option<Blob>) {
        if let Some(blob) = blob
            && self.kept() != Keeping::Nothing
        {
            let mut old = self.old.write().unwrap_or_else(PoisonError::into_inner);
            old.entry(path.as_str().to_owned()).or_default().push((blob, false));
        }
    }

    // No code that can panic runs under the lock, so a poisoned one still holds whole blobs.
    fn blobs(&self) -> RwLockReadGuard<'_, BTreeMap<String, Blob>> {
        self.blobs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn blobs_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Blob>> {
        self.blobs.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first blob whose path starts with `prefix` and comes after `last`.
    fn next(&self, prefix: &str, last: Option<&str>) -> Option<(String, Blob)> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let from = match last {
            Some(last) => Excluded(last),
            None => Included(prefix),
        };
        let blobs = self.blobs();
        let (path, blob) = blobs.range::<str, _>((from, Unbounded)).next()?;
        path.starts_with(prefix).then(|| (path.clone(), blob.clone()))
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    fn url(&self) -> String {
        "memory:".into()
    }

    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        let prefix = prefix.to_owned();
        stream::unfold(None::<String>, move |last| {
            let found = self.next(&prefix, last.as_deref());
            async move {
                let (path, blob) = found?;
                let info = BlobPath::new(path.clone())
                    .map(|path| blob.info(&path))
                    .map_err(|cause| Error::new(ErrorKind::Other).because(cause));
                Some((info, Some(path)))
            }
        })
        .boxed()
    }

    async fn head(&self, path: &BlobPath) -> Result<BlobInfo> {
        let blobs = self.blobs();
        let blob = blobs.get(path.as_str()).ok_or_else(|| Error::new(ErrorKind::NotFound).at(path))?;
        Ok(blob.info(path))
    }

    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        let fail = |kind| Error::new(kind).at(path);
        let blobs = self.blobs();
        let blob = blobs.get(path.as_str()).ok_or_else(|| fail(ErrorKind::NotFound))?;
        if blob.etag() != *etag {
            return Err(fail(ErrorKind::Changed));
        }
        let start = usize::try_from(range.start).map_err(|_| fail(ErrorKind::OutOfRange))?;
        let end = usize::try_from(range.end).map_err(|_| fail(ErrorKind::OutOfRange))?;
        if start > end || end > blob.bytes.len() {
            return Err(fail(ErrorKind::OutOfRange));
        }
        Ok(blob.bytes.slice(start..end))
    }

    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        let bytes = match content {
            Content::Bytes(bytes) => bytes,
            Content::File(file) => tokio::fs::read(file)
                .await
                .map_err(|cause| Error::new(ErrorKind::Other).at(path).because(cause))?
                .into(),
        };
        let mut blobs = self.blobs_mut();
        let old = blobs.get(path.as_str());
        let refusal = match (&condition, old) {
            (Condition::New, Some(_)) => Some(ErrorKind::AlreadyExists),
            (Condition::Matches(etag), old) if old.is_none_or(|old| old.etag() != *etag) => Some(ErrorKind::Changed),
            _ => None,
        };
        if let Some(kind) = refusal {
            // The same operation again, after its answer was lost: it has been done.
            return match old {
                Some(old)
                    if options.operation.is_some() && old.operation == options.operation && old.bytes == bytes =>
                {
                    Ok(old.info(path))
                }
                _ => Err(Error::new(kind).at(path)),
            };
        }
        let version = self.versions.fetch_add(1, Ordering::Relaxed) + 1;
        let blob = Blob { bytes, version, operation: options.operation };
        let info = blob.info(path);
        let before = blobs.insert(path.as_str().to_owned(), blob);
        self.retire(path, before);
        Ok(info)
    }

    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()> {
        let mut blobs = self.blobs_mut();
        let blob = blobs.get(path.as_str()).ok_or_else(|| Error::new(ErrorKind::NotFound).at(path))?;
        if blob.etag() != *etag {
            return Err(Error::new(ErrorKind::Changed).at(path));
        }
        let before = blobs.remove(path.as_str());
        self.retire(path, before);
        Ok(())
    }

    async fn old_copies(&self, path: &BlobPath) -> Result<Vec<OldCopy>> {
        let (old, keeping) = (self.old.read().unwrap_or_else(PoisonError::into_inner), self.kept());
        let copies = old.get(path.as_str()).into_iter().flatten().map(|(blob, is_deleted)| OldCopy {
            id: blob.copy_id(),
            etag: blob.etag(),
            operation: blob.operation.clone(),
            deleted: is_deleted.then_some(Deleted {
                gone_by: match keeping {
                    Keeping::Deleted(date) => Some(date),
                    _ => None,
                },
            }),
            hold: match keeping {
                Keeping::Held(hold) => Some(hold),
                _ => None,
            },
        });
        Ok(copies.collect())
    }

    async fn remove_copy(&self, path: &BlobPath, copy: &OldCopy) -> Result<Removal> {
        let mut old = self.old.write().unwrap_or_else(PoisonError::into_inner);
        let Some(copies) = old.get_mut(path.as_str()) else { return Ok(Removal::Removed) };
        let Some(at) = copies.iter().position(|(blob, _)| blob.copy_id() == copy.id) else {
            return Ok(Removal::Removed);
        };
        match self.kept() {
            Keeping::Held(hold) => Ok(Removal::Held(hold)),
            Keeping::Deleted(_) => {
                copies[at].1 = true;
                Ok(Removal::Retained(Retained::ByAccount))
            }
            Keeping::Nothing | Keeping::Versions => {
                copies.remove(at);
                Ok(Removal::Removed)
            }
        }
    }
}
