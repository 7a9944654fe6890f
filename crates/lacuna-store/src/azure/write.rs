//! Writing a blob in one conditional commit.
//!
//! Blocks of a write that did not come to its commit can be read by nobody; the service drops them with the blob's next commit,
//! or after a week.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering::Relaxed;

use azure_core::Uuid;
use azure_storage_blob::models::{
    BlobClientGetPropertiesResultHeaders, BlobType, BlockBlobClientCommitBlockListResultHeaders,
    BlockBlobClientStageBlockFromUrlOptions, BlockBlobClientStageBlockOptions, BlockLookupList, HttpRange, LeaseStatus,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::blocks::{self, Block};
use super::failure::{Failure, failure};
use super::properties::{OPERATION, Properties};
use super::upload::Upload;
use super::{AzureStore, info, quoted};
use crate::{BlobInfo, BlobPath, Condition, Content, Error, ErrorKind, Etag, Result, Unchanged, WriteOptions};

/// Content up to this size goes in one request.
const WHOLE_BYTES_MAX: u64 = 8 << 20;

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
    unchanged: Vec<Unchanged>,
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
        let write = Write { path, upload, condition, operation, unchanged: options.unchanged };
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
                if let Ok(Some(BlobType::AppendBlob | BlobType::PageBlob)) = found.blob_type() {
                    return Err(Error::new(ErrorKind::NotInBlocks).at(write.path));
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

    /// Sends the bytes as blocks, and answers with their ids. What is unchanged is copied inside the service, where that goes.
    async fn stage(&self, write: &Write<'_>, properties: &Properties) -> Result<Vec<Vec<u8>>> {
        let size = write.upload.size();
        let staged = blocks::blocks(size, &write.unchanged).into_iter().map(|block| {
            let scope = properties.encryption_scope();
            async move {
                if let Some(id) = self.copy_block(write, block, scope.clone()).await? {
                    return Ok(vec![id]);
                }
                let (mut ids, mut done) = (Vec::new(), 0);
                while done < block.length {
                    let length = blocks::sent_bytes(size).min(block.length - done);
                    ids.push(self.send_block(write, block.at + done, length, scope.clone()).await?);
                    done += length;
                }
                Ok::<_, Error>(ids)
            }
        });
        let ids: Vec<Vec<Vec<u8>>> = stream::iter(staged).buffered(BLOCKS_AT_ONCE).try_collect().await?;
        Ok(ids.concat())
    }

    /// Sends `length` of the bytes as a block.
    async fn send_block(&self, write: &Write<'_>, at: u64, length: u64, scope: Option<String>) -> Result<Vec<u8>> {
        let length_here = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = write.upload.read(at, length_here).await.map_err(|error| error.at(write.path))?;
        let id = Uuid::new_v4().as_bytes().to_vec();
        let options =
            BlockBlobClientStageBlockOptions { encryption_scope: scope, ..BlockBlobClientStageBlockOptions::default() };
        let blob = self.blob(write.path).block_blob_client();
        let sent = blob.stage_block(&id, length, bytes.into(), Some(options)).await;
        sent.map_err(|error| failure(error).at(write.path))?;
        Ok(id)
    }

    /// Has the service copy a block from the version that is replaced; `None` where it must be sent.
    async fn copy_block(&self, write: &Write<'_>, block: Block, scope: Option<String>) -> Result<Option<Vec<u8>>> {
        let (Some(from), Condition::Matches(etag)) = (block.from, &write.condition) else { return Ok(None) };
        if !self.may_copy.load(Relaxed) {
            return Ok(None);
        }
        let id = Uuid::new_v4().as_bytes().to_vec();
        let options = BlockBlobClientStageBlockFromUrlOptions {
            encryption_scope: scope,
            source_if_match: Some(quoted(etag)),
            source_range: Some(HttpRange::new(from, block.length)),
            ..BlockBlobClientStageBlockFromUrlOptions::default()
        };
        let blob = self.blob(write.path);
        // The request itself has no body.
        let copied = blob.block_blob_client().stage_block_from_url(&id, 0, blob.url().to_string(), Some(options)).await;
        match copied.map_err(failure) {
            Ok(_) => Ok(Some(id)),
            // Another version is there, and the commit would fail.
            Err(failure) if failure.kind() == ErrorKind::Changed => Err(write.refused(failure)),
            // The account, a firewall or the credential forbids it: it need not be tried again.
            Err(failure) => {
                tracing::debug!(%failure, "bytes that stay are sent, as the service does not copy them");
                self.may_copy.fetch_and(failure.kind() == ErrorKind::Unavailable, Relaxed);
                Ok(None)
            }
        }
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
