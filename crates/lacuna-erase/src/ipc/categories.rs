//! The categories of Polars' enums. They stand in the metadata of their column, too, and Polars takes them from there.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use arrow::datatypes::{DataType, Field, FieldRef, UnionFields};
use arrow::ipc;
use bytes::Bytes;
use lacuna_scan::Limits;
use lacuna_scan::ipc::footer;
use lacuna_scan::ipc::frame::{MAGIC, Message};
use lacuna_scan::ipc::message::{self, Header};
use lacuna_scan::ipc::schema::{Column, Table};

use super::patch::{self, unfit};
use crate::Result;

/// The keys of the metadata that lists categories.
const KEYS: [&str; 2] = ["_PL_ENUM_VALUES2", "_PL_ENUM_VALUES"];

/// By dictionary, the texts that go and what takes their place.
pub(super) type StandIns = HashMap<i64, HashMap<String, String>>;

/// Whether metadata under this key lists categories.
pub(super) fn is_key(key: &str) -> bool {
    KEYS.contains(&key)
}

/// The categories that a text lists: each behind its length in bytes and a semicolon. `None` when it is no such list.
pub(super) fn listed(mut text: &str) -> Option<Vec<&str>> {
    let mut categories = Vec::new();
    while !text.is_empty() {
        let (length, rest) = text.split_once(';')?;
        let (category, rest) = rest.split_at_checked(length.parse().ok()?)?;
        categories.push(category);
        text = rest;
    }
    Some(categories)
}

/// Hands to `f` every list of categories in a table: its dictionary, the name of the top-level column, and the list.
pub(super) fn each<'t>(columns: &'t [Column], f: &mut dyn FnMut(i64, &'t str, &'t str)) {
    fn within<'t>(column: &'t Column, name: &'t str, f: &mut dyn FnMut(i64, &'t str, &'t str)) {
        if let Some(dictionary) = &column.dictionary {
            let lists = KEYS.iter().filter_map(|&key| column.field.metadata().get(key));
            lists.for_each(|list| f(dictionary.id, name, list));
        }
        column.children.iter().for_each(|child| within(child, name, f));
    }
    columns.iter().for_each(|column| within(column, column.field.name(), f));
}

/// Whether two schemas are the same but for categories, of which `may_become` says for each dictionary which may stand in place of which.
pub(super) fn are_alike(before: &Table, after: &Table, may_become: &dyn Fn(i64, &str, &str) -> bool) -> bool {
    let is_same = before.schema.metadata() == after.schema.metadata()
        && before.schema.fields().iter().map(bare).eq(after.schema.fields().iter().map(bare));
    let lists = |table: &Table| {
        let mut lists = Vec::new();
        each(&table.columns, &mut |id, _, list| lists.push((id, list.to_owned())));
        lists
    };
    let (old, new) = (lists(before), lists(after));
    let fits = |((id, old), (other, new)): (&(i64, String), &(i64, String))| match (listed(old), listed(new)) {
        (Some(old), Some(new)) => {
            id == other && old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| may_become(*id, old, new))
        }
        _ => old == new,
    };
    is_same && old.len() == new.len() && old.iter().zip(&new).all(fits)
}

/// A field without its categories, and without those of the fields within.
fn bare(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::List(inner) => DataType::List(bare(inner)),
        DataType::LargeList(inner) => DataType::LargeList(bare(inner)),
        DataType::ListView(inner) => DataType::ListView(bare(inner)),
        DataType::LargeListView(inner) => DataType::LargeListView(bare(inner)),
        DataType::FixedSizeList(inner, length) => DataType::FixedSizeList(bare(inner), *length),
        DataType::Map(entries, sorted) => DataType::Map(bare(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(bare).collect()),
        DataType::RunEndEncoded(ends, values) => DataType::RunEndEncoded(ends.clone(), bare(values)),
        DataType::Union(members, mode) => {
            let fields = members.iter().map(|(_, member)| bare(member));
            let bare = UnionFields::try_new(members.iter().map(|(id, _)| id), fields);
            DataType::Union(bare.unwrap_or_else(|_| members.clone()), *mode)
        }
        data_type => data_type.clone(),
    };
    let metadata = field.metadata().iter().filter(|(key, _)| !is_key(key));
    let metadata = metadata.map(|(key, value)| (key.clone(), value.clone())).collect();
    Field::clone(field).with_data_type(data_type).with_metadata(metadata).into()
}

/// A schema's message with other categories.
pub(super) fn message(message: Message, table: &Table, stand_ins: &StandIns, limits: &Limits) -> Result<Message> {
    let flat = message::verify(&message.metadata, message.offset)?;
    let schema = flat.header_as_schema().ok_or_else(unfit)?;
    let texts = texts(schema, table, stand_ins);
    if texts.is_empty() {
        return Ok(message);
    }
    let metadata = patch::texts(&message.metadata, &texts)?;
    let mut prefix = message.prefix.to_vec();
    if let Some(length) = prefix.last_chunk_mut::<4>() {
        *length = i32::try_from(metadata.len()).map_err(|_| unfit())?.to_le_bytes();
    }
    let patched = Message { prefix: prefix.into(), metadata: metadata.into(), ..message };
    match Header::new(&patched, limits)? {
        Header::Schema(after) if are_replaced(table, &after, stand_ins) => Ok(patched),
        _ => Err(unfit()),
    }
}

/// A file's `tail` with other categories in its schema.
pub(super) fn tail(tail: Vec<u8>, stand_ins: &StandIns, limits: &Limits) -> Result<Vec<u8>> {
    let tail = Bytes::from(tail);
    let located = footer::locate(&tail, 0)?;
    let table = |footer: &[u8]| -> Result<Table> {
        let schema = footer::verify(footer, 0)?.schema().ok_or_else(unfit)?;
        Ok(Table::new(schema, 0, limits)?)
    };
    let before = table(&located)?;
    let texts = texts(footer::verify(&located, 0)?.schema().ok_or_else(unfit)?, &before, stand_ins);
    if texts.is_empty() {
        return Ok(tail.into());
    }
    let patched = patch::texts(&located, &texts)?;
    if !are_replaced(&before, &table(&patched)?, stand_ins) || footer::listed(&patched) != footer::listed(&located) {
        return Err(unfit());
    }
    let length = i32::try_from(patched.len()).map_err(|_| unfit())?;
    let padding = tail.len() - located.len() - size_of::<i32>() - MAGIC.len();
    Ok([&tail[..padding], &patched, &length.to_le_bytes(), MAGIC].concat())
}

fn are_replaced(before: &Table, after: &Table, stand_ins: &StandIns) -> bool {
    are_alike(before, after, &|id, old, new| stand_in(stand_ins.get(&id), old) == new)
}

fn stand_in<'a>(stand_ins: Option<&'a HashMap<String, String>>, category: &'a str) -> &'a str {
    stand_ins.and_then(|stand_ins| stand_ins.get(category)).map_or(category, String::as_str)
}

/// The lists that change: where the offset lies that leads to each, and what it becomes.
fn texts(schema: ipc::Schema<'_>, table: &Table, stand_ins: &StandIns) -> Vec<(usize, String)> {
    let mut texts = Vec::new();
    for (field, column) in schema.fields().into_iter().flatten().zip(&table.columns) {
        texts_within(field, column, stand_ins, &mut texts);
    }
    texts
}

fn texts_within(field: ipc::Field<'_>, column: &Column, stand_ins: &StandIns, texts: &mut Vec<(usize, String)>) {
    let stand_ins_here = column.dictionary.as_ref().and_then(|dictionary| stand_ins.get(&dictionary.id));
    for pair in field.custom_metadata().into_iter().flatten().filter(|pair| pair.key().is_some_and(is_key)) {
        let categories = pair.value().and_then(listed).unwrap_or_default();
        let after: Vec<&str> = categories.iter().map(|category| stand_in(stand_ins_here, category)).collect();
        // Polars does not read an enum that has a category twice.
        let is_set = after.iter().collect::<HashSet<_>>().len() == after.len();
        if after != categories && is_set {
            let at = pair._tab.loc() + usize::from(pair._tab.vtable().get(ipc::KeyValue::VT_VALUE));
            texts.push((at, list(&after)));
        }
    }
    for (field, column) in field.children().into_iter().flatten().zip(&column.children) {
        texts_within(field, column, stand_ins, texts);
    }
}

fn list(categories: &[&str]) -> String {
    categories.iter().fold(String::new(), |mut list, category| {
        let _ = write!(list, "{};{category}", category.len());
        list
    })
}
