//! Many blobs written at once: a few waits for the disk, whatever their number.
//!
//! Written one by one, a small file waits twice: for its bytes, and for its entry in the directory. 1,000 export packages are 6,000
//! of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::place::{self, Root};
use super::staging::Staged;
use super::{check, lock, together};
use crate::{BlobPath, Condition, NewBlob, Result};

/// From so many files on, the whole file system is told to write, which also waits for what others have written there.
const WHOLE_FROM: usize = 16;

/// Writes all of `blobs`, whatever is there.
pub(super) fn write(root: &Root, blobs: Vec<NewBlob>) -> Result<()> {
    let stage = |blob: NewBlob| {
        let target = root.locate(&blob.path)?;
        let staged = Staged::new(root, blob.content)?;
        staged.stamp()?;
        Ok((blob.path, target, staged))
    };
    let at = |path: BlobPath| move |error: crate::Error| error.at(&path);
    let staged = blobs.into_iter().map(|blob| {
        let path = blob.path.clone();
        stage(blob).map_err(at(path))
    });
    let staged: Vec<(BlobPath, PathBuf, Staged)> = staged.collect::<Result<_>>()?;
    // No name may lead to bytes that a crash would lose.
    settle(root, staged.len(), || {
        staged.iter().try_for_each(|(path, _, staged)| staged.sync().map_err(at(path.clone())))
    })?;
    let mut changed = BTreeSet::new();
    let files = staged.len();
    for (path, target, staged) in staged {
        put(root, &path, &target, staged, &mut changed).map_err(at(path))?;
    }
    settle(root, files, || changed.iter().try_for_each(|entry| place::sync_parent(entry)))
}

/// Moves a staged file into its place; notes entries of directories that are new or others now, one of each directory.
fn put(root: &Root, path: &BlobPath, target: &Path, staged: Staged, changed: &mut BTreeSet<PathBuf>) -> Result<()> {
    let _lock = lock::exclusive(root, path)?;
    let old = check(root, path, &Condition::Any)?;
    root.make_parent_and(path, |made| {
        changed.insert(made.to_owned());
        Ok(())
    })?;
    staged.replace_settled(target, old.as_ref())?;
    changed.insert(target.to_owned());
    Ok(())
}

/// Waits until all that was written is durable: `each` file by itself, or the whole file system where there are many.
fn settle(root: &Root, files: usize, each: impl FnOnce() -> Result<()>) -> Result<()> {
    // What cannot be synced at once is synced file by file.
    if files >= WHOLE_FROM && together::sync_file_system(root).is_ok() { Ok(()) } else { each() }
}
