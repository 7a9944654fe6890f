//! Bytes into messages: the framing of IPC streams, and the magic and footer that a file puts around one.
//!
//! The rules are those of "IPC Streaming Format" and "IPC File Format" in Arrow's columnar format specification. Before
//! version 0.15 of Arrow a message had no continuation marker in front of its length; both framings are read. Polars leaves both
//! away in front of a file's schema, as readers of files have it from the footer: there the message ends where the next one begins.

use std::collections::VecDeque;

use bytes::Bytes;

use super::message;
use crate::{Error, Limits, Result};

/// The first six and the last six bytes of a file.
pub const MAGIC: &[u8; 6] = b"ARROW1";
/// In front of a message's length.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// Writers pad the magic with zeros, up to the alignment they use; none uses more than this.
const ALIGNMENT_MAX: u64 = 64;
/// What a flatbuffer begins with, at most: where its root lies. No schema is described in so few bytes, so it is no length.
const ROOT_MAX: u32 = 16;
/// Such a schema holds hardly ever what looks like a marker.
const BARE_ENDS_MAX: usize = 64;

/// A message as it lies in the shard.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where its first byte lies in the shard.
    pub offset: u64,
    /// The marker and the length of the metadata, as they are: 8 bytes, 4 without a marker, or none.
    pub prefix: Bytes,
    /// The flatbuffer, with its padding.
    pub metadata: Bytes,
    /// The buffers.
    pub body: Bytes,
}

/// What comes next in a shard.
#[derive(Clone, Debug)]
pub enum Frame {
    /// The magic in front of a file, with its padding.
    Magic(Bytes),
    /// A message.
    Message(Message),
    /// The end-of-stream marker.
    End(Bytes),
}

/// How a shard ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A stream, which needs no more than its messages.
    Stream,
    /// A file: all bytes behind the end-of-stream marker, which hold the footer.
    File(Bytes),
}

/// Cuts consecutive pieces of a shard into frames.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    pieces: VecDeque<Bytes>,
    available: usize,
    position: u64,
    state: State,
    file: bool,
    /// Whether messages carry a continuation marker; known from the first one on.
    marked: Option<bool>,
}

#[derive(Debug)]
enum State {
    Start,
    /// In front of a message.
    Prefix,
    /// In a file's schema that has neither marker nor length.
    Bare,
    Metadata {
        offset: u64,
        prefix: Bytes,
        length: usize,
    },
    Body {
        offset: u64,
        prefix: Bytes,
        metadata: Bytes,
        length: usize,
    },
    /// Behind the last message.
    Tail,
}

impl Framer {
    /// A framer at a shard's first byte.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            pieces: VecDeque::new(),
            available: 0,
            position: 0,
            state: State::Start,
            file: false,
            marked: None,
        }
    }

    /// Whether the shard is a file, once the first frame is out.
    pub fn is_file(&self) -> bool {
        self.file
    }

    /// Adds the next piece.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.available += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// The next frame, when all of it is there.
    pub fn advance(&mut self) -> Result<Option<Frame>> {
        loop {
            match &mut self.state {
                State::Start => {
                    let Some(head) = self.peek::<8>() else { return Ok(None) };
                    if head.starts_with(MAGIC) {
                        self.file = true;
                        self.state = State::Prefix;
                        return Ok(Some(Frame::Magic(self.take(8))));
                    }
                    recognise(&head, &self.limits)?;
                    self.state = State::Prefix;
                }
                State::Prefix => {
                    let Some(word) = self.peek::<4>() else { return Ok(None) };
                    let offset = self.position;
                    if self.file && self.marked.is_none() && word == [0; 4] && offset + 4 <= ALIGNMENT_MAX {
                        return Ok(Some(Frame::Magic(self.take(4))));
                    }
                    let marked = word == CONTINUATION;
                    if self.file && self.marked == Some(true) && !marked {
                        // A writer that leaves the end-of-stream marker out: this is the footer.
                        self.state = State::Tail;
                        continue;
                    }
                    if self.file && self.marked.is_none() && (1..=ROOT_MAX).contains(&u32::from_le_bytes(word)) {
                        self.state = State::Bare;
                        continue;
                    }
                    let (prefix, length) = if marked {
                        let Some([_, _, _, _, length @ ..]) = self.peek::<8>() else { return Ok(None) };
                        (8, length)
                    } else {
                        (4, word)
                    };
                    let prefix = self.take(prefix);
                    if length == [0; 4] {
                        if self.marked.is_none() {
                            return Err(Error::malformed(offset, "the stream ends before its schema"));
                        }
                        self.state = State::Tail;
                        return Ok(Some(Frame::End(prefix)));
                    }
                    let length = usize::try_from(i32::from_le_bytes(length))
                        .map_err(|_| Error::malformed(offset, "a message of negative length"))?;
                    let limit = self.limits.footer_bytes_max as u64;
                    Error::check_limit("message metadata", length as u64, limit, "footer_bytes_max")?;
                    self.marked.get_or_insert(marked);
                    self.state = State::Metadata { offset, prefix, length };
                }
                State::Bare => {
                    let Some(length) = self.bare_schema()? else { return Ok(None) };
                    let offset = self.position;
                    let metadata = self.take(length);
                    self.marked = Some(true);
                    self.state = State::Prefix;
                    let (prefix, body) = (Bytes::new(), Bytes::new());
                    return Ok(Some(Frame::Message(Message { offset, prefix, metadata, body })));
                }
                State::Metadata { offset, prefix, length } => {
                    let (offset, prefix, length) = (*offset, prefix.clone(), *length);
                    if self.available < length {
                        return Ok(None);
                    }
                    let metadata = self.take(length);
                    let length = message::body_length(&metadata, offset, &self.limits)?;
                    self.state = State::Body { offset, prefix, metadata, length };
                }
                State::Body { offset, prefix, metadata, length } => {
                    let (offset, prefix, metadata, length) = (*offset, prefix.clone(), metadata.clone(), *length);
                    if self.available < length {
                        return Ok(None);
                    }
                    let body = self.take(length);
                    self.state = State::Prefix;
                    return Ok(Some(Frame::Message(Message { offset, prefix, metadata, body })));
                }
                State::Tail => {
                    if !self.file && self.available > 0 {
                        return Err(Error::malformed(self.position, "bytes behind the end of the stream"));
                    }
                    let limit = self.limits.footer_bytes_max as u64;
                    Error::check_limit("footer", self.available as u64, limit, "footer_bytes_max")?;
                    return Ok(None);
                }
            }
        }
    }

    /// How the shard ends, once no more pieces come and [`advance`](Self::advance) has nothing more.
    pub fn finish(&mut self) -> Result<Ending> {
        let cut_off = |what: &'static str| Err(Error::Truncated { what: what.into() });
        match (&self.state, self.file) {
            (State::Start, _) if self.available == 0 => cut_off("it has no bytes"),
            (State::Start, _) => {
                let head = self.take(self.available);
                let is_begun = |start: &[u8]| head.starts_with(start) || start.starts_with(&head);
                let known = is_begun(&CONTINUATION) || is_begun(MAGIC);
                if known { cut_off("it ends within its first message") } else { Err(not_arrow(&head)) }
            }
            (State::Bare | State::Metadata { .. } | State::Body { .. }, _) => cut_off("it ends within a message"),
            (State::Prefix, true) => cut_off("it ends before its footer"),
            (State::Prefix, false) if self.available > 0 => cut_off("it ends within a message"),
            (State::Prefix, false) if self.marked.is_none() => cut_off("it ends before its schema"),
            (State::Prefix | State::Tail, false) => Ok(Ending::Stream),
            (State::Tail, true) => Ok(Ending::File(self.take(self.available))),
        }
    }

    /// How long the schema is that begins here: up to the first marker by which it is whole. Whether that was right, the footer
    /// tells, which must have the same schema, and list the messages where they were found.
    fn bare_schema(&mut self) -> Result<Option<usize>> {
        let bytes = self.take(self.available);
        self.position -= bytes.len() as u64;
        self.push(bytes.clone());
        let ends = (8..).step_by(8).zip(bytes.chunks_exact(8).skip(1));
        let ends = ends.filter(|(_, word)| word.starts_with(&CONTINUATION)).map(|(end, _)| end);
        let is_schema = |end: &usize| {
            let message = message::verify(&bytes[..*end], self.position);
            message.is_ok_and(|message| message.header_as_schema().is_some() && message.bodyLength() == 0)
        };
        if let Some(end) = ends.clone().take(BARE_ENDS_MAX).find(is_schema) {
            return Ok(Some(end));
        }
        let limit = self.limits.footer_bytes_max as u64;
        Error::check_limit("message metadata", bytes.len() as u64, limit, "footer_bytes_max")?;
        if ends.count() >= BARE_ENDS_MAX { Err(not_arrow(&bytes)) } else { Ok(None) }
    }

    /// The next `N` bytes, which stay.
    fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = self.pieces.iter().flatten();
        let mut head = [0; N];
        for byte in &mut head {
            *byte = *bytes.next()?;
        }
        Some(head)
    }

    /// The next `length` bytes, which must be there: without a copy when one piece holds them.
    fn take(&mut self, length: usize) -> Bytes {
        self.available -= length;
        self.position += length as u64;
        let Some(first) = self.pieces.front_mut() else { return Bytes::new() };
        if first.len() > length {
            return first.split_to(length);
        }
        if first.len() == length {
            return self.pieces.pop_front().unwrap_or_default();
        }
        let mut joined = Vec::with_capacity(length);
        while joined.len() < length {
            let Some(piece) = self.pieces.front_mut() else { break };
            joined.extend_from_slice(&piece.split_to(piece.len().min(length - joined.len())));
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        joined.into()
    }
}

/// Fails unless a stream can start with `head`.
fn recognise(head: &[u8; 8], limits: &Limits) -> Result<()> {
    let [a, b, c, d, ..] = *head;
    let length = i32::from_le_bytes([a, b, c, d]);
    // Metadata is padded so that what follows it is aligned.
    let is_length = |length| (1..=limits.footer_bytes_max).contains(&length) && length % 4 == 0;
    let legacy = usize::try_from(length).is_ok_and(is_length);
    if head.starts_with(&CONTINUATION) || legacy { Ok(()) } else { Err(not_arrow(head)) }
}

/// The bytes are no Arrow IPC; names what they look like.
pub(super) fn not_arrow(head: &[u8]) -> Error {
    let reason = match head {
        [b'P', b'A', b'R', b'1', ..] => "it starts like a Parquet file",
        [b'F', b'E', b'A', b'1', ..] => "it is a Feather file of version 1, which is no Arrow IPC",
        [0x1f, 0x8b, ..] => "it starts like a gzip file",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it starts like a Zstandard file",
        [b'{' | b'[', ..] => "it starts like JSON",
        _ => "it starts with neither the file magic nor a schema message",
    };
    Error::WrongFormat { expected: "Arrow IPC", reason: reason.into() }
}
