//! Generated tables: types, nesting, encodings, page sizes and versions, dictionaries that are given up, Bloom filters, row
//! groups; and any rows taken out of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection};
use ::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::bloom_filter::Sbbf;
use ::parquet::file::metadata::{ColumnChunkMetaData, KeyValue, PageIndexPolicy, SortingColumn};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use ::parquet::file::reader::FileReader;
use ::parquet::schema::types::ColumnPath;
use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, RecordBatch, Scalar};
use arrow::compute::kernels::cmp;
use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use bytes::Bytes;
use lacuna_erase::Change;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::shape::{assert_same_shape, open};
use super::survivors::survivors;
use super::{assert_same, read, rewrite, without};

/// Everything that a generated file depends on.
#[derive(Clone, Debug)]
struct Recipe {
    rows: u64,
    seed: u64,
    group_rows: u64,
    page_rows: usize,
    dictionary_bytes: usize,
    has_dictionary: bool,
    has_bloom: bool,
    is_v2: bool,
    alternative_encodings: bool,
    codec: usize,
    statistics: usize,
    page_header_statistics: bool,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let sizes = (0..300_u64, any::<u64>(), 1..150_u64, 1..60_usize, 16..600_usize);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (sizes, flags, 0..7_usize, 0..3_usize).prop_map(|(sizes, flags, codec, statistics)| {
        let (rows, seed, group_rows, page_rows, dictionary_bytes) = sizes;
        let (has_dictionary, has_bloom, is_v2, alternative_encodings, page_header_statistics) = flags;
        Recipe {
            rows,
            seed,
            group_rows,
            page_rows,
            dictionary_bytes,
            has_dictionary,
            has_bloom,
            is_v2,
            alternative_encodings,
            codec,
            statistics,
            page_header_statistics,
        }
    })
}

/// Rows to take out: none, few, many, all.
fn hits() -> impl Strategy<Value = (u64, u64)> {
    (any::<u64>(), prop_oneof![Just(0), Just(3), Just(20), Just(60), Just(100)])
}

fn chosen(rows: u64, (seed, percent): (u64, u64)) -> BTreeSet<u64> {
    let mut random = Random(seed);
    (0..rows).filter(|_| random.below(100) < percent).collect()
}

/// A small generator: the same seed, the same table.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn maybe(&mut self, value: Value) -> Value {
        if self.below(4) == 0 { Value::Null } else { value }
    }

    fn nullable(&mut self, value: impl Fn(&mut Self) -> Value) -> Value {
        let value = value(self);
        self.maybe(value)
    }
}

fn schema() -> Arc<Schema> {
    let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
    let entry =
        Fields::from(vec![Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Int32, true)]);
    let inner = Fields::from(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", list(DataType::Int64), true),
        Field::new("c", DataType::Utf8, false),
    ]);
    let mut fields = vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, true),
        Field::new("i32", DataType::Int32, true),
        Field::new("i64", DataType::Int64, false),
        Field::new("u32", DataType::UInt32, true),
        Field::new("flag", DataType::Boolean, true),
        Field::new("decimal", DataType::Decimal128(20, 2), true),
        Field::new("fixed", DataType::FixedSizeBinary(4), true),
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("tags", list(DataType::Utf8), true),
        Field::new("inner", DataType::Struct(inner), true),
        Field::new("map", DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false), true),
    ];
    fields.push(Field::new("f64", DataType::Float64, true));
    fields.push(Field::new("f32", DataType::Float32, true));
    Arc::new(Schema::new(fields))
}

fn row(random: &mut Random, at: u64) -> Value {
    let mut row = serde_json::Map::new();
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    put("id", json!(format!("user-{}-{at}", random.below(1000))));
    let value = word(random);
    put("kind", random.maybe(value));
    let value = json!(random.below(50) as i64 - 25);
    put("i32", random.maybe(value));
    put("i64", json!(at as i64 * 3 - 100));
    let value = json!(random.next() as u32);
    put("u32", random.maybe(value));
    let value = json!(random.below(2) == 0);
    put("flag", random.maybe(value));
    let value = json!(format!("{}.{:02}", random.below(2000) as i64 - 1000, random.below(100)));
    put("decimal", random.maybe(value));
    let value = json!(format!("{:08x}", random.below(300) as u32 * 77));
    put("fixed", random.maybe(value));
    let value = json!(random.below(1 << 50) as i64);
    put("time", random.maybe(value));
    let tags: Vec<Value> = (0..random.below(4)).map(|_| random.nullable(word)).collect();
    put("tags", random.maybe(json!(tags)));
    let numbers: Vec<Value> = (0..random.below(3)).map(|_| json!(random.next() as i64)).collect();
    let numbers = random.maybe(json!(numbers));
    let a = random.nullable(|random| json!(random.next() as i32));
    put("inner", random.maybe(json!({ "a": a, "b": numbers, "c": "required" })));
    let pair = |random: &mut Random, key| (format!("k{key}"), random.nullable(|random| json!(random.below(9))));
    let map: serde_json::Map<_, _> = (0..random.below(3)).map(|key| pair(random, key)).collect();
    put("map", random.maybe(Value::Object(map)));
    Value::Object(row)
}

fn word(random: &mut Random) -> Value {
    json!(["red", "green", "blüe", "", "a rather long colour name"][random.below(5) as usize])
}

fn table(recipe: &Recipe) -> RecordBatch {
    let mut random = Random(recipe.seed);
    let rows: Vec<Value> = (0..recipe.rows).map(|at| row(&mut random, at)).collect();
    // JSON has no NaN: the last columns are made apart.
    let all = schema();
    let some = Arc::new(Schema::new(all.fields()[..all.fields().len() - 2].to_vec()));
    let mut decoder = arrow::json::ReaderBuilder::new(some.clone()).with_batch_size(1 << 16).build_decoder().unwrap();
    decoder.serialize(&rows).unwrap();
    let batch = decoder.flush().unwrap().unwrap_or_else(|| RecordBatch::new_empty(some));
    let floats: Float64Array = (0..recipe.rows)
        .map(|_| match random.below(6) {
            0 => None,
            1 => Some(f64::NAN),
            2 => Some(-0.0),
            _ => Some(random.below(100) as f64 / 7.0 - 5.0),
        })
        .collect();
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(floats));
    // Identifiers as pandas writes them beside missing values, and both zeros.
    let singles: Float32Array = (0..recipe.rows)
        .map(|_| match random.below(6) {
            0 => None,
            1 => Some(f32::NAN),
            2 => Some(-0.0),
            3 => Some(0.0),
            _ => Some(random.below(4) as u8 as f32),
        })
        .collect();
    columns.push(Arc::new(singles));
    RecordBatch::try_new(all, columns).unwrap()
}

fn properties(recipe: &Recipe) -> WriterProperties {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ];
    let statistics = [EnabledStatistics::None, EnabledStatistics::Chunk, EnabledStatistics::Page];
    let mut builder = WriterProperties::builder()
        .set_compression(codecs[recipe.codec])
        .set_statistics_enabled(statistics[recipe.statistics])
        .set_write_page_header_statistics(recipe.page_header_statistics)
        .set_writer_version(if recipe.is_v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
        .set_dictionary_enabled(recipe.has_dictionary)
        .set_dictionary_page_size_limit(recipe.dictionary_bytes)
        .set_data_page_row_count_limit(recipe.page_rows)
        .set_write_batch_size(7)
        .set_bloom_filter_enabled(recipe.has_bloom)
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 3, descending: false, nulls_first: false }]))
        .set_key_value_metadata(Some(vec![KeyValue::new("origin".to_owned(), "generated".to_owned())]));
    if recipe.alternative_encodings {
        for (column, encoding) in [
            ("id", Encoding::DELTA_BYTE_ARRAY),
            ("kind", Encoding::DELTA_LENGTH_BYTE_ARRAY),
            ("i32", Encoding::BYTE_STREAM_SPLIT),
            ("i64", Encoding::DELTA_BINARY_PACKED),
            ("f64", Encoding::BYTE_STREAM_SPLIT),
            ("f32", Encoding::BYTE_STREAM_SPLIT),
            ("fixed", Encoding::BYTE_STREAM_SPLIT),
            ("flag", Encoding::RLE),
        ] {
            builder = builder.set_column_encoding(ColumnPath::from(column), encoding);
        }
    }
    builder.build()
}

/// Writes `groups`, each as a row group.
fn write(recipe: &Recipe, groups: &[RecordBatch]) -> Bytes {
    let mut writer = ArrowWriter::try_new(Vec::new(), schema(), Some(properties(recipe))).unwrap();
    for group in groups.iter().filter(|group| group.num_rows() > 0) {
        writer.write(group).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap().into()
}

fn groups(recipe: &Recipe, table: &RecordBatch) -> Vec<RecordBatch> {
    let starts = (0..recipe.rows).step_by(recipe.group_rows as usize);
    starts.map(|start| table.slice(start as usize, recipe.group_rows.min(recipe.rows - start) as usize)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn rows_leave_and_everything_else_stays(recipe in recipe(), hits in hits()) {
        let table = table(&recipe);
        let groups = groups(&recipe, &table);
        let file = write(&recipe, &groups);
        let hits = chosen(recipe.rows, hits);
        let (out, done) = rewrite(&file, &hits, Change::Delete).unwrap();

        prop_assert_eq!(done.rows_before, recipe.rows);
        prop_assert_eq!(done.rows_after, recipe.rows - hits.len() as u64);
        prop_assert_eq!(done.rows_changed, hits.len() as u64);
        let expected = without(&table, &hits);
        assert_same("rows", &expected, &read(&out).unwrap());
        assert_same_shape("shape", &file, &out, &hits);
        prop_assert_eq!(survivors(&file, &out, &hits, Change::Delete).unwrap().rows, done.rows_after);
        if hits.is_empty() {
            prop_assert_eq!(&file, &out);
        }

        // What the writer says of the rows that stay is what the rewritten file says of them.
        let mut first = 0;
        let fresh: Vec<RecordBatch> = groups
            .iter()
            .map(|group| {
                let rows = first..first + group.num_rows() as u64;
                first = rows.end;
                without(group, &rows.clone().filter(|row| hits.contains(row)).map(|row| row - rows.start).collect())
            })
            .collect();
        assert_same_statistics(&write(&recipe, &fresh), &out);
        assert_pages_are_told_right(&out, &expected);
        assert_bloom_filters_hold_the_rows_alone(&out, &fresh);
    }

    #[test]
    fn anonymous_rows_stay(recipe in recipe(), hits in hits()) {
        let table = table(&recipe);
        let file = write(&recipe, &groups(&recipe, &table));
        let hits = chosen(recipe.rows, hits);
        let paths: Vec<lacuna_scan::ColumnPath> =
            ["id", "kind", "fixed", "tags[]", "inner.c", "map{}", "f64", "i64"].map(|path| path.parse().unwrap()).to_vec();
        let (out, done) = rewrite(&file, &hits, Change::Anonymize(&paths)).unwrap();
        prop_assert_eq!((done.rows_before, done.rows_after), (recipe.rows, recipe.rows));
        prop_assert_eq!(survivors(&file, &out, &hits, Change::Anonymize(&paths)).unwrap().rows, recipe.rows);

        let after = read(&out).unwrap();
        assert_same("other rows", &without(&table, &hits), &without(&after, &hits));
        for &row in &hits {
            let (before, after) = (table.slice(row as usize, 1), after.slice(row as usize, 1));
            let text = |name: &str| after.column_by_name(name).unwrap().as_string::<i32>().value(0).to_owned();
            prop_assert_eq!(text("id"), "");
            prop_assert_eq!(after.column_by_name("i64").unwrap().as_primitive::<arrow::datatypes::Int64Type>().value(0), 0);
            for name in ["kind", "fixed", "f64"] {
                prop_assert!(after.column_by_name(name).unwrap().is_null(0), "{}", name);
            }
            for name in ["i32", "u32", "flag", "decimal", "time"] {
                prop_assert_eq!(before.column_by_name(name), after.column_by_name(name));
            }
            let tags = |batch: &RecordBatch| batch.column_by_name("tags").unwrap().as_list::<i32>().clone();
            prop_assert_eq!(tags(&before).is_null(0), tags(&after).is_null(0));
            prop_assert_eq!(tags(&before).value_length(0), tags(&after).value_length(0));
            prop_assert_eq!(tags(&after).value(0).null_count() as i32, tags(&after).value_length(0));
            let part = |batch: &RecordBatch, at: usize| batch.column_by_name("inner").unwrap().as_struct().column(at).clone();
            let has_inner = !before.column_by_name("inner").unwrap().is_null(0);
            prop_assert_eq!(has_inner, !after.column_by_name("inner").unwrap().is_null(0));
            prop_assert_eq!(&part(&before, 0), &part(&after, 0));
            prop_assert_eq!(&part(&before, 1), &part(&after, 1));
            prop_assert!(!has_inner || part(&after, 2).as_string::<i32>().value(0).is_empty());
            let map = |batch: &RecordBatch| batch.column_by_name("map").unwrap().as_map().clone();
            prop_assert_eq!(map(&before).is_null(0), map(&after).is_null(0));
            if !map(&before).is_null(0) {
                let (before, after) = (map(&before).value(0), map(&after).value(0));
                prop_assert_eq!(before.column(0), after.column(0));
                prop_assert_eq!(after.column(1).null_count(), after.len());
            }
        }
        assert_pages_are_told_right(&out, &after);
    }
}

fn assert_same_statistics(fresh: &Bytes, out: &Bytes) {
    let (fresh, out) = (open(fresh), open(out));
    for (fresh, out) in fresh.metadata().row_groups().iter().zip(out.metadata().row_groups()) {
        for (fresh, out) in fresh.columns().iter().zip(out.columns()) {
            assert_eq!(fresh.statistics(), out.statistics(), "{}", fresh.column_path());
            // Zeros are equal, whatever their sign: it has to be the same one.
            let bounds = |chunk: &ColumnChunkMetaData| {
                let bounds = chunk.statistics().map(|told| [told.min_bytes_opt(), told.max_bytes_opt()]);
                bounds.map(|bounds| bounds.map(|bound| bound.map(<[u8]>::to_vec)))
            };
            assert_eq!(bounds(fresh), bounds(out), "{}", fresh.column_path());
            assert_eq!(fresh.num_values(), out.num_values(), "{}", fresh.column_path());
            assert_eq!(fresh.unencoded_byte_array_data_bytes(), out.unencoded_byte_array_data_bytes());
            assert_eq!(fresh.definition_level_histogram(), out.definition_level_histogram());
            assert_eq!(fresh.repetition_level_histogram(), out.repetition_level_histogram());
        }
    }
}

/// Reads through the page indexes, and compares what they say of each page with its rows.
fn assert_pages_are_told_right(out: &Bytes, rows: &RecordBatch) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(out.clone(), options).unwrap();
    let metadata = builder.metadata().clone();
    let (Some(columns), Some(offsets)) = (metadata.column_index(), metadata.offset_index()) else { return };

    let ranges = (0..rows.num_rows()).step_by(11).map(|start| start..(start + 3).min(rows.num_rows()));
    let selection = RowSelection::from_consecutive_ranges(ranges.clone(), rows.num_rows());
    let reader = builder.with_row_selection(selection).build().unwrap();
    let read: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    let slices: Vec<RecordBatch> = ranges.map(|range| rows.slice(range.start, range.len())).collect();
    let concat = |batches: &[RecordBatch]| arrow::compute::concat_batches(&schema(), batches).unwrap();
    assert_same("selected rows", &concat(&slices), &concat(&read));

    let arrow_schema = rows.schema();
    let parquet_schema = metadata.file_metadata().schema_descr();
    let mut first = 0;
    for (group, meta) in metadata.row_groups().iter().enumerate() {
        for name in ["id", "kind", "i32", "i64", "u32", "flag", "decimal", "fixed", "time", "f64"] {
            let converter = StatisticsConverter::try_new(name, &arrow_schema, parquet_schema).unwrap();
            let groups = [group];
            let mins = converter.data_page_mins(columns, offsets, &groups).unwrap();
            let maxs = converter.data_page_maxes(columns, offsets, &groups).unwrap();
            let nulls = converter.data_page_null_counts(columns, offsets, &groups).unwrap();
            let counts = converter.data_page_row_counts(offsets, metadata.row_groups(), &groups).unwrap().unwrap();
            assert_eq!(counts.iter().flatten().sum::<u64>(), meta.num_rows() as u64);
            let mut start = first;
            for page in 0..counts.len() {
                let values = rows.column_by_name(name).unwrap().slice(start, counts.value(page) as usize);
                start += values.len();
                if !nulls.is_null(page) {
                    assert_eq!(nulls.value(page), values.null_count() as u64, "{name}");
                }
                assert_bound(name, &mins, page, &values, |bound, values| cmp::lt_eq(bound, values));
                assert_bound(name, &maxs, page, &values, |bound, values| cmp::gt_eq(bound, values));
            }
        }
        first += meta.num_rows() as usize;
    }
}

type Compare = fn(&Scalar<ArrayRef>, &ArrayRef) -> Result<arrow::array::BooleanArray, arrow::error::ArrowError>;

/// Says that a page's bound holds for its values, and is one of them.
fn assert_bound(name: &str, bounds: &ArrayRef, page: usize, values: &ArrayRef, compare: Compare) {
    if bounds.is_null(page) {
        return;
    }
    let bound = Scalar::new(bounds.slice(page, 1));
    let holds = compare(&bound, values).unwrap();
    let floats = values.as_primitive_opt::<arrow::datatypes::Float64Type>();
    let is_nan = |at: usize| floats.is_some_and(|floats| floats.is_valid(at) && floats.value(at).is_nan());
    let is_right = (0..values.len()).all(|at| holds.is_null(at) || holds.value(at) || is_nan(at));
    assert!(is_right, "{name}: {bounds:?} at {page} for {values:?}");
    let is_zero = floats.is_some_and(|_| bounds.as_primitive::<arrow::datatypes::Float64Type>().value(page) == 0.0);
    assert!(
        is_zero || cmp::eq(&bound, values).unwrap().true_count() > 0,
        "{name}: {bounds:?} at {page} for {values:?}"
    );
}

fn assert_bloom_filters_hold_the_rows_alone(out: &Bytes, groups: &[RecordBatch]) {
    let file = open(out);
    let groups = groups.iter().filter(|group| group.num_rows() > 0);
    for (at, rows) in groups.enumerate() {
        let group = file.get_row_group(at).unwrap();
        let Some(held) = group.get_column_bloom_filter(0) else { continue };
        let mut rebuilt = Sbbf::new(&vec![0; held.num_blocks() * 32]);
        for id in rows.column(0).as_string::<i32>().iter().flatten() {
            rebuilt.insert(id);
        }
        let bytes = |filter: &Sbbf| {
            let mut bytes = Vec::new();
            filter.write_bitset(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(bytes(held), bytes(&rebuilt));
    }
}
