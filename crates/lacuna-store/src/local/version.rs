//! What tells one version of a file from another.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use crate::Etag;

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
