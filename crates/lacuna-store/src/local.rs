//! A store on a local disk: a directory and what lies below it.
//!
//! Writes are staged below `_lacuna/staging/`, synced, and renamed into place, so that a reader or a crash finds the old file or
//! the new one. What a run that was killed has staged is removed by the next one. A version is told by device, inode, times and
//! size, so changes by other programs are seen; two of this store's writers exclude each other by locks below `_lacuna/locks/`, within a
//! machine and on file systems that share locks.
//! Symbolic links are no blobs, and none is followed: a listing tells of each as a gap, with the place that it leads to when that is
//! in the store, and so may be listed itself.

mod batch;
mod buffers;
mod listing;
mod lock;
mod place;
mod run;
mod staging;
mod version;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;

use self::place::Root;
pub use self::run::Scratch;
use self::staging::Staged;
pub use self::version::LocalVersion;
use self::version::etag_of;
use crate::{
    BlobInfo, BlobPath, Condition, Content, Error, ErrorKind, Etag, NewBlob, OldCopy, Removal, Result, Store,
    WriteOptions,
};

/// Entries that a listing is ahead of its reader.
const LISTED_AHEAD_MAX: usize = 256;

/// The files below a directory. Unix only: versions are told by inode and nanosecond times.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: Arc<Root>,
}

impl LocalStore {
    /// The store below `root`, an existing directory. Removes what runs that were killed left behind, if it may.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let path = root.as_ref().canonicalize().map_err(place::failure)?;
        if !path.is_dir() {
            return Err(Error::new(ErrorKind::Configuration).because(format!("{} is no directory", path.display())));
        }
        let root = Root::new(path);
        if let Err(error) = staging::clean(&root) {
            tracing::debug!(%error, "what killed runs left behind could not all be removed");
        }
        Ok(Self { root: Arc::new(root) })
    }

    /// The store below `root`, which is made if there is none.
    pub fn create(root: impl AsRef<Path>) -> Result<Self> {
        std::fs::create_dir_all(root.as_ref()).map_err(place::failure)?;
        Self::open(root)
    }

    /// Runs `work` where blocking is allowed, and says in its error which blob it was about.
    async fn blocking<T: Send + 'static>(
        &self,
        path: &BlobPath,
        work: impl FnOnce(&Root, &BlobPath) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (root, path) = (Arc::clone(&self.root), path.clone());
        tokio::task::spawn_blocking(move || work(&root, &path).map_err(|error| error.at(&path)))
            .await
            .map_err(|cause| Error::new(ErrorKind::Other).because(cause))?
    }
}

#[async_trait::async_trait]
impl Store for LocalStore {
    fn url(&self) -> String {
        format!("file://{}", self.root.path().display())
    }

    fn may_be_same(&self, a: &Etag, b: &Etag) -> bool {
        version::may_be_same(a, b)
    }

    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        let (root, prefix) = (Arc::clone(&self.root), prefix.to_owned());
        // The walk starts with the first poll: until then there may be no runtime to run it on.
        stream::once(async move {
            let (sender, receiver) = mpsc::channel(LISTED_AHEAD_MAX);
            let walk = tokio::task::spawn_blocking(move || {
                listing::walk(&root, prefix.as_bytes(), |item| sender.blocking_send(item).is_ok());
            });
            stream::unfold((receiver, Some(walk)), |(mut receiver, mut walk)| async move {
                if let Some(item) = receiver.recv().await {
                    return Some((item, (receiver, walk)));
                }
                // A walk that broke down must not pass for one that came to its end.
                let broken = walk.take()?.await.err()?;
                Some((Err(Error::new(ErrorKind::Other).because(broken)), (receiver, None)))
            })
        })
        .flatten()
        .boxed()
    }

    async fn head(&self, path: &BlobPath) -> Result<BlobInfo> {
        self.blocking(path, head).await
    }

    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        let etag = etag.clone();
        let read = move |root: &Root, path: &BlobPath| read(root, path, std::slice::from_ref(&range), &etag);
        Ok(self.blocking(path, read).await?.pop().unwrap_or_default())
    }

    async fn read_ranges(&self, path: &BlobPath, ranges: &[Range<u64>], etag: &Etag) -> Result<Vec<Bytes>> {
        let (ranges, etag) = (ranges.to_vec(), etag.clone());
        self.blocking(path, move |root, path| read(root, path, &ranges, &etag)).await
    }

    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        self.blocking(path, move |root, path| write(root, path, content, &condition, options.is_private)).await
    }

    async fn write_all(&self, blobs: Vec<NewBlob>, condition: Condition) -> Vec<Result<()>> {
        let (root, count) = (Arc::clone(&self.root), blobs.len());
        let written = tokio::task::spawn_blocking(move || batch::write(&root, blobs, &condition)).await;
        written.unwrap_or_else(|cause| {
            let cause = cause.to_string();
            (0..count).map(|_| Err(Error::new(ErrorKind::Other).because(cause.clone()))).collect()
        })
    }

    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()> {
        let etag = etag.clone();
        self.blocking(path, move |root, path| delete(root, path, &etag)).await
    }

    // The inode that a file leaves is nobody's: its blocks are free. What the file system itself keeps (its own snapshots,
    // backups) is not this store's.
    async fn old_copies(&self, _path: &BlobPath) -> Result<Vec<OldCopy>> {
        Ok(Vec::new())
    }

    async fn remove_copy(&self, _path: &BlobPath, _copy: &OldCopy) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    async fn remove_leftovers(&self) -> Result<()> {
        let root = Arc::clone(&self.root);
        let cleaned = tokio::task::spawn_blocking(move || staging::clean(&root)).await;
        cleaned.map_err(|cause| Error::new(ErrorKind::Other).because(cause))?
    }

    fn is_here(&self) -> bool {
        true
    }

    fn local_file(&self, path: &BlobPath) -> Option<PathBuf> {
        self.root.locate(path).ok()
    }

    fn open_here(&self, path: &BlobPath, etag: &Etag) -> Option<Result<LocalVersion>> {
        Some(LocalVersion::open(&self.root, path, etag).map_err(|error| error.at(path)))
    }

    fn staging_dir(&self) -> Option<&Path> {
        self.root.staging_dir().ok()
    }
}

fn head(root: &Root, path: &BlobPath) -> Result<BlobInfo> {
    let metadata = root.open_file(path)?.metadata().map_err(place::failure)?;
    Ok(BlobInfo { path: path.clone(), etag: etag_of(&metadata), size: metadata.len() })
}

/// The handle is this read's own: a shared one would share its position too.
fn read(root: &Root, path: &BlobPath, ranges: &[Range<u64>], etag: &Etag) -> Result<Vec<Bytes>> {
    let mut file = root.open_file(path)?;
    let before = file.metadata().map_err(place::failure)?;
    if etag_of(&before) != *etag {
        return Err(Error::new(ErrorKind::Changed));
    }
    let mut pieces = Vec::with_capacity(ranges.len());
    for range in ranges {
        if range.start > range.end || range.end > before.len() {
            return Err(Error::new(ErrorKind::OutOfRange));
        }
        let length = range.end - range.start;
        let capacity = usize::try_from(length).map_err(|_| Error::new(ErrorKind::OutOfRange))?;
        let mut bytes = buffers::take(capacity);
        file.seek(SeekFrom::Start(range.start)).map_err(place::failure)?;
        Read::by_ref(&mut file).take(length).read_to_end(&mut bytes).map_err(place::failure)?;
        if bytes.len() != capacity {
            return Err(Error::new(ErrorKind::Changed));
        }
        pieces.push(buffers::lend(bytes));
    }
    // Another program may have written into the file while it was read.
    if etag_of(&file.metadata().map_err(place::failure)?) != *etag {
        return Err(Error::new(ErrorKind::Changed));
    }
    Ok(pieces)
}

fn write(root: &Root, path: &BlobPath, content: Content, condition: &Condition, is_private: bool) -> Result<BlobInfo> {
    let target = root.locate(path)?;
    // What cannot succeed should not copy gigabytes first. The check that counts comes under the lock.
    check(&target, condition)?;
    let staged = Staged::new(root, content)?;
    if *condition == Condition::New {
        root.make_parent(path)?;
        staged.put_new(&target, is_private)?;
    } else {
        let _lock = lock::exclusive(root, path)?;
        let old = check(&target, condition)?;
        root.make_parent(path)?;
        staged.succeed(old.as_ref())?;
        // Other programs take no lock, and waiting for the disk takes long enough for them to write.
        check(&target, condition)?;
        staged.rename(&target)?;
    }
    place::sync_parent(&target)?;
    head(root, path)
}

/// The file at `target` that is to be replaced, when `condition` holds for it.
fn check(target: &Path, condition: &Condition) -> Result<Option<File>> {
    let old = match place::open(target) {
        Ok(file) => Some(file),
        Err(error) if error.kind == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    match (condition, old) {
        (Condition::New, Some(_)) => Err(Error::new(ErrorKind::AlreadyExists)),
        (Condition::New, None) => Ok(None),
        (Condition::Any, old) => Ok(old),
        (Condition::Matches(_), None) => Err(Error::new(ErrorKind::Changed)),
        (Condition::Matches(etag), Some(file)) => {
            if etag_of(&file.metadata().map_err(place::failure)?) != *etag {
                return Err(Error::new(ErrorKind::Changed));
            }
            Ok(Some(file))
        }
    }
}

fn delete(root: &Root, path: &BlobPath, etag: &Etag) -> Result<()> {
    let target = root.locate(path)?;
    let _lock = lock::exclusive(root, path)?;
    if head(root, path)?.etag != *etag {
        return Err(Error::new(ErrorKind::Changed));
    }
    std::fs::remove_file(&target).map_err(place::failure)?;
    place::sync_parent(&target)
}
