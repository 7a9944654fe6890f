//! Rows that are taken out of a Parquet file's pages are the rows that the library reads.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array, ListBuilder,
    MapBuilder, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use lacuna_scan::parquet::{Footer, KnownColumn, ParquetSearch, RowGroupTake, footer};
use lacuna_scan::{
    Effort, Epochs, Field as IdField, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Selector, TenantRule,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use proptest::prelude::*;

use crate::lists::pages_of_lists;

/// What a row is made of: a number, or nothing.
type Seed = Option<u8>;

fn table(seeds: &[Seed]) -> RecordBatch {
    let text = |seed: &Seed| seed.map(|n| format!("user-{}-{}", n % 7, "x".repeat(usize::from(n) % 20)));
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for seed in seeds {
        for n in 0..seed.unwrap_or(0) % 4 {
            let value = (n != 1).then(|| format!("e{n}-{seed:?}"));
            lists.values().append_option(value.clone());
            maps.keys().append_value(format!("k{n}"));
            maps.values().append_option(value);
        }
        lists.append(seed.is_some());
        maps.append(seed.is_some_and(|n| n % 5 != 0)).unwrap();
    }
    let texts = StringArray::from_iter(seeds.iter().map(text));
    let inner = Arc::new(Field::new("inner", DataType::Utf8, true));
    let valid = seeds.iter().map(|seed| seed.is_none_or(|n| n % 3 != 0)).collect();
    let structs = StructArray::new(vec![inner].into(), vec![Arc::new(texts.clone()) as ArrayRef], Some(valid));
    let ids = seeds.iter().map(|seed| seed.map(|n| [n; 16]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(texts)),
        ("int", Arc::new(Int64Array::from_iter(seeds.iter().map(|seed| seed.map(i64::from))))),
        ("unsigned", Arc::new(UInt32Array::from_iter_values(seeds.iter().map(|seed| u32::from(seed.unwrap_or(9)))))),
        ("float", Arc::new(Float64Array::from_iter(seeds.iter().map(|seed| seed.map(f64::from))))),
        ("flag", Arc::new(BooleanArray::from_iter(seeds.iter().map(|seed| seed.map(|n| n % 2 == 0))))),
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from_iter(seeds.iter().map(|s| s.map(i64::from))).with_timezone("UTC")),
        ),
        ("sum", Arc::new(Decimal128Array::from_iter(seeds.iter().map(|seed| seed.map(i128::from))))),
        ("id", Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, 16).unwrap())),
        ("within", Arc::new(structs)),
        ("list", Arc::new(lists.finish())),
        ("map", Arc::new(maps.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, name != "unsigned")))
        .unwrap()
}

fn read(bytes: Bytes, metadata: ParquetMetaData) -> RecordBatch {
    let arrow = ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new()).unwrap();
    let schema = arrow.schema().clone();
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, arrow).build().unwrap();
    concat_batches(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

/// The rows that hold this seed in `column`, and what the search of each row group knows of them.
fn found(file: &Bytes, column: &str, seed: u8, window: u64) -> (Vec<u64>, Vec<Vec<KnownColumn>>) {
    let byte = format!("{seed:02x}");
    let value = match column {
        "int" => seed.to_string(),
        "id" => {
            format!("{}-{}-{}-{}-{}", byte.repeat(4), byte.repeat(2), byte.repeat(2), byte.repeat(2), byte.repeat(6))
        }
        _ => format!("user-{}-{}", seed % 7, "x".repeat(usize::from(seed) % 20)),
    };
    found_value(file, column, &value, window)
}

fn found_value(file: &Bytes, column: &str, value: &str, window: u64) -> (Vec<u64>, Vec<Vec<KnownColumn>>) {
    let field = IdField::new(column.parse().unwrap(), Kind::new("id"));
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let selector = Selector { tenant: None, identifiers: vec![Identifier::new("id", value)] };
    let matcher = Arc::new(Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap());
    let Footer::Ready(metadata) = footer(file.len() as u64, file, &Limits::default()).unwrap() else { unreachable!() };
    let search = ParquetSearch::new(metadata, file.len() as u64, matcher, Limits::default()).unwrap();
    let (mut rows, mut known) = (Vec::new(), Vec::new());
    for group in 0..search.row_groups() {
        let mut group = search.row_group(group, true).unwrap();
        while let Some(range) = group.need(window) {
            group.feed(&file[range.start as usize..range.end as usize]).unwrap();
        }
        let group = group.finish();
        rows.extend(group.matches.rows());
        known.push(group.known);
    }
    (rows, known)
}

fn taken(
    file: &Bytes,
    metadata: &ParquetMetaData,
    rows: &[u64],
    known: &[Vec<KnownColumn>],
    window: u64,
) -> RecordBatch {
    taken_with(file, metadata, rows, known, window).0
}

/// The same, and what it took.
fn taken_with(
    file: &Bytes,
    metadata: &ParquetMetaData,
    rows: &[u64],
    known: &[Vec<KnownColumn>],
    window: u64,
) -> (RecordBatch, Effort) {
    let (mut all, mut took) = (None, Effort::default());
    let mut first = 0;
    for (group, sizes) in metadata.row_groups().iter().enumerate() {
        let end = first + sizes.num_rows() as u64;
        let inside: Arc<[u64]> = rows.iter().filter(|row| (first..end).contains(row)).map(|row| row - first).collect();
        first = end;
        if inside.is_empty() {
            continue;
        }
        let known = known.get(group).map_or(&[][..], Vec::as_slice);
        let mut take =
            RowGroupTake::new(metadata, file.len() as u64, group, &inside, |_| true, known, Limits::default()).unwrap();
        // What is known is not asked for.
        let asked: HashSet<usize> = take.needs(u64::MAX).into_iter().map(|(column, _)| column).collect();
        assert_eq!(asked.len(), sizes.num_columns() - known.len());
        loop {
            let needs = take.needs(window);
            if needs.is_empty() {
                break;
            }
            for (column, range) in needs {
                take.feed(column, &file.slice(range.start as usize..range.end as usize)).unwrap();
            }
        }
        let (rows, effort) = take.finish().unwrap();
        assert_eq!(effort.rows_decoded, rows.len() as u64);
        took += effort;
        match &mut all {
            None => all = Some(rows),
            Some(all) => all.append(rows),
        }
    }
    let (bytes, metadata) = all.unwrap().file(metadata).unwrap();
    (read(bytes, metadata), took)
}

proptest! {
    #[test]
    fn rows_are_as_the_library_reads_them(
        seeds in prop::collection::vec(any::<Seed>(), 1..200),
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
        (v2, dictionary, index) in any::<(bool, bool, bool)>(),
        page_rows in 1_usize..40,
        group_rows in 20_usize..200,
        delta: bool,
        window in 1_u64..3000,
    ) {
        let batch = table(&seeds);
        let mut properties = WriterProperties::builder()
            .set_writer_version(if v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
            .set_dictionary_enabled(dictionary)
            .set_dictionary_page_size_limit(if page_rows % 2 == 0 { 64 } else { 1 << 20 })
            .set_data_page_row_count_limit(page_rows)
            .set_write_batch_size(page_rows)
            .set_max_row_group_row_count(Some(group_rows))
            .set_statistics_enabled(if index { EnabledStatistics::Page } else { EnabledStatistics::None })
            .set_offset_index_disabled(!index)
            .set_compression(if delta { Compression::SNAPPY } else { Compression::UNCOMPRESSED });
        if delta && !dictionary {
            properties = properties
                .set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY)
                .set_column_encoding("int".into(), Encoding::DELTA_BINARY_PACKED)
                .set_column_encoding("float".into(), Encoding::BYTE_STREAM_SPLIT)
                .set_column_encoding("within.inner".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY);
        }
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let file = Bytes::from(out);
        let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        reader.try_parse(&file).unwrap();
        let metadata = reader.finish().unwrap();
        prop_assert_eq!(metadata.offset_index().is_some(), index);

        let mut rows: Vec<u64> = chosen.iter().map(|chosen| chosen.index(seeds.len()) as u64).collect();
        rows.sort_unstable();
        rows.dedup();
        let whole = read(file.clone(), metadata.clone());
        let expected = take_record_batch(&whole, &UInt64Array::from(rows.clone())).unwrap();
        prop_assert_eq!(taken(&file, &metadata, &rows, &[], window), expected);

        let column = ["text", "int", "id", "within.inner"][group_rows % 4];
        if let Some(seed) = seeds[chosen[0].index(seeds.len())] {
            let (rows, known) = found(&file, column, seed, window);
            prop_assert_eq!(rows.is_empty(), known.iter().all(Vec::is_empty));
            if !rows.is_empty() {
                let expected = take_record_batch(&whole, &UInt64Array::from(rows.clone())).unwrap();
                prop_assert_eq!(taken(&file, &metadata, &rows, &known, window), expected);
            }
        }
    }
}

fn codecs() -> Vec<Compression> {
    vec![
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ]
}

/// Large pages of `rows` rows: numbers and texts, all different or some again and again; one text has this length at a row.
fn large(rows: usize, codec: Compression, v2: bool, dictionary: bool, length: impl Fn(usize) -> usize) -> Bytes {
    let text = |row: usize| format!("{row:05}{}", "abcdefghijklmnopqrstuvwxyz".repeat(40)[..length(row)].to_owned());
    let columns: [(&str, ArrayRef); 4] = [
        ("number", Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|row| row * row)))),
        ("text", Arc::new(StringArray::from_iter_values((0..rows).map(text)))),
        ("often", Arc::new(StringArray::from_iter((0..rows).map(|row| (row % 3 > 0).then(|| text(row % 700)))))),
        ("flag", Arc::new(BooleanArray::from_iter((0..rows).map(|row| (row % 7 > 0).then_some(row % 2 == 0))))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(if v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
        .set_dictionary_enabled(dictionary)
        .set_encoding(Encoding::PLAIN)
        .set_compression(codec)
        .set_data_page_row_count_limit(rows)
        .set_data_page_size_limit(usize::MAX)
        .set_dictionary_page_size_limit(usize::MAX)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn metadata_of(file: &Bytes) -> ParquetMetaData {
    let mut reader = ParquetMetaDataReader::new();
    reader.try_parse(file).unwrap();
    reader.finish().unwrap()
}

#[test]
fn of_a_page_no_more_is_decompressed_than_its_rows_need() {
    for (codec, dictionary) in codecs().into_iter().flat_map(|codec| [(codec, false), (codec, true)]) {
        let file = large(250_000, codec, false, dictionary, |_| 20);
        let metadata = metadata_of(&file);
        let took = |row| taken_with(&file, &metadata, &[row], &[], u64::MAX).1.bytes_decompressed;
        let (first, middle, last) = (took(3), took(125_000), took(249_999));
        match codec {
            // The one of them goes from block to block, of 128 KiB at most.
            Compression::UNCOMPRESSED | Compression::ZSTD(_) => {
                assert!(10 * first < last && 4 * middle < 3 * last, "{codec}: {first}, {middle}, {last}");
            }
            // Their ends say whether what stands before them is whole.
            _ => assert_eq!(first, last, "{codec}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Also where values get longer or shorter within a page, so that it is not foretold how far a row is.
    #[test]
    fn rows_of_large_pages_are_as_the_library_reads_them(
        codec in prop::sample::select(codecs()),
        (v2, dictionary) in any::<(bool, bool)>(),
        lengths in prop::collection::vec(0_usize..1000, 1..8),
        rows in prop::collection::btree_set(0_u64..3000, 1..6),
        window in 100_u64..1_000_000,
    ) {
        let file = large(3000, codec, v2, dictionary, |row| lengths[row * lengths.len() / 3000]);
        let metadata = metadata_of(&file);
        let rows: Vec<u64> = rows.into_iter().collect();
        let expected = take_record_batch(&read(file.clone(), metadata.clone()), &UInt64Array::from(rows.clone())).unwrap();
        prop_assert_eq!(taken(&file, &metadata, &rows, &[], window), expected);
    }
}

#[test]
fn what_would_take_too_much_is_looked_up_again() {
    for (length, is_known) in [(100, true), (1000, false)] {
        let value = "u".repeat(length);
        let column: ArrayRef = Arc::new(StringArray::from(vec![value.as_str(); 2000]));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let (rows, known) = found_value(&out.into(), "text", &value, u64::MAX);
        assert_eq!((rows.len(), known[0].len()), (2000, usize::from(is_known)));
    }
}

/// A column of 32-bit numbers as differences, which are reckoned with 64 bits, as DuckDB does it, or with 32.
fn differences(numbers: &[u32], with_64: bool) -> Bytes {
    let column: ArrayRef = match with_64 {
        true => Arc::new(Int64Array::from_iter_values(numbers.iter().map(|&number| number.into()))),
        false => Arc::new(Int32Array::from_iter_values(numbers.iter().map(|&number| number.cast_signed()))),
    };
    let batch = RecordBatch::try_from_iter([("number", column)]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    let mut file = writer.into_inner().unwrap();
    if with_64 {
        // The type of the column: in the schema, before whether it is required, and in the chunk's metadata, before the encodings.
        for behind in [0x25, 0x19] {
            let at = file.windows(3).rposition(|window| window == [0x15, 4, behind]).unwrap();
            file[at + 1] = 2;
        }
    }
    file.into()
}

#[test]
fn numbers_of_32_bits_are_found_and_taken_whatever_their_differences_were_reckoned_with() {
    let numbers: Vec<u32> = [3_000_000_000, 7, u32::MAX, 0, 1 << 31].into_iter().cycle().take(1500).collect();
    for with_64 in [true, false] {
        let file = differences(&numbers, with_64);
        let metadata = metadata_of(&file);
        for number in [3_000_000_000, 7, u32::MAX] {
            let (rows, known) = found_value(&file, "number", &number.cast_signed().to_string(), 100);
            let wanted: Vec<u64> = (0..1500).filter(|&row| numbers[row as usize] == number).collect();
            assert_eq!(rows, wanted, "{number} {with_64}");
            let expected: ArrayRef = Arc::new(Int32Array::from(vec![number.cast_signed(); rows.len()]));
            for known in [&known[..], &[]] {
                let taken = taken(&file, &metadata, &rows, known, 100);
                assert_eq!(taken.column(0), &expected, "{number} {with_64}");
            }
        }
    }
}

#[test]
fn a_row_that_goes_on_in_other_pages_is_taken_whole() {
    let pages = [(true, [1, 2]), (false, [3, 4]), (false, [5, 6]), (true, [7, 8]), (true, [9, 10])];
    for created_by in ["parquet-rs version 30.0.0", "parquet-go version 18.1.0", ""] {
        let (file, metadata) = pages_of_lists(&pages, created_by);
        let whole = read(file.clone(), metadata.clone());
        assert_eq!(whole.num_rows(), 8);
        for row in 0..8 {
            assert_eq!(
                taken(&file, &metadata, &[row], &[], 7),
                whole.slice(row as usize, 1),
                "{created_by}, row {row}"
            );
        }
    }
}

#[test]
fn a_row_is_taken_whole_where_its_writer_counts_values() {
    let pages = [(true, [1, 2]), (false, [3, 4]), (true, [5, 6])];
    let (file, metadata) = pages_of_lists(&pages, "parquet-go version latest");
    let mut index = metadata.offset_index().unwrap().clone();
    for (page, first) in index[0][0].page_locations.iter_mut().zip([0, 2, 4]) {
        page.first_row_index = first;
    }
    let whole = read(file.clone(), metadata.clone());
    let metadata = metadata.into_builder().set_offset_index(Some(index)).build();
    assert_eq!(whole.num_rows(), 5);
    for row in 0..5 {
        assert_eq!(taken(&file, &metadata, &[row], &[], 7), whole.slice(row as usize, 1), "row {row}");
    }
}

/// Lists of users in pages of version 2, of which the headers count values as rows.
fn lists_with_wrong_counts() -> Bytes {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for list in [&["a", "b"][..], &["c"], &["a", "d", "e"], &["f"], &["b"], &["g", "g"]] {
        lists.append_value(list.iter().map(|user| Some(*user)));
    }
    let batch = RecordBatch::try_from_iter([("v", Arc::new(lists.finish()) as ArrayRef)]).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_row_count_limit(2)
        .set_write_batch_size(2);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    let mut file = writer.into_inner().unwrap();
    // Values, nulls and rows, doubled, as whole numbers are.
    let counts = |bytes: &[u8]| matches!(bytes, [0x15, values, 0x15, 0, 0x15, rows] if rows < values && *rows > 0);
    let pages: Vec<usize> = (0..file.len() - 6).filter(|&at| counts(&file[at..at + 6])).collect();
    assert!(pages.len() > 1);
    pages.into_iter().for_each(|at| file[at + 5] = file[at + 1]);
    file.into()
}

#[test]
fn rows_of_lists_are_counted_where_headers_count_values() {
    let file = lists_with_wrong_counts();
    let metadata = metadata_of(&file);
    let whole = read(file.clone(), metadata.clone());
    for (user, rows) in [("a", &[0, 2][..]), ("g", &[5]), ("nobody", &[])] {
        assert_eq!(found_value(&file, "v[]", user, 50).0, rows, "{user}");
        if !rows.is_empty() {
            let expected = take_record_batch(&whole, &UInt64Array::from(rows.to_vec())).unwrap();
            assert_eq!(taken(&file, &metadata, rows, &[], 50), expected, "{user}");
        }
    }
}
