//! A run's own staging directory: who opens the store later can tell whether the run lives, and so whether what lies there is waste.
//!
//! A run holds the lock of `run-X.lock` for as long as it lives, and stages its files in `run-X/`: one lock for any number of files,
//! none of which need be held open. The lock is taken before the directory is made, and a lock that nobody holds is removed after it.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::place;
use crate::Result;

/// What the names of runs start with.
const PREFIX: &str = "run-";

/// What is behind them in the names of their locks.
const LOCK_SUFFIX: &str = ".lock";

/// A run that lives.
#[derive(Debug)]
pub(super) struct Run {
    directory: PathBuf,
    /// Goes with the run.
    _path: TempPath,
    _lock: File,
}

/// What is known of another run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Other {
    /// It lives.
    Alive,
    /// It is dead, and all that it staged is removed.
    Removed,
    /// It cannot be told: its lock may not be touched, or the file system has none.
    Unknown,
}

impl Run {
    /// Begins a run in this staging directory.
    pub(super) fn begin(staging: &Path) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(LOCK_SUFFIX).permissions(Permissions::from_mode(super::staging::NEW_FILE_MODE));
        loop {
            let made = place::within(staging, |directory| builder.tempfile_in(directory))?;
            let (lock, path) = made.into_parts();
            if let Err(error) = lock.lock() {
                // Then nobody can tell, and nobody removes what is young.
                tracing::debug!(%error, "a run cannot be locked");
            } else if !is_at(&lock, &path).map_err(place::failure)? {
                // Somebody took it for a dead run's before it was locked.
                continue;
            }
            let directory = path.with_extension("");
            std::fs::create_dir(&directory).map_err(place::failure)?;
            return Ok(Self { directory, _path: path, _lock: lock });
        }
    }

    /// Where it stages files.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A file in it that is not in its place yet stays; without a lock, it goes next time.
        if let Err(error) = std::fs::remove_dir(&self.directory) {
            tracing::debug!(%error, "a run leaves its staging directory behind");
        }
    }
}

/// The name of the run that an entry of the staging directory belongs to.
pub(super) fn run_of(entry: &str) -> Option<&str> {
    entry.starts_with(PREFIX).then(|| entry.strip_suffix(LOCK_SUFFIX).unwrap_or(entry))
}

/// Removes what the run of this name staged if it is dead.
pub(super) fn remove_dead(staging: &Path, run: &str) -> Result<Other> {
    let path = staging.join(format!("{run}{LOCK_SUFFIX}"));
    let lock = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(lock) => Some(lock),
        // A directory is never there before its lock.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => return Ok(Other::Unknown),
    };
    match lock.as_ref().map(File::try_lock) {
        Some(Err(TryLockError::WouldBlock)) => return Ok(Other::Alive),
        Some(Err(TryLockError::Error(_))) => return Ok(Other::Unknown),
        Some(Ok(())) | None => {}
    }
    unless_gone(std::fs::remove_dir_all(staging.join(run)))?;
    unless_gone(std::fs::remove_file(&path))?;
    Ok(Other::Removed)
}

fn unless_gone(removed: io::Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(place::failure(error)),
        _ => Ok(()),
    }
}

/// Whether this file still is what lies at `path`.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
