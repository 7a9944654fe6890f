//! Identifiers that only dictionaries hold: told to whoever asks, by selector and field.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int8Array, ListArray, RecordBatch, RunArray, StringArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, Schema};
use bytes::Bytes;
use lacuna_scan::ipc::IpcSearch;
use lacuna_scan::{
    Case, Epochs, Field as Mapped, Identifier, IdentifierRule, Ignore, Kind, Limits, Mapping, Matcher, Selector,
    SelectorIndex, StreamSearch as _, TenantRule,
};

use super::tables::encode;
use super::{ahead, matcher, search, tenant_matcher};

fn keys(keys: &[Option<i8>], values: &[&str]) -> ArrayRef {
    let values = Arc::new(StringArray::from(values.to_vec()));
    Arc::new(DictionaryArray::<Int8Type>::new(Int8Array::from(keys.to_vec()), values))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn users(of: &[Option<i8>], values: &[&str]) -> RecordBatch {
    batch(vec![("user", keys(of, values))])
}

fn encoded(batches: &[RecordBatch], file: bool) -> Vec<u8> {
    encode(&batches[0].schema(), batches, file, None, 8)
}

/// What a search of `bytes` tells of, where it is asked to.
fn unused(bytes: &[u8], matcher: &Arc<Matcher>) -> Vec<(SelectorIndex, usize)> {
    assert_eq!(search(bytes, matcher).unwrap().0.unused, [], "nobody asked");
    let search = IpcSearch::new(matcher.clone(), Limits::default()).with_ahead(ahead(bytes).unwrap());
    let mut search = search.noting_unused();
    search.feed(Bytes::copy_from_slice(bytes), &mut Ignore).unwrap();
    search.finish(&mut Ignore).unwrap().unused
}

#[test]
fn an_entry_that_no_row_has_is_told() {
    let everybody = ["ann", "bob", "cyn"];
    let batches = [users(&[Some(0), None], &everybody), users(&[Some(2)], &everybody)];
    for file in [true, false] {
        let bytes = encoded(&batches, file);
        for (user, expected) in [("bob", &[(0, 0)][..]), ("ann", &[]), ("cyn", &[]), ("dan", &[])] {
            assert_eq!(unused(&bytes, &matcher(&[("user", user)])), expected, "{user}");
        }
    }
    // A dictionary without any row.
    let none = batches[0].slice(0, 0);
    assert_eq!(unused(&encoded(&[none], true), &matcher(&[("user", "bob")])), [(0, 0)]);
}

#[test]
fn additions_belong_to_their_dictionary_and_replacements_do_not() {
    let bob = matcher(&[("user", "bob")]);
    let later = [users(&[Some(0)], &["ann"]), users(&[Some(0)], &["ann", "bob"]), users(&[Some(1)], &["ann", "bob"])];
    assert_eq!(unused(&encoded(&later, true), &bob), []);
    assert_eq!(unused(&encoded(&later[..2], true), &bob), [(0, 0)]);
    // Rows of what came in its place do not use it.
    let replaced =
        [users(&[Some(0)], &["ann", "bob"]), users(&[Some(0)], &["bob"]), users(&[Some(0), None], &["cyn", "dan"])];
    assert_eq!(unused(&encoded(&replaced, false), &bob), [(0, 0)]);
    assert_eq!(unused(&encoded(&replaced[1..], false), &bob), []);
}

#[test]
fn another_spelling_in_a_row_will_do() {
    let field = Mapped { case: Case::Insensitive, trim: true, ..Mapped::new("user".parse().unwrap(), Kind::new("id")) };
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let selector = Selector { tenant: None, identifiers: vec![Identifier::new("id", "ann")] };
    let ann = Arc::new(Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap());
    assert_eq!(unused(&encoded(&[users(&[Some(1)], &[" Ann", "bob"])], true), &ann), [(0, 0)]);
    // The one of a row goes with it, and takes the others along.
    let batches = [users(&[Some(0)], &["ANN"]), users(&[None], &["ANN", " Ann"])];
    assert_eq!(unused(&encoded(&batches, true), &ann), []);
}

#[test]
fn rows_of_another_tenant_use_an_entry() {
    let shard = |of: &[Option<i8>]| {
        let tenants = Arc::new(StringArray::from(vec!["b"; of.len()]));
        encoded(&[batch(vec![("user", keys(of, &["ann", "bob"])), ("tenant", tenants)])], true)
    };
    let bob = tenant_matcher("user", "bob", "tenant", &["a"]);
    assert_eq!(unused(&shard(&[Some(0), Some(1)]), &bob), []);
    assert_eq!(unused(&shard(&[Some(0)]), &bob), [(0, 0)]);
    // A tenant is nobody's identifier.
    let tenant = batch(vec![("user", keys(&[None], &[])), ("tenant", keys(&[Some(0)], &["b", "a"]))]);
    assert_eq!(unused(&encoded(&[tenant], true), &bob), []);
}

#[test]
fn only_fields_that_identify_alone_count() {
    let field = |column: &str| Mapped::new(column.parse().unwrap(), Kind::new(column));
    let both = IdentifierRule::AllOf(vec![field("first"), field("last")]);
    let mapping = Mapping { identifiers: vec![both], tenant: TenantRule::Single };
    let identifiers = vec![Identifier::new("first", "ann"), Identifier::new("last", "bee")];
    let selectors = [Selector { tenant: None, identifiers }];
    let ann = Arc::new(Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap());
    let names = batch(vec![("first", keys(&[Some(0)], &["bob", "ann"])), ("last", keys(&[Some(0)], &["bee"]))]);
    assert_eq!(unused(&encoded(&[names], true), &ann), []);
}

#[test]
fn what_lies_under_a_null_or_in_no_list_is_in_no_row() {
    let item = Arc::new(Field::new("item", keys(&[], &[]).data_type().clone(), true));
    let inner = keys(&[Some(1), Some(0)], &["ann", "bob"]);
    let list = ListArray::new(item.clone(), OffsetBuffer::from_lengths([1, 1]), inner.clone(), None);
    let hidden = list.slice(1, 1);
    let of = |list: ListArray| encoded(&[batch(vec![("users", Arc::new(list))])], true);
    assert_eq!(unused(&of(list), &matcher(&[("users[]", "bob")])), []);
    assert_eq!(unused(&of(hidden), &matcher(&[("users[]", "bob")])), [(0, 0)]);

    let nulls = Some(NullBuffer::from(vec![false, true]));
    let actors = StructArray::new(vec![item].into(), vec![inner], nulls);
    let actors = encoded(&[batch(vec![("actor", Arc::new(actors))])], true);
    assert_eq!(unused(&actors, &matcher(&[("actor.item", "bob")])), [(0, 0)]);
    assert_eq!(unused(&actors, &matcher(&[("actor.item", "ann")])), []);

    let ends = vec![2].into();
    let dictionary: DictionaryArray<Int8Type> =
        DictionaryArray::new(vec![0].into(), Arc::new(StringArray::from(vec!["ann", "bob"])));
    let runs = RunArray::<Int32Type>::try_new(&ends, &dictionary).unwrap();
    let runs = encoded(&[batch(vec![("user", Arc::new(runs))])], true);
    assert_eq!(unused(&runs, &matcher(&[("user", "bob")])), [(0, 0)]);
}

#[test]
fn each_column_has_its_own() {
    let columns = batch(vec![("from", keys(&[Some(0)], &["ann", "bob"])), ("to", keys(&[Some(1)], &["ann", "bob"]))]);
    let bytes = encoded(&[columns], true);
    assert_eq!(unused(&bytes, &matcher(&[("from", "bob"), ("to", "bob")])), [(0, 0)]);
    let two: Schema = Schema::new(vec![
        Field::new("user", DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into()), true),
        Field::new("user", DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into()), true),
    ]);
    let columns = vec![keys(&[Some(0)], &["ann", "bob"]), keys(&[Some(1)], &["ann", "bob"])];
    let bytes = encoded(&[RecordBatch::try_new(two.into(), columns).unwrap()], true);
    assert_eq!(unused(&bytes, &matcher(&[("user", "bob")])), [(0, 0)]);
    assert_eq!(unused(&bytes, &matcher(&[("user", "ann")])), [(0, 0)]);
}
