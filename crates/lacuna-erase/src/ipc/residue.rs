//! What a shard still holds of the wanted values outside its rows: in dictionaries, in metadata, and in bytes that no row shows.

use std::collections::{HashMap, HashSet};

use arrow::array::Array;
use arrow::datatypes::{DataType, FieldRef};
use arrow::ipc;
use bytes::Bytes;
use lacuna_scan::ipc::frame::Message;
use lacuna_scan::ipc::reader::{DictionaryValues, Event, Rows};
use lacuna_scan::ipc::resolve::Path;
use lacuna_scan::ipc::schema::{Table, metadata};
use lacuna_scan::ipc::{footer, message, values};
use lacuna_scan::{FieldTest, Limits, Matcher, Value};
use roaring::RoaringBitmap;

use super::categories::{self, is_key, listed};
use super::dictionary::bytes;
use super::events;
use super::gather::{Gathered, Rules, Taken, gather};
use super::rewrite::{has_dictionary, in_dictionaries};
use super::unseen::Unseen;
use crate::metadata::held;
use crate::{ReadAt, Residue, Result};

/// Finds wanted values that no row of the shard has any more: entries of dictionaries that no row points to, the values in
/// the metadata of schema, columns, messages and footer, and those in bytes of batches that are no row's. Each place is named once.
pub fn residue(input: &dyn ReadAt, matcher: &Matcher, limits: &Limits) -> Result<Vec<Residue>> {
    let unseen = Unseen::new(matcher)?;
    let mut search = Search {
        matcher,
        unseen,
        paths: Vec::new(),
        dictionaries: HashMap::new(),
        categories: Vec::new(),
        shown: HashSet::new(),
        places: HashSet::new(),
    };
    let tail = events(input, limits, &mut |event| search.event(event))?;
    if let Some(tail) = tail {
        search.footer(&tail, limits)?;
    }
    for (id, dictionary) in std::mem::take(&mut search.dictionaries) {
        search.close(id, &dictionary);
    }
    search.close_categories();
    let mut places: Vec<_> = search.places.into_iter().map(|place| Residue { place }).collect();
    places.sort_unstable();
    Ok(places)
}

struct Search<'a> {
    matcher: &'a Matcher,
    unseen: Unseen<'a>,
    /// Where the wanted fields lie, for those that lie in dictionaries.
    paths: Vec<(&'a FieldTest, Path)>,
    dictionaries: HashMap<i64, Dictionary>,
    /// The wanted categories that metadata lists: of which dictionary, and of which column.
    categories: Vec<(i64, String, Vec<u8>)>,
    /// The wanted entries that rows use.
    shown: HashSet<(i64, Vec<u8>)>,
    places: HashSet<String>,
}

#[derive(Default)]
struct Dictionary {
    /// The entries that are wanted.
    wanted: Vec<Wanted>,
    used: RoaringBitmap,
}

struct Wanted {
    entry: usize,
    /// The mapped column that wants it.
    column: String,
    /// As it is stored.
    value: Vec<u8>,
}

impl Search<'_> {
    fn event(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Marker(_) => {}
            Event::Schema(message, table) => {
                self.paths.extend(in_dictionaries(&[self.matcher], &table)?);
                self.metadata(&table.schema.metadata, "the schema's metadata");
                self.columns(&table);
                self.message(&message)?;
            }
            Event::Dictionary(message, given) => {
                self.message(&message)?;
                self.dictionary(&given);
            }
            Event::Rows(message, batch) => {
                self.message(&message)?;
                self.rows(&batch)?;
                self.unseen(&message, &batch)?;
            }
        }
        Ok(())
    }

    fn dictionary(&mut self, given: &DictionaryValues) {
        if given.first == 0
            && let Some(before) = self.dictionaries.remove(&given.id)
        {
            self.close(given.id, &before);
        }
        let dictionary = self.dictionaries.entry(given.id).or_default();
        let new = given.values.slice(given.first, given.values.len() - given.first);
        for (field, _) in self.paths.iter().filter(|(_, path)| path.dictionary == Some(given.id)) {
            values::for_each(&new, &[], &mut |entry, value| {
                if !field.owners(value).is_empty() {
                    let value = bytes(&new, entry).unwrap_or_default().to_vec();
                    let column = field.column().to_string();
                    dictionary.wanted.push(Wanted { entry: given.first + entry, column, value });
                }
            });
        }
    }

    fn rows(&mut self, batch: &Rows) -> Result<()> {
        if self.dictionaries.values().all(|dictionary| dictionary.wanted.is_empty()) {
            return Ok(());
        }
        let rules = Rules { union_validity: batch.batch.union_validity, ..Rules::default() };
        let all: Vec<u32> = (0..).take(batch.batch.rows).collect();
        for (at, column) in batch.table.columns.iter().enumerate().filter(|(_, column)| has_dictionary(column)) {
            let mut gathered = Gathered::default();
            let mut variadic = batch.batch.variadic[batch.places[at].variadic..].iter().copied();
            gather(column, &batch.column(at)?, &all, &Taken::default(), &mut variadic, &rules, &mut gathered)?;
            for (id, used) in gathered.used {
                self.dictionaries.entry(id).or_default().used |= used;
            }
        }
        Ok(())
    }

    fn unseen(&mut self, message: &Message, batch: &Rows) -> Result<()> {
        if self.unseen.is_beside(message, batch)? {
            self.places.insert("the bytes of a batch, beside its rows".into());
        }
        Ok(())
    }

    fn close(&mut self, id: i64, dictionary: &Dictionary) {
        for Wanted { entry, column, value } in &dictionary.wanted {
            if u32::try_from(*entry).is_ok_and(|entry| dictionary.used.contains(entry)) {
                self.shown.insert((id, value.clone()));
            } else {
                self.places.insert(format!("the dictionary of column `{column}`"));
            }
        }
    }

    fn close_categories(&mut self) {
        for (id, column, category) in std::mem::take(&mut self.categories) {
            if !self.shown.contains(&(id, category)) {
                self.places.insert(metadata_of(&column));
            }
        }
    }

    /// What the columns' metadata says.
    fn columns(&mut self, table: &Table) {
        self.fields(table.schema.fields());
        categories::each(&table.columns, &mut |id, column, list| {
            for category in listed(list).unwrap_or_default() {
                let mut fields = self.paths.iter().filter(|(_, path)| path.dictionary == Some(id));
                if fields.any(|(field, _)| !field.owners(Value::Text(category.as_bytes())).is_empty()) {
                    self.categories.push((id, column.to_owned(), category.as_bytes().to_vec()));
                }
            }
        });
    }

    fn fields<'f>(&mut self, fields: impl IntoIterator<Item = &'f FieldRef>) {
        for field in fields {
            // A column's columns within carry metadata too.
            for inner in Box::<[_]>::from(within(field)) {
                let mut pairs = inner.metadata().clone();
                // Categories are no words: rows tell which of them may stay.
                pairs.retain(|key, list| !(is_key(key) && is_category(&inner) && listed(list).is_some()));
                self.metadata(&pairs, &metadata_of(field.name()));
            }
        }
    }

    fn message(&mut self, message: &Message) -> Result<()> {
        let flat = message::verify(&message.metadata, message.offset)?;
        self.metadata(&metadata(flat.custom_metadata()), "a message's metadata");
        Ok(())
    }

    fn footer(&mut self, tail: &Bytes, limits: &Limits) -> Result<()> {
        let located = footer::locate(tail, 0)?;
        let flat: ipc::Footer<'_> = footer::verify(&located, 0)?;
        self.metadata(&metadata(flat.custom_metadata()), "the footer's metadata");
        if let Some(schema) = flat.schema() {
            self.metadata(&metadata(schema.custom_metadata()), "the footer's metadata");
            self.columns(&Table::new(schema, 0, limits)?);
        }
        Ok(())
    }

    fn metadata(&mut self, pairs: &HashMap<String, String>, place: &str) {
        let holds = |(key, value): (&String, &String)| {
            let holds = |field: &FieldTest| !held(key.as_bytes(), value.as_bytes(), field).is_empty();
            self.matcher.fields().iter().any(|field| field.is_wanted() && holds(field))
        };
        if pairs.iter().any(holds) {
            self.places.insert(place.to_owned());
        }
    }
}

fn metadata_of(column: &str) -> String {
    format!("the metadata of column `{column}`")
}

fn is_category(field: &FieldRef) -> bool {
    matches!(field.data_type(), DataType::Dictionary(..))
}

/// A field and all fields within it.
fn within(field: &FieldRef) -> Vec<FieldRef> {
    let mut all = vec![field.clone()];
    let inner: Vec<FieldRef> = match field.data_type() {
        DataType::List(inner)
        | DataType::LargeList(inner)
        | DataType::ListView(inner)
        | DataType::LargeListView(inner)
        | DataType::FixedSizeList(inner, _)
        | DataType::Map(inner, _) => vec![inner.clone()],
        DataType::Struct(fields) => fields.iter().cloned().collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.clone()).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends.clone(), values.clone()],
        _ => Vec::new(),
    };
    inner.iter().for_each(|field| all.extend(within(field)));
    all
}
