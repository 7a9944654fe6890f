//! The purge of one shard: it is rewritten beside the original, checked, put in its place, and its old bytes go.

use std::sync::Arc;

use lacuna_erase::Survivors;
use lacuna_erase::tombstone::Tombstone;
use lacuna_scan::text::TextFormat;
use lacuna_scan::{ColumnPath, Matcher};
use lacuna_store::{BlobInfo, ErrorKind, Etag, Store};

use super::copies::{self, OldBytes};
use super::hashes::Hashes;
use super::hidden::{self, Held};
use super::journal::{self, Intent, Kept};
use super::lost;
use super::purged::{Purged, version_after};
use super::rewrite::Written;
use crate::plan::format::ShardFormat;
use crate::problem::{ShardError, chain};
use crate::read::origin::FileAt;
use crate::read::search::Question;
use crate::read::whole::copied;
use crate::receipt::ProvedSurvivors;
use crate::workshop::Workshop;
use crate::{EmptyShards, Holds, Source, commit};

/// How often a run writes down what it is about to do where others do the same.
const ATTEMPTS_MAX: u32 = 8;

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
        hidden::check_asides(self.store.as_ref(), shard, tombstone).await?;
        check_names(self.store.as_ref(), shard)?;
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
        let intent = self.intend(shard, intent).await?;
        let etag_after = match is_emptied {
            true => {
                commit::delete(self.store.as_ref(), shard).await.map_err(ShardError::Store)?;
                None
            }
            false => Some(self.commit(shard, file, hashes, before, unchanged).await?.etag),
        };
        self.finish(intent, tombstone.clone(), etag_after).await
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
            self.hashes(before, &written),
            self.settle(&written.file)
        )?;
        Ok(Checked { written, survivors, hashes, lost })
    }

    /// What is left to do once the new bytes are in place, now or after a crash: what they lost is written down, rows that were hidden
    /// meanwhile stay hidden, and the old bytes go, but for what a hold keeps of them.
    pub(crate) async fn finish(
        &self,
        mut intent: Kept<Intent>,
        tombstone: Tombstone,
        etag_after: Option<Etag>,
    ) -> Result<Purged, ShardError> {
        let (store, keeps_rows) = (self.store.as_ref(), self.source.on_erase.keeps_rows());
        if let Some(etag) = &etag_after {
            lost::note(store, &tombstone.version().shard, etag, &intent.record).await?;
        }
        let after = version_after(&tombstone, etag_after.as_ref(), intent.record.rows_after);
        let served = hidden::carry(store, &tombstone, after, keeps_rows, Some(&mut intent)).await?;
        Ok(self.clear(intent.record, Some(intent.info), served, tombstone, etag_after).await)
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

    /// Writes down what is about to happen, beside what other runs wrote: theirs may be in place by now, and nothing else tells whose rows
    /// went.
    async fn intend(&self, shard: &BlobInfo, intent: Intent) -> Result<Kept<Intent>, ShardError> {
        let (store, path) = (self.store.as_ref(), journal::intent_path(shard.path.as_str(), shard.etag.as_str()));
        for _ in 0..ATTEMPTS_MAX {
            let there = journal::read::<Intent>(store, &path).await?;
            let record = match &there {
                Some(there) => intent.clone().among(&there.record),
                None => intent.clone(),
            };
            match &there {
                Some(there) if there.record == record => return Ok(Kept { record, info: there.info.clone() }),
                Some(_) => hidden::check_there(store, shard).await?,
                None => {}
            }
            match journal::write(store, &path, &record, there.as_ref().map(|there| &there.info)).await {
                Ok(info) => return Ok(Kept { record, info }),
                Err(error)
                    if matches!(error.kind, ErrorKind::AlreadyExists | ErrorKind::Changed | ErrorKind::NotFound) => {}
                Err(error) => return Err(ShardError::Store(error)),
            }
        }
        Err(ShardError::Busy)
    }

    /// How many records the shard has once the hidden ones are gone, or anonymous.
    pub(super) fn rows_after(&self, tombstone: &Tombstone) -> u64 {
        match self.source.on_erase.keeps_rows() {
            true => tombstone.version().rows,
            false => tombstone.version().rows - tombstone.hidden().len(),
        }
    }

    /// The hashes of the old bytes and the new ones. Notes how much of them is alike.
    async fn hashes(&self, before: &FileAt, written: &Written) -> Result<Hashes, ShardError> {
        let after = written.file.reopen().and_then(FileAt::new).map_err(ShardError::Temp)?;
        let (before, alike, window) = (before.clone(), written.alike.clone(), self.shop.budget.window);
        self.shop.cpu.run(move || Hashes::of(&before, &after, &alike, window)).await?.map_err(ShardError::Temp)
    }

    /// The shard's bytes as a file: its own where it lies on this machine, else a copy.
    async fn fetch(&self, info: &BlobInfo) -> Result<FileAt, ShardError> {
        let file = match self.store.open_here(&info.path, &info.etag) {
            // Whether it still is this version is checked once more when it is replaced.
            Some(version) => version.map_err(ShardError::Store)?.into_file(),
            None => copied(self.shop, self.store, info).await?,
        };
        FileAt::new(file).map_err(ShardError::Temp)
    }
}

/// Refuses a shard whose old bytes would live on under another name, where nobody could find them afterwards.
pub(crate) fn check_names(store: &dyn Store, shard: &BlobInfo) -> Result<(), ShardError> {
    let Some(version) = store.open_here(&shard.path, &shard.etag) else { return Ok(()) };
    match version.and_then(|version| version.has_other_names()).map_err(ShardError::Store)? {
        true => Err(ShardError::Refused(
            "its file has another hard link, which would keep the rows: remove the other names of it, and erase again"
                .into(),
        )),
        false => Ok(()),
    }
}

/// A shard's new bytes, and what is sure of them.
struct Checked {
    written: Written,
    survivors: Survivors,
    hashes: Hashes,
    /// Columns of JSON that no record is left of.
    lost: Vec<ColumnPath>,
}
