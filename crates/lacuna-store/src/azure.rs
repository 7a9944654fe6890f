//! A store in Azure Blob Storage: one container, through Microsoft's client library.
//!
//! Every read names the version that it wants, and every write is one conditional commit: of the bytes themselves when they are
//! few, of a list of blocks that were sent before when they are many. Each commit carries the id of its operation as metadata,
//! so that a commit whose answer was lost is told from a change by someone else.

mod blocks;
mod config;
mod copies;
mod credential;
mod failure;
mod list;
mod properties;
mod read;
mod shared_key;
mod transport;
mod upload;
mod write;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use azure_core::http::{ClientOptions, Etag as SdkEtag, ExponentialRetryOptions, RetryOptions, Transport};
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobClientGetPropertiesResultHeaders, DeleteSnapshotsOptionType,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};
use bytes::Bytes;
use futures::stream::BoxStream;

pub use self::config::{AzureConfig, Credential, Retries};
use self::failure::{Failure, failure};
use crate::{
    BlobInfo, BlobPath, Condition, Content, Error, ErrorKind, Etag, OldCopy, Removal, Result, Store, WriteOptions,
};

/// The blobs of a container.
pub struct AzureStore {
    container: BlobContainerClient,
    name: String,
    page_size: Option<i32>,
    /// Whether the service may be asked to copy a blob's own bytes.
    may_copy: AtomicBool,
}

impl fmt::Debug for AzureStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureStore").field("container", &self.name).finish_non_exhaustive()
    }
}

impl AzureStore {
    /// The store that `config` describes. Talks to nobody yet: a wrong credential shows itself at the first use.
    pub fn open(config: &AzureConfig) -> Result<Self> {
        let url = config.container_url()?;
        let client = transport::client(config)?;
        let access = credential::access(config, &url, &client)?;
        let retries = &config.retries;
        // What may read the source goes with the request; an account's key signs for the target alone.
        let may_copy = AtomicBool::new(access.token.is_some() || access.signature.is_some());
        let client_options = ClientOptions {
            per_try_policies: access.signer.into_iter().collect(),
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                initial_delay: span(retries.delay),
                max_retries: retries.tries_max.saturating_sub(1),
                max_total_elapsed: span(retries.elapsed_max),
                max_delay: span(retries.delay_max),
            }),
            transport: Some(Transport::new(Arc::new(transport::Http::new(client, access.signature)))),
            ..ClientOptions::default()
        };
        let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
        let container = BlobContainerClient::new(url, access.token, Some(options))
            .map_err(|error| failure(error).into_error(ErrorKind::Configuration))?;
        let page_size = config.page_size.and_then(|size| i32::try_from(size.get()).ok());
        Ok(Self { container, name: config.container.clone(), page_size, may_copy })
    }

    /// Makes the container when there is none.
    pub async fn create_container(&self) -> Result<()> {
        match self.container.create(None).await.map_err(failure) {
            Ok(_) => Ok(()),
            Err(failure) if failure.code() == Some("ContainerAlreadyExists") => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// A condition on a blob that is gone fails as one on a blob that changed; a look tells which.
    async fn changed_or_gone(&self, path: &BlobPath, error: Error) -> Error {
        if error.kind != ErrorKind::Changed {
            return error;
        }
        match self.head(path).await {
            Err(gone) if gone.kind == ErrorKind::NotFound => gone,
            _ => error,
        }
    }

    fn blob(&self, path: &BlobPath) -> BlobClient {
        self.container.blob_client(path.as_str())
    }
}

#[async_trait::async_trait]
impl Store for AzureStore {
    fn url(&self) -> String {
        format!("az://{}", self.name)
    }

    fn list(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        self.list_blobs(prefix)
    }

    async fn head(&self, path: &BlobPath) -> Result<BlobInfo> {
        let found = self.blob(path).get_properties(None).await.map_err(|error| failure(error).at(path))?;
        info(path, found.etag(), found.content_length())
    }

    async fn read(&self, path: &BlobPath, range: Range<u64>, etag: &Etag) -> Result<Bytes> {
        self.read_range(path, range, etag).await
    }

    async fn write(
        &self,
        path: &BlobPath,
        content: Content,
        condition: Condition,
        options: WriteOptions,
    ) -> Result<BlobInfo> {
        self.write_blob(path, content, condition, options).await
    }

    async fn delete(&self, path: &BlobPath, etag: &Etag) -> Result<()> {
        let options = BlobClientDeleteOptions {
            if_match: Some(quoted(etag)),
            // Without it, a blob that has snapshots is not deleted.
            delete_snapshots: Some(DeleteSnapshotsOptionType::Include),
            ..BlobClientDeleteOptions::default()
        };
        match self.blob(path).delete(Some(options)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.changed_or_gone(path, failure(error).at(path)).await),
        }
    }

    async fn old_copies(&self, path: &BlobPath) -> Result<Vec<OldCopy>> {
        self.list_copies(path).await
    }

    async fn remove_copy(&self, path: &BlobPath, copy: &OldCopy) -> Result<Removal> {
        self.remove_old_copy(path, copy).await
    }
}

/// The version as a condition's header has it.
fn quoted(etag: &Etag) -> SdkEtag {
    SdkEtag::from(format!("\"{etag}\""))
}

fn info(
    path: &BlobPath,
    etag: azure_core::Result<Option<SdkEtag>>,
    size: azure_core::Result<Option<u64>>,
) -> Result<BlobInfo> {
    match (etag, size) {
        (Ok(Some(etag)), Ok(Some(size))) => Ok(BlobInfo { path: path.clone(), etag: Etag::new(etag.as_ref()), size }),
        _ => Err(incomplete_answer().at(path)),
    }
}

fn incomplete_answer() -> Error {
    Error::new(ErrorKind::Other).because(Failure::said("the service's answer lacks the ETag or the length"))
}

fn span(duration: std::time::Duration) -> azure_core::time::Duration {
    azure_core::time::Duration::try_from(duration).unwrap_or(azure_core::time::Duration::MAX)
}

#[cfg(test)]
mod tests;
