//! Bytes on their way into a blob: from memory or from a file, a block at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Content, Error, ErrorKind, Result};

/// What is sent, and how long it is.
#[derive(Clone, Debug)]
pub(super) enum Upload {
    Memory(Bytes),
    Disk { file: Arc<File>, size: u64 },
}

impl Upload {
    pub(super) async fn open(content: Content) -> Result<Self> {
        match content {
            Content::Bytes(bytes) => Ok(Self::Memory(bytes)),
            Content::File(path) => tokio::task::spawn_blocking(move || open_file(path)).await.map_err(unreadable)?,
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk { size, .. } => *size,
        }
    }

    /// The `length` bytes at `offset`; the caller keeps `length` to what memory allows.
    pub(super) async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(unreadable)?;
                Ok(bytes.slice(start..start + length))
            }
            Self::Disk { file, .. } => {
                let file = Arc::clone(file);
                let read = move || {
                    let mut block = vec![0; length];
                    file.read_exact_at(&mut block, offset).map(|()| Bytes::from(block))
                };
                tokio::task::spawn_blocking(read).await.map_err(unreadable)?.map_err(unreadable)
            }
        }
    }
}

fn open_file(path: PathBuf) -> Result<Upload> {
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    Ok(Upload::Disk { file: Arc::new(file), size })
}

fn unreadable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Other).because(cause)
}
