//! Staged files: complete and durable before they take a blob's place.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempPath;

use super::place::{self, Root};
use super::run;
use crate::{Content, Error, ErrorKind, Result};

/// The mode of a new blob's file, before the process's umask; temporary files are made for their owner alone.
pub(super) const NEW_FILE_MODE: u32 = 0o666;

/// The mode of a file that nobody else may read.
const PRIVATE_FILE_MODE: u32 = 0o600;

/// A file with a blob's new bytes, not yet in its place. It is not held open: as many may wait as there are names for.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
    /// Removes the file when it did not get to its place; a caller's own file stays where it is.
    cleanup: Option<TempPath>,
}

impl Staged {
    /// Writes `content` into a staged file. A file that lies in the staging directory already is used as it is.
    pub(super) fn new(root: &Root, content: Content) -> Result<Self> {
        if let Content::File(path) = &content
            && path
                .parent()
                .and_then(|parent| parent.canonicalize().ok())
                .is_some_and(|at| at.starts_with(root.staging()))
        {
            let staged = Self { path: path.clone(), cleanup: None };
            stamp(&staged.open()?)?;
            return Ok(staged);
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix("write-").permissions(Permissions::from_mode(NEW_FILE_MODE));
        let staged = place::within(root.staging_run()?, |directory| builder.tempfile_in(directory))?;
        let (mut file, path) = staged.into_parts();
        match content {
            Content::Bytes(bytes) => file.write_all(&bytes).map_err(place::failure)?,
            Content::File(source) => {
                let mut source = File::open(source).map_err(|error| Error::new(ErrorKind::Other).because(error))?;
                io::copy(&mut source, &mut file).map_err(place::failure)?;
            }
        }
        stamp(&file)?;
        Ok(Self { path: path.to_path_buf(), cleanup: Some(path) })
    }

    /// Moves the file to `target`, where nothing may be; for its owner alone, if it `is_private`.
    pub(super) fn put_new(self, target: &Path, is_private: bool) -> Result<()> {
        if is_private {
            self.open()?.set_permissions(Permissions::from_mode(PRIVATE_FILE_MODE)).map_err(place::failure)?;
        } else {
            self.take_over(None);
        }
        self.settle()?;
        self.put(target)
    }

    /// Moves the file, whose bytes are durable, to `target`, where nothing may be.
    pub(super) fn put_settled(self, target: &Path) -> Result<()> {
        self.take_over(None);
        self.put(target)
    }

    /// The same, and answers with a file that did not get there, because something is there.
    pub(super) fn put_if_free(mut self, target: &Path) -> Result<Option<Self>> {
        let Some(path) = self.cleanup.take() else { return Ok(Some(self)) };
        match path.persist_noclobber(target) {
            Ok(()) => Ok(None),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Some(Self { cleanup: Some(error.path), ..self }))
            }
            Err(error) => Err(place::failure(error.error)),
        }
    }

    fn put(self, target: &Path) -> Result<()> {
        if let Some(path) = self.cleanup {
            return path.persist_noclobber(target).map_err(|error| place::failure(error.error));
        }
        let path = TempPath::try_from_path(&self.path).map_err(place::failure)?;
        path.persist_noclobber(target).map_err(|error| {
            // Whose file it is decides what becomes of it, not this attempt.
            if let Err(error) = error.path.keep() {
                tracing::debug!(error = %error.error, "a staged file could not be left in place");
            }
            place::failure(error.error)
        })
    }

    /// Makes the file ready to take the place of `old`: with its properties, and durable.
    pub(super) fn succeed(&self, old: Option<&File>) -> Result<()> {
        self.take_over(old);
        self.settle()
    }

    /// The same for a file whose bytes are durable.
    pub(super) fn replace_settled(self, target: &Path, old: Option<&File>) -> Result<()> {
        self.take_over(old);
        self.rename(target)
    }

    /// Waits until the bytes are durable.
    pub(super) fn settle(&self) -> Result<()> {
        self.open()?.sync_all().map_err(place::failure)
    }

    fn open(&self) -> Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.path).map_err(place::failure)
    }

    /// Moves the file, which is ready, to `target` in one step.
    pub(super) fn rename(self, target: &Path) -> Result<()> {
        match self.cleanup {
            Some(path) => path.persist(target).map_err(|error| place::failure(error.error)),
            None => std::fs::rename(&self.path, target).map_err(place::failure),
        }
    }

    /// Gives the file the properties of the one that it replaces, or of a new one.
    fn take_over(&self, old: Option<&File>) {
        let given = match old {
            Some(old) => self.open().map(|file| inherit(&file, old)),
            None if self.cleanup.is_none() => self.open().map(|file| self.open_up(&file)),
            None => Ok(()),
        };
        if let Err(error) = given {
            tracing::debug!(%error, "a staged file keeps the properties that it has");
        }
    }

    /// Gives a file that was made for its owner alone what a new file would have.
    fn open_up(&self, file: &File) {
        // There is no way to ask for the umask without setting it; a new file shows it.
        let probe = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(NEW_FILE_MODE))
            .tempfile_in(self.path.parent().unwrap_or_else(|| Path::new(".")));
        if let Ok(permissions) =
            probe.and_then(|probe| probe.as_file().metadata()).map(|metadata| metadata.permissions())
            && let Err(error) = file.set_permissions(permissions)
        {
            tracing::debug!(%error, "a new file keeps the mode of a temporary one");
        }
    }
}

/// Sets the time of writing to the nanosecond: the kernel's own may be milliseconds coarse, too coarse to tell two versions apart
/// that got the same inode one after the other.
fn stamp(file: &File) -> Result<()> {
    file.set_modified(SystemTime::now()).map_err(place::failure)
}

/// Gives `file` the owner, mode and extended attributes of `old`, as far as this process may give them.
fn inherit(file: &File, old: &File) {
    let taken = old.metadata().and_then(|metadata| {
        // The owner first: giving a file away clears its set-user bits.
        if let Err(error) = fchown(file, Some(metadata.uid()), Some(metadata.gid())) {
            tracing::debug!(%error, "a replaced file's owner could not be kept");
        }
        file.set_permissions(metadata.permissions())
    });
    if let Err(error) = taken.and_then(|()| copy_attributes(old, file)) {
        tracing::debug!(%error, "not all properties of a replaced file could be kept");
    }
}

fn copy_attributes(old: &File, new: &File) -> io::Result<()> {
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
    // The kernel's limits: 64 KiB for all names, 64 KiB for a value (linux/limits.h).
    let mut names = vec![0_u8; 1 << 16];
    let length = match flistxattr(old, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0_u8; 1 << 16];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let size = fgetxattr(old, name, &mut value[..])?;
        fsetxattr(new, name, &value[..size], XattrFlags::empty())?;
    }
    Ok(())
}

/// Removes what runs that are dead have staged: it may be the bytes of whole shards. Of earlier versions' files only what nobody has
/// touched for long.
pub(super) fn clean(root: &Root) -> Result<()> {
    run::clean(root.staging(), run::remove_old)
}
