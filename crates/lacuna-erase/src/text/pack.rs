//! One compressed member, made like the one that it replaces.

use std::io::{self, Write};

use flate2::GzBuilder;
use flate2::write::GzEncoder;
use lacuna_scan::text::Member;
use lacuna_scan::text::compression::{GzipHeader, Lz4Header, ZstdHeader};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdEncoder;

/// Zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// Packed bytes are written on in such portions.
const PORTION: usize = 64 << 10;

/// Compresses one member.
pub(super) struct Packer {
    codec: Codec,
    /// The text so far.
    text_bytes: u64,
    /// A length stands in front, the text's or the member's own: so many packed bytes are held until it is known.
    hold_max: Option<usize>,
    /// Where bgzip's length of the member stands.
    block_size: Option<usize>,
}

enum Codec {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>, FrameInfo),
}

impl Packer {
    /// Packs as `member` was packed, at `level` where that is known.
    pub(super) fn new(member: &Member, level: Option<i32>, hold_max: usize) -> io::Result<Self> {
        let mut block_size = None;
        let (codec, has_content_size) = match member {
            Member::Plain => (Codec::Plain(Vec::new()), false),
            Member::Gzip(header) => {
                let (encoder, at) = gzip(header);
                block_size = at;
                (Codec::Gzip(encoder), false)
            }
            Member::Zstd(header) => (Codec::Zstd(zstd(header, level.unwrap_or(ZSTD_LEVEL))?), header.has_content_size),
            Member::Lz4(header) => {
                let info = lz4(header);
                (
                    Codec::Lz4(Box::new(FrameEncoder::with_frame_info(info.clone(), Vec::new())), info),
                    header.has_content_size,
                )
            }
        };
        let hold_max = if block_size.is_some() { Some(BLOCK_MAX + 1) } else { has_content_size.then_some(hold_max) };
        Ok(Self { codec, text_bytes: 0, hold_max, block_size })
    }

    /// Packs text, and writes on what is packed.
    pub(super) fn write(&mut self, text: &[u8], out: &mut dyn Write) -> io::Result<()> {
        self.text_bytes += text.len() as u64;
        let packed = match &mut self.codec {
            Codec::Plain(packed) => {
                packed.extend_from_slice(text);
                packed
            }
            Codec::Gzip(encoder) => {
                encoder.write_all(text)?;
                encoder.get_mut()
            }
            Codec::Zstd(encoder) => {
                encoder.write_all(text)?;
                encoder.get_mut()
            }
            Codec::Lz4(encoder, _) => {
                encoder.write_all(text)?;
                encoder.get_mut()
            }
        };
        if packed.len() >= self.hold_max.unwrap_or(PORTION) {
            if let Some(at) = self.block_size.take() {
                drop_block_size(packed, at);
            }
            out.write_all(packed)?;
            packed.clear();
            self.hold_max = None;
        }
        Ok(())
    }

    /// Writes on all of it.
    pub(super) fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        let is_held = self.hold_max.is_some();
        let packed = match self.codec {
            Codec::Plain(packed) => packed,
            Codec::Gzip(encoder) => {
                let mut packed = encoder.finish()?;
                match (self.block_size, u16::try_from(packed.len().saturating_sub(1))) {
                    (Some(at), Ok(last)) => packed[at..at + 2].copy_from_slice(&last.to_le_bytes()),
                    (Some(at), Err(_)) => drop_block_size(&mut packed, at),
                    (None, _) => {}
                }
                packed
            }
            Codec::Zstd(encoder) => {
                let packed = encoder.finish()?;
                if is_held { with_zstd_content_size(packed, self.text_bytes) } else { packed }
            }
            Codec::Lz4(encoder, info) => {
                let packed = encoder.finish()?;
                if is_held { with_lz4_content_size(&packed, info, self.text_bytes)? } else { packed }
            }
        };
        out.write_all(&packed)
    }
}

/// What makes a member like this one, and where its own length stands in it.
fn gzip(header: &GzipHeader) -> (GzEncoder<Vec<u8>>, Option<usize>) {
    let level = match header.effort {
        2 => flate2::Compression::best(),
        4 => flate2::Compression::fast(),
        _ => flate2::Compression::default(),
    };
    let mut builder = GzBuilder::new().mtime(header.mtime).operating_system(header.system);
    if let Some(name) = &header.name {
        builder = builder.filename(name.as_slice());
    }
    if let Some(comment) = &header.comment {
        builder = builder.comment(comment.as_slice());
    }
    let (extra, block_size) = header.extra.as_deref().map(extra_with_own_length).unwrap_or_default();
    if !extra.is_empty() {
        builder = builder.extra(extra);
    }
    (builder.write(Vec::new(), level), block_size.map(|at| EXTRA_AT + at))
}

/// Where the extra field of a gzip header starts, behind its own length.
const EXTRA_AT: usize = 12;

/// The longest member whose length bgzip's subfield can tell.
const BLOCK_MAX: usize = 1 << 16;

/// The extra field without dictzip's `RA`, the lengths of packed chunks, which change; and where bgzip's `BC` stands in it, the
/// length of the member.
fn extra_with_own_length(extra: &[u8]) -> (Vec<u8>, Option<usize>) {
    let (mut kept, mut block_size) = (Vec::new(), None);
    let mut rest = extra;
    while let &[first, second, low, high, ..] = rest {
        let end = rest.len().min(4 + usize::from(u16::from_le_bytes([low, high])));
        match (&[first, second], end) {
            (b"RA", _) => {}
            (b"BC", 6) if block_size.is_none() => {
                block_size = Some(kept.len() + 4);
                kept.extend_from_slice(&rest[..end]);
            }
            (b"BC", _) => {}
            _ => kept.extend_from_slice(&rest[..end]),
        }
        rest = &rest[end..];
    }
    kept.extend_from_slice(rest);
    (kept, block_size)
}

/// Takes the subfield with the length at `at` out of a member that became too long for it.
fn drop_block_size(packed: &mut Vec<u8>, at: usize) {
    packed.drain(at - 4..at + 2);
    let length = u16::from_le_bytes([packed[10], packed[11]]).saturating_sub(6);
    packed[10..12].copy_from_slice(&length.to_le_bytes());
}

fn zstd(header: &ZstdHeader, level: i32) -> io::Result<ZstdEncoder<'static, Vec<u8>>> {
    let mut encoder = ZstdEncoder::new(Vec::new(), level)?;
    encoder.include_checksum(header.has_checksum)?;
    // The length is known at the end only.
    encoder.include_contentsize(false)?;
    // Readers that hold a small window must be able to go on with it.
    let window_log = header.window.max(1).next_power_of_two().ilog2().max(10);
    if window_log < window_log_of(level) {
        encoder.set_parameter(CParameter::WindowLog(window_log))?;
    }
    Ok(encoder)
}

/// The window that zstd takes by itself at a level, as a power of two.
fn window_log_of(level: i32) -> u32 {
    match level {
        ..=2 => 19,
        3..=8 => 21,
        9..=18 => 22,
        19.. => 23,
    }
}

/// Puts the length into the header of a whole frame (RFC 8878, section 3.1.1.1): magic number, descriptor, window, and now
/// eight bytes for it.
fn with_zstd_content_size(mut packed: Vec<u8>, text_bytes: u64) -> Vec<u8> {
    packed[4] |= 0b1100_0000;
    packed.splice(6..6, text_bytes.to_le_bytes());
    packed
}

fn lz4(header: &Lz4Header) -> FrameInfo {
    let block_size = match header.block_bytes_max.max(1).ilog2() {
        ..=16 => BlockSize::Max64KB,
        17..=18 => BlockSize::Max256KB,
        19..=20 => BlockSize::Max1MB,
        21.. => BlockSize::Max4MB,
    };
    let block_mode = if header.has_linked_blocks { BlockMode::Linked } else { BlockMode::Independent };
    FrameInfo::new()
        .block_size(block_size)
        .block_mode(block_mode)
        .block_checksums(header.has_block_checksums)
        .content_checksum(header.has_checksum)
}

/// Puts the length into the header of a whole frame. The header ends with a checksum of itself, so a second encoder makes it.
fn with_lz4_content_size(packed: &[u8], info: FrameInfo, text_bytes: u64) -> io::Result<Vec<u8>> {
    const HEADER_BYTES: usize = 7;
    let mut encoder = FrameEncoder::with_frame_info(info.content_size(Some(text_bytes)), Vec::new());
    encoder.write_all(b" ")?;
    let mut whole = encoder.into_inner();
    whole.truncate(HEADER_BYTES + 8);
    whole.extend_from_slice(&packed[HEADER_BYTES..]);
    Ok(whole)
}
