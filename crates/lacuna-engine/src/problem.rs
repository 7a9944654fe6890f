//! Why one shard could not be worked on. It becomes a line of the outcome; the other shards go on.

use std::fmt::Write as _;

use lacuna_store::ErrorKind;

use crate::outcome::Problem;

/// What went wrong with a shard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShardError {
    #[error("cannot be searched")]
    Scan(#[from] lacuna_scan::Error),
    #[error("its records cannot be read")]
    Rows(#[source] lacuna_scan::Error),
    #[error("its records cannot be exported")]
    Export(#[from] lacuna_export::Error),
    #[error("cannot be rewritten")]
    Erase(#[from] lacuna_erase::Error),
    #[error("cannot be read or written")]
    Store(#[source] lacuna_store::Error),
    #[error("a temporary file cannot be written or read")]
    Temp(#[source] std::io::Error),
    #[error("{bytes} bytes of it are needed at once, more than `--memory` has room for")]
    Memory { bytes: u64 },
    #[error(
        "Lacuna failed at it in an unforeseen way, which is a defect: report it; if another tool reads the shard, writing it anew with that \
         may help"
    )]
    Defect,
    #[error("its tombstone is damaged: delete that, and erase again under the ids whose receipts name the shard")]
    Damaged(#[source] Box<lacuna_erase::Error>),
    #[error(
        "it is the tombstone of {shard} in the place of another: move or delete it, and erase again under the ids whose receipts name the \
         shard whose place it is"
    )]
    Misplaced { shard: String },
    #[error(
        "whose it is cannot be told: its path has not the one folder that names its tenant (`tenant = {{ folder = … }}`)"
    )]
    NoTenant,
    #[error("which of its rows are hidden cannot be told")]
    Tombstone(#[source] Box<ShardError>),
    #[error("{0}")]
    Refused(String),
    #[error("is held: {0}")]
    Held(String),
    #[error("whether it is held cannot be told, so its bytes stay as they are")]
    HoldsUnknown(#[source] crate::HoldsError),
    #[error(
        "an identifier of somebody whose rows are to go would stay in {place}; the shard was left as it is, with all rows that are hidden in \
         it, of others too: write it anew without that, or delete it"
    )]
    Residue { place: String },
    #[error("changed {attempts} times while it was worked on")]
    KeepsChanging { attempts: u32 },
    #[error(
        "it was searched and is gone: another writer may have moved its records; erase again under the same id, or sweep"
    )]
    Removed,
    #[error("another run is at it; the next purge looks after it")]
    Busy,
    #[error("the run was stopped")]
    Cancelled,
}

impl From<crate::cpu::Panicked> for ShardError {
    fn from(_: crate::cpu::Panicked) -> Self {
        Self::Defect
    }
}

impl ShardError {
    /// Whether the shard is another version by now, so that a new look may help.
    pub(crate) fn is_change(&self) -> bool {
        matches!(self, Self::Store(error) if matches!(error.kind, ErrorKind::Changed))
    }

    /// Whether the shard is gone.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Store(error) if matches!(error.kind, ErrorKind::NotFound))
    }

    /// Whether other writers were in the way.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::KeepsChanging { .. } | Self::Removed | Self::Busy) || self.is_change()
    }

    /// Whether the same may go well at another time, without anybody doing anything about the shard.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Store(error) => !matches!(
                error.kind,
                ErrorKind::AccessDenied
                    | ErrorKind::Leased
                    | ErrorKind::Held
                    | ErrorKind::Archived
                    | ErrorKind::NotInBlocks
            ),
            Self::Scan(lacuna_scan::Error::Read(_))
            | Self::Rows(lacuna_scan::Error::Read(_))
            | Self::Erase(lacuna_erase::Error::Io(_)) => true,
            Self::Temp(_) | Self::Cancelled | Self::KeepsChanging { .. } | Self::Memory { .. } => true,
            Self::Held(_) | Self::HoldsUnknown(_) | Self::Removed | Self::Busy => true,
            Self::Tombstone(error) => error.is_passing(),
            Self::Scan(_)
            | Self::Rows(_)
            | Self::Erase(_)
            | Self::Damaged(_)
            | Self::Misplaced { .. }
            | Self::NoTenant
            | Self::Export(_)
            | Self::Refused(_)
            | Self::Residue { .. }
            | Self::Defect => false,
        }
    }

    /// The line of the outcome.
    pub(crate) fn into_problem(self, shard: &str) -> Problem {
        let mut reason = chain(&self);
        if let Self::Scan(lacuna_scan::Error::MissingColumn { column }) = &self
            && let Some(part) = partition(shard, column)
        {
            let _ = write!(
                reason,
                "; its path has a folder `{part}…` instead: where that names the tenant, `tenant = {{ folder = \"{part}\" }}` maps it"
            );
        }
        Problem { shard: shard.to_owned(), reason }
    }
}

/// The folder in a shard's path that says what a column would, as datasets are partitioned: `tenant=contoso`.
fn partition<'s>(shard: &'s str, column: &str) -> Option<&'s str> {
    let says = |part: &&str| part.strip_prefix(column).is_some_and(|rest| rest.starts_with('='));
    // A partition's value may be anybody's: its name is enough.
    shard.split('/').find(says).map(|part| &part[..=column.len()])
}

/// An error and its causes in one line. A cause that its error's text ends with already is not said twice.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_only_the_path_has_is_pointed_to_without_its_value() {
        let missing = || ShardError::Scan(lacuna_scan::Error::MissingColumn { column: "tenant".into() });
        let problem = missing().into_problem("logs/tenant=contoso/0.parquet");
        assert!(problem.reason.contains("`tenant=…`") && !problem.reason.contains("contoso"), "{problem:?}");
        assert!(!missing().into_problem("logs/tenants=a/0.parquet").reason.contains("folder"));
    }
}
