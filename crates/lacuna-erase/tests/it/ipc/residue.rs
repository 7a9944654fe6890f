//! What is left of a person outside the rows is found and named, and nothing else is.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int8Array, RecordBatch, StringArray};
use arrow::datatypes::{Int8Type, Schema};
use bytes::Bytes;
use lacuna_erase::{Change, ipc};
use lacuna_scan::{Epochs, Field, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Selector, TenantRule};

use super::tables::encode;
use super::{matcher, rewrite, rewrite_for};

fn looks_for(user: &str) -> Matcher {
    matcher(&[("user".into(), user.into())])
}

fn places(bytes: &[u8], user: &str) -> Vec<String> {
    let found = ipc::residue(&Bytes::copy_from_slice(bytes), &looks_for(user), &Limits::default()).unwrap();
    found.into_iter().map(|residue| residue.place).collect()
}

fn users(keys: &[Option<i8>]) -> RecordBatch {
    let values = Arc::new(StringArray::from(vec!["ann", "bob", "12"]));
    let array = DictionaryArray::<Int8Type>::new(Int8Array::from(keys.to_vec()), values);
    RecordBatch::try_from_iter_with_nullable([("user", Arc::new(array) as ArrayRef, true)]).unwrap()
}

#[test]
fn an_entry_that_no_row_uses() {
    let batch = users(&[Some(0), None]);
    for file in [true, false] {
        let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), file, None, 8);
        assert_eq!(places(&bytes, "bob"), ["the dictionary of column `user`"]);
        assert!(places(&bytes, "ann").is_empty(), "a row uses it");
        let (out, _) = rewrite(&bytes, &[0], Change::Delete).unwrap();
        assert!(places(&out, "ann").is_empty());
        assert!(places(&out, "bob").is_empty());
    }
}

#[test]
fn an_entry_that_no_row_ever_used_goes_with_the_rows() {
    let batch = users(&[Some(0), Some(2), None]);
    for file in [true, false] {
        let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), file, None, 8);
        let (out, _) = rewrite_for(&bytes, &[1], Change::Delete, &looks_for("bob")).unwrap();
        assert!(places(&out, "bob").is_empty());
        let (out, _) = rewrite_for(&bytes, &[2], Change::Delete, &looks_for("bob")).unwrap();
        assert!(places(&out, "bob").is_empty(), "even when no entry lost its last row");
        let left = super::read(&out);
        assert_eq!(left[0], super::pick(&batch, &[0, 1]));
    }
}

#[test]
fn a_value_in_metadata() {
    let batch = users(&[Some(0)]);
    let text = "{\"index\": \"bob\", \"stop\": 12, \"other\": \"bobby\", \"owner\": 778899123456}";
    let metadata = [("pandas".into(), text.into())].into();
    let schema = Arc::new(Schema::new_with_metadata(batch.schema().fields().clone(), metadata));
    let batch = batch.with_schema(schema.clone()).unwrap();
    let bytes = encode(&schema, &[], false, None, 8);
    assert_eq!(places(&bytes, "bob"), ["the schema's metadata"]);
    assert!(places(&bytes, "bobb").is_empty());
    assert!(places(&bytes, "12").is_empty(), "a number in metadata counts rows, not people");
    assert_eq!(places(&bytes, "778899123456"), ["the schema's metadata"], "so many rows has nobody");
    let file = encode(&schema, std::slice::from_ref(&batch), true, None, 8);
    assert_eq!(
        places(&file, "bob"),
        ["the dictionary of column `user`", "the footer's metadata", "the schema's metadata"]
    );
    assert_eq!(places(&file, "a test"), ["the footer's metadata"]);
}

/// What a schema's metadata, `key` and `text`, is found to hold.
fn in_metadata(key: &str, text: &str, user: &str) -> Vec<String> {
    let metadata = [(key.into(), text.into())].into();
    let schema = Schema::new_with_metadata(users(&[]).schema().fields().clone(), metadata);
    places(&encode(&Arc::new(schema), &[], false, None, 8), user)
}

#[test]
fn metadata_is_searched_through_the_escapes_of_json() {
    for (text, user) in [
        (r#"{"owner":"ann\u0040corp.example"}"#, "ann@corp.example"),
        (r#"{"owner":"\u00E4nne\/\ud83d\ude00"}"#, "änne/\u{1f600}"),
        (r#"{"inner":"{\"by\":\"\\u00e4nne\"}"}"#, "änne"),
    ] {
        assert_eq!(in_metadata("owner", text, user), ["the schema's metadata"], "{text}");
    }
    assert!(in_metadata("owner", r#"{"owner":"x\u0041nne"}"#, "Anne").is_empty());
}

#[test]
fn what_pandas_says_of_a_table_is_nobodys() {
    let columns = r#"{"index_columns": [{"kind": "range", "stop": 7788991234}], "columns": [{"name": "user"}]"#;
    let text = format!("{columns}}}");
    for user in ["7788991234", "user", "range", "columns", "pandas"] {
        assert!(in_metadata("pandas", &text, user).is_empty(), "{user}");
    }
    for user in ["7788991234", "user"] {
        let text = format!(r#"{columns}, "attributes": {{"owner": "{user}"}}}}"#);
        assert_eq!(in_metadata("pandas", &text, user), ["the schema's metadata"]);
        assert_eq!(in_metadata("other", columns, user), ["the schema's metadata"]);
    }
}

#[test]
fn short_values_and_numbers_are_found_as_in_parquet() {
    for (key, text, user) in [
        ("owner", "12", "12"),
        ("owner", r#"{"by": 6657}"#, "6657"),
        ("owner", r#"{"by": "joe"}"#, "joe"),
        ("owner", "2;jo3;ann", "ann"),
    ] {
        assert_eq!(in_metadata(key, text, user), ["the schema's metadata"], "{text}");
    }
    for (key, text, user) in [
        ("owner", r#"{"by": 12}"#, "12"),
        ("owner", "zoë joë", "jo"),
        ("PARQUET:field_id", "12", "12"),
        ("ARROW:extension:metadata", r#"{"crs":{"id":"joe"}}"#, "id"),
    ] {
        assert!(in_metadata(key, text, user).is_empty(), "{text}");
    }
}

#[test]
fn metadata_is_searched_in_the_case_of_a_column_that_is_trimmed() {
    let metadata = [("owner".into(), "Anne".into())].into();
    let schema = Arc::new(Schema::new_with_metadata(users(&[]).schema().fields().clone(), metadata));
    let bytes = Bytes::from(encode(&schema, &[], false, None, 8));
    let mut field = Field::new("user".parse().unwrap(), Kind::new("id"));
    field.trim = true;
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let selector = Selector { tenant: None, identifiers: vec![Identifier::new("id", "Anne")] };
    let anne = Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap();
    assert_eq!(ipc::residue(&bytes, &anne, &Limits::default()).unwrap().len(), 1);
}
