//! What a ledger is told when it is opened.

use std::path::Path;

use time::Duration;

use crate::Keys;

/// Where a ledger is, its keys, and what its requests are bound to.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// The path of a SQLite file, which is made when it is not there, or `postgres://…`.
    pub url: String,
    /// The keys that identifiers are encrypted and hashed with.
    pub keys: Keys,
    /// What requests are bound to.
    pub policy: Policy,
}

/// The SQLite file that a ledger's `url` names; none, when it is the address of a PostgreSQL database.
pub fn sqlite_file(url: &str) -> Option<&Path> {
    let is_server = url.starts_with("postgres://") || url.starts_with("postgresql://");
    (!is_server).then(|| Path::new(url.strip_prefix("sqlite://").unwrap_or(url)))
}

/// What requests are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many approvers an erasure needs; with none it is scheduled at once.
    pub approvals: u8,
    /// How long an erasure waits after its receipt, in which it can be taken back.
    pub cancel_window: Duration,
    /// How long before its deadline a request counts as near due.
    pub near_due: Duration,
    /// How long after its deadline a request that nobody decided on expires.
    pub undecided: Duration,
    /// After how long an incomplete request is tried again; doubled with each try, up to a day.
    pub retry: Duration,
    /// How long after a request's end its identifiers are kept.
    pub grace: Duration,
    /// How long an erasure stays standing: the longest time that records take to arrive.
    pub standing: Duration,
    /// How long a package is kept; for ever when absent.
    pub package_keep: Option<Duration>,
    /// Whether changes of state go into the outbox; off where nobody collects them, so that it does not grow.
    pub notices: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            approvals: 0,
            cancel_window: Duration::hours(24),
            near_due: Duration::days(7),
            undecided: Duration::days(30),
            retry: Duration::hours(1),
            grace: Duration::days(30),
            standing: Duration::days(90),
            package_keep: Some(Duration::days(30)),
            notices: false,
        }
    }
}
