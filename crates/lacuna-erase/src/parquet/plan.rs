//! What is to be done to a column chunk, found out from as few of its pages as tell it.
//!
//! - Of all pages the headers are read, and where rows nest the levels: they say which pages have matched rows.
//! - A page with matched rows is unpacked, and its values are cut out ([`strike`](super::strike)).
//! - When values of a dictionary left, the indices of all other pages tell whether their entries are used any more.
//! - A page whose bounds may tell of a value that left another page is unpacked ([`loose`](super::loose)).
//! - Where values are unwanted that no row may have, they leave the dictionary as if they had left a page.
//! - When a bound of the chunk is gone with a value, or there is a Bloom filter, all values that stay are looked at.

use std::collections::HashSet;

use lacuna_scan::Error as ScanError;
use parquet::basic::Encoding;
use parquet::bloom_filter::Sbbf;
use rayon::prelude::*;

use super::bloom::Bloom;
use super::chunk::{Action, DictionaryPlan, Job, Made, PagePlan, Plan};
use super::codec::Codec;
use super::footer::{chunk_meta, column_chunk, malformed};
use super::index::{self, ColumnIndex, PageChange};
use super::laid::{Laid, blank, lay};
use super::levels::RowSpan;
use super::loose::{Orphans, Tight, Tightened};
use super::order::{Extremes, Order};
use super::page::{Kind, Page, Pages};
use super::remake::make_dictionary;
use super::residue::plain_needles;
use super::statistics::{self, Cause, Claims, Delta};
use super::strike::{Dictionary, Known, Left, Struck, indices, is_empty};
use super::thrift::Struct;
use crate::{Error, Result};

/// More pages than any writer puts into a chunk.
const PAGES_MAX: usize = 1 << 22;

/// Looks through a chunk.
pub(super) fn plan(job: Job<'_>) -> Result<Plan> {
    let mut planner = Planner::new(job)?;
    planner.walk()?;
    planner.load_dictionary(false)?;
    planner.strike()?;
    planner.sweep()?;
    planner.finish()
}

/// The values that leave a chunk with its matched rows, in plain encoding; other rows may have them, too.
pub(super) fn leaving(job: Job<'_>) -> Result<Vec<Vec<u8>>> {
    let mut planner = Planner::new(job)?;
    planner.walk()?;
    planner.load_dictionary(false)?;
    planner.strike()?;
    let entries = planner.dictionary.iter().flat_map(|dictionary| {
        let entry = |&at: &u32| dictionary.entries.get(at as usize);
        planner.left.iter().map(entry)
    });
    let different: HashSet<&[u8]> = entries.chain(planner.left_values.iter().flat_map(Laid::iter)).collect();
    Ok(different.into_iter().map(<[u8]>::to_vec).collect())
}

/// The entries of the chunk's dictionary, if it has one.
pub(super) fn listed(job: Job<'_>) -> Result<Option<Laid>> {
    if !job.chunk.has_dictionary {
        return Ok(None);
    }
    match Pages::heads(job.input, job.limits, job.chunk).next_head()? {
        Some(page) if page.kind == Kind::Dictionary => {
            lay_dictionary(job, page, &mut Codec::new(job.chunk.codec)).map(Some)
        }
        _ => Ok(None),
    }
}

fn lay_dictionary(job: Job<'_>, page: Page, codec: &mut Codec) -> Result<Laid> {
    if !matches!(page.encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
        return Err(ScanError::malformed(page.offset, "a dictionary has an unknown encoding").into());
    }
    let encoded = page.unpack_dictionary(&job.input.read_at(page.range())?, codec)?;
    lay(encoded, Encoding::PLAIN, page.count, job.column, job.limits, page.offset)
}

/// Takes those out of `values` that rows of the chunk have which stay.
pub(super) fn acquit(job: Job<'_>, values: &mut HashSet<Vec<u8>>) -> Result<()> {
    let mut planner = Planner::new(job)?;
    planner.walk()?;
    planner.load_dictionary(true)?;
    let is_one = |dictionary: &Dictionary| dictionary.entries.laid.iter().any(|entry| values.contains(entry));
    let refers = |plan: &PagePlan| !plan.page.is_data() || plan.page.is_dictionary_encoded();
    if planner.pages.iter().all(refers) && !planner.dictionary.as_ref().is_some_and(is_one) {
        return Ok(());
    }
    planner.strike()?;
    planner.find_used(true)?;
    planner.staying(&mut |value| {
        values.remove(value);
        !values.is_empty()
    })
}

struct Planner<'a> {
    job: Job<'a>,
    order: Order,
    codec: Codec,
    blank: Vec<u8>,
    dictionary: Option<Dictionary>,
    statistics: Option<Struct<'static>>,
    claims: Claims,
    column_index: Option<ColumnIndex>,
    pages: Vec<PagePlan>,
    /// By data page.
    changes: Vec<PageChange>,
    delta: Delta,
    /// What left pages: entries of the dictionary, and values.
    left: Vec<u32>,
    left_values: Vec<Laid>,
    /// By page, those that are made already.
    made: Vec<Option<Made>>,
}

impl<'a> Planner<'a> {
    fn new(job: Job<'a>) -> Result<Self> {
        let broken = |broken| malformed(job.chunk.pages.start, broken);
        let order = Order::of(job.column);
        let raw = Struct::whole(job.chunk.raw).map_err(broken)?;
        let statistics = raw.inner(column_chunk::META_DATA).map_err(broken)?;
        let statistics = match &statistics {
            Some(meta) => meta.inner(chunk_meta::STATISTICS).map_err(broken)?.map(Struct::into_owned),
            None => None,
        };
        let claims = Claims::of(statistics.as_ref(), order).map_err(broken)?;
        let column_index = match job.chunk.column_index.clone() {
            None => None,
            Some(range) => Some(read_column_index(job, range)?),
        };
        Ok(Self {
            job,
            order,
            codec: Codec::new(job.chunk.codec),
            blank: blank(job.column),
            dictionary: None,
            statistics,
            claims,
            column_index,
            pages: Vec::new(),
            changes: Vec::new(),
            delta: Delta::new(job.column.max_rep_level(), job.column.max_def_level()),
            left: Vec::new(),
            left_values: Vec::new(),
            made: Vec::new(),
        })
    }

    /// Finds the pages and the rows in each.
    fn walk(&mut self) -> Result<()> {
        let Job { column, chunk, hits, .. } = self.job;
        let mut pages = Pages::new(self.job.input, self.job.limits, chunk);
        let (mut rows, mut entries) = (0_u64, 0_u64);
        while let Some(page) = pages.next_head()? {
            if self.pages.len() >= PAGES_MAX {
                return Err(ScanError::Unsupported { what: "a column chunk of millions of pages".into() }.into());
            }
            let mut span = RowSpan::default();
            match page.kind {
                Kind::Other => {
                    return Err(Error::Unfaithful("a column chunk has pages of an unknown type".into()));
                }
                Kind::Dictionary => {
                    let is_late =
                        |page: &PagePlan| page.page.kind == Kind::Dictionary || page.page.is_dictionary_encoded();
                    if self.pages.iter().any(is_late) {
                        let what = "a column chunk has a second or a late dictionary";
                        return Err(ScanError::malformed(page.offset, what).into());
                    }
                }
                Kind::V1 { .. } | Kind::V2 { .. } => {
                    span = match column.max_rep_level() {
                        0 => RowSpan::new(rows, page.count, &[]),
                        _ => {
                            let bytes = pages.body(&page)?;
                            let unpacked = page.unpack(&bytes, &mut self.codec, column)?;
                            RowSpan::new(rows, page.count, &unpacked.levels.repetition)
                        }
                    };
                    if span.continues && rows == 0 {
                        return Err(ScanError::malformed(page.offset, "a row starts before its row group").into());
                    }
                    rows += span.starts;
                    entries += page.count as u64;
                    self.changes.push(PageChange::Same);
                }
            }
            let is_hit = page.is_data() && span.is_hit(hits);
            let ordinal = self.changes.len().saturating_sub(usize::from(page.is_data()));
            self.pages.push(PagePlan {
                page,
                ordinal,
                action: Action::Copy,
                rows: span.starts,
                bytes_more: 0,
                span,
                is_hit,
                statistics: None,
                highest: 0,
            });
        }
        self.made.resize_with(self.pages.len(), || None);
        if rows != self.job.rows || entries != chunk.values {
            let what = "a column chunk has another number of rows or values than the footer says";
            return Err(ScanError::malformed(chunk.pages.start, what).into());
        }
        Ok(())
    }

    /// Unpacks the dictionary, where a page with matched rows, or all that stays, `is_needed`.
    fn load_dictionary(&mut self, is_needed: bool) -> Result<()> {
        let refers = |page: &PagePlan| page.is_hit && page.page.is_dictionary_encoded();
        let page = self.pages.iter().map(|plan| plan.page).find(|page| page.kind == Kind::Dictionary);
        if let Some(page) = page
            && self.dictionary.is_none()
            && (is_needed || self.pages.iter().any(refers))
        {
            self.dictionary = Some(Dictionary::new(lay_dictionary(self.job, page, &mut self.codec)?));
        }
        Ok(())
    }

    fn known(&self) -> Known<'_> {
        let (job, order, codec) = (self.job, self.order, self.codec);
        Known { job, order, codec, blank: &self.blank, dictionary: self.dictionary.as_ref() }
    }

    /// Runs `work` on pages, several at a time as memory allows.
    fn on_pages<T: Send>(&self, ats: &[usize], work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        let mut done = Vec::with_capacity(ats.len());
        let mut rest = ats;
        while !rest.is_empty() {
            let mut memory = 0;
            let fits = rest.iter().take_while(|&&at| {
                let is_first = memory == 0;
                memory += self.pages[at].page.unpacked.max(1);
                is_first || memory <= self.job.limits.page_bytes_max
            });
            let (window, behind) = rest.split_at(fits.count());
            let results: Vec<Result<T>> = window.par_iter().with_max_len(1).map(|&at| work(at)).collect();
            for result in results {
                done.push(result?);
            }
            rest = behind;
        }
        Ok(done)
    }

    /// Takes the matched rows out of the pages that have any.
    fn strike(&mut self) -> Result<()> {
        let hit: Vec<usize> = (0..self.pages.len()).filter(|&at| self.pages[at].is_hit).collect();
        let struck = self.on_pages(&hit, |at| {
            let page = &self.pages[at];
            let bounds = self.column_index.as_ref().and_then(|index| index.pages.get(page.ordinal));
            self.known().strike(page, bounds)
        })?;
        for (at, struck) in hit.into_iter().zip(struck) {
            self.note(at, struck);
        }
        self.drop_empty();
        Ok(())
    }

    /// Where pages leave, those without an entry leave, too: PyArrow writes such, and cannot read lists that begin with one.
    fn drop_empty(&mut self) {
        if self.pages.iter().all(|plan| plan.action != Action::Drop) {
            return;
        }
        for plan in self.pages.iter_mut().filter(|plan| plan.page.is_data() && plan.page.count == 0) {
            plan.action = Action::Drop;
            self.changes[plan.ordinal] = PageChange::Gone;
        }
    }

    /// Lets unwanted values leave that no row has.
    fn sweep(&mut self) -> Result<()> {
        let job = self.job;
        let Job { unwanted, column, .. } = job;
        if unwanted.is_empty() {
            return Ok(());
        }
        self.load_dictionary(true)?;
        if let Some(dictionary) = &self.dictionary {
            let entries = (0..).zip(dictionary.entries.laid.iter());
            self.left.extend(entries.filter(|(_, entry)| job.is_unwanted(entry)).map(|(at, _)| at));
        }
        let values: Vec<Vec<u8>> = unwanted.iter().flat_map(|test| plain_needles(test, column)).collect();
        values.iter().for_each(|value| self.claims.left(value));
        // Where case makes no difference, a bound may be in another one than `values`.
        self.claims.left_by(|_, bound| if job.is_unwanted(bound) { Cause::Exact } else { Cause::None });
        self.left_values.push(Laid::of(column, values.iter().map(Vec::as_slice)));
        Ok(())
    }

    /// Notes what became of the `at`th page.
    fn note(&mut self, at: usize, struck: Option<Struck>) {
        let page = &mut self.pages[at];
        let Some(Struck { delta, left, statistics, change, made }) = struck else {
            // The matched rows had nothing here.
            page.is_hit = false;
            return;
        };
        match left {
            Left::Values(values) => {
                values.iter().for_each(|value| self.claims.left(value));
                self.left_values.push(values);
            }
            Left::Entries(entries) => self.left.extend(entries),
        }
        match change {
            Some(change) => self.changes[page.ordinal] = change,
            None => self.column_index = None,
        }
        page.action = if is_empty(&page.page, &delta) { Action::Drop } else { Action::Make };
        page.rows = page.span.starts.saturating_add_signed(delta.rows);
        page.bytes_more = delta.bytes;
        page.statistics = statistics;
        self.delta.add(&delta);
        self.made[at] = made;
    }

    /// Finds out which entries of the dictionary are used by the pages that were not looked at yet. Where not all are asked
    /// for, it is over when those that left pages are.
    fn find_used(&mut self, asks_all: bool) -> Result<()> {
        let Some(dictionary) = &self.dictionary else { return Ok(()) };
        let is_known = || !asks_all && dictionary.are_used(&self.left);
        let others = |page: &PagePlan| !page.is_hit && page.page.is_data() && page.page.is_dictionary_encoded();
        let others: Vec<usize> = (0..self.pages.len()).filter(|&at| others(&self.pages[at])).collect();
        let highest = self.on_pages(&others, |at| {
            if is_known() {
                return Ok(0);
            }
            let page = &self.pages[at].page;
            let bytes = self.job.input.read_at(page.range())?;
            let unpacked = page.unpack(&bytes, &mut { self.codec }, self.job.column)?;
            let indices = indices(page, &unpacked, dictionary.entries.len())?;
            dictionary.mark(&indices);
            Ok(indices.into_iter().fold(0, u32::max))
        })?;
        for (at, highest) in others.into_iter().zip(highest) {
            self.pages[at].highest = highest;
        }
        Ok(())
    }

    /// The entries of the dictionary whose value left a page, whether other rows have it or not.
    fn entries_left(&self) -> Vec<u32> {
        let Some(dictionary) = &self.dictionary else { return Vec::new() };
        let mut left = self.left.clone();
        // A value of a page without indices may be in the dictionary for other rows.
        let mut values: Vec<&[u8]> = self.left_values.iter().flat_map(Laid::iter).collect();
        values.sort_unstable();
        values.dedup();
        if !values.is_empty() {
            let entries = (0..).zip(dictionary.entries.laid.iter());
            left.extend(entries.filter(|(_, entry)| values.binary_search(entry).is_ok()).map(|(at, _)| at));
        }
        left.sort_unstable();
        left.dedup();
        left
    }

    /// Where the dictionary's entries go, of which some left.
    fn settle(&mut self) -> DictionaryPlan {
        let Some(dictionary) = &self.dictionary else { return DictionaryPlan::default() };
        for &entry in &self.left {
            self.claims.left(dictionary.entries.get(entry as usize));
        }
        let entries = &dictionary.entries;
        let job = self.job;
        let lost = job.lost;
        // A category without rows here may have some elsewhere.
        let is_one = |entry: &[u8]| lost.is_some_and(|lost| !lost.contains(entry)) && !job.is_unwanted(entry);
        let stays = |at: usize| dictionary.is_used(at) || is_one(entries.get(at));
        let mut plan = DictionaryPlan::new(entries.len(), stays, lost.is_some());
        let refers = |page: &PagePlan| page.is_hit && page.page.is_dictionary_encoded();
        if self.delta.blanks > 0 && self.pages.iter().any(refers) {
            let is_blank = |&at: &usize| stays(at) && entries.get(at) == self.blank;
            plan.put_blank((0..entries.len()).rfind(is_blank), entries.len());
        }
        plan
    }

    /// Makes bounds of pages anew that only values explain which left others.
    fn tighten(&mut self) -> Result<()> {
        let entries = self.dictionary.iter().flat_map(|dictionary| {
            let gone = self.left.iter().map(|&at| at as usize).filter(|&at| !dictionary.is_used(at));
            gone.map(|at| dictionary.entries.get(at))
        });
        let orphans = Orphans::new(self.order, entries.chain(self.left_values.iter().flat_map(Laid::iter)));
        if orphans.is_empty() && self.job.unwanted.is_empty() {
            return Ok(());
        }
        let stays = |page: &PagePlan| page.page.is_data() && page.action != Action::Drop;
        let staying: Vec<usize> = (0..self.pages.len()).filter(|&at| stays(&self.pages[at])).collect();
        let tightened = self.on_pages(&staying, |at| {
            let page = &self.pages[at];
            let bounds = match &self.changes[page.ordinal] {
                PageChange::Changed { bounds, .. } => Some(bounds),
                _ => self.column_index.as_ref().and_then(|index| index.pages.get(page.ordinal)),
            };
            self.known().tighten(page, bounds, &orphans)
        })?;
        for (at, tightened) in staying.into_iter().zip(tightened) {
            let Some(Tightened { statistics, bounds }) = tightened else { continue };
            let page = &mut self.pages[at];
            if statistics.is_some() {
                page.statistics = statistics;
                page.action = Action::Make;
                self.made[at] = None;
            }
            match bounds {
                Tight::Same => {}
                Tight::New(bounds) => {
                    let change = &mut self.changes[page.ordinal];
                    let delta = match change {
                        PageChange::Changed { delta, .. } => std::mem::take(delta),
                        _ => Delta::new(self.job.column.max_rep_level(), self.job.column.max_def_level()),
                    };
                    *change = PageChange::Changed { bounds, delta };
                }
                Tight::None => self.column_index = None,
            }
        }
        Ok(())
    }

    /// Shows the values that stay to the bounds and to the Bloom filter, as far as they need them.
    fn consider(&mut self, extremes: &mut Extremes, mut filter: Option<&mut Sbbf>) -> Result<()> {
        let is_shaken = self.claims.is_shaken(&self.delta);
        if !is_shaken && filter.is_none() {
            return Ok(());
        }
        let mut claims = self.claims.clone();
        let mut stays = |value: &[u8]| {
            if is_shaken {
                claims.stays(value);
                extremes.add(value);
            }
            if let Some(filter) = &mut filter {
                filter.insert(value);
            }
            // The filter holds all of them.
            filter.is_some() || !claims.are_settled(&self.delta)
        };
        if self.delta.blanks > 0 {
            stays(&self.blank);
        }
        self.staying(&mut stays)?;
        self.claims = claims;
        Ok(())
    }

    /// Shows the values that stay, until `stays` has seen enough. Which entries of the dictionary are used is known.
    fn staying(&self, stays: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        let mut wants_more = true;
        if let Some(dictionary) = &self.dictionary {
            let used = (0..dictionary.entries.len()).filter(|&at| dictionary.is_used(at));
            wants_more = used.map(|at| dictionary.entries.get(at)).all(&mut *stays);
        }
        let known = self.known();
        for plan in self.pages.iter().filter(|plan| plan.page.is_data() && !plan.page.is_dictionary_encoded()) {
            if !wants_more {
                break;
            }
            let page = &plan.page;
            let bytes = self.job.input.read_at(page.range())?;
            let unpacked = page.unpack(&bytes, &mut { self.codec }, self.job.column)?;
            let laid = known.lay(page, &unpacked)?;
            wants_more = match plan.is_hit {
                true => laid.cut(&known.cut(plan, &unpacked).gone, None).0.iter().all(&mut *stays),
                false => laid.iter().all(&mut *stays),
            };
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Plan> {
        let broken = |broken| malformed(self.job.chunk.pages.start, broken);
        let bloom = Bloom::read(self.job.input, self.job.chunk, self.job.limits)?;
        let has_left = self.delta.left > 0 || !self.job.unwanted.is_empty();
        if has_left {
            self.load_dictionary(true)?;
        }
        self.left = self.entries_left();
        let is_blanked = self.delta.blanks > 0 && !self.left.is_empty();
        let asks_all = is_blanked || has_left && bloom.is_some() || self.claims.is_shaken(&self.delta);
        if asks_all || !self.left.is_empty() {
            self.find_used(asks_all)?;
        }
        let is_whole = self.dictionary.as_ref().is_none_or(|dictionary| dictionary.are_used(&self.left));
        let dictionary_plan = if is_blanked || !is_whole { self.settle() } else { DictionaryPlan::default() };
        for plan in self.pages.iter_mut().filter(|plan| plan.action == Action::Copy) {
            let is_dictionary = plan.page.kind == Kind::Dictionary && dictionary_plan.is_changed();
            if is_dictionary || dictionary_plan.moves(plan) {
                plan.action = Action::Make;
            }
        }
        self.tighten()?;
        let mut extremes = Extremes::new(self.order);
        // Of what nothing left, the filter stays.
        let mut filter = bloom.as_ref().filter(|_| has_left).map(Bloom::empty);
        self.consider(&mut extremes, filter.as_mut())?;
        if let Some(statistics) = &mut self.statistics
            && (has_left || !self.delta.is_none())
        {
            let is_unwanted = |bound: &[u8]| self.job.is_unwanted(bound);
            statistics::update(statistics, &self.claims, &extremes, &self.delta, is_unwanted).map_err(broken)?;
        }
        let bloom = match (bloom, filter) {
            (Some(bloom), filter) => Some(bloom.encode(&filter.unwrap_or_else(|| bloom.filter()))?),
            (None, _) => None,
        };
        let data_pages = self.changes.len();
        let column_index = match self.column_index.take() {
            Some(index) if index.pages.len() == data_pages => {
                Some(index.update(&self.changes, self.order).map_err(broken)?)
            }
            _ => None,
        };
        let is_indexed = match self.job.chunk.offset_index.clone() {
            None => false,
            Some(range) => {
                let bytes = index::read(self.job.input, range, self.job.limits)?;
                index::offset_index_len(&bytes).map_err(broken)? == data_pages
            }
        };
        let mut plan = Plan {
            pages: self.pages,
            delta: self.delta,
            statistics: self.statistics,
            bloom,
            column_index,
            is_indexed,
            made: self.made,
            dictionary: dictionary_plan,
            codec: self.codec,
            held: None,
        };
        // It is unpacked already.
        if let Some(dictionary) = self.dictionary
            && let Some(at) = plan.pages.iter().position(|plan| plan.page.kind == Kind::Dictionary)
            && plan.is_to_make(at)
            && self.job.may_make(&plan.pages[at].page)
        {
            plan.made[at] = Some(make_dictionary(self.job, &plan, &plan.pages[at].page, &dictionary.entries)?);
        }
        plan.make_ahead(self.job)?;
        Ok(plan)
    }
}

fn read_column_index(job: Job<'_>, range: std::ops::Range<u64>) -> Result<ColumnIndex> {
    let offset = range.start;
    ColumnIndex::read(&index::read(job.input, range, job.limits)?).map_err(|broken| malformed(offset, broken))
}
