//! A run's own directory for files on their way: who looks later can tell whether the run lives, and so whether what lies there is waste.
//!
//! A run holds the lock of `lacuna-run-X.lock` for as long as it lives, and keeps its files in `lacuna-run-X/`: one lock for any number of
//! files, none of which need be held open. The lock is taken before the directory is made, and a lock that nobody holds is removed
//! after it.

use std::collections::BTreeSet;
use std::fs::{DirEntry, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempPath;

use super::place;
use crate::Result;

/// What the names of runs start with.
const PREFIX: &str = "lacuna-run-";

/// How long a file lies untouched before it counts as left behind, where it cannot be told whose it is.
const ABANDONED_AFTER: Duration = Duration::from_hours(24);

/// A place for files on their way, in a directory that may hold others' too. Nothing is there before the first file is wanted, and
/// nothing stays when it is dropped but files that were left in it; what a killed process leaves, [`clean`](Self::clean) removes.
#[derive(Debug)]
pub struct Scratch {
    parent: PathBuf,
    run: OnceLock<Run>,
}

impl Scratch {
    /// A place below `parent`.
    pub fn new(parent: impl Into<PathBuf>) -> Self {
        Self { parent: parent.into(), run: OnceLock::new() }
    }

    /// What it lies below.
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// The directory for the files of this process; made when it is not there.
    pub fn directory(&self) -> Result<&Path> {
        let directory = self.begun()?;
        make(directory).map_err(place::failure)?;
        Ok(directory)
    }

    /// The same, but somebody may have removed it.
    pub(super) fn begun(&self) -> Result<&Path> {
        let run = match self.run.get() {
            Some(run) => run,
            None => {
                let run = Run::begin(&self.parent)?;
                self.run.get_or_init(|| run)
            }
        };
        Ok(run.directory())
    }

    /// Removes what processes that are dead have left below the same parent. Where no lock tells whether one is dead, only what nobody
    /// has touched for a day.
    pub fn clean(&self) -> Result<()> {
        clean(&self.parent, |_| {})
    }
}

/// What is behind them in the names of their locks.
const LOCK_SUFFIX: &str = ".lock";

/// A run that lives.
#[derive(Debug)]
struct Run {
    directory: PathBuf,
    /// Goes with the run.
    _path: TempPath,
    _lock: File,
}

/// What is known of another run.
#[derive(Debug, PartialEq, Eq)]
enum Other {
    /// It lives.
    Alive,
    /// It is dead, and all that it staged is removed.
    Removed,
    /// It cannot be told: its lock may not be touched, or the file system has none.
    Unknown,
}

impl Run {
    /// Begins a run in this directory.
    fn begin(staging: &Path) -> Result<Self> {
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
            make(&directory).map_err(place::failure)?;
            return Ok(Self { directory, _path: path, _lock: lock });
        }
    }

    fn directory(&self) -> &Path {
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

/// Removes what runs in `parent` have left that are dead; `rest` sees the entries that are no run's.
pub(super) fn clean(parent: &Path, mut rest: impl FnMut(&DirEntry)) -> Result<()> {
    let entries = match std::fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(place::failure(error)),
    };
    let mut runs = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(place::failure)?;
        match entry.file_name().to_str().and_then(run_of) {
            Some(run) => drop(runs.insert(run.to_owned())),
            None => rest(&entry),
        }
    }
    let mut has_removed = false;
    for name in runs {
        match remove_dead(parent, &name)? {
            Other::Alive => {}
            Other::Removed => has_removed = true,
            Other::Unknown => {
                let left = std::fs::read_dir(parent.join(name)).into_iter().flatten();
                left.flatten().for_each(|entry| remove_old(&entry));
            }
        }
    }
    if has_removed { place::sync_directory(parent) } else { Ok(()) }
}

/// Removes a file that nobody has touched for long and nobody has locked.
pub(super) fn remove_old(entry: &DirEntry) {
    let old = entry.metadata().is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED_AFTER))
    });
    if old
        && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok())
        && let Err(error) = std::fs::remove_file(entry.path())
    {
        tracing::debug!(%error, "a file that a killed run left behind could not be removed");
    }
}

/// Makes a directory, and those above it, for its owner alone: what will lie in it may be anybody's records.
fn make(directory: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// The name of the run that an entry of a directory belongs to.
fn run_of(entry: &str) -> Option<&str> {
    entry.starts_with(PREFIX).then(|| entry.strip_suffix(LOCK_SUFFIX).unwrap_or(entry))
}

/// Removes what the run of this name staged if it is dead.
fn remove_dead(staging: &Path, run: &str) -> Result<Other> {
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
