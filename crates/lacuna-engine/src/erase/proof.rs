//! The proof that new bytes hold nobody's rows, and everybody else's, before they take the old ones' place.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use lacuna_erase::tombstone::Tombstone;
use lacuna_erase::{Change, Survivors};
use lacuna_scan::{ColumnPath, Limits, Matcher};
use tokio_util::sync::CancellationToken;

use super::Purge;
use super::rewrite::Written;
use crate::Poison;
use crate::plan::format::ShardFormat;
use crate::problem::ShardError;
use crate::read::origin::{FileAt, Origin};
use crate::read::search::{Question, Reading, search};

impl Purge<'_> {
    /// Checks the new bytes before they take the old ones' place: they hold nobody's rows, and everybody else's. Also says which of the
    /// columns that the shard `had` it has lost.
    pub(super) async fn check(
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
        Ok((self.survivors(tombstone, format, before, after, written.alike.clone()).await?, answer.lost))
    }

    /// Proves from both files that the other rows stay as they are.
    async fn survivors(
        &self,
        tombstone: &Tombstone,
        format: &ShardFormat,
        before: &FileAt,
        after: FileAt,
        alike: Arc<AtomicU64>,
    ) -> Result<Survivors, ShardError> {
        let (hits, limits, format) = (tombstone.hidden().clone(), self.shop.limits, format.clone());
        let (before, anonymize) = (before.clone(), self.anonymized_columns());
        let work = move || {
            let change = anonymize.as_deref().map_or(Change::Delete, Change::Anonymize);
            match &format {
                ShardFormat::Parquet => {
                    lacuna_erase::parquet::survivors(&before, &after, &alike, &hits, change, &limits)
                }
                ShardFormat::Text(format) => {
                    lacuna_erase::text::survivors(&before, &after, format, &hits, change, &limits)
                }
                ShardFormat::Arrow => lacuna_erase::ipc::survivors(&before, &after, &hits, change, &limits),
            }
        };
        Ok(self.shop.cpu.run(work).await??)
    }
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
