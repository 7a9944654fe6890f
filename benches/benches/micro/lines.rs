//! The benchmarks' table as NDJSON: 40,000 lines. Throughput counts the text, decompressed.

use std::{fs, sync::Arc};

use bytes::Bytes;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use lacuna_benches::corpus::{Format, Role, Sample, TextCodec};
use lacuna_scan::{
    Ignore, Limits, Matcher, StreamSearch as _,
    text::{TextFormat, TextSearch},
};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::whom::{NEEDLES, matcher};

/// Bytes handed over at a time.
const PIECE: usize = 1 << 20;

/// Text as it is, searched for more and more people, of whom one is there.
pub(crate) fn needles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lines/needles");
    let shard = Shard::new(TextCodec::Plain);
    for many in NEEDLES {
        let matcher = matcher("UserId", many, [shard.user.clone()].into_iter());
        shard.bench(&mut group, BenchmarkId::from_parameter(many), &matcher);
    }
}

/// Each compression, searched for one person.
pub(crate) fn codecs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lines/codec");
    for (name, codec) in [("zstd", TextCodec::Zstd), ("gzip", TextCodec::Gzip), ("lz4", TextCodec::Lz4)] {
        let shard = Shard::new(codec);
        let matcher = matcher("UserId", 1, [shard.user.clone()].into_iter());
        shard.bench(&mut group, BenchmarkId::from_parameter(name), &matcher);
    }
}

struct Shard {
    bytes: Bytes,
    text_bytes: u64,
    user: String,
    rows: u64,
    one_thread: ThreadPool,
}

impl Shard {
    fn new(codec: TextCodec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |codec, name: &str| {
            let rows = 40_000;
            let (formats, text_codecs) = (vec![Format::Ndjson], vec![codec]);
            let sample = Sample { rows, shard_rows: rows, formats, text_codecs, ..Sample::benchmark() };
            sample.write(&dir.path().join(name), &|_| {}).unwrap()
        };
        let text_bytes = write(TextCodec::Plain, "plain").bytes;
        let written = write(codec, "compressed");
        let rare = written.person(Role::Rare).unwrap();
        Self {
            bytes: fs::read(written.dir.join(&written.sources[0].paths[0])).unwrap().into(),
            text_bytes,
            user: rare.identifier("object_id").unwrap().to_owned(),
            rows: rare.rows(),
            one_thread: ThreadPoolBuilder::new().num_threads(1).build().unwrap(),
        }
    }

    fn bench(&self, group: &mut BenchmarkGroup<'_, WallTime>, id: BenchmarkId, matcher: &Arc<Matcher>) {
        group.throughput(Throughput::Bytes(self.text_bytes));
        assert_eq!(self.search(matcher), self.rows);
        group.bench_function(id, |bencher| bencher.iter(|| self.search(matcher)));
    }

    /// How many rows match.
    fn search(&self, matcher: &Arc<Matcher>) -> u64 {
        self.one_thread.install(|| {
            let mut search = TextSearch::new(TextFormat::Ndjson, matcher.clone(), Limits::default()).unwrap();
            for start in (0..self.bytes.len()).step_by(PIECE) {
                let piece = self.bytes.slice(start..self.bytes.len().min(start + PIECE));
                search.feed(piece, &mut Ignore).unwrap();
            }
            let summary = search.finish(&mut Ignore).unwrap();
            summary.matches.iter().map(|(_, rows)| rows.len()).sum()
        })
    }
}
