//! Files written by the library, searched in pieces of every size, against a look at the rows they were made of.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array, Float64Builder, Int32Array,
    ListBuilder, MapBuilder, MapFieldNames, StringArray, StringBuilder, StructArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field as ArrowField};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::data_type::ByteArrayType;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::*;
use crate::{
    Epochs, Error, Field, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Matches, Selector, TenantId,
    TenantRule,
};

fn write(columns: Vec<(&str, ArrayRef)>, properties: WriterPropertiesBuilder) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out.into()
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

fn matcher(column: &str, values: &[&str], tenant: Option<&str>) -> Arc<Matcher> {
    let people: Vec<_> = values.iter().map(|value| (*value, "T")).collect();
    matcher_of(column, &people, tenant)
}

/// Of people by their values, each in a tenant.
fn matcher_of(column: &str, people: &[(&str, &str)], tenant: Option<&str>) -> Arc<Matcher> {
    let field = Field::new(column.parse().unwrap(), Kind::new("id"));
    let mapping = Mapping {
        identifiers: vec![IdentifierRule::One(field)],
        tenant: tenant.map_or(TenantRule::Single, |column| TenantRule::Column(column.parse().unwrap())),
    };
    let selectors: Vec<Selector> = people
        .iter()
        .map(|(value, tenant)| Selector {
            tenant: Some(TenantId::new(*tenant)),
            identifiers: vec![Identifier::new("id", *value)],
        })
        .collect();
    Arc::new(Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap())
}

fn search(file: &Bytes, matcher: Arc<Matcher>, window: u64) -> Result<(u64, Matches), Error> {
    search_telling(file, matcher, window).map(|(rows, matches, _)| (rows, matches))
}

/// The same, with the rows that name two tenants.
fn search_telling(file: &Bytes, matcher: Arc<Matcher>, window: u64) -> Result<(u64, Matches, Vec<u64>), Error> {
    let limits = Limits::default();
    let size = file.len() as u64;
    let tail = |from: u64| file.slice(from as usize..);
    let metadata = match footer(size, &tail(size.saturating_sub(8)), &limits)? {
        Footer::Needs(range) => match footer(size, &tail(range.start), &limits)? {
            Footer::Ready(metadata) => metadata,
            Footer::Needs(_) => panic!("the footer asks twice"),
        },
        Footer::Ready(metadata) => metadata,
    };
    let search = ParquetSearch::new(metadata, size, matcher, limits)?;
    let mut all = Matches::default();
    let (mut rows, mut torn) = (0, Vec::new());
    for index in 0..search.row_groups() {
        let mut group = search.row_group(index, false)?;
        while let Some(range) = group.need(window) {
            group.feed(&file.slice(range.start as usize..range.end as usize))?;
        }
        let found = group.finish();
        rows += found.rows;
        all.merge(found.matches);
        torn.extend(found.torn);
    }
    assert_eq!(rows, search.rows());
    Ok((rows, all, torn))
}

fn rows(matches: &Matches, selector: u32) -> Vec<u64> {
    matches.iter().filter(|(of, _)| *of == selector).flat_map(|(_, rows)| rows.iter()).collect()
}

fn codecs() -> [Compression; 6] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::BROTLI(parquet::basic::BrotliLevel::default()),
    ]
}

fn layout() -> impl Strategy<Value = (WriterPropertiesBuilder, u64)> {
    let helps = (any::<bool>(), prop::sample::select(vec![0, 1, 2, 64]), any::<bool>());
    (any::<bool>(), helps, 1_usize..40, 20_usize..200, 0..codecs().len(), 1_u64..5000).prop_map(
        |(v2, (dictionary, bound_bytes, bloom), page_rows, group_rows, codec, window)| {
            let version = if v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
            let properties = properties()
                .set_writer_version(version)
                .set_dictionary_enabled(dictionary)
                // Some chunks keep to their dictionary, others do not.
                .set_dictionary_page_size_limit(if page_rows % 2 == 0 { 64 } else { 1 << 20 })
                .set_statistics_enabled(if bound_bytes == 0 {
                    EnabledStatistics::None
                } else {
                    EnabledStatistics::Page
                })
                .set_column_index_truncate_length(Some(bound_bytes.max(1)))
                .set_statistics_truncate_length(Some(bound_bytes.max(1)))
                .set_bloom_filter_enabled(bloom)
                .set_data_page_row_count_limit(page_rows)
                .set_write_batch_size(page_rows)
                .set_max_row_group_row_count(Some(group_rows))
                .set_compression(codecs()[codec]);
            (properties, window)
        },
    )
}

/// Whole numbers and what lies beside them.
fn float() -> impl Strategy<Value = f64> {
    let rare = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 16_777_215.0, 12_345.5, 1e300];
    // Of the last two, few, lest nothing be told of any file.
    let rounded = [16_777_216.0, 9_007_199_254_740_992.0];
    prop_oneof![
        60 => prop::sample::select(vec![-3.0, 12_345.0, 7.0, 8.0]),
        60 => prop::sample::select(rare.to_vec()),
        1 => prop::sample::select(rounded.to_vec()),
    ]
}

proptest! {
    #[test]
    fn text_in_any_layout(
        (properties, window) in layout(),
        mut values in prop::collection::vec(prop::option::of(0_u8..30), 0..300),
        sorted: bool,
    ) {
        if sorted {
            values.sort();
        }
        let texts: Vec<Option<String>> = values.iter().map(|value| value.map(|value| format!("user-{value}"))).collect();
        let file = write(vec![("u", Arc::new(StringArray::from(texts)))], properties);
        let (total, found) = search(&file, matcher("u", &["user-3", "user-33", "user-7"], None), window).unwrap();
        prop_assert_eq!(total, values.len() as u64);
        for (selector, wanted) in [(0, 3), (1, 33), (2, 7)] {
            let expected: Vec<u64> = (0..).zip(&values).filter(|(_, v)| **v == Some(wanted)).map(|(row, _)| row).collect();
            prop_assert_eq!(rows(&found, selector), expected);
        }
    }

    #[test]
    fn integers_in_any_layout(
        (properties, window) in layout(),
        values in prop::collection::vec(prop::option::of(-5_i32..5), 1..300),
        delta: bool,
    ) {
        let properties = if delta { ["i", "u"].into_iter().fold(properties, |properties, column| {
            properties.set_column_dictionary_enabled(column.into(), false).set_column_encoding(column.into(), Encoding::DELTA_BINARY_PACKED)
        }) } else { properties };
        let unsigned: Vec<Option<u64>> = values.iter().map(|v| v.map(|v| u64::MAX - v.unsigned_abs() as u64)).collect();
        let decimals = Decimal128Array::from_iter(values.iter().map(|v| v.map(|v| i128::from(v) * 1000)))
            .with_precision_and_scale(20, 3).unwrap();
        let file = write(
            vec![
                ("i", Arc::new(Int32Array::from(values.clone())) as ArrayRef),
                ("u", Arc::new(UInt64Array::from(unsigned))),
                ("d", Arc::new(decimals)),
            ],
            properties,
        );
        let expected = |wanted: fn(i32) -> bool| -> Vec<u64> {
            (0..).zip(&values).filter(|(_, v)| v.is_some_and(wanted)).map(|(row, _)| row).collect()
        };
        let (_, found) = search(&file, matcher("i", &["-3"], None), window).unwrap();
        prop_assert_eq!(rows(&found, 0), expected(|v| v == -3));
        let (_, found) = search(&file, matcher("u", &["18446744073709551612"], None), window).unwrap();
        prop_assert_eq!(rows(&found, 0), expected(|v| v.abs() == 3));
        let (_, found) = search(&file, matcher("d", &["-3.0"], None), window).unwrap();
        prop_assert_eq!(rows(&found, 0), expected(|v| v == -3));
    }

    #[test]
    fn floats_in_any_layout(
        (properties, window) in layout(),
        values in prop::collection::vec(prop::option::of(float()), 1..300),
        split: bool,
    ) {
        let properties = if split { ["f", "d", "l.list.item"].into_iter().fold(properties, |properties, column| {
            properties.set_column_dictionary_enabled(column.into(), false).set_column_encoding(column.into(), Encoding::BYTE_STREAM_SPLIT)
        }) } else { properties };
        let mut lists = ListBuilder::new(Float64Builder::new());
        values.iter().for_each(|value| lists.append_value([*value, None, Some(f64::NAN)]));
        #[expect(clippy::cast_possible_truncation, reason = "as writers round")]
        let singles: Vec<Option<f32>> = values.iter().map(|value| value.map(|value| value as f32)).collect();
        let file = write(
            vec![
                ("f", Arc::new(Float32Array::from(singles.clone())) as ArrayRef),
                ("d", Arc::new(Float64Array::from(values.clone()))),
                ("l", Arc::new(lists.finish())),
            ],
            properties,
        );
        let wanted = ["-3", "0", "12345", "16777215"];
        let (mut equal_singles, mut equal_doubles) = (Vec::new(), Vec::new());
        for identifier in wanted {
            let rows = |is_equal: &dyn Fn(usize) -> bool| (0..values.len()).filter(|&row| is_equal(row)).map(|row| row as u64).collect::<Vec<_>>();
            equal_singles.push(rows(&|row| singles[row] == identifier.parse().ok()));
            equal_doubles.push(rows(&|row| values[row] == identifier.parse().ok()));
        }
        for (path, expected) in [("f", &equal_singles), ("d", &equal_doubles), ("l[]", &equal_doubles)] {
            let (_, found) = search(&file, matcher(path, &wanted, None), window).unwrap();
            let found: Vec<Vec<u64>> = (0..4).map(|selector| rows(&found, selector)).collect();
            prop_assert_eq!(&found, expected, "{}", path);
        }
        // What a float may have been before it was rounded is not guessed.
        let is_told = |path, identifier| match search(&file, matcher(path, &[identifier], None), window) {
            Ok((_, found)) => found.is_empty(),
            Err(error) => !matches!(error, Error::Rounded { .. }),
        };
        let has_single = singles.iter().flatten().any(|single| [16_777_215.0, 16_777_216.0].contains(single));
        prop_assert_eq!(is_told("f", "16777217"), !has_single);
        prop_assert!(is_told("d", "16777217") && is_told("l[]", "16777217"));
        for path in ["f", "d", "l[]"] {
            prop_assert_eq!(is_told(path, "9007199254740993"), !values.contains(&Some(9_007_199_254_740_992.0)), "{}", path);
        }
    }

    #[test]
    fn nested_in_any_layout(
        (properties, window) in layout(),
        records in prop::collection::vec(prop::option::of(prop::collection::vec(prop::option::of(0_u8..10), 0..5)), 1..200),
    ) {
        let mut lists = ListBuilder::new(StringBuilder::new());
        let names = MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
        let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
        for record in &records {
            for (index, value) in record.iter().flatten().enumerate() {
                let text = value.map(|value| value.to_string());
                lists.values().append_option(text.clone());
                maps.keys().append_value(index.to_string());
                maps.values().append_option(text);
            }
            lists.append(record.is_some());
            maps.append(record.is_some()).unwrap();
        }
        let lists: ArrayRef = Arc::new(lists.finish());
        let inner = Arc::new(ArrowField::new("emails", lists.data_type().clone(), true));
        let actor = StructArray::new(vec![inner].into(), vec![lists], None);
        let file = write(vec![("actor", Arc::new(actor) as ArrayRef), ("m", Arc::new(maps.finish()))], properties);
        let expected: Vec<u64> = (0..)
            .zip(&records)
            .filter(|(_, record)| record.iter().flatten().any(|value| *value == Some(7)))
            .map(|(row, _)| row)
            .collect();
        for path in ["actor.emails[]", "m{}"] {
            let (total, found) = search(&file, matcher(path, &["7"], None), window).unwrap();
            prop_assert_eq!(total, records.len() as u64);
            prop_assert_eq!(rows(&found, 0), expected.clone(), "{}", path);
        }
    }

    #[test]
    fn damaged_files_never_panic(at in 0_usize..2000, byte: u8, cut in 0_usize..2000) {
        let texts = StringArray::from_iter_values((0..200).map(|row| format!("user-{row}")));
        let file = write(vec![("u", Arc::new(texts))], properties().set_data_page_row_count_limit(20).set_write_batch_size(20));
        let mut damaged = file.to_vec();
        let at = at % damaged.len();
        damaged[at] = byte;
        let _ = search(&damaged.into(), matcher("u", &["user-3"], None), 1000);
        let cut = cut % file.len();
        prop_assert!(search(&file.slice(..cut), matcher("u", &["user-3"], None), 1000).is_err());
    }
}

#[test]
fn a_value_is_found_wherever_it_stands_among_others_of_its_length() {
    let name = |row: usize| format!("user-{row:03}");
    // All of one length, one of another length in each block or in one, and none like another.
    let layouts: [fn(usize) -> bool; 4] = [|_| false, |row| row % 50 == 7, |row| row == 130, |row| row % 2 == 0];
    for is_other in layouts {
        let names: Vec<String> =
            (0..200).map(|row| if is_other(row) { name(row) + "@contoso.example" } else { name(row) }).collect();
        let plain = properties().set_dictionary_enabled(false);
        let file = write(vec![("user", Arc::new(StringArray::from(names.clone())))], plain);
        for (row, name) in (0..).zip(&names) {
            let (_, found) = search(&file, matcher("user", &[name], None), 1 << 20).unwrap();
            assert_eq!(rows(&found, 0), [row], "{name}");
        }
        let (_, found) = search(&file, matcher("user", &["user-200"], None), 1 << 20).unwrap();
        assert!(found.is_empty());
    }
}

/// Half of a dictionary is enough for half of the rows, where these are sorted; whoever has the last of its entries is found all the same.
#[test]
fn few_pages_are_looked_at_before_their_dictionary() {
    for (dictionary_bytes, nulls_every) in [(1 << 20, usize::MAX), (1 << 20, 4), (600, 5), (64, usize::MAX)] {
        let value = |row: usize| (row % nulls_every != 1).then(|| format!("user-{:04}", row / 3));
        let values: Vec<_> = (0..900).map(value).collect();
        let layout = properties()
            .set_dictionary_page_size_limit(dictionary_bytes)
            .set_data_page_row_count_limit(20)
            .set_write_batch_size(20)
            .set_max_row_group_row_count(Some(500))
            .set_compression(Compression::ZSTD(ZstdLevel::default()));
        let column: ArrayRef = Arc::new(StringArray::from(values.clone()));
        let file = write(vec![("id", column)], layout);
        let holding = |wanted: &str| -> Vec<u64> {
            (0..).zip(&values).filter(|(_, value)| value.as_deref() == Some(wanted)).map(|(row, _)| row).collect()
        };
        for people in [&["user-0000"][..], &["user-0166"], &["user-0299"], &["user-0120", "user-0000", "user-0121"]] {
            for window in [1, 100, 1 << 20] {
                let (_, matches) = search(&file, matcher("id", people, None), window).unwrap();
                for (number, person) in (0..).zip(people) {
                    assert_eq!(rows(&matches, number), holding(person), "{person} {dictionary_bytes} {nulls_every}");
                }
            }
        }
        // What the pages refer to must be there.
        assert_eq!(search(&file, matcher("id", &["user-0166x"], None), 100).unwrap().1.iter().count(), 0);
    }
}

#[test]
fn a_dictionary_is_read_after_the_pages_that_refer_to_it_and_not_for_others() {
    let file = write(
        vec![("id", Arc::new(StringArray::from_iter_values((0..900).map(|row| format!("user-{row:04}")))))],
        properties()
            .set_dictionary_page_size_limit(2000)
            .set_data_page_row_count_limit(20)
            .set_write_batch_size(20)
            .set_compression(Compression::ZSTD(ZstdLevel::default())),
    );
    let size = file.len() as u64;
    let Ok(Footer::Ready(metadata)) = footer(size, &file, &Limits::default()) else { panic!("the file is whole") };
    let column = metadata.row_group(0).column(0).clone();
    let dictionary = column.dictionary_page_offset().unwrap() as u64..column.data_page_offset() as u64;
    let asked = |wanted: &str| {
        let search = ParquetSearch::new(metadata.clone(), size, matcher("id", &[wanted], None), Limits::default());
        let mut group = search.unwrap().row_group(0, false).unwrap();
        let mut ranges = Vec::new();
        while let Some(range) = group.need(1 << 20) {
            group.feed(&file.slice(range.start as usize..range.end as usize)).unwrap();
            ranges.push(range);
        }
        assert_eq!(group.finish().matches.iter().count(), 1);
        ranges
    };
    assert_eq!(asked("user-0100").last(), Some(&dictionary));
    assert!(asked("user-0800").iter().all(|range| range.start >= dictionary.end));
    // With the first page, it is one range.
    assert!(asked("user-0003").iter().any(|range| range.start == dictionary.start && range.end > dictionary.end));
}

#[test]
fn tenants_bound_the_matches() {
    let users = StringArray::from(vec![Some("a"), Some("a"), Some("b"), Some("a"), None]);
    let tenants = StringArray::from(vec![Some("T"), Some("X"), Some("T"), None, Some("T")]);
    let file = write(vec![("u", Arc::new(users) as ArrayRef), ("t", Arc::new(tenants))], properties());
    let (_, found) = search(&file, matcher("u", &["a"], Some("t")), 10).unwrap();
    assert_eq!(rows(&found, 0), [0]);
}

#[test]
fn one_identifier_in_two_tenants_is_two_people() {
    // Few rows of a page, and so many that all of it is decoded.
    for every in [2, 50] {
        let user = |row: usize| (row % 13 != 5).then_some(if row.is_multiple_of(every) { "a" } else { "b" });
        let tenant = |row: usize| (row % 7 != 3).then_some(["T", "X", "Y"][row % 3]);
        let columns = || {
            let users: StringArray = (0..1000).map(user).collect();
            let tenants: StringArray = (0..1000).map(tenant).collect();
            vec![("u", Arc::new(users) as ArrayRef), ("t", Arc::new(tenants))]
        };
        let small = properties().set_data_page_row_count_limit(100).set_write_batch_size(100);
        for how in [properties(), properties().set_dictionary_enabled(false), small] {
            let file = write(columns(), how);
            let (_, found) = search(&file, matcher_of("u", &[("a", "T"), ("a", "X")], Some("t")), 100).unwrap();
            for (selector, own) in [(0, "T"), (1, "X")] {
                let is_own = |row: &u64| (user(*row as usize), tenant(*row as usize)) == (Some("a"), Some(own));
                assert_eq!(rows(&found, selector), (0..1000).filter(is_own).collect::<Vec<_>>(), "{every} {own}");
            }
        }
    }
}

#[test]
fn a_row_that_names_two_tenants_is_nobodys() {
    let lists = |lists: &[&[&str]]| {
        let mut builder = ListBuilder::new(StringBuilder::new());
        lists.iter().for_each(|list| builder.append_value(list.iter().map(|tenant| Some(*tenant))));
        Arc::new(builder.finish()) as ArrayRef
    };
    let named = lists(&[&["T"], &["T", "X"], &["T", "T"], &[], &["X", "T"], &["X", "Y"]]);
    let users: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "a", "a", "a", "a"]));
    let columns = || vec![("u", users.clone()), ("t", named.clone())];
    let plain = properties().set_dictionary_enabled(false);
    let small = properties().set_data_page_row_count_limit(1).set_write_batch_size(1);
    let second = properties().set_writer_version(WriterVersion::PARQUET_2_0);
    for how in [properties(), plain, small, second] {
        let file = write(columns(), how);
        let (_, found, torn) = search_telling(&file, matcher("u", &["a"], Some("t[]")), 100).unwrap();
        assert_eq!((rows(&found, 0), torn), (vec![0, 2], vec![1, 4]));
    }
}

#[test]
fn all_columns_of_one_name_are_searched() {
    let text = |values: [&str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let twice = || vec![("u", text(["bob", "eve", "eve"])), ("u", text(["ann", "bob", "eve"]))];
    let within: ArrayRef = Arc::new(StructArray::from(RecordBatch::try_from_iter(twice()).unwrap()));
    let file = write([twice(), vec![("s", within), ("t", text(["T", "X", "T"]))]].concat(), properties());
    for path in ["u", "s.u"] {
        let (_, found) = search(&file, matcher(path, &["ann", "bob", "zoe"], None), 100).unwrap();
        assert_eq!([0, 1, 2].map(|selector| rows(&found, selector)), [vec![0], vec![0, 1], vec![]], "{path}");
        let (_, found) = search(&file, matcher(path, &["bob"], Some("t")), 100).unwrap();
        assert_eq!(rows(&found, 0), [0], "{path}");
    }
    // Whose a row is that names two tenants is not guessed.
    let why = search(&file, matcher("t", &["T"], Some("u")), 100).unwrap_err().to_string();
    assert_eq!(why, "column `u` is there more than once, and which one is meant cannot be told: rename the others");
}

#[test]
fn a_footer_of_another_layout_is_explained() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let mut file = write(vec![("u", text)], properties()).to_vec();
    // The schema, the field behind the version, becomes a list of numbers.
    let length = u32::from_le_bytes(*file[file.len() - 8..].first_chunk().unwrap()) as usize;
    let at = file.len() - 8 - length + 3;
    assert_eq!(file[at], 0x2c);
    file[at] = 0x26;
    let why = search(&file.into(), matcher("u", &["a"], None), 100).unwrap_err().to_string();
    assert!(why.starts_with("cannot be decoded as Parquet (its footer is damaged, or a field in it"), "{why}");
}

#[test]
fn a_file_that_only_sums_up_others_is_told() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let file = write(vec![("u", text)], properties());
    let Footer::Ready(metadata) = footer(file.len() as u64, &file, &Limits::default()).unwrap() else {
        panic!("the footer is there");
    };
    let mut summary = metadata.as_ref().clone().into_builder();
    for group in summary.take_row_groups() {
        let elsewhere = |column: &ColumnChunkMetaData| {
            column.clone().into_builder().set_file_path("0.parquet".to_owned()).build().unwrap()
        };
        let columns = group.columns().iter().map(elsewhere).collect();
        summary = summary.add_row_group(group.into_builder().set_column_metadata(columns).build().unwrap());
    }
    // Shorter than the rows that it tells of.
    let search =
        ParquetSearch::new(Arc::new(summary.build()), 20, matcher("u", &["a"], None), Limits::default()).unwrap();
    let why = search.row_group(0, false).err().unwrap().to_string();
    assert!(
        why.contains("row group 0, column u: its rows lie in other files, as those of a `_metadata` file"),
        "{why}"
    );
}

#[test]
fn uuids_in_sixteen_bytes() {
    let id = [0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0x00, 0xcf, 0x4f, 0xc9, 0x64, 0xff];
    let array = FixedSizeBinaryArray::try_from_iter([[0; 16], id, [1; 16]].into_iter()).unwrap();
    let file = write(vec![("u", Arc::new(array) as ArrayRef)], properties());
    let (_, found) = search(&file, matcher("u", &["6f9619ff-8b86-d011-b42d-00cf4fc964ff"], None), 1 << 20).unwrap();
    assert_eq!(rows(&found, 0), [1]);
}

#[test]
fn no_bound_or_filter_of_floats_is_believed() {
    const FIRST: u32 = 0x5a5a;
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values((FIRST..FIRST + 40).map(f64::from)));
    let properties = properties()
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_bloom_filter_enabled(true);
    let file = write(vec![("u", floats)], properties);
    let Footer::Ready(metadata) = footer(file.len() as u64, &file, &Limits::default()).unwrap() else {
        panic!("the footer is there");
    };
    let column = metadata.row_group(0).column(0);
    let (data, size) = (column.data_page_offset() as usize, column.compressed_size() as usize);
    // Every bound becomes zero, and nothing is in the filter.
    let mut wrong = file.to_vec();
    let mut replaced = 0;
    for user in FIRST..FIRST + 40 {
        let value = f64::from(user).to_le_bytes();
        for at in data + size..wrong.len() - 8 {
            if wrong[at..].starts_with(&value) {
                wrong[at..at + 8].fill(0);
                replaced += 1;
            }
        }
    }
    assert_eq!(replaced, 4 + 2 * 4, "the chunk's bounds, also the deprecated ones, and those of four pages");
    let end = (column.bloom_filter_offset().unwrap() + i64::from(column.bloom_filter_length().unwrap())) as usize;
    wrong[end - 32..end].fill(0);
    for row in [0, 15, 39] {
        let (_, found) = search(&wrong.clone().into(), matcher("u", &[&(FIRST + row).to_string()], None), 100).unwrap();
        assert_eq!(rows(&found, 0), [u64::from(row)]);
    }
}

/// `file` with every bit of the first column's Bloom filter cleared.
fn with_empty_filter(file: &Bytes) -> Bytes {
    let Footer::Ready(metadata) = footer(file.len() as u64, file, &Limits::default()).unwrap() else {
        panic!("the footer is there");
    };
    let column = metadata.row_group(0).column(0);
    let (start, length) = (column.bloom_filter_offset().unwrap(), column.bloom_filter_length().unwrap());
    let end = (start + i64::from(length)) as usize;
    let mut file = file.to_vec();
    let bits = Sbbf::from_bytes(&file[start as usize..end]).unwrap().num_blocks() * 32;
    file[end - bits..end].fill(0);
    file.into()
}

#[test]
fn a_filter_is_believed_beside_a_dictionary_only_of_writers_that_fill_it() {
    let users: ArrayRef = Arc::new(StringArray::from_iter_values((0..40).map(|user| format!("user-{user}"))));
    let found = |created_by: &str, has_dictionary| {
        let properties = properties()
            .set_created_by(created_by.to_owned())
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_enabled(has_dictionary)
            // What comes behind some values is not in the dictionary.
            .set_dictionary_page_size_limit(64)
            .set_write_batch_size(10)
            .set_bloom_filter_enabled(true);
        let file = with_empty_filter(&write(vec![("u", users.clone())], properties));
        rows(&search(&file, matcher("u", &["user-39"], None), 100).unwrap().1, 0)
    };
    let odd = [
        "parquet-mr-trino version 450 (build n/a)",
        "github.com/parquet-go/parquet-go version 0.26.0(build )",
        "parquet-go version 18.5.0",
        "",
    ];
    for created_by in odd {
        assert_eq!(found(created_by, true), [39], "{created_by}");
        assert!(found(created_by, false).is_empty(), "{created_by}");
    }
    for created_by in
        ["parquet-mr version 1.13.1 (build db4183109d5b734ec5930d870cdae161e408ddba)", "parquet-rs version 59.3.2"]
    {
        assert!(found(created_by, true).is_empty(), "{created_by}");
    }
}

#[test]
fn a_filter_without_a_block_excludes_nothing() {
    let users: ArrayRef = Arc::new(StringArray::from(vec!["ann", "bob"]));
    let properties = properties().set_statistics_enabled(EnabledStatistics::None).set_bloom_filter_enabled(true);
    let file = write(vec![("u", users)], properties);
    let Footer::Ready(metadata) = footer(file.len() as u64, &file, &Limits::default()).unwrap() else {
        panic!("the footer is there");
    };
    let column = metadata.row_group(0).column(0);
    let start = column.bloom_filter_offset().unwrap() as usize;
    // Its header says that it is 32 bytes long: now, none.
    let header = column.bloom_filter_length().unwrap() - 32;
    let mut empty = file.to_vec();
    assert_eq!(empty[start..start + 2], [0x15, 64]);
    empty[start + 1] = 0;
    let column = column.clone().into_builder().set_bloom_filter_length(Some(header)).build().unwrap();
    let group = metadata.row_group(0).clone().into_builder().set_column_metadata(vec![column]).build().unwrap();
    let metadata = metadata.as_ref().clone().into_builder().set_row_groups(vec![group]).build();
    let size = empty.len() as u64;
    let search = ParquetSearch::new(Arc::new(metadata), size, matcher("u", &["bob"], None), Limits::default()).unwrap();
    let mut group = search.row_group(0, false).unwrap();
    while let Some(range) = group.need(1 << 20) {
        group.feed(&empty[range.start as usize..range.end as usize]).unwrap();
    }
    assert_eq!(rows(&group.finish().matches, 0), [1]);
}

#[test]
fn bounds_of_integers_that_only_pages_have_are_not_believed() {
    const FIRST: i32 = 0x5a5a_5a00;
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(FIRST..FIRST + 40));
    let properties = properties()
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10)
        .set_statistics_enabled(EnabledStatistics::Page);
    let mut file = write(vec![("u", numbers)], properties).to_vec();
    let Footer::Ready(metadata) = footer(file.len() as u64, &file.clone().into(), &Limits::default()).unwrap() else {
        panic!("the footer is there");
    };
    // As parquet-go writes them when it is told to skip the bounds of pages: zeros, and none of the chunk.
    let column = metadata.row_group(0).column(0);
    let index = column.column_index_offset().unwrap() as usize;
    let end = index + column.column_index_length().unwrap() as usize;
    for value in FIRST..FIRST + 40 {
        for at in index..end - 4 {
            if file[at..].starts_with(&value.to_le_bytes()) {
                file[at..at + 4].fill(0);
            }
        }
    }
    let column = column.clone().into_builder().clear_statistics().build().unwrap();
    let group = metadata.row_group(0).clone().into_builder().set_column_metadata(vec![column]).build().unwrap();
    let metadata = metadata.as_ref().clone().into_builder().set_row_groups(vec![group]).build();
    let wanted = matcher("u", &[&(FIRST + 15).to_string()], None);
    let search = ParquetSearch::new(Arc::new(metadata), file.len() as u64, wanted, Limits::default()).unwrap();
    let mut group = search.row_group(0, false).unwrap();
    while let Some(range) = group.need(100) {
        group.feed(&file[range.start as usize..range.end as usize]).unwrap();
    }
    assert_eq!(rows(&group.finish().matches, 0), [15]);
}

#[test]
fn tenants_told_by_floats() {
    let users: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1.0, 1.0, f64::NAN]));
    let tenants: ArrayRef = Arc::new(Float32Array::from(vec![7.0, 8.0, f32::NAN, 7.0]));
    let file = write(vec![("u", users), ("t", tenants)], properties());
    let found = |tenant: &str| {
        let mapping = Mapping {
            identifiers: vec![IdentifierRule::One(Field::new("u".parse().unwrap(), Kind::new("id")))],
            tenant: TenantRule::Column("t".parse().unwrap()),
        };
        let selector = Selector { tenant: Some(TenantId::new(tenant)), identifiers: vec![Identifier::new("id", "1")] };
        let matcher = Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap();
        rows(&search(&file, Arc::new(matcher), 100).unwrap().1, 0)
    };
    assert_eq!((found("7"), found("8"), found("T")), (vec![0], vec![1], vec![]));
}

#[test]
fn what_values_share_counts_for_each() {
    let word = |length: usize| {
        let words: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n("x".repeat(length), 70)));
        let plain = properties().set_dictionary_enabled(false).set_statistics_enabled(EnabledStatistics::None);
        write(vec![("u", words)], plain.set_encoding(Encoding::DELTA_BYTE_ARRAY))
    };
    assert_eq!(search(&word(1 << 10), matcher("u", &["ann"], None), 1 << 20).unwrap().0, 70);
    let error = search(&word(1 << 20), matcher("u", &["ann"], None), 1 << 20).unwrap_err();
    assert!(matches!(error, Error::Limit { setting: "page_bytes_max", .. }), "{error}");
}

#[test]
fn a_decimal_of_endless_digits_is_refused() {
    let file = |bytes: usize| {
        let schema = Arc::new(parse_message_type("message m { required binary d (DECIMAL(38, 2)); }").unwrap());
        let properties = properties().set_dictionary_enabled(false).set_statistics_enabled(EnabledStatistics::None);
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
        let mut group = file.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let value = [vec![u8::from(bytes > 16); bytes - 2], vec![0x04, 0xd2]].concat();
        column.typed::<ByteArrayType>().write_batch(&[value.into()], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        Bytes::from(file.into_inner().unwrap())
    };
    let searched = |bytes| search(&file(bytes), matcher("d", &["12.34"], None), 1 << 20);
    assert_eq!(rows(&searched(16).unwrap().1, 0), [0]);
    let why = searched(1 << 20).unwrap_err().to_string();
    assert!(
        why.contains("row group 0, column d: a decimal number takes more bytes than any decimal type has"),
        "{why}"
    );
}

#[test]
fn a_header_that_does_not_end_is_refused_soon() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["ann"]));
    let file = write(
        vec![("u", texts)],
        properties().set_dictionary_enabled(false).set_statistics_enabled(EnabledStatistics::None),
    );
    let Footer::Ready(metadata) = footer(file.len() as u64, &file, &Limits::default()).unwrap() else {
        panic!("the footer is there");
    };
    // A field that no version knows: a list of four million bytes, none of which is there to end it.
    let mut page = vec![0xf9, 0xf3, 0xff, 0xff, 0xff, 0x0f];
    page.resize(4 << 20, 0);
    let column = metadata.row_group(0).column(0).clone().into_builder();
    let column = column.set_data_page_offset(0).set_total_compressed_size(page.len() as i64).build().unwrap();
    let group = metadata.row_group(0).clone().into_builder().set_column_metadata(vec![column]).build().unwrap();
    let metadata = Arc::new(metadata.as_ref().clone().into_builder().set_row_groups(vec![group]).build());
    let wanted = matcher("u", &["ann"], None);
    let search = ParquetSearch::new(metadata, page.len() as u64, wanted, Limits::default()).unwrap();
    let mut group = search.row_group(0, false).unwrap();
    let mut failed = Ok(());
    while let (Ok(()), Some(range)) = (&failed, group.need(1 << 20)) {
        failed = group.feed(&page[range.start as usize..range.end as usize]);
    }
    assert!(failed.is_err());
}

#[test]
fn a_filter_or_an_index_beyond_the_limit_is_not_read() {
    let users: ArrayRef = Arc::new(StringArray::from_iter_values((0..400).map(|user| format!("user-{user:03}"))));
    let properties = properties()
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(4)
        .set_write_batch_size(4)
        .set_bloom_filter_enabled(true);
    let file = write(vec![("u", users)], properties);
    let Footer::Ready(metadata) = footer(file.len() as u64, &file, &Limits::default()).unwrap() else {
        panic!("the footer is there");
    };
    let data = metadata.row_group(0).column(0).byte_range();
    let limits = Limits { page_bytes_max: 256, ..Limits::default() };
    let search = ParquetSearch::new(metadata, file.len() as u64, matcher("u", &["user-007"], None), limits).unwrap();
    let mut group = search.row_group(0, false).unwrap();
    while let Some(range) = group.need(100) {
        assert!(range.start >= data.0 && range.end <= data.0 + data.1, "{range:?}");
        group.feed(&file[range.start as usize..range.end as usize]).unwrap();
    }
    assert_eq!(rows(&group.finish().matches, 0), [7]);
}

#[test]
fn what_cannot_be_searched_says_why() {
    let floats: ArrayRef = arrow::array::new_null_array(&DataType::Float16, 1);
    let times: ArrayRef = Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![1]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let list = Arc::new(ArrowField::new("item", DataType::Utf8, true));
    let lists: ArrayRef = arrow::array::new_null_array(&DataType::List(list), 1);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    maps.append(true).unwrap();
    let maps: ArrayRef = Arc::new(maps.finish());
    let file = write(vec![("f", floats), ("t", times), ("s", texts), ("l", lists), ("m", maps)], properties());
    let why = |column: &str| search(&file, matcher(column, &["1"], None), 100).unwrap_err().to_string();
    for (path, reason) in [
        ("f", "column `f` is a floating-point number of 16 bits, too few for an identifier"),
        ("t", "column `t` is a date or time, which identifies nobody"),
        ("s.x", "has no column `s.x`, which the source maps; a name that has a point in it is mapped in quotes"),
        ("s[]", "column `s[]` is not a list, and mapped with `[]`"),
        ("l", "column `l` is a list: its elements are mapped as `[]` behind its name"),
        ("l.x", "column `l.x` is behind a list: its elements are mapped as `[]`"),
        ("nobody", "has no column `nobody`, which the source maps"),
        ("m", "column `m` is a map: its values are mapped as `{}` behind its name"),
        ("l{}", "column `l{}` is not a map, and mapped with `{}`"),
    ] {
        assert_eq!(why(path), reason);
    }
    assert!(matches!(
        search(&Bytes::from_static(b"PAR1 not at all"), matcher("s", &["a"], None), 1),
        Err(Error::WrongFormat { .. })
    ));
    // Its footer would be over the limit, too, which raising does not help.
    assert!(matches!(
        search(&Bytes::from_static(b"PAR1    \xff\xff\xff\xffPAR1"), matcher("s", &["a"], None), 1),
        Err(Error::Truncated { .. })
    ));
    assert!(matches!(
        search(&Bytes::from_static(b"PAR1"), matcher("s", &["a"], None), 1),
        Err(Error::WrongFormat { .. })
    ));
}
