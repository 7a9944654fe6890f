//! Where a blob's file is: below the root, never through a symbolic link.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::run::Scratch;
use crate::{BlobPath, Error, ErrorKind, Result};

/// The store's directory.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    staging: Scratch,
    locks: PathBuf,
}

/// The directories that are this store's own, as they appear in a walk from the root.
pub(super) const OWN_DIRECTORIES: [&[u8]; 2] = [b"_lacuna/staging/", b"_lacuna/locks/"];

impl Root {
    /// `path` must be canonical.
    pub(super) fn new(path: PathBuf) -> Self {
        let own = path.join("_lacuna");
        Self { staging: Scratch::new(own.join("staging")), locks: own.join("locks"), path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What staged files lie below, those of other runs too, whether it is there or not.
    pub(super) fn staging(&self) -> &Path {
        self.staging.parent()
    }

    /// Where this run's staged files lie, which may have been removed.
    pub(super) fn staging_run(&self) -> Result<&Path> {
        self.staging.begun()
    }

    /// Where this run's staged files lie; made when it is not there.
    pub(super) fn staging_dir(&self) -> Result<&Path> {
        self.staging.directory()
    }

    /// Where lock files lie, whether it is there or not.
    pub(super) fn locks(&self) -> &Path {
        &self.locks
    }

    /// Where the blob's file is or would be. An error when the way there leads through a symbolic link.
    pub(super) fn locate(&self, path: &BlobPath) -> Result<PathBuf> {
        let mut place = self.path.clone();
        let mut missing = false;
        for segment in path.as_str().split('/') {
            if !missing && place != self.path {
                match place.symlink_metadata() {
                    Ok(metadata) if metadata.is_symlink() => return Err(through_link()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => missing = true,
                    Err(error) => return Err(failure(error)),
                }
            }
            place.push(segment);
        }
        Ok(place)
    }

    /// Opens the blob's file for reading.
    pub(super) fn open_file(&self, path: &BlobPath) -> Result<File> {
        open(&self.locate(path)?)
    }

    /// Makes the directories above the blob, durably.
    pub(super) fn make_parent(&self, path: &BlobPath) -> Result<()> {
        for directory in above(path.as_str()) {
            if self.make(directory)? {
                sync_parent(&self.path.join(directory))?;
            }
        }
        Ok(())
    }

    /// Makes a directory in one that is there; false when it was there.
    pub(super) fn make(&self, directory: &str) -> Result<bool> {
        match std::fs::create_dir(self.path.join(directory)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }
}

/// The directories above a blob, from the root on.
pub(super) fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// Opens a [located](Root::locate) file for reading. What is no regular file holds nothing, and nothing can be put in its place: that is
/// an error, as it may have come over a file.
pub(super) fn open(place: &Path) -> Result<File> {
    // NONBLOCK, so that a pipe does not hold the reader until someone writes.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(place);
    let file = opened.map_err(|error| {
        let link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        if link { through_link() } else { failure(error) }
    })?;
    let kind = file.metadata().map_err(failure)?.file_type();
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok(file),
        (_, true) => Err(Error::new(ErrorKind::Other).because("a folder is in the place of a file")),
        _ => Err(Error::new(ErrorKind::Other).because("a pipe, a socket or a device is in the place of a file")),
    }
}

/// Does what needs one of the store's own directories, which is made when it is not there.
pub(super) fn within<T>(directory: &Path, mut work: impl FnMut(&Path) -> io::Result<T>) -> Result<T> {
    let done = match work(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(directory).and_then(|()| work(directory))
        }
        done => done,
    };
    done.map_err(failure)
}

/// Makes the entry of `path` in its directory durable.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes all entries of a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Ok(()) => Ok(()),
        // Some network file systems cannot sync a directory.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        Err(error) => Err(failure(error)),
    }
}

/// An I/O error in a store's terms.
pub(super) fn failure(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::AccessDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::TimedOut | io::ErrorKind::StaleNetworkFileHandle => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    };
    Error::new(kind).because(error)
}

fn through_link() -> Error {
    Error::new(ErrorKind::AccessDenied).because("the path leads through a symbolic link")
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_an_io_error_means() {
        for (error, kind) in [
            (Errno::NOENT, ErrorKind::NotFound),
            (Errno::NOTDIR, ErrorKind::NotFound),
            (Errno::EXIST, ErrorKind::AlreadyExists),
            (Errno::NOSPC, ErrorKind::Full),
            (Errno::DQUOT, ErrorKind::Full),
            (Errno::ROFS, ErrorKind::AccessDenied),
            (Errno::ACCESS, ErrorKind::AccessDenied),
            (Errno::PERM, ErrorKind::AccessDenied),
            (Errno::STALE, ErrorKind::Unavailable),
            (Errno::IO, ErrorKind::Other),
        ] {
            assert_eq!(failure(error.into()).kind, kind, "{error}");
        }
    }
}
