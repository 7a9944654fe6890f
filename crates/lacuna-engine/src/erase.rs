//! The erasure of one shard: rewritten beside the original, checked, put in its place, read back.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;

use lacuna_erase::{Change, ReadAt, Rewritten};
use lacuna_scan::{ColumnPath, Limits, Matcher, Matches};
use lacuna_store::{BlobInfo, Etag, Store};
use roaring::RoaringTreemap;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use crate::commit;
use crate::format::ShardFormat;
use crate::hashing::Hashing;
use crate::origin::{FileAt, Origin};
use crate::problem::ShardError;
use crate::seal::hex;
use crate::search::{Question, Workshop, search};
use crate::{EmptyShards, OnErase, Poison, RequestId, Source};

/// How often a shard that changes under the erasure is worked on again.
const ATTEMPTS_MAX: u32 = 3;

/// A shard with matches, as the search left it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) info: BlobInfo,
    pub(crate) format: ShardFormat,
    pub(crate) rows: u64,
    pub(crate) matches: Matches,
    pub(crate) poisoned: u64,
}

/// What an erasure did to a shard.
#[derive(Clone, Debug)]
pub(crate) struct Erased {
    pub(crate) etag_before: Etag,
    /// `None` when the shard was deleted, because no row was left.
    pub(crate) etag_after: Option<Etag>,
    pub(crate) sha256_before: String,
    pub(crate) sha256_after: Option<String>,
    pub(crate) rows_before: u64,
    pub(crate) rows_after: u64,
    pub(crate) matches: Matches,
}

/// What the erasure of a shard came to.
#[derive(Clone, Debug)]
pub(crate) enum Erasure {
    Done(Erased),
    /// Another version took the shard's place, and nobody's rows are in it.
    NothingLeft,
}

/// The erasure of shards of one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eraser<'a> {
    pub(crate) shop: &'a Workshop,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) source: &'a Source,
    /// Only the erasing selectors.
    pub(crate) question: &'a Question,
    pub(crate) request: &'a RequestId,
}

impl Eraser<'_> {
    /// Takes the matched rows out of the shard. When the shard changes meanwhile, its new version is searched and worked on.
    pub(crate) async fn erase(&self, mut target: Target, cancel: &CancellationToken) -> Result<Erasure, ShardError> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(&target).await {
                Err(error) if error.is_change() => {}
                Err(error) if error.is_gone() => return Ok(Erasure::NothingLeft),
                result => return result.map(Erasure::Done),
            }
            let info = match self.store.head(&target.info.path).await.map_err(ShardError::Store) {
                Err(error) if error.is_gone() => return Ok(Erasure::NothingLeft),
                result => result?,
            };
            let origin = Origin::Blob(self.store.clone(), info.clone());
            match search(self.shop, &origin, &target.format, self.question, None, cancel).await {
                Err(error) if error.is_change() => continue,
                Err(error) => return Err(error),
                Ok(answer) if answer.matches.is_empty() && answer.poisoned == 0 => return Ok(Erasure::NothingLeft),
                Ok(answer) => {
                    target = Target {
                        info,
                        rows: answer.rows,
                        matches: answer.matches,
                        poisoned: answer.poisoned,
                        ..target
                    };
                }
            }
        }
        Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
    }

    async fn attempt(&self, target: &Target) -> Result<Erased, ShardError> {
        if target.poisoned > 0 && self.source.poison == Poison::Refuse {
            return Err(ShardError::Refused(format!(
                "{} of its records are broken, and it is left as it is (`poison = \"keep\"` erases the others)",
                target.poisoned
            )));
        }
        let before = self.fetch(&target.info).await?;
        let (file, rewritten, sha256_before, sha256_after) = self.rewrite(target, before).await?;
        self.check(target, &file, rewritten).await?;

        if rewritten.rows_after == 0 && self.source.empty_shards == EmptyShards::Delete {
            commit::delete(self.store.as_ref(), &target.info).await.map_err(ShardError::Store)?;
            return Ok(self.erased(target, rewritten, sha256_before, None));
        }
        let operation = format!("{}-{}", self.request, &sha256_after[..16]);
        let (_, path) = file.keep().map_err(|error| ShardError::Temp(error.error))?;
        let committed = commit::replace(self.store.as_ref(), &target.info, path.clone(), operation).await;
        // The store moves the file away where it can; what it only copied, or refused, goes here.
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(ShardError::Temp(error)),
            _ => {}
        }
        let committed = committed.map_err(ShardError::Store)?;
        self.read_back(&committed, &sha256_after).await?;
        Ok(self.erased(target, rewritten, sha256_before, Some((committed.etag, sha256_after))))
    }

    fn erased(
        &self,
        target: &Target,
        rewritten: Rewritten,
        sha256_before: String,
        after: Option<(Etag, String)>,
    ) -> Erased {
        let (etag_after, sha256_after) = after.unzip();
        Erased {
            etag_before: target.info.etag.clone(),
            etag_after,
            sha256_before,
            sha256_after,
            rows_before: rewritten.rows_before,
            rows_after: rewritten.rows_after,
            matches: target.matches.clone(),
        }
    }

    /// The shard's bytes as a file: its own where it lies on this machine, else a copy.
    async fn fetch(&self, info: &BlobInfo) -> Result<FileAt, ShardError> {
        if let Some(path) = self.store.local_file(&info.path) {
            // Whether it still is the version that was searched is checked when it is replaced.
            return File::open(path).and_then(FileAt::new).map_err(ShardError::Temp);
        }
        let origin = Origin::Blob(self.store.clone(), info.clone());
        let mut file = tempfile::tempfile_in(&self.shop.temp_dir).map_err(ShardError::Temp)?;
        let (mut at, window) = (0, self.shop.budget.window);
        while at < info.size {
            let range = at..info.size.min(at + window);
            at = range.end;
            let loaded = self.shop.budget.load(&origin, range, &Default::default()).await?;
            let write = move || file.write_all(&loaded.bytes).map(|()| file);
            file = blocking(write).await?;
        }
        FileAt::new(file).map_err(ShardError::Temp)
    }

    /// Writes the shard without its rows to a new file, which stands where the store can move it from.
    async fn rewrite(
        &self,
        target: &Target,
        before: FileAt,
    ) -> Result<(NamedTempFile, Rewritten, String, String), ShardError> {
        let staging = self.store.staging_dir().unwrap_or(&self.shop.temp_dir);
        let file = NamedTempFile::new_in(staging).map_err(ShardError::Temp)?;
        let out = file.reopen().map_err(ShardError::Temp)?;
        let job = Rewrite {
            format: target.format.clone(),
            hits: target.matches.rows(),
            anonymize: self.anonymized_columns(),
            matcher: self.question.matcher.clone(),
            poison_keep: self.source.poison == Poison::Keep,
            limits: self.shop.limits,
        };
        let work = move || {
            let (hashed, written) = rayon::join(|| hash(&before), || job.run(&before, out));
            written.and_then(|(rewritten, after)| Ok((rewritten, hashed.map_err(ShardError::Temp)?, after)))
        };
        let (rewritten, sha256_before, sha256_after) = self.shop.cpu.run(work).await??;
        Ok((file, rewritten, sha256_before, sha256_after))
    }

    fn anonymized_columns(&self) -> Option<Vec<ColumnPath>> {
        let fields = self.source.mapping.identifiers.iter().flat_map(|rule| rule.fields());
        (self.source.on_erase == OnErase::Anonymize).then(|| fields.map(|field| field.column.clone()).collect())
    }

    /// Checks the new bytes before they take the old ones' place: they hold nobody's rows, and everybody else's.
    async fn check(&self, target: &Target, file: &NamedTempFile, rewritten: Rewritten) -> Result<(), ShardError> {
        let refuse = |why: String| Err(ShardError::Refused(format!("{why}; the shard was left as it is")));
        let hits = target.matches.rows().len();
        let gone = if self.source.on_erase == OnErase::Anonymize { 0 } else { hits };
        let counts = rewritten.rows_before == target.rows
            && rewritten.rows_changed == hits
            && rewritten.rows_after + gone == target.rows;
        if !counts {
            return refuse("the rewritten shard does not have the rows that it should".into());
        }
        let after = file.reopen().and_then(FileAt::new).map_err(ShardError::Temp)?;
        let origin = Origin::File(after.clone());
        let never = CancellationToken::new();
        let answer = search(self.shop, &origin, &target.format, self.question, None, &never).await?;
        if !answer.matches.is_empty() {
            return refuse("the rewritten shard still has rows of the subject".into());
        }
        if answer.rows != rewritten.rows_after || answer.poisoned != target.poisoned {
            return refuse("the rewritten shard reads back with other rows than were written".into());
        }
        let (format, matcher, limits) = (target.format.clone(), self.question.matcher.clone(), self.shop.limits);
        let residue = self.shop.cpu.run(move || residue(&format, &after, &matcher, &limits)).await??;
        match residue.first() {
            Some(place) => refuse(format!("an identifier would stay in {place}")),
            None => Ok(()),
        }
    }

    /// Reads the committed bytes back: they are the ones that were checked.
    async fn read_back(&self, committed: &BlobInfo, sha256: &str) -> Result<(), ShardError> {
        let origin = Origin::Blob(self.store.clone(), committed.clone());
        let mut hasher = Sha256::new();
        let (mut at, window) = (0, self.shop.budget.window);
        while at < committed.size {
            let range = at..committed.size.min(at + window);
            at = range.end;
            let loaded = self.shop.budget.load(&origin, range, &Default::default()).await?;
            hasher = self.shop.cpu.run(move || hasher.chain_update(&loaded.bytes)).await?;
        }
        if hex(&hasher.finalize()) == sha256 {
            Ok(())
        } else {
            Err(ShardError::Refused("the committed bytes read back differ from the checked ones".into()))
        }
    }
}

/// Where wanted values stay in a rewritten shard although no row holds them.
fn residue(format: &ShardFormat, file: &FileAt, matcher: &Matcher, limits: &Limits) -> Result<Vec<String>, ShardError> {
    let places = match format {
        ShardFormat::Parquet => lacuna_erase::parquet::residue(file, matcher, limits)?,
        ShardFormat::Arrow => lacuna_erase::ipc::residue(file, matcher, limits)?,
        // Text has no place for a value but its records.
        ShardFormat::Text(_) => Vec::new(),
    };
    Ok(places.into_iter().map(|residue| residue.place).collect())
}

/// What a rewrite needs to know.
struct Rewrite {
    format: ShardFormat,
    hits: RoaringTreemap,
    anonymize: Option<Vec<ColumnPath>>,
    matcher: Arc<Matcher>,
    poison_keep: bool,
    limits: Limits,
}

impl Rewrite {
    fn run(&self, before: &FileAt, out: File) -> Result<(Rewritten, String), ShardError> {
        let change = match &self.anonymize {
            Some(columns) => Change::Anonymize(columns),
            None => Change::Delete,
        };
        let mut out = Hashing::new(BufWriter::with_capacity(1 << 20, out));
        let (hits, limits) = (&self.hits, &self.limits);
        let rewritten = match &self.format {
            ShardFormat::Parquet => lacuna_erase::parquet::rewrite(before, hits, change, limits, &mut out)?,
            ShardFormat::Arrow => lacuna_erase::ipc::rewrite(before, hits, change, &self.matcher, limits, &mut out)?,
            ShardFormat::Text(format) => {
                let mut input = BufReader::with_capacity(1 << 20, Sequential { input: before, at: 0 });
                lacuna_erase::text::rewrite(&mut input, format, hits, change, self.poison_keep, limits, &mut out)?
            }
        };
        let (_, sha256) = out.finish().map_err(ShardError::Temp)?;
        Ok((rewritten, sha256))
    }
}

/// Reads a shard from its first byte to its last.
pub(crate) struct Sequential<'a> {
    pub(crate) input: &'a dyn ReadAt,
    pub(crate) at: u64,
}

impl Read for Sequential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.input.size().min(self.at + buffer.len() as u64);
        let bytes = self.input.read_at(self.at..end)?;
        self.at = end;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

/// The SHA-256 of a file.
fn hash(file: &FileAt) -> io::Result<String> {
    const PIECE: u64 = 1 << 20;
    let mut hasher = Sha256::new();
    let mut at = 0;
    while at < file.size() {
        let end = file.size().min(at + PIECE);
        hasher.update(&file.read_at(at..end)?);
        at = end;
    }
    Ok(hex(&hasher.finalize()))
}

/// Runs file I/O where it may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ShardError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ShardError::Panicked)?.map_err(ShardError::Temp)
}
