//! Arrow IPC streams: 262,144 ids in 16 batches. Throughput counts the ids' own 36 bytes, so that encodings compare.

use std::sync::Arc;

use arrow::{
    compute::cast,
    datatypes::DataType,
    ipc::{
        CompressionType,
        writer::{IpcWriteOptions, StreamWriter},
    },
    record_batch::RecordBatch,
};
use bytes::Bytes;
use criterion::{Criterion, Throughput};
use lacuna_scan::{Ignore, Limits, Matcher, StreamSearch as _, ipc::IpcSearch};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::whom::{ID_BYTES, ROWS, id, ids, matcher};

const BATCH_ROWS: usize = 16_384;
/// Bytes handed over at a time, as the engine does.
const WINDOW: usize = 4 << 20;

/// Each encoding and each compression of the buffers, searched for one person.
pub(crate) fn encodings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batches/encoding");
    group.throughput(Throughput::Bytes(ROWS * ID_BYTES));
    let one_thread = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let matcher = matcher("UserId", 1, [id(7)].into_iter());
    for (name, type_of_ids, compression) in [
        ("plain", DataType::Utf8, None),
        ("dictionary", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), None),
        ("lz4", DataType::Utf8, Some(CompressionType::LZ4_FRAME)),
        ("zstd", DataType::Utf8, Some(CompressionType::ZSTD)),
    ] {
        let stream = stream(&type_of_ids, compression);
        assert!(search(&one_thread, &stream, &matcher) > 0);
        group.bench_function(name, |bencher| bencher.iter(|| search(&one_thread, &stream, &matcher)));
    }
}

fn stream(type_of_ids: &DataType, compression: Option<CompressionType>) -> Bytes {
    let batch = RecordBatch::try_from_iter([("UserId", cast(&ids(), type_of_ids).unwrap())]).unwrap();
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    for first in (0..batch.num_rows()).step_by(BATCH_ROWS) {
        writer.write(&batch.slice(first, BATCH_ROWS)).unwrap();
    }
    writer.into_inner().unwrap().into()
}

/// How many rows match.
fn search(one_thread: &ThreadPool, stream: &Bytes, matcher: &Arc<Matcher>) -> u64 {
    one_thread.install(|| {
        let mut search = IpcSearch::new(matcher.clone(), Limits::default());
        for start in (0..stream.len()).step_by(WINDOW) {
            search.feed(stream.slice(start..stream.len().min(start + WINDOW)), &mut Ignore).unwrap();
        }
        let summary = search.finish(&mut Ignore).unwrap();
        summary.matches.iter().map(|(_, rows)| rows.len()).sum()
    })
}
