//! A Parquet shard's metadata, with the last bytes of it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lacuna_scan::parquet::{Footer, TAIL_BYTES, footer};
use parquet::file::metadata::ParquetMetaData;

use super::near::Near;
use super::origin::Origin;
use crate::problem::ShardError;
use crate::workshop::Workshop;

/// The last bytes of a shard, kept because page indexes mostly lie in them.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    start: u64,
    bytes: Bytes,
}

impl Tail {
    /// The bytes of `range`, if they are here.
    pub(super) fn slice(&self, range: &Range<u64>) -> Option<Bytes> {
        let start = range.start.checked_sub(self.start)?;
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(range.end - self.start).ok()?);
        (end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

/// A Parquet shard whose metadata was read.
pub(crate) struct Opened {
    pub(crate) metadata: Arc<ParquetMetaData>,
    pub(super) tail: Tail,
    /// Its bytes, if they lie on this machine.
    pub(crate) near: Option<Arc<Near>>,
}

/// Reads a Parquet shard's metadata. On this machine the thread that parses it also opens the file and reads it.
pub(crate) async fn open(shop: &Workshop, origin: &Origin, bytes_read: &AtomicU64) -> Result<Opened, ShardError> {
    let (size, limits, mut is_near) = (origin.size(), shop.limits, origin.is_near());
    let mut range = size.saturating_sub(TAIL_BYTES)..size;
    let mut near = None;
    loop {
        let length = range.end - range.start;
        let loaded = if is_near { None } else { Some(shop.budget.load(origin, range.clone(), bytes_read).await?) };
        let room = if is_near { Some(shop.budget.reserve(length).await?) } else { None };
        let (origin, of) = (origin.clone(), range.clone());
        let work = move || {
            let near = match near {
                None if is_near => origin.open_near().transpose()?.map(Arc::new),
                near => near,
            };
            let bytes = match (&near, loaded) {
                (Some(near), _) => {
                    Some(near.with(&of, Bytes::copy_from_slice).and_then(|bytes| near.check().map(|()| bytes))?)
                }
                (None, loaded) => loaded.map(|loaded| loaded.bytes),
            };
            let read = bytes.map(|bytes| footer(size, &bytes, &limits).map(|footer| (footer, bytes))).transpose()?;
            drop(room);
            Ok::<_, ShardError>((read, near))
        };
        let (read, opened) = shop.cpu.run(work).await??;
        near = opened;
        let Some((footer, bytes)) = read else {
            // It lies on this machine, and is for its store alone to read.
            is_near = false;
            continue;
        };
        if near.is_some() {
            bytes_read.fetch_add(length, Ordering::Relaxed);
        }
        match footer {
            Footer::Ready(metadata) => {
                // Of a footer that is larger than what is read at first, nothing but itself came.
                let bytes = if length > TAIL_BYTES { Bytes::new() } else { bytes };
                let tail = Tail { start: range.start, bytes };
                return Ok(Opened { metadata, tail, near });
            }
            Footer::Needs(more) if more.start < range.start => range = more,
            Footer::Needs(_) => return Err(ShardError::Refused("its footer cannot be found".into())),
        }
    }
}
