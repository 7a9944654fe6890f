//! The pass over a shard that writes it anew.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use arrow::array::Array as _;
use lacuna_scan::ipc::footer::{Block, Blocks};
use lacuna_scan::ipc::frame::Message;
use lacuna_scan::ipc::message::Batch;
use lacuna_scan::ipc::reader::{DictionaryValues, Event, Rows};
use lacuna_scan::ipc::resolve::{Enter, Path, resolve, resolve_present};
use lacuna_scan::ipc::schema::{Column, Table};
use lacuna_scan::ipc::values;
use lacuna_scan::{FieldTest, Limits, Matcher};
use roaring::{RoaringBitmap, RoaringTreemap};

use super::categories::{self, StandIns};
use super::dictionary::{Plan, Plans, Surveyed, is_simple};
use super::gather::{BLANK, Gathered, Rules, Taken, gather};
use super::pack::Body;
use super::unseen::{anew, hides};
use super::{events, patch};
use crate::{Change, Error, ReadAt, Result, Rewritten};

/// Writes the shard `input` to `out` with the rows `hits` changed. What was not touched is written byte for byte. Entries of
/// dictionaries that `unwanted` wants go with the rows, also those that no row ever pointed to; so does whatever stands in the bytes of any
/// message and in none of its rows: writers of slices pad with what comes next, and repeat the data of views in each batch.
///
/// Fails with [`Error::Unfaithful`] when a row of `hits` is not in the shard, and where the shard's layout does not allow the
/// change; `out` then holds a part of a shard, to be thrown away.
pub fn rewrite(
    input: &dyn ReadAt,
    hits: &RoaringTreemap,
    change: Change<'_>,
    unwanted: &[&Matcher],
    limits: &Limits,
    out: &mut (dyn Write + Send),
) -> Result<Rewritten> {
    let (plans, stand_ins) =
        if hits.is_empty() { Default::default() } else { survey(input, hits, change, unwanted, limits)? };
    let mut writer = Writer {
        limits,
        rows: Selection::new(hits, change),
        plans,
        stand_ins,
        given: HashMap::new(),
        out,
        written: 0,
        blocks: Blocks::default(),
        rows_after: 0,
    };
    let tail = events(input, limits, &mut |event| writer.event(event))?;
    if let Some(tail) = tail {
        let tail = patch::tail(&tail, &writer.blocks, writer.written)?;
        let tail = categories::tail(tail, &writer.stand_ins, limits)?;
        writer.write(&tail)?;
    }
    writer.out.flush()?;
    let rows_before = writer.rows.first;
    if hits.max().is_some_and(|last| last >= rows_before) {
        return Err(Error::Unfaithful("a row that is to be changed is not in the shard".into()));
    }
    Ok(Rewritten {
        rows_before,
        rows_after: writer.rows_after,
        rows_changed: hits.len(),
        held: Vec::new(),
        copied: Vec::new(),
    })
}

/// Which rows of each batch stay, and what is taken from those that do.
struct Selection<'a> {
    hits: &'a RoaringTreemap,
    change: Change<'a>,
    /// The ordinal of the next batch's first row.
    first: u64,
    /// For each column, the ways to the values that are taken.
    paths: HashMap<usize, Vec<Vec<Enter>>>,
}

/// What happens to the rows of one batch that has some to be changed.
struct Selected {
    /// The rows that stay.
    stay: Vec<u32>,
    /// The rows that are changed.
    changed: Vec<u32>,
    /// For each row that stays, whether values are taken from it.
    taken: Vec<bool>,
}

impl<'a> Selection<'a> {
    fn new(hits: &'a RoaringTreemap, change: Change<'a>) -> Self {
        Self { hits, change, first: 0, paths: HashMap::new() }
    }

    fn learn(&mut self, table: &Table) -> Result<()> {
        if let Change::Anonymize(columns) = self.change {
            for column in columns {
                // A column that is not there has nothing to lose.
                for path in resolve_present(column, table)? {
                    self.paths.entry(path.column).or_default().push(path.steps);
                }
            }
        }
        Ok(())
    }

    /// The rows of the next batch, which has `rows` of them; `None` when none is to be changed.
    fn next(&mut self, rows: usize) -> Result<Option<Selected>> {
        let first = self.first;
        self.first += rows as u64;
        let mut changed = Vec::new();
        let mut hits = self.hits.iter();
        hits.advance_to(first);
        for row in hits.take_while(|&row| row < self.first) {
            changed.push(u32::try_from(row - first).map_err(|_| Error::Unfaithful("a batch is too long".into()))?);
        }
        if changed.is_empty() {
            return Ok(None);
        }
        let all = u32::try_from(rows).map_err(|_| Error::Unfaithful("a batch is too long".into()))?;
        let mut is_changed = vec![false; rows];
        changed.iter().for_each(|&row| is_changed[row as usize] = true);
        Ok(Some(match self.change {
            Change::Delete => Selected {
                stay: (0..all).filter(|&row| !is_changed[row as usize]).collect(),
                changed,
                taken: Vec::new(),
            },
            Change::Anonymize(_) => Selected { stay: (0..all).collect(), changed, taken: is_changed },
        }))
    }

    fn taken(&self, column: usize, selected: &Selected) -> Taken {
        match self.paths.get(&column) {
            Some(paths) => Taken { paths: paths.clone(), rows: selected.taken.clone() },
            None => Taken::default(),
        }
    }
}

/// Finds out which entries of the dictionaries go, and which categories with them.
fn survey(
    input: &dyn ReadAt,
    hits: &RoaringTreemap,
    change: Change<'_>,
    unwanted: &[&Matcher],
    limits: &Limits,
) -> Result<(Plans, StandIns)> {
    let mut wanted = Vec::new();
    let mut enums: HashSet<i64> = HashSet::new();
    let mut rows = Selection::new(hits, change);
    let mut standing: HashMap<i64, Surveyed> = HashMap::new();
    let mut plans = Plans::new();
    events(input, limits, &mut |event| {
        match event {
            Event::Marker(_) => {}
            Event::Schema(_, table) => {
                if table.dictionaries.values().any(|column| has_dictionary(column)) {
                    return Err(Error::Unfaithful("it has dictionaries within dictionaries".into()));
                }
                rows.learn(&table)?;
                wanted = in_dictionaries(unwanted, &table)?;
                categories::each(&table.columns, &mut |id, _, _| _ = enums.insert(id));
            }
            Event::Dictionary(_, given) => {
                let entries = wanted_entries(&given, &wanted);
                match standing.get_mut(&given.id) {
                    Some(surveyed) if given.first > 0 => surveyed.values = given.values,
                    _ => {
                        let before = standing.insert(given.id, Surveyed::new(given.values));
                        plans.entry(given.id).or_default().extend(before.map(|surveyed| surveyed.plan()));
                    }
                }
                standing.entry(given.id).and_modify(|surveyed| surveyed.erased |= entries);
            }
            Event::Rows(_, batch) => survey_batch(&batch, &mut rows, &mut standing, &enums)?,
        }
        Ok(())
    })?;
    let mut stand_ins = StandIns::new();
    for (id, surveyed) in standing {
        let (plans, plan) = (plans.entry(id).or_default(), surveyed.plan());
        // What a dictionary held that was given anew, rows may still show.
        if enums.contains(&id) && plans.is_empty() {
            stand_ins.insert(id, surveyed.stand_ins(&plan));
        }
        plans.push(plan);
    }
    Ok((plans, stand_ins))
}

/// The fields of `matchers` whose values lie in dictionaries, with the ways there.
pub(super) fn in_dictionaries<'m>(matchers: &[&'m Matcher], table: &Table) -> Result<Vec<(&'m FieldTest, Path)>> {
    let mut wanted = Vec::new();
    for field in matchers.iter().flat_map(|matcher| matcher.fields()).filter(|field| field.is_wanted()) {
        let paths = field.places(resolve(field.column(), table))?.into_iter();
        wanted.extend(paths.filter(|path| path.dictionary.is_some()).map(|path| (field, path)));
    }
    Ok(wanted)
}

/// The entries among those that were given now which are wanted.
fn wanted_entries(given: &DictionaryValues, wanted: &[(&FieldTest, Path)]) -> RoaringBitmap {
    let mut entries = RoaringBitmap::new();
    let new = given.values.slice(given.first, given.values.len() - given.first);
    for (field, _) in wanted.iter().filter(|(_, path)| path.dictionary == Some(given.id)) {
        values::for_each(&new, &[], &mut |entry, value| {
            if !field.owners(value).is_empty() {
                entries.extend(u32::try_from(given.first + entry));
            }
        });
    }
    entries
}

fn survey_batch(
    batch: &Rows,
    rows: &mut Selection<'_>,
    standing: &mut HashMap<i64, Surveyed>,
    enums: &HashSet<i64>,
) -> Result<()> {
    let selected = rows.next(batch.batch.rows)?;
    let rules = Rules { union_validity: batch.batch.union_validity, ..Rules::default() };
    for (at, column) in batch.table.columns.iter().enumerate().filter(|(_, column)| has_dictionary(column)) {
        let array = batch.column(at)?;
        let variadic = || batch.batch.variadic[batch.places[at].variadic..].iter().copied();
        let mut stay = Gathered::default();
        match &selected {
            Some(selected) => {
                let taken = rows.taken(at, selected);
                gather(column, &array, &selected.stay, &taken, &mut variadic(), &rules, &mut stay)?;
                let mut changed = Gathered::default();
                let taken = Taken::default();
                gather(column, &array, &selected.changed, &taken, &mut variadic(), &rules, &mut changed)?;
                for (id, used) in changed.used {
                    standing.entry(id).and_modify(|surveyed| surveyed.erased |= used);
                }
            }
            None => {
                let all: Vec<u32> = (0..).take(batch.batch.rows).collect();
                gather(column, &array, &all, &Taken::default(), &mut variadic(), &rules, &mut stay)?;
            }
        }
        for (id, used) in stay.used {
            standing.entry(id).and_modify(|surveyed| surveyed.used |= used);
        }
        // An enum's categories are listed elsewhere, too.
        for &id in stay.blanked.difference(enums) {
            standing.entry(id).and_modify(|surveyed| surveyed.may_grow = true);
        }
    }
    Ok(())
}

/// Whether a column, or one within it, holds keys of a dictionary.
pub(super) fn has_dictionary(column: &Column) -> bool {
    column.dictionary.is_some() || column.children.iter().any(has_dictionary)
}

struct Writer<'a> {
    limits: &'a Limits,
    rows: Selection<'a>,
    plans: Plans,
    stand_ins: StandIns,
    /// How often each dictionary was given anew so far.
    given: HashMap<i64, usize>,
    out: &'a mut (dyn Write + Send),
    written: u64,
    blocks: Blocks,
    rows_after: u64,
}

impl Writer<'_> {
    fn event(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Marker(bytes) => self.write(&bytes),
            Event::Schema(message, table) => {
                if !self.rows.hits.is_empty() {
                    self.rows.learn(&table)?;
                }
                let message = categories::message(message, &table, &self.stand_ins, self.limits)?;
                self.message(&message).map(|_| ())
            }
            Event::Dictionary(message, given) => {
                let message = self.dictionary(message, &given)?;
                let block = self.message(&message)?;
                self.blocks.dictionaries.push(block);
                Ok(())
            }
            Event::Rows(message, batch) => {
                let message = self.batch(message, &batch)?;
                let block = self.message(&message)?;
                self.blocks.batches.push(block);
                Ok(())
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn message(&mut self, message: &Message) -> Result<Block> {
        let block = Block { offset: self.written, ..Block::of(message) };
        self.write(&message.prefix)?;
        self.write(&message.metadata)?;
        self.write(&message.body)?;
        Ok(block)
    }

    fn plan(&self, id: i64) -> Option<&Plan> {
        let generation = self.given.get(&id)?;
        self.plans.get(&id)?.get(generation.checked_sub(1)?)
    }

    /// A dictionary's message, without the entries that go, and with the one that is added.
    fn dictionary(&mut self, message: Message, given: &DictionaryValues) -> Result<Message> {
        if given.first == 0 {
            *self.given.entry(given.id).or_default() += 1;
        }
        let Some(plan) = self.plan(given.id) else { return Ok(message) };
        let entries = given.first..given.values.len();
        let is_last = plan.added_at == Some(entries.end) && !entries.is_empty();
        let stand_ins = entries.clone().filter_map(|entry| plan.stand_ins.get(&entry).cloned());
        let stand_ins: Vec<Vec<u8>> = stand_ins.chain(is_last.then(Vec::new)).collect();
        let values = given.values.slice(given.first, entries.len());
        let slot = |(slot, entry): (u32, usize)| if plan.stand_ins.contains_key(&entry) { BLANK } else { slot };
        let slots: Vec<u32> = (0..).zip(entries).map(slot).chain(is_last.then_some(BLANK)).collect();
        let rules = Rules {
            union_validity: given.batch.union_validity,
            stand_ins: is_simple(given.column.field.data_type()).then_some(&stand_ins),
            ..Rules::default()
        };
        let mut gathered = Gathered::default();
        let mut variadic = given.batch.variadic.iter().copied();
        gather(&given.column, &values, &slots, &Taken::default(), &mut variadic, &rules, &mut gathered)?;
        // Also what stays of a dictionary that loses entries: the buffers of views may hold bytes that no view shows.
        if stand_ins.is_empty() && !hides(&message, &given.batch, &gathered) {
            return Ok(message);
        }
        let body = pack(&given.batch, &message, &gathered, self.limits)?;
        patch::message(&message, slots.len(), &gathered, body, self.limits)
    }

    /// A batch's message, without what is taken from it.
    fn batch(&mut self, message: Message, batch: &Rows) -> Result<Message> {
        let Some(selected) = self.rows.next(batch.batch.rows)? else {
            self.rows_after += batch.batch.rows as u64;
            return self.cleared(message, batch);
        };
        self.rows_after += selected.stay.len() as u64;
        let ids = batch.table.dictionaries.keys();
        let empty = ids.filter_map(|&id| {
            let (plan, given) = (self.plan(id)?, batch.dictionaries.get(id)?.len());
            // A stream may give entries behind the rows.
            let is_given = |entry: &usize| *entry < given || plan.added_at == Some(given);
            Some((id, plan.empty_entry.filter(is_given)?))
        });
        let empty = empty.collect();
        let rules = Rules { union_validity: batch.batch.union_validity, empty_entries: Some(empty), stand_ins: None };
        let mut body = Body::new(&batch.batch, message.body.len(), self.limits.message_bytes_max);
        let mut whole = Gathered::default();
        for (at, column) in batch.table.columns.iter().enumerate() {
            let array = batch.column(at)?;
            let mut variadic = batch.batch.variadic[batch.places[at].variadic..].iter().copied();
            let taken = self.rows.taken(at, &selected);
            gather(column, &array, &selected.stay, &taken, &mut variadic, &rules, &mut whole)?;
            whole.buffers.drain(..).try_for_each(|buffer| body.push(&buffer))?;
        }
        patch::message(&message, selected.stay.len(), &whole, body, self.limits)
    }

    /// A batch's message none of whose rows changes: as it is, or laid anew where something stands in it that no row shows.
    fn cleared(&self, message: Message, batch: &Rows) -> Result<Message> {
        if self.rows.hits.is_empty() {
            return Ok(message);
        }
        let Some(rows) = anew(&message, batch)? else { return Ok(message) };
        let body = pack(&batch.batch, &message, &rows, self.limits)?;
        patch::message(&message, batch.batch.rows, &rows, body, self.limits)
    }
}

fn pack(batch: &Batch, message: &Message, gathered: &Gathered, limits: &Limits) -> Result<Body> {
    let mut body = Body::new(batch, message.body.len(), limits.message_bytes_max);
    gathered.buffers.iter().try_for_each(|buffer| body.push(buffer))?;
    Ok(body)
}
