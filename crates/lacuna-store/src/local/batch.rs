//! Many blobs written at once: a few waits for the disk, whatever their number.
//!
//! Written one by one, a small file waits twice: for its bytes, and for its entry in the directory. 1,000 export packages are 6,000
//! of them.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::place::{self, Root};
use super::staging::Staged;
use super::{check, lock};
use crate::{BlobPath, Condition, Error, NewBlob, Result};

/// From so many files on, the whole file system is told to write, which also waits for what others have written there.
const WHOLE_FROM: usize = 16;

/// Writes all of `blobs` for which `condition` holds; the answers are in the same order.
pub(super) fn write(root: &Root, blobs: Vec<NewBlob>, condition: &Condition) -> Vec<Result<()>> {
    let (paths, contents): (Vec<_>, Vec<_>) = blobs.into_iter().map(|blob| (blob.path, blob.content)).unzip();
    let staged: Vec<Result<Staged>> = contents.into_iter().map(|content| Staged::new(root, content)).collect();
    // No name may lead to bytes that a crash would lose.
    let files = staged.iter().flatten().count();
    let is_settled = settle_whole(root, files);
    let mut places = Places { root, ready: HashSet::new(), changed: HashSet::new() };
    let placed = paths.iter().zip(staged).map(|(path, staged)| {
        let staged = staged?;
        if !is_settled {
            staged.settle()?;
        }
        places.put(path, staged, condition)
    });
    let placed: Vec<Result<()>> = placed.collect();
    // No one may be told of a name that a crash would lose.
    let settled = match settle_whole(root, files) {
        true => Ok(()),
        false => places.changed.iter().try_for_each(|directory| place::sync_directory(Path::new(directory))),
    };
    let answers = paths.iter().zip(placed).map(|(path, placed)| {
        let settled = settled.as_ref().map_err(|error| Error::new(error.kind).because(error.to_string()));
        placed.and(settled.copied()).map_err(|error| error.at(path))
    });
    answers.collect()
}

/// The directories of a batch's blobs. Each is looked at, and made where it is not there, for the first blob in it alone:
/// without that `cargo xtask bench --cases export-crowd` takes longer.
struct Places<'r> {
    root: &'r Root,
    /// Paths of directories that are there.
    ready: HashSet<String>,
    /// Directories that have another entry now, by their names: as paths, they would be compared part by part.
    changed: HashSet<OsString>,
}

impl Places<'_> {
    /// Moves a staged file, whose bytes are durable, into its place.
    fn put(&mut self, path: &BlobPath, staged: Staged, condition: &Condition) -> Result<()> {
        let target = self.enter(path)?;
        let left = match condition {
            Condition::New => {
                staged.put_settled(&target)?;
                None
            }
            // Nobody needs to be kept from a place where nothing is.
            Condition::Any => staged.put_if_free(&target)?,
            Condition::Matches(_) => Some(staged),
        };
        if let Some(staged) = left {
            let _lock = lock::exclusive(self.root, path)?;
            let old = check(&target, condition)?;
            staged.replace_settled(&target, old.as_ref())?;
        }
        self.note(&target);
        Ok(())
    }

    /// Where the blob goes, in a directory that is there.
    fn enter(&mut self, path: &BlobPath) -> Result<PathBuf> {
        let parent = path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        if self.ready.contains(parent) {
            return Ok(self.root.path().join(path.as_str()));
        }
        let root = self.root;
        let target = root.locate(path)?;
        for directory in place::above(path.as_str()) {
            if self.ready.contains(directory) {
                continue;
            }
            if root.make(directory)? {
                self.note(&root.path().join(directory));
            }
            self.ready.insert(directory.to_owned());
        }
        Ok(target)
    }

    /// Notes that an entry is new in its directory.
    fn note(&mut self, entry: &Path) {
        let Some(directory) = entry.parent() else { return };
        if !self.changed.contains(directory.as_os_str()) {
            self.changed.insert(directory.into());
        }
    }
}

/// Waits until all that was written to the store's file system is durable, where there are so many files that it pays; false when each
/// must be waited for by itself.
fn settle_whole(root: &Root, files: usize) -> bool {
    files >= WHOLE_FROM && sync_file_system(root).is_ok()
}

#[cfg(target_os = "linux")]
fn sync_file_system(root: &Root) -> Result<()> {
    let directory = std::fs::File::open(root.path()).map_err(place::failure)?;
    rustix::fs::syncfs(&directory).map_err(|error| place::failure(error.into()))
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_root: &Root) -> Result<()> {
    Err(Error::new(crate::ErrorKind::Other))
}
