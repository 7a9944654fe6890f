//! Why a shard could not be searched. No variant carries a record's content or an identifier.

use std::borrow::Cow;

/// What went wrong while a shard was searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not what the source says they are.
    #[error("is not {expected}: {reason}")]
    WrongFormat {
        /// The format that the source or the file's name names.
        expected: &'static str,
        /// What the bytes look like.
        reason: Cow<'static, str>,
    },
    /// The bytes end too early.
    #[error("is cut off: {what}")]
    Truncated {
        /// Where they end.
        what: Cow<'static, str>,
    },
    /// The bytes contradict their own format.
    #[error("is malformed at byte {offset}: {what}")]
    Malformed {
        /// Where, in bytes of the file (columnar) or of the decompressed text (lines).
        offset: u64,
        /// What is wrong there.
        what: Cow<'static, str>,
    },
    /// The shard is encrypted, whole or in a column that must be read.
    #[error("is encrypted: {what}")]
    Encrypted {
        /// Which part.
        what: Cow<'static, str>,
    },
    /// Quotes of a CSV hold lines together that look like records of their own.
    #[error(
        "line {line} begins a record of {lines} lines that each have as many fields as the header: if quotes are ordinary characters, \
         `csv = {{ quote = false }}`; if it is one record, `csv = {{ quote = true }}`"
    )]
    StrayQuote {
        /// Where the record begins, from 1.
        line: u64,
        /// How many lines it spans.
        lines: u64,
    },
    /// A mapped column is not in the shard.
    #[error("has no column `{column}`, which the source maps{}", pointed(column))]
    MissingColumn {
        /// The mapped path.
        column: String,
    },
    /// A mapped column is in no record of a JSON shard.
    #[error(
        "has no record with `{column}`, which the source maps: check its spelling, and whether the records lie in an array \
         (`records`); identifiers that whole shards may lack are `optional = true`"
    )]
    MissingKey {
        /// The mapped path.
        column: String,
    },
    /// A mapped column cannot hold an identifier.
    #[error("column `{column}` is {found}")]
    ColumnType {
        /// The mapped path.
        column: String,
        /// Its type, and what would be right.
        found: Cow<'static, str>,
    },
    /// A mapped column holds a float that a wanted number may have been rounded to, or another one.
    #[error(
        "column `{column}` holds a floating-point number that may stand for an identifier that is looked for, or for another one: rounded, \
         they cannot be told apart"
    )]
    Rounded {
        /// Its path.
        column: String,
    },
    /// The shard asks for more than the limits allow.
    #[error("{what} of {value} is over the limit of {limit} ({})", allowing(setting))]
    Limit {
        /// What is too large.
        what: &'static str,
        /// How large.
        value: u64,
        /// What is allowed.
        limit: u64,
        /// The key in `[limits]` that allows more.
        setting: &'static str,
    },
    /// The format allows it, and nothing here reads it.
    #[error("uses what this version does not read: {what}")]
    Unsupported {
        /// What that is.
        what: Cow<'static, str>,
    },
    /// Parquet bytes that cannot be decoded.
    #[error("cannot be decoded as Parquet ({place})")]
    Parquet {
        /// Row group and column, or the footer.
        place: String,
        /// The decoder's word on it.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// Arrow IPC bytes that cannot be decoded.
    #[error("cannot be decoded as Arrow IPC")]
    Arrow(#[source] arrow::error::ArrowError),
    /// The shard could not be read to its end; not the shard's fault.
    #[error("could not be read")]
    Read(#[source] std::io::Error),
    /// What was found could not be handed on; not the shard's fault.
    #[error("what was found could not be written")]
    Sink(#[source] std::io::Error),
}

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What to look at where a column is not there whose path may be meant as one name.
fn pointed(column: &str) -> &'static str {
    match column.contains('.') && !column.contains('"') {
        true => "; a name that has a point in it is mapped in quotes",
        false => "",
    }
}

impl Error {
    /// Bytes that contradict their format at `offset`.
    pub fn malformed(offset: u64, what: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed { offset, what: what.into() }
    }

    /// Fails when `value` is above `limit`.
    pub fn check_limit(what: &'static str, value: u64, limit: u64, setting: &'static str) -> Result<()> {
        if value > limit { Err(Self::Limit { what, value, limit, setting }) } else { Ok(()) }
    }
}

/// What allows more. A page, a record and a message have also a share of a run's memory.
fn allowing(setting: &str) -> String {
    let shared = matches!(setting, "page_bytes_max" | "record_bytes_max" | "message_bytes_max");
    let memory = if shared { ", and for each thread a quarter of its part of `--memory`" } else { "" };
    format!("`limits.{setting}`{memory}")
}
