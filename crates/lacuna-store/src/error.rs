//! What can go wrong between here and the bytes.

use crate::{BlobPath, Gap};

/// A failed operation on a store.
#[derive(Debug, thiserror::Error)]
#[error("{}{kind}", path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default())]
pub struct Error {
    /// The blob that it was about.
    pub path: Option<BlobPath>,
    /// What happened.
    pub kind: ErrorKind,
    /// The cause. Never holds a credential.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// In a listing, what it cannot tell of; none when it is the listing itself that ends here.
    pub gap: Option<Box<Gap>>,
}

impl Error {
    /// `kind`, about the store as a whole.
    pub fn new(kind: ErrorKind) -> Self {
        Self { path: None, kind, source: None, gap: None }
    }

    /// The same, about the blob at `path`.
    #[must_use]
    pub fn at(mut self, path: &BlobPath) -> Self {
        self.path = Some(path.clone());
        self
    }

    /// The same, because of `source`, which must hold no credential.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same, about one entry of a listing, which goes on.
    #[must_use]
    pub fn leaving(mut self, gap: Gap) -> Self {
        self.gap = Some(Box::new(gap));
        self
    }
}

/// What happened, in terms a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// There is no such blob or container.
    #[error("not found")]
    NotFound,
    /// The blob is another version than the one asked for.
    #[error("changed meanwhile")]
    Changed,
    /// There is a blob already where none may be.
    #[error("exists already")]
    AlreadyExists,
    /// The range lies beyond the blob's end.
    #[error("ends before the range asked for")]
    OutOfRange,
    /// The credential is missing, wrong, or may not do this.
    #[error("access denied")]
    AccessDenied,
    /// Somebody else holds a lease on the blob.
    #[error("leased by somebody else: nobody may change it until the lease is released or broken")]
    Leased,
    /// An immutability policy or a legal hold forbids it.
    #[error("held by an immutability policy or a legal hold")]
    Held,
    /// The blob is in the archive tier, where nothing can be read or changed.
    #[error("archived: move it to another tier first")]
    Archived,
    /// It is an append or page blob: what would take its place is a block blob, and its writer could not go on.
    #[error(
        "an append or page blob, which its writer could not go on with: copy it to a block blob, and erase from that"
    )]
    NotInBlocks,
    /// No room is left.
    #[error("no space left")]
    Full,
    /// The store does not answer, or answers that it is overloaded; tried as often as configured.
    #[error("unavailable")]
    Unavailable,
    /// The configuration cannot be right.
    #[error("wrongly configured")]
    Configuration,
    /// Anything else.
    #[error("failed")]
    Other,
}

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
