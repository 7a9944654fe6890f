//! Text shards: what stays is the same, what goes is gone.

mod csv;
mod document;
mod members;
mod ndjson;
mod real;
mod survivors;

use std::io::Write as _;

use bytes::Bytes;
use lacuna_erase::{Change, Error, Rewritten, text};
use lacuna_scan::text::compression::Step;
use lacuna_scan::text::{CsvLayout, Decompressor, Member, TextFormat};
use lacuna_scan::{ColumnPath, Limits};
use roaring::RoaringTreemap;

/// Deletes rows, and keeps broken ones.
fn delete(stored: &[u8], format: &TextFormat, hits: &[u64]) -> Result<Vec<u8>, Error> {
    rewrite(stored, format, hits, Change::Delete, true).map(|(bytes, _)| bytes)
}

fn anonymize(stored: &[u8], format: &TextFormat, hits: &[u64], paths: &[&str]) -> Vec<u8> {
    let paths: Vec<ColumnPath> = paths.iter().map(|text| path(text)).collect();
    rewrite(stored, format, hits, Change::Anonymize(&paths), true).unwrap().0
}

fn rewrite(
    stored: &[u8],
    format: &TextFormat,
    hits: &[u64],
    change: Change<'_>,
    poison_keep: bool,
) -> Result<(Vec<u8>, Rewritten), Error> {
    let hits: RoaringTreemap = hits.iter().copied().collect();
    let (stored, mut out) = (Bytes::copy_from_slice(stored), Vec::new());
    let rewritten = text::rewrite(&stored, format, &hits, edit(change, poison_keep), &Limits::default(), &mut out)?;
    // Whatever is rewritten is proved.
    let after = Bytes::from(out);
    let proved = text::survivors(&stored, &after, format, &hits, change, &Limits::default()).unwrap();
    assert!(proved.rows >= rewritten.rows_after, "broken records count too");
    let out = after.to_vec();
    Ok((out, rewritten))
}

fn edit(change: Change<'_>, poison_keep: bool) -> text::Edit<'_> {
    text::Edit { change, poison_keep, noted: &[] }
}

fn document(records: &str) -> TextFormat {
    TextFormat::Document { records: path(records) }
}

fn csv_format() -> TextFormat {
    TextFormat::Csv(CsvLayout::default())
}

fn path(text: &str) -> ColumnPath {
    text.parse().unwrap()
}

/// Each member's header and text.
fn members(stored: &[u8]) -> Vec<(Member, Vec<u8>)> {
    let mut decompressor = Decompressor::new(&Limits::default());
    decompressor.push(stored.to_vec().into());
    decompressor.end();
    let mut members: Vec<(Member, Vec<u8>)> = Vec::new();
    let mut text = Vec::new();
    loop {
        match decompressor.pull(&mut text, 1 << 20).unwrap() {
            Step::Begin(member) => members.push((member, Vec::new())),
            Step::Data => members.last_mut().unwrap().1.append(&mut text),
            Step::End => {}
            Step::Hungry | Step::Done => return members,
        }
    }
}

fn unpack(stored: &[u8]) -> Vec<u8> {
    members(stored).into_iter().flat_map(|(_, text)| text).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new()
        .filename("x.json")
        .mtime(1_700_000_000)
        .operating_system(3)
        .write(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd_streamed(text: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd_whole(text: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(text, 1).unwrap()
}

fn lz4(text: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_size(lz4_flex::frame::BlockSize::Max64KB)
        .block_mode(lz4_flex::frame::BlockMode::Linked)
        .block_checksums(true)
        .content_checksum(true)
        .content_size(Some(text.len() as u64));
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn lz4_bare(text: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
