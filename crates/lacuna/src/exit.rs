//! Exit codes: part of the command line's contract.

/// What the process says of its run. Scripts may rely on these numbers; they do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ExitCode {
    /// All of it is done. Nothing found is done, too.
    Done = 0,
    /// Something else went wrong, such as a destination that cannot be written. Nothing half done is left behind.
    Failed = 1,
    /// The arguments or the configuration cannot be right. Nothing was read or changed.
    Usage = 2,
    /// Some shard could not be read or changed, so there may be more records than were found, exported or erased. The
    /// report names each with its reason.
    Incomplete = 3,
    /// Refused. An erasure matched, and every record is kept by its source or a hold; the receipt says why. Or the rules of the ledger
    /// say no: an approval is missing or was denied, a limit is exceeded, the account may not do this, or the request cannot be moved so.
    Refused = 4,
    /// `request list --overdue` found a request that is past its deadline. Nothing went wrong with the command itself.
    Overdue = 5,
    /// Stopped by Ctrl-C or a termination signal. What was begun was finished or left as it was, and the report says what
    /// was done; the same command again does the rest.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
