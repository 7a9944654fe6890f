//! `cargo xtask bench micro`: how many bytes a second each kernel of the scan searches, on one core and in memory.
//!
//! All go through the scan's public door, so a page's header and decompression, where it is compressed, are in its time.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

mod batches;
mod columns;
mod lines;
mod whom;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(20);
    targets = columns::encodings, columns::codecs, columns::needles, lines::needles, lines::codecs, batches::encodings
}
criterion_main!(kernels);
