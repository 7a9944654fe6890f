//! A shard's bytes on this machine, read where they are searched.

use std::cell::Cell;
use std::ops::Range;

use lacuna_erase::ReadAt as _;
use lacuna_store::LocalVersion;

use super::origin::FileAt;
use crate::problem::ShardError;

/// Bytes on this machine. They are read by the thread that searches them, into a buffer that its cache holds, and not handed over by
/// another one.
#[derive(Debug)]
pub(crate) enum Near {
    Version(LocalVersion),
    File(FileAt),
}

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A larger buffer is not kept.
const BUFFER_BYTES_MAX: usize = 16 << 20;

impl Near {
    /// How many bytes there are.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Version(version) => version.size(),
            Self::File(file) => file.size(),
        }
    }

    /// Shows the bytes in `range` to `see`.
    pub(crate) fn with<T>(&self, range: &Range<u64>, see: impl FnOnce(&[u8]) -> T) -> Result<T, ShardError> {
        let bytes = range.end - range.start;
        let length = usize::try_from(bytes).map_err(|_| ShardError::Memory { bytes })?;
        let mut buffer = BUFFER.take();
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let piece = &mut buffer[..length];
        match self {
            Self::Version(version) => version.read_into(range.start, piece).map_err(ShardError::Store)?,
            Self::File(file) => file.read_into(range.start, piece).map_err(ShardError::Temp)?,
        }
        let seen = see(piece);
        if buffer.len() <= BUFFER_BYTES_MAX {
            BUFFER.set(buffer);
        }
        Ok(seen)
    }

    /// Fails with a change when what was read may be another version.
    pub(crate) fn check(&self) -> Result<(), ShardError> {
        match self {
            Self::Version(version) => version.check().map_err(ShardError::Store),
            Self::File(_) => Ok(()),
        }
    }
}
