//! Bloom filters: nothing can be taken out of one, so it is built again, in its old size, from the values that stay.

use bytes::Bytes;
use lacuna_scan::Limits;
use parquet::bloom_filter::Sbbf;

use super::footer::{Chunk, malformed};
use super::thrift::{Broken, Struct};
use crate::{Error, ReadAt, Result};

/// `BloomFilterHeader`.
mod header {
    pub(super) const NUM_BYTES: i16 = 1;
    pub(super) const ALGORITHM: i16 = 2;
    pub(super) const HASH: i16 = 3;
    pub(super) const COMPRESSION: i16 = 4;
}

/// More than any header takes.
const HEADER_MAX: u64 = 256;
/// The size of a block of the split block Bloom filter.
const BLOCK: u64 = 32;

/// How many bytes the filter at `offset` takes, for files that do not note it.
pub(super) fn length(input: &dyn ReadAt, offset: u64, end: u64) -> Result<u64> {
    if offset >= end {
        return Err(malformed(offset, Broken::End));
    }
    let bytes = input.read_at(offset..end.min(offset + HEADER_MAX))?;
    let (header, length) = Struct::read(&bytes).map_err(|broken| malformed(offset, broken))?;
    let bitset = header.size(header::NUM_BYTES).map_err(|broken| malformed(offset, broken))?;
    Ok(bitset.saturating_add(length as u64))
}

/// A column chunk's Bloom filter.
pub(super) struct Bloom {
    header: Bytes,
    bitset: Bytes,
}

impl Bloom {
    /// Reads the filter of `chunk`, if it has one.
    pub(super) fn read(input: &dyn ReadAt, chunk: &Chunk<'_>, limits: &Limits) -> Result<Option<Self>> {
        let Some(range) = chunk.bloom.clone() else { return Ok(None) };
        let offset = range.start;
        let broken = |broken| malformed(offset, broken);
        let size = range.end - range.start;
        lacuna_scan::Error::check_limit("a Bloom filter", size, limits.page_bytes_max as u64, "page_bytes_max")?;
        let bytes = input.read_at(range)?;
        let (header, length) = Struct::read(&bytes).map_err(broken)?;
        // Each of these is a union of which only the first case was ever specified.
        for union in [header::ALGORITHM, header::HASH, header::COMPRESSION] {
            if !header.inner(union).map_err(broken)?.is_some_and(|case| case.has(1)) {
                return Err(Error::Unfaithful("a Bloom filter is of an unknown kind".into()));
            }
        }
        let bitset = header.size(header::NUM_BYTES).map_err(broken)?;
        if bitset == 0 || bitset % BLOCK != 0 || bitset != size - length as u64 {
            return Err(broken(Broken::Wrong("a Bloom filter has another size than its header says")));
        }
        Ok(Some(Self { header: bytes.slice(..length), bitset: bytes.slice(length..) }))
    }

    /// The filter as it is.
    pub(super) fn filter(&self) -> Sbbf {
        Sbbf::new(&self.bitset)
    }

    /// A filter of the same size without any value.
    pub(super) fn empty(&self) -> Sbbf {
        Sbbf::new(&vec![0; self.bitset.len()])
    }

    /// The bytes of `filter`, which must have this one's size, as the file holds them.
    pub(super) fn encode(&self, filter: &Sbbf) -> Result<Vec<u8>> {
        let mut out = self.header.to_vec();
        let written = filter.write_bitset(&mut out);
        written.map_err(|source| Error::Parquet { place: "Bloom filter".into(), source })?;
        Ok(out)
    }
}
