//! Reading ranges of one version of a blob.

use std::num::NonZeroUsize;
use std::ops::Range;

use azure_core::http::headers::HeaderName;
use azure_storage_blob::models::BlobClientDownloadOptions;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};

use super::failure::failure;
use super::{AzureStore, quoted};
use crate::{BlobPath, Error, ErrorKind, Etag, Result, Store};

/// A range is asked for in parts of this size, as one connection does not fill the line.
const PART_BYTES: usize = 8 << 20;

/// Parts of one range that are under way at a time.
const PARTS_AT_ONCE: usize = 4;

/// A part's bytes, and how long the whole blob is.
struct Part {
    bytes: Bytes,
    blob_size: u64,
}

impl AzureStore {
    pub(super) async fn read_range(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        let beyond = || Error::new(ErrorKind::OutOfRange).at(path);
        if range.start >= range.end {
            let blob = self.head(path).await?;
            return match () {
                () if blob.etag != *etag => Err(Error::new(ErrorKind::Changed).at(path)),
                () if range.start > range.end || range.end > blob.size => Err(beyond()),
                () => Ok(Bytes::new()),
            };
        }
        let mut parts = parts(range.clone());
        let Some(first) = parts.next() else { return Ok(Bytes::new()) };
        let first = self.read_part(path, first, etag).await?;
        // Only now is it known that the bytes exist, so that room for them may be made.
        if range.end > first.blob_size {
            return Err(beyond());
        }
        let length = usize::try_from(range.end - range.start).map_err(|_| beyond())?;
        if first.bytes.len() == length {
            return Ok(first.bytes);
        }
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&first.bytes);
        drop(first);
        let mut rest = stream::iter(parts).map(|part| self.read_part(path, part, etag)).buffered(PARTS_AT_ONCE);
        while let Some(part) = rest.try_next().await? {
            bytes.extend_from_slice(&part.bytes);
        }
        if bytes.len() == length { Ok(bytes.freeze()) } else { Err(beyond()) }
    }

    /// One request's worth of bytes.
    async fn read_part(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Part> {
        let options = BlobClientDownloadOptions {
            if_match: Some(quoted(etag)),
            parallel: Some(NonZeroUsize::MIN),
            partition_size: NonZeroUsize::new(PART_BYTES),
            range: Some(range.clone().into()),
            ..BlobClientDownloadOptions::default()
        };
        let answer = match self.blob(path).download(Some(options)).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.unread(path, &range, etag, failure(error).at(path)).await),
        };
        let total = answer.headers.get_optional_string(&HeaderName::from_static("content-range"));
        let bytes = answer.body.collect().await.map_err(|error| failure(error).at(path))?;
        // `bytes 0-99/1000`. A whole blob comes without it.
        let blob_size = match total.as_deref().and_then(|text| text.rsplit_once('/')).map(|(_, size)| size.parse()) {
            Some(Ok(size)) => size,
            _ => bytes.len() as u64,
        };
        if blob_size >= range.end && bytes.len() as u64 != range.end - range.start {
            return Err(Error::new(ErrorKind::Other)
                .at(path)
                .because("the service answered another range than asked for"));
        }
        Ok(Part { bytes, blob_size })
    }
}

impl AzureStore {
    /// Why a part could not be read, after a second look at what the first answer leaves open.
    async fn unread(&self, path: &BlobPath, range: &Range<u64>, etag: &Etag, error: Error) -> Error {
        // The client library asks again for the whole of an empty blob, and may then find no range that it understands.
        if error.kind == ErrorKind::Other
            && let Ok(blob) = self.head(path).await
            && blob.etag == *etag
            && blob.size < range.end
        {
            return Error::new(ErrorKind::OutOfRange).at(path);
        }
        self.changed_or_gone(path, error).await
    }
}

fn parts(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    range.clone().step_by(PART_BYTES).map(move |start| start..start.saturating_add(PART_BYTES as u64).min(range.end))
}
