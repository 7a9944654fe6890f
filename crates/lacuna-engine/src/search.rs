//! The search of one shard, whatever its format: ranges in by tokio, decoded by rayon.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_export::Renderer;
use lacuna_scan::ipc::{Ahead, IpcSearch, Lookahead};
use lacuna_scan::parquet::{Footer, ParquetSearch, RowGroupMatches, RowGroupSearch, TAIL_BYTES, footer};
use lacuna_scan::text::{TextFormat, TextSearch};
use lacuna_scan::{
    ColumnPath, Effort, Found, Limits, Matcher, Matches, Noted, SelectorIndex, Sink, StreamSearch, Summary,
};
use lacuna_store::{Scratch, Store};
use parquet::file::metadata::ParquetMetaData;
use roaring::RoaringTreemap;
use tokio_util::sync::CancellationToken;

use crate::Reporter;
use crate::cpu::Cpu;
use crate::erase::blocking;
use crate::format::ShardFormat;
use crate::lost;
use crate::near::Near;
use crate::origin::{Budget, Origin};
use crate::problem::ShardError;
use crate::rows::{Known, Rows, collect_rows};
use crate::spool::Part;

/// What every piece of work on shards shares.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    pub(crate) cpu: Cpu,
    pub(crate) budget: Budget,
    pub(crate) limits: Limits,
    pub(crate) threads: usize,
    /// Requests to a store at a time.
    pub(crate) requests: usize,
    /// Where files with names go, in the directory for temporary files.
    pub(crate) scratch: Arc<Scratch>,
}

impl Workshop {
    /// Where files without names go, which nobody else can open.
    pub(crate) fn temp_dir(&self) -> &Path {
        self.scratch.parent()
    }

    /// Removes what killed runs left half written for `store`, or on their way to any: it may hold anybody's rows.
    pub(crate) async fn remove_leftovers(&self, store: &dyn Store) -> Result<(), ShardError> {
        store.remove_leftovers().await.map_err(ShardError::Store)?;
        let scratch = self.scratch.clone();
        blocking(move || Ok(scratch.clean())).await?.map_err(ShardError::Store)
    }

    /// Where files lie that `store` is to take: where it can move them from, if there is such a place.
    pub(crate) fn staging<'s>(&'s self, store: &'s dyn Store) -> Result<&'s Path, lacuna_store::Error> {
        store.staging_dir().map_or_else(|| self.scratch.directory(), Ok)
    }

    /// How many parts of a shard are worked on at a time: on this machine one for each thread; far away so many that threads do not
    /// wait for the network. The budget bounds what they hold.
    pub(crate) fn at_once(&self, is_near: bool) -> usize {
        if is_near { self.threads } else { self.threads.max(self.requests) }
    }

    /// How many shards are: on this machine twice as many as threads, because a shard that needs little of them waits between one piece of
    /// work and the next: finding a rare user in shards sorted by user shows it (`cargo xtask bench --cases find-rare:sorted`).
    pub(crate) fn shards_at_once(&self, is_near: bool) -> usize {
        if is_near { 2 * self.threads } else { self.at_once(false) }
    }
}

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
    /// Of the columns that the shard may [have lost](Reading::Rewritten), those that it lacks.
    pub(crate) lost: Vec<ColumnPath>,
}

impl Question {
    pub(crate) fn collects(&self) -> bool {
        self.collect.contains(&true)
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
    let (rows, matches, records, summary) = match format {
        ShardFormat::Parquet => return run.parquet().await,
        ShardFormat::Arrow => {
            let search = IpcSearch::new(question.matcher.clone(), shop.limits).with_ahead(run.ahead().await?);
            run.stream(Box::new(search)).await?.split()
        }
        ShardFormat::Text(format) => run.text(format).await?.split(),
    };
    Ok(Answer {
        rows,
        matches,
        bytes_read: run.bytes_read.into_inner(),
        effort: summary.effort,
        records,
        poisoned: summary.poisoned,
        leftover: None,
        torn: summary.torn,
        astray: summary.astray,
        lost: summary.lacking,
    })
}

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
    records: Part,
}

impl Streamed {
    fn split(mut self) -> (u64, Matches, Part, Summary) {
        let matches = std::mem::take(&mut self.summary.matches);
        (self.summary.rows, matches, self.records, self.summary)
    }
}

impl Run<'_> {
    async fn parquet(self) -> Result<Answer, ShardError> {
        let Opened { metadata, tail, near } = open(self.shop, self.origin, &self.bytes_read).await?;
        let search =
            ParquetSearch::new(metadata.clone(), self.origin.size(), self.question.matcher.clone(), self.shop.limits)?;
        let erases = self.question.sees_hidden.contains(&true);
        let search = if erases { search.noting_unused() } else { search };
        let (mut matches, mut effort, mut known) = (Matches::default(), Effort::default(), Known::new());
        let (mut unused, mut torn) = (Vec::new(), Vec::new());
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
            torn.extend(group.torn);
        }
        drop(groups);
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
        let search = || TextSearch::new(format.clone(), self.question.matcher.clone(), self.shop.limits);
        let first = match &self.question.reading {
            Reading::Skim => search()?.with_prefilter(),
            Reading::Whole => search()?,
            Reading::Rewritten(columns) => search()?.noting_lost(columns),
        };
        let searched = self.stream(Box::new(first)).await;
        let Err(error @ ShardError::Scan(lacuna_scan::Error::MissingKey { .. })) = searched else { return searched };
        let Origin::Blob(store, info) = self.origin else { return Err(error) };
        let lost = lost::columns(store.as_ref(), info).await?;
        if lost.is_empty() {
            return Err(error);
        }
        self.stream(Box::new(search()?.with_lost_columns(&lost))).await
    }

    /// Feeds the whole shard to `search`; reads ahead by one window.
    async fn stream(&self, mut search: Box<dyn StreamSearch>) -> Result<Streamed, ShardError> {
        let size = self.origin.size();
        let window = self.shop.budget.window;
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
        self.hide(&mut summary.matches);
        Ok(Streamed { summary, records })
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

/// The last bytes of a shard, kept because page indexes mostly lie in them.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    start: u64,
    bytes: Bytes,
}

impl Tail {
    /// The bytes of `range`, if they are here.
    fn slice(&self, range: &Range<u64>) -> Option<Bytes> {
        let start = range.start.checked_sub(self.start)?;
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(range.end - self.start).ok()?);
        (end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

/// A Parquet shard whose metadata was read.
pub(crate) struct Opened {
    pub(crate) metadata: Arc<ParquetMetaData>,
    tail: Tail,
    /// Its bytes, if they lie on this machine.
    pub(crate) near: Option<Arc<Near>>,
}

/// Reads a Parquet shard's metadata. On this machine the thread that parses it also opens the file and reads it.
pub(crate) async fn open(shop: &Workshop, origin: &Origin, bytes_read: &AtomicU64) -> Result<Opened, ShardError> {
    let (size, limits, mut is_near) = (origin.size(), shop.limits, origin.is_near());
    let mut range = size.saturating_sub(TAIL_BYTES)..size;
    let mut near = None;
    loop {
        let length = range.end - range.start;
        let loaded = if is_near { None } else { Some(shop.budget.load(origin, range.clone(), bytes_read).await?) };
        let room = if is_near { Some(shop.budget.reserve(length).await?) } else { None };
        let (origin, of) = (origin.clone(), range.clone());
        let work = move || {
            let near = match near {
                None if is_near => origin.open_near().transpose()?.map(Arc::new),
                near => near,
            };
            let bytes = match (&near, loaded) {
                (Some(near), _) => {
                    Some(near.with(&of, Bytes::copy_from_slice).and_then(|bytes| near.check().map(|()| bytes))?)
                }
                (None, loaded) => loaded.map(|loaded| loaded.bytes),
            };
            let read = bytes.map(|bytes| footer(size, &bytes, &limits).map(|footer| (footer, bytes))).transpose()?;
            drop(room);
            Ok::<_, ShardError>((read, near))
        };
        let (read, opened) = shop.cpu.run(work).await??;
        near = opened;
        let Some((footer, bytes)) = read else {
            // It lies on this machine, and is for its store alone to read.
            is_near = false;
            continue;
        };
        if near.is_some() {
            bytes_read.fetch_add(length, Ordering::Relaxed);
        }
        match footer {
            Footer::Ready(metadata) => {
                let tail = Tail { start: range.start, bytes };
                return Ok(Opened { metadata, tail, near });
            }
            Footer::Needs(more) if more.start < range.start => range = more,
            Footer::Needs(_) => return Err(ShardError::Refused("its footer cannot be found".into())),
        }
    }
}

/// Renders the records that selectors want, and keeps them.
struct Collector {
    collect: Arc<[bool]>,
    hidden: Option<Arc<RoaringTreemap>>,
    wanted: Vec<SelectorIndex>,
    renderer: Renderer,
    line: Vec<u8>,
    part: Part,
    /// Why a record could not be rendered: [`Sink`] can only pass I/O errors on.
    failed: Option<lacuna_export::Error>,
}

impl Collector {
    fn new(question: &Question, hidden: Option<Arc<RoaringTreemap>>, part: Part) -> Self {
        Self {
            collect: question.collect.clone(),
            hidden,
            wanted: Vec::new(),
            renderer: Renderer::default(),
            line: Vec::new(),
            part,
            failed: None,
        }
    }

    /// Turns the error that a search passed on into the one that the sink met.
    fn check<T>(&self, result: lacuna_scan::Result<T>) -> Result<T, ShardError> {
        match (result, &self.failed) {
            (Err(lacuna_scan::Error::Sink(_)), Some(failed)) => Err(ShardError::Refused(crate::problem::chain(failed))),
            (Err(lacuna_scan::Error::Sink(error)), None) => Err(ShardError::Temp(error)),
            (result, _) => Ok(result?),
        }
    }

    fn finish(self, finished: lacuna_scan::Result<Summary>) -> Result<(Summary, Part), ShardError> {
        let summary = self.check(finished)?;
        Ok((summary, self.part))
    }
}

impl Sink for Collector {
    fn found(&mut self, found: Found<'_>) -> io::Result<()> {
        self.wanted.clear();
        let collect = &self.collect;
        self.wanted.extend(found.selectors.iter().filter(|&&selector| collect[selector as usize]));
        // Whoever wants records does not see hidden ones.
        if self.wanted.is_empty() || self.hidden.as_ref().is_some_and(|hidden| hidden.contains(found.row)) {
            return Ok(());
        }
        self.line.clear();
        match self.renderer.render(found.record, &mut self.line) {
            Ok(()) => self.part.push(&self.line, &self.wanted),
            Err(error) => {
                self.failed = Some(error);
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    }
}
