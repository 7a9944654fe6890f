//! Matched rows out of a shard's bytes: the tombstone that hides them, and the rewritten shard. Knows no I/O.

mod copied;
mod input;
pub mod ipc;
mod metadata;
pub mod parquet;
pub mod text;
pub mod tombstone;

pub use copied::Copied;
pub use input::{ReadAt, Sequential};

use lacuna_scan::ColumnPath;

/// What happens to the matched rows.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// They go.
    Delete,
    /// They stay; all values at these columns become null, or empty where the column cannot be null.
    Anonymize(&'a [ColumnPath]),
}

/// What a rewrite did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Rows in the shard before.
    pub rows_before: u64,
    /// Rows in it after.
    pub rows_after: u64,
    /// Rows deleted or made anonymous.
    pub rows_changed: u64,
    /// Of the columns that were to be [noted](text::Edit::noted), those that one of these rows held.
    pub held: Vec<ColumnPath>,
    /// Long stretches of the new bytes that were copied from the old ones, in their order.
    pub copied: Vec<Copied>,
}

/// What was proved of the rows that stay, from a shard's old and new bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivors {
    /// How many they are.
    pub rows: u64,
    /// XXH3 (128 bits) over the values that had to be decoded to compare them, in their order; all else was the same bytes.
    pub hash: u128,
}

/// A place where a shard still holds a wanted value that no row has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Residue {
    /// Where it is, in words; never the value.
    pub place: String,
}

/// Why a shard could not be rewritten or its rows not be hidden. Never carries a record's content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The shard cannot be read.
    #[error(transparent)]
    Scan(#[from] lacuna_scan::Error),
    /// Parquet bytes that cannot be read or written.
    #[error("cannot be rewritten as Parquet ({place})")]
    Parquet {
        /// Row group and column, or the footer.
        place: String,
        /// What the codec says.
        #[source]
        source: ::parquet::errors::ParquetError,
    },
    /// Arrow IPC bytes that cannot be read or written.
    #[error("cannot be rewritten as Arrow IPC")]
    Arrow(#[source] arrow::error::ArrowError),
    /// What the shard holds cannot be written back as it was.
    #[error("cannot be rewritten faithfully: {0}")]
    Unfaithful(String),
    /// A tombstone cannot be read or written; nothing may be concluded about which rows are hidden.
    #[error("the tombstone cannot be used")]
    Tombstone(#[from] tombstone::Fault),
    /// Reading or writing failed.
    #[error("cannot be read or written")]
    Io(#[from] std::io::Error),
}

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
