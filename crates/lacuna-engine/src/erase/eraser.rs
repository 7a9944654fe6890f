//! The erasure of what was found in one shard: its rows are hidden, and with `--now` taken out of the bytes.

use std::sync::Arc;

use lacuna_erase::tombstone::ShardVersion;
use lacuna_scan::{FieldTest, Matches};
use lacuna_store::{BlobInfo, Etag, Store};
use tokio_util::sync::CancellationToken;

use super::hidden;
use super::journal::{self, Intent, Kept};
use super::lost;
use super::{Purge, Purged};
use crate::plan::format::ShardFormat;
use crate::problem::ShardError;
use crate::read::origin::Origin;
use crate::read::search::{Question, search};
use crate::read::whole::sha256_of;
use crate::workshop::Workshop;
use crate::{Holds, Poison, Request, Source, commit};

/// How often a shard that changes under the erasure is worked on again.
const ATTEMPTS_MAX: u32 = 8;

/// A shard with matches, as the search left it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) info: BlobInfo,
    pub(crate) format: ShardFormat,
    pub(crate) rows: u64,
    pub(crate) matches: Matches,
    pub(crate) poisoned: u64,
}

impl Target {
    /// How many records rows are counted among: a broken one counts, too.
    fn records(&self) -> u64 {
        self.rows + self.poisoned
    }
}

/// What the erasure of a shard came to.
#[derive(Debug)]
pub(crate) enum Erasure {
    /// The rows are hidden, in this version of the shard; why they are not out of the bytes, if they should be.
    Hidden(Target, Option<ShardError>),
    /// The rows are out of the bytes. Whose they are, as the version that was rewritten had them.
    Purged(Box<Purged>),
    /// Another version took the shard's place, and nobody's rows are in it. Of one that is just gone, nobody knows where its rows went.
    NothingLeft,
}

/// The erasure of a shard, and what else its version told that came meanwhile.
pub(crate) struct Erased {
    pub(crate) erasure: Result<Erasure, ShardError>,
    pub(crate) told: Vec<String>,
}

/// The erasure of shards of one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eraser<'a> {
    pub(crate) shop: &'a Workshop,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) source: &'a Source,
    /// Only the erasing selectors.
    pub(crate) question: &'a Question,
    /// The job's requests, by selector.
    pub(crate) requests: &'a [Request],
    pub(crate) holds: &'a Arc<dyn Holds>,
}

/// What became of a shard while it was worked on.
#[derive(Default)]
struct Meanwhile {
    /// The versions that it had, with tombstones maybe.
    left_behind: Vec<Etag>,
    /// What the last one [told](crate::read::search::Answer::problems).
    told: Vec<String>,
}

impl Eraser<'_> {
    /// Hides the matched rows, and with `now` takes them out of the bytes. When the shard changes meanwhile, its new version is
    /// searched and worked on.
    pub(crate) async fn erase(&self, mut target: Target, now: bool, cancel: &CancellationToken) -> Erased {
        let mut meanwhile = Meanwhile::default();
        let erasure = match self.attempts(&mut target, now, &mut meanwhile, cancel).await {
            Ok(erasure) => self.forget(&target, meanwhile.left_behind).await.map(|()| erasure),
            Err(error) => Err(error),
        };
        Erased { erasure, told: meanwhile.told }
    }

    /// Takes the requests out of what hides rows in versions that are `left_behind`.
    async fn forget(&self, target: &Target, left_behind: Vec<Etag>) -> Result<(), ShardError> {
        let requests: Vec<&str> = self.requests.iter().map(|request| request.id.as_str()).collect();
        // The one that it has now may have been in between, too.
        for etag in left_behind.into_iter().filter(|etag| *etag != target.info.etag) {
            hidden::forget(self.store.as_ref(), target.info.path.as_str(), &etag, &requests).await?;
        }
        Ok(())
    }

    /// Tries until the shard holds still.
    async fn attempts(
        &self,
        target: &mut Target,
        now: bool,
        meanwhile: &mut Meanwhile,
        cancel: &CancellationToken,
    ) -> Result<Erasure, ShardError> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(target, now).await {
                Err(error) if error.is_change() => meanwhile.left_behind.push(target.info.etag.clone()),
                Err(error) if error.is_gone() => return Err(self.gone(target).await?),
                result => return result,
            }
            let info = match self.store.head(&target.info.path).await.map_err(ShardError::Store) {
                Err(error) if error.is_gone() => return Err(self.gone(target).await?),
                result => result?,
            };
            let origin = Origin::Blob(self.store.clone(), info.clone());
            let answer = match search(self.shop, &origin, &target.format, self.question, None, None, cancel).await {
                Err(error) if error.is_change() => continue,
                answer => answer?,
            };
            meanwhile.told = answer.problems(&self.source.on_erase);
            if answer.matches.is_empty() {
                let told = std::mem::take(&mut meanwhile.told);
                return if told.is_empty() {
                    Ok(Erasure::NothingLeft)
                } else {
                    Err(ShardError::Refused(told.join("; ")))
                };
            }
            target.info = info;
            target.rows = answer.rows;
            target.matches = answer.matches;
            target.poisoned = answer.poisoned.count;
        }
        Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
    }

    /// What to say of a shard that is gone: a run that emptied it wrote that down.
    async fn gone(&self, target: &Target) -> Result<ShardError, ShardError> {
        let path = journal::intent_path(target.info.path.as_str(), target.info.etag.as_str());
        let intent = journal::read::<Intent>(self.store.as_ref(), &path).await?;
        Ok(match intent {
            Some(intent) if intent.record.candidates().any(|one| one.sha256_after.is_none()) => ShardError::Busy,
            _ => ShardError::Removed,
        })
    }

    async fn attempt(&self, target: &Target, now: bool) -> Result<Erasure, ShardError> {
        if target.poisoned > 0 && self.source.poison == Poison::Refuse {
            return Err(ShardError::Refused(format!(
                "{} of its records {} broken, and it is left as it is (`poison = \"keep\"` erases the others)",
                target.poisoned,
                if target.poisoned == 1 { "is" } else { "are" }
            )));
        }
        let is_typed = !matches!(target.format, ShardFormat::Text(_));
        let mut blank = self.question.matcher.fields().iter().flat_map(FieldTest::blank_owners);
        if is_typed && self.source.on_erase.keeps_rows() && blank.any(|owner| target.matches.count(owner) > 0) {
            return Err(ShardError::Refused(
                "an identifier to be erased is zero, empty or zero bytes, which is what an anonymized column holds where it cannot be null: \
                 `on_erase = \"delete\"` takes such records out"
                    .into(),
            ));
        }
        let requests: Vec<_> = target
            .matches
            .iter()
            .map(|(selector, rows)| (self.requests[selector as usize].id.as_str(), rows))
            .collect();
        self.catch_up(target).await?;
        let held = hidden::hide(self.store.as_ref(), &target.info, target.records(), &requests).await?;
        let mut missed = None;
        if now {
            match self.purger().shard(&target.info, &target.format, &held).await {
                // It hides rows of somebody else, too, who is held: a purge takes all of them out later.
                Err(ShardError::Held(_)) => {}
                Err(error) if !error.is_change() && !error.is_gone() => missed = Some(error),
                result => return result.map(|purged| Erasure::Purged(Box::new(purged))),
            }
        }
        // Another writer may have replaced the shard just before: then the tombstone hides nothing.
        match hidden::check_there(self.store.as_ref(), &target.info).await {
            Ok(()) => Ok(Erasure::Hidden(target.clone(), missed)),
            Err(error) => Err(missed.unwrap_or(error)),
        }
    }

    fn purger(&self) -> Purge<'_> {
        let Self { shop, store, source, question, holds, .. } = *self;
        Purge { shop, store, source, question, holds }
    }

    /// Another run may have purged the shard a moment ago, and not have come to the rows that were hidden meanwhile: they are
    /// carried over to its new version before anything else is hidden in it. That the shard was purged is written down before: of the
    /// version that was left, nothing may be there soon.
    async fn catch_up(&self, target: &Target) -> Result<(), ShardError> {
        let (store, shard) = (self.store.as_ref(), target.info.path.as_str());
        let Some(held) = hidden::held(store, shard).await? else { return Ok(()) };
        if held.tombstone.version().etag == target.info.etag.as_str() {
            return Ok(());
        }
        let path = journal::intent_path(shard, &held.tombstone.version().etag);
        let Some(intents) = journal::read::<Intent>(store, &path).await? else { return Ok(()) };
        let sha256 = Some(sha256_of(self.shop, self.store, &target.info).await?);
        let Some(record) = intents.record.candidates().find(|one| one.sha256_after == sha256) else { return Ok(()) };
        let mut intent = Kept { record, info: intents.info };
        let purged = intent.record.tombstone()?;
        if purged.version() != held.tombstone.version() {
            return Ok(());
        }
        let etag = &target.info.etag;
        lost::note(store, shard, etag, &intent.record).await?;
        intent.mark_committed(store, etag).await?;
        let after = ShardVersion { shard: shard.to_owned(), etag: etag.to_string(), rows: target.records() };
        match hidden::carry(store, &purged, Some(after), self.source.on_erase.keeps_rows(), None).await? {
            // All that it hid is out of the bytes, and the intent knows it.
            Some(served) => commit::drop_record(store, &served).await.map_err(ShardError::Store),
            None => Ok(()),
        }
    }
}
