//! What a thread needs for page after page: codecs and buffers, made once and used again for every chunk that it works on.
//!
//! Made anew for each column chunk, contexts and buffers would cost a page fault for every 4 KiB of them.

use std::cell::RefCell;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use parquet::basic::Compression;
use parquet::compression::{Codec, CodecOptions, CodecOptionsBuilder, create_codec};
use parquet::errors::{ParquetError, Result};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

thread_local! {
    static WORKBENCH: RefCell<Workbench> = RefCell::default();
}

#[derive(Default)]
struct Workbench {
    codecs: Vec<(Compression, Box<dyn Codec>)>,
    /// For the beginnings of pages.
    zstd: Option<Decoder<'static>>,
    buffers: Option<Buffers>,
    /// For what outlives a page.
    spare: Vec<Vec<u8>>,
}

/// A page, decompressed, and its repetition levels.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) page: Vec<u8>,
    pub(super) rep: Vec<u32>,
}

/// A buffer that grew beyond this for some page is not kept for the others.
const KEPT_BYTES_MAX: usize = 16 << 20;

impl Buffers {
    /// This thread's buffers. Give them [back](Self::put_back).
    pub(super) fn take() -> Self {
        WORKBENCH.with_borrow_mut(|bench| bench.buffers.take()).unwrap_or_default()
    }

    pub(super) fn put_back(self) {
        if self.page.capacity() + 4 * self.rep.capacity() <= KEPT_BYTES_MAX {
            WORKBENCH.with_borrow_mut(|bench| bench.buffers = Some(self));
        }
    }
}

/// How many buffers of what outlives a page are kept.
const SPARE_MAX: usize = 4;

/// An empty buffer, maybe one that had much in it.
pub(super) fn take_spare() -> Vec<u8> {
    WORKBENCH.with_borrow_mut(|bench| bench.spare.pop()).unwrap_or_default()
}

/// Keeps a buffer that is not needed any more.
pub(super) fn put_spare(mut buffer: Vec<u8>) {
    buffer.clear();
    // A thread that ends has no workbench any more.
    let _ = WORKBENCH.try_with(|bench| {
        let mut bench = bench.borrow_mut();
        if bench.spare.len() < SPARE_MAX && buffer.capacity() <= KEPT_BYTES_MAX / SPARE_MAX {
            bench.spare.push(buffer);
        }
    });
}

/// Appends the `size` bytes that `page` expands to; a few more at most, where it expands further.
///
/// # Errors
/// What the codec says of bytes that it did not make, or of more than `size`.
pub fn decompress(compression: Compression, page: &[u8], size: usize, into: &mut Vec<u8>) -> Result<()> {
    match compression {
        // The library lets these expand as far as they do.
        Compression::GZIP(_) => read_bounded(MultiGzDecoder::new(page), size, into),
        Compression::BROTLI(_) => read_bounded(brotli::Decompressor::new(page, BROTLI_BUFFER_BYTES), size, into),
        Compression::LZ4 => {
            // As Hadoop frames it, in frames of its own, or in none: writers disagree.
            let start = into.len();
            let lz4 = |codec: Option<Box<dyn Codec>>, into: &mut Vec<u8>| {
                into.truncate(start);
                codec.map_or(Ok(()), |mut codec| run(codec.as_mut(), page, size, into))
            };
            let hadoop = CodecOptionsBuilder::default().set_backward_compatible_lz4(false).build();
            lz4(create_codec(compression, &hadoop)?, into)
                .or_else(|_| {
                    into.truncate(start);
                    read_bounded(FrameDecoder::new(page), size, into)
                })
                .or_else(|_| lz4(create_codec(Compression::LZ4_RAW, &CodecOptions::default())?, into))
        }
        _ => with_codec(compression, page, size, into),
    }
}

/// What a zstd frame says of itself first, from the magic number to the descriptor of the rest (RFC 8878, 3.1.1).
const FRAME_START_BYTES: usize = 5;

/// Appends what `page`, which expands to `size` bytes, begins with: `wanted` bytes at least, where the codec need not go on to the end for
/// them. That is zstd, without a checksum: what is damaged in a block shows within it, or not at all.
///
/// # Errors
/// As [`decompress`].
pub(super) fn decompress_beginning(
    compression: Compression,
    page: &[u8],
    size: usize,
    wanted: usize,
    into: &mut Vec<u8>,
) -> Result<()> {
    match compression {
        Compression::ZSTD(_) if !has_checksum(page) => WORKBENCH.with_borrow_mut(|bench| {
            let decoder = match &mut bench.zstd {
                Some(decoder) => decoder,
                none => {
                    let mut decoder = Decoder::new()?;
                    decoder.set_parameter(DParameter::StableOutBuffer(true))?;
                    none.insert(decoder)
                }
            };
            decoder.reinit()?;
            let start = into.len();
            into.reserve(size);
            let mut out = OutBuffer::around_pos(into, start);
            // Given no more than it asks for, it goes on block by block, and straight to where they belong.
            let (mut taken, mut asks) = (0_usize, FRAME_START_BYTES);
            while out.pos() < start + wanted {
                let given = &page[taken..page.len().min(taken.saturating_add(asks))];
                if given.is_empty() {
                    return Err(ParquetError::EOF("a page ends before its last byte".to_owned()));
                }
                let mut given = InBuffer::around(given);
                asks = decoder.run(&mut given, &mut out)?;
                taken += given.pos();
            }
            Ok(())
        }),
        // Only their ends say whether what stands before them is whole: gzip has its checksum there, and Snappy comes to the length that it
        // names. To add up the rest of a Snappy page would take as long as to expand it.
        _ => decompress(compression, page, size, into),
    }
}

/// Whether a zstd frame ends with a checksum of what it holds: the third bit of the byte behind the magic number (RFC 8878, 3.1.1.1.1).
fn has_checksum(frame: &[u8]) -> bool {
    frame.get(4).is_none_or(|descriptor| descriptor >> 2 & 1 == 1)
}

/// As much as the library uses where a page does not say its size.
const BROTLI_BUFFER_BYTES: usize = 4096;

fn read_bounded(reader: impl Read, size: usize, into: &mut Vec<u8>) -> Result<()> {
    reader.take(size as u64 + 1).read_to_end(into)?;
    Ok(())
}

fn with_codec(compression: Compression, page: &[u8], size: usize, into: &mut Vec<u8>) -> Result<()> {
    WORKBENCH.with_borrow_mut(|bench| {
        let at = match bench.codecs.iter().position(|(have, _)| *have == compression) {
            Some(at) => at,
            None => match create_codec(compression, &CodecOptions::default())? {
                Some(codec) => {
                    bench.codecs.push((compression, codec));
                    bench.codecs.len() - 1
                }
                None => {
                    into.extend_from_slice(page);
                    return Ok(());
                }
            },
        };
        run(bench.codecs[at].1.as_mut(), page, size, into)
    })
}

/// What falls short of `size` stays so: some of the library's codecs leave zeros behind it.
fn run(codec: &mut dyn Codec, page: &[u8], size: usize, into: &mut Vec<u8>) -> Result<()> {
    let start = into.len();
    let length = codec.decompress(page, into, Some(size))?;
    into.truncate(start + length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use parquet::basic::{BrotliLevel, GzipLevel, ZstdLevel};

    use super::*;

    #[test]
    fn no_page_expands_further_than_it_says() {
        let expanded = vec![0; 8 << 20];
        let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
        frame.write_all(&expanded).unwrap();
        let frame = frame.finish().unwrap();
        let codecs = [
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
            Compression::LZ4_RAW,
            Compression::LZ4,
        ];
        let mut pages: Vec<(Compression, Vec<u8>)> = codecs
            .map(|codec| {
                let mut page = Vec::new();
                create_codec(codec, &CodecOptions::default()).unwrap().unwrap().compress(&expanded, &mut page).unwrap();
                (codec, page)
            })
            .into();
        pages.push((Compression::LZ4, frame));
        pages.push((Compression::LZ4, lz4_flex::block::compress(&expanded)));
        for (codec, page) in pages {
            let mut into = Vec::new();
            decompress(codec, &page, expanded.len(), &mut into).unwrap();
            assert!(into == expanded, "{codec}");
            let mut into = Vec::new();
            let failed = decompress(codec, &page, 1000, &mut into).is_err();
            assert!((failed || into.len() != 1000) && into.capacity() < 1 << 20, "{codec}: {}", into.capacity());
            let mut into = Vec::new();
            let failed = decompress(codec, &page, expanded.len() + 1, &mut into).is_err();
            assert!(failed || into.len() == expanded.len(), "{codec} makes up what a page lacks");
        }
    }

    #[test]
    fn a_frame_with_a_checksum_is_checked_whole() {
        // Random bytes are stored as they are: nothing but the checksum shows what was changed.
        let mut state = 1_u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(300_000)
        .collect();
        for has_sum in [false, true] {
            let mut encoder = zstd::bulk::Compressor::new(1).unwrap();
            encoder.include_checksum(has_sum).unwrap();
            let mut page = encoder.compress(&bytes).unwrap();
            assert_eq!(has_checksum(&page), has_sum);
            let begin = |page: &[u8]| {
                let mut into = Vec::new();
                decompress_beginning(Compression::ZSTD(ZstdLevel::default()), page, bytes.len(), 1000, &mut into)
                    .map(|()| into)
            };
            let begun = begin(&page).unwrap();
            assert!((begun.len() == bytes.len()) == has_sum && begun[..1000] == bytes[..1000], "{}", begun.len());
            page[500] ^= 1;
            assert_eq!(begin(&page).is_err(), has_sum);
        }
    }

    #[test]
    fn a_frame_whose_window_is_larger_than_usual_is_decompressed_whole() {
        // That the first part goes out before the second comes keeps the frame from naming its size in place of a window.
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(b"first").unwrap();
        encoder.flush().unwrap();
        encoder.write_all(b", second").unwrap();
        let mut page = encoder.finish().unwrap();
        for (log, is_begun) in [(28, false), (27, true)] {
            // RFC 8878, 3.1.1.1.2.
            page[5] = (log - 10) << 3;
            let (codec, mut into) = (Compression::ZSTD(ZstdLevel::default()), Vec::new());
            assert_eq!(decompress_beginning(codec, &page, 13, 5, &mut into).is_ok(), is_begun, "{log}");
            into.clear();
            decompress(codec, &page, 13, &mut into).unwrap();
            assert_eq!(into, b"first, second", "{log}");
        }
    }

    #[test]
    fn no_more_of_a_page_is_decompressed_than_its_beginning_takes() {
        let bytes: Vec<u8> =
            (0..1_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let codec = Compression::ZSTD(ZstdLevel::default());
        let mut page = Vec::new();
        create_codec(codec, &CodecOptions::default()).unwrap().unwrap().compress(&bytes, &mut page).unwrap();
        let mut into = Vec::from(*b"before");
        for wanted in [1, 100_000, 2_000_000, 3_900_000] {
            into.truncate(6);
            decompress_beginning(codec, &page, bytes.len(), wanted, &mut into).unwrap();
            let begun = into.len() - 6;
            assert!(
                into[6..] == bytes[..begun] && (wanted..wanted + (256 << 10)).contains(&begun),
                "{wanted}: {begun}"
            );
        }
        page.truncate(page.len() / 2);
        into.clear();
        assert!(decompress_beginning(codec, &page, bytes.len(), 3_900_000, &mut into).is_err());
    }
}
