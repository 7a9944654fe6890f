//! The proof that the rows that stay are as they were, from the old shard and the new one alone.
//!
//! Batches are read in pairs. Of a batch with a changed row, the rows that stay are taken from the old one and compared with the new
//! one, column by column; so is every batch that points into dictionaries, as entries of those may have gone, and every other batch that is
//! not the same bytes: it may have lost what none of its rows shows. What was compared is hashed (XXH3, 128 bits) value by value, whatever dictionary it lies in.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray as _, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use lacuna_scan::Limits;
use lacuna_scan::ipc::frame::Message;
use lacuna_scan::ipc::reader::{Event, Reader, Rows};
use lacuna_scan::ipc::resolve::resolve_present;
use roaring::RoaringTreemap;
use xxhash_rust::xxh3::Xxh3;

use super::dictionary::bytes;
use super::{PIECE, categories, reader};
use crate::{Change, Error, ReadAt, Result, Survivors};

/// Proves that `after` holds the rows of `before` with `change` made to the rows `hits`, and nothing else.
///
/// # Errors
/// [`Error::Unfaithful`] when it does not, and says where; [`Error::Scan`] when one of them cannot be read;
/// [`Error::Arrow`] when a column is of a type that cannot be compared.
pub fn survivors(
    before: &dyn ReadAt,
    after: &dyn ReadAt,
    hits: &RoaringTreemap,
    change: Change<'_>,
    limits: &Limits,
) -> Result<Survivors> {
    let (mut old, mut new) = (Side::new(before, limits)?, Side::new(after, limits)?);
    let (mut hash, mut first, mut rows) = (Xxh3::new(), 0_u64, 0_u64);
    loop {
        let (old, mut new) = match (old.next()?, new.next()?) {
            (None, None) => return Ok(Survivors { rows, hash: hash.digest128() }),
            (Some(old), Some(new)) => (old, new),
            _ => return Err(differs("it would have another number of batches")),
        };
        if old.rows.table.schema != new.rows.table.schema {
            if !lost_categories(&old.rows, &new.rows) {
                return Err(differs("its schema would change"));
            }
            // Columns within columns are of other types otherwise.
            new.rows.table = old.rows.table.clone();
        }
        let end = first + old.rows.batch.rows as u64;
        let mut inside = hits.iter();
        inside.advance_to(first);
        let changed: BTreeSet<u64> = inside.take_while(|&row| row < end).map(|row| row - first).collect();
        let pair = Pair { old: &old.rows, new: &new.rows, changed: &changed, change };
        let is_copied = changed.is_empty() && old.rows.table.dictionaries.is_empty() && old.is_same(&new);
        if !is_copied {
            pair.compare(first, &mut hash)?;
        }
        first = end;
        rows += new.rows.batch.rows as u64;
    }
}

/// Whether the new schema differs only in categories that its dictionaries do not hold any more.
fn lost_categories(old: &Rows, new: &Rows) -> bool {
    let mut held: HashMap<i64, HashSet<&[u8]>> = HashMap::new();
    categories::each(&new.table.columns, &mut |id, _, _| {
        let values = new.dictionaries.get(id);
        held.entry(id).or_insert_with(|| {
            values
                .map(|values| (0..values.len()).filter_map(|entry| bytes(values, entry)).collect())
                .unwrap_or_default()
        });
    });
    let is_held = |id: i64, text: &str| held.get(&id).is_some_and(|held| held.contains(text.as_bytes()));
    categories::are_alike(&old.table, &new.table, &|id, old, new| old == new || !is_held(id, old))
}

/// A batch, and the message that it came in.
struct Batch {
    message: Message,
    rows: Rows,
}

impl Batch {
    fn is_same(&self, other: &Self) -> bool {
        self.message.metadata == other.message.metadata && self.message.body == other.message.body
    }
}

/// One of the two shards.
struct Side<'a> {
    input: &'a dyn ReadAt,
    at: u64,
    reader: Option<Reader>,
}

impl<'a> Side<'a> {
    fn new(input: &'a dyn ReadAt, limits: &Limits) -> Result<Self> {
        Ok(Self { input, at: 0, reader: Some(reader(input, limits)?) })
    }

    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            let Some(reader) = &mut self.reader else { return Ok(None) };
            match reader.advance()? {
                Some(Event::Rows(message, rows)) => return Ok(Some(Batch { message, rows })),
                Some(Event::Marker(_) | Event::Schema(..) | Event::Dictionary(..)) => {}
                None if self.at < self.input.size() => {
                    let end = self.input.size().min(self.at + PIECE);
                    reader.push(self.input.read_at(self.at..end)?);
                    self.at = end;
                }
                None => {
                    if let Some(mut reader) = self.reader.take() {
                        reader.finish()?;
                    }
                }
            }
        }
    }
}

/// A batch before and after.
struct Pair<'a> {
    old: &'a Rows,
    new: &'a Rows,
    changed: &'a BTreeSet<u64>,
    change: Change<'a>,
}

impl Pair<'_> {
    fn compare(&self, first: u64, hash: &mut Xxh3) -> Result<()> {
        let deletes = matches!(self.change, Change::Delete);
        let stays = |row: &u32| !self.changed.contains(&u64::from(*row));
        let all = |rows: usize| (0_u32..).take(rows);
        let old_stay: UInt32Array = all(self.old.batch.rows).filter(stays).collect::<Vec<_>>().into();
        let left = if deletes { old_stay.len() } else { self.old.batch.rows };
        if self.new.batch.rows != left {
            return Err(self.differs(first, "it would have another number of rows"));
        }
        let anonymous = self.anonymous()?;
        for (at, column) in self.old.table.columns.iter().enumerate() {
            let (old, new) = (self.old.column(at)?, self.new.column(at)?);
            let (old, new) = match (deletes, anonymous.contains(&at)) {
                (true, _) => (pick(&old, &old_stay)?, new),
                (false, true) => (pick(&old, &old_stay)?, pick(&new, &old_stay)?),
                (false, false) => (old, new),
            };
            if !are_same(&old, &new)? {
                return Err(self
                    .differs(first, &format!("column `{}`: values of other rows would change", column.field.name())));
            }
            update(hash, &new)?;
        }
        Ok(())
    }

    /// The columns of which changed rows lose values.
    fn anonymous(&self) -> Result<BTreeSet<usize>> {
        let mut columns = BTreeSet::new();
        if let Change::Anonymize(paths) = self.change {
            for path in paths {
                columns.extend(resolve_present(path, &self.old.table)?.into_iter().map(|path| path.column));
            }
        }
        Ok(columns)
    }

    fn differs(&self, first: u64, what: &str) -> Error {
        differs(&format!("batch from row {first}: {what}"))
    }
}

fn pick(array: &ArrayRef, rows: &UInt32Array) -> Result<ArrayRef> {
    if rows.len() == array.len() { Ok(array.clone()) } else { take(array, rows, None).map_err(Error::Arrow) }
}

/// Whether both hold the same values, however they lie there.
fn are_same(old: &ArrayRef, new: &ArrayRef) -> Result<bool> {
    if old.to_data() == new.to_data() {
        return Ok(true);
    }
    // Arrow compares what a row does not show of a union, too.
    if !has_union(old.data_type()) || old.data_type() != new.data_type() || old.len() != new.len() {
        return Ok(false);
    }
    let (mut before, mut after) = (Xxh3::new(), Xxh3::new());
    show(&mut before, old)?;
    show(&mut after, new)?;
    Ok(before.digest128() == after.digest128())
}

fn has_union(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _)
        | DataType::RunEndEncoded(_, field) => has_union(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_union(field.data_type())),
        DataType::Dictionary(_, values) => has_union(values),
        _ => false,
    }
}

/// Hashes the values, as they compare.
fn update(hash: &mut Xxh3, array: &ArrayRef) -> Result<()> {
    hash.update(&(array.len() as u64).to_le_bytes());
    // Out of their dictionary: the converter would take all of that for each batch.
    let unpacked = array.as_any_dictionary_opt().map(|array| take(array.values(), array.keys(), None));
    let unpacked = unpacked.transpose().map_err(Error::Arrow)?;
    let array = unpacked.as_ref().unwrap_or(array);
    let field = SortField::new(array.data_type().clone());
    if !RowConverter::supports_fields(std::slice::from_ref(&field)) {
        // A type without an order is hashed as it is shown.
        return show(hash, array);
    }
    let converter = RowConverter::new(vec![field]).map_err(Error::Arrow)?;
    let rows = converter.convert_columns(std::slice::from_ref(array)).map_err(Error::Arrow)?;
    rows.iter().for_each(|row| hash.update(row.as_ref()));
    Ok(())
}

/// Hashes the values as texts.
fn show(hash: &mut Xxh3, array: &ArrayRef) -> Result<()> {
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default()).map_err(Error::Arrow)?;
    for row in 0..array.len() {
        let text = formatter.value(row).try_to_string().map_err(Error::Arrow)?;
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    Ok(())
}

fn differs(what: &str) -> Error {
    Error::Unfaithful(what.to_owned())
}
