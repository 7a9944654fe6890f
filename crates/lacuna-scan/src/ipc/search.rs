//! The search of an Arrow IPC shard: only the mapped columns are decoded, the others only where a row matched.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::ahead::Ahead;
use super::reader::{DictionaryValues, Event, Reader, Rows};
use super::resolve::{Path, holds_text, resolve};
use super::schema::Table;
use super::unused::{Unused, Version};
use super::values::{self, Spots};
use crate::matcher::NO_TEXT;
use crate::{
    Effort, Error, FieldTest, Found, Hit, Limits, Matcher, Matches, Noted, Record, Result, SelectorIndex, Sink,
    StreamSearch, Summary, TenantIndex,
};

/// Rows that are looked at in one go: bounds what hits take.
const ROWS: usize = 1 << 19;
/// Plain bytes of the batches that are searched at a time, and of the dictionaries that they keep: a batch keeps those that stood when it
/// was read, and each addition to one makes another.
const BYTES: u64 = 64 << 20;

/// Searches an Arrow IPC file or stream, told apart by content.
#[derive(Debug)]
pub struct IpcSearch {
    matcher: Arc<Matcher>,
    reader: Reader,
    plan: Option<Plan>,
    rows: u64,
    matches: Matches,
    torn: Noted,
    /// Kept where it was asked for.
    unused: Option<Unused>,
    effort: Effort,
}

/// Where the mapped columns lie in this shard.
#[derive(Debug)]
struct Plan {
    /// For each of [`Matcher::fields`], where it lies; nowhere for those that are not wanted.
    fields: Vec<Vec<Place>>,
    tenant: Vec<Path>,
}

#[derive(Clone, Debug)]
struct Place {
    path: Path,
    /// Whose each value of the dictionary is; those that are nobody's are left out. Empty without a dictionary.
    entries: Arc<HashMap<usize, Vec<SelectorIndex>, FixedState>>,
    /// Whether all values that the keys can point to are known. In a file that is never sure: the format lets values come behind
    /// the rows that use them, and decoding such rows refuses what was not read ahead.
    known: bool,
    /// How often the dictionary was given values in place of others.
    given: usize,
}

/// A batch, and the dictionaries' entries that mattered when it was read.
struct Task {
    rows: Rows,
    fields: Vec<Vec<Place>>,
}

/// The rows of a part of a batch that matched: `hits` by row in the batch, and one record for each row among them. Rows that are `torn`
/// would be there, if they did not name two tenants. Whose values are `used` does not depend on tenants.
struct Part {
    hits: Vec<Hit>,
    records: RecordBatch,
    torn: Vec<u64>,
    used: BTreeSet<(Version, SelectorIndex)>,
}

impl Part {
    /// What it took to find it, with the bytes of the columns that were searched.
    fn effort(&self, bytes: u64) -> Effort {
        let rows_decoded = self.records.num_rows() as u64;
        Effort { bytes_decompressed: bytes, rows_decoded, ..Effort::default() }
    }

    /// Notes the rows that name two tenants. `first` is the ordinal of the batch's first row.
    fn note_torn(&self, first: u64, torn: &mut Noted) {
        self.torn.iter().for_each(|row| torn.note(|| format!("record {}", first + row + 1)));
    }
}

impl IpcSearch {
    /// A search for what `matcher` wants.
    pub fn new(matcher: Arc<Matcher>, limits: Limits) -> Self {
        Self {
            matcher,
            reader: Reader::new(limits),
            plan: None,
            rows: 0,
            matches: Matches::default(),
            torn: Noted::default(),
            unused: None,
            effort: Effort::default(),
        }
    }

    /// The same, which also tells of [`unused`](Summary::unused) identifiers.
    #[must_use]
    pub fn noting_unused(self) -> Self {
        Self { unused: Some(Unused::default()), ..self }
    }

    /// The same, with what must be read ahead of the shard: without it, a file whose rows come before values that they use is refused.
    #[must_use]
    pub fn with_ahead(self, ahead: Ahead) -> Self {
        Self { reader: self.reader.with_ahead(ahead), ..self }
    }

    fn drain(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let mut tasks = Vec::new();
        let mut bytes = 0;
        while let Some(event) = self.reader.advance()? {
            match event {
                Event::Marker(_) => {}
                Event::Schema(_, table) => self.plan = Some(Plan::new(&self.matcher, &table)?),
                Event::Dictionary(_, values) => {
                    if let Some(plan) = &mut self.plan {
                        plan.learn(&self.matcher, &values, self.reader.is_file(), self.unused.as_mut())?;
                    }
                    // With what it takes itself: what is noted of it stays until the next run.
                    bytes += values.values.get_array_memory_size() as u64;
                }
                Event::Rows(_, rows) => {
                    bytes += rows.plain_bytes;
                    let fields = self.plan.as_ref().map(|plan| plan.fields.clone()).unwrap_or_default();
                    tasks.push(Task { rows, fields });
                }
            }
            if bytes >= BYTES {
                self.run(std::mem::take(&mut tasks), sink)?;
                bytes = 0;
                if let (Some(unused), Some(plan)) = (&mut self.unused, &self.plan) {
                    unused.close(|version| plan.stands(version));
                }
            }
        }
        self.run(tasks, sink)
    }

    /// Searches batches side by side and hands on what they hold, in their order.
    fn run(&mut self, tasks: Vec<Task>, sink: &mut dyn Sink) -> Result<()> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let (matcher, notes) = (&self.matcher, self.unused.is_some());
        let whole = tasks.iter().all(|task| task.rows.batch.rows <= ROWS);
        if whole && tasks.len() > 1 {
            let found: Vec<Result<(Part, u64)>> = tasks
                .par_iter()
                .map(|task| {
                    let columns = Columns::new(task, matcher, &plan.tenant)?;
                    Ok((columns.search(0, task.rows.batch.rows, matcher, &plan.tenant, notes)?, columns.bytes()))
                })
                .collect();
            for (task, found) in tasks.iter().zip(found) {
                let (part, bytes) = found?;
                self.effort += part.effort(bytes);
                part.note_torn(self.rows, &mut self.torn);
                self.unused.iter_mut().for_each(|unused| unused.strike(&part.used));
                emit(&part, self.rows, &mut self.matches, sink)?;
                self.rows += task.rows.batch.rows as u64;
            }
            return Ok(());
        }
        for task in &tasks {
            let total = task.rows.batch.rows;
            let columns = Columns::new(task, matcher, &plan.tenant)?;
            for first in (0..total).step_by(ROWS) {
                let part = columns.search(first, ROWS.min(total - first), matcher, &plan.tenant, notes)?;
                self.effort += part.effort(0);
                part.note_torn(self.rows, &mut self.torn);
                self.unused.iter_mut().for_each(|unused| unused.strike(&part.used));
                emit(&part, self.rows, &mut self.matches, sink)?;
            }
            self.effort.bytes_decompressed += columns.bytes();
            self.rows += total as u64;
        }
        Ok(())
    }
}

impl StreamSearch for IpcSearch {
    fn feed(&mut self, piece: Bytes, sink: &mut dyn Sink) -> Result<()> {
        self.reader.push(piece);
        self.drain(sink)
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<Summary> {
        self.drain(sink)?;
        self.reader.finish()?;
        let matches = std::mem::take(&mut self.matches);
        let torn = std::mem::take(&mut self.torn);
        let unused = self.unused.take().map(Unused::finish).unwrap_or_default();
        Ok(Summary { rows: self.rows, matches, torn, unused, effort: self.effort, ..Summary::default() })
    }
}

impl Plan {
    fn new(matcher: &Matcher, table: &Table) -> Result<Self> {
        let place = |path: Path| Place { known: false, given: 0, entries: Arc::default(), path };
        let mut fields = Vec::new();
        for field in matcher.fields() {
            let paths = if field.is_wanted() { field.places(resolve(field.column(), table))? } else { Vec::new() };
            if field.needs_text() && !paths.iter().all(|path| holds_text(path, table)) {
                return Err(Error::ColumnType { column: field.column().to_string(), found: NO_TEXT.into() });
            }
            fields.push(paths.into_iter().map(place).collect());
        }
        let tenant = matcher.tenant().map(|tenant| resolve(tenant.column(), table)).transpose()?.unwrap_or_default();
        Ok(Self { fields, tenant })
    }

    /// Whether rows to come may point into a dictionary.
    fn stands(&self, version: Version) -> bool {
        self.fields.iter().flatten().any(|place| place.version() == Some(version))
    }

    /// Tests a dictionary's new values, each once.
    fn learn(
        &mut self,
        matcher: &Matcher,
        given: &DictionaryValues,
        is_file: bool,
        mut unused: Option<&mut Unused>,
    ) -> Result<()> {
        for (index, (field, places)) in matcher.fields().iter().zip(&mut self.fields).enumerate() {
            for place in places.iter_mut().filter(|place| place.path.dictionary == Some(given.id)) {
                if given.first == 0 {
                    place.entries = Arc::default();
                    place.given += 1;
                }
                let noted = unused.as_deref_mut().filter(|_| matcher.identifies(index));
                let mut noted = noted.zip(place.version());
                place.known = !is_file;
                let entries = Arc::make_mut(&mut place.entries);
                let new = given.values.slice(given.first, given.values.len() - given.first);
                let mut are_told = true;
                values::for_each(&new, &[], &mut |entry, value| {
                    are_told &= !field.doubts(value);
                    let owners = field.owners(value);
                    if let Some((unused, version)) = &mut noted {
                        owners.iter().for_each(|&selector| unused.hold(*version, selector, index));
                    }
                    if !owners.is_empty() {
                        entries.insert(given.first + entry, owners.to_vec());
                    }
                });
                told(are_told, field)?;
            }
        }
        Ok(())
    }
}

/// The columns of a batch that must be looked at, decoded.
struct Columns<'a> {
    task: &'a Task,
    decoded: HashMap<usize, ArrayRef, FixedState>,
}

/// The tenants that a row names, by their numbers.
#[derive(Clone, Copy)]
enum Seen<'a> {
    Nothing,
    Of(&'a [TenantIndex]),
    Conflict,
}

impl<'a> Columns<'a> {
    fn new(task: &'a Task, matcher: &Matcher, tenant: &[Path]) -> Result<Self> {
        let mut decoded = HashMap::default();
        let mut decode = |column: usize| -> Result<()> {
            if let std::collections::hash_map::Entry::Vacant(entry) = decoded.entry(column) {
                entry.insert(task.rows.column(column)?);
            }
            Ok(())
        };
        let mut needed = false;
        for place in task.fields.iter().flatten().filter(|place| place.may_match()) {
            decode(place.path.column)?;
            needed = true;
        }
        if needed && matcher.tenant().is_some() {
            tenant.iter().try_for_each(|path| decode(path.column))?;
        }
        Ok(Self { task, decoded })
    }

    /// Bytes of the buffers that were decoded.
    fn bytes(&self) -> u64 {
        self.decoded.values().map(|column| column.get_buffer_memory_size() as u64).sum()
    }

    /// Searches `length` rows from `first` on, and `notes` whose values are used, or does not.
    fn search(&self, first: usize, length: usize, matcher: &Matcher, tenant: &[Path], notes: bool) -> Result<Part> {
        let (mut hits, mut used) = (vec![Vec::new(); matcher.fields().len()], BTreeSet::new());
        for ((field, places), hits) in matcher.fields().iter().zip(&self.task.fields).zip(&mut hits) {
            for place in places {
                if let Some(column) = self.decoded.get(&place.path.column)
                    && place.may_match()
                {
                    let before = hits.len();
                    place.search(&column.slice(first, length), first as u64, field, hits)?;
                    if let Some(version) = place.version().filter(|_| notes) {
                        used.extend(hits[before..].iter().map(|hit| (version, hit.selector)));
                    }
                }
            }
        }
        let (mut hits, mut torn) = (matcher.candidates(hits), Vec::new());
        if let Some(test) = matcher.tenant() {
            (hits, torn) = self.own(hits, matcher, test, tenant)?;
        }
        let mut rows: Vec<u32> = Vec::new();
        for hit in &hits {
            // Rows of one message are far fewer than 2^32.
            let row = u32::try_from(hit.row).map_err(|_| Error::malformed(self.task.rows.batch.offset, "a batch"))?;
            if rows.last() != Some(&row) {
                rows.push(row);
            }
        }
        Ok(Part { hits, records: self.records(rows)?, torn, used })
    }

    /// The candidates whose row names their selector's tenant, and no other tenant; and the rows that name another one beside it.
    fn own(
        &self,
        candidates: Vec<Hit>,
        matcher: &Matcher,
        test: &FieldTest,
        paths: &[Path],
    ) -> Result<(Vec<Hit>, Vec<u64>)> {
        // Each row of the candidates, under its number among them.
        let of_rows = || candidates.chunk_by(|a, b| a.row == b.row);
        let rows = of_rows().filter_map(|hits| usize::try_from(hits.first()?.row).ok());
        let spots: Vec<(usize, usize)> = rows.enumerate().collect();
        let mut seen = vec![Seen::Nothing; spots.len()];
        // All tenants of the rows that name several.
        let mut several: HashMap<usize, Vec<TenantIndex>, FixedState> = HashMap::default();
        for path in paths {
            let Some(column) = self.decoded.get(&path.column) else { continue };
            let mut are_told = true;
            values::for_each_at(column, &path.steps, Spots::These(&spots), &mut |number, value| {
                are_told &= !test.doubts(value);
                let tenants = test.owners_of(value);
                seen[number] = match seen[number] {
                    Seen::Nothing => Seen::Of(tenants),
                    Seen::Of(before) if before == tenants => Seen::Of(before),
                    Seen::Of(before) => {
                        several.insert(number, [before, tenants].concat());
                        Seen::Conflict
                    }
                    Seen::Conflict => {
                        several.entry(number).or_default().extend(tenants);
                        Seen::Conflict
                    }
                };
            });
            told(are_told, test)?;
        }
        let (mut own, mut torn) = (Vec::new(), Vec::new());
        for (number, (hits, seen)) in of_rows().zip(&seen).enumerate() {
            let named = match seen {
                Seen::Nothing => &[][..],
                Seen::Of(tenants) => tenants,
                Seen::Conflict => several.get(&number).map_or(&[][..], Vec::as_slice),
            };
            let mut mine = hits.iter().filter(|hit| matcher.acts_for(hit.selector, named));
            match seen {
                Seen::Conflict => torn.extend(mine.next().map(|hit| hit.row)),
                Seen::Nothing | Seen::Of(_) => own.extend(mine),
            }
        }
        Ok((own, torn))
    }

    /// The matched rows with all their columns; only one column at a time is decoded for it.
    fn records(&self, rows: Vec<u32>) -> Result<RecordBatch> {
        let batch = &self.task.rows;
        if rows.is_empty() {
            return Ok(RecordBatch::new_empty(batch.table.schema.clone()));
        }
        let rows = UInt32Array::from(rows);
        let mut columns = Vec::with_capacity(batch.table.columns.len());
        for index in 0..batch.table.columns.len() {
            let (field, column) = match self.decoded.get(&index) {
                Some(column) => (batch.table.columns[index].field.clone(), column.clone()),
                None => batch.shown(index)?,
            };
            columns.push((field, take(&column, &rows, None).map_err(Error::Arrow)?));
        }
        batch.assemble(columns, rows.len())
    }
}

impl Place {
    /// Whether a batch can match here. Keys without a dictionary must be looked at: they may not be there at all.
    fn may_match(&self) -> bool {
        self.path.dictionary.is_none() || !self.known || !self.entries.is_empty()
    }

    /// The dictionary as it stands.
    fn version(&self) -> Option<Version> {
        self.path.dictionary.map(|id| (id, self.given))
    }

    fn search(&self, column: &ArrayRef, first: u64, field: &FieldTest, hits: &mut Vec<Hit>) -> Result<()> {
        let mut hit = |row: usize, owners: &[SelectorIndex]| {
            hits.extend(owners.iter().map(|&selector| Hit { row: first + row as u64, selector }));
        };
        if self.path.dictionary.is_none() {
            let mut are_told = true;
            values::for_each(column, &self.path.steps, &mut |row, value| {
                are_told &= !field.doubts(value);
                hit(row, &field.owners(value));
            });
            return told(are_told, field);
        }
        values::walk(column, &self.path.steps, Spots::All(column.len()), &mut |leaf, spots| {
            values::keys(leaf, spots, &mut |row, key| {
                if let Some(owners) = self.entries.get(&key) {
                    hit(row, owners);
                }
            });
        });
        Ok(())
    }
}

/// Fails unless it can be told whose all values of the column are.
fn told(are_told: bool, field: &FieldTest) -> Result<()> {
    if are_told { Ok(()) } else { Err(Error::Rounded { column: field.column().to_string() }) }
}

/// Notes the hits of a part, and hands its records on. `first` is the ordinal of the batch's first row.
fn emit(part: &Part, first: u64, matches: &mut Matches, sink: &mut dyn Sink) -> Result<()> {
    let mut selectors = Vec::new();
    for (record, hits) in part.hits.chunk_by(|a, b| a.row == b.row).enumerate() {
        let Some(hit) = hits.first() else { continue };
        let row = first + hit.row;
        selectors.clear();
        selectors.extend(hits.iter().map(|hit| hit.selector));
        selectors.iter().for_each(|&selector| matches.insert(row, selector));
        let record = Record::Arrow { batch: &part.records, row: record };
        sink.found(Found { row, selectors: &selectors, record }).map_err(Error::Sink)?;
    }
    Ok(())
}
