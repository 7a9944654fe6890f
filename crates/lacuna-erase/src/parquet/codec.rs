//! Pages unpacked and packed again, by the codec that they were packed with. Never more bytes than the page's header promises.

use std::cell::RefCell;
use std::io::{Read, Write};

use bytes::Bytes;
use lacuna_scan::parquet::decompress;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::compression::{CodecOptions, create_codec};
use zstd::bulk::Compressor;

use super::spare;
use crate::{Error, Result};

/// How a page is packed. Levels are not recorded in a file: packing uses the codec's usual one, and a higher one where that does not make
/// the page about as small as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// As it is.
    None,
    /// What the `parquet` crate packs and unpacks within a given size.
    Bounded(Compression),
    Gzip,
    Brotli,
    /// `LZ4`, the deprecated codec: three framings exist under this one name.
    Lz4(Lz4),
    /// A codec that nothing here reads.
    Unknown(i64),
}

/// The framings that writers used for the codec `LZ4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lz4 {
    /// Not seen yet.
    Unseen,
    /// Big-endian sizes in front of each block, as Hadoop writes them.
    Hadoop,
    /// LZ4 frames.
    Frame,
    /// A bare block.
    Block,
}

impl Codec {
    /// The codec of this number in `CompressionCodec` of the Parquet format.
    pub(super) fn new(number: i64) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Bounded(Compression::SNAPPY),
            2 => Self::Gzip,
            4 => Self::Brotli,
            5 => Self::Lz4(Lz4::Unseen),
            6 => Self::Bounded(Compression::ZSTD(ZstdLevel::default())),
            7 => Self::Bounded(Compression::LZ4_RAW),
            other => Self::Unknown(other),
        }
    }

    /// Unpacks `packed`, which lies at `offset` of the file and must give exactly `size` bytes. Learns which framing `LZ4` has.
    pub(super) fn unpack(&mut self, packed: &Bytes, size: usize, offset: u64) -> Result<Bytes> {
        let wrong = || malformed(offset, "a page does not decompress to the size that its header says");
        // Writers disagree on how nothing is packed.
        if size == 0 {
            return Ok(Bytes::new());
        }
        let unpacked = match self {
            Self::None => return if packed.len() == size { Ok(packed.clone()) } else { Err(wrong()) },
            Self::Bounded(compression) => unpack(*compression, packed, size, offset)?,
            Self::Gzip => unpack(Compression::GZIP(GzipLevel::default()), packed, size, offset)?,
            Self::Brotli => unpack(Compression::BROTLI(BrotliLevel::default()), packed, size, offset)?,
            Self::Lz4(framing) => {
                let (seen, out) = unpack_lz4(packed, size).ok_or_else(wrong)?;
                *framing = seen;
                out
            }
            Self::Unknown(number) => return Err(unknown(*number)),
        };
        if unpacked.len() == size { Ok(spare::bytes(unpacked)) } else { Err(wrong()) }
    }

    /// Packs `bytes`, which take the place of a page of `was` bytes: packed, and before.
    pub(super) fn pack(self, bytes: &[u8], was: (usize, usize)) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            Self::None => out.extend_from_slice(bytes),
            Self::Bounded(Compression::ZSTD(_)) => out = as_small(bytes, was, ZSTD_LEVELS.len(), pack_zstd)?,
            Self::Bounded(compression) => {
                if let Some(mut codec) = create_codec(compression, &CodecOptions::default()).map_err(failed)? {
                    codec.compress(bytes, &mut out).map_err(failed)?;
                }
            }
            Self::Gzip => out = as_small(bytes, was, GZIP_LEVELS.len(), pack_gzip)?,
            Self::Brotli => out = as_small(bytes, was, BROTLI_LEVELS.len(), pack_brotli)?,
            Self::Lz4(Lz4::Block) => out = lz4_flex::block::compress(bytes),
            Self::Lz4(Lz4::Frame) => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(&mut out);
                encoder.write_all(bytes)?;
                encoder.finish().map_err(std::io::Error::from)?;
            }
            Self::Lz4(Lz4::Hadoop | Lz4::Unseen) => {
                let block = lz4_flex::block::compress(bytes);
                for length in [bytes.len(), block.len()] {
                    out.extend(u32::try_from(length).map_err(std::io::Error::other)?.to_be_bytes());
                }
                out.extend(block);
            }
            Self::Unknown(number) => return Err(unknown(number)),
        }
        Ok(out)
    }
}

/// What Arrow's and Rust's writers use where nothing else is said; what Spark, DuckDB and parquet-java do; and what takes a page in a moment
/// still.
const ZSTD_LEVELS: [i32; 3] = [1, 3, 9];
/// The usual one, and the one that packs best: the usual one of other libraries makes repetitive text smaller than this one's.
const GZIP_LEVELS: [u32; 2] = [6, 8];
/// Near the usual ones, and what takes a page in a moment still.
const BROTLI_LEVELS: [u32; 2] = [5, 9];

/// A page that grows by more than this many percent, for its length, was packed at a higher level.
const GROWS_BY: usize = 2;

thread_local! {
    /// Made once for a thread: for each page, a context would cost more page faults than bytes.
    static ZSTD: RefCell<[Option<Compressor<'static>>; ZSTD_LEVELS.len()]> = const { RefCell::new([const { None }; ZSTD_LEVELS.len()]) };
}

fn unpack(compression: Compression, packed: &[u8], size: usize, offset: u64) -> Result<Vec<u8>> {
    let mut out = spare::take(size);
    let unpacked = decompress(compression, packed, size, &mut out);
    unpacked.map_err(|_| malformed(offset, "a page cannot be decompressed"))?;
    Ok(out)
}

/// Packs `bytes` at the first of so many levels that makes them about as small as the page was, for its length; else at the one that makes
/// them smallest. Zstandard's level 1 takes half the time of level 3.
fn as_small(
    bytes: &[u8],
    (packed, unpacked): (usize, usize),
    levels: usize,
    pack: impl Fn(&[u8], usize) -> std::io::Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let bearable = packed.saturating_mul(bytes.len()) / unpacked.max(1);
    let bearable = bearable.saturating_add(bearable * GROWS_BY / 100);
    let mut smallest = pack(bytes, 0)?;
    for level in 1..levels {
        if smallest.len() <= bearable {
            break;
        }
        let other = pack(bytes, level)?;
        if other.len() < smallest.len() {
            spare::give(std::mem::replace(&mut smallest, other));
        } else {
            spare::give(other);
        }
    }
    Ok(smallest)
}

fn pack_zstd(bytes: &[u8], level: usize) -> std::io::Result<Vec<u8>> {
    ZSTD.with_borrow_mut(|compressors| {
        let compressor = match &mut compressors[level] {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(ZSTD_LEVELS[level])?),
        };
        let mut out = spare::take(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, &mut out)?;
        Ok(out)
    })
}

fn pack_gzip(bytes: &[u8], level: usize) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVELS[level]));
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn pack_brotli(bytes: &[u8], level: usize) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut out, 64 << 10, BROTLI_LEVELS[level], 22);
    encoder.write_all(bytes)?;
    encoder.flush()?;
    drop(encoder);
    Ok(out)
}

fn unpack_lz4(packed: &[u8], size: usize) -> Option<(Lz4, Vec<u8>)> {
    if let Some(out) = unpack_hadoop(packed, size) {
        return Some((Lz4::Hadoop, out));
    }
    let mut out = Vec::new();
    // As far as the page says, and a byte more that tells whether that is all.
    let read = lz4_flex::frame::FrameDecoder::new(packed).take(size as u64 + 1).read_to_end(&mut out);
    if read.is_ok() && out.len() == size {
        return Some((Lz4::Frame, out));
    }
    let mut out = vec![0; size];
    let length = lz4_flex::block::decompress_into(packed, &mut out).ok()?;
    (length == size).then_some((Lz4::Block, out))
}

/// Blocks, each behind its unpacked and its packed size as big-endian 32-bit numbers.
fn unpack_hadoop(mut packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; size];
    let mut at = 0_usize;
    while !packed.is_empty() {
        let (unpacked_size, rest) = packed.split_first_chunk()?;
        let (packed_size, rest) = rest.split_first_chunk()?;
        let unpacked_size = u32::from_be_bytes(*unpacked_size) as usize;
        let (block, rest) = rest.split_at_checked(u32::from_be_bytes(*packed_size) as usize)?;
        let target = out.get_mut(at..at.checked_add(unpacked_size)?)?;
        if lz4_flex::block::decompress_into(block, target).ok()? != unpacked_size {
            return None;
        }
        at += unpacked_size;
        packed = rest;
    }
    (at == size).then_some(out)
}

fn failed(source: parquet::errors::ParquetError) -> Error {
    Error::Parquet { place: "compression of a page".into(), source }
}

fn malformed(offset: u64, what: &'static str) -> Error {
    lacuna_scan::Error::malformed(offset, what).into()
}

fn unknown(number: i64) -> Error {
    let name = if number == 3 { "LZO".to_owned() } else { format!("number {number}") };
    Error::Unfaithful(format!("nothing here writes the compression codec {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_packed_harder_does_not_grow_much() {
        // A few long stack traces, again and again.
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        let frame =
            |number: u32| format!("\n  at com.contoso.{:06x}.{:06x}({number}.java)", number, number ^ 0x5a_5a5a);
        let traces: Vec<String> = (0..6).map(|_| (0..60).map(|_| frame(random())).collect()).collect();
        let text: String = (0..400).map(|at| format!("{at} ERR {}", traces[random() as usize % 6])).collect();
        let bytes = text.as_bytes();
        type Pack = fn(&[u8], usize) -> std::io::Result<Vec<u8>>;
        let packs: [(Codec, Pack, usize); 3] = [
            (Codec::Gzip, pack_gzip, GZIP_LEVELS.len()),
            (Codec::Brotli, pack_brotli, BROTLI_LEVELS.len()),
            (Codec::new(6), pack_zstd, ZSTD_LEVELS.len()),
        ];
        for (codec, pack, levels) in packs {
            let sizes: Vec<usize> = (0..levels).map(|level| pack(bytes, level).unwrap().len()).collect();
            for &size in &sizes {
                let again = codec.pack(bytes, (size, bytes.len())).unwrap().len();
                assert!(again <= size + size * GROWS_BY / 100, "{codec:?} {size} {again}");
            }
            // What no level reaches is packed as well as one can.
            let hardest = codec.pack(bytes, (10, bytes.len())).unwrap().len();
            assert_eq!(Some(&hardest), sizes.iter().min(), "{codec:?} {sizes:?}");
            // As other libraries pack this by their usual level.
            assert!(codec != Codec::Gzip || hardest * 4 < sizes[0] * 3, "{sizes:?}");
        }
    }

    #[test]
    fn every_codec_packs_what_it_unpacks() {
        let lz4 = [Codec::Lz4(Lz4::Hadoop), Codec::Lz4(Lz4::Frame), Codec::Lz4(Lz4::Block)];
        let codecs: Vec<_> = [0, 1, 2, 4, 6, 7].map(Codec::new).into_iter().chain(lz4).collect();
        for length in [1, 100, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            for &codec in &codecs {
                let packed = Bytes::from(codec.pack(&bytes, (0, 0)).unwrap());
                let mut seen = if matches!(codec, Codec::Lz4(_)) { Codec::Lz4(Lz4::Unseen) } else { codec };
                assert_eq!(seen.unpack(&packed, bytes.len(), 0).unwrap(), bytes, "{codec:?}");
                assert_eq!(seen, codec);
                // A size that is not the real one is an error, and never a larger buffer.
                assert!(seen.unpack(&packed, bytes.len() - 1, 0).is_err() || bytes.len() == 1, "{codec:?}");
                assert!(seen.unpack(&packed, bytes.len() + 1, 0).is_err(), "{codec:?}");
            }
        }
    }
}
