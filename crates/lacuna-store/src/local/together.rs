//! Many new files at once: a disk makes a thousand durable in about the time that it takes for one.

use std::collections::BTreeSet;
#[cfg(target_os = "linux")]
use std::fs::File;
use std::path::PathBuf;

use super::place::{self, Root};
use super::staging::Staged;
use super::{check, head};
use crate::{BlobInfo, BlobPath, Condition, Content, Result};

/// So many files or more are synced with all that the file system has to write. Fewer wait for nobody else's bytes.
const MANY: usize = 8;

/// Writes files where none may be; the answers are in the same order.
pub(super) fn create_all(root: &Root, blobs: Vec<(BlobPath, Content)>) -> Vec<Result<BlobInfo>> {
    let paths: Vec<BlobPath> = blobs.iter().map(|(path, _)| path.clone()).collect();
    let staged: Vec<Result<Staged>> = blobs.into_iter().map(|(path, content)| stage(root, &path, content)).collect();
    let synced = sync(root, &staged);
    let placed: Vec<Result<PathBuf>> = (paths.iter().zip(staged).zip(synced))
        .map(|((path, staged), synced)| {
            let (staged, ()) = (staged?, synced?);
            let target = root.locate(path)?;
            root.make_parent(path)?;
            staged.put_settled(&target).map(|()| target)
        })
        .collect();
    let mut synced = BTreeSet::new();
    let answers = paths.iter().zip(placed).map(|(path, placed)| {
        let target = placed?;
        let parent = target.parent().map(PathBuf::from);
        if !synced.contains(&parent) {
            place::sync_parent(&target)?;
            synced.insert(parent);
        }
        head(root, path)
    });
    let answers: Vec<Result<BlobInfo>> = answers.collect();
    paths.iter().zip(answers).map(|(path, answer)| answer.map_err(|error| error.at(path))).collect()
}

fn stage(root: &Root, path: &BlobPath, content: Content) -> Result<Staged> {
    check(root, path, &Condition::New)?;
    let staged = Staged::new(root, content)?;
    staged.stamp()?;
    Ok(staged)
}

/// Makes the bytes of what was staged durable.
fn sync(root: &Root, staged: &[Result<Staged>]) -> Vec<Result<()>> {
    // What cannot be synced at once is synced file by file.
    let is_synced = staged.iter().flatten().count() >= MANY && sync_file_system(root).is_ok();
    let each = |staged: &Result<Staged>| match staged {
        Ok(staged) if !is_synced => staged.settle(),
        _ => Ok(()),
    };
    staged.iter().map(each).collect()
}

/// Makes all durable that was written to the file system which the store lies on.
#[cfg(target_os = "linux")]
pub(super) fn sync_file_system(root: &Root) -> Result<()> {
    let directory = File::open(root.staging_dir()?).map_err(place::failure)?;
    rustix::fs::syncfs(&directory).map_err(|error| place::failure(error.into()))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_file_system(_root: &Root) -> Result<()> {
    Err(crate::Error::new(crate::ErrorKind::Other))
}
