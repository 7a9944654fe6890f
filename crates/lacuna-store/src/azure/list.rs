//! Listing a container, page by page.

use azure_core::http::XmlFormat;
use azure_core::http::response::Response;
use azure_storage_blob::models::{
    BlobContainerClientListBlobsOptions, BlobItem, ListBlobsIncludeItem, ListBlobsResponse,
};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::failure::{Failure, failure};
use super::{AzureStore, incomplete_answer};
use crate::{BlobInfo, BlobPath, Error, ErrorKind, Etag, Extent, Gap, Result};

impl AzureStore {
    pub(super) fn list_blobs(&self, prefix: &str) -> BoxStream<'_, Result<BlobInfo>> {
        let options = BlobContainerClientListBlobsOptions {
            // Metadata tells the directories of a hierarchical namespace from blobs.
            include: Some(vec![ListBlobsIncludeItem::Metadata]),
            maxresults: self.page_size,
            prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
            ..BlobContainerClientListBlobsOptions::default()
        };
        let pages = match self.container.list_blobs(Some(options)) {
            Ok(pager) => pager.into_pages(),
            Err(error) => return stream::iter([Err(failure(error).into())]).boxed(),
        };
        pages
            .map_err(|error| failure(error).in_container(&self.name))
            .and_then(|page| async { blobs(page) })
            .map_ok(|items| stream::iter(items.into_iter().filter_map(blob)))
            .try_flatten()
            .boxed()
    }
}

/// What a page lists. What answers in the service's stead (a gateway that asks to sign in) must not pass for an empty container.
pub(super) fn blobs(page: Response<ListBlobsResponse, XmlFormat>) -> Result<Vec<BlobItem>> {
    let listed = page.into_model().map_err(|error| Error::from(failure(error)))?;
    match listed.container_name.is_some() || listed.service_endpoint.is_some() {
        true => Ok(listed.blob_items),
        false => Err(Error::new(ErrorKind::Other).because(Failure::said("the answer to a listing is none"))),
    }
}

/// What is listed for `item`; nothing for a directory.
fn blob(item: BlobItem) -> Option<Result<BlobInfo>> {
    let properties = item.properties.unwrap_or_default();
    let (Some(name), Some(etag), Some(size)) = (item.name, properties.etag, properties.content_length) else {
        return Some(Err(incomplete_answer()));
    };
    // A hierarchical namespace lists its directories as empty blobs with this metadata; some tools write an empty `name/`.
    let metadata = item.metadata.and_then(|metadata| metadata.values).unwrap_or_default();
    let folder = metadata.iter().any(|(key, value)| key.eq_ignore_ascii_case("hdi_isfolder") && value == "true");
    if size == 0 && (folder || name.ends_with('/')) {
        return None;
    }
    Some(match BlobPath::new(name.clone()) {
        Ok(path) => Ok(BlobInfo { path, etag: Etag::new(etag.as_ref()), size }),
        Err(cause) => {
            let gap = Gap::new(name, Extent::Blob);
            let said = Failure::said(&format!("the blob's name `{gap}` {cause}"));
            Err(Error::new(ErrorKind::Other).because(said).leaving(gap))
        }
    })
}
