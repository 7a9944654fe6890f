//! The export package of one request: data files from the spool, what describes them, and `_SUCCESS` last.
//!
//! Small files are put together and written with those of other packages. A large one is written by itself.

pub(crate) mod expiry;
mod outgrown;
pub(crate) mod spool;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use futures::TryStreamExt as _;
use lacuna_export::manifest::{Excluded, File, Manifest, RequestInfo};
use lacuna_export::{Encoder, Format, Package, package, readme};
use lacuna_scan::SelectorIndex;
use lacuna_store::{BlobInfo, BlobPath, Content, ErrorKind, NewBlob, Store};
use sha2::{Digest as _, Sha256};
use tempfile::TempPath;

use crate::hashing::Hashing;
use crate::package::outgrown::{Outgrown, Written};
use crate::package::spool::{Lines, Spool};
use crate::receipt::seal::{self, hex};
use crate::workshop::Workshop;
use crate::{Error, Request, Source, commit, engine};

/// The `typ` of a manifest's signature.
pub(crate) const MANIFEST_TYPE: &str = "lacuna-manifest+json";

/// A data file is split when it has taken so many bytes of records.
const DATA_FILE_BYTES: u64 = 256 << 20;

/// A data file up to this is in memory until it is written.
const MEMORY_BYTES: usize = 64 << 10;

/// A data file over this is written by itself; there is place in memory and on the disk for so many smaller ones as are written
/// together.
const SMALL_FILE_BYTES: u64 = 4 << 20;

/// How often another run may end or begin while this one looks whose package is under way.
const CHANGES_MAX: u32 = 32;

/// What a package is made from.
pub(crate) struct Contents<'a> {
    pub(crate) request: &'a Request,
    pub(crate) selector: SelectorIndex,
    pub(crate) format: Format,
    pub(crate) sources: &'a [Source],
    pub(crate) spool: &'a Arc<Spool>,
    /// What was searched of each of `sources` that was, by its index.
    pub(crate) searched: Vec<(usize, lacuna_export::manifest::Source)>,
    pub(crate) excluded: Vec<Excluded>,
    pub(crate) complete: bool,
}

/// A package whose large files are written, and whose small ones are to be.
#[derive(Debug)]
pub(crate) struct Volume {
    /// Its path in the store.
    pub(crate) root: String,
    files: Vec<NewBlob>,
    /// Where some of the files are until then.
    temporary: Vec<TempPath>,
    /// The file that says that all others are there, if nothing is missing in them.
    success: Option<NewBlob>,
    /// What keeps others from writing another package of the same name meanwhile.
    claim: Option<BlobInfo>,
    /// Files of an earlier try, which are not its own.
    stale: Vec<BlobInfo>,
}

/// What is at the place of a request's package.
pub(crate) enum Place {
    /// Nothing that counts: what keeps others from it until the package is published, and files that an earlier try left.
    Free(Option<BlobInfo>, Vec<BlobInfo>),
    /// The package, complete, at this path: it was handed out.
    Taken(String),
}

/// Where packages go, and who signs them.
pub(crate) struct Press<'a> {
    pub(crate) shop: &'a Workshop,
    pub(crate) store: &'a dyn Store,
    pub(crate) key: &'a SigningKey,
}

impl Press<'_> {
    /// Writes what is left of these packages: first all that they hold, and once that is there for good, that they are complete.
    pub(crate) async fn publish(&self, mut volumes: Vec<&mut Volume>) -> Result<(), Error> {
        let files = volumes.iter_mut().flat_map(|volume| volume.files.drain(..)).collect();
        commit::publish_all(self.store, files).await.map_err(|source| self.unwritten(source))?;
        volumes.iter_mut().for_each(|volume| volume.temporary.clear());
        for stale in volumes.iter_mut().flat_map(|volume| volume.stale.drain(..)) {
            commit::drop_record(self.store, &stale).await.map_err(|source| self.unwritten(source))?;
            // No manifest names it any more.
            commit::remove_copies(self.store, &stale.path).await.map_err(|source| self.unwritten(source))?;
        }
        let successes = volumes.iter_mut().filter_map(|volume| volume.success.take()).collect();
        commit::publish_all(self.store, successes).await.map_err(|source| self.unwritten(source))?;
        for claim in volumes.iter_mut().filter_map(|volume| volume.claim.take()) {
            commit::drop_record(self.store, &claim).await.map_err(|source| self.unwritten(source))?;
        }
        Ok(())
    }

    /// Looks whether the request's package is there already, and where somebody chose the request's id, claims its place: a run of the same
    /// person's may go on where another was killed, and nobody else's. Ids that say when they were made are nobody else's.
    pub(crate) async fn place(&self, request: &Request) -> Result<Place, Error> {
        let is_chosen = request.id.time().is_none();
        let claim = if is_chosen { Some(self.claim(request).await?) } else { None };
        let package = package_of(request);
        let listed = self.store.list(&package.path("")).try_collect::<Vec<_>>().await.map_err(unread)?;
        let is_finished = listed.iter().any(|file| file.path.as_str() == package.path(package::SUCCESS));
        match (is_finished, claim) {
            (false, claim) => Ok(Place::Free(claim, listed)),
            (true, None) => Ok(Place::Taken(package.root().to_owned())),
            (true, Some(claim)) => {
                commit::drop_record(self.store, &claim).await.map_err(|source| self.unwritten(source))?;
                Err(self.is_there(package.root()))
            }
        }
    }

    async fn claim(&self, request: &Request) -> Result<BlobInfo, Error> {
        let package = package_of(request);
        let path = blob_path(&package.path(package::STARTED))?;
        let person = Bytes::from(seal::subject_hash(self.key, &request.selector.identifiers));
        let mut changes = 0;
        loop {
            match commit::create(self.store, &path, Content::Bytes(person.clone()), "text/plain").await {
                Ok(claim) => return Ok(claim),
                Err(error) if error.kind == ErrorKind::AlreadyExists => {}
                Err(source) => return Err(self.unwritten(source)),
            }
            let read = async {
                let claim = self.store.head(&path).await?;
                // What is longer is somebody else's all the same.
                let length = claim.size.min(person.len() as u64 + 1);
                self.store.read(&path, 0..length, &claim.etag).await.map(|bytes| (claim, bytes))
            };
            match read.await {
                Ok((claim, bytes)) if bytes == person => return Ok(claim),
                Ok(_) => {
                    return Err(Error::Configuration(format!(
                        "a package of somebody else is being written at {}/{}: choose another request id",
                        self.store.url(),
                        package.root(),
                    )));
                }
                // The other run has just ended.
                Err(error)
                    if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Changed) && changes < CHANGES_MAX =>
                {
                    changes += 1;
                }
                Err(source) => return Err(unread(source)),
            }
        }
    }

    /// Makes the package, in whose place earlier tries have `left` files.
    pub(crate) async fn print(&self, contents: Contents<'_>, left: Vec<BlobInfo>) -> Result<Volume, Error> {
        let Contents { request, format, .. } = contents;
        let tenant = request.selector.tenant.as_ref().map(|tenant| tenant.as_str().to_owned());
        let package = package_of(request);
        let mut volume = Volume::written(package.root().to_owned());
        let mut files = self.data_files(&package, &contents, &mut volume).await?;

        let mut kinds: Vec<String> =
            request.selector.identifiers.iter().map(|identifier| identifier.kind.to_string()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let info = RequestInfo {
            version: lacuna_export::manifest::VERSION,
            request: request.id.to_string(),
            tenant: tenant.clone(),
            request_type: "export".into(),
            requested_at: request.id.time(),
            started_at: None,
            finished_at: None,
            window: None,
            identifier_kinds: kinds,
            tool: engine::TOOL.into(),
            format,
        };
        let info_json = info.to_json().map_err(broken)?;
        files.push(volume.add(&package, package::REQUEST_INFO, info_json, "application/json")?);
        let mut manifest = Manifest {
            version: lacuna_export::manifest::VERSION,
            request: info.request.clone(),
            tenant,
            request_type: info.request_type.clone(),
            tool: info.tool.clone(),
            format,
            complete: contents.complete,
            records: files.iter().filter_map(|file| file.records).sum(),
            files,
            sources: contents.searched.into_iter().map(|(_, source)| source).collect(),
            excluded: contents.excluded,
        };
        let page = readme::render(&info, &manifest).into_bytes();
        manifest.files.push(volume.add(&package, package::README, page, "text/html; charset=utf-8")?);

        let own = [package::MANIFEST, package::MANIFEST_SIGNATURE, package::STARTED];
        let own = own.into_iter().chain(manifest.files.iter().map(|file| file.path.as_str()));
        let own: HashSet<String> = own.map(|file| package.path(file)).collect();
        volume.stale = left.into_iter().filter(|file| !own.contains(file.path.as_str())).collect();
        let manifest = manifest.to_json().map_err(broken)?;
        let signature = seal::sign(self.key, MANIFEST_TYPE, &manifest).into_bytes();
        volume.add(&package, package::MANIFEST, manifest, "application/json")?;
        volume.add(&package, package::MANIFEST_SIGNATURE, signature, "application/jose")?;
        if contents.complete {
            volume.success = Some(new_blob(&package, package::SUCCESS, Content::Bytes(Bytes::new()), "text/plain")?);
        }
        Ok(volume)
    }

    /// Refuses a request whose package is there and complete already: it was handed out.
    pub(crate) async fn check_absent(&self, request: &Request) -> Result<(), Error> {
        let package = package_of(request);
        let path = blob_path(&package.path(package::SUCCESS))?;
        match self.store.head(&path).await {
            Ok(_) => Err(self.is_there(package.root())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(unread(source)),
        }
    }

    fn is_there(&self, path: &str) -> Error {
        let url = self.store.url();
        Error::Configuration(format!("a finished package is at {url}/{path} already: choose another request id"))
    }

    async fn data_files(
        &self,
        package: &Package,
        contents: &Contents<'_>,
        volume: &mut Volume,
    ) -> Result<Vec<File>, Error> {
        let searched = contents.searched.iter().map(|(index, _)| &contents.sources[*index]);
        let layout = package::data_files(searched.map(|source| (source.product.as_str(), source.data_type.as_str())));
        let mut files = Vec::new();
        for file in layout {
            let sources: Vec<usize> = file.sources.iter().map(|&at| contents.searched[at].0).collect();
            let Some(lines) = contents.spool.lines(&sources, contents.selector) else { continue };
            files.extend(self.data_file(package, &file.stem, contents.format, lines, volume).await?);
        }
        Ok(files)
    }

    /// Writes one data file, in as many parts as it needs, or puts it into the volume.
    async fn data_file(
        &self,
        package: &Package,
        stem: &str,
        format: Format,
        lines: Lines,
        volume: &mut Volume,
    ) -> Result<Vec<File>, Error> {
        let staging = self.shop.staging(self.store).map_err(Error::no_staging)?.to_owned();
        let mut parts = Parts { format, encoder: None, reader: None, lines, staging };
        let mut files = Vec::new();
        loop {
            let (back, part) = self
                .shop
                .cpu
                .run(move || {
                    let part = parts.next();
                    (parts, part)
                })
                .await
                .map_err(|_| Error::Defect("the encoder of a data file"))?;
            parts = back;
            let part = part?;
            let number = (part.more || !files.is_empty()).then(|| u32::try_from(files.len() + 1).unwrap_or(u32::MAX));
            let path = package::data_file(stem, format, number);
            match part.written {
                Written::Memory(bytes) => {
                    let content = Content::Bytes(bytes.into());
                    volume.files.push(new_blob(package, &path, content, format.media_type())?);
                }
                Written::File(file) if part.bytes <= SMALL_FILE_BYTES => {
                    let content = Content::File(file.path().to_owned());
                    volume.files.push(new_blob(package, &path, content, format.media_type())?);
                    volume.temporary.push(file.into_temp_path());
                }
                Written::File(file) => {
                    let content = Content::File(file.path().to_owned());
                    let blob = blob_path(&package.path(&path))?;
                    let written = commit::publish(self.store, &blob, content, format.media_type()).await;
                    written.map_err(|source| self.unwritten(source))?;
                }
            }
            files.push(File { path, bytes: part.bytes, sha256: part.sha256, records: Some(part.records) });
            if !part.more {
                return Ok(files);
            }
        }
    }

    fn unwritten(&self, source: lacuna_store::Error) -> Error {
        Error::Store { what: format!("a package cannot be written to {}", self.store.url()), source }
    }
}

impl Volume {
    /// The package at `root`, of which nothing is left to write.
    pub(crate) fn written(root: String) -> Self {
        Self { root, files: Vec::new(), temporary: Vec::new(), success: None, claim: None, stale: Vec::new() }
    }

    /// The same, with what is removed once it is published.
    pub(crate) fn claimed(self, claim: Option<BlobInfo>) -> Self {
        Self { claim, ..self }
    }

    /// Adds a file that describes others.
    fn add(&mut self, package: &Package, path: &str, bytes: Vec<u8>, media_type: &'static str) -> Result<File, Error> {
        let sha256 = hex(&Sha256::digest(&bytes));
        let file = File { path: path.to_owned(), bytes: bytes.len() as u64, sha256, records: None };
        self.files.push(new_blob(package, path, Content::Bytes(bytes.into()), media_type)?);
        Ok(file)
    }
}

fn package_of(request: &Request) -> Package {
    Package::new(request.selector.tenant.as_ref().map(|tenant| tenant.as_str()), request.id.as_str())
}

fn new_blob(package: &Package, path: &str, content: Content, media_type: &'static str) -> Result<NewBlob, Error> {
    Ok(NewBlob { path: blob_path(&package.path(path))?, content, content_type: Some(media_type) })
}

fn blob_path(path: &str) -> Result<BlobPath, Error> {
    BlobPath::new(path).map_err(|error| Error::Configuration(format!("the package path {error}")))
}

fn unread(source: lacuna_store::Error) -> Error {
    Error::Store { what: "the export destination cannot be read".into(), source }
}

fn broken(error: lacuna_export::Error) -> Error {
    Error::Package(error)
}

/// Encodes a data file part by part.
struct Parts {
    format: Format,
    lines: Lines,
    encoder: Option<Encoder>,
    reader: Option<Box<dyn std::io::BufRead + Send>>,
    /// Where a part lies that is too large for memory, until the store takes it.
    staging: PathBuf,
}

struct Part {
    written: Written,
    bytes: u64,
    sha256: String,
    records: u64,
    more: bool,
}

impl Parts {
    fn next(&mut self) -> Result<Part, Error> {
        let lines = self.lines.clone();
        let mut open = || -> std::io::Result<Box<dyn std::io::BufRead>> { Ok(Box::new(lines.open())) };
        let encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::new(self.format, &mut open).map_err(broken)?,
        };
        let reader = self.reader.get_or_insert_with(|| Box::new(self.lines.open()));
        let mut written = Outgrown::new(MEMORY_BYTES, &self.staging);
        let mut out = Hashing::new(&mut written);
        let part = encoder.encode(reader.as_mut(), DATA_FILE_BYTES, &mut out).map_err(broken)?;
        let (bytes, sha256) = out.finish().map_err(Error::Temp)?;
        self.encoder = Some(encoder);
        let written = written.finish().map_err(Error::Temp)?;
        Ok(Part { written, bytes, sha256, records: part.records, more: part.more })
    }
}
