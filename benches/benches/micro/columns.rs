//! Column chunks of one Parquet file: 1 row group of 262,144 ids. Throughput counts the ids' own 36 bytes, so that encodings compare.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use lacuna_scan::{
    Limits, Matcher,
    parquet::{Footer, ParquetSearch, footer},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    file::properties::{WriterProperties, WriterPropertiesBuilder},
};

use crate::whom::{ID_BYTES, NEEDLES, ROWS, id, ids, matcher};

/// Bytes handed over at a time, as the engine does.
const WINDOW: u64 = 4 << 20;

/// Each encoding, uncompressed, searched for one person.
pub(crate) fn encodings(criterion: &mut Criterion) {
    let mut group = group(criterion, "columns/encoding");
    let plain = || WriterProperties::builder().set_dictionary_enabled(false);
    for (name, properties) in [
        ("plain", plain()),
        ("dictionary", dictionary()),
        ("delta-length", plain().set_encoding(Encoding::DELTA_LENGTH_BYTE_ARRAY)),
        ("delta-bytes", plain().set_encoding(Encoding::DELTA_BYTE_ARRAY)),
    ] {
        bench(&mut group, BenchmarkId::from_parameter(name), properties, &matcher("UserId", 1, [id(7)].into_iter()));
    }
}

/// PLAIN pages in each codec, searched for one person.
pub(crate) fn codecs(criterion: &mut Criterion) {
    let mut group = group(criterion, "columns/codec");
    for (name, codec) in [("zstd", Compression::ZSTD(ZstdLevel::try_new(1).unwrap())), ("snappy", Compression::SNAPPY)]
    {
        let properties = WriterProperties::builder().set_dictionary_enabled(false).set_compression(codec);
        bench(&mut group, BenchmarkId::from_parameter(name), properties, &matcher("UserId", 1, [id(7)].into_iter()));
    }
}

/// PLAIN pages and dictionary indices, searched for more and more people, of whom ten are there.
pub(crate) fn needles(criterion: &mut Criterion) {
    let mut group = group(criterion, "columns/needles");
    for many in NEEDLES {
        let matcher = matcher("UserId", many, (0..10).map(id));
        let plain = WriterProperties::builder().set_dictionary_enabled(false);
        bench(&mut group, BenchmarkId::new("plain", many), plain, &matcher);
        bench(&mut group, BenchmarkId::new("dictionary", many), dictionary(), &matcher);
    }
}

fn dictionary() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_dictionary_page_size_limit(64 << 20)
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(ROWS * ID_BYTES));
    group
}

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    properties: WriterPropertiesBuilder,
    matcher: &Arc<Matcher>,
) {
    let file = file(properties);
    assert!(search(&file, matcher) > 0);
    group.bench_function(id, |bencher| bencher.iter(|| search(&file, matcher)));
}

fn file(properties: WriterPropertiesBuilder) -> Bytes {
    let batch = RecordBatch::try_from_iter([("UserId", ids())]).unwrap();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out.into()
}

/// How many rows match.
fn search(file: &Bytes, matcher: &Arc<Matcher>) -> u64 {
    let (limits, size) = (Limits::default(), file.len() as u64);
    let Footer::Ready(metadata) = footer(size, file, &limits).unwrap() else { return 0 };
    let search = ParquetSearch::new(metadata, size, matcher.clone(), limits).unwrap();
    let mut found = 0;
    for index in 0..search.row_groups() {
        let mut group = search.row_group(index, false).unwrap();
        while let Some(range) = group.need(WINDOW) {
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            group.feed(&file.slice(range)).unwrap();
        }
        found += group.finish().matches.iter().map(|(_, rows)| rows.len()).sum::<u64>();
    }
    found
}
