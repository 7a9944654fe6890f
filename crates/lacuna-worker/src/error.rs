//! Why a worker cannot go on.

/// Why a worker stopped in the middle of something. What it was at is in the ledger, and goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] lacuna_ledger::Error),
    /// The engine failed as a whole; what is wrong with single shards is in the requests.
    #[error(transparent)]
    Engine(#[from] lacuna_engine::Error),
}

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether another worker has taken over what this one was at: nothing is wrong then.
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(self, Self::Ledger(lacuna_ledger::Error::Fenced))
    }
}
