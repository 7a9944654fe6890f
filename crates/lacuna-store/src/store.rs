//! The contract that every store keeps; `testing` holds the suite that checks it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use crate::{BlobPath, LocalVersion, OldCopy, Removal, Result};

/// One version of a blob. Compared, never taken apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Etag(String);

impl Etag {
    /// The version that `text` names; quotes around it, as HTTP headers have, are taken away.
    pub fn new(text: &str) -> Self {
        Self(text.trim_matches('"').to_owned())
    }

    /// The version's name, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a listing or a look at one blob tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Where it is.
    pub path: BlobPath,
    /// Which version it is.
    pub etag: Etag,
    /// Its length in bytes.
    pub size: u64,
}

/// What a blob is written from.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes.
    Bytes(Bytes),
    /// This file on the local disk, streamed. The store may move the file away instead of copying it.
    File(PathBuf),
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no blob at the path.
    New,
    /// The blob still is this version. Its metadata, tags, content headers and tier stay.
    Matches(Etag),
    /// Nothing: whatever is there is replaced.
    Any,
}

/// What a write says besides the bytes.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The media type of a new blob.
    pub content_type: Option<&'static str>,
    /// Whether a new blob is for its owner alone, where stores have such a thing.
    pub is_private: bool,
    /// The operation that this write belongs to; kept with the blob, so that a write whose answer was lost is recognised.
    pub operation: Option<String>,
    /// Stretches of the new bytes that are stretches of the version which [`Condition::Matches`] names, in their order. A store may
    /// take them from there instead of from the content.
    pub unchanged: Vec<Unchanged>,
}

/// A stretch of a blob's new bytes that is a stretch of its old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unchanged {
    /// Where it starts in the old bytes.
    pub from: u64,
    /// Where it starts in the new ones.
    pub at: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// A blob to write together with others.
#[derive(Clone, Debug)]
pub struct NewBlob {
    /// Where.
    pub path: BlobPath,
    /// Its bytes.
    pub content: Content,
    /// Its media type.
    pub content_type: Option<&'static str>,
}

/// Blobs of one call of [`Store::write_all`] that are written at a time, where they are written one by one.
const WRITES_AT_ONCE: usize = 16;

/// A place that holds blobs. Safe to share: all methods take `&self`.
///
/// Errors say by [`ErrorKind`](crate::ErrorKind) what happened; transient ones were retried already.
#[async_trait::async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// The store's address, as `file:///PATH`, `az://CONTAINER` or `memory:`, without any secret.
    fn url(&self) -> String;

    /// All blobs whose path starts with `prefix`, by path in byte order. Streams: the listing may be of any length. It goes on behind an
    /// error with a [`gap`](crate::Error::gap).
    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>>;

    /// The blob as it is now.
    async fn head(&self, path: &BlobPath) -> Result<BlobInfo>;

    /// Whether two versions of a blob differ in nothing but what says little of their bytes, as a file's owner or permissions: they may be the
    /// same, and nobody can tell.
    fn may_be_same(&self, _: &Etag, _: &Etag) -> bool {
        false
    }

    /// The bytes in `range` of version `etag`. Fails with `Changed` when the blob is another version by now, and with
    /// `OutOfRange` when it ends before `range` does.
    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes>;

    /// The bytes in each of `ranges`, as [`read`](Self::read) gives them, all at the same time.
    async fn read_ranges(&self, path: &BlobPath, ranges: &[Range<u64>], etag: &Etag) -> Result<Vec<Bytes>> {
        futures::future::try_join_all(ranges.iter().map(|range| self.read(path, range.clone(), etag))).await
    }

    /// Writes the blob in one atomic step: readers see the old bytes or the new ones. Fails with `Changed` when `condition`
    /// asks for another version, with `AlreadyExists` when it asks for none.
    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo>;

    /// Writes blobs, each as [`write`](Self::write) does under this condition, in any order; the answers are in that of the blobs. When
    /// it answers, all that it says is written is there for good. Many small blobs cost less together than one after the other.
    async fn write_all(&self, blobs: Vec<NewBlob>, condition: Condition) -> Vec<Result<()>> {
        let writes = blobs.into_iter().map(|blob| {
            let (condition, options) =
                (condition.clone(), WriteOptions { content_type: blob.content_type, ..WriteOptions::default() });
            async move { self.write(&blob.path, blob.content, condition, options).await.map(drop) }
        });
        // Collected first: a lazy one is not known to be `Send` for every lifetime.
        let writes: Vec<_> = writes.collect();
        stream::iter(writes).buffered(WRITES_AT_ONCE).collect().await
    }

    /// Deletes version `etag` of the blob. Fails with `Changed` when it is another by now.
    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()>;

    /// What the store still has of bytes that the blob had earlier, the oldest first. Empty where a write or a delete leaves
    /// nothing behind.
    async fn old_copies(&self, path: &BlobPath) -> Result<Vec<OldCopy>>;

    /// Removes a copy that [`old_copies`](Self::old_copies) told of, as far as the store allows it. One that is gone already has
    /// been removed.
    async fn remove_copy(&self, path: &BlobPath, copy: &OldCopy) -> Result<Removal>;

    /// Removes what writers that are dead have left half written, as far as it lies where somebody could read it.
    async fn remove_leftovers(&self) -> Result<()> {
        Ok(())
    }

    /// Whether blobs are files of this machine, so that nobody waits for a network.
    fn is_here(&self) -> bool {
        false
    }

    /// Where the blob's bytes lie as a file on this machine, for stores where they do.
    fn local_file(&self, path: &BlobPath) -> Option<PathBuf> {
        let _ = path;
        None
    }

    /// This version of the blob as a file of this machine, open for reading; `None` where blobs are no files. Fails with `Changed` when
    /// another version is there.
    fn open_here(&self, path: &BlobPath, etag: &Etag) -> Option<Result<LocalVersion>> {
        let _ = (path, etag);
        None
    }

    /// A directory on the volume where [`Content::File`] can be moved from without a copy, for stores that have one.
    fn staging_dir(&self) -> Option<&Path> {
        None
    }
}
