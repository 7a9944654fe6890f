//! A shard's new bytes, written beside the old ones.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use lacuna_erase::text::Edit;
use lacuna_erase::{Change, Rewritten, Sequential};
use lacuna_scan::{ColumnPath, HeldValue, Limits, Matcher};
use roaring::RoaringTreemap;
use tempfile::NamedTempFile;

use super::Purge;
use crate::Poison;
use crate::plan::format::ShardFormat;
use crate::problem::ShardError;
use crate::read::origin::{FileAt, Origin};
use crate::read::rows::held_values;

/// A shard's new bytes, not in its place yet.
pub(super) struct Written {
    pub(super) file: NamedTempFile,
    pub(super) rewritten: Rewritten,
    /// With how many bytes of the old ones it begins, as far as they were compared.
    pub(super) alike: Arc<AtomicU64>,
}

impl Purge<'_> {
    /// What the rows that go hold in the columns that identify: what nothing but a row may hold afterwards.
    pub(super) async fn erased(
        &self,
        format: &ShardFormat,
        rows: &RoaringTreemap,
        before: FileAt,
    ) -> Result<Matcher, ShardError> {
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
        Ok(Matcher::of_held(mapping, &held.into_iter().collect::<Vec<_>>()))
    }

    /// Writes the shard without its rows to a new file, which stands where the store can move it from.
    pub(super) async fn rewrite(
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
        Ok(Written { file, rewritten, alike: Arc::default() })
    }

    pub(super) fn anonymized_columns(&self) -> Option<Vec<ColumnPath>> {
        let fields = self.source.mapping.fields();
        self.source.on_erase.keeps_rows().then(|| fields.map(|field| field.column.clone()).collect())
    }
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
