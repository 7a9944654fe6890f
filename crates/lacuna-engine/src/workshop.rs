//! What every piece of work on shards shares: processors, memory, limits, and places for temporary files.

use std::path::Path;
use std::sync::Arc;

use lacuna_scan::Limits;
use lacuna_store::{Scratch, Store};

use crate::cpu::{Cpu, blocking};
use crate::problem::ShardError;
use crate::read::origin::Budget;

/// What every piece of work on shards shares.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    pub(crate) cpu: Cpu,
    pub(crate) budget: Budget,
    pub(crate) limits: Limits,
    pub(crate) threads: usize,
    /// Requests to a store at a time.
    pub(crate) requests: usize,
    /// Where files with names go, in the directory for temporary files.
    pub(crate) scratch: Arc<Scratch>,
}

impl Workshop {
    /// Where files without names go, which nobody else can open.
    pub(crate) fn temp_dir(&self) -> &Path {
        self.scratch.parent()
    }

    /// Removes what killed runs left half written for `store`, or on their way to any: it may hold anybody's rows.
    pub(crate) async fn remove_leftovers(&self, store: &dyn Store) -> Result<(), ShardError> {
        store.remove_leftovers().await.map_err(ShardError::Store)?;
        let scratch = self.scratch.clone();
        blocking(move || Ok(scratch.clean())).await?.map_err(ShardError::Store)
    }

    /// Where files lie that `store` is to take: where it can move them from, if there is such a place.
    pub(crate) fn staging<'s>(&'s self, store: &'s dyn Store) -> Result<&'s Path, lacuna_store::Error> {
        store.staging_dir().map_or_else(|| self.scratch.directory(), Ok)
    }

    /// How many parts of a shard are worked on at a time: on this machine one for each thread; far away so many that threads do not
    /// wait for the network. The budget bounds what they hold.
    pub(crate) fn at_once(&self, is_near: bool) -> usize {
        if is_near { self.threads } else { self.threads.max(self.requests) }
    }

    /// How many shards are: on this machine twice as many as threads, because a shard that needs little of them waits between one piece of
    /// work and the next: finding a rare user in shards sorted by user shows it (`cargo xtask bench --cases find-rare:sorted`).
    pub(crate) fn shards_at_once(&self, is_near: bool) -> usize {
        if is_near { 2 * self.threads } else { self.at_once(false) }
    }
}
