//! Many blobs written at once: a few waits for the disk, whatever their number.
//!
//! Written one by one, a small file waits twice: for its bytes, and for its entry in the directory. 1,000 export packages are 6,000
//! of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::place::{self, Root};
use super::staging::Staged;
use super::{check, head, lock};
use crate::{BlobInfo, BlobPath, Condition, Content, Error, NewBlob, Result};

/// From so many files on, the whole file system is told to write, which also waits for what others have written there.
const WHOLE_FROM: usize = 16;

/// Writes all of `blobs` for which `condition` holds; the answers are in the same order.
pub(super) fn write(root: &Root, blobs: Vec<NewBlob>, condition: &Condition) -> Vec<Result<BlobInfo>> {
    let paths: Vec<BlobPath> = blobs.iter().map(|blob| blob.path.clone()).collect();
    let staged = blobs.into_iter().map(|blob| stage(root, &blob.path, blob.content, condition));
    let staged: Vec<Result<Staged>> = staged.collect();
    // No name may lead to bytes that a crash would lose.
    let files = staged.iter().flatten().count();
    let is_settled = settle_whole(root, files);
    let mut changed = BTreeSet::new();
    let placed = paths.iter().zip(staged).map(|(path, staged)| {
        let staged = staged?;
        if !is_settled {
            staged.sync()?;
        }
        put(root, path, staged, condition, &mut changed)
    });
    let placed: Vec<Result<()>> = placed.collect();
    // No one may be told of a name that a crash would lose.
    let settled = match settle_whole(root, files) {
        true => Ok(()),
        false => changed.iter().try_for_each(|directory| place::sync_directory(directory)),
    };
    let answers = paths.iter().zip(placed).map(|(path, placed)| {
        placed?;
        settled.as_ref().map_err(|error| Error::new(error.kind).because(error.to_string()))?;
        head(root, path)
    });
    let answers: Vec<Result<BlobInfo>> = answers.collect();
    paths.iter().zip(answers).map(|(path, answer)| answer.map_err(|error| error.at(path))).collect()
}

fn stage(root: &Root, path: &BlobPath, content: Content, condition: &Condition) -> Result<Staged> {
    check(root, path, condition)?;
    let staged = Staged::new(root, content)?;
    staged.stamp()?;
    Ok(staged)
}

/// Moves a staged file, whose bytes are durable, into its place; notes the directories that have another entry now.
fn put(
    root: &Root,
    path: &BlobPath,
    staged: Staged,
    condition: &Condition,
    changed: &mut BTreeSet<PathBuf>,
) -> Result<()> {
    let target = root.locate(path)?;
    let mut note = |entry: &Path| changed.extend(entry.parent().map(Path::to_owned));
    let mut made = |directory: &Path| {
        note(directory);
        Ok(())
    };
    if *condition == Condition::New {
        root.make_parent_and(path, &mut made)?;
        staged.put_settled(&target)?;
    } else {
        let _lock = lock::exclusive(root, path)?;
        let old = check(root, path, condition)?;
        root.make_parent_and(path, &mut made)?;
        staged.replace_settled(&target, old.as_ref())?;
    }
    note(&target);
    Ok(())
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
