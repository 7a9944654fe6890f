//! Decompression, pushed: fed with stored bytes in pieces of any size, it gives the text in bounded chunks and says where each
//! gzip member, zstd frame or lz4 frame begins and ends. What a file is compressed with is found by its content alone.
//!
//! A file may hold any number of members, of different kinds too; between and after them only zstd's and lz4's skippable frames
//! may lie, which readers ignore by their specifications, and behind a last gzip member zeros, which gunzip takes for padding. Checksums and lengths are verified, and a file that ends inside a
//! member is [`Error::Truncated`].

mod feed;
mod gzip;
mod lz4;
mod room;
mod zstd;

use bytes::Bytes;

pub use gzip::GzipHeader;
pub use lz4::Lz4Header;
pub use zstd::ZstdHeader;

use crate::{Error, Limits, Result};
use feed::Feed;
use room::Room;

/// [`Decompressor::pull`] hands text out in chunks of at most so many bytes.
const CHUNK: usize = 64 << 10;

/// What the expansion limit lets pass.
const EXPANSION_FREE: u64 = 64 << 20;

/// What bytes are compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// Gzip members (RFC 1952).
    Gzip,
    /// Zstandard frames (RFC 8878).
    Zstd,
    /// LZ4 frames.
    Lz4,
}

/// What a file that starts with `bytes` is compressed with; four bytes are enough. A skippable frame counts as zstd's.
pub fn sniff(bytes: &[u8]) -> Compression {
    match bytes {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        [0x04, 0x22, 0x4d, 0x18, ..] => Compression::Lz4,
        _ => Compression::None,
    }
}

/// What the header of a member or frame says, as far as its rewriting needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// The whole file, as it is.
    Plain,
    /// A gzip member.
    Gzip(GzipHeader),
    /// A zstd frame.
    Zstd(ZstdHeader),
    /// An lz4 frame.
    Lz4(Lz4Header),
}

/// What [`Decompressor::pull`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A member begins.
    Begin(Member),
    /// Text was appended.
    Data,
    /// The member ends.
    End,
    /// All pushed bytes are used up.
    Hungry,
    /// The file is whole, and nothing follows.
    Done,
}

/// Makes text of stored bytes.
pub struct Decompressor {
    feed: Feed,
    state: State,
    /// The codec of the last frame, for the next one.
    zstd: Option<Box<zstd::Zstd>>,
    /// Members begun so far.
    members: u64,
    /// Where, in the stored bytes, the last member begins, or ends once it is over.
    joint_at: u64,
    text_bytes: u64,
    window_max: u64,
    expansion_max: u64,
}

enum State {
    /// Before a member, or after the last one.
    Boundary,
    /// The same, behind a gzip member.
    GzipBoundary,
    Plain,
    Gzip(Box<gzip::Gzip>),
    Zstd(Box<zstd::Zstd>),
    /// After the magic number of a skippable frame: the length, then so many bytes.
    Skip(Option<u32>),
    Lz4(Box<lz4::Lz4>),
    /// In the zeros behind the last gzip member.
    Padding,
    Done,
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor").field("members", &self.members).field("text_bytes", &self.text_bytes).finish()
    }
}

impl Decompressor {
    /// Refuses what expands beyond `limits`, and zstd windows over `page_bytes_max`.
    pub fn new(limits: &Limits) -> Self {
        Self {
            feed: Feed::default(),
            state: State::Boundary,
            zstd: None,
            members: 0,
            joint_at: 0,
            text_bytes: 0,
            window_max: limits.page_bytes_max as u64,
            expansion_max: limits.expansion_max,
        }
    }

    /// Takes the next stored bytes. To hold no more than one piece, call it when [`pull`](Self::pull) is hungry.
    pub fn push(&mut self, piece: Bytes) {
        self.feed.push(piece);
    }

    /// Says that no bytes follow.
    pub fn end(&mut self) {
        self.feed.end();
    }

    /// How many bytes of text there were so far.
    pub fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Where, in the stored bytes, the member begins that [`Step::Begin`] told of last, or ends that [`Step::End`] told of.
    pub fn joint_at(&self) -> u64 {
        self.joint_at
    }

    /// How many of the stored bytes were taken so far. Codecs take more than the text that they gave needs: up to a block.
    pub fn stored_bytes(&self) -> u64 {
        self.feed.bytes_read()
    }

    /// Goes one step: appends at most `max` bytes of text, or says what else there is.
    pub fn pull(&mut self, text: &mut Vec<u8>, max: usize) -> Result<Step> {
        let before = text.len();
        text.resize(before + max.min(CHUNK), 0);
        let pulled = self.pull_into(&mut text[before..]);
        text.truncate(before + pulled.as_ref().map_or(0, |(_, bytes)| *bytes));
        pulled.map(|(step, _)| step)
    }

    /// Goes one step, as [`pull`](Self::pull) does: puts text into `room`, which isn't empty, and says how many bytes too.
    pub fn pull_into(&mut self, room: &mut [u8]) -> Result<(Step, usize)> {
        let mut room = Room::new(room);
        let step = self.step(&mut room)?;
        let bytes = room.filled();
        self.text_bytes += bytes as u64;
        match step {
            Step::Hungry if self.feed.has_ended() => return Err(Error::Truncated { what: self.place().into() }),
            Step::Data => self.check_expansion()?,
            Step::End => {
                self.joint_at = self.feed.bytes_read();
                self.state = match std::mem::replace(&mut self.state, State::Boundary) {
                    State::Plain => State::Done,
                    State::Gzip(_) => State::GzipBoundary,
                    State::Zstd(zstd) => {
                        self.zstd = Some(zstd);
                        State::Boundary
                    }
                    _ => State::Boundary,
                };
            }
            _ => {}
        }
        Ok((step, bytes))
    }

    fn step(&mut self, room: &mut Room<'_>) -> Result<Step> {
        loop {
            return match &mut self.state {
                State::Boundary | State::GzipBoundary => match self.boundary()? {
                    Some(step) => Ok(step),
                    None => continue,
                },
                State::Plain => Ok(self.feed.copy(room)),
                State::Gzip(gzip) => gzip.step(&mut self.feed, room).map_err(|fault| fault.at(self.text_bytes)),
                State::Zstd(zstd) => {
                    zstd.step(&mut self.feed, room, self.window_max).map_err(|fault| fault.at(self.text_bytes))
                }
                State::Lz4(lz4) => lz4.step(&mut self.feed, room).map_err(|fault| fault.at(self.text_bytes)),
                State::Skip(left) => match left {
                    None => match self.feed.gather(8) {
                        Some(&[_, _, _, _, a, b, c, d]) => {
                            *left = Some(u32::from_le_bytes([a, b, c, d]));
                            self.feed.clear();
                            continue;
                        }
                        _ => Ok(Step::Hungry),
                    },
                    Some(0) => {
                        self.state = State::Boundary;
                        continue;
                    }
                    Some(left) => {
                        *left -= self.feed.skip(*left);
                        if *left == 0 {
                            continue;
                        }
                        Ok(Step::Hungry)
                    }
                },
                State::Padding => self.padding(),
                State::Done => Ok(Step::Done),
            };
        }
    }

    /// Finds out what begins here. `None`: the state has changed.
    fn boundary(&mut self) -> Result<Option<Step>> {
        let first = self.members == 0;
        let at = self.feed.bytes_read() - self.feed.gathered().len() as u64;
        let Some(magic) = self.feed.gather(4) else {
            if !self.feed.has_ended() {
                return Ok(Some(Step::Hungry));
            }
            let rest = self.feed.gathered();
            if !first && (rest.is_empty() || is_padding(&self.state, rest)) {
                self.state = State::Done;
                return Ok(None);
            }
            if is_part_of_magic(rest) {
                return Err(Error::Truncated { what: "inside the magic number of a compressed member".into() });
            }
            if !first {
                return Err(self.garbage());
            }
            self.state = State::Plain;
            self.members += 1;
            return Ok(Some(Step::Begin(Member::Plain)));
        };
        self.state = match magic {
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                // A file of nothing but skippable frames is an empty text.
                self.members = self.members.max(1);
                State::Skip(None)
            }
            _ if is_padding(&self.state, magic) => {
                self.feed.clear();
                State::Padding
            }
            [0x02, 0x21, 0x4c, 0x18] => {
                return Err(Error::Unsupported {
                    what: "the legacy lz4 format, which cannot tell whether it is complete".into(),
                });
            }
            _ => {
                self.joint_at = at;
                let state = match sniff(magic) {
                    Compression::Gzip => State::Gzip(Box::default()),
                    Compression::Zstd => State::Zstd(self.zstd.take().map_or_else(Box::default, zstd::Zstd::renewed)),
                    Compression::Lz4 => State::Lz4(Box::default()),
                    Compression::None if first => State::Plain,
                    Compression::None => return Err(self.garbage()),
                };
                self.members += 1;
                state
            }
        };
        Ok(matches!(self.state, State::Plain).then_some(Step::Begin(Member::Plain)))
    }

    /// Reads zeros to the file's end.
    fn padding(&mut self) -> Result<Step> {
        let piece = self.feed.piece();
        if piece.iter().any(|&byte| byte != 0) {
            return Err(self.garbage());
        }
        self.feed.advance(piece.len());
        Ok(if self.feed.has_ended() { Step::Done } else { Step::Hungry })
    }

    fn garbage(&self) -> Error {
        Error::malformed(self.text_bytes, "bytes that are no compressed member follow the last one")
    }

    fn check_expansion(&self) -> Result<()> {
        if self.text_bytes <= EXPANSION_FREE || matches!(self.state, State::Plain) {
            return Ok(());
        }
        let expansion = self.text_bytes / self.feed.bytes_read().max(1);
        Error::check_limit("the expansion", expansion, self.expansion_max, "expansion_max")
    }

    fn place(&self) -> &'static str {
        match self.state {
            State::Gzip(_) => "inside a gzip member",
            State::Zstd(_) => "inside a zstd frame",
            State::Lz4(_) => "inside an lz4 frame",
            State::Skip(_) => "inside a skippable frame",
            _ => "before its end",
        }
    }
}

/// Whether what follows a member begins as padding does.
fn is_padding(state: &State, bytes: &[u8]) -> bool {
    matches!(state, State::GzipBoundary) && bytes.iter().all(|&byte| byte == 0)
}

/// Whether a file of one to three bytes is the beginning of a compressed one.
fn is_part_of_magic(rest: &[u8]) -> bool {
    let magics: [&[u8]; 3] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], &[0x04, 0x22, 0x4d, 0x18]];
    let skippable = matches!(rest, [0x50..=0x5f, 0x2a] | [0x50..=0x5f, 0x2a, 0x4d]);
    !rest.is_empty() && (skippable || magics.iter().any(|magic| magic.starts_with(rest) || rest.starts_with(magic)))
}

/// Why a member cannot be read; becomes an [`Error`] where its place is known.
#[derive(Debug)]
enum MemberFault {
    Malformed(std::borrow::Cow<'static, str>),
    Unsupported(&'static str),
    Window { value: u64, limit: u64 },
    Io(&'static str, std::io::Error),
}

impl MemberFault {
    fn at(self, offset: u64) -> Error {
        match self {
            Self::Malformed(what) => Error::malformed(offset, what),
            Self::Unsupported(what) => Error::Unsupported { what: what.into() },
            Self::Window { value, limit } => {
                Error::Limit { what: "a zstd window", value, limit, setting: "page_bytes_max" }
            }
            // The codecs' own words: they know nothing of the content.
            Self::Io(codec, error) => Error::malformed(offset, format!("{codec}: {error}")),
        }
    }
}

impl From<&'static str> for MemberFault {
    fn from(what: &'static str) -> Self {
        Self::Malformed(what.into())
    }
}
