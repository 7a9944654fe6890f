//! One zstd frame (RFC 8878, section 3.1.1).

use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::feed::Feed;
use super::room::Room;
use super::{Member, MemberFault, Step};

/// What a zstd frame says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZstdHeader {
    /// The window that a reader must hold, in bytes.
    pub window: u64,
    /// Whether the text's length stands in front.
    pub has_content_size: bool,
    /// Whether a checksum stands behind.
    pub has_checksum: bool,
}

#[derive(Default)]
pub(super) struct Zstd {
    decoder: Option<Decoder<'static>>,
    begun: bool,
    /// The frame's header, which the decoder reads too.
    header: Vec<u8>,
    /// The last step filled its room, so there may be text that needs no more bytes.
    more: bool,
    over: bool,
}

impl Zstd {
    /// The same for another frame.
    pub(super) fn renewed(mut self: Box<Self>) -> Box<Self> {
        (self.begun, self.more, self.over) = (false, false, false);
        self
    }

    pub(super) fn step(&mut self, feed: &mut Feed, room: &mut Room<'_>, window_max: u64) -> Result<Step, MemberFault> {
        if !self.begun {
            let Some(&descriptor) = feed.gather(5).and_then(|bytes| bytes.get(4)) else { return Ok(Step::Hungry) };
            let Some(bytes) = feed.gather(header_bytes(descriptor)) else { return Ok(Step::Hungry) };
            let header = parse(descriptor, bytes)?;
            if header.window > window_max {
                return Err(MemberFault::Window { value: header.window, limit: window_max });
            }
            self.header = bytes.to_vec();
            feed.clear();
            let ready = match &mut self.decoder {
                Some(decoder) => decoder.reinit(),
                none => decoder(window_max).map(|new| *none = Some(new)),
            };
            ready.map_err(|error| MemberFault::Io("zstd", error))?;
            self.begun = true;
            return Ok(Step::Begin(Member::Zstd(header)));
        }
        loop {
            if self.over {
                return Ok(Step::End);
            }
            if !self.header.is_empty() {
                let header = std::mem::take(&mut self.header);
                self.run(&header, room)?;
                continue;
            }
            if feed.piece().is_empty() && !self.more {
                return Ok(Step::Hungry);
            }
            let read = self.run(feed.piece(), room)?;
            feed.advance(read);
            if room.filled() > 0 {
                return Ok(Step::Data);
            }
        }
    }

    /// Decodes once, and says how many bytes went in.
    fn run(&mut self, bytes: &[u8], room: &mut Room<'_>) -> Result<usize, MemberFault> {
        let Some(decoder) = &mut self.decoder else { return Ok(0) };
        let free = room.free();
        let status = decoder
            .run_on_buffers(bytes, free)
            .map_err(|error| MemberFault::Io("a zstd frame cannot be decoded", error))?;
        self.more = status.bytes_written == free.len();
        room.fill(status.bytes_written);
        self.over = status.remaining == 0;
        Ok(status.bytes_read)
    }
}

fn decoder(window_max: u64) -> std::io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    // The exact limit was checked; the codec's own is a power of two at or above it, within what it can do.
    let log = (u64::BITS - window_max.saturating_sub(1).leading_zeros()).clamp(10, 31);
    decoder.set_parameter(DParameter::WindowLogMax(log))?;
    Ok(decoder)
}

/// The length of a frame's header, from its descriptor.
fn header_bytes(descriptor: u8) -> usize {
    let single_segment = is_single_segment(descriptor);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    5 + usize::from(!single_segment) + dictionary + content_size_bytes(descriptor)
}

fn is_single_segment(descriptor: u8) -> bool {
    descriptor & (1 << 5) != 0
}

fn content_size_bytes(descriptor: u8) -> usize {
    match descriptor >> 6 {
        0 => usize::from(is_single_segment(descriptor)),
        1 => 2,
        2 => 4,
        _ => 8,
    }
}

fn parse(descriptor: u8, bytes: &[u8]) -> Result<ZstdHeader, MemberFault> {
    if descriptor & (1 << 3) != 0 {
        return Err("a zstd frame sets a reserved bit".into());
    }
    let size_bytes = content_size_bytes(descriptor);
    let (rest, size_field) = bytes.split_at(bytes.len() - size_bytes);
    let dictionary = &rest[5 + usize::from(!is_single_segment(descriptor))..];
    if dictionary.iter().any(|&byte| byte != 0) {
        return Err(MemberFault::Unsupported("zstd with a dictionary"));
    }
    let mut size = [0; 8];
    size[..size_bytes].copy_from_slice(size_field);
    let size = u64::from_le_bytes(size) + if size_bytes == 2 { 256 } else { 0 };
    let window = if is_single_segment(descriptor) {
        size
    } else {
        let base = 1_u64 << (10 + (rest[5] >> 3));
        base + base / 8 * u64::from(rest[5] & 7)
    };
    Ok(ZstdHeader { window, has_content_size: size_bytes > 0, has_checksum: descriptor & (1 << 2) != 0 })
}
