//! Faults on the way to the database, for simulations.

/// Decides when something goes wrong.
pub trait Faults: Send + Sync {
    /// What goes wrong at this moment, if anything.
    fn strike(&self, moment: Moment) -> Option<Fault>;
}

/// When a transaction may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it begins.
    Begin,
    /// Before it is committed: nothing of it stays.
    Commit,
    /// After it is committed, and before the caller hears of it.
    Committed,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Others are writing. The ledger tries again by itself, a few times. After a commit it is a lost connection.
    Busy,
    /// The connection is lost.
    Lost,
}
