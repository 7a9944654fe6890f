//! Where a shard's bytes come from: one version of a blob, or a file that is about to become one.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lacuna_erase::ReadAt;
use lacuna_store::{BlobInfo, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::near::Near;
use crate::problem::ShardError;

/// One version of a shard's bytes.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Blob(Arc<dyn Store>, BlobInfo),
    File(FileAt),
}

impl Origin {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Blob(_, info) => info.size,
            Self::File(file) => file.size,
        }
    }

    /// Whether its bytes lie on this machine.
    pub(crate) fn is_near(&self) -> bool {
        match self {
            Self::Blob(store, _) => store.is_here(),
            Self::File(_) => true,
        }
    }

    /// Its bytes as a file, if they lie on this machine.
    pub(crate) fn open_near(&self) -> Option<Result<Near, ShardError>> {
        match self {
            Self::Blob(store, info) => {
                let opened = store.open_here(&info.path, &info.etag)?;
                Some(opened.map(Near::Version).map_err(ShardError::Store))
            }
            Self::File(file) => Some(Ok(Near::File(file.clone()))),
        }
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, ShardError> {
        match self {
            Self::Blob(store, info) => store.read(&info.path, range, &info.etag).await.map_err(ShardError::Store),
            Self::File(file) => {
                let file = file.clone();
                let read = tokio::task::spawn_blocking(move || file.read_at(range)).await;
                read.map_err(|_| ShardError::Defect)?.map_err(ShardError::Temp)
            }
        }
    }
}

/// A file on this machine, read at any place by any number of threads.
#[derive(Clone, Debug)]
pub(crate) struct FileAt {
    file: Arc<File>,
    size: u64,
}

impl FileAt {
    pub(crate) fn new(file: File) -> std::io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), size })
    }
}

/// How much is compared at a time.
const PIECE: usize = 256 << 10;

impl FileAt {
    /// Whether `length` bytes from `at` on are those of `other` from `other_at` on.
    pub(crate) fn is_same(&self, at: u64, other: &Self, other_at: u64, length: u64) -> std::io::Result<bool> {
        let piece = usize::try_from(length).unwrap_or(PIECE).min(PIECE);
        let (mut own, mut others) = (vec![0; piece], vec![0; piece]);
        let mut done = 0;
        while done < length {
            let piece = usize::try_from(length - done).unwrap_or(PIECE).min(PIECE);
            self.read_into(at + done, &mut own[..piece])?;
            other.read_into(other_at + done, &mut others[..piece])?;
            if own[..piece] != others[..piece] {
                return Ok(false);
            }
            done += piece as u64;
        }
        Ok(true)
    }
}

impl ReadAt for FileAt {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, range: Range<u64>) -> std::io::Result<Bytes> {
        let length = range.end.checked_sub(range.start).filter(|_| range.end <= self.size);
        let length = length.and_then(|length| usize::try_from(length).ok()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes.into())
    }

    fn read_into(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(buffer, at)
    }
}

/// Bounds what all reads together hold in memory, and how many are under way.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    memory: Arc<Semaphore>,
    units: u32,
    reads: Arc<Semaphore>,
    /// Bytes to ask a sequential source for at a time.
    pub(crate) window: u64,
}

/// One permit of [`Budget::memory`].
const UNIT_BYTES: u64 = 4096;

/// A window larger than this gains nothing, even on a slow network.
const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// Bytes that count against the budget until they are dropped.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of `memory` bytes for `threads` searches and `reads` reads at a time.
    pub(crate) fn new(memory: u64, threads: usize, reads: usize) -> Self {
        // Half the memory holds stored bytes; the other half is for what they decode to.
        let units = u32::try_from(memory / 2 / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        let window = (memory / 16 / threads.max(1) as u64).clamp(64 << 10, WINDOW_BYTES_MAX);
        Self {
            memory: Arc::new(Semaphore::new(units as usize)),
            units,
            reads: Arc::new(Semaphore::new(reads.max(1))),
            window,
        }
    }

    /// Reads `range` when there is room for it.
    pub(crate) async fn load(
        &self,
        origin: &Origin,
        range: Range<u64>,
        counter: &AtomicU64,
    ) -> Result<Loaded, ShardError> {
        let permit = self.reserve(range.end - range.start).await?;
        let bytes = self.read(origin, range, counter).await?;
        Ok(Loaded { bytes, _permit: permit })
    }

    /// Reads `ranges` when there is room for all of them together: whoever holds some never waits for more.
    pub(crate) async fn load_all(
        &self,
        origin: &Origin,
        ranges: &[Range<u64>],
        counter: &AtomicU64,
    ) -> Result<(Vec<Bytes>, OwnedSemaphorePermit), ShardError> {
        let total = ranges.iter().map(|range| range.end - range.start).sum();
        let permit = self.reserve(total).await?;
        if let Origin::Blob(store, info) = origin
            && store.is_here()
        {
            // On this machine, many small reads by one thread cost less than handing each to another.
            let _read = self.reads.acquire().await.map_err(|_| ShardError::Defect)?;
            counter.fetch_add(total, Ordering::Relaxed);
            let pieces = store.read_ranges(&info.path, ranges, &info.etag).await.map_err(ShardError::Store)?;
            return Ok((pieces, permit));
        }
        let reads = ranges.iter().map(|range| self.read(origin, range.clone(), counter));
        Ok((futures::future::try_join_all(reads).await?, permit))
    }

    /// Room for so many bytes.
    pub(crate) async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ShardError> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        if units > self.units {
            return Err(ShardError::Memory { bytes });
        }
        self.memory.clone().acquire_many_owned(units).await.map_err(|_| ShardError::Defect)
    }

    async fn read(&self, origin: &Origin, range: Range<u64>, counter: &AtomicU64) -> Result<Bytes, ShardError> {
        let _read = self.reads.acquire().await.map_err(|_| ShardError::Defect)?;
        counter.fetch_add(range.end - range.start, Ordering::Relaxed);
        origin.read(range).await
    }
}
