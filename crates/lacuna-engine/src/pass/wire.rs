//! How what was found in a set is written: a header in JSON, then the bitmaps of rows, then the records, then a SHA-256 of it all.
//!
//! ```text
//! LACUNASET1 | u64 LE: bytes of the header | header | bitmaps, one behind the other | records | SHA-256
//! ```
//! Requests are known by id and by what they want, so it can be read for a job that has fewer of them by then.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;

use lacuna_scan::{Effort, Matches, SelectorIndex};
use lacuna_store::{BlobInfo, BlobPath, Etag};
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::found::{Counts, FoundShard, SetFound};
use crate::Job;
use crate::hashing::Hashing;
use crate::outcome::Problem;
use crate::package::spool::{Part, Runs};

const MAGIC: &[u8; 10] = b"LACUNASET1";

/// Bytes of the SHA-256 at the end.
pub(super) const SEAL_BYTES: u64 = 32;

#[derive(Serialize, Deserialize)]
struct Header {
    source: String,
    /// See [`requests`].
    requests: Vec<(String, bool)>,
    shards_listed: u64,
    shards_searched: u64,
    rows_scanned: u64,
    bytes_read: u64,
    bytes_decompressed: u64,
    pages_decoded: u64,
    rows_decoded: u64,
    matched: u64,
    shards: Vec<ShardLine>,
    stale: Vec<(String, String)>,
    problems: Vec<Problem>,
    records: Option<Runs>,
}

#[derive(Serialize, Deserialize)]
struct ShardLine {
    path: String,
    etag: String,
    size: u64,
    rows: u64,
    poisoned: u64,
    /// Whose bitmaps follow.
    selectors: Vec<SelectorIndex>,
}

/// Each request of a job, by selector: its id, and whether it exports.
pub(super) fn requests(job: &Job) -> Vec<(String, bool)> {
    job.requests.iter().map(|request| (request.id.to_string(), request.exports())).collect()
}

/// Writes what was found for a job with these `requests`.
pub(super) fn write(mut found: SetFound, requests: Vec<(String, bool)>, mut out: impl Write) -> io::Result<()> {
    let mut body = Hashing::new(&mut out);
    let counts = &found.counts;
    let (records, mut bytes) = found.records.as_mut().map(Part::read).transpose()?.unzip();
    let header = Header {
        source: found.source,
        requests,
        shards_listed: counts.shards,
        shards_searched: counts.shards_searched,
        rows_scanned: counts.rows_scanned,
        bytes_read: counts.bytes_read,
        bytes_decompressed: counts.effort.bytes_decompressed,
        pages_decoded: counts.effort.pages_decoded,
        rows_decoded: counts.effort.rows_decoded,
        matched: counts.matched,
        shards: found.shards.iter().map(ShardLine::of).collect(),
        stale: found.stale.into_iter().map(|(shard, etag)| (shard, etag.to_string())).collect(),
        problems: found.problems,
        records,
    };
    let header = serde_json::to_vec(&header)?;
    body.write_all(MAGIC)?;
    body.write_all(&(header.len() as u64).to_le_bytes())?;
    body.write_all(&header)?;
    for (_, rows) in found.shards.iter().flat_map(|shard| shard.matches.iter()) {
        rows.serialize_into(&mut body)?;
    }
    if let Some(bytes) = &mut bytes {
        io::copy(bytes, &mut body)?;
    }
    let seal = body.seal()?;
    out.write_all(&seal)?;
    out.flush()
}

/// Reads what was found, from bytes whose seal was [checked](sealed). Selectors become those of `job`.
pub(super) fn read(job: &Job, temp_dir: &Path, input: &mut impl Read, size: u64) -> io::Result<SetFound> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (mut magic, mut length) = ([0; MAGIC.len()], [0; 8]);
    input.read_exact(&mut magic)?;
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if magic != *MAGIC || length > size {
        return Err(wrong("it is no set's, or of another version"));
    }
    let mut header = Vec::new();
    input.take(length).read_to_end(&mut header)?;
    let header: Header = serde_json::from_slice(&header)?;
    let now: HashMap<(String, bool), SelectorIndex> = requests(job).into_iter().zip(0..).collect();
    let mapped: Vec<Option<SelectorIndex>> = header.requests.iter().map(|request| now.get(request).copied()).collect();
    if now.len() > mapped.iter().flatten().count() {
        return Err(wrong("it was not searched for all of the requests"));
    }
    let selector = |index: SelectorIndex| mapped.get(index as usize).copied().flatten();
    let mut shards = Vec::with_capacity(header.shards.len().min(1 << 16));
    for line in header.shards {
        let mut matches = Matches::default();
        for &written in &line.selectors {
            let rows = RoaringTreemap::deserialize_from(&mut *input)?;
            if let Some(selector) = selector(written)
                && !rows.is_empty()
            {
                matches.put(selector, rows);
            }
        }
        let path = BlobPath::new(line.path).map_err(|_| wrong("it names a shard that is none"))?;
        let info = BlobInfo { path, etag: Etag::new(&line.etag), size: line.size };
        if !matches.is_empty() {
            shards.push(FoundShard { info, rows: line.rows, poisoned: line.poisoned, matches });
        }
    }
    let records = match header.records {
        Some(runs) => Some(Part::restore(temp_dir, runs, input, selector)?),
        None => None,
    };
    let effort = Effort {
        bytes_decompressed: header.bytes_decompressed,
        pages_decoded: header.pages_decoded,
        rows_decoded: header.rows_decoded,
    };
    Ok(SetFound {
        source: header.source,
        counts: Counts {
            shards: header.shards_listed,
            shards_searched: header.shards_searched,
            rows_scanned: header.rows_scanned,
            bytes_read: header.bytes_read,
            effort,
            matched: header.matched,
        },
        shards,
        stale: header.stale.into_iter().map(|(shard, etag)| (shard, Etag::new(&etag))).collect(),
        problems: header.problems,
        records,
    })
}

/// Whether `input`, of `size` bytes, ends with the SHA-256 of what comes before.
pub(super) fn sealed(input: &mut impl Read, size: u64) -> io::Result<bool> {
    let Some(body) = size.checked_sub(SEAL_BYTES) else { return Ok(false) };
    let mut hashing = Hashing::new(io::sink());
    let copied = io::copy(&mut input.take(body), &mut hashing)?;
    let mut seal = Vec::new();
    input.read_to_end(&mut seal)?;
    Ok(copied == body && hashing.seal()?.as_slice() == seal)
}

impl ShardLine {
    fn of(shard: &FoundShard) -> Self {
        Self {
            path: shard.info.path.to_string(),
            etag: shard.info.etag.to_string(),
            size: shard.info.size,
            rows: shard.rows,
            poisoned: shard.poisoned,
            selectors: shard.matches.iter().map(|(selector, _)| selector).collect(),
        }
    }
}
