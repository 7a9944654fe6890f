//! One lz4 frame (LZ4 frame format 1.6). The structure is followed here, so that the decoder is only ever handed whole blocks.

use std::io::{BufRead as _, Cursor};

use lz4_flex::frame::FrameDecoder;

use super::feed::Feed;
use super::room::Room;
use super::{Member, MemberFault, Step};

/// What an lz4 frame says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lz4Header {
    /// The largest block, in bytes: 64 KiB, 256 KiB, 1 MiB or 4 MiB.
    pub block_bytes_max: usize,
    /// Whether blocks refer to text before them.
    pub has_linked_blocks: bool,
    /// Whether a checksum stands behind each block.
    pub has_block_checksums: bool,
    /// Whether a checksum stands behind the frame.
    pub has_checksum: bool,
    /// Whether the text's length stands in front.
    pub has_content_size: bool,
}

#[derive(Default)]
pub(super) struct Lz4 {
    header: Option<Lz4Header>,
    decoder: Option<FrameDecoder<Cursor<Vec<u8>>>>,
    /// Header bytes that go to the decoder with the first block.
    front: Vec<u8>,
    /// Text of the last block that was not handed out yet.
    left: usize,
}

impl Lz4 {
    pub(super) fn step(&mut self, feed: &mut Feed, room: &mut Room<'_>) -> Result<Step, MemberFault> {
        let Some(header) = self.header else { return self.begin(feed) };
        if self.left > 0 {
            return self.hand_out(room);
        }
        loop {
            let Some(&[a, b, c, d]) = feed.gather(4).and_then(|bytes| bytes.get(..4)) else { return Ok(Step::Hungry) };
            let size = u32::from_le_bytes([a, b, c, d]);
            if size == 0 {
                let Some(mark) = feed.gather(4 + if header.has_checksum { 4 } else { 0 }) else {
                    return Ok(Step::Hungry);
                };
                self.decode(mark)?;
                feed.clear();
                return Ok(Step::End);
            }
            // The highest bit says that the block is not compressed.
            let block = (size & 0x7fff_ffff) as usize;
            if block > header.block_bytes_max {
                return Err("a block of an lz4 frame is larger than the frame allows".into());
            }
            let Some(block) = feed.gather(4 + block + if header.has_block_checksums { 4 } else { 0 }) else {
                return Ok(Step::Hungry);
            };
            self.left = self.decode(block)?;
            feed.clear();
            if self.left > 0 {
                return self.hand_out(room);
            }
        }
    }

    fn begin(&mut self, feed: &mut Feed) -> Result<Step, MemberFault> {
        let Some(&[_, _, _, _, flags, ..]) = feed.gather(7) else { return Ok(Step::Hungry) };
        let has_content_size = flags & (1 << 3) != 0;
        if flags & 1 != 0 {
            return Err(MemberFault::Unsupported("lz4 with a dictionary"));
        }
        let Some(bytes) = feed.gather(7 + if has_content_size { 8 } else { 0 }) else { return Ok(Step::Hungry) };
        let block_bytes_max = match (bytes[5] >> 4) & 7 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err("an lz4 frame names no valid block size".into()),
        };
        let header = Lz4Header {
            block_bytes_max,
            has_linked_blocks: flags & (1 << 5) == 0,
            has_block_checksums: flags & (1 << 4) != 0,
            has_checksum: flags & (1 << 2) != 0,
            has_content_size,
        };
        self.front = bytes.to_vec();
        feed.clear();
        self.header = Some(header);
        self.decoder = Some(FrameDecoder::new(Cursor::default()));
        Ok(Step::Begin(Member::Lz4(header)))
    }

    /// Hands one whole block, or the end of the frame, to the decoder; says how much text it makes.
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, MemberFault> {
        let Some(decoder) = &mut self.decoder else { return Ok(0) };
        let cursor = decoder.get_mut();
        cursor.set_position(0);
        let buffer = cursor.get_mut();
        buffer.clear();
        buffer.append(&mut self.front);
        buffer.extend_from_slice(bytes);
        let text = decoder.fill_buf().map_err(|error| MemberFault::Io("an lz4 frame cannot be decoded", error))?;
        Ok(text.len())
    }

    fn hand_out(&mut self, room: &mut Room<'_>) -> Result<Step, MemberFault> {
        if let Some(decoder) = &mut self.decoder {
            let block = decoder.fill_buf().map_err(|error| MemberFault::Io("an lz4 frame cannot be decoded", error))?;
            let bytes = room.copy(block);
            decoder.consume(bytes);
            self.left -= bytes;
        }
        Ok(Step::Data)
    }
}
