//! The metadata at a Parquet file's end.

#![expect(clippy::cast_possible_truncation, reason = "usize has 64 bits")]

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use super::page::names_encryption;
use crate::{Error, Limits, Result};

/// How many bytes of a file's end to read first: most footers fit.
pub const TAIL_BYTES: u64 = 64 << 10;

/// Length and magic at the very end.
const TRAILER_BYTES: u64 = 8;

/// Some writers put fields of their own where the format has others; readers differ in whether they mind.
const UNREADABLE: &str = "its footer is damaged, or a field in it is of another type than the format says; if another tool reads \
                          the file, write it anew with that";

/// What a file's tail tells.
#[derive(Clone, Debug)]
pub enum Footer {
    /// The footer begins before the tail: ask again with this range.
    Needs(Range<u64>),
    /// The metadata, without page indexes.
    Ready(Arc<ParquetMetaData>),
}

/// Reads the metadata from `tail`, the last bytes of a file of `size` bytes.
pub fn footer(size: u64, tail: &Bytes, limits: &Limits) -> Result<Footer> {
    let wrong = |reason: &'static str| Error::WrongFormat { expected: "Parquet", reason: reason.into() };
    if size < TRAILER_BYTES + 4 {
        return Err(wrong("it is shorter than the shortest Parquet file"));
    }
    let Some((rest, trailer)) = tail.len().checked_sub(TRAILER_BYTES as usize).map(|at| tail.split_at(at)) else {
        return Ok(Footer::Needs(size - TAIL_BYTES.min(size)..size));
    };
    match &trailer[4..] {
        b"PAR1" => {}
        b"PARE" => return Err(Error::Encrypted { what: "the footer".into() }),
        _ => return Err(wrong("the magic bytes `PAR1` are not at its end")),
    }
    let length = u64::from(u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]));
    if length + TRAILER_BYTES + 4 > size {
        return Err(Error::Truncated { what: "its footer is said to be longer than the file".into() });
    }
    Error::check_limit("a footer", length, limits.footer_bytes_max as u64, "footer_bytes_max")?;
    let Some(start) = rest.len().checked_sub(length as usize) else {
        return Ok(Footer::Needs(size - TRAILER_BYTES - length..size));
    };
    if names_encryption(&rest[start..]) {
        return Err(Error::Encrypted { what: "columns below a readable footer".into() });
    }
    // Nothing asks for histograms of levels, which take two allocations for each column chunk.
    let options = ParquetMetaDataOptions::new().with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    let metadata = ParquetMetaDataReader::decode_metadata_with_options(&rest[start..], Some(&options))
        .map_err(|source| Error::Parquet { place: UNREADABLE.into(), source })?;
    let columns = metadata.file_metadata().schema_descr().num_columns() as u64;
    Error::check_limit("a schema", columns, limits.columns_max as u64, "columns_max")?;
    Ok(Footer::Ready(Arc::new(metadata)))
}
