//! Values that no row has and the file still holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::data_type::Int32Type;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field as Column, Schema, TimeUnit};
use bytes::Bytes;
use lacuna_erase::Change;
use lacuna_erase::parquet::{self, residue};
use lacuna_scan::{
    Case, Epochs, Field, HeldValue, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Selector, TenantRule,
    Value,
};

use super::rewrite;

pub(super) fn matcher(column: &str, value: &str) -> Matcher {
    matcher_of(Field::new(column.parse().unwrap(), Kind::new("id")), value)
}

fn matcher_of(field: Field, value: &str) -> Matcher {
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let selector = Selector { tenant: None, identifiers: vec![Identifier::new("id", value)] };
    Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap()
}

fn places(file: &Bytes, column: &str, value: &str) -> Vec<String> {
    let found = residue(file, &matcher(column, value), &Limits::default()).unwrap();
    found.into_iter().map(|residue| residue.place).collect()
}

fn write(columns: Vec<(&str, ArrayRef)>, owner: &str) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_write_page_header_statistics(true)
        .set_statistics_truncate_length(Some(12))
        .set_column_index_truncate_length(Some(12))
        .set_bloom_filter_enabled(true)
        .set_key_value_metadata(Some(vec![KeyValue::new("owner".to_owned(), owner.to_owned())]))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// Eight rows of two users in turn, and the same file with every row made the second user's, but for what lies around them.
fn haunted(first: &str, second: &str) -> (Bytes, Bytes) {
    let users: ArrayRef = Arc::new(StringArray::from_iter_values([first, second].into_iter().cycle().take(8)));
    let file = write(vec![("user", users)], &format!("{{\"name\":\"{first}\"}}"));
    // The indices into the dictionary are one byte of bits: a run of one group, 0 and 1 in turn.
    let mut bytes = file.to_vec();
    let at = bytes.windows(3).position(|window| window == [1, 0b11, 0b1010_1010]).unwrap();
    bytes[at + 2] = 0xff;
    (file, bytes.into())
}

#[test]
fn what_no_row_has_is_found_wherever_it_is() {
    for name in ["alice", "alice@a-long-domain.example.com"] {
        let (whole, haunted) = haunted(name, "bobby");
        assert_eq!(places(&whole, "user", name), Vec::<String>::new());
        let column = "row group from row 0, column `user`";
        let parts = ["Bloom filter", "column index", "dictionary", "page header", "statistics"];
        let mut expected: Vec<String> = parts.iter().map(|part| format!("{column}: {part}")).collect();
        expected.insert(0, "key-value metadata of the file".to_owned());
        expected.sort();
        assert_eq!(places(&haunted, "user", name), expected);
        assert_eq!(places(&haunted, "user", "bobby"), Vec::<String>::new());
        assert_eq!(places(&haunted, "user", "carol"), Vec::<String>::new());
    }
}

/// A file of two rows by turns with an identifier as a number, and the same file with every row made the second one's.
fn haunted_numbers(column: ArrayRef) -> (Bytes, Bytes) {
    let file = write(vec![("user", column)], "nobody");
    let mut bytes = file.to_vec();
    let at = bytes.windows(3).position(|window| window == [1, 0b11, 0b1010_1010]).unwrap();
    bytes[at + 2] = 0xff;
    (file, bytes.into())
}

/// The same of decimals of nine bytes, for which the writer makes no dictionary.
fn haunted_decimals(column: ArrayRef) -> (Bytes, Bytes) {
    let file = write(vec![("user", column)], "nobody");
    let pair = [1_234_500_i128, 700].map(|digits| digits.to_be_bytes()[7..].to_vec());
    let mut bytes = file.to_vec();
    let at = bytes.windows(18).position(|window| window == pair.concat()).unwrap();
    bytes[at..at + 72].copy_from_slice(&pair[1].repeat(8));
    (file, bytes.into())
}

#[test]
fn a_float_that_no_row_has_is_found_wherever_it_is() {
    let doubles =
        |pair: [f64; 2]| Arc::new(Float64Array::from_iter_values(pair.into_iter().cycle().take(8))) as ArrayRef;
    let singles =
        |pair: [f32; 2]| Arc::new(Float32Array::from_iter_values(pair.into_iter().cycle().take(8))) as ArrayRef;
    let column = "row group from row 0, column `user`";
    let everywhere = ["Bloom filter", "column index", "dictionary", "page header", "statistics"]
        .map(|part| format!("{column}: {part}"));
    for (name, array) in [
        ("12345", doubles([12_345.0, 7.0])),
        ("12345", singles([12_345.0, 7.0])),
        ("-12345", doubles([-12_345.0, 7.0])),
        ("0", doubles([0.0, 7.0])),
        ("0", doubles([-0.0, 7.0])),
    ] {
        let (whole, haunted) = haunted_numbers(array);
        assert_eq!(places(&whole, "user", name), Vec::<String>::new());
        assert_eq!(places(&haunted, "user", name), everywhere, "{name}");
        assert_eq!(places(&haunted, "user", "7"), Vec::<String>::new());
        assert_eq!(places(&haunted, "user", "8"), Vec::<String>::new());
    }
    // What a row held in a column that nobody asked for may be any float.
    let (whole, haunted) = haunted_numbers(doubles([1e300, 0.5]));
    let field = Field::new("user".parse().unwrap(), Kind::new("id"));
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let held = Matcher::of_values(&mapping, &[(0, HeldValue::Float(1e300_f64.to_bits()))]);
    assert_eq!(residue(&whole, &held, &Limits::default()).unwrap(), []);
    let found = residue(&haunted, &held, &Limits::default()).unwrap();
    assert_eq!(found.into_iter().map(|residue| residue.place).collect::<Vec<_>>(), everywhere);
}

#[test]
fn a_number_that_a_row_held_stays_nowhere() {
    let by_turns = |of: DataType| {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values([12_345, 7].into_iter().cycle().take(8)));
        arrow::compute::cast(&numbers, &of).unwrap()
    };
    let decimal = || HeldValue::of(Value::Decimal { unscaled: &1_234_500_i64.to_be_bytes(), scale: 2 }).unwrap();
    for (of, held) in [
        (DataType::Int32, HeldValue::Int(12_345)),
        (DataType::Int64, HeldValue::Int(12_345)),
        (DataType::UInt32, HeldValue::Int(12_345)),
        (DataType::UInt64, HeldValue::Int(12_345)),
        (DataType::Decimal128(9, 2), decimal()),
        (DataType::Decimal128(18, 2), decimal()),
        (DataType::Decimal128(20, 2), decimal()),
    ] {
        let (whole, haunted) = match of {
            DataType::Decimal128(20, 2) => haunted_decimals(by_turns(of.clone())),
            _ => haunted_numbers(by_turns(of.clone())),
        };
        let field = Field::new("user".parse().unwrap(), Kind::new("id"));
        let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
        let held = Matcher::of_values(&mapping, &[(0, held)]);
        let residue = |file: &Bytes| residue(file, &held, &Limits::default()).unwrap();
        assert_eq!(residue(&whole), [], "{of}");
        let found = residue(&haunted);
        for part in ["Bloom filter", "column index", "page header", "statistics"] {
            assert!(found.iter().any(|residue| residue.place.ends_with(part)), "{of}: {found:?}");
        }
        // No row of the row group has it.
        let mut out = Vec::new();
        let (none, limits) = (roaring::RoaringTreemap::new(), Limits::default());
        lacuna_erase::parquet::rewrite(&haunted, &none, Change::Delete, &[&held], &limits, &mut out).unwrap();
        assert_eq!(residue(&out.into()), [], "{of}");
    }
}

#[test]
fn no_float_stays_once_its_rows_are_gone() {
    // NaN and the infinities are nobody's, and stay; zero is somebody's with either sign.
    let kinds = [f64::NAN, 12_345.0, -0.0, 0.5, f64::INFINITY, 0.0, 1e300, f64::NEG_INFINITY, 7.0];
    let floats = Float64Array::from_iter_values(kinds.into_iter().cycle().take(900));
    let file = write(vec![("user", Arc::new(floats) as ArrayRef)], "nobody");
    for (name, kinds) in [("12345", &[1][..]), ("0", &[2, 5]), ("7", &[8])] {
        let hits = (0..900_u64).filter(|row| kinds.contains(&(row % 9))).collect();
        let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
        assert_eq!(places(&out, "user", name), Vec::<String>::new(), "{name}");
        if name != "0" {
            let value = name.parse::<f64>().unwrap().to_le_bytes();
            assert!(file.windows(8).any(|bytes| bytes == value) && !out.windows(8).any(|bytes| bytes == value));
        }
    }
    // A row group without a row of theirs loses what none of its rows has.
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values([12_345.0, 7.0].into_iter().cycle().take(8)));
    let (_, haunted) = haunted_numbers(floats);
    let mut out = Vec::new();
    let asked = matcher("user", "12345");
    let hits = roaring::RoaringTreemap::from_iter([0]);
    lacuna_erase::parquet::rewrite(&haunted, &hits, Change::Delete, &[&asked], &Limits::default(), &mut out).unwrap();
    assert_eq!(places(&out.into(), "user", "12345"), Vec::<String>::new());
}

#[test]
fn a_zero_of_either_sign_explains_a_bound_of_zero() {
    for zero in [0.0, -0.0] {
        let file = write(vec![("user", Arc::new(Float64Array::from(vec![zero, 7.0])) as ArrayRef)], "nobody");
        assert_eq!(places(&file, "user", "0"), Vec::<String>::new());
    }
}

#[test]
fn an_upper_bound_is_seen_through() {
    let (_, haunted) = haunted("zoe@a-long-domain.example.com", "bobby");
    let places = places(&haunted, "user", "zoe@a-long-domain.example.com");
    for part in ["statistics", "column index", "page header"] {
        assert!(places.iter().any(|place| place.ends_with(part)), "{places:?}");
    }
}

#[test]
fn a_rewrite_leaves_none() {
    let users = ["alice@a-long-domain.example.com", "bob", "carol", "zoe@a-long-domain.example.com"];
    let users: ArrayRef = Arc::new(StringArray::from_iter_values(users.into_iter().cycle().take(1000)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1000).map(|row| row % 250)));
    let file = write(vec![("user", users), ("number", numbers)], "nobody");
    for (column, value, hits) in [
        ("user", "alice@a-long-domain.example.com", (0..1000).step_by(4).collect()),
        ("user", "zoe@a-long-domain.example.com", (3..1000).step_by(4).collect()),
        ("number", "0", (0..1000).step_by(250).collect()),
        ("number", "249", (249..1000).step_by(250).collect()),
    ] {
        let (out, _) = rewrite(&file, &hits, Change::Delete).unwrap();
        assert_eq!(places(&out, column, value), Vec::<String>::new(), "{value}");
        let some: std::collections::BTreeSet<u64> = hits.iter().copied().skip(1).collect();
        let (out, _) = rewrite(&file, &some, Change::Delete).unwrap();
        assert_eq!(places(&out, column, value), Vec::<String>::new(), "{value}");
    }
}

#[test]
fn metadata_is_searched_as_the_column_is_compared() {
    let file = |user: &str| {
        let users: ArrayRef = Arc::new(StringArray::from_iter_values([user, "bob@example.com"]));
        write(vec![("user", users)], "for Alice@Example.com alone")
    };
    let places = |case, user| {
        let mut field = Field::new("user".parse().unwrap(), Kind::new("id"));
        field.case = case;
        let found = residue(&file(user), &matcher_of(field, "alice@example.com"), &Limits::default()).unwrap();
        found.into_iter().map(|residue| residue.place).collect::<Vec<_>>()
    };
    assert_eq!(places(Case::Insensitive, "carol"), ["key-value metadata of the file"]);
    assert_eq!(places(Case::Sensitive, "carol"), Vec::<String>::new());
    // The row that is left is another's: so is the metadata.
    assert_eq!(places(Case::Insensitive, "ALICE@example.com"), Vec::<String>::new());
}

/// What metadata that says `text` is found to hold, in a file that has no such row.
fn in_metadata(text: &str, case: Case, value: &str) -> Vec<String> {
    let file = write(vec![("user", Arc::new(StringArray::from(vec!["nobody"])) as ArrayRef)], text);
    let mut field = Field::new("user".parse().unwrap(), Kind::new("id"));
    field.case = case;
    let found = residue(&file, &matcher_of(field, value), &Limits::default()).unwrap();
    found.into_iter().map(|residue| residue.place).collect()
}

#[test]
fn metadata_is_searched_through_the_escapes_of_json() {
    for (text, value) in [
        (r#"{"by": "\u00e4nne@x.de"}"#, "änne@x.de"),
        (r#"{"by": "\u00E4nne@x.de"}"#, "änne@x.de"),
        (r#"{"by":"ann\u0040corp.example"}"#, "ann@corp.example"),
        (r#"{"by":"\ud83d\uDE00 ann"}"#, "\u{1f600} ann"),
        (r#"{"by":"CORP\\ann \"the\tcat\"\/2"}"#, "CORP\\ann \"the\tcat\"/2"),
        (r#"{"note":"asked\nanne"}"#, "anne"),
        (r#"{"inner":"{\"by\":\"\\u00e4nne@x.de\"}"}"#, "änne@x.de"),
        ("asked by CORP\\nann", "CORP\\nann"),
    ] {
        assert_eq!(in_metadata(text, Case::Sensitive, value), ["key-value metadata of the file"], "{text}");
    }
    let upper = r#"{"by": "\u00C4nne@X.de"}"#;
    assert_eq!(in_metadata(upper, Case::Insensitive, "änne@x.de"), ["key-value metadata of the file"]);
    for text in [upper, r#"{"by": "x\u0041nne"}"#, r"\u00e", r"\ud83d\u0041nne@x.de", "\\"] {
        for value in ["änne@x.de", "Anne"] {
            assert_eq!(in_metadata(text, Case::Sensitive, value), Vec::<String>::new(), "{text}");
        }
    }
}

/// What pandas says of a table, with `more` in it.
fn pandas(more: &str) -> String {
    format!(
        r#"{{"index_columns": [{{"kind": "range", "name": null, "start": 0, "stop": 1000, "step": 1}}, "place"],
        "column_indexes": [{{"name": null, "field_name": null, "pandas_type": "unicode", "numpy_type": "str",
        "metadata": {{"encoding": "UTF-8"}}}}], "columns": [{{"name": "user", "field_name": "user",
        "pandas_type": "categorical", "numpy_type": "object", "metadata": {{"num_categories": 4711, "ordered": false}}}},
        {{"name": "at", "field_name": "at", "pandas_type": "datetimetz", "numpy_type": "datetime64[ns]",
        "metadata": {{"timezone": "Europe/Berlin"}}}}], "creator": {{"library": "pyarrow", "version": "26.0.1"}},
        "partition_columns": ["region", {{"field_name": "shop", "metadata": {{"num_categories": 5000}}}}],
        "pandas_version": "3.1.1"{more}}}"#
    )
}

/// What a file's metadata, and Arrow's schema in it alone, say of `value` where `text` stands for pandas' metadata.
fn in_pandas(text: &str, value: &str) -> [Vec<String>; 2] {
    [false, true].map(|is_within| {
        let zone = DataType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into()));
        let fields = vec![Column::new("user", DataType::Utf8, true), Column::new("at", zone.clone(), true)];
        let pairs = [("pandas".to_owned(), text.to_owned())];
        let schema = Schema::new(fields).with_metadata(pairs.clone().into_iter().filter(|_| is_within).collect());
        let pairs = pairs.into_iter().filter(|_| !is_within).map(|(key, value)| KeyValue::new(key, value));
        let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs.collect())).build();
        let columns = vec![Arc::new(StringArray::from(vec!["nobody"])) as ArrayRef, new_null_array(&zone, 1)];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        places(&writer.into_inner().unwrap().into(), "user", value)
    })
}

#[test]
fn what_pandas_says_of_a_table_is_nobodys() {
    let text = pandas(r#", "attributes": {}"#);
    let structure = "1000 4711 5000 user object null range name columns index_columns attributes pandas pyarrow 26.0.1 \
        Europe/Berlin place region shop false ARROW schema";
    for value in structure.split(' ') {
        assert_eq!(in_pandas(&text, value), [const { Vec::<String>::new() }; 2], "{value}");
    }
}

#[test]
fn what_else_stands_in_the_metadata_of_pandas_is_found() {
    for (more, value) in [
        (r#", "attributes": {"requested_by": "\u00e4nne@x.de"}"#, "änne@x.de"),
        (r#", "attributes": {"owner": 66577, "stop": 1234}"#, "66577"),
        (r#", "attributes": {"stop": 1234}"#, "1234"),
        (r#", "attributes": {"anne": 1}"#, "anne"),
        (r#", "attributes": "user""#, "user"),
        (r#", "owner": 1000"#, "1000"),
        (r#", "owner": "user", "columns": []"#, "user"),
        (r#", "columns": [{"name": "u", "owner": "anne"}, "bobby"]"#, "anne"),
        (r#", "columns": [{"name": "u", "owner": "anne"}, "bobby"]"#, "bobby"),
        (r#", "columns": [{"name": ["anne"], "metadata": "bobby"}]"#, "anne"),
        (r#", "columns": [{"name": ["anne"], "metadata": "bobby"}]"#, "bobby"),
        (r#", "columns": "anne""#, "anne"),
        (r#", "index_columns": [{"kind": "range", "owner": {"name": "anne"}}]"#, "anne"),
        (r#", "creator": {"library": "pyarrow", "by": "anne"}"#, "anne"),
        // No JSON.
        (r#", "attributes": {"mean": NaN}"#, "1000"),
        ("} ", "user"),
    ] {
        let [file, schema] = in_pandas(&pandas(more), value);
        assert_eq!([file, schema], [const { ["key-value metadata of the file"] }; 2], "{more}");
    }
    // Other keys are searched as they are.
    assert_eq!(in_metadata(&pandas(""), Case::Sensitive, "1000"), ["key-value metadata of the file"]);
}

/// What a file's metadata says of `value` where `key` stands for `text`.
fn under(key: &str, text: &str, value: &str) -> Vec<String> {
    let pairs = vec![KeyValue::new(key.to_owned(), text.to_owned())];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs)).build();
    let users = Arc::new(StringArray::from(vec!["nobody"])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("id", users)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    places(&writer.into_inner().unwrap().into(), "id", value)
}

#[test]
fn a_short_value_in_metadata_is_found_where_it_is_a_word() {
    for (key, text, value) in [
        ("owner", "joe", "joe"),
        ("owner", r#"{"by":"joe"}"#, "joe"),
        ("owner", r#"{"by":"\u00f6l"}"#, "öl"),
        ("owner", "for joe, bob", "bob"),
        ("owner", "李:1", "李"),
        ("owner", "12", "12"),
        ("joe", "owner", "joe"),
        ("pandas", r#"{"columns": [], "attributes": {"by": "joe"}}"#, "joe"),
        ("_PL_ENUM_VALUES2", "3;ann3;bob", "ann"),
        ("hoodie_min_record_key", "7", "7"),
        // A number of so many digits counts no columns and no versions.
        ("owner", r#"{"by":6657}"#, "6657"),
    ] {
        assert_eq!(under(key, text, value), ["key-value metadata of the file"], "{key} {text} {value}");
    }
    for (key, text, value) in [
        ("owner", "joey", "joe"),
        ("owner", "zoë joë", "jo"),
        ("owner", "李明", "李"),
        ("owner", r#"{"by":12}"#, "12"),
        ("owner", "26.0.1", "0.1"),
        ("owner_id", "anne", "id"),
    ] {
        assert_eq!(under(key, text, value), Vec::<String>::new(), "{key} {text} {value}");
    }
}

#[test]
fn a_short_value_is_not_taken_for_a_word_of_a_library() {
    for (key, text) in [
        ("org.apache.spark.version", "3.5.0"),
        ("org.apache.spark.timeZone", "UTC"),
        (
            "org.apache.spark.sql.parquet.row.metadata",
            r#"{"type":"struct","fields":[{"name":"id","type":"int","nullable":true,"metadata":{"id":1}}]}"#,
        ),
        (
            "parquet.avro.schema",
            r#"{"type":"record","name":"r","fields":[{"name":"id","type":["null","int"],"default":null}]}"#,
        ),
        ("writer.model.name", "avro"),
        ("iceberg.schema", r#"{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"id","type":"int"}]}"#),
        (
            "geo",
            r#"{"version":"1.1.0","columns":{"geo":{"encoding":"WKB","crs":{"id":{"code":1},"unit":"m"},"bbox":[1,3]}}}"#,
        ),
        ("PARQUET:field_id", "1"),
        ("pandas", &pandas(r#", "attributes": {}"#)),
    ] {
        for value in ["id", "int", "UTC", "org", "r", "m", "geo", "WKB", "a", "0", "1", "3", "5.0", "3.5", "UTF", "-"] {
            assert_eq!(under(key, text, value), Vec::<String>::new(), "{key} {value}");
        }
    }
}

#[test]
fn a_bound_in_another_case_leaves_a_row_group_without_that_row() {
    let users: ArrayRef = Arc::new(StringArray::from(vec!["bobby", "carol"]));
    let file = write(vec![("user", users)], "nobody");
    let mut bytes = file.to_vec();
    // The first one is in the dictionary.
    for at in (0..bytes.len() - 5).filter(|&at| file[at..].starts_with(b"bobby")).skip(1) {
        bytes[at..at + 5].copy_from_slice(b"ALICE");
    }
    let loose: Bytes = bytes.into();
    let mut field = Field::new("user".parse().unwrap(), Kind::new("id"));
    field.case = Case::Insensitive;
    let (asked, limits) = (matcher_of(field, "alice"), Limits::default());
    let parts: Vec<_> = residue(&loose, &asked, &limits).unwrap().into_iter().map(|residue| residue.place).collect();
    let column = "row group from row 0, column `user`";
    assert_eq!(parts, ["column index", "page header", "statistics"].map(|part| format!("{column}: {part}")));
    let mut out = Vec::new();
    let none = roaring::RoaringTreemap::new();
    lacuna_erase::parquet::rewrite(&loose, &none, Change::Delete, &[&asked], &limits, &mut out).unwrap();
    assert_eq!(residue(&Bytes::from(out), &asked, &limits).unwrap(), []);
}

#[test]
fn all_columns_of_one_name_are_looked_through() {
    let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let file = write(vec![("user", text(["alice", "carol"])), ("user", text(["bobby", "danny"]))], "nobody");
    let bytes = file.to_vec();
    // No row has a "bobbi", but the second column's statistics do.
    let mut haunted = bytes.clone();
    let footer = bytes.len() - 8 - u32::from_le_bytes(*bytes[bytes.len() - 8..].first_chunk().unwrap()) as usize;
    for at in (footer..bytes.len() - 4).filter(|&at| bytes[at..].starts_with(b"bobby")) {
        haunted[at + 4] = b'i';
    }
    let statistics = "row group from row 0, column `user`: statistics";
    assert_eq!(places(&haunted.into(), "user", "bobbi"), [statistics]);
    assert_eq!(places(&file, "user", "bobby"), Vec::<String>::new());

    let path = "user".parse().unwrap();
    let (out, _) = rewrite(&file, &[0].into(), Change::Anonymize(&[path])).unwrap();
    for name in [b"alice", b"bobby"] {
        assert!(!out.windows(5).any(|window| window == name));
    }
}

#[test]
fn a_bound_that_is_cut_is_not_the_value_that_left() {
    // What stays is cut to 64 bytes, of which the last one is raised: to what left.
    let (left, stays) = (format!("{}9", "a".repeat(63)), format!("{}88", "a".repeat(63)));
    let users: ArrayRef = Arc::new(StringArray::from_iter_values([&stays, &left, &stays]));
    let batch = RecordBatch::try_from_iter([("user", users)]).unwrap();
    let properties = WriterProperties::builder().set_write_page_header_statistics(true).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let file: Bytes = writer.into_inner().unwrap().into();
    let (unwanted, mut out) = (matcher("user", &left), Vec::new());
    parquet::rewrite(&file, &[1].into(), Change::Delete, &[&unwanted], &Limits::default(), &mut out).unwrap();
    assert_eq!(places(&out.into(), "user", &left), Vec::<String>::new());
}

#[test]
fn a_list_within_a_list_is_entered_as_the_search_enters_it() {
    // A group with one field, which repeats: some writers' way to nest lists.
    let schema = "message m { optional group l (LIST) { repeated group list { repeated int32 element; } } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // [[7], [8, 9]], [[7]], null
    column.typed::<Int32Type>().write_batch(&[7, 8, 9, 7], Some(&[3, 3, 3, 3, 0]), Some(&[0, 1, 2, 0, 0])).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    assert!(places(&file, "l[][]", "7").is_empty());
    let path = ["l[][]".parse().unwrap()];
    for change in [Change::Delete, Change::Anonymize(&path)] {
        let (out, _) = rewrite(&file, &BTreeSet::from([0, 1]), change).unwrap();
        assert!(places(&out, "l[][]", "7").is_empty());
        assert!(!out.windows(4).any(|bytes| bytes == 7_i32.to_le_bytes()), "{change:?}");
    }
}
