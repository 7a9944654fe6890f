//! The walk over a directory tree in the byte order of whole paths, with bounded memory.

use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::place::{self, OWN_DIRECTORIES, Root};
use super::version::etag_of;
use crate::{BlobInfo, BlobPath, Error, ErrorKind, Extent, Gap, Result};

/// Names of one directory that are held at a time; a directory with more is read several times.
const NAMES_MAX: usize = 1 << 16;

/// An entry of a directory. Ordered by its key: the name, with a `/` behind it for a directory, because `a.b` comes before `a/c`
/// and after `a`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: Vec<u8>,
    kind: Kind,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Directory,
    File,
    Link,
}

/// A directory that the walk is in.
struct Level {
    directory: PathBuf,
    /// Its path within the store, with a `/` at its end; empty for the root.
    prefix: Vec<u8>,
    entries: std::vec::IntoIter<Entry>,
    last: Option<Vec<u8>>,
    more: bool,
}

/// Passes every blob whose path starts with `prefix` to `visit`, until that answers `false`.
pub(super) fn walk(root: &Root, prefix: &[u8], visit: impl FnMut(Result<BlobInfo>) -> bool) {
    walk_in_steps(root, prefix, NAMES_MAX, visit);
}

fn walk_in_steps(root: &Root, prefix: &[u8], names_max: usize, mut visit: impl FnMut(Result<BlobInfo>) -> bool) {
    let mut levels: Vec<Level> = start(root, prefix).into_iter().collect();
    while let Some(level) = levels.last_mut() {
        let entry = match level.next(prefix, names_max) {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                levels.pop();
                continue;
            }
            Err(error) => {
                // A directory that went away holds nothing; one that cannot be read may.
                let gone = error.kind() == io::ErrorKind::NotFound && !level.prefix.is_empty();
                let problem = match level.prefix.strip_suffix(b"/") {
                    Some(path) => unlisted(path, Extent::Folder, place::failure(error)),
                    None => place::failure(error),
                };
                levels.pop();
                if !gone && !visit(Err(problem)) {
                    return;
                }
                continue;
            }
        };
        let path = [level.prefix.as_slice(), &entry.key].concat();
        let name = entry.key.strip_suffix(b"/").unwrap_or(&entry.key);
        let place = level.directory.join(OsStr::from_bytes(name));
        let item = match entry.kind {
            Kind::Directory => {
                levels.push(Level::new(place, path));
                continue;
            }
            Kind::File => blob(&path, &place),
            Kind::Link => link(root, &path, &place).map(Err),
        };
        if let Some(item) = item
            && !visit(item)
        {
            return;
        }
    }
}

/// Where a walk begins: at the folder that the prefix is in, if there is one, as the folders above may have any number of entries. A way
/// there that is no plain one is walked from the root on.
fn start(root: &Root, prefix: &[u8]) -> Option<Level> {
    let from_root = || Level::new(root.path().to_owned(), Vec::new());
    let Some(end) = prefix.iter().rposition(|&byte| byte == b'/') else { return Some(from_root()) };
    let folder = &prefix[..=end];
    if OWN_DIRECTORIES.iter().any(|own| folder.starts_with(own)) {
        return Some(from_root());
    }
    let mut place = root.path().to_owned();
    for name in prefix[..end].split(|&byte| byte == b'/') {
        if matches!(name, b"" | b"." | b"..") {
            return Some(from_root());
        }
        place.push(OsStr::from_bytes(name));
        match place.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            // Where the store itself is gone, that is an error.
            Err(error) if error.kind() == io::ErrorKind::NotFound && root.path().is_dir() => return None,
            _ => return Some(from_root()),
        }
    }
    Some(Level::new(place, folder.to_vec()))
}

impl Level {
    fn new(directory: PathBuf, prefix: Vec<u8>) -> Self {
        Self { directory, prefix, entries: Vec::new().into_iter(), last: None, more: true }
    }

    /// The next entry that has to do with `wanted`.
    fn next(&mut self, wanted: &[u8], names_max: usize) -> io::Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            if !self.more {
                return Ok(None);
            }
            let entries = self.smallest(wanted, names_max)?;
            self.last = entries.last().map(|entry| entry.key.clone());
            self.entries = entries.into_iter();
        }
    }

    /// The `names_max` smallest entries after the last one.
    fn smallest(&mut self, wanted: &[u8], names_max: usize) -> io::Result<Vec<Entry>> {
        let mut smallest = BinaryHeap::new();
        self.more = false;
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_dir() => Kind::Directory,
                Ok(kind) if kind.is_file() => Kind::File,
                Ok(kind) if kind.is_symlink() => Kind::Link,
                // Pipes, sockets and devices hold no records.
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut key = OsString::into_vec(entry.file_name());
            if kind == Kind::Directory {
                key.push(b'/');
            }
            if self.last.as_ref().is_some_and(|last| key <= *last) || !self.leads_to(&key, &kind, wanted) {
                continue;
            }
            smallest.push(Entry { key, kind });
            if smallest.len() > names_max {
                smallest.pop();
                self.more = true;
            }
        }
        Ok(smallest.into_sorted_vec())
    }

    fn leads_to(&self, key: &[u8], kind: &Kind, wanted: &[u8]) -> bool {
        let path = [self.prefix.as_slice(), key].concat();
        match kind {
            Kind::File => path.starts_with(wanted),
            Kind::Link => path.starts_with(wanted) || wanted.starts_with(&[&path[..], b"/"].concat()),
            Kind::Directory => {
                (path.starts_with(wanted) || wanted.starts_with(&path)) && !OWN_DIRECTORIES.contains(&path.as_slice())
            }
        }
    }
}

/// The blob at `place`; nothing when it went away meanwhile.
fn blob(path: &[u8], place: &Path) -> Option<Result<BlobInfo>> {
    let metadata = match place.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(unlisted(path, Extent::Blob, place::failure(error)))),
    };
    if !metadata.is_file() {
        return None;
    }
    Some(match blob_path(path) {
        Some(path) => Ok(BlobInfo { path, etag: etag_of(&metadata), size: metadata.len() }),
        None => Err(unlisted(path, Extent::Blob, Error::new(ErrorKind::Other))),
    })
}

/// What is not listed because a symbolic link is not followed; nothing when it went away meanwhile, or leads to what holds no records.
fn link(root: &Root, path: &[u8], place: &Path) -> Option<Error> {
    let target = match place.canonicalize() {
        Ok(target) => target,
        Err(error) if leads_nowhere(&error) => {
            let nowhere = || unlisted(path, Extent::Blob, refusal("a symbolic link that leads nowhere"));
            return place.symlink_metadata().is_ok().then(nowhere);
        }
        Err(error) => return Some(unlisted(path, Extent::Unknown, place::failure(error))),
    };
    let extent = match target.metadata() {
        Ok(metadata) if metadata.is_dir() => Extent::Folder,
        Ok(metadata) if metadata.is_file() => Extent::Blob,
        Ok(_) => return None,
        Err(_) => Extent::Unknown,
    };
    let Ok(within) = target.strip_prefix(root.path()) else {
        let why = "a symbolic link that leads out of the store is not followed";
        return Some(unlisted(path, extent, Error::new(ErrorKind::AccessDenied).because(why)));
    };
    let mut error = unlisted(path, extent, refusal("a symbolic link is not followed"));
    if let (Some(gap), Some(within)) = (&mut error.gap, within.to_str()) {
        gap.target = Some(within.to_owned());
    }
    Some(error)
}

fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn refusal(why: &'static str) -> Error {
    Error::new(ErrorKind::Other).because(why)
}

fn blob_path(path: &[u8]) -> Option<BlobPath> {
    BlobPath::new(std::str::from_utf8(path).ok()?).ok()
}

fn unlisted(path: &[u8], extent: Extent, error: Error) -> Error {
    let gap = Gap::new(path, extent);
    let error = match blob_path(path) {
        Some(path) => error.at(&path),
        None => error.because(format!("the name `{gap}` is no path of a blob: not UTF-8, or with control characters")),
    };
    error.leaving(gap)
}

#[cfg(test)]
mod tests;
