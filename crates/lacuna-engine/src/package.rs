//! The export package of one request: data files from the spool, what describes them, and `_SUCCESS` last.

use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use lacuna_export::manifest::{Excluded, File, Manifest, RequestInfo};
use lacuna_export::{Encoder, Format, Package, package, readme};
use lacuna_scan::SelectorIndex;
use lacuna_store::{BlobPath, Content, Store};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::cpu::Cpu;
use crate::hashing::Hashing;
use crate::seal::{self, hex};
use crate::spool::{Lines, Spool};
use crate::{Error, Request, Source, commit, engine};

/// The `typ` of a manifest's signature.
pub(crate) const MANIFEST_TYPE: &str = "lacuna-manifest+json";

/// A data file is split when it has taken so many bytes of records.
const DATA_FILE_BYTES: u64 = 256 << 20;

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

/// Where packages go, and who signs them.
pub(crate) struct Press<'a> {
    pub(crate) cpu: &'a Cpu,
    pub(crate) temp_dir: &'a Path,
    pub(crate) store: &'a dyn Store,
    pub(crate) key: &'a SigningKey,
}

impl Press<'_> {
    /// Writes the package; answers with its path in the store.
    pub(crate) async fn publish(&self, contents: Contents<'_>) -> Result<String, Error> {
        let Contents { request, format, .. } = contents;
        let tenant = request.selector.tenant.as_ref().map(|tenant| tenant.as_str().to_owned());
        let package = Package::new(tenant.as_deref(), request.id.as_str());
        let mut files = self.data_files(&package, &contents).await?;

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
        files.push(self.small(&package, package::REQUEST_INFO, info_json, "application/json").await?);
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
        manifest.files.push(self.small(&package, package::README, page, "text/html; charset=utf-8").await?);

        let manifest = manifest.to_json().map_err(broken)?;
        let signature = seal::sign(self.key, MANIFEST_TYPE, &manifest).into_bytes();
        self.small(&package, package::MANIFEST, manifest, "application/json").await?;
        self.small(&package, package::MANIFEST_SIGNATURE, signature, "application/jose").await?;
        if contents.complete {
            self.small(&package, package::SUCCESS, Vec::new(), "text/plain").await?;
        }
        Ok(package.root().to_owned())
    }

    /// Refuses a request whose package is there and complete already: it was handed out.
    pub(crate) async fn check_absent(&self, request: &Request) -> Result<(), Error> {
        match self.finished(request).await? {
            None => Ok(()),
            Some(path) => Err(Error::Configuration(format!(
                "a finished package is at {}/{path} already: choose another request id",
                self.store.url(),
            ))),
        }
    }

    /// Where the request's package is, if it is there and complete.
    pub(crate) async fn finished(&self, request: &Request) -> Result<Option<String>, Error> {
        let package = Package::new(request.selector.tenant.as_ref().map(|tenant| tenant.as_str()), request.id.as_str());
        let path = blob_path(&package.path(package::SUCCESS))?;
        match self.store.head(&path).await {
            Ok(_) => Ok(Some(package.root().to_owned())),
            Err(error) if error.kind == lacuna_store::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Store { what: "the export destination cannot be read".into(), source }),
        }
    }

    async fn data_files(&self, package: &Package, contents: &Contents<'_>) -> Result<Vec<File>, Error> {
        let searched = contents.searched.iter().map(|(index, _)| &contents.sources[*index]);
        let layout = package::data_files(searched.map(|source| (source.product.as_str(), source.data_type.as_str())));
        let mut files = Vec::new();
        for file in layout {
            let sources: Vec<usize> = file.sources.iter().map(|&at| contents.searched[at].0).collect();
            let Some(lines) = contents.spool.lines(&sources, contents.selector) else { continue };
            files.extend(self.data_file(package, &file.stem, contents.format, lines).await?);
        }
        Ok(files)
    }

    /// Writes one data file, in as many parts as it needs.
    async fn data_file(&self, package: &Package, stem: &str, format: Format, lines: Lines) -> Result<Vec<File>, Error> {
        let mut parts = Parts { format, encoder: None, reader: None, lines, temp_dir: self.temp_dir.to_owned() };
        let mut files = Vec::new();
        loop {
            let (back, part) = self
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
            self.upload(package, &path, Content::File(part.file.path().to_owned()), format.media_type()).await?;
            files.push(File { path, bytes: part.bytes, sha256: part.sha256, records: Some(part.records) });
            if !part.more {
                return Ok(files);
            }
        }
    }

    async fn small(
        &self,
        package: &Package,
        path: &str,
        bytes: Vec<u8>,
        media_type: &'static str,
    ) -> Result<File, Error> {
        let file = File {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(&bytes)),
            records: None,
        };
        self.upload(package, path, Content::Bytes(bytes.into()), media_type).await?;
        Ok(file)
    }

    async fn upload(
        &self,
        package: &Package,
        path: &str,
        content: Content,
        media_type: &'static str,
    ) -> Result<(), Error> {
        let path = blob_path(&package.path(path))?;
        let written = commit::publish(self.store, &path, content, media_type).await;
        written.map(drop).map_err(|source| Error::Store {
            what: format!("the package cannot be written to {}", self.store.url()),
            source,
        })
    }
}

fn blob_path(path: &str) -> Result<BlobPath, Error> {
    BlobPath::new(path).map_err(|error| Error::Configuration(format!("the package path {error}")))
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
    temp_dir: std::path::PathBuf,
}

struct Part {
    file: NamedTempFile,
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
        let file = NamedTempFile::new_in(&self.temp_dir).map_err(Error::Temp)?;
        let mut out = Hashing::new(BufWriter::with_capacity(256 << 10, file.reopen().map_err(Error::Temp)?));
        let part = encoder.encode(reader.as_mut(), DATA_FILE_BYTES, &mut out).map_err(broken)?;
        let (bytes, sha256) = out.finish().map_err(Error::Temp)?;
        self.encoder = Some(encoder);
        Ok(Part { file, bytes, sha256, records: part.records, more: part.more })
    }
}
