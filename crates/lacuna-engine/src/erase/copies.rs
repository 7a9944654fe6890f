//! The removal of a shard's old bytes: what the store still has of the versions that held rows which are out of the shard now.
//!
//! Which copies must go is written into the intent of the purge before the first of them goes, and the intent stays until another
//! look at the store finds none of them: so whatever run purges next finishes what was begun or was forbidden, although no row of
//! the shard matches any more. Copies that are younger than the purge are other writers', and stay.

use lacuna_store::{BlobInfo, BlobPath, CopyId, ErrorKind, Etag, OldCopy, Removal, Retained, Store};
use time::Date;

use super::journal::{self, Copies, Intent};
use crate::commit;
use crate::problem::{ShardError, chain};

/// How often the record that others change meanwhile is read again.
const ATTEMPTS_MAX: u32 = 8;

/// What became of a shard's old bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OldBytes {
    /// The store kept none.
    None,
    /// They were removed.
    Removed,
    /// They are deleted, and the store drops them later: by the end of this day, where it says so.
    Retained { gone_by: Option<Date>, why: String },
    /// A policy, or a hold, forbids their removal.
    Held(String),
    /// Something went wrong; the next purge goes on.
    Left(String),
}

impl OldBytes {
    /// A hold that was set since forbids their removal.
    pub(crate) fn held(why: &str) -> Self {
        Self::Held(format!("its rows are out of it, and its old bytes stay for now: held: {why}"))
    }

    /// Whether nothing is left to do.
    pub(crate) fn are_gone(&self) -> bool {
        matches!(self, Self::None | Self::Removed)
    }

    /// What somebody must know who thinks that all is done.
    pub(crate) fn problem(&self) -> Option<&str> {
        match self {
            Self::None | Self::Removed | Self::Retained { .. } => None,
            Self::Held(why) | Self::Left(why) => Some(why),
        }
    }
}

/// Removes the old bytes of the shard that `intent` is of, once `after` is in place (or nothing, when the shard was deleted).
/// Answers with what became of them, and with the intent's record as it is then.
pub(crate) async fn clear(
    store: &dyn Store,
    mut intent: Intent,
    mut record: Option<BlobInfo>,
    after: Option<&Etag>,
) -> (OldBytes, Option<BlobInfo>) {
    match try_clear(store, &mut intent, &mut record, after).await {
        Ok(old) => (old, record),
        Err(error) => (OldBytes::Left(format!("its old copies could not all be removed: {}", chain(&error))), record),
    }
}

async fn try_clear(
    store: &dyn Store,
    intent: &mut Intent,
    record: &mut Option<BlobInfo>,
    after: Option<&Etag>,
) -> Result<OldBytes, ShardError> {
    let version = intent.tombstone()?.version().clone();
    let place = journal::intent_path(&version.shard, &version.etag);
    let shard = BlobPath::new(version.shard).map_err(|error| ShardError::Refused(error.to_string()))?;
    for _ in 0..ATTEMPTS_MAX {
        let found = store.old_copies(&shard).await.map_err(ShardError::Store)?;
        let due = match &intent.copies {
            Some(known) => known.among(found),
            None => older(found, &version.etag, after),
        };
        if due.is_empty() {
            return Ok(if intent.copies.is_some() { OldBytes::Removed } else { OldBytes::None });
        }
        if intent.copies.is_none() {
            intent.copies = Some(Copies::new(after, &due));
            match journal::write(store, &place, intent, record.as_ref()).await {
                Ok(written) => *record = Some(written),
                // Another run is at the same purge: what it wrote down counts.
                Err(error)
                    if matches!(error.kind, ErrorKind::Changed | ErrorKind::AlreadyExists | ErrorKind::NotFound) =>
                {
                    let there = journal::read::<Intent>(store, &place).await?;
                    intent.copies = there.as_ref().and_then(|there| there.record.copies.clone());
                    *record = there.map(|there| there.info);
                    continue;
                }
                Err(error) => return Err(ShardError::Store(error)),
            }
        }
        let mut refused = Vec::new();
        for copy in &due {
            match commit::remove_copy(store, &shard, copy).await.map_err(ShardError::Store)? {
                Removal::Removed => {}
                removal => refused.push((copy.id.clone(), removal)),
            }
        }
        let found = store.old_copies(&shard).await.map_err(ShardError::Store)?;
        let left = intent.copies.iter().flat_map(|known| known.among(found.clone())).collect::<Vec<_>>();
        return Ok(judge(&left, &refused));
    }
    Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
}

/// The copies, of all that the store `found`, that are older than the purge which put `after` in the place of `before`.
pub(crate) fn older(mut found: Vec<OldCopy>, before: &str, after: Option<&Etag>) -> Vec<OldCopy> {
    let of_after = found.iter().position(|copy| Some(&copy.etag) == after);
    let of_before = found.iter().rposition(|copy| copy.etag.as_str() == before).map(|at| at + 1);
    let end = match (of_after, of_before, after) {
        (Some(end), _, _) | (None, Some(end), _) => end,
        // The version that was replaced left no copy. Then the store keeps only what somebody made one of, before.
        (None, None, Some(_)) => found.len(),
        // Nor did the one that was deleted, and with it goes all that was made of it: what there is now is another blob's.
        (None, None, None) => 0,
    };
    found.truncate(end);
    found
}

/// What the copies that are `left` mean, given what came of their removal.
fn judge(left: &[OldCopy], refused: &[(CopyId, Removal)]) -> OldBytes {
    let refusal = |copy: &OldCopy| refused.iter().find(|(id, _)| *id == copy.id).map(|(_, removal)| *removal);
    let holds = left.iter().filter_map(|copy| match refusal(copy) {
        Some(Removal::Held(hold)) => Some((copy, hold)),
        _ => None,
    });
    let holds: Vec<_> = holds.collect();
    if let Some((copy, hold)) = holds.first() {
        let count = holds.len();
        return OldBytes::Held(format!(
            "its rows are out of it, and stay in {count} of its old copies that {hold} holds (the first: {}); purge again once \
             it is lifted",
            copy.id
        ));
    }
    if left.is_empty() {
        return OldBytes::Removed;
    }
    if left.iter().any(|copy| copy.deleted.is_none()) {
        return OldBytes::Left(format!("{} of its old copies are there again or still", left.len()));
    }
    let days: Option<Vec<Date>> = left.iter().map(|copy| copy.deleted.and_then(|deleted| deleted.gone_by)).collect();
    let is_barred = left.iter().any(|copy| refusal(copy) == Some(Removal::Retained(Retained::NotPermitted)));
    let why = match is_barred {
        true => "its old copies are deleted, and this identity may not delete them for good",
        false => "its old copies are deleted, and the account does not allow to delete them for good",
    };
    OldBytes::Retained { gone_by: days.and_then(|days| days.into_iter().max()), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(etags: &[&str]) -> Vec<OldCopy> {
        let copy = |(at, etag): (usize, &&str)| OldCopy {
            id: CopyId::Snapshot(at.to_string()),
            etag: Etag::new(etag),
            operation: None,
            deleted: None,
            hold: None,
        };
        etags.iter().enumerate().map(copy).collect()
    }

    #[test]
    fn what_is_older_than_the_purge_goes_and_nothing_else() {
        let older = |found: &[&str], after: Option<&str>| {
            let after = after.map(Etag::new);
            older(copies(found), "before", after.as_ref()).iter().map(|copy| copy.etag.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(older(&["old", "before"], Some("after")), ["old", "before"]);
        assert_eq!(
            older(&["old", "before", "before"], Some("after")),
            ["old", "before", "before"],
            "and its snapshots"
        );
        assert_eq!(older(&["old", "before", "after", "new"], Some("after")), ["old", "before"], "others wrote since");
        assert_eq!(older(&["old", "after", "new"], Some("after")), ["old"], "the version itself was removed before");
        assert_eq!(older(&["old"], Some("after")), ["old"], "an account without versions, and a snapshot of somebody");
        assert_eq!(
            older(&["old", "before", "new"], Some("after")),
            ["old", "before"],
            "others removed what was purged"
        );
        assert_eq!(older(&["old", "before", "new"], None), ["old", "before"], "deleted, and written again by others");
        assert_eq!(older(&["new"], None), <[&str; 0]>::default());
    }
}
