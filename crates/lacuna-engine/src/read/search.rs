//! The search of one shard, whatever its format: ranges in by tokio, decoded by rayon.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_scan::ipc::{Ahead, IpcSearch, Lookahead};
use lacuna_scan::parquet::{ParquetSearch, RowGroupMatches, RowGroupSearch};
use lacuna_scan::text::{TextFormat, TextSearch};
use lacuna_scan::{ColumnPath, Effort, Matcher, Matches, Noted, SelectorIndex, StreamSearch, Summary};
use roaring::RoaringTreemap;
use tokio_util::sync::CancellationToken;

use super::collector::Collector;
use super::near::Near;
use super::open::{Opened, Tail, open};
use super::origin::Origin;
use super::rows::{Known, Rows, collect_rows};
use crate::erase::lost;
use crate::package::spool::Part;
use crate::plan::format::ShardFormat;
use crate::problem::ShardError;
use crate::workshop::Workshop;
use crate::{OnErase, Reporter};

/// What to look for in a shard, and which of it to bring back.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) matcher: Arc<Matcher>,
    /// For each selector, whether its records are wanted and not just their positions.
    pub(crate) collect: Arc<[bool]>,
    /// For each selector, whether rows that are hidden count: an erasure that runs again comes to the same.
    pub(crate) sees_hidden: Arc<[bool]>,
    pub(crate) reading: Reading,
}

/// How much of a text shard is read, and what must be in it.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    /// Lines that cannot hold a wanted value stay unread.
    Skim,
    /// An erasure relies on what every line is.
    Whole,
    /// The same, of a shard that was just rewritten: the last record with any of these columns may have gone.
    Rewritten(Arc<[ColumnPath]>),
}

/// What a shard answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: u64,
    pub(crate) matches: Matches,
    pub(crate) bytes_read: u64,
    pub(crate) effort: Effort,
    /// The collected records.
    pub(crate) records: Part,
    /// Records that could not be read.
    pub(crate) poisoned: Noted,
    /// A column whose dictionary holds an identifier that is to be erased and that no row has.
    pub(crate) leftover: Option<String>,
    /// Records that would be found if they did not name two tenants.
    pub(crate) torn: Noted,
    /// Records that may be somebody's by values in another form than the mapping takes.
    pub(crate) astray: Noted,
    /// Records that are somebody's who is to be erased, maybe, and hold an identifier in such a form as well.
    pub(crate) beside: Noted,
    /// Of the columns that the shard may [have lost](Reading::Rewritten), those that it lacks.
    pub(crate) lost: Vec<ColumnPath>,
}

impl Answer {
    /// What the matches do not tell, and a request is not complete with, in a source of which this is to be erased.
    pub(crate) fn problems(&self, on_erase: &OnErase) -> Vec<String> {
        let mut told = Vec::new();
        if let Noted { count, first: Some(first) } = &self.poisoned {
            told.push(match count {
                1 => format!("1 record cannot be read ({first}); the others were searched"),
                many => format!("{many} records cannot be read (the first: {first}); the others were searched"),
            });
        }
        if let Noted { count, first: Some(first) } = &self.torn {
            told.push(match count {
                1 => format!("1 record names two tenants ({first}), so it is nobody's"),
                many => format!("{many} records name two tenants each (the first: {first}), so they are nobody's"),
            });
        }
        if let Noted { count, first: Some(first) } = &self.astray {
            told.push(match count {
                1 => format!("1 record may be missed ({first})"),
                many => format!("{many} records may be missed (the first: {first})"),
            });
        }
        if let Noted { count, first: Some(first) } = &self.beside
            && on_erase.keeps_rows()
        {
            told.push(match count {
                1 => format!("1 record would keep an identifier in another form ({first})"),
                many => format!("{many} records would keep identifiers in another form (the first: {first})"),
            });
        }
        if let Some(column) = self.leftover.as_ref().filter(|_| !matches!(on_erase, OnErase::Keep { .. })) {
            told.push(format!(
                "an identifier is left in a dictionary of column `{column}`, although no row has it: write the shard anew, without \
                 entries that no row uses"
            ));
        }
        told
    }
}

impl Question {
    pub(crate) fn collects(&self) -> bool {
        self.collect.contains(&true)
    }

    fn erases(&self) -> bool {
        self.sees_hidden.contains(&true)
    }
}

/// Searches all of `origin`. Rows that are `hidden` show only to those who [erase](Question::sees_hidden).
pub(crate) async fn search(
    shop: &Workshop,
    origin: &Origin,
    format: &ShardFormat,
    question: &Question,
    hidden: Option<&Arc<RoaringTreemap>>,
    reporter: Option<&Reporter>,
    cancel: &CancellationToken,
) -> Result<Answer, ShardError> {
    let run = Run { shop, origin, question, hidden, reporter, cancel, bytes_read: AtomicU64::new(0) };
    let Streamed { summary, leftover, records } = match format {
        ShardFormat::Parquet => return run.parquet().await,
        ShardFormat::Arrow => {
            let search = IpcSearch::new(question.matcher.clone(), shop.limits).with_ahead(run.ahead().await?);
            let search = if question.erases() { search.noting_unused() } else { search };
            run.stream(Box::new(search), shop.budget.window).await?
        }
        ShardFormat::Text(format) => run.text(format).await?,
    };
    Ok(Answer {
        rows: summary.rows,
        matches: summary.matches,
        bytes_read: run.bytes_read.into_inner(),
        effort: summary.effort,
        records,
        poisoned: summary.poisoned,
        leftover,
        torn: summary.torn,
        astray: summary.astray,
        beside: if question.erases() { summary.beside } else { Noted::default() },
        lost: summary.lacking,
    })
}

/// Text on this machine is read so much at a time at most: more goes to fresh memory each time, and finding a rare user in lines takes longer
/// (`cargo xtask bench --cases find-lines`).
const NEAR_BYTES_MAX: u64 = 2 << 20;

/// One shard's search.
struct Run<'a> {
    shop: &'a Workshop,
    origin: &'a Origin,
    question: &'a Question,
    hidden: Option<&'a Arc<RoaringTreemap>>,
    reporter: Option<&'a Reporter>,
    cancel: &'a CancellationToken,
    bytes_read: AtomicU64,
}

struct Streamed {
    summary: Summary,
    leftover: Option<String>,
    records: Part,
}

impl Run<'_> {
    async fn parquet(self) -> Result<Answer, ShardError> {
        let Opened { metadata, tail, near } = open(self.shop, self.origin, &self.bytes_read).await?;
        let search =
            ParquetSearch::new(metadata.clone(), self.origin.size(), self.question.matcher.clone(), self.shop.limits)?;
        let search = if self.question.erases() { search.noting_unused() } else { search };
        let (mut matches, mut effort, mut known) = (Matches::default(), Effort::default(), Known::new());
        let (mut unused, mut used, mut torn) = (Vec::new(), HashSet::new(), Vec::new());
        let mut groups = futures::stream::iter(0..search.row_groups())
            .map(async |index| {
                Ok::<_, ShardError>((index, self.row_group(&search, index, &tail, near.as_ref()).await?))
            })
            .buffer_unordered(self.shop.at_once(near.is_some()));
        while let Some((index, group)) = groups.try_next().await? {
            matches.merge(group.matches);
            effort += group.effort;
            known.insert(index, group.known);
            unused.extend(group.unused);
            used.extend(group.used);
            torn.extend(group.torn);
        }
        drop(groups);
        unused.retain(|of| !used.contains(of));
        if self.leftover(&unused, &matches).is_some()
            && let Some(search) = search.of_any_tenant()
        {
            // Other tenants' rows may have it, in row groups that need no look for this one's.
            for index in 0..search.row_groups() {
                used.extend(self.row_group(&search, index, &tail, near.as_ref()).await?.used);
            }
            unused.retain(|of| !used.contains(of));
        }
        let leftover = self.leftover(&unused, &matches);
        self.hide(&mut matches);
        let shard = Rows { shop: self.shop, origin: self.origin, near: near.as_ref(), bytes_read: &self.bytes_read };
        let collected = collect_rows(shard, metadata, &matches, &known, self.question);
        let (records, taking) = collected.await?;
        effort += taking;
        Ok(Answer {
            rows: search.rows(),
            matches,
            bytes_read: self.bytes_read.into_inner(),
            effort,
            records,
            poisoned: Noted::default(),
            leftover,
            torn: Noted { count: torn.len() as u64, first: torn.iter().min().map(|row| format!("record {}", row + 1)) },
            astray: Noted::default(),
            beside: Noted::default(),
            lost: Vec::new(),
        })
    }

    /// Of the identifiers that dictionaries hold and no row has, the column of one that is to be erased. Where the subject has rows in
    /// the shard, it is not one: with these, unused entries go.
    fn leftover(&self, unused: &[(SelectorIndex, usize)], matches: &Matches) -> Option<String> {
        let is_left = |selector: SelectorIndex| {
            self.question.sees_hidden[selector as usize] && !matches.iter().any(|(of, _)| of == selector)
        };
        let (_, field) = unused.iter().find(|(selector, _)| is_left(*selector))?;
        Some(self.question.matcher.fields()[*field].column().to_string())
    }

    async fn row_group(
        &self,
        search: &ParquetSearch,
        index: usize,
        tail: &Tail,
        near: Option<&Arc<Near>>,
    ) -> Result<RowGroupMatches, ShardError> {
        let mut group = search.row_group(index, self.question.collects())?;
        if group.need(1).is_none() {
            // The footer has excluded it: that is no work for another thread.
            return Ok(group.finish());
        }
        if let Some(near) = near {
            return self.row_group_near(group, tail, near).await;
        }
        while let Some(range) = group.need(self.shop.budget.window) {
            if self.cancel.is_cancelled() {
                return Err(ShardError::Cancelled);
            }
            let (bytes, held) = match tail.slice(&range) {
                Some(bytes) => (bytes, None),
                None => {
                    let loaded = self.shop.budget.load(self.origin, range, &self.bytes_read).await?;
                    self.passed(loaded.bytes.len());
                    (loaded.bytes.clone(), Some(loaded))
                }
            };
            let work = move || {
                let fed = group.feed(&bytes);
                drop(held);
                (group, fed)
            };
            let (back, fed) = self.shop.cpu.run(work).await?;
            fed?;
            group = back;
        }
        Ok(self.shop.cpu.run(move || group.finish()).await?)
    }

    /// The same, all of it by one thread.
    async fn row_group_near(
        &self,
        mut group: RowGroupSearch,
        tail: &Tail,
        near: &Arc<Near>,
    ) -> Result<RowGroupMatches, ShardError> {
        let window = self.shop.budget.window;
        let room = self.shop.budget.reserve(window).await?;
        let (near, tail, cancel) = (near.clone(), tail.clone(), self.cancel.clone());
        let work = move || {
            let mut read = 0;
            while let Some(range) = group.need(window) {
                if cancel.is_cancelled() {
                    return Err(ShardError::Cancelled);
                }
                match tail.slice(&range) {
                    Some(bytes) => group.feed(&bytes)?,
                    None => {
                        read += range.end - range.start;
                        near.with(&range, |piece| group.feed(piece))??;
                    }
                }
            }
            near.check()?;
            drop(room);
            Ok((group.finish(), read))
        };
        let (found, read) = self.shop.cpu.run(work).await??;
        self.bytes_read.fetch_add(read, Ordering::Relaxed);
        if let Some(reporter) = self.reporter {
            reporter.passed(read);
        }
        Ok(found)
    }

    /// What must be read ahead of an Arrow shard.
    async fn ahead(&self) -> Result<Ahead, ShardError> {
        let mut lookahead = Lookahead::new(self.origin.size(), self.shop.limits);
        while let Some(range) = lookahead.need(self.shop.budget.window) {
            if self.cancel.is_cancelled() {
                return Err(ShardError::Cancelled);
            }
            let loaded = self.shop.budget.load(self.origin, range, &self.bytes_read).await?;
            let work = move || lookahead.feed(&loaded.bytes).map(|()| lookahead);
            lookahead = self.shop.cpu.run(work).await??;
        }
        Ok(lookahead.finish())
    }

    /// Searches a text shard; where a column is in no record, again, without those that it had before a purge.
    async fn text(&self, format: &TextFormat) -> Result<Streamed, ShardError> {
        let window = self.shop.budget.window.min(if self.origin.is_near() { NEAR_BYTES_MAX } else { u64::MAX });
        let search = || TextSearch::new(format.clone(), self.question.matcher.clone(), self.shop.limits);
        let first = match &self.question.reading {
            Reading::Skim => search()?.with_prefilter(),
            Reading::Whole => search()?,
            Reading::Rewritten(columns) => search()?.noting_lost(columns),
        };
        let searched = self.stream(Box::new(first), window).await;
        // Where other records have something else in its place, or on the way, its last one may have gone just as well.
        use lacuna_scan::Error::{ColumnType, MissingKey};
        let Err(error @ ShardError::Scan(MissingKey { .. } | ColumnType { .. })) = searched else { return searched };
        let Origin::Blob(store, info) = self.origin else { return Err(error) };
        let lost = lost::columns(store.as_ref(), info).await?;
        if lost.is_empty() {
            return Err(error);
        }
        self.stream(Box::new(search()?.with_lost_columns(&lost)), window).await
    }

    /// Feeds the whole shard to `search`, a `window` at a time; reads ahead by one.
    async fn stream(&self, mut search: Box<dyn StreamSearch>, window: u64) -> Result<Streamed, ShardError> {
        let size = self.origin.size();
        let mut sink = Collector::new(self.question, self.hidden.cloned(), Part::new(self.shop.temp_dir()));
        let load = |at: u64| self.shop.budget.load(self.origin, at..size.min(at + window), &self.bytes_read);
        let mut at = 0;
        let mut next = if size > 0 { Some(load(0).await?) } else { None };
        while let Some(loaded) = next.take() {
            if self.cancel.is_cancelled() {
                return Err(ShardError::Cancelled);
            }
            at += loaded.bytes.len() as u64;
            self.passed(loaded.bytes.len());
            let work = self.shop.cpu.run(move || {
                let fed = search.feed(loaded.bytes.clone(), &mut sink);
                (search, sink, fed)
            });
            let ahead = async { if at < size { load(at).await.map(Some) } else { Ok(None) } };
            let (done, ahead) = futures::join!(work, ahead);
            let (search_back, sink_back, fed) = done?;
            sink_back.check(fed)?;
            (search, sink, next) = (search_back, sink_back, ahead?);
        }
        let finish = move || {
            let finished = search.finish(&mut sink);
            (sink, finished)
        };
        let (sink, finished) = self.shop.cpu.run(finish).await?;
        let (mut summary, records) = sink.finish(finished)?;
        let leftover = self.leftover(&summary.unused, &summary.matches);
        self.hide(&mut summary.matches);
        Ok(Streamed { summary, leftover, records })
    }

    /// Takes the hidden rows away from whom they do not show to.
    fn hide(&self, matches: &mut Matches) {
        if let Some(hidden) = self.hidden {
            matches.hide(hidden, |selector| !self.question.sees_hidden[selector as usize]);
        }
    }

    fn passed(&self, bytes: usize) {
        if let Some(reporter) = self.reporter {
            reporter.passed(bytes as u64);
        }
    }
}
