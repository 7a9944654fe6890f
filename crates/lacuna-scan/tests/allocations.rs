//! How often a search allocates: buffers are made once and used again for every row, page, line and batch.
//!
//! Counted are the allocations of the thread that searches, in the second of two searches: what a thread keeps is there by then.
//! The same search over ten or a hundred times as much may allocate a little more often, as what grows does so by doubling. What
//! a codec written in C allocates is not seen.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use lacuna_scan::ipc::IpcSearch;
use lacuna_scan::parquet::{Footer, ParquetSearch, footer};
use lacuna_scan::text::blocks::BLOCK_BYTES;
use lacuna_scan::text::{CsvLayout, TextFormat, TextSearch};
use lacuna_scan::{
    Case, Epochs, Field, Identifier, IdentifierRule, Ignore, Kind, Limits, Mapping, Matcher, Selector, StreamSearch,
    TenantId, TenantRule,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use rayon::ThreadPoolBuilder;
use rstest::rstest;

/// Bytes handed over at a time: fewer than most pages and batches take, so that these are put together.
const PIECE: usize = 10_000;

/// Every so many rows is one of the person that is looked for: some of every page.
const EVERY: usize = 50;

fn me(row: usize) -> bool {
    row % EVERY == 7
}

/// A user's id. Some have capital letters, which are lowered before they are compared.
fn user(row: usize) -> String {
    if me(row) {
        "Me@example.com".to_owned()
    } else {
        format!("User-{:08x}@example.com", row * 0x9E37_79B1 % (1 << 32))
    }
}

/// Looks for `me` within tenant T.
fn matcher(case: Case) -> Arc<Matcher> {
    let field = Field { case, ..Field::new("user".parse().unwrap(), Kind::new("id")) };
    let mapping = Mapping {
        identifiers: vec![IdentifierRule::One(field)],
        tenant: TenantRule::Column("tenant".parse().unwrap()),
    };
    let me = Identifier::new("id", "Me@example.com");
    let selector = Selector { tenant: Some(TenantId::new("T")), identifiers: vec![me] };
    Arc::new(Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap())
}

/// The allocations of the second search, which finds as much as the first: all of `rows`.
fn allocations(rows: usize, search: impl Fn() -> u64) -> u64 {
    let matched = (0..rows).filter(|&row| me(row)).count() as u64;
    assert_eq!(search(), matched);
    let mut found = 0;
    let counted = allocation_counter::measure(|| found = search());
    assert_eq!(found, matched);
    counted.count_total
}

/// The `rows` rows from `first` on: user, tenant, and what is no one's.
fn batch(first: usize, rows: usize, has_nulls: bool) -> RecordBatch {
    let rows = first..first + rows;
    let is_there = |row: &usize| !has_nulls || !row.is_multiple_of(3) || me(*row);
    let users = StringArray::from_iter(rows.clone().map(|row| is_there(&row).then(|| user(row))));
    let tenants = StringArray::from_iter_values(rows.clone().map(|_| "T"));
    let other = StringArray::from_iter_values(rows.map(|row| format!("other {row}")));
    let columns = [("user", users), ("tenant", tenants), ("other", other)];
    RecordBatch::try_from_iter(columns.map(|(name, column)| (name, Arc::new(column) as ArrayRef))).unwrap()
}

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_dictionary_enabled(false)
}

fn dictionary() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_dictionary_page_size_limit(64 << 20)
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

/// One row group of so many pages.
fn parquet(layout: &WriterPropertiesBuilder, has_nulls: bool, pages: usize, page_rows: usize) -> Bytes {
    let properties = layout.clone().set_data_page_row_count_limit(page_rows).set_write_batch_size(page_rows).build();
    let batch = batch(0, pages * page_rows, has_nulls);
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out.into()
}

/// The footer is read once for a file, and not counted: it has a few bytes for each page where there is a page index.
fn search_parquet(file: &Bytes, rows: usize, case: Case) -> u64 {
    let (limits, size) = (Limits::default(), file.len() as u64);
    let Footer::Ready(metadata) = footer(size, file, &limits).unwrap() else { unreachable!() };
    let matcher = matcher(case);
    allocations(rows, || {
        let search = ParquetSearch::new(metadata.clone(), size, matcher.clone(), limits).unwrap();
        let mut group = search.row_group(0, false).unwrap();
        while let Some(range) = group.need(PIECE as u64) {
            group.feed(&file.slice(range.start as usize..range.end as usize)).unwrap();
        }
        group.finish().matches.count(0)
    })
}

#[rstest]
#[case::plain(plain(), false, Case::Sensitive)]
#[case::lowered(plain(), false, Case::Insensitive)]
#[case::nullable(plain(), true, Case::Sensitive)]
#[case::dictionary(dictionary(), false, Case::Sensitive)]
#[case::nullable_dictionary(dictionary(), true, Case::Sensitive)]
#[case::snappy(plain().set_compression(Compression::SNAPPY), true, Case::Sensitive)]
#[case::zstd(plain().set_compression(zstd()), true, Case::Sensitive)]
#[case::zstd_dictionary(dictionary().set_compression(zstd()), true, Case::Sensitive)]
#[case::version_2(plain().set_writer_version(WriterVersion::PARQUET_2_0).set_encoding(parquet::basic::Encoding::PLAIN), true, Case::Sensitive)]
#[case::without_index(plain().set_statistics_enabled(EnabledStatistics::None), false, Case::Sensitive)]
fn pages_and_their_rows_share_buffers(
    #[case] layout: WriterPropertiesBuilder,
    #[case] has_nulls: bool,
    #[case] case: Case,
) {
    const MORE: u64 = 100;
    let count =
        |pages, page_rows| search_parquet(&parquet(&layout, has_nulls, pages, page_rows), pages * page_rows, case);
    let few = count(10, 100);
    for (pages, page_rows) in [(1000, 100), (10, 10_000)] {
        let many = count(pages, page_rows);
        assert!(many <= few + MORE, "{pages} pages of {page_rows} rows: {many} allocations, and {few} for 10 of 100");
    }
}

fn ndjson(rows: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for row in 0..rows {
        let place = if row % 3 == 0 { r#""at":{"x":[1,2],"y":null},"# } else { "" };
        let (user, note) = (user(row), r#"says \"hi\" \u00e9"#);
        writeln!(text, r#"{{"tenant":"T",{place}"user":"{user}","n":{row},"note":"{note}"}}"#).unwrap();
    }
    text
}

fn csv(rows: usize) -> Vec<u8> {
    let mut text = b"tenant,user,note\n".to_vec();
    for row in 0..rows {
        writeln!(text, r#"T,"{}","says ""hi"", and more""#, user(row)).unwrap();
    }
    text
}

fn as_it_is(text: &[u8]) -> Vec<u8> {
    text.to_vec()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

/// On the one thread of a pool, where tasks run one after the other.
fn search_stream<S: StreamSearch>(stored: Vec<u8>, rows: usize, new: impl Fn() -> S + Sync) -> u64 {
    let stored = Bytes::from(stored);
    let search = || {
        let mut search = new();
        for start in (0..stored.len()).step_by(PIECE) {
            search.feed(stored.slice(start..stored.len().min(start + PIECE)), &mut Ignore).unwrap();
        }
        search.finish(&mut Ignore).unwrap().matches.count(0)
    };
    ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(|| allocations(rows, search))
}

#[rstest]
#[case::ndjson(TextFormat::Ndjson, ndjson, as_it_is, Case::Sensitive)]
#[case::ndjson_lowered(TextFormat::Ndjson, ndjson, as_it_is, Case::Insensitive)]
#[case::ndjson_gzip(TextFormat::Ndjson, ndjson, gzip, Case::Sensitive)]
#[case::ndjson_zstd(TextFormat::Ndjson, ndjson, zstandard, Case::Sensitive)]
#[case::csv(TextFormat::Csv(CsvLayout::default()), csv, as_it_is, Case::Sensitive)]
#[case::csv_zstd(TextFormat::Csv(CsvLayout::default()), csv, zstandard, Case::Sensitive)]
fn lines_share_the_buffers_of_their_block(
    #[case] format: TextFormat,
    #[case] write: fn(usize) -> Vec<u8>,
    #[case] compress: fn(&[u8]) -> Vec<u8>,
    #[case] case: Case,
) {
    // A block has thousands of lines, and is cut into a few tasks.
    const PER_BLOCK: u64 = 100;
    let matcher = matcher(case);
    let count = |rows| {
        let text = write(rows);
        let blocks = text.len().div_ceil(BLOCK_BYTES) as u64;
        let new = || TextSearch::new(format.clone(), matcher.clone(), Limits::default()).unwrap();
        (search_stream(compress(&text), rows, new), blocks)
    };
    let ((few, few_blocks), (many, many_blocks)) = (count(1000), count(100_000));
    let more = PER_BLOCK * (many_blocks - few_blocks);
    assert!(many <= few + more, "{many} allocations for {many_blocks} blocks, and {few} for {few_blocks}");
}

/// A stream of so many batches; with a dictionary, of users all in the first of them.
fn ipc(
    compression: Option<CompressionType>,
    has_dictionary: bool,
    has_nulls: bool,
    batches: usize,
    batch_rows: usize,
) -> Vec<u8> {
    let encode = |batch: RecordBatch| {
        if !has_dictionary {
            return batch;
        }
        let mut columns = batch.columns().to_vec();
        let keys = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        columns[0] = cast(&columns[0], &keys).unwrap();
        RecordBatch::try_from_iter(["user", "tenant", "other"].into_iter().zip(columns)).unwrap()
    };
    let whole = encode(batch(0, batches * batch_rows, has_nulls));
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &whole.schema(), options).unwrap();
    for at in 0..batches {
        writer.write(&whole.slice(at * batch_rows, batch_rows)).unwrap();
    }
    writer.into_inner().unwrap()
}

#[rstest]
#[case::plain(None, false, false)]
#[case::nullable(None, false, true)]
#[case::dictionary(None, true, true)]
#[case::lz4(Some(CompressionType::LZ4_FRAME), false, true)]
#[case::zstd(Some(CompressionType::ZSTD), false, true)]
fn rows_share_the_buffers_of_their_batch(
    #[case] compression: Option<CompressionType>,
    #[case] has_dictionary: bool,
    #[case] has_nulls: bool,
) {
    let matcher = matcher(Case::Sensitive);
    let count = |batches, batch_rows| {
        let stored = ipc(compression, has_dictionary, has_nulls, batches, batch_rows);
        search_stream(stored, batches * batch_rows, || IpcSearch::new(matcher.clone(), Limits::default()))
    };
    let few = count(10, 1000);
    let many_rows = count(10, 20_000);
    let many_batches = count(100, 1000);
    assert!(many_rows <= few + 10 * 20, "{many_rows} allocations, and {few} for a twentieth of the rows");
    assert!(many_batches <= few * 11, "{many_batches} allocations, and {few} for a tenth of the batches");
}
