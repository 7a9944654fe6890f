//! Compressed buffers into plain ones.
//!
//! A compressed buffer starts with its plain length: eight bytes, little-endian; -1 says that it is plain itself.

use std::io::Read;

use bytes::Bytes;

use super::message::Codec;

const PREFIX: usize = 8;

/// How long a stored buffer is once plain; `None` when it does not say so properly.
pub(super) fn plain_length(stored: &[u8], codec: Option<Codec>) -> Option<u64> {
    if codec.is_none() || stored.is_empty() {
        return Some(stored.len() as u64);
    }
    match i64::from_le_bytes(*stored.first_chunk::<PREFIX>()?) {
        -1 => Some((stored.len() - PREFIX) as u64),
        length => u64::try_from(length).ok(),
    }
}

/// The plain bytes of a stored buffer, whose [`plain_length`] is known to be bearable; `None` when it cannot be decompressed.
pub(super) fn unpack(stored: Bytes, codec: Option<Codec>) -> Option<Bytes> {
    let Some(codec) = codec else { return Some(stored) };
    if stored.is_empty() {
        return Some(stored);
    }
    let length = i64::from_le_bytes(*stored.first_chunk::<PREFIX>()?);
    if length == -1 {
        return Some(stored.slice(PREFIX..));
    }
    let length = usize::try_from(length).ok()?;
    if length == 0 {
        return Some(Bytes::new());
    }
    let packed = &stored[PREFIX..];
    let plain = match codec {
        Codec::Zstd => zstd::bulk::decompress(packed, length).ok()?,
        Codec::Lz4 => {
            let mut plain = Vec::with_capacity(length);
            let frame = lz4_flex::frame::FrameDecoder::new(packed);
            frame.take(length as u64 + 1).read_to_end(&mut plain).ok()?;
            plain
        }
    };
    (plain.len() == length).then(|| plain.into())
}
