//! Floors: the least that a search without an index can do. They decompress what must be looked at, on all cores, and do nothing else.
//!
//! Each thread has its own buffers, and uses them again for every chunk and page; sizes are taken from headers, not guessed; nothing is
//! decoded, checked or kept.

mod apart;
mod ask;
mod edit;
mod indexed;
mod page;
mod parquet;
mod reencode;
mod spread;
mod text;
mod unpack;

use std::{
    fs,
    ops::AddAssign,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

pub(crate) use apart::apart;
pub(crate) use ask::ask;
pub(crate) use edit::edit;
pub(crate) use indexed::indexed;
pub(crate) use parquet::{hit, id};
pub(crate) use reencode::reencode;
pub(crate) use text::text;

/// What was decompressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    /// Values of the identifier column, nulls among them; in text, newlines are not counted and this is 0.
    pub(crate) values: u64,
    /// Pages of other columns.
    pub(crate) hit_pages: u64,
    /// Bytes, decompressed.
    pub(crate) bytes: u64,
}

impl AddAssign for Floor {
    fn add_assign(&mut self, other: Self) {
        self.values += other.values;
        self.hit_pages += other.hit_pages;
        self.bytes += other.bytes;
    }
}

/// The files below `dir` whose names end in `extension`, in order.
pub(crate) fn shards(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    gather(dir, extension, &mut paths)?;
    ensure!(!paths.is_empty(), "no file below {} ends in .{extension}", dir.display());
    paths.sort_unstable();
    Ok(paths)
}

fn gather(dir: &Path, extension: &str, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, extension, into)?;
        } else if path.extension().is_some_and(|have| have == extension) {
            into.push(path);
        }
    }
    Ok(())
}
