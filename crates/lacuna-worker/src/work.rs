//! The kinds of work there are.

use std::fmt;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// Requests that are due to run.
    Requests,
    /// Standing erasures over shards that arrived, changed or came back.
    Sweep,
    /// Hidden rows out of the bytes.
    Purge,
    /// Deadlines that passed, packages that expired, identifiers that nobody needs.
    Retention,
}

impl Work {
    /// All there are, in the order in which they are best done one after the other: what requests hide, a purge takes out.
    pub const ALL: [Self; 4] = [Self::Requests, Self::Sweep, Self::Purge, Self::Retention];

    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Sweep => "sweep",
            Self::Purge => "purge",
            Self::Retention => "retention",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
