//! One gzip member (RFC 1952): header, deflated bytes, and the checksum and length behind them.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::feed::Feed;
use super::room::Room;
use super::{Member, MemberFault, Step};

/// The longest name or comment, as other readers have it.
const TEXT_MAX: usize = 64 << 10;

const FLAG_CHECKSUM: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;

/// What a gzip member says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GzipHeader {
    /// Modification time, in seconds since 1970; 0 for none.
    pub mtime: u32,
    /// `XFL`: 2 was compressed hard, 4 fast.
    pub effort: u8,
    /// The system it was made on.
    pub system: u8,
    /// The extra field.
    pub extra: Option<Vec<u8>>,
    /// The file's name, without the zero behind it.
    pub name: Option<Vec<u8>>,
    /// The comment, without the zero behind it.
    pub comment: Option<Vec<u8>>,
}

pub(super) struct Gzip {
    part: Part,
    inflate: Decompress,
    crc: Crc,
    /// The last step filled its room, so there may be text that needs no more bytes.
    more: bool,
}

enum Part {
    Header,
    Body,
    Trailer,
}

impl Default for Gzip {
    fn default() -> Self {
        Self { part: Part::Header, inflate: Decompress::new(false), crc: Crc::new(), more: false }
    }
}

impl Gzip {
    pub(super) fn step(&mut self, feed: &mut Feed, room: &mut Room<'_>) -> Result<Step, MemberFault> {
        loop {
            match self.part {
                Part::Header => {
                    let reached = match parse(feed.gathered())? {
                        Parsed::Whole(header) => {
                            feed.clear();
                            self.part = Part::Body;
                            return Ok(Step::Begin(Member::Gzip(header)));
                        }
                        Parsed::Bytes(bytes) => feed.gather(bytes).is_some(),
                        Parsed::ToZero => feed.gather_to_zero(),
                    };
                    if !reached {
                        return Ok(Step::Hungry);
                    }
                }
                Part::Body => {
                    if feed.piece().is_empty() && !self.more {
                        return Ok(Step::Hungry);
                    }
                    let written = self.inflate(feed, room)?;
                    if written > 0 {
                        return Ok(Step::Data);
                    }
                }
                Part::Trailer => {
                    let Some(&[c0, c1, c2, c3, l0, l1, l2, l3]) = feed.gather(8) else { return Ok(Step::Hungry) };
                    feed.clear();
                    if u32::from_le_bytes([c0, c1, c2, c3]) != self.crc.sum() {
                        return Err("the checksum of a gzip member is wrong".into());
                    }
                    if u32::from_le_bytes([l0, l1, l2, l3]) != self.crc.amount() {
                        return Err("the length of a gzip member is wrong".into());
                    }
                    return Ok(Step::End);
                }
            }
        }
    }

    /// Inflates once, and says how many bytes came out.
    fn inflate(&mut self, feed: &mut Feed, room: &mut Room<'_>) -> Result<usize, MemberFault> {
        let free = room.free();
        let (read_before, written_before) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(feed.piece(), free, FlushDecompress::None);
        // Both are at most what was handed in.
        #[expect(clippy::cast_possible_truncation, reason = "both are at most what was handed in")]
        let (read, written) =
            ((self.inflate.total_in() - read_before) as usize, (self.inflate.total_out() - written_before) as usize);
        self.crc.update(&free[..written]);
        self.more = written == free.len();
        room.fill(written);
        feed.advance(read);
        match status {
            Ok(Status::StreamEnd) => self.part = Part::Trailer,
            Ok(Status::Ok | Status::BufError) if read > 0 || written > 0 || feed.piece().is_empty() => {}
            Ok(_) | Err(_) => return Err("the deflated bytes of a gzip member make no sense".into()),
        }
        Ok(written)
    }
}

enum Parsed {
    Whole(GzipHeader),
    /// That many bytes are needed.
    Bytes(usize),
    /// All bytes up to the next zero are needed.
    ToZero,
}

/// Reads a header from its first byte on. What is gathered is never longer than what this asks for, so that the whole header
/// ends where `bytes` do.
fn parse(bytes: &[u8]) -> Result<Parsed, &'static str> {
    let &[_, _, method, flags, t0, t1, t2, t3, effort, system, ..] = bytes else { return Ok(Parsed::Bytes(10)) };
    if method != 8 {
        return Err("a gzip member uses an unknown method");
    }
    if flags & FLAGS_RESERVED != 0 {
        return Err("a gzip member sets reserved flags");
    }
    let mut header =
        GzipHeader { mtime: u32::from_le_bytes([t0, t1, t2, t3]), effort, system, ..GzipHeader::default() };
    let mut at = 10;
    if flags & FLAG_EXTRA != 0 {
        let Some(&[low, high]) = bytes.get(at..at + 2) else { return Ok(Parsed::Bytes(at + 2)) };
        let end = at + 2 + usize::from(u16::from_le_bytes([low, high]));
        let Some(extra) = bytes.get(at + 2..end) else { return Ok(Parsed::Bytes(end)) };
        header.extra = Some(extra.to_vec());
        at = end;
    }
    for (flag, field) in [(FLAG_NAME, &mut header.name), (FLAG_COMMENT, &mut header.comment)] {
        if flags & flag != 0 {
            let rest = &bytes[at..];
            let end = memchr::memchr(0, rest);
            if end.unwrap_or(rest.len()) > TEXT_MAX {
                return Err("a gzip member's name or comment is too long");
            }
            let Some(end) = end else { return Ok(Parsed::ToZero) };
            *field = Some(rest[..end].to_vec());
            at += end + 1;
        }
    }
    if flags & FLAG_CHECKSUM != 0 {
        let Some(&[low, high]) = bytes.get(at..at + 2) else { return Ok(Parsed::Bytes(at + 2)) };
        let mut crc = Crc::new();
        crc.update(&bytes[..at]);
        if u32::from(u16::from_le_bytes([low, high])) != crc.sum() & 0xffff {
            return Err("the checksum of a gzip header is wrong");
        }
    }
    Ok(Parsed::Whole(header))
}
