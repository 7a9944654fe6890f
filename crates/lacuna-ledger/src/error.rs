//! What can go wrong between a caller and the record.

use crate::Refusal;

/// A failed call. Holds no identifier, no key and no password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none of that id.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The claim was taken over by another worker, or has ended.
    #[error("the claim is no longer held")]
    Fenced,
    /// Others are writing; tried as often as is sensible.
    #[error("the ledger is busy")]
    Busy,
    /// The database cannot be reached, or the connection broke.
    #[error("the ledger is unavailable")]
    Unavailable(#[source] Cause),
    /// What is recorded cannot be what was written.
    #[error("the ledger is damaged: {0}")]
    Corrupt(&'static str),
    /// The key that something was encrypted with is not configured, or is another one.
    #[error("the key `{0}` does not open this")]
    Key(String),
    /// The configuration cannot be right.
    #[error("{0}")]
    Configuration(String),
    /// The database refused a statement.
    #[error("the ledger's database failed")]
    Database(#[source] Cause),
}

/// What the database said, without the values that it was given.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(pub(crate) String);

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether the same call may succeed later, with nothing changed.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Busy | Self::Unavailable(_) => true,
            Self::NotFound(_)
            | Self::Refused(_)
            | Self::Fenced
            | Self::Corrupt(_)
            | Self::Key(_)
            | Self::Configuration(_)
            | Self::Database(_) => false,
        }
    }
}
