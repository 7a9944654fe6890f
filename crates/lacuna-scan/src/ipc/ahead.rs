//! A file's dictionaries, read ahead of its rows.
//!
//! Readers of files load all dictionaries that the footer lists, in its order, before any rows. So they may lie anywhere: Polars puts
//! them behind the rows. Whoever reads such a file from its first byte to its last needs them first.

#![expect(clippy::cast_possible_truncation, reason = "usize has 64 bits")]

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::footer::{self, Block, Blocks};
use super::frame::{CONTINUATION, MAGIC, Message};
use crate::{Error, Limits, Result};

/// How many bytes of a shard's end to read first: most footers fit.
const TAIL_BYTES: u64 = 16 << 10;
/// A footer's length and the magic, at the very end.
const TRAILER_BYTES: u64 = 4 + MAGIC.len() as u64;

/// Messages with dictionaries, in the order of the footer. None where a file can be read as it lies, and for streams.
#[derive(Clone, Debug, Default)]
pub struct Ahead {
    messages: VecDeque<Message>,
}

impl Ahead {
    /// Reads what must be read ahead of a shard of `size` bytes, by `read`, which is asked for ranges of at most `window` bytes.
    ///
    /// Fails when `read` does, and when there is more than `limits` allow.
    pub fn read<E: From<Error>>(
        size: u64,
        window: u64,
        limits: &Limits,
        mut read: impl FnMut(Range<u64>) -> Result<Bytes, E>,
    ) -> Result<Self, E> {
        let mut lookahead = Lookahead::new(size, *limits);
        while let Some(range) = lookahead.need(window) {
            lookahead.feed(&read(range)?)?;
        }
        Ok(lookahead.finish())
    }

    pub(super) fn next(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Where the messages lie that are left.
    pub(super) fn blocks(&self) -> Vec<Block> {
        self.messages.iter().map(Block::of).collect()
    }
}

/// Finds out what must be read ahead: says which bytes of the shard it needs, and is handed them.
///
/// It judges nothing: where it cannot read the footer, it needs nothing, and whoever reads the shard to its end says why.
#[derive(Debug)]
pub struct Lookahead {
    size: u64,
    limits: Limits,
    step: Step,
    /// What is wanted now, and how much of it is there.
    range: Range<u64>,
    have: Vec<u8>,
    messages: VecDeque<Message>,
}

#[derive(Debug)]
enum Step {
    /// The shard's end, with the footer in it or not.
    Tail,
    /// The first of these dictionaries.
    Blocks(VecDeque<Block>),
    Done,
}

impl Lookahead {
    /// For a shard of `size` bytes.
    pub fn new(size: u64, limits: Limits) -> Self {
        let range = size.saturating_sub(TAIL_BYTES)..size;
        let step = if size > 0 { Step::Tail } else { Step::Done };
        Self { size, limits, step, range, have: Vec::new(), messages: VecDeque::new() }
    }

    /// The bytes that it needs next, at most `window` of them; `None` when it has all.
    pub fn need(&self, window: u64) -> Option<Range<u64>> {
        let start = self.range.start + self.have.len() as u64;
        (!matches!(self.step, Step::Done)).then(|| start..self.range.end.min(start + window.max(1)))
    }

    /// Takes the bytes that it needed.
    pub fn feed(&mut self, bytes: &Bytes) -> Result<()> {
        self.have.extend_from_slice(bytes);
        if (self.have.len() as u64) < self.range.end - self.range.start {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.have));
        match std::mem::replace(&mut self.step, Step::Done) {
            Step::Tail => self.tail(&bytes),
            Step::Blocks(mut blocks) => {
                if let Some(block) = blocks.pop_front() {
                    self.messages.push_back(message(block, bytes)?);
                }
                self.expect(blocks);
                Ok(())
            }
            Step::Done => Ok(()),
        }
    }

    /// What is to be read ahead, once it needs nothing more.
    pub fn finish(self) -> Ahead {
        Ahead { messages: self.messages }
    }

    fn tail(&mut self, tail: &Bytes) -> Result<()> {
        let Some(length) = footer::length(tail) else { return Ok(()) };
        let is_bearable = length <= self.limits.footer_bytes_max as u64 && length + TRAILER_BYTES <= self.size;
        if !is_bearable {
            return Ok(());
        }
        if length + TRAILER_BYTES > tail.len() as u64 {
            self.range = self.size - TRAILER_BYTES - length..self.size;
            self.step = Step::Tail;
            return Ok(());
        }
        let end = tail.len() - TRAILER_BYTES as usize;
        match footer::listed(&tail[end - length as usize..end]) {
            Some(blocks) if !blocks.are_in_order() => self.begin(blocks),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, blocks: Blocks) -> Result<()> {
        let mut total = 0_u64;
        for block in &blocks.dictionaries {
            if block.end().is_none_or(|end| end > self.size) {
                return Ok(());
            }
            total = total.saturating_add(block.metadata + block.body);
        }
        let limit = self.limits.message_bytes_max as u64;
        Error::check_limit("dictionaries", total, limit, "message_bytes_max")?;
        self.expect(blocks.dictionaries.into());
        Ok(())
    }

    fn expect(&mut self, blocks: VecDeque<Block>) {
        if let Some(block) = blocks.front() {
            self.range = block.offset..block.offset + block.metadata + block.body;
            self.step = Step::Blocks(blocks);
        }
    }
}

/// The message that is all of `bytes`.
fn message(block: Block, mut bytes: Bytes) -> Result<Message> {
    let prefix = if bytes.starts_with(&CONTINUATION) { 8 } else { 4 };
    let (metadata, offset) = (block.metadata as usize, block.offset);
    if metadata < prefix || metadata > bytes.len() {
        return Err(Error::malformed(offset, "a dictionary that is not where the footer says"));
    }
    let prefix = bytes.split_to(prefix);
    let metadata = bytes.split_to(metadata - prefix.len());
    Ok(Message { offset, prefix, metadata, body: bytes })
}
