//! `[run]` and `[limits]`: what a run may use, what a shard may ask for, and what an erasure may touch.

use std::path::{Path, PathBuf};

use lacuna_engine::EraseLimits;
use lacuna_scan::Limits;

use super::document::{Entry, Problems, Table};

/// The least memory that a run gets along with, in bytes.
pub(crate) const MEMORY_MIN: u64 = 16 << 20;
/// The reads under way at a time of a run that says nothing.
pub(crate) const REQUESTS_DEFAULT: usize = 32;
/// The most threads, and the most reads under way at a time.
pub(crate) const PARALLEL_MAX: u64 = 1024;

/// The memory of a run that says nothing, in bytes: no less than 512 MiB, and for each thread as much as lets it read what writers
/// make by default (pages, records and messages take up to a quarter of it), on however many cores.
pub(crate) fn memory_default(threads: usize) -> u64 {
    (512 << 20).max((threads as u64).saturating_mul(128 << 20))
}

/// What a run may use, as far as the configuration says; arguments go before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunDefaults {
    /// Bytes that reads, decodes and writes may hold at a time.
    pub memory: Option<u64>,
    /// Threads that search.
    pub threads: Option<usize>,
    /// Reads under way at a time.
    pub requests: Option<usize>,
    /// Where temporary files go.
    pub temp_dir: Option<PathBuf>,
}

pub(super) fn read(entry: Option<Entry<'_>>, base: &Path, problems: &mut Problems<'_>) -> RunDefaults {
    let Some(mut table) = entry.and_then(|entry| entry.table("a table", problems)) else {
        return RunDefaults::default();
    };
    let mut parallel = |key| {
        let number = table.get(key).and_then(|entry| entry.number(1..=PARALLEL_MAX, problems));
        number.and_then(|number| usize::try_from(number).ok())
    };
    let threads = parallel("threads");
    let requests = parallel("requests");
    let memory = table.get("memory").and_then(|entry| entry.size(MEMORY_MIN..=u64::MAX, problems));
    let temp_dir = table.get("temp_dir").and_then(|entry| entry.words(problems)).map(|path| base.join(path));
    table.finish(problems);
    RunDefaults { memory, threads, requests, temp_dir }
}

pub(super) fn limits(entry: Option<Entry<'_>>, problems: &mut Problems<'_>) -> (Limits, EraseLimits) {
    // Named one by one, so that a limit that joins them cannot be forgotten here.
    let Limits {
        mut record_bytes_max,
        mut page_bytes_max,
        mut message_bytes_max,
        mut footer_bytes_max,
        mut nesting_max,
        mut columns_max,
        mut expansion_max,
    } = Limits::default();
    let mut erase = EraseLimits::default();
    if let Some(mut table) = entry.and_then(|entry| entry.table("a table", problems)) {
        erase = erase_limits(&mut table, problems);
        for (key, limit) in [
            ("record_bytes_max", &mut record_bytes_max),
            ("page_bytes_max", &mut page_bytes_max),
            ("message_bytes_max", &mut message_bytes_max),
            ("footer_bytes_max", &mut footer_bytes_max),
        ] {
            let size = table.get(key).and_then(|entry| entry.size(1..=1 << 40, problems));
            *limit = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(*limit);
        }
        for (key, limit, most) in [("nesting_max", &mut nesting_max, 1024), ("columns_max", &mut columns_max, 1 << 20)]
        {
            let number = table.get(key).and_then(|entry| entry.number(1..=most, problems));
            *limit = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(*limit);
        }
        let number = table.get("expansion_max").and_then(|entry| entry.number(1..=u64::MAX, problems));
        expansion_max = number.unwrap_or(expansion_max);
        table.finish(problems);
    }
    let limits = Limits {
        record_bytes_max,
        page_bytes_max,
        message_bytes_max,
        footer_bytes_max,
        nesting_max,
        columns_max,
        expansion_max,
    };
    (limits, erase)
}

/// Reads the limits of erasures out of `[limits]`.
fn erase_limits(table: &mut Table<'_>, problems: &mut Problems<'_>) -> EraseLimits {
    EraseLimits {
        max_rows: table.get("max_rows").and_then(|entry| entry.number(1..=u64::MAX, problems)),
        max_shards: table.get("max_shards").and_then(|entry| entry.number(1..=u64::MAX, problems)),
        max_share: table.get("max_share").and_then(|entry| entry.share(problems)),
        approved: None,
    }
}
