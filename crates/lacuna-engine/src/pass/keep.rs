//! Where what was found in a set waits until its pass is finished: below `_lacuna/passes/`, beside the logs that it is of.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _};

use bytes::Bytes;
use futures::TryStreamExt as _;
use lacuna_store::{BlobInfo, BlobPath, Content, ErrorKind};
use tempfile::NamedTempFile;

use super::found::SetFound;
use super::{Pass, wire};
use crate::cpu::blocking;
use crate::engine::Engine;
use crate::plan::OWN_PREFIX;
use crate::problem::{ShardError, chain};
use crate::read::whole::{copied, read_record};
use crate::{Error, Job, commit};

impl Pass<'_> {
    /// Keeps what was found in set `set` of the pass `pass`; answers with where. What another worker has kept of the same set counts as
    /// well, and stays.
    pub async fn keep(&self, pass: &str, set: &str, found: SetFound) -> Result<String, Error> {
        let path = blob_path(format!("{}{set}", folder(pass)))?;
        let failed = |source| Error::Store { what: "what was found cannot be kept".into(), source };
        let store = self.engine.settings.store.as_ref();
        let staging = self.engine.shop.staging(store).map_err(Error::no_staging)?;
        let file = NamedTempFile::new_in(staging).map_err(Error::Temp)?;
        let requests = wire::requests(self.job);
        let write = move || wire::write(found, requests, BufWriter::with_capacity(1 << 20, &file)).map(|()| file);
        let file = blocking(write).await.map_err(|_| Error::Defect("writing what was found"))?;
        let content = Content::File(file.path().to_owned());
        match commit::create_private(store, &path, content).await {
            Err(error) if error.kind != ErrorKind::AlreadyExists => Err(failed(error)),
            _ => Ok(path.to_string()),
        }
    }
}

impl Engine {
    /// What was kept at `path`, as far as it is about the requests of `job`.
    pub async fn load(&self, job: &Job, path: &str) -> Result<SetFound, Error> {
        let store = &self.settings.store;
        let failed = |source| Error::Store { what: "what was found cannot be read".into(), source };
        let broken = |reason: String| Error::Kept { path: path.to_owned(), reason };
        let info = store.head(&blob_path(path.to_owned())?).await.map_err(failed)?;
        let mut file = copied(&self.shop, store, &info).await.map_err(|error| match error {
            ShardError::Store(source) => failed(source),
            ShardError::Temp(error) => Error::Temp(error),
            error => broken(chain(&error)),
        })?;
        let size = info.size;
        let sealed = move || {
            file.rewind()?;
            let is_sealed = wire::sealed(&mut BufReader::with_capacity(1 << 20, &file), size)?;
            file.rewind()?;
            Ok((file, is_sealed))
        };
        let (file, is_sealed): (File, bool) = blocking(sealed).await.map_err(|error| broken(error.to_string()))?;
        if !is_sealed {
            return Err(broken("it is not as it was written".into()));
        }
        let mut input = BufReader::with_capacity(1 << 20, file);
        wire::read(job, self.shop.temp_dir(), &mut input, size).map_err(|error| broken(error.to_string()))
    }

    /// Removes all that was kept of a pass, once it has ended, and what the store keeps of that: it holds personal data. What the store does
    /// not let go, a warning tells.
    pub async fn forget_pass(&self, pass: &str) -> Result<(), Error> {
        let store = self.settings.store.as_ref();
        let failed = |source| Error::Store { what: "what a pass kept cannot be removed".into(), source };
        let kept: Vec<BlobInfo> = store.list(&folder(pass)).try_collect().await.map_err(failed)?;
        if store.is_here() {
            // A file of this machine leaves nothing.
            for info in &kept {
                commit::drop_record(store, info).await.map_err(failed)?;
            }
            return Ok(());
        }
        if kept.is_empty() {
            return Ok(());
        }
        let names = match self.names(blob_path(format!("{}{NAMES}", folder(pass)))?, &kept).await {
            // Another worker is at it.
            Err(error) if matches!(error.kind, ErrorKind::AlreadyExists | ErrorKind::Changed) => return Ok(()),
            names => names.map_err(failed)?,
        };
        for info in kept.iter().filter(|info| info.path != names.list.path) {
            commit::drop_record(store, info).await.map_err(failed)?;
        }
        let Names { list, paths } = names;
        let mut left = 0;
        for path in &paths {
            left += u64::from(!commit::remove_copies(store, path).await.map_err(failed)?);
        }
        if left > 0 {
            tracing::warn!(pass, files = left, "the store keeps old bytes of what a pass found");
        }
        commit::drop_record(store, &list).await.map_err(failed)
    }

    /// What was kept of a pass, also what a removal that was killed has deleted: written down before anything is, for nothing else names
    /// what the store keeps of that.
    async fn names(&self, path: BlobPath, kept: &[BlobInfo]) -> lacuna_store::Result<Names> {
        let store = self.settings.store.as_ref();
        let there = kept.iter().find(|info| info.path == path);
        let named = match there {
            Some(info) => read_record(store, info).await?,
            None => Bytes::new(),
        };
        let named = String::from_utf8_lossy(&named).into_owned();
        let mut paths: BTreeSet<BlobPath> = named.lines().filter_map(|line| BlobPath::new(line).ok()).collect();
        paths.extend(kept.iter().filter(|info| info.path != path).map(|info| info.path.clone()));
        let text: String = paths.iter().flat_map(|path| [path.as_str(), "\n"]).collect();
        let list = commit::keep(store, &path, there, Content::Bytes(text.into())).await?;
        Ok(Names { list, paths })
    }

    /// The passes of which anything is kept.
    pub async fn kept_passes(&self) -> Result<Vec<String>, Error> {
        let store = self.settings.store.as_ref();
        let failed = |source| Error::Store { what: "what passes kept cannot be listed".into(), source };
        let (mut passes, all) = (Vec::new(), format!("{OWN_PREFIX}passes/"));
        let mut listing = store.list(&all);
        while let Some(info) = listing.try_next().await.map_err(failed)? {
            let pass = info.path.as_str()[all.len()..].split('/').next().unwrap_or_default();
            if passes.last().is_none_or(|last| last != pass) {
                passes.push(pass.to_owned());
            }
        }
        Ok(passes)
    }
}

/// What was kept of a pass that is being forgotten.
struct Names {
    /// Where the names are written down.
    list: BlobInfo,
    paths: BTreeSet<BlobPath>,
}

/// No set is called so.
const NAMES: &str = "forgotten.txt";

fn folder(pass: &str) -> String {
    format!("{OWN_PREFIX}passes/{pass}/")
}

fn blob_path(path: String) -> Result<BlobPath, Error> {
    BlobPath::new(path).map_err(|error| Error::Configuration(format!("the place for what was found {error}")))
}
