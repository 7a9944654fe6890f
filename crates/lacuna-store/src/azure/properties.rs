//! What a blob has besides its bytes, and keeps when they are replaced.

use std::collections::HashMap;

use azure_core::http::NoFormat;
use azure_core::http::response::Response;
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::{
    AccessTier, BlobClientGetPropertiesResult, BlobClientGetPropertiesResultHeaders, BlobClientGetTagsOptions,
    BlockBlobClientCommitBlockListOptions, BlockBlobClientUploadOptions,
};

use super::failure::{Failure, failure};
use super::quoted;
use crate::{Condition, Etag};

/// The metadata key that holds the id of the operation that wrote the blob. Letters only: a metadata name is an identifier.
pub(super) const OPERATION: &str = "lacunaoperation";

/// What a commit sets besides the bytes. HTTP carries header names in lower case, so the names of metadata, which the service
/// compares without regard to case, lose theirs.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties {
    metadata: HashMap<String, String>,
    tags: Option<HashMap<String, String>>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    content_disposition: Option<String>,
    cache_control: Option<String>,
    encryption_scope: Option<String>,
    tier: Option<AccessTier>,
}

impl Properties {
    /// A new blob's.
    pub(super) fn new(content_type: Option<&str>) -> Self {
        Self { content_type: content_type.map(str::to_owned), ..Self::default() }
    }

    /// Those of the version `etag` of a blob, given what `blob` answered for it.
    pub(super) async fn of(
        blob: &BlobClient,
        etag: &Etag,
        found: &Response<BlobClientGetPropertiesResult, NoFormat>,
    ) -> Result<Self, Failure> {
        let tags = match found.tag_count().map_err(failure)? {
            Some(1..) => {
                let options =
                    BlobClientGetTagsOptions { if_match: Some(quoted(etag)), ..BlobClientGetTagsOptions::default() };
                let tags = blob.get_tags(Some(options)).await.and_then(Response::into_model).map_err(failure)?;
                Some(tags.into())
            }
            _ => None,
        };
        // An inferred tier is the account's own and follows it.
        let tier = match found.access_tier_inferred().map_err(failure)? {
            Some(true) => None,
            _ => found.access_tier().map_err(failure)?.and_then(|tier| tier.parse::<AccessTier>().ok()),
        };
        Ok(Self {
            metadata: found.metadata().map_err(failure)?,
            tags,
            content_type: found.content_type().map_err(failure)?,
            content_encoding: found.content_encoding().map_err(failure)?,
            content_language: found.content_language().map_err(failure)?,
            content_disposition: found.content_disposition().map_err(failure)?,
            cache_control: found.cache_control().map_err(failure)?,
            encryption_scope: found.encryption_scope().map_err(failure)?,
            tier,
        })
    }

    /// With the id of the operation that writes.
    pub(super) fn signed(mut self, operation: &str) -> Self {
        self.metadata.insert(OPERATION.to_owned(), operation.to_owned());
        self
    }

    /// For a blob in one piece.
    pub(super) fn upload(self, condition: &Condition) -> BlockBlobClientUploadOptions<'static> {
        let (if_match, if_none_match) = headers(condition);
        let options = BlockBlobClientUploadOptions {
            blob_cache_control: self.cache_control,
            blob_content_disposition: self.content_disposition,
            blob_content_encoding: self.content_encoding,
            blob_content_language: self.content_language,
            blob_content_type: self.content_type,
            encryption_scope: self.encryption_scope,
            metadata: Some(self.metadata),
            tier: self.tier,
            if_match,
            if_none_match,
            ..BlockBlobClientUploadOptions::default()
        };
        match self.tags {
            Some(tags) => options.with_tags(tags),
            None => options,
        }
    }

    /// For a blob in blocks.
    pub(super) fn commit(self, condition: &Condition) -> BlockBlobClientCommitBlockListOptions<'static> {
        let (if_match, if_none_match) = headers(condition);
        let options = BlockBlobClientCommitBlockListOptions {
            blob_cache_control: self.cache_control,
            blob_content_disposition: self.content_disposition,
            blob_content_encoding: self.content_encoding,
            blob_content_language: self.content_language,
            blob_content_type: self.content_type,
            encryption_scope: self.encryption_scope,
            metadata: Some(self.metadata),
            tier: self.tier,
            if_match,
            if_none_match,
            ..BlockBlobClientCommitBlockListOptions::default()
        };
        match self.tags {
            Some(tags) => options.with_tags(tags),
            None => options,
        }
    }

    /// The encryption scope that blocks must be sent with.
    pub(super) fn encryption_scope(&self) -> Option<String> {
        self.encryption_scope.clone()
    }
}

/// `If-Match` and `If-None-Match`.
fn headers(condition: &Condition) -> (Option<azure_core::http::Etag>, Option<azure_core::http::Etag>) {
    match condition {
        Condition::New => (None, Some("*".into())),
        Condition::Matches(etag) => (Some(quoted(etag)), None),
        Condition::Any => (None, None),
    }
}
