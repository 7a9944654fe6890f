//! The engine: stores, keys and budgets, and the one function that runs a job from its plan to its outcome.

use std::path::PathBuf;
use std::sync::Arc;

use lacuna_scan::{Epochs, Limits};
use lacuna_store::{BlobPath, Scratch, Store};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::cpu::Cpu;
use crate::read::origin::Budget;
use crate::receipt::seal::hex;
use crate::workshop::Workshop;
use crate::{Holds, Job, Outcome, Reporter, Source};

/// What manifests and receipts say made them.
pub(crate) const TOOL: &str = concat!("lacuna ", env!("CARGO_PKG_VERSION"));

/// What a job runs with.
#[derive(Debug)]
pub struct Settings {
    /// Where the shards are.
    pub store: Arc<dyn Store>,
    /// Where packages go; needed by jobs that export.
    pub export: Option<Arc<dyn Store>>,
    /// The pseudonym keys.
    pub epochs: Epochs,
    /// The key that signs manifests and receipts; needed by jobs that export or erase.
    pub signing_key: Option<ed25519_dalek::SigningKey>,
    /// What must not leave the bytes now.
    pub holds: Arc<dyn Holds>,
    /// What a shard may ask for.
    pub limits: Limits,
    /// Bytes that reads, decodes and writes may hold at a time.
    pub memory: u64,
    /// Threads that search.
    pub threads: usize,
    /// Reads under way at a time.
    pub requests: usize,
    /// Where temporary files go; the system's place for them when absent.
    pub temp_dir: Option<PathBuf>,
}

/// Runs jobs.
#[derive(Debug)]
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) shop: Workshop,
}

/// Why a job could not run at all. What is wrong with single shards is in the [`Outcome`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something in the job or the settings cannot be right.
    #[error("{0}")]
    Configuration(String),
    /// A source cannot be searched for these requests.
    #[error("source `{name}`")]
    Source {
        /// The source.
        name: String,
        /// Why.
        #[source]
        source: lacuna_scan::MatcherError,
    },
    /// A store failed as a whole, or the destination could not be written.
    #[error("{what}")]
    Store {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: lacuna_store::Error,
    },
    /// A package could not be made from what was found.
    #[error("the package cannot be made")]
    Package(#[source] lacuna_export::Error),
    /// What a worker kept of its search cannot be used.
    #[error("{path}: what was found in a set of shards cannot be used: {reason}")]
    Kept {
        /// Where it lies.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A temporary file could not be written.
    #[error("cannot write temporary files")]
    Temp(#[source] std::io::Error),
    /// One shard could not be read; for calls that are about one shard only.
    #[error("{shard}: {reason}")]
    Shard {
        /// The shard's path.
        shard: String,
        /// Why.
        reason: String,
    },
    /// Something that should not happen did.
    #[error("failed in an unforeseen way: {0}")]
    Defect(&'static str),
}

impl Error {
    /// Nothing can be written down for a store to take.
    pub(crate) fn no_staging(source: lacuna_store::Error) -> Self {
        Self::Store { what: "the place for temporary files cannot be made".into(), source }
    }

    /// Tombstones, intents or what became of them could not be listed.
    pub(crate) fn hidden_unlisted(source: lacuna_store::Error) -> Self {
        Self::Store { what: "what is hidden cannot be listed".into(), source }
    }
}

/// The least memory that a run can do with.
const MEMORY_MIN: u64 = 16 << 20;

impl Engine {
    /// An engine with these settings.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if settings.memory < MEMORY_MIN {
            return Err(Error::Configuration(format!("the memory limit is below {} MiB", MEMORY_MIN >> 20)));
        }
        let threads = settings.threads.max(1);
        let cpu = Cpu::new(threads).map_err(|_| Error::Defect("the threads that search cannot be started"))?;
        let temp_dir = settings.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        if !temp_dir.is_dir() {
            let place = temp_dir.display();
            return Err(Error::Configuration(format!(
                "{place} is no folder, and temporary files go there (`--temp-dir`, `[run] temp_dir`, or the variable `TMPDIR`)"
            )));
        }
        // No single page, record or message may take more than its share of the memory.
        let share = usize::try_from(settings.memory / 4 / threads as u64).unwrap_or(usize::MAX);
        let mut limits = settings.limits;
        limits.page_bytes_max = limits.page_bytes_max.min(share);
        limits.record_bytes_max = limits.record_bytes_max.min(share);
        limits.message_bytes_max = limits.message_bytes_max.min(share);
        let budget = Budget::new(settings.memory, threads, settings.requests);
        let requests = settings.requests.max(1);
        let scratch = Arc::new(Scratch::new(temp_dir));
        let shop = Workshop { cpu, budget, limits, threads, requests, scratch };
        Ok(Self { settings, shop })
    }

    /// What tells a search of this source from one that takes its shards for something else, by another mapping, or with other pseudonym keys:
    /// what the one did not find, the other may.
    pub fn search_of(&self, source: &Source) -> String {
        let how = format!("{:?} {:?}", source.format, source.mapping);
        let parts = Sha256::new().chain_update(self.settings.epochs.fingerprint()).chain_update(how);
        hex(&parts.finalize()[..8])
    }

    /// Runs `job` to its end, or until `cancel` asks to stop: then what was begun is finished or left as it was, and the
    /// outcome says `interrupted`. `reporter` counts meanwhile.
    pub async fn run(&self, job: Job, reporter: &Reporter, cancel: &CancellationToken) -> Result<Outcome, Error> {
        self.pass(&job, reporter, cancel)?.run().await
    }
}

/// Where `path` lies in `store`, in words that a person can use: a path on this disk, or a URL.
pub(crate) fn location(store: &dyn Store, path: &str) -> String {
    let local = BlobPath::new(path).ok().and_then(|path| store.local_file(&path));
    match local {
        Some(file) => file.display().to_string(),
        None => format!("{}/{path}", store.url().trim_end_matches('/')),
    }
}
