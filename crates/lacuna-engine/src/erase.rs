//! The erasure of one shard: its rows are hidden; then it is rewritten beside the original, checked, put in its place, read back.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_erase::text::Edit;
use lacuna_erase::tombstone::{ShardVersion, Tombstone};
use lacuna_erase::{Change, Copied, Rewritten, Sequential, Survivors};
use lacuna_scan::text::TextFormat;
use lacuna_scan::{ColumnPath, HeldValue, Limits, Matcher, Matches};
use lacuna_store::{BlobInfo, ErrorKind, Etag, Store, Unchanged};
use roaring::RoaringTreemap;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use crate::copies::OldBytes;
use crate::format::ShardFormat;
use crate::hashes::{Hashes, Stretches};
use crate::hidden::{self, Held};
use crate::journal::{self, Intent, Kept};
use crate::lost;
use crate::origin::{FileAt, Origin};
use crate::problem::{ShardError, chain};
use crate::receipt::{OldVersions, ProvedSurvivors, ReceiptShard, ShardState};
use crate::rows::held_values;
use crate::seal::hex;
use crate::search::{Question, Reading, Workshop, search};
use crate::{EmptyShards, Holds, Poison, Request, Source, commit, copies};

/// What is said of a shard that was gone before its rows were out of the bytes.
pub(crate) const REMOVED: &str = "another writer removed it; whether its rows went elsewhere, a new search tells";

/// How often a shard that changes under the erasure is worked on again.
const ATTEMPTS_MAX: u32 = 3;

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

/// What a purge did to a shard.
#[derive(Clone, Debug)]
pub(crate) struct Purged {
    /// The rows that went, and whose they were.
    pub(crate) tombstone: Tombstone,
    /// `None` when the shard was deleted, because no row was left.
    pub(crate) etag_after: Option<Etag>,
    /// `None` when another writer removed the shard.
    pub(crate) sha256_before: Option<String>,
    pub(crate) sha256_after: Option<String>,
    pub(crate) rows_after: u64,
    /// What became of the bytes that held the rows.
    pub(crate) old: OldBytes,
    /// Whether the rows were out of the bytes before, and only old ones were left.
    pub(crate) is_again: bool,
    /// Whether another writer removed the shard, and nobody has looked since where its rows went.
    pub(crate) has_moved: bool,
    /// What was proved of the rows that stay.
    pub(crate) survivors: Option<ProvedSurvivors>,
    /// What stays beside the logs until the receipts are written: what hid the rows, and what was written down of the purge.
    pub(crate) served: Option<BlobInfo>,
    pub(crate) record: Option<BlobInfo>,
}

impl Purged {
    /// Takes away what stayed beside the logs. What was written down of the purge comes last: as long as it is there, a tombstone of the
    /// old version is no riddle.
    pub(crate) async fn retire(&self, store: &dyn Store, keeps_rows: bool) -> Result<(), (String, ShardError)> {
        if let Some(served) = &self.served {
            let retired = hidden::retire(store, &self.tombstone, served, self.after(), keeps_rows).await;
            retired.map_err(|error| (served.path.to_string(), error))?;
        }
        if let Some(record) = &self.record {
            let dropped = commit::drop_record(store, record).await;
            dropped.map_err(|error| (record.path.to_string(), ShardError::Store(error)))?;
        }
        Ok(())
    }

    /// How many of these rows it took out of the bytes.
    pub(crate) fn took(&self, rows: &RoaringTreemap) -> u64 {
        if self.is_again || self.has_moved { 0 } else { rows.len() }
    }

    /// How many rows it took out of the bytes.
    pub(crate) fn rows(&self) -> u64 {
        self.took(self.tombstone.hidden())
    }

    /// The version that took the place of the one whose rows went.
    fn after(&self) -> Option<ShardVersion> {
        version_after(&self.tombstone, self.etag_after.as_ref(), self.rows_after)
    }

    /// The line of a receipt, but for how many of the rows are a request's.
    pub(crate) fn line(&self) -> ReceiptShard {
        let (mut state, old_versions) = match &self.old {
            OldBytes::None => (ShardState::Gone, OldVersions::None),
            OldBytes::Removed => (ShardState::Gone, OldVersions::Removed),
            OldBytes::Retained { .. } => (ShardState::Verified, OldVersions::Retained),
            OldBytes::Held(_) => (ShardState::Blocked, OldVersions::Held),
            OldBytes::Left(_) => (ShardState::Verified, OldVersions::Left),
        };
        let mut reasons = Vec::new();
        if self.sha256_before.is_none() {
            reasons.push(REMOVED);
            state = match state {
                _ if self.has_moved => ShardState::Blocked,
                ShardState::Gone => ShardState::Verified,
                state => state,
            };
        }
        let mut gone_by = None;
        match &self.old {
            OldBytes::None | OldBytes::Removed => {}
            OldBytes::Retained { gone_by: day, why } => {
                gone_by = day.map(|day| day.to_string());
                reasons.push(why);
            }
            OldBytes::Held(why) | OldBytes::Left(why) => reasons.push(why),
        }
        ReceiptShard {
            shard: self.tombstone.version().shard.clone(),
            state,
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            etag_before: self.tombstone.version().etag.clone(),
            etag_after: self.etag_after.as_ref().map(ToString::to_string),
            sha256_before: self.sha256_before.clone(),
            sha256_after: self.sha256_after.clone(),
            rows_before: self.tombstone.version().rows,
            matched: 0,
            rows_after: self.rows_after,
            survivors: self.survivors.clone(),
            old_versions,
            gone_by,
        }
    }
}

/// What the erasure of a shard came to.
#[derive(Clone, Debug)]
pub(crate) enum Erasure {
    /// The rows are hidden, in this version of the shard.
    Hidden(Target),
    /// The rows are out of the bytes. Whose they are, as the version that was rewritten had them.
    Purged(Box<Purged>),
    /// Another version took the shard's place, and nobody's rows are in it. Of one that is just gone, nobody knows where its rows went.
    NothingLeft,
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

impl Eraser<'_> {
    /// Hides the matched rows, and with `now` takes them out of the bytes. When the shard changes meanwhile, its new version is
    /// searched and worked on.
    pub(crate) async fn erase(
        &self,
        mut target: Target,
        now: bool,
        cancel: &CancellationToken,
    ) -> Result<Erasure, ShardError> {
        let mut left_behind = Vec::new();
        let erasure = self.attempts(&mut target, now, &mut left_behind, cancel).await?;
        let requests: Vec<&str> = self.requests.iter().map(|request| request.id.as_str()).collect();
        for etag in left_behind {
            hidden::forget(self.store.as_ref(), target.info.path.as_str(), &etag, &requests).await?;
        }
        Ok(erasure)
    }

    /// Tries until the shard holds still. The versions that it had meanwhile are `left_behind`, with tombstones maybe.
    async fn attempts(
        &self,
        target: &mut Target,
        now: bool,
        left_behind: &mut Vec<Etag>,
        cancel: &CancellationToken,
    ) -> Result<Erasure, ShardError> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(target, now).await {
                Err(error) if error.is_change() => left_behind.push(target.info.etag.clone()),
                Err(error) if error.is_gone() => return Err(self.gone(target).await?),
                result => return result,
            }
            let info = match self.store.head(&target.info.path).await.map_err(ShardError::Store) {
                Err(error) if error.is_gone() => return Err(self.gone(target).await?),
                result => result?,
            };
            let origin = Origin::Blob(self.store.clone(), info.clone());
            match search(self.shop, &origin, &target.format, self.question, None, None, cancel).await {
                Err(error) if error.is_change() => continue,
                Err(error) => return Err(error),
                Ok(answer) if answer.matches.is_empty() && answer.poisoned.count == 0 => {
                    return Ok(Erasure::NothingLeft);
                }
                Ok(answer) => {
                    target.info = info;
                    target.rows = answer.rows;
                    target.matches = answer.matches;
                    target.poisoned = answer.poisoned.count;
                }
            }
        }
        Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
    }

    /// What to say of a shard that is gone: a run that emptied it wrote that down.
    async fn gone(&self, target: &Target) -> Result<ShardError, ShardError> {
        let path = journal::intent_path(target.info.path.as_str(), target.info.etag.as_str());
        let intent = journal::read::<Intent>(self.store.as_ref(), &path).await?;
        Ok(match intent {
            Some(intent) if intent.record.sha256_after.is_none() => ShardError::Busy,
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
        let requests: Vec<_> = target
            .matches
            .iter()
            .map(|(selector, rows)| (self.requests[selector as usize].id.as_str(), rows))
            .collect();
        self.catch_up(target).await?;
        let held = hidden::hide(self.store.as_ref(), &target.info, target.records(), &requests).await?;
        if now {
            match self.purger().shard(&target.info, &target.format, &held).await {
                // It hides rows of somebody else, too, who is held: a purge takes all of them out later.
                Err(ShardError::Held(_)) => {}
                result => return result.map(|purged| Erasure::Purged(Box::new(purged))),
            }
        }
        // Another writer may have replaced the shard just before: then the tombstone hides nothing.
        let is_same = self.store.head(&target.info.path).await.map_err(ShardError::Store)?.etag == target.info.etag;
        match is_same {
            true => Ok(Erasure::Hidden(target.clone())),
            false => Err(ShardError::Store(lacuna_store::Error::new(ErrorKind::Changed))),
        }
    }

    fn purger(&self) -> Purge<'_> {
        let Self { shop, store, source, question, holds, .. } = *self;
        Purge { shop, store, source, question, holds }
    }

    /// Another run may have purged the shard a moment ago, and not have come to the rows that were hidden meanwhile: they are
    /// carried over to its new version before anything else is hidden in it.
    async fn catch_up(&self, target: &Target) -> Result<(), ShardError> {
        let (store, shard) = (self.store.as_ref(), target.info.path.as_str());
        let Some(held) = hidden::held(store, shard).await? else { return Ok(()) };
        if held.tombstone.version().etag == target.info.etag.as_str() {
            return Ok(());
        }
        let Some(intent) =
            journal::read::<Intent>(store, &journal::intent_path(shard, &held.tombstone.version().etag)).await?
        else {
            return Ok(());
        };
        let (purged, sha256) = (intent.record.tombstone()?, intent.record.sha256_after);
        if purged.version() != held.tombstone.version()
            || sha256 != Some(sha256_of(self.shop, self.store, &target.info).await?)
        {
            return Ok(());
        }
        let etag = target.info.etag.to_string();
        let after = ShardVersion { shard: shard.to_owned(), etag, rows: target.records() };
        match hidden::carry(store, &purged, Some(after), self.source.on_erase.keeps_rows()).await? {
            // All that it hid is out of the bytes, and the intent knows it.
            Some(served) => commit::drop_record(store, &served).await.map_err(ShardError::Store),
            None => Ok(()),
        }
    }
}

/// The purge of shards of one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purge<'a> {
    pub(crate) shop: &'a Workshop,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) source: &'a Source,
    /// What must be nowhere afterwards.
    pub(crate) question: &'a Question,
    /// Who is asked before anything leaves the bytes.
    pub(crate) holds: &'a Arc<dyn Holds>,
}

impl Purge<'_> {
    /// Takes the hidden rows out of this version of the shard. Fails with a change when it is another by now.
    pub(crate) async fn shard(
        &self,
        shard: &BlobInfo,
        format: &ShardFormat,
        held: &Held,
    ) -> Result<Purged, ShardError> {
        let tombstone = &held.tombstone;
        self.ask(tombstone).await?;
        self.check_names(shard)?;
        let before = self.fetch(shard).await?;
        let erased = Arc::new(self.erased(format, tombstone.hidden(), before.clone()).await?);
        let missed = match format {
            // CSV keeps its header.
            ShardFormat::Parquet | ShardFormat::Arrow | ShardFormat::Text(TextFormat::Csv(_)) => Vec::new(),
            ShardFormat::Text(_) => lost::columns(self.store.as_ref(), shard).await?,
        };
        let checked = match self.write(tombstone, format, &erased, &before, &missed, false).await {
            // Row groups without a hidden row are looked at only where that is not enough.
            Err(ShardError::Residue { .. }) if matches!(format, ShardFormat::Parquet) => {
                self.write(tombstone, format, &erased, &before, &missed, true).await?
            }
            written => written?,
        };
        let Checked { written, survivors, hashes, lost } = checked;
        let unchanged = self.unchanged(&written, &before).await?;
        let Written { file, .. } = written;

        let rows_after = self.rows_after(tombstone);
        let is_emptied = rows_after == 0 && self.source.empty_shards == EmptyShards::Delete;
        let after = (!is_emptied).then(|| hashes.after.clone());
        let survivors = ProvedSurvivors::from(survivors);
        let mut intent = Intent::new(tombstone, Some(hashes.before.clone()), after, rows_after, Some(survivors))?;
        intent.lost = lost.iter().map(ToString::to_string).collect();
        // Much time may have gone by.
        self.ask(tombstone).await?;
        let intended = self.intend(shard, &intent).await?;
        let etag_after = match is_emptied {
            true => {
                commit::delete(self.store.as_ref(), shard).await.map_err(ShardError::Store)?;
                None
            }
            false => Some(self.commit(shard, file, hashes, before, unchanged).await?.etag),
        };
        self.finish(Kept { record: intent, info: intended }, tombstone.clone(), etag_after).await
    }

    /// Writes the shard without its rows, and checks what was written. Columns that the shard `missed` before were lost by earlier purges.
    /// With `sweeps`, parts without a row that goes lose what nothing but a row may hold, too.
    async fn write(
        &self,
        tombstone: &Tombstone,
        format: &ShardFormat,
        erased: &Arc<Matcher>,
        before: &FileAt,
        missed: &[ColumnPath],
        sweeps: bool,
    ) -> Result<Checked, ShardError> {
        let written = self.rewrite(format, tombstone.hidden().clone(), erased, before.clone(), sweeps).await?;
        let had = written.rewritten.held.iter().chain(missed).cloned().collect();
        // What is written is hashed, and is on its way to the disk, while it is checked.
        let ((survivors, lost), hashes, ()) = futures::try_join!(
            self.check(tombstone, format, erased, before, &written, had),
            self.hashes(before, &written.file),
            self.settle(&written.file)
        )?;
        Ok(Checked { written, survivors, hashes, lost })
    }

    /// Refuses a shard whose old bytes would live on under another name, where nobody could find them afterwards.
    fn check_names(&self, shard: &BlobInfo) -> Result<(), ShardError> {
        let Some(version) = self.store.open_here(&shard.path, &shard.etag) else { return Ok(()) };
        match version.and_then(|version| version.has_other_names()).map_err(ShardError::Store)? {
            true => Err(ShardError::Refused(
                "its file has another hard link, which would keep the rows: remove the other names of it, and erase again"
                    .into(),
            )),
            false => Ok(()),
        }
    }

    /// What is left to do once the new bytes are in place, now or after a crash: what they lost is written down, rows that were hidden
    /// meanwhile stay hidden, and the old bytes go, but for what a hold keeps of them.
    pub(crate) async fn finish(
        &self,
        intent: Kept<Intent>,
        tombstone: Tombstone,
        etag_after: Option<Etag>,
    ) -> Result<Purged, ShardError> {
        let Kept { record: intent, info } = intent;
        if let Some(etag) = etag_after.as_ref().filter(|_| !intent.lost.is_empty()) {
            lost::keep(self.store.as_ref(), &tombstone.version().shard, etag, &intent.lost).await?;
        }
        let after = version_after(&tombstone, etag_after.as_ref(), intent.rows_after);
        let served = hidden::carry(self.store.as_ref(), &tombstone, after, self.source.on_erase.keeps_rows()).await?;
        Ok(self.clear(intent, Some(info), served, tombstone, etag_after).await)
    }

    /// The shard was removed by another writer, before its hidden rows were out of the bytes: old ones may hold them still, and so may other
    /// shards, unless its requests have `searched_since`.
    pub(crate) async fn removed_by_others(&self, held: Held, searched_since: bool) -> Result<Purged, ShardError> {
        let Held { tombstone, info } = held;
        self.ask(&tombstone).await?;
        let mut intent = Intent::new(&tombstone, None, None, 0, None)?;
        let path = journal::intent_path(&tombstone.version().shard, &tombstone.version().etag);
        let there = journal::read::<Intent>(self.store.as_ref(), &path).await?;
        intent.copies = there.as_ref().and_then(|there| there.record.copies.clone());
        let record = there.map(|there| there.info);
        let mut purged = self.clear(intent, record, Some(info), tombstone, None).await;
        purged.has_moved = !searched_since;
        if matches!(purged.old, OldBytes::Left(_)) {
            // Whether anything of them is written down is not sure.
            purged.served = None;
        }
        Ok(purged)
    }

    /// Removes the old bytes. What hid the rows has `served`.
    async fn clear(
        &self,
        intent: Intent,
        record: Option<BlobInfo>,
        served: Option<BlobInfo>,
        tombstone: Tombstone,
        etag_after: Option<Etag>,
    ) -> Purged {
        let (sha256_before, sha256_after) = (intent.sha256_before.clone(), intent.sha256_after.clone());
        let (rows_after, is_again) = (intent.rows_after, intent.copies.is_some());
        let survivors = intent.survivors.clone();
        let (old, record) = match self.held(&tombstone).await {
            Ok(None) => copies::clear(self.store.as_ref(), intent, record, etag_after.as_ref()).await,
            Ok(Some(why)) => (OldBytes::held(&why), record),
            Err(error) => (OldBytes::Left(chain(&error)), record),
        };
        let record = record.filter(|_| old.are_gone());
        Purged {
            tombstone,
            etag_after,
            sha256_before,
            sha256_after,
            rows_after,
            survivors,
            is_again,
            has_moved: false,
            served,
            record,
            old,
        }
    }

    /// Writes down what is about to happen.
    async fn intend(&self, shard: &BlobInfo, intent: &Intent) -> Result<BlobInfo, ShardError> {
        let (store, path) = (self.store.as_ref(), journal::intent_path(shard.path.as_str(), shard.etag.as_str()));
        journal::keep(store, &path, intent).await
    }

    /// How many records the shard has once the hidden ones are gone, or anonymous.
    fn rows_after(&self, tombstone: &Tombstone) -> u64 {
        match self.source.on_erase.keeps_rows() {
            true => tombstone.version().rows,
            false => tombstone.version().rows - tombstone.hidden().len(),
        }
    }

    /// Puts the checked bytes in the shard's place, and reads them back.
    async fn commit(
        &self,
        shard: &BlobInfo,
        file: NamedTempFile,
        hashes: Hashes,
        before: FileAt,
        unchanged: Vec<Unchanged>,
    ) -> Result<BlobInfo, ShardError> {
        let (_, path) = file.keep().map_err(|error| ShardError::Temp(error.error))?;
        let operation = journal::operation(&hashes.after);
        let committed = commit::replace(self.store.as_ref(), shard, path.clone(), operation, unchanged).await;
        // The store moves the file away where it can; what it only copied, or refused, goes here.
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(ShardError::Temp(error)),
            _ => {}
        }
        let committed = committed.map_err(ShardError::Store)?;
        // The old file's space is given back when nobody holds it any more, which takes its time.
        let forget = blocking(move || {
            drop(before);
            Ok(())
        });
        match futures::try_join!(self.reads_back(&committed, hashes.stretches), forget)? {
            (true, ()) => Ok(committed),
            (false, ()) => {
                Err(ShardError::Refused("the committed bytes read back differ from the checked ones".into()))
            }
        }
    }

    /// What a store far away may take from the old version, which has it: both files are compared, whatever the rewrite says.
    async fn unchanged(&self, written: &Written, before: &FileAt) -> Result<Vec<Unchanged>, ShardError> {
        if self.store.staging_dir().is_some() || written.rewritten.copied.is_empty() {
            return Ok(Vec::new());
        }
        let (before, copied) = (before.clone(), written.rewritten.copied.clone());
        let after = written.file.reopen().and_then(FileAt::new).map_err(ShardError::Temp)?;
        let compare = move || -> io::Result<Vec<Unchanged>> {
            let mut unchanged = Vec::new();
            for Copied { from, at, length } in copied {
                if before.is_same(from, &after, at, length)? {
                    unchanged.push(Unchanged { from, at, length });
                }
            }
            Ok(unchanged)
        };
        self.shop.cpu.run(compare).await?.map_err(ShardError::Temp)
    }

    /// Whether the store gives back the bytes that were checked: stretch by stretch, side by side.
    async fn reads_back(&self, committed: &BlobInfo, stretches: Stretches) -> Result<bool, ShardError> {
        if committed.size != stretches.bytes {
            return Ok(false);
        }
        let origin = Origin::Blob(self.store.clone(), committed.clone());
        if let Some(near) = origin.open_near() {
            let near = near?;
            let work = move || stretches.fit_near(&near).and_then(|fits| near.check().map(|()| fits));
            return self.shop.cpu.run(work).await?;
        }
        let stretches = Arc::new(stretches);
        let (origin, bytes_read) = (&origin, &AtomicU64::new(0));
        let fits = futures::stream::iter(0..stretches.len()).map(|at| {
            let stretches = stretches.clone();
            async move {
                let loaded = self.shop.budget.load(origin, stretches.range(at), bytes_read).await?;
                Ok::<_, ShardError>(self.shop.cpu.run(move || stretches.fit(at, &loaded.bytes)).await?)
            }
        });
        let at_once = self.shop.at_once(origin.is_near());
        fits.buffer_unordered(at_once).try_fold(true, |all, fits| async move { Ok(all && fits) }).await
    }

    /// The hashes of the old bytes and the new ones.
    async fn hashes(&self, before: &FileAt, file: &NamedTempFile) -> Result<Hashes, ShardError> {
        let after = file.reopen().and_then(FileAt::new).map_err(ShardError::Temp)?;
        let (before, window) = (before.clone(), self.shop.budget.window);
        self.shop.cpu.run(move || Hashes::of(&before, &after, window)).await?.map_err(ShardError::Temp)
    }

    /// Begins to make the new bytes durable, where the file itself takes the shard's place.
    async fn settle(&self, file: &NamedTempFile) -> Result<(), ShardError> {
        if self.store.staging_dir().is_none() {
            return Ok(());
        }
        let file = file.reopen().map_err(ShardError::Temp)?;
        blocking(move || file.sync_data()).await
    }

    /// The shard's bytes as a file: its own where it lies on this machine, else a copy.
    async fn fetch(&self, info: &BlobInfo) -> Result<FileAt, ShardError> {
        if let Some(path) = self.store.local_file(&info.path) {
            // Whether it still is the version that was searched is checked when it is replaced.
            return File::open(path).and_then(FileAt::new).map_err(ShardError::Temp);
        }
        copied(self.shop, self.store, info).await.and_then(|file| FileAt::new(file).map_err(ShardError::Temp))
    }

    /// What the rows that go hold in the columns that identify: what nothing but a row may hold afterwards.
    async fn erased(&self, format: &ShardFormat, rows: &RoaringTreemap, before: FileAt) -> Result<Matcher, ShardError> {
        let mapping = &self.source.mapping;
        let held: HashSet<(usize, HeldValue)> = match format {
            ShardFormat::Parquet => held_values(self.shop, &Origin::File(before), rows, mapping).await?,
            ShardFormat::Arrow => {
                let (mapping, limits, rows) = (mapping.clone(), self.shop.limits, rows.clone());
                let work = move || {
                    let ahead = lacuna_erase::ipc::ahead(&before, &limits)?;
                    let mut input = BufReader::with_capacity(1 << 20, Sequential::new(&before));
                    Ok::<_, ShardError>(lacuna_scan::ipc::held_values(&mut input, ahead, &mapping, &limits, &rows)?)
                };
                self.shop.cpu.run(work).await??.into_iter().collect()
            }
            // Text has no place for a value but its records.
            ShardFormat::Text(_) => HashSet::new(),
        };
        Ok(Matcher::of_values(mapping, &held.into_iter().collect::<Vec<_>>()))
    }

    /// Writes the shard without its rows to a new file, which stands where the store can move it from.
    async fn rewrite(
        &self,
        format: &ShardFormat,
        hits: RoaringTreemap,
        erased: &Arc<Matcher>,
        before: FileAt,
        sweeps: bool,
    ) -> Result<Written, ShardError> {
        let staging = self.shop.staging(self.store.as_ref()).map_err(ShardError::Store)?;
        let file = NamedTempFile::new_in(staging).map_err(ShardError::Temp)?;
        let out = file.reopen().map_err(ShardError::Temp)?;
        let job = Rewrite {
            format: format.clone(),
            hits,
            anonymize: self.anonymized_columns(),
            required: self.source.mapping.required().cloned().collect(),
            erased: erased.clone(),
            asked: self.question.matcher.clone(),
            sweeps,
            poison_keep: self.source.poison == Poison::Keep,
            limits: self.shop.limits,
        };
        let rewritten = self.shop.cpu.run(move || job.run(&before, out)).await??;
        Ok(Written { file, rewritten })
    }

    fn anonymized_columns(&self) -> Option<Vec<ColumnPath>> {
        let fields = self.source.mapping.fields();
        self.source.on_erase.keeps_rows().then(|| fields.map(|field| field.column.clone()).collect())
    }

    /// Checks the new bytes before they take the old ones' place: they hold nobody's rows, and everybody else's. Also says which of the
    /// columns that the shard `had` it has lost.
    async fn check(
        &self,
        tombstone: &Tombstone,
        format: &ShardFormat,
        erased: &Arc<Matcher>,
        before: &FileAt,
        written: &Written,
        had: Arc<[ColumnPath]>,
    ) -> Result<(Survivors, Vec<ColumnPath>), ShardError> {
        let refuse = |why: String| Err(ShardError::Refused(format!("{why}; the shard was left as it is")));
        let rewritten = &written.rewritten;
        let after = written.file.reopen().and_then(FileAt::new).map_err(ShardError::Temp)?;
        let origin = Origin::File(after.clone());
        let never = CancellationToken::new();
        let question = Question { reading: Reading::Rewritten(had), ..self.question.clone() };
        let answer = search(self.shop, &origin, format, &question, None, None, &never).await?;
        if !answer.matches.is_empty() {
            return refuse("the rewritten shard still has rows of the subject".into());
        }
        let (rows, broken) = (tombstone.version().rows, answer.poisoned.count);
        let counts = rewritten.rows_before + broken == rows
            && rewritten.rows_changed == tombstone.hidden().len()
            && rewritten.rows_after + broken == self.rows_after(tombstone);
        if !counts {
            return refuse("the rewritten shard does not have the rows that it should".into());
        }
        let is_sound = broken == 0 || self.source.poison == Poison::Keep;
        if answer.rows != rewritten.rows_after || !is_sound {
            return refuse("the rewritten shard reads back with other rows than were written".into());
        }
        for matcher in [erased, &self.question.matcher].into_iter().filter(|matcher| !matcher.is_empty()) {
            let (format, matcher, after, limits) = (format.clone(), matcher.clone(), after.clone(), self.shop.limits);
            let residue = self.shop.cpu.run(move || residue(&format, &after, &matcher, &limits)).await??;
            if let Some(place) = residue.first() {
                return Err(ShardError::Residue { place: place.clone() });
            }
        }
        Ok((self.survivors(tombstone, format, before, after).await?, answer.lost))
    }

    /// Proves from both files that the other rows stay as they are.
    async fn survivors(
        &self,
        tombstone: &Tombstone,
        format: &ShardFormat,
        before: &FileAt,
        after: FileAt,
    ) -> Result<Survivors, ShardError> {
        let (hits, limits, format) = (tombstone.hidden().clone(), self.shop.limits, format.clone());
        let (before, anonymize) = (before.clone(), self.anonymized_columns());
        let work = move || {
            let change = anonymize.as_deref().map_or(Change::Delete, Change::Anonymize);
            match &format {
                ShardFormat::Parquet => lacuna_erase::parquet::survivors(&before, &after, &hits, change, &limits),
                ShardFormat::Text(format) => {
                    lacuna_erase::text::survivors(&before, &after, format, &hits, change, &limits)
                }
                ShardFormat::Arrow => lacuna_erase::ipc::survivors(&before, &after, &hits, change, &limits),
            }
        };
        Ok(self.shop.cpu.run(work).await??)
    }
}

/// The version of a shard that took the place of the one that `purged` is of.
fn version_after(purged: &Tombstone, etag: Option<&Etag>, rows: u64) -> Option<ShardVersion> {
    let shard = purged.version().shard.clone();
    etag.map(|etag| ShardVersion { shard, etag: etag.to_string(), rows })
}

/// A shard's new bytes, and what is sure of them.
struct Checked {
    written: Written,
    survivors: Survivors,
    hashes: Hashes,
    /// Columns of JSON that no record is left of.
    lost: Vec<ColumnPath>,
}

/// A shard's new bytes, not in its place yet.
struct Written {
    file: NamedTempFile,
    rewritten: Rewritten,
}

/// The bytes of this version of a blob in a temporary file, within the memory's budget.
pub(crate) async fn copied(shop: &Workshop, store: &Arc<dyn Store>, info: &BlobInfo) -> Result<File, ShardError> {
    let origin = Origin::Blob(store.clone(), info.clone());
    let mut file = tempfile::tempfile_in(shop.temp_dir()).map_err(ShardError::Temp)?;
    let (mut at, window) = (0, shop.budget.window);
    while at < info.size {
        let range = at..info.size.min(at + window);
        at = range.end;
        let loaded = shop.budget.load(&origin, range, &Default::default()).await?;
        let write = move || file.write_all(&loaded.bytes).map(|()| file);
        file = blocking(write).await?;
    }
    Ok(file)
}

/// The SHA-256 of this version of a shard, read from the store.
pub(crate) async fn sha256_of(shop: &Workshop, store: &Arc<dyn Store>, shard: &BlobInfo) -> Result<String, ShardError> {
    let origin = Origin::Blob(store.clone(), shard.clone());
    let mut hasher = Sha256::new();
    let (mut at, window) = (0, shop.budget.window);
    while at < shard.size {
        let range = at..shard.size.min(at + window);
        at = range.end;
        let loaded = shop.budget.load(&origin, range, &Default::default()).await?;
        hasher = shop.cpu.run(move || hasher.chain_update(&loaded.bytes)).await?;
    }
    Ok(hex(&hasher.finalize()))
}

/// Where wanted values stay in a rewritten shard although no row holds them.
fn residue(format: &ShardFormat, file: &FileAt, matcher: &Matcher, limits: &Limits) -> Result<Vec<String>, ShardError> {
    let places = match format {
        ShardFormat::Parquet => lacuna_erase::parquet::residue(file, matcher, limits)?,
        ShardFormat::Arrow => lacuna_erase::ipc::residue(file, matcher, limits)?,
        // Text has no place for a value but its records.
        ShardFormat::Text(_) => Vec::new(),
    };
    Ok(places.into_iter().map(|residue| residue.place).collect())
}

/// What a rewrite needs to know.
struct Rewrite {
    format: ShardFormat,
    hits: RoaringTreemap,
    anonymize: Option<Vec<ColumnPath>>,
    /// Columns of which a rewrite says whether rows that go held them.
    required: Vec<ColumnPath>,
    /// What the rows that go hold, and what was asked for.
    erased: Arc<Matcher>,
    asked: Arc<Matcher>,
    /// Whether other parts of the shard lose that, too, where no row has it.
    sweeps: bool,
    poison_keep: bool,
    limits: Limits,
}

impl Rewrite {
    fn run(&self, before: &FileAt, out: File) -> Result<Rewritten, ShardError> {
        let change = self.anonymize.as_deref().map_or(Change::Delete, Change::Anonymize);
        let mut out = BufWriter::with_capacity(64 << 10, out);
        let (hits, limits, unwanted) = (&self.hits, &self.limits, [self.erased.as_ref(), self.asked.as_ref()]);
        let rewritten = match &self.format {
            ShardFormat::Parquet => {
                let unwanted = if self.sweeps { &unwanted[..] } else { &[] };
                lacuna_erase::parquet::rewrite(before, hits, change, unwanted, limits, &mut out)?
            }
            ShardFormat::Arrow => lacuna_erase::ipc::rewrite(before, hits, change, &unwanted, limits, &mut out)?,
            ShardFormat::Text(format) => {
                let edit = Edit { change, poison_keep: self.poison_keep, noted: &self.required };
                lacuna_erase::text::rewrite(before, format, hits, edit, limits, &mut out)?
            }
        };
        out.flush().map_err(ShardError::Temp)?;
        Ok(rewritten)
    }
}

/// Runs file I/O where it may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ShardError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ShardError::Panicked)?.map_err(ShardError::Temp)
}
