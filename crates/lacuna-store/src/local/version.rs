//! What tells one version of a file from another.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt};

use super::place::{self, Root};
use crate::{BlobPath, Error, ErrorKind, Etag, Result};

/// Device and inode change when a file is replaced; modification time and size when it is written to; the time of its last
/// status change, which no program can set back, also when someone restores the modification time.
pub(super) fn etag_of(file: &Metadata) -> Etag {
    let nanoseconds = |seconds: i64, fraction: i64| i128::from(seconds) * 1_000_000_000 + i128::from(fraction);
    Etag::new(&format!(
        "{:x}-{:x}-{:x}-{:x}-{:x}",
        file.dev(),
        file.ino(),
        nanoseconds(file.mtime(), file.mtime_nsec()),
        nanoseconds(file.ctime(), file.ctime_nsec()),
        file.len()
    ))
}

/// Whether two versions differ in the time of the last status change alone: a `chmod`, a `chown` or a new link does that, and so does whoever
/// writes and sets the modification time back.
pub(super) fn may_be_same(a: &Etag, b: &Etag) -> bool {
    const STATUS_CHANGE: usize = 3;
    let parts = |etag: &Etag| -> Vec<String> {
        let parts = etag.as_str().split('-').enumerate().filter(|(at, _)| *at != STATUS_CHANGE);
        parts.map(|(_, part)| part.to_owned()).collect()
    };
    a != b && parts(a) == parts(b)
}

/// A version of a blob that is a file of this machine: read at any place by whoever needs it there, without a hand-over between threads.
#[derive(Debug)]
pub struct LocalVersion {
    file: File,
    size: u64,
    etag: Etag,
}

impl LocalVersion {
    pub(super) fn open(root: &Root, path: &BlobPath, etag: &Etag) -> Result<Self> {
        let file = root.open_file(path)?;
        let size = file.metadata().map_err(place::failure)?.len();
        let this = Self { file, size, etag: etag.clone() };
        this.check()?;
        Ok(this)
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether its file has other names (hard links), which keep its bytes when another file takes its place.
    pub fn has_other_names(&self) -> Result<bool> {
        Ok(self.file.metadata().map_err(place::failure)?.nlink() > 1)
    }

    /// Its file, which may be another version by the time that it is read.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Fills `buffer` with the bytes from `at` on. They are this version's if a [check](Self::check) afterwards says so.
    pub fn read_into(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::new(ErrorKind::Changed),
            _ => place::failure(error),
        })
    }

    /// Fails with `Changed` when another program has written into the file.
    pub fn check(&self) -> Result<()> {
        let is_same = etag_of(&self.file.metadata().map_err(place::failure)?) == self.etag;
        if is_same { Ok(()) } else { Err(Error::new(ErrorKind::Changed)) }
    }
}
