//! What came of shards, counted one after the other.

use lacuna_erase::tombstone;

use super::PurgeOutcome;
use super::settle::Blocked;
use crate::erase::{Purged, REMOVED};
use crate::outcome::{Problem, Retained};
use crate::problem::ShardError;

/// What came of one shard.
pub(super) enum Done {
    Purged(usize, Box<Purged>),
    /// It stays as it is, and its rows hidden in it, unless it is `superseded`.
    Blocked(usize, Box<Blocked>),
    NotDue,
    /// Its rows stay in the bytes for now, for this reason.
    Held(Problem),
    /// It is of no source that was asked for.
    Elsewhere,
    /// Nothing was begun that must be finished.
    Nothing,
}

/// What came of all shards so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) outcome: PurgeOutcome,
    pub(super) purged: Vec<(usize, Purged)>,
    pub(super) blocked: Vec<(usize, Blocked)>,
    /// Tombstones that cannot be read, whoever tries again.
    pub(super) unread: Vec<Problem>,
}

impl Tally {
    pub(super) fn add(&mut self, done: Result<Done, (String, ShardError)>) {
        match done {
            Ok(Done::Purged(at, purged)) => {
                let shard = &purged.tombstone.version().shard;
                if purged.has_moved {
                    self.outcome.shards_superseded += 1;
                    self.outcome.problems.push(Problem { shard: shard.clone(), reason: REMOVED.into() });
                } else if purged.is_again {
                    self.outcome.shards_looked_after += 1;
                } else {
                    self.outcome.shards_purged += 1;
                    self.outcome.rows_purged += purged.rows();
                }
                self.outcome.problems.extend(Problem::of_copies(shard, &purged.old));
                self.outcome.retained.extend(Retained::of_copies(shard, &purged.old));
                self.purged.push((at, *purged));
            }
            Ok(Done::Blocked(at, blocked)) => {
                let (shard, reason) = (blocked.tombstone.version().shard.clone(), blocked.reason.clone());
                self.outcome.problems.push(Problem { shard, reason });
                self.outcome.shards_superseded += u64::from(blocked.superseded);
                self.blocked.push((at, *blocked));
            }
            Ok(Done::NotDue) => self.outcome.shards_not_due += 1,
            Ok(Done::Held(held)) => {
                self.outcome.shards_held += 1;
                self.outcome.held.push(held);
            }
            Ok(Done::Elsewhere | Done::Nothing) => {}
            Err((place, error)) => {
                let is_unread = place.starts_with(tombstone::PREFIX) && !error.is_passing();
                let problem = error.into_problem(&place);
                self.unread.extend(is_unread.then(|| problem.clone()));
                self.outcome.problems.push(problem);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lacuna_store::{Error, ErrorKind};

    use super::*;

    #[test]
    fn what_can_be_read_another_time_is_a_problem_and_nothing_that_receipts_tell() {
        let unread = |error: ShardError| {
            let mut tally = Tally::default();
            tally.add(Err((tombstone::path("a"), error)));
            assert_eq!(tally.outcome.problems.len(), 1);
            tally.unread.len()
        };
        assert_eq!(unread(ShardError::Store(Error::new(ErrorKind::Unavailable))), 0);
        assert_eq!(unread(ShardError::KeepsChanging { attempts: 8 }), 0);
        assert_eq!(unread(ShardError::Store(Error::new(ErrorKind::AccessDenied))), 1);
        assert_eq!(unread(ShardError::Refused("it is another shard's".into())), 1);
    }
}
