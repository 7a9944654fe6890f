//! Why a package could not be made or read. No variant carries a record's content.

use std::{borrow::Cow, io};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A record is not the JSON object that it should be.
    #[error("a record is not a JSON object at its byte {offset}: {what}")]
    Record {
        /// Where, in bytes of the record's text.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A record nests deeper than [`NESTING_MAX`](crate::NESTING_MAX).
    #[error("a record nests deeper than {limit} levels")]
    Nesting {
        /// What is allowed.
        limit: usize,
    },
    /// An Arrow column or CSV row that cannot be rendered.
    #[error("a record cannot be rendered: {0}")]
    Unsupported(Cow<'static, str>),
    /// The records have more columns between them than a CSV file may have.
    #[error(
        "the records have too many columns for CSV (more than {columns_max}, or than {name_bytes_max} bytes of names)"
    )]
    Columns {
        /// How many columns a file may have.
        columns_max: usize,
        /// How many bytes their names may have together.
        name_bytes_max: usize,
    },
    /// A manifest or request info that is not one.
    #[error("{what} is not readable as such")]
    Document {
        /// Which document.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A manifest or request info of a version that this build does not know.
    #[error("{what} is of version {found}; this build reads version {known}")]
    Version {
        /// Which document.
        what: &'static str,
        /// Its version.
        found: u64,
        /// The version that is known here.
        known: u64,
    },
    /// Records could not be read back.
    #[error("rendered records could not be read")]
    Read(#[source] io::Error),
    /// A file of the package could not be read.
    #[error("a file of the package could not be read: `{path}`")]
    ReadFile {
        /// Its path in the package.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A data file could not be written.
    #[error("a data file could not be written")]
    Write(#[source] io::Error),
}

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
