//! Values that a mapping leads to and lie in a form that it does not take: nobody is found by them, and nobody is missed in silence.

use super::{Query, path};
use lacuna_scan::text::{TextFormat, TextSearch};
use lacuna_scan::{
    Epochs, Field, Identifier, IdentifierRule, Ignore, Kind, Limits, Mapping, Matcher, Selector, StreamSearch as _,
    TenantRule,
};
use std::sync::Arc;

/// Which rows are found, and how many records may be missed, when `ann` is looked for in `columns` of tenant `t`, if there is a column
/// for that.
fn search(columns: &[&'static str], tenant: Option<&'static str>, text: &str) -> (Vec<u64>, u64) {
    let query = Query { columns: columns.to_vec(), tenant, ..Query::ndjson("", &["ann"]) };
    let answer = query.run(text.as_bytes()).unwrap();
    (answer.found_rows(), answer.astray)
}

#[test]
fn a_value_in_an_array_or_object_is_no_silent_miss() {
    let text = r#"{"u":"ann"}
{"u":["ann"]}
{"u":[["bob",{"x":"a\u006en"}]]}
{"u":{"id":"ann"}}
{"u":["bob"]}
{"u":{"ann":"bob"}}
{"u":[]}
{"u":null}
{"u":true}
{"u":["bob"],"other":["ann"]}
{"u":["ann"],"u":"ann"}"#;
    assert_eq!(search(&["u"], None, text), (vec![0, 10], 3));
}

#[test]
fn what_is_mapped_as_well_is_judged_by_that() {
    let text = r#"{"u":"ann"}
{"u":["bob","ann"]}
{"u":["bob"]}
{"u":[["ann"]]}
{"u":{"id":"ann"}}"#;
    assert_eq!(search(&["u", "u[]"], None, text), (vec![0, 1], 2));
    assert_eq!(search(&["u", "u[]", "u[][]", "u.id"], None, text), (vec![0, 1, 3, 4], 0));
}

#[test]
fn the_way_to_a_column_may_differ_too() {
    let text = r#"{"a":{"u":"ann"}}
{"a":[{"u":"ann"}]}
{"a":"ann"}
{"a":{"x":"ann"}}
{"x":[{"a":{"u":"ann"}}]}"#;
    assert_eq!(search(&["a.u"], None, text), (vec![0], 2));
    assert_eq!(search(&["u[]"], None, "{\"u\":[\"bob\"]}\n{\"u\":\"ann\"}\n{\"u\":\"bob\"}"), (vec![], 1));
    assert_eq!(search(&["u{}"], None, "{\"u\":{\"k\":\"bob\"}}\n{\"u\":[\"ann\"]}"), (vec![], 1));
}

#[test]
fn only_records_of_the_tenant_are_told() {
    let text = r#"{"u":"ann","tenant":"t"}
{"u":["ann"],"tenant":"t"}
{"u":["ann"],"tenant":"x"}
{"u":"ann","tenant":["t"]}
{"u":"ann","tenant":["x"]}
{"u":"bob","tenant":["t"]}
{"u":"ann","tenant":["t","x"]}"#;
    assert_eq!(search(&["u"], Some("tenant"), text), (vec![0], 3));
}

#[test]
fn of_a_composite_all_must_be_there() {
    let parts = ["first", "last"].map(|column| Field::new(path(column), Kind::new(column)));
    let mapping = Mapping { identifiers: vec![IdentifierRule::AllOf(parts.to_vec())], tenant: TenantRule::Single };
    let identifiers = vec![Identifier::new("first", "ann"), Identifier::new("last", "lee")];
    let matcher = Matcher::new(&mapping, &[Selector { tenant: None, identifiers }], &Epochs::default()).unwrap();
    let text = r#"{"first":"ann","last":"lee"}
{"first":["ann"],"last":"lee"}
{"first":["ann"],"last":"bob"}"#;
    let mut search = TextSearch::new(TextFormat::Ndjson, Arc::new(matcher), Limits::default()).unwrap();
    search.feed(text.into(), &mut Ignore).unwrap();
    let summary = search.finish(&mut Ignore).unwrap();
    assert_eq!((summary.matches.rows().len(), summary.astray.count), (1, 1));
    let told = "line 2, an array at `first`: map `first[]` beside it";
    assert_eq!(summary.astray.first.as_deref(), Some(told));
}

#[test]
fn what_a_found_record_holds_in_another_form_as_well_is_told_apart() {
    let beside = |columns: &[&str], text: &str| {
        let rule = |column: &&str| IdentifierRule::One(Field::new(path(column), Kind::new("id")));
        let mapping = Mapping { identifiers: columns.iter().map(rule).collect(), tenant: TenantRule::Single };
        let ann = Selector { tenant: None, identifiers: vec![Identifier::new("id", "ann")] };
        let matcher = Matcher::new(&mapping, &[ann], &Epochs::default()).unwrap();
        let mut search = TextSearch::new(TextFormat::Ndjson, Arc::new(matcher), Limits::default()).unwrap();
        search.feed(text.to_owned().into(), &mut Ignore).unwrap();
        let summary = search.finish(&mut Ignore).unwrap();
        (summary.matches.rows().len(), summary.astray.count, summary.beside.count, summary.beside.first)
    };
    let text = r#"{"u":"ann","xs":["ann"]}
{"u":"ann","xs":"ann"}
{"u":"ann","xs":"bob"}
{"u":"bob","xs":"ann"}
{"u":["ann"],"u":"ann"}"#;
    let told = "line 2, a value on the way to `xs[]`: map the way to it beside it".to_owned();
    assert_eq!(beside(&["u", "xs[]"], text), (4, 1, 2, Some(told)));
    assert_eq!(
        beside(&["u", "xs[]", "xs"], text),
        (5, 0, 1, Some("line 5, another form than `u` takes: map both".into()))
    );
    let many = "{\"u\":\"bob\",\"xs\":[]}\n".repeat(3000) + text;
    assert_eq!(beside(&["u", "xs[]"], &many).2, 2);
}

/// Records of a known shape are read another way.
#[test]
fn however_many_came_before() {
    let lines = ["{\"u\":\"bob\"}", "{\"u\":[\"bob\"]}", "{\"u\":{\"x\":[\"bob\"]}}"].join("\n") + "\n";
    let text = lines.repeat(2000) + "{\"u\":[\"ann\"]}\n{\"u\":{\"x\":[\"ann\"]}}";
    assert_eq!(search(&["u"], None, &text), (vec![], 2));
}

#[test]
fn a_document_tells_as_well() {
    let text = r#"{"Records":[{"u":"bob"},{"u":["ann"]}]}"#;
    let answer = Query::document("Records[]", "u", &["ann"]).run(text.as_bytes()).unwrap();
    assert_eq!((answer.found_rows(), answer.astray), (vec![], 1));
}
