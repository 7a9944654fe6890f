//! How far a job is: counters that the engine adds to and a caller reads when it likes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a running job. Cheap to add to, safe to read at any time.
#[derive(Debug, Default)]
pub struct Reporter {
    shards_listed: AtomicU64,
    bytes_listed: AtomicU64,
    shards_done: AtomicU64,
    bytes_done: AtomicU64,
    rows: AtomicU64,
    matched: AtomicU64,
    phase: Mutex<Phase>,
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Listing and searching shards.
    #[default]
    Search,
    /// Writing export packages.
    Package,
    /// Rewriting shards and checking them.
    Erase,
}

/// A reading of the counters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Shards found so far.
    pub shards_listed: u64,
    /// Their bytes.
    pub bytes_listed: u64,
    /// Shards worked through.
    pub shards_done: u64,
    /// The bytes of the shards that were passed so far.
    pub bytes_done: u64,
    /// Rows searched.
    pub rows: u64,
    /// Rows matched.
    pub matched: u64,
    /// What is being done.
    pub phase: Phase,
}

impl Reporter {
    /// The counters now.
    pub fn read(&self) -> Progress {
        Progress {
            shards_listed: self.shards_listed.load(Ordering::Relaxed),
            bytes_listed: self.bytes_listed.load(Ordering::Relaxed),
            shards_done: self.shards_done.load(Ordering::Relaxed),
            bytes_done: self.bytes_done.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            matched: self.matched.load(Ordering::Relaxed),
            phase: *self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    pub(crate) fn listed(&self, bytes: u64) {
        self.shards_listed.fetch_add(1, Ordering::Relaxed);
        self.bytes_listed.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn passed(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn searched(&self, rows: u64, matched: u64) {
        self.shards_done.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.matched.fetch_add(matched, Ordering::Relaxed);
    }

    pub(crate) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = phase;
    }
}
