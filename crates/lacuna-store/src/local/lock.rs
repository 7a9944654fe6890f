//! Locks that keep two writers of the same blob apart.

use std::fs::{File, OpenOptions};

use super::place::{self, Root};
use crate::{BlobPath, Result};

/// Lock files are shared by the blobs whose paths hash alike, so that their number stays bounded.
const LOCKS: u64 = 256;

/// Waits for the blob's lock, and holds it until the answer is dropped.
pub(super) fn exclusive(root: &Root, path: &BlobPath) -> Result<File> {
    let name = format!("{:02x}", hash(path.as_str()) % LOCKS);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let file = place::within(root.locks(), |directory| options.open(directory.join(&name)))?;
    file.lock().map_err(place::failure)?;
    Ok(file)
}

/// FNV-1a: the same in every process and version, which the standard library's hashes do not promise.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
