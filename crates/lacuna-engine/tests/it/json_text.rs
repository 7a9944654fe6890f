//! Identifiers in JSON that a column holds as text: found, and out of the bytes, in every format.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray, new_null_array};
use arrow::datatypes::{DataType, Int32Type};
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use lacuna_engine::{OnErase, Source};
use lacuna_scan::{Field, IdentifierRule, Kind, Mapping, TenantRule};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::world::{World, erase, find, source};

/// Who did it, as text; of every third record an application, of some nobody, and of one a text that breaks off.
fn texts() -> Vec<Option<String>> {
    let text = |n: usize| match n {
        40 => Some(r#"{"user":{"id":"u7","na"#.to_owned()),
        41 => Some("u7, not JSON".to_owned()),
        _ if n.is_multiple_of(11) => None,
        _ if n.is_multiple_of(3) => Some(format!(r#"{{"app":{{"id":"u{}"}},"n":{n}}}"#, n % 10)),
        _ => Some(format!(r#"{{"user":{{"id":"u{}","mails":["{n}@x.org","all@x.org"]}}}}"#, n % 10)),
    };
    (0..300).map(text).collect()
}

fn is_of(text: &Option<String>, user: &str) -> bool {
    text.as_ref().is_some_and(|text| text.starts_with(&format!(r#"{{"user":{{"id":"{user}""#)))
}

fn within(shards: &str, path: &str) -> Source {
    let field = Field { json: Some(path.parse().unwrap()), ..Field::new("By".parse().unwrap(), Kind::new("id")) };
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    Source { mapping, ..source("audit", shards) }
}

/// The texts as shards, in each format.
fn shards(texts: &[Option<String>]) -> Vec<(&'static str, Vec<u8>)> {
    let numbers: ArrayRef = Arc::new(StringArray::from_iter_values((0..texts.len()).map(|n| n.to_string())));
    let plain: ArrayRef = Arc::new(StringArray::from_iter(texts));
    let keyed: ArrayRef = Arc::new(texts.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>());
    let batch = |by: &ArrayRef| {
        let columns = [("Number", numbers.clone()), ("By", by.clone())];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    };
    let parquet = |dictionary| {
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(70))
            .set_dictionary_enabled(dictionary)
            .set_bloom_filter_enabled(true)
            .set_compression(Compression::SNAPPY)
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch(&plain).schema(), Some(properties)).unwrap();
        writer.write(&batch(&plain)).unwrap();
        writer.into_inner().unwrap()
    };
    let arrow = |by: &ArrayRef| {
        let mut writer = FileWriter::try_new(Vec::new(), &batch(by).schema()).unwrap();
        writer.write(&batch(by)).unwrap();
        writer.into_inner().unwrap()
    };
    let line = |(n, text): (usize, &Option<String>)| format!("{}\n", serde_json::json!({ "Number": n, "By": text }));
    let row = |(n, text): (usize, &Option<String>)| {
        format!("{n},\"{}\"\n", text.as_deref().unwrap_or_default().replace('"', "\"\""))
    };
    vec![
        ("plain.parquet", parquet(false)),
        ("keyed.parquet", parquet(true)),
        ("plain.arrow", arrow(&plain)),
        ("keyed.arrow", arrow(&keyed)),
        ("lines.ndjson", texts.iter().enumerate().map(line).collect::<String>().into()),
        ("rows.csv", ("Number,By\n".to_owned() + &texts.iter().enumerate().map(row).collect::<String>()).into()),
    ]
}

/// A world of its own for each shard.
async fn worlds(shards: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Vec<(&'static str, World)> {
    let mut worlds = Vec::new();
    for (name, bytes) in shards {
        let world = World::new();
        world.put(name, bytes).await;
        worlds.push((name, world));
    }
    worlds
}

#[tokio::test]
async fn they_are_found_and_erased_in_every_format() {
    let texts = texts();
    let expected = texts.iter().filter(|text| is_of(text, "u7")).count() as u64;
    assert!(is_of(&texts[40], "u7") && expected > 10);
    for (name, world) in worlds(shards(&texts)).await {
        let audit = || vec![within("*", "user.id")];
        let found = world.run(audit(), vec![find("u7"), find("u8")]).await.unwrap();
        assert!(found.is_complete(), "{name}: {:?}", found.sources[0].problems);
        let others = texts.iter().filter(|text| is_of(text, "u8")).count() as u64;
        assert_eq!(found.matched, expected + others, "{name}");

        let erased = world.run(audit(), vec![erase("e1", "u7")]).await.unwrap();
        assert!(erased.is_complete(), "{name}: {:?}", erased.sources[0].problems);
        assert_eq!(erased.sources[0].erased, expected, "{name}");
        let left = world.run(audit(), vec![find("u7"), find("u8")]).await.unwrap();
        assert_eq!((left.matched, left.sources[0].rows_scanned), (others, texts.len() as u64 - expected), "{name}");
    }
}

#[tokio::test]
async fn lists_in_the_text_are_everybodys_in_them() {
    let texts = texts();
    for (name, world) in worlds(shards(&texts)).await {
        let mails = || vec![within("*", "user.mails[]")];
        let found = world.run(mails(), vec![find("all@x.org"), find("100@x.org")]).await.unwrap();
        let all = texts.iter().flatten().filter(|text| text.contains("all@x.org")).count() as u64;
        assert_eq!(found.requests.iter().map(|request| request.matched).collect::<Vec<_>>(), [all, 1], "{name}");
    }
}

#[tokio::test]
async fn anonymized_the_whole_text_goes() {
    let texts = texts();
    for (name, world) in worlds(shards(&texts)).await {
        let audit = || vec![Source { on_erase: OnErase::Anonymize, ..within("*", "user.id") }];
        let erased = world.run(audit(), vec![erase("e1", "u7")]).await.unwrap();
        assert!(erased.is_complete(), "{name}: {:?}", erased.sources[0].problems);
        let left = world.run(audit(), vec![find("u7")]).await.unwrap();
        assert_eq!((left.matched, left.sources[0].rows_scanned), (0, texts.len() as u64), "{name}");
    }
}

/// A table of this one column, in both formats of tables.
fn tables(column: ArrayRef) -> [(&'static str, Vec<u8>); 2] {
    let batch = RecordBatch::try_from_iter_with_nullable([("By", column, true)]).unwrap();
    let mut parquet = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    parquet.write(&batch).unwrap();
    let mut arrow = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    arrow.write(&batch).unwrap();
    [("a.parquet", parquet.into_inner().unwrap()), ("a.arrow", arrow.into_inner().unwrap())]
}

#[tokio::test]
async fn only_text_holds_json() {
    let none: ArrayRef = new_null_array(&DataType::Null, 2);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
    for (column, is_text) in [(none, true), (numbers, false)] {
        for (name, world) in worlds(tables(column)).await {
            let outcome = world.run(vec![within("*", "id")], vec![find("7")]).await.unwrap();
            let problems = &outcome.sources[0].problems;
            assert_eq!(outcome.is_complete(), is_text, "{name}: {problems:?}");
            assert!(is_text || problems[0].reason.contains("holds no JSON"), "{name}: {problems:?}");
        }
    }
}

#[tokio::test]
async fn a_column_that_calls_itself_json_needs_a_path() {
    let message = "message m { optional binary By (JSON); }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(message).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values = [r#"{"user":{"id":"u7"}}"#, r#"{"user":{"id":"u8"}}"#].map(ByteArray::from);
    column.typed::<ByteArrayType>().write_batch(&values, Some(&[1, 1]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let world = World::new();
    world.put("a.parquet", writer.into_inner().unwrap()).await;
    let found = world.run(vec![within("*", "user.id")], vec![find("u7")]).await.unwrap();
    assert!(found.is_complete() && found.matched == 1, "{:?}", found.sources[0].problems);
    let mapping = Mapping { identifiers: vec![crate::world::field("By", "id")], tenant: TenantRule::Single };
    let tenant = TenantRule::Column("By".parse().unwrap());
    for mapping in [mapping, Mapping { tenant, ..within("*", "user.id").mapping }] {
        let plain = world.run(vec![Source { mapping, ..source("audit", "*") }], vec![find("u7")]).await.unwrap();
        assert!(plain.sources[0].problems[0].reason.contains("with `json`"), "{:?}", plain.sources[0].problems);
    }
}

#[tokio::test]
async fn an_object_in_place_of_the_text_is_told() {
    let world = World::new();
    let lines = "{\"By\":\"{\\\"user\\\":{\\\"id\\\":\\\"u8\\\"}}\"}\n{\"By\":{\"user\":{\"id\":\"u7\"}}}\n";
    world.put("a.ndjson", lines).await;
    let outcome = world.run(vec![within("*", "user.id")], vec![find("u7")]).await.unwrap();
    assert!(!outcome.is_complete() && outcome.matched == 0);
    let other = world.run(vec![within("*", "user.id")], vec![find("u8")]).await.unwrap();
    assert!(other.is_complete() && other.matched == 1, "{:?}", other.sources[0].problems);
    let mut both = within("*", "user.id");
    both.mapping.identifiers.push(crate::world::field("By.user.id", "id"));
    let outcome = world.run(vec![both], vec![find("u7")]).await.unwrap();
    assert!(outcome.is_complete() && outcome.matched == 1, "{:?}", outcome.sources[0].problems);
}

#[tokio::test]
async fn a_check_tells_of_a_path_that_no_text_has() {
    let texts = texts();
    for (name, world) in worlds(shards(&texts)).await {
        for (path, is_there) in [("user.id", true), ("user.Id", false)] {
            let check = &world.engine().check(&[within("*", path)], &[]).await[0];
            assert!(check.problems.is_empty(), "{name}: {:?}", check.problems);
            let warning = format!("no text of `By` in the shards that were looked into has `{path}`");
            assert_eq!(check.warnings.contains(&warning), !is_there, "{name}: {:?}", check.warnings);
        }
    }
}
