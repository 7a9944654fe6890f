//! What a store keeps of a blob's earlier bytes: previous versions, snapshots, soft-deleted copies.

use std::fmt;

use time::Date;

use crate::Etag;

/// Bytes that a blob had earlier and that the store still has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldCopy {
    /// Which one of the blob's copies it is.
    pub id: CopyId,
    /// The blob's version that these bytes were.
    pub etag: Etag,
    /// The operation that wrote them, as [`WriteOptions::operation`](crate::WriteOptions::operation) named it.
    pub operation: Option<String>,
    /// Whether it is deleted already, and kept for a while all the same.
    pub deleted: Option<Deleted>,
    /// What forbids its removal, as far as a listing tells.
    pub hold: Option<Hold>,
}

/// Which copy of a blob. Times are the store's own text; they sort as they came to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CopyId {
    /// A previous version.
    Version(String),
    /// A snapshot, made by somebody or, in an account with soft deletion, by the write that came next.
    Snapshot(String),
    /// The blob itself, soft-deleted. The store has no name for it: when a blob is written there again, this one becomes a
    /// soft-deleted snapshot.
    Deleted,
}

impl fmt::Display for CopyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(time) => write!(f, "version {time}"),
            Self::Snapshot(time) => write!(f, "snapshot {time}"),
            Self::Deleted => f.write_str("deleted"),
        }
    }
}

impl CopyId {
    /// When the bytes stopped being the blob's or, for a version, began to be.
    pub(crate) fn time(&self) -> Option<&str> {
        match self {
            Self::Version(time) | Self::Snapshot(time) => Some(time),
            Self::Deleted => None,
        }
    }
}

/// That a copy is deleted, and dropped later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The day, in UTC, by whose end the store drops it; unknown when the store does not say.
    pub gone_by: Option<Date>,
}

/// What forbids that a copy is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A legal hold, until somebody lifts it.
    Legal,
    /// An immutability policy, through this day in UTC where the store says so.
    Policy(Option<Date>),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legal => f.write_str("a legal hold"),
            Self::Policy(Some(date)) => write!(f, "an immutability policy until {date}"),
            Self::Policy(None) => f.write_str("an immutability policy"),
        }
    }
}

/// What came of the removal of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is not there any more.
    Removed,
    /// It is deleted, and the store keeps it until its retention is over.
    Retained(Retained),
    /// It may not be removed.
    Held(Hold),
}

/// Why a deleted copy could not be removed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retained {
    /// The account does not allow it.
    ByAccount,
    /// Whoever asks may not do it.
    NotPermitted,
}
