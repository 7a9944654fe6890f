//! Whether a receipt or a package is what its signer made.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use futures::StreamExt as _;
use lacuna_export::{Manifest, package};
use lacuna_store::{BlobPath, Store};
use serde::Serialize;

use super::seal::{self, SealError};
use super::{RECEIPT_TYPE, RECEIPT_VERSION, Receipt};
use crate::package::MANIFEST_TYPE;
use crate::read::whole::read_record;

/// Why a receipt or a package is not to be trusted, or could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The signature is not what it should be.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It was signed as something else.
    #[error("is signed as `{found}`, not as {expected}")]
    Kind {
        /// The signature's `typ`.
        found: String,
        /// What was looked for.
        expected: &'static str,
    },
    /// Its text is not what this version reads.
    #[error("cannot be read: {0}")]
    Content(String),
    /// The store failed.
    #[error("cannot be read")]
    Store(#[from] lacuna_store::Error),
}

/// Bytes that a file of a package is read by.
const READ_BYTES: usize = 1 << 20;

/// What the look at a package found.
#[derive(Clone, Debug, Serialize)]
pub struct PackageCheck {
    /// The request that it is of, as its manifest says.
    pub request: String,
    /// The tenant that the request acted for.
    pub tenant: Option<String>,
    /// Files that the manifest lists.
    pub files: u64,
    /// Records that they hold.
    pub records: u64,
    /// Whether the package says that it is complete, and is finished.
    pub complete: bool,
    /// Whether `_SUCCESS` is there, which is written last.
    pub finished: bool,
    /// What differs from the manifest; nothing, when the package is whole.
    pub mismatches: Vec<String>,
}

/// Checks a receipt's signature; answers with what it states.
pub fn receipt(jws: &str, key: &VerifyingKey) -> Result<Receipt, VerifyError> {
    let (kind, payload) = seal::open(key, jws)?;
    if kind != RECEIPT_TYPE {
        return Err(VerifyError::Kind { found: kind, expected: "a receipt" });
    }
    let receipt: Receipt = serde_json::from_slice(&payload).map_err(|error| VerifyError::Content(error.to_string()))?;
    if receipt.version > RECEIPT_VERSION {
        return Err(VerifyError::Content(format!(
            "it has version {}, and this reads up to {RECEIPT_VERSION}",
            receipt.version
        )));
    }
    Ok(receipt)
}

/// Checks the package in folder `prefix` of `store` (empty for the store's root) against its signed manifest.
pub async fn package(store: &Arc<dyn Store>, prefix: &str, key: &VerifyingKey) -> Result<PackageCheck, VerifyError> {
    let root = prefix.trim_matches('/');
    let root = if root.is_empty() { String::new() } else { format!("{root}/") };
    let jws = read(store.as_ref(), &format!("{root}{}", package::MANIFEST_SIGNATURE)).await?;
    let (kind, payload) = seal::open(key, &String::from_utf8_lossy(&jws))?;
    if kind != MANIFEST_TYPE {
        return Err(VerifyError::Kind { found: kind, expected: "a package's manifest" });
    }
    let manifest = Manifest::from_json(&payload).map_err(|error| VerifyError::Content(error.to_string()))?;
    let mut mismatches = Vec::new();
    if read(store.as_ref(), &format!("{root}{}", package::MANIFEST)).await? != payload {
        mismatches.push(format!("{}: differs from what was signed", package::MANIFEST));
    }
    let mut listed = Vec::new();
    let mut listing = store.list(&root);
    while let Some(info) = listing.next().await {
        let info = info?;
        let Some(path) = info.path.as_str().strip_prefix(&root) else { continue };
        if path == package::SUCCESS && info.size > 0 {
            mismatches.push(format!("{path}: is not empty"));
        }
        listed.push(path.to_owned());
    }
    drop(listing);
    let finished = listed.iter().any(|path| path == package::SUCCESS);
    let (store, handle) = (store.clone(), tokio::runtime::Handle::current());
    let (request, tenant, records) = (manifest.request.clone(), manifest.tenant.clone(), manifest.records);
    let (files, complete) = (manifest.files.len() as u64, manifest.complete && finished);
    let work = move || {
        let mut open = |path: &str| -> io::Result<Box<dyn Read>> {
            let blob = BlobPath::new(format!("{root}{path}")).map_err(io::Error::other)?;
            let info = handle.block_on(store.head(&blob)).map_err(as_io)?;
            let blob = BlobReader { store: store.clone(), handle: handle.clone(), info, at: 0 };
            Ok(Box::new(BufReader::with_capacity(READ_BYTES, blob)))
        };
        lacuna_export::check(&manifest, &mut open, Some(&listed))
    };
    let found = tokio::task::spawn_blocking(work).await;
    let found = found.map_err(|_| VerifyError::Content("the check failed in an unforeseen way".into()))?;
    let found = found.map_err(|error| VerifyError::Content(error.to_string()))?;
    mismatches.extend(found.iter().map(ToString::to_string));
    Ok(PackageCheck { request, tenant, files, records, complete, finished, mismatches })
}

async fn read(store: &dyn Store, path: &str) -> Result<Vec<u8>, VerifyError> {
    let path = BlobPath::new(path).map_err(|error| VerifyError::Content(error.to_string()))?;
    let info = store.head(&path).await?;
    Ok(read_record(store, &info).await?.to_vec())
}

/// Reads a blob from its first byte to its last.
struct BlobReader {
    store: Arc<dyn Store>,
    handle: tokio::runtime::Handle,
    info: lacuna_store::BlobInfo,
    at: u64,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.info.size.min(self.at + buffer.len() as u64);
        if end == self.at {
            return Ok(0);
        }
        let read = self.store.read(&self.info.path, self.at..end, &self.info.etag);
        let bytes = self.handle.block_on(read).map_err(as_io)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at = end;
        Ok(bytes.len())
    }
}

fn as_io(error: lacuna_store::Error) -> io::Error {
    let kind = match error.kind {
        lacuna_store::ErrorKind::NotFound => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
