//! The new file: untouched parts in their old order, changed row groups in their old place.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use lacuna_scan::parquet::resolve;
use lacuna_scan::{Error as ScanError, FieldTest, Limits, Matcher};
use parquet::basic::Repetition;
use parquet::schema::types::ColumnDescriptor;
use rayon::prelude::*;
use roaring::RoaringTreemap;

use super::categories::{Entries, Survey, categories};
use super::chunk::{Action, Job, Made, PagePlan, Plan};
use super::edit::Fate;
use super::footer::{self, Footer, RowGroup, file_meta, malformed};
use super::index::{self, Location, shift_offset_index, update_offset_index};
use super::metadata::{ChangedChunk, NewGroup, new_row_group};
use super::plan::plan;
use super::remake;
use super::residue::is_left_in;
use super::shelf::Shelf;
use super::thrift::{ListWriter, ty};
use crate::copied::Stretches;
use crate::{Change, Error, ReadAt, Result, Rewritten};

/// How much is copied at a time: what a processor's cache holds.
const COPY: usize = 256 << 10;
/// Decoded, a page takes a few times its size.
const DECODED: u64 = 4;
/// Chunks of up to this many bytes are read at once, as long as those of a row group together take no more than the other.
const HELD_CHUNK: u64 = 4 << 20;
const HELD_GROUP: u64 = 16 << 20;

/// Writes the Parquet file `input` to `out` with `change` made to the rows `hits`, which are ordinals over the whole file. Values that any
/// of `unwanted` wants and no row has leave dictionaries, bounds and Bloom filters, too, in row groups without a matched row as well; without
/// any of these matchers, such row groups are not looked at, but for categories that lose their last row: they leave all of them.
///
/// Memory stays within a few times [`Limits::page_bytes_max`], the file's metadata and the categories of matched rows, however large a row
/// group is. The columns of a row group are worked on in parallel on the current rayon pool. The bytes written are a whole file whenever
/// the call succeeds; whether they hold what they should is for the caller to verify on what it has stored.
///
/// # Errors
/// [`Error::Scan`] when the file cannot be read (encrypted, damaged, over a limit) or has no column of
/// `unwanted`; [`Error::Unfaithful`] when something in a row group with matches has no way back, such as the codec
/// LZO. Nothing useful is in `out` then.
pub fn rewrite(
    input: &dyn ReadAt,
    hits: &RoaringTreemap,
    change: Change<'_>,
    unwanted: &[&Matcher],
    limits: &Limits,
    out: &mut (dyn Write + Send),
) -> Result<Rewritten> {
    let (bytes, start) = footer::read(input, limits)?;
    let footer = Footer::parse(input, &bytes, start, limits)?;
    if hits.max().is_some_and(|last| last >= footer.rows) {
        return Err(Error::Unfaithful("a matched row lies behind the last row of the file".into()));
    }
    let fates = fates(&footer, change)?;
    let entries = categories(&footer).map_err(|broken| malformed(start, broken))?;
    let survey = Survey { input, limits, footer: &footer, hits };
    let lost = survey.lost(&entries, &fates)?;
    let of_lost = |(leaf, lost): (usize, &Option<HashSet<Vec<u8>>>)| Some((leaf, survey.matcher(leaf, lost.as_ref()?)));
    let matchers: Vec<(usize, Matcher)> = lost.iter().enumerate().filter_map(of_lost).collect();
    // To readers all others are values.
    let lost = lost.into_iter().zip(entries).map(|(lost, of)| lost.filter(|_| of == Entries::Categories)).collect();
    let mut unwanted = tests(&footer, unwanted)?;
    for (leaf, matcher) in &matchers {
        unwanted[*leaf].extend(matcher.fields().iter().filter(|test| test.is_wanted()));
    }
    let mut source = Source { input, limits, footer: &footer, hits, fates, unwanted, swept: HashMap::new(), lost };
    source.swept = source.to_sweep()?;
    let mut writer = Writer {
        source: &source,
        out,
        at: 0,
        deletes: matches!(change, Change::Delete),
        groups: footer.row_groups.iter().map(|group| NewGroup::new(group.chunks.len())).collect(),
        plans: HashMap::new(),
        copied: Stretches::default(),
    };
    writer.run()?;
    let rows_changed = hits.len();
    let rows_after = if matches!(change, Change::Delete) { footer.rows - rows_changed } else { footer.rows };
    Ok(Rewritten {
        rows_before: footer.rows,
        rows_after,
        rows_changed,
        held: Vec::new(),
        copied: writer.copied.finish(),
    })
}

/// What happens to matched rows in each leaf column; `None` where nothing does.
pub(super) fn fates(footer: &Footer<'_>, change: Change<'_>) -> Result<Vec<Option<Fate>>> {
    let columns = footer.schema.num_columns();
    match change {
        Change::Delete => Ok(vec![Some(Fate::Delete); columns]),
        Change::Anonymize(paths) => {
            let mut fates = vec![None; columns];
            for path in paths {
                let leaves = match resolve(&footer.schema, path) {
                    // A column that is not there has nothing to lose.
                    Err(ScanError::MissingColumn { .. }) => Vec::new(),
                    found => found?,
                };
                for leaf in leaves.into_iter().map(|leaf| leaf.column) {
                    fates[leaf] = Some(if can_be_null(&footer.schema.column(leaf)) { Fate::Null } else { Fate::Blank });
                }
            }
            Ok(fates)
        }
    }
}

/// By leaf, the tests for its values.
fn tests<'a>(footer: &Footer<'_>, matchers: &[&'a Matcher]) -> Result<Vec<Vec<&'a FieldTest>>> {
    let mut tests = vec![Vec::new(); footer.schema.num_columns()];
    let fields = matchers.iter().flat_map(|matcher| matcher.fields()).filter(|test| test.is_wanted());
    for test in fields {
        for leaf in test.places(resolve(&footer.schema, test.column()))? {
            tests[leaf.column].push(test);
        }
    }
    Ok(tests)
}

/// Whether the leaf itself can be null. A null parent would change the other columns below it.
fn can_be_null(column: &ColumnDescriptor) -> bool {
    let info = column.self_type().get_basic_info();
    info.has_repetition() && info.repetition() == Repetition::OPTIONAL && column.max_def_level() > 0
}

/// A part of the old file, in the order in which parts are written.
#[derive(Clone, Debug)]
struct Part {
    range: Range<u64>,
    group: usize,
    column: usize,
    is_bloom: bool,
}

/// The old file and what is to be done to it.
struct Source<'a> {
    input: &'a dyn ReadAt,
    limits: &'a Limits,
    footer: &'a Footer<'a>,
    hits: &'a RoaringTreemap,
    /// What happens in each leaf column.
    fates: Vec<Option<Fate>>,
    /// By leaf, tests for values that nothing but a row may hold.
    unwanted: Vec<Vec<&'a FieldTest>>,
    /// The row groups without a matched row that change because they hold such a value, with what happens in each leaf column.
    swept: HashMap<usize, Vec<Option<Fate>>>,
    /// Of leaf columns of categories, those that lose their last row.
    lost: Vec<Option<HashSet<Vec<u8>>>>,
}

struct Writer<'a> {
    source: &'a Source<'a>,
    out: &'a mut (dyn Write + Send),
    /// How many bytes are written.
    at: u64,
    deletes: bool,
    groups: Vec<NewGroup>,
    /// The row groups that are being written.
    plans: HashMap<usize, Planned>,
    copied: Stretches,
}

/// A row group that changes: its matched rows, and how each chunk changes.
type Planned = (Vec<u64>, Vec<Option<Plan>>);

/// The pages of a chunk as they are written.
struct NewPages<'a> {
    /// The old ones.
    input: &'a dyn ReadAt,
    new: ChangedChunk,
    /// By data page; of those that stay.
    locations: Vec<Option<Location>>,
    /// In the pages so far.
    rows: u64,
    /// Pages that lie side by side, and are copied in one.
    copied: Option<Range<u64>>,
}

/// What a row group may hold in memory until it is written, in bytes.
struct Room {
    /// For chunks as they are.
    held: AtomicU64,
    /// For pages that are made ahead of their turn.
    ahead: AtomicU64,
}

impl Source<'_> {
    /// What happens in each leaf column of a row group that changes.
    fn fates(&self, group: usize) -> &[Option<Fate>] {
        self.swept.get(&group).unwrap_or(&self.fates)
    }

    /// The row groups without a matched row in which an unwanted value is no row's.
    fn to_sweep(&self) -> Result<HashMap<usize, Vec<Option<Fate>>>> {
        let leaves: Vec<usize> = (0..self.unwanted.len()).filter(|&leaf| !self.unwanted[leaf].is_empty()).collect();
        let groups = self.footer.row_groups.iter().enumerate();
        let groups: Vec<_> = groups.filter(|(_, group)| !leaves.is_empty() && group.matched(self.hits) == 0).collect();
        let look = |&(at, group): &(usize, &RowGroup<'_>)| -> Result<Option<(usize, Vec<Option<Fate>>)>> {
            let mut fates = vec![None; self.fates.len()];
            for &leaf in &leaves {
                let (column, chunk) = (self.footer.schema.column(leaf), &group.chunks[leaf]);
                for test in &self.unwanted[leaf] {
                    if is_left_in(self.input, self.limits, test, &column, chunk)? {
                        // Nothing but what no row has.
                        fates[leaf] = Some(Fate::Delete);
                    }
                }
            }
            Ok(fates.iter().any(Option::is_some).then_some((at, fates)))
        };
        let swept: Vec<Result<_>> = groups.par_iter().with_max_len(1).map(look).collect();
        swept.into_iter().filter_map(Result::transpose).collect()
    }

    /// Looks through the chunks that change, as many at a time as fit in memory.
    fn plan_group(&self, index: usize) -> Result<Planned> {
        let group = &self.footer.row_groups[index];
        let hits = group.hits(self.hits);

        let page = self.limits.page_bytes_max as u64;
        let budget = page.saturating_mul(DECODED);
        let room = Room { held: HELD_GROUP.into(), ahead: page.into() };
        let mut plans: Vec<Option<Plan>> = Vec::with_capacity(group.chunks.len());
        while plans.len() < group.chunks.len() {
            let first = plans.len();
            let mut taken = 0_u64;
            let fits = group.chunks[first..].iter().take_while(|chunk| {
                let is_first = taken == 0;
                // A chunk is never held whole: its dictionary and a window of pages at most.
                let need = chunk.uncompressed.min(page.saturating_mul(2)).saturating_mul(DECODED);
                taken = taken.saturating_add(need.max(1));
                is_first || taken <= budget
            });
            let columns = first..first + fits.count();
            // Each is a task of its own: some columns cost many times what others do.
            let planned = columns.into_par_iter().with_max_len(1).map(|at| self.plan_chunk(index, at, &hits, &room));
            for plan in planned.collect::<Vec<_>>() {
                plans.push(plan?);
            }
        }
        Ok((hits, plans))
    }

    fn plan_chunk(&self, group: usize, at: usize, hits: &[u64], room: &Room) -> Result<Option<Plan>> {
        let Some(fate) = self.fates(group)[at] else { return Ok(None) };
        let group = &self.footer.row_groups[group];
        let column = self.footer.schema.column(at);
        let chunk = &group.chunks[at];
        let length = chunk.pages.end - chunk.pages.start;
        let take = |left: u64| left.checked_sub(length);
        let fits = length <= HELD_CHUNK && room.held.fetch_update(Relaxed, Relaxed, take).is_ok();
        let held = if fits { Some(self.input.read_at(chunk.pages.clone())?) } else { None };
        let shelf = Shelf::new(self.input, chunk.pages.start, held.clone());
        let (limits, rows, column, ahead) = (self.limits, group.rows, &column, &room.ahead);
        let (lost, unwanted) = (self.lost[at].as_ref(), self.unwanted[at].as_slice());
        let job = Job { input: &shelf, limits, column, chunk, rows, hits, fate, unwanted, lost, ahead };
        match plan(job) {
            Ok(plan) => Ok(Some(Plan { held, ..plan })),
            Err(error) => Err(placed(error, group, at, column)),
        }
    }

    /// Up to which page, from `at` on, pages are worked on together.
    fn window(&self, plan: &Plan, at: usize) -> usize {
        let mut memory = 0_u64;
        let fits = (at..plan.pages.len()).take(1 << 12).take_while(|&at| {
            let is_first = memory == 0;
            if plan.is_to_make(at) {
                memory = memory.saturating_add((plan.pages[at].page.unpacked as u64).saturating_mul(DECODED).max(1));
            }
            is_first || memory <= (self.limits.page_bytes_max as u64).saturating_mul(DECODED)
        });
        at + fits.count().max(1)
    }
}

impl Writer<'_> {
    fn run(&mut self) -> Result<()> {
        self.write(b"PAR1")?;
        for (at, (new, old)) in self.groups.iter_mut().zip(&self.source.footer.row_groups).enumerate() {
            let matched = old.matched(self.source.hits);
            new.is_changed = matched > 0 || self.source.swept.contains_key(&at);
            new.is_gone = self.deletes && matched > 0 && matched == old.rows;
        }
        let parts = parts(self.source.footer)?;
        let mut seen = vec![false; self.groups.len()];
        let is_first = |&(_, part): &(usize, &Part)| {
            let group = &self.groups[part.group];
            group.is_changed && !group.is_gone && !std::mem::replace(&mut seen[part.group], true)
        };
        let turns: Vec<(usize, usize)> =
            parts.iter().enumerate().filter(is_first).map(|(at, part)| (at, part.group)).collect();
        // While one row group is written, the next one is looked through.
        let mut turns = turns.into_iter();
        let mut written = 0;
        loop {
            let next = turns.next();
            let end = next.map_or(parts.len(), |(at, _)| at);
            let source = self.source;
            let plan = || next.map(|(_, group)| source.plan_group(group));
            let (done, planned) = rayon::join(|| self.write_parts(&parts[written..end]), plan);
            done?;
            let (Some((_, group)), Some(planned)) = (next, planned) else { break };
            self.plans.insert(group, planned?);
            written = end;
        }
        self.write_indexes()?;
        self.write_footer()
    }

    fn write_parts(&mut self, parts: &[Part]) -> Result<()> {
        for part in parts {
            let group = &self.groups[part.group];
            if group.is_gone {
                continue;
            }
            if !group.is_changed || self.source.fates(part.group)[part.column].is_none() {
                self.copy_part(part)?;
            } else if !part.is_bloom {
                self.change_part(part)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn copy(&mut self, input: &dyn ReadAt, range: Range<u64>) -> Result<()> {
        let length = range.end - range.start;
        self.copied.push(range.start, self.at, length);
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(COPY).min(COPY)];
        let mut at = range.start;
        while at < range.end {
            let piece = usize::try_from(range.end - at).unwrap_or(COPY).min(COPY);
            input.read_into(at, &mut buffer[..piece])?;
            self.write(&buffer[..piece])?;
            at += piece as u64;
        }
        Ok(())
    }

    fn copy_part(&mut self, part: &Part) -> Result<()> {
        let start = self.at;
        self.copy(self.source.input, part.range.clone())?;
        let chunk = &mut self.groups[part.group].chunks[part.column];
        if part.is_bloom {
            chunk.bloom = Some(start..self.at);
        } else {
            chunk.start = start;
        }
        Ok(())
    }

    /// Writes a chunk of a row group with matched rows, and behind the last one the group's Bloom filters.
    fn change_part(&mut self, part: &Part) -> Result<()> {
        let (hits, mut plans) = match self.plans.remove(&part.group) {
            Some(planned) => planned,
            None => self.source.plan_group(part.group)?,
        };
        let old = &self.source.footer.row_groups[part.group];
        if let Some(plan) = plans[part.column].as_mut() {
            self.write_chunk(part.group, part.column, &hits, plan)?;
        }
        self.groups[part.group].written += 1;
        let to_write = self.source.fates(part.group).iter().flatten().count();
        if self.groups[part.group].written < to_write {
            self.plans.insert(part.group, (hits, plans));
            return Ok(());
        }
        for (column, plan) in plans.into_iter().enumerate().take(old.chunks.len()) {
            if let Some(bloom) = plan.and_then(|plan| plan.bloom) {
                let start = self.at;
                self.write(&bloom)?;
                self.groups[part.group].chunks[column].bloom = Some(start..self.at);
            }
        }
        Ok(())
    }

    /// Writes the pages of a chunk: copied, or made again, several at a time.
    fn write_chunk(&mut self, group: usize, column: usize, hits: &[u64], plan: &mut Plan) -> Result<()> {
        let source = self.source;
        let Some(fate) = source.fates(group)[column] else { return Ok(()) };
        let old = &source.footer.row_groups[group];
        let descriptor = source.footer.schema.column(column);
        let shelf = Shelf::new(source.input, old.chunks[column].pages.start, plan.held.take());
        let job = Job {
            input: &shelf,
            limits: source.limits,
            column: &descriptor,
            chunk: &old.chunks[column],
            rows: old.rows,
            hits,
            fate,
            unwanted: &source.unwanted[column],
            lost: source.lost[column].as_ref(),
            ahead: &AtomicU64::new(0),
        };
        let start = self.at;
        let mut pages = NewPages { input: &shelf, new: plan.changed(), locations: Vec::new(), rows: 0, copied: None };
        let mut at = 0;
        while at < plan.pages.len() {
            let window = source.window(plan, at);
            let held = &*plan;
            let make = |at| match held.is_to_make(at) {
                true => remake::make(job, held, at).map(Some),
                false => Ok(None),
            };
            let made: Vec<Result<Option<Made>>> = (at..window).into_par_iter().with_max_len(1).map(make).collect();
            for (at, made) in (at..window).zip(made) {
                let made = made.map_err(|error| placed(error, old, column, &descriptor))?;
                let made = made.or_else(|| plan.take_made(at));
                self.write_page(&mut pages, &plan.pages[at], made)?;
            }
            at = window;
        }
        self.write_copied(&mut pages)?;
        let NewPages { mut new, locations, rows, .. } = pages;
        if rows != old.rows.saturating_add_signed(new.delta.rows) {
            let what = "the columns of a row group have different numbers of rows";
            return Err(ScanError::malformed(old.chunks[column].pages.start, what).into());
        }
        if plan.is_indexed
            && let Some(range) = old.chunks[column].offset_index.clone()
        {
            let bytes_more: Vec<_> =
                plan.pages.iter().filter(|page| page.page.is_data()).map(|page| page.bytes_more).collect();
            let offset = range.start;
            let bytes = source.input.read_at(range)?;
            let index = update_offset_index(&bytes, &locations, &bytes_more);
            new.offset_index = Some(index.map_err(|broken| malformed(offset, broken))?);
        }
        let chunk = &mut self.groups[group].chunks[column];
        chunk.start = start;
        chunk.changed = Some(new);
        Ok(())
    }

    /// Writes a page as it was `made`, if it was, or notes that it is to be copied.
    fn write_page(&mut self, pages: &mut NewPages<'_>, plan: &PagePlan, made: Option<Made>) -> Result<()> {
        let page = &plan.page;
        let offset = self.at + pages.copied.as_ref().map_or(0, |range| range.end - range.start);
        let (packed, unpacked) = match (plan.action, made) {
            (Action::Drop, _) => {
                pages.new.gone.extend(page.type_number().map(|number| (number, page.encoding as i64)));
                pages.locations.push(None);
                return Ok(());
            }
            (Action::Make, Some(Made { bytes, unpacked })) => {
                self.write_copied(pages)?;
                self.write(&bytes)?;
                (bytes.len() as u64, unpacked)
            }
            (Action::Make | Action::Copy, _) => {
                let range = page.range();
                if pages.copied.as_ref().is_some_and(|copied| copied.end != range.start) {
                    self.write_copied(pages)?;
                }
                pages.copied = Some(pages.copied.as_ref().map_or(range.start, |copied| copied.start)..range.end);
                (range.end - range.start, (page.header + page.unpacked) as u64)
            }
        };
        pages.new.packed += packed;
        pages.new.unpacked += unpacked;
        if page.is_data() {
            if pages.new.data == 0 {
                pages.new.data = offset;
            }
            pages.locations.push(Some(Location { offset, size: packed, first_row: pages.rows }));
            pages.rows += plan.rows;
        }
        Ok(())
    }

    /// Copies the pages that wait for it.
    fn write_copied(&mut self, pages: &mut NewPages<'_>) -> Result<()> {
        pages.copied.take().map_or(Ok(()), |range| self.copy(pages.input, range))
    }

    /// Writes the column indexes, then the offset indexes, of all row groups that stay.
    fn write_indexes(&mut self) -> Result<()> {
        let footer = self.source.footer;
        for wanted in [Index::Column, Index::Offset] {
            for (group, old) in footer.row_groups.iter().enumerate() {
                for (column, old) in old.chunks.iter().enumerate() {
                    let new = &mut self.groups[group];
                    if new.is_gone {
                        break;
                    }
                    let chunk = &mut new.chunks[column];
                    let shift = chunk.start.wrapping_sub(old.pages.start).cast_signed();
                    let old_range = match wanted {
                        Index::Column => old.column_index.clone(),
                        Index::Offset => old.offset_index.clone(),
                    };
                    let bytes = match (&mut chunk.changed, old_range) {
                        (Some(changed), _) => match wanted {
                            Index::Column => changed.column_index.take(),
                            Index::Offset => changed.offset_index.take(),
                        },
                        (None, None) => None,
                        (None, Some(range)) => {
                            let offset = range.start;
                            let bytes = index::read(self.source.input, range, self.source.limits)?;
                            Some(match wanted {
                                Index::Offset if shift != 0 => {
                                    shift_offset_index(&bytes, shift).map_err(|broken| malformed(offset, broken))?
                                }
                                _ => bytes.to_vec(),
                            })
                        }
                    };
                    let Some(bytes) = bytes else { continue };
                    let start = self.at;
                    self.write(&bytes)?;
                    let range = Some(start..self.at);
                    let chunk = &mut self.groups[group].chunks[column];
                    match wanted {
                        Index::Column => chunk.column_index = range,
                        Index::Offset => chunk.offset_index = range,
                    }
                }
            }
        }
        Ok(())
    }

    fn write_footer(&mut self) -> Result<()> {
        let mut file = self.source.footer.file.clone();
        let mut list = ListWriter::new(ty::STRUCT);
        let mut rows = 0;
        let mut ordinal = 0_i16;
        let groups = self.source.footer.row_groups.iter().zip(&self.groups).enumerate();
        for (at, (old, new)) in groups.filter(|(_, (_, new))| !new.is_gone) {
            let broken = |broken| malformed(old.chunks.first().map_or(0, |chunk| chunk.pages.start), broken);
            let (group, rows_left) = new_row_group(old, new, self.source.fates(at), ordinal).map_err(broken)?;
            list.push_struct(&group);
            rows += rows_left;
            ordinal = ordinal.saturating_add(1);
        }
        file.set_list(file_meta::ROW_GROUPS, list);
        // Where no row left, a count that never was right stays too.
        if rows != self.source.footer.rows {
            file.set_i64(file_meta::NUM_ROWS, i64::try_from(rows).unwrap_or(i64::MAX));
        }
        let bytes = file.to_vec();
        let length = u32::try_from(bytes.len());
        let length = length.map_err(|_| Error::Unfaithful("the footer becomes too large".into()))?;
        self.write(&bytes)?;
        self.write(&length.to_le_bytes())?;
        self.write(b"PAR1")?;
        Ok(self.out.flush()?)
    }
}

#[derive(Clone, Copy)]
enum Index {
    Column,
    Offset,
}

/// Chunks and Bloom filters in the order in which they lie in the file.
fn parts(footer: &Footer<'_>) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for (group, old) in footer.row_groups.iter().enumerate() {
        for (column, chunk) in old.chunks.iter().enumerate() {
            parts.push(Part { range: chunk.pages.clone(), group, column, is_bloom: false });
            if let Some(range) = chunk.bloom.clone() {
                parts.push(Part { range, group, column, is_bloom: true });
            }
        }
    }
    // Chunks without a page keep their column's place.
    parts.sort_by_key(|part| (part.range.start, part.range.end));
    let mut end = 0;
    for part in parts.iter().filter(|part| !part.range.is_empty()) {
        if part.range.start < end {
            return Err(ScanError::malformed(part.range.start, "two parts of the file overlap").into());
        }
        end = part.range.end;
    }
    Ok(parts)
}

/// Says in which chunk an error happened.
pub(super) fn placed(error: Error, group: &RowGroup<'_>, at: usize, column: &ColumnDescriptor) -> Error {
    let place = || format!("row group from row {}, column {at} `{}`", group.first_row, column.path().string());
    match error {
        Error::Parquet { source, .. } => Error::Parquet { place: place(), source },
        Error::Scan(ScanError::Parquet { source, .. }) => ScanError::Parquet { place: place(), source }.into(),
        Error::Unfaithful(reason) => Error::Unfaithful(format!("{}: {reason}", place())),
        other => other,
    }
}
