//! Writing a blob in one conditional commit.
//!
//! Blocks of a write that did not come to its commit can be read by nobody; the service drops them with the blob's next commit,
//! or after a week.

use std::num::NonZeroU64;

use azure_core::Uuid;
use azure_storage_blob::models::{
    BlobClientGetPropertiesResultHeaders, BlockBlobClientCommitBlockListResultHeaders,
    BlockBlobClientStageBlockOptions, BlockLookupList, LeaseStatus,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::failure::{Failure, failure};
use super::properties::{OPERATION, Properties};
use super::upload::Upload;
use super::{AzureStore, info};
use crate::{BlobInfo, BlobPath, Condition, Content, Error, ErrorKind, Etag, Result, WriteOptions};

/// Content up to this size goes in one request.
const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// Longer content goes in blocks of at least this size.
const BLOCK_BYTES_MIN: u64 = 8 << 20;

/// The service's limit on the blocks of a blob (Put Block List, remarks).
const BLOCKS_MAX: u64 = 50_000;

/// Blocks that are under way at a time.
const BLOCKS_AT_ONCE: usize = 4;

/// How often blocks are sent anew when another writer's commit swept them away, although any version may be replaced.
const SWEPT_MAX: u32 = 5;

/// The new version, or why there may be none.
type Answer = std::result::Result<Option<Etag>, Failure>;

/// A write that is under way.
struct Write<'a> {
    path: &'a BlobPath,
    upload: Upload,
    condition: Condition,
    operation: String,
}

impl AzureStore {
    pub(super) async fn write_blob(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        let upload = Upload::open(content).await.map_err(|error| error.at(path))?;
        // A write without an operation gets an id of its own, which recognises a lost answer all the same.
        let operation = options.operation.unwrap_or_else(|| Uuid::new_v4().to_string());
        if operation.is_empty() || !operation.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(ErrorKind::Configuration)
                .at(path)
                .because("an operation's id is not printable ASCII"));
        }
        let write = Write { path, upload, condition, operation };
        let properties = match self.prepare(&write, options.content_type).await? {
            Prepared::Write(properties) => properties.signed(&write.operation),
            Prepared::Done(info) => return Ok(info),
        };
        if write.upload.size() <= WHOLE_BYTES_MAX {
            let bytes = write.upload.read(0, usize::try_from(write.upload.size()).unwrap_or(usize::MAX)).await;
            let result = self.put(&write, bytes.map_err(|error| error.at(path))?, properties).await;
            return self.settle(&write, result).await;
        }
        let mut swept = 0;
        loop {
            let blocks = self.stage(&write, &properties).await?;
            let result = self.commit(&write, blocks, properties.clone()).await;
            match &result {
                // A commit drops the blob's uncommitted blocks, also those of others.
                Err(failure)
                    if failure.code() == Some("InvalidBlockList")
                        && write.condition == Condition::Any
                        && swept < SWEPT_MAX =>
                {
                    swept += 1;
                }
                _ => return self.settle(&write, result).await,
            }
        }
    }

    /// Looks at the blob that is there: gigabytes need not be sent for a commit that cannot succeed, and what it has besides
    /// its bytes stays.
    async fn prepare(&self, write: &Write<'_>, content_type: Option<&str>) -> Result<Prepared> {
        let blob = self.blob(write.path);
        match &write.condition {
            Condition::New if write.upload.size() <= WHOLE_BYTES_MAX => {}
            Condition::New => {
                if let Some(found) = self.find(write.path).await? {
                    return found.recognise(write).map(Prepared::Done);
                }
            }
            Condition::Any => {}
            Condition::Matches(etag) => {
                let found = blob.get_properties(None).await.map_err(|error| write.failed(failure(error)))?;
                let answer = Found::new(write.path, &found)?;
                if answer.info.etag != *etag {
                    return answer.recognise(write).map(Prepared::Done);
                }
                // A lease is its holder's to end: no time of it is relied on, here or elsewhere. What protects a write is the
                // condition on its ETag alone.
                if let Ok(Some(LeaseStatus::Locked)) = found.lease_status() {
                    let duration = found.duration().ok().flatten().map(|duration| duration.to_string());
                    let lasts = format!("its lease's duration is {}", duration.as_deref().unwrap_or("unknown"));
                    return Err(Error::new(ErrorKind::Leased).at(write.path).because(Failure::said(&lasts)));
                }
                let properties = Properties::of(&blob, etag, &found).await.map_err(|failure| write.failed(failure))?;
                return Ok(Prepared::Write(Box::new(properties)));
            }
        }
        Ok(Prepared::Write(Box::new(Properties::new(content_type))))
    }

    /// All of the bytes in one request.
    async fn put(&self, write: &Write<'_>, bytes: Bytes, properties: Properties) -> Answer {
        let mut options = properties.upload(&write.condition);
        options.partition_size = NonZeroU64::new(WHOLE_BYTES_MAX);
        let answer = self.blob(write.path).upload(bytes.into(), Some(options)).await.map_err(failure)?;
        Ok(answer.etag.map(|etag| Etag::new(etag.as_ref())))
    }

    /// Sends the bytes as blocks, and answers with their ids.
    async fn stage(&self, write: &Write<'_>, properties: &Properties) -> Result<Vec<Vec<u8>>> {
        let blob = self.blob(write.path).block_blob_client();
        let (size, block_size) = (write.upload.size(), block_size(write.upload.size()));
        let blocks = (0..size).step_by(usize::try_from(block_size).unwrap_or(usize::MAX)).map(|offset| {
            let (blob, scope) = (&blob, properties.encryption_scope());
            async move {
                let length = block_size.min(size - offset);
                let length_here = usize::try_from(length).unwrap_or(usize::MAX);
                let bytes = write.upload.read(offset, length_here).await.map_err(|error| error.at(write.path))?;
                let id = Uuid::new_v4().as_bytes().to_vec();
                let options = BlockBlobClientStageBlockOptions {
                    encryption_scope: scope,
                    ..BlockBlobClientStageBlockOptions::default()
                };
                blob.stage_block(&id, length, bytes.into(), Some(options))
                    .await
                    .map_err(|error| failure(error).at(write.path))?;
                Ok(id)
            }
        });
        stream::iter(blocks).buffered(BLOCKS_AT_ONCE).try_collect().await
    }

    async fn commit(&self, write: &Write<'_>, blocks: Vec<Vec<u8>>, properties: Properties) -> Answer {
        let list = BlockLookupList { latest: Some(blocks), ..BlockLookupList::default() };
        let list = list.try_into().map_err(failure)?;
        let answer = self
            .blob(write.path)
            .block_blob_client()
            .commit_block_list(list, Some(properties.commit(&write.condition)))
            .await
            .map_err(failure)?;
        Ok(answer.etag().map_err(failure)?.map(|etag| Etag::new(etag.as_ref())))
    }

    /// What a commit's answer means. One that was lost on the way makes the repeated request fail, although the first succeeded.
    async fn settle(&self, write: &Write<'_>, result: Answer) -> Result<BlobInfo> {
        let failure = match result {
            Ok(Some(etag)) => return Ok(BlobInfo { path: write.path.clone(), etag, size: write.upload.size() }),
            Ok(None) => Failure::said("the service's answer to a commit lacks the ETag"),
            Err(failure) => failure,
        };
        let doubtful = matches!(failure.kind(), ErrorKind::Changed | ErrorKind::AlreadyExists | ErrorKind::Unavailable)
            || failure.code() == Some("InvalidBlockList")
            || matches!(failure, Failure::Other(_));
        if doubtful && let Ok(found) = self.find(write.path).await {
            match found {
                Some(found) if found.is_of(write) => return Ok(found.info),
                // The blocks are gone because someone else's commit came first.
                Some(found) if failure.code() == Some("InvalidBlockList") => {
                    let overtaken = match &write.condition {
                        Condition::New => true,
                        Condition::Matches(etag) => found.info.etag != *etag,
                        Condition::Any => false,
                    };
                    if overtaken {
                        return Err(write.refused(failure));
                    }
                }
                _ => {}
            }
        }
        Err(write.failed(failure))
    }

    /// The blob that is there now, if any.
    async fn find(&self, path: &BlobPath) -> Result<Option<Found>> {
        match self.blob(path).get_properties(None).await.map_err(failure) {
            Ok(found) => Found::new(path, &found).map(Some),
            Err(failure) if failure.code() == Some("BlobNotFound") => Ok(None),
            Err(failure) => Err(failure.at(path)),
        }
    }
}

enum Prepared {
    /// The write can be tried, with these properties.
    Write(Box<Properties>),
    /// The write has been done before.
    Done(BlobInfo),
}

/// A blob, and the operation that wrote it.
struct Found {
    info: BlobInfo,
    operation: Option<String>,
}

impl Found {
    fn new(path: &BlobPath, found: &impl BlobClientGetPropertiesResultHeaders) -> Result<Self> {
        let mut metadata = found.metadata().map_err(|error| failure(error).at(path))?;
        Ok(Self { info: info(path, found.etag(), found.content_length())?, operation: metadata.remove(OPERATION) })
    }

    /// Whether `write` wrote this, an earlier attempt at it included.
    fn is_of(&self, write: &Write<'_>) -> bool {
        self.operation.as_ref() == Some(&write.operation) && self.info.size == write.upload.size()
    }

    /// The blob if `write` wrote it, or why it cannot be written.
    fn recognise(self, write: &Write<'_>) -> Result<BlobInfo> {
        if self.is_of(write) {
            return Ok(self.info);
        }
        Err(write.refused(Failure::said("another version is there")))
    }
}

impl Write<'_> {
    /// The condition does not hold, as `failure` says.
    fn refused(&self, failure: Failure) -> Error {
        let kind = match &self.condition {
            Condition::New => ErrorKind::AlreadyExists,
            Condition::Matches(_) => ErrorKind::Changed,
            Condition::Any => failure.kind(),
        };
        failure.into_error(kind).at(self.path)
    }

    /// What `failure` means, given that a condition fails in more than one way.
    fn failed(&self, failure: Failure) -> Error {
        match failure.kind() {
            ErrorKind::Changed | ErrorKind::AlreadyExists => self.refused(failure),
            // A version was asked for, and there is none.
            ErrorKind::NotFound if failure.code() == Some("BlobNotFound") => self.refused(failure),
            _ => failure.at(self.path),
        }
    }
}

/// Blocks of whole MiB, large enough that the service's limit on their number holds.
fn block_size(size: u64) -> u64 {
    size.div_ceil(BLOCKS_MAX).next_multiple_of(1 << 20).max(BLOCK_BYTES_MIN)
}
