//! The checked bytes take the shard's place, and are read back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_erase::Copied;
use lacuna_store::{BlobInfo, Unchanged};
use tempfile::NamedTempFile;

use super::hashes::{Hashes, Stretches};
use super::rewrite::Written;
use super::{Purge, journal};
use crate::commit;
use crate::cpu::blocking;
use crate::problem::ShardError;
use crate::read::origin::{FileAt, Origin};

impl Purge<'_> {
    /// Puts the checked bytes in the shard's place, and reads them back.
    pub(super) async fn commit(
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
    pub(super) async fn unchanged(&self, written: &Written, before: &FileAt) -> Result<Vec<Unchanged>, ShardError> {
        if self.store.is_here() || written.rewritten.copied.is_empty() {
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

    /// Begins to make the new bytes durable, where the file itself takes the shard's place.
    pub(super) async fn settle(&self, file: &NamedTempFile) -> Result<(), ShardError> {
        if !self.store.is_here() {
            return Ok(());
        }
        let file = file.reopen().map_err(ShardError::Temp)?;
        blocking(move || file.sync_data()).await
    }
}
