//! Decompression and splitting together: stored bytes in, blocks of text out that end where a record does.

use std::io::Read;

use bytes::Bytes;

use super::compression::Step;
use super::{Decompressor, Member, Piece, Splitter, TextFormat};
use crate::{Error, Limits, Result};

/// A block is about so many bytes of text, more where one record is. Few enough that they stay in a core's own cache from being
/// decompressed to being searched.
pub const BLOCK_BYTES: usize = 256 << 10;

/// A block ends after so many joints too: members may be empty.
const JOINTS_MAX: usize = 4096;

/// Bytes that [`Reader`] reads at a time.
const READ_BYTES: usize = 256 << 10;

/// Text that was cut into pieces.
#[derive(Debug, Default)]
pub struct Block {
    /// The text: whole pieces.
    pub text: Vec<u8>,
    /// Where it begins in the shard's text.
    pub offset: u64,
    /// What it consists of; they cover all of it.
    pub pieces: Vec<Piece>,
    /// Where members begin and end, up to somewhere behind this block; each is told once. Only if they were asked for.
    pub joints: Vec<Joint>,
    /// Whether a backslash may be in the text.
    pub(super) has_backslash: bool,
}

impl Block {
    /// The text of one of its pieces.
    pub fn bytes(&self, piece: &Piece) -> &[u8] {
        &self.text[piece.start..piece.end]
    }
}

/// The begin or end of a gzip member, zstd frame, lz4 frame or plain file.
#[derive(Debug, PartialEq, Eq)]
pub struct Joint {
    /// Where, in the shard's text.
    pub offset: u64,
    /// Where, in the bytes that are stored.
    pub stored: u64,
    /// The header of the member that begins; `None` where one ends.
    pub begins: Option<Member>,
}

/// How far [`Blocks::fill`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// There is a block to cut.
    Full,
    /// More stored bytes are needed.
    Hungry,
    /// The shard's text is over: the last block is to be cut.
    Done,
}

/// Makes blocks of pushed bytes.
#[derive(Debug)]
pub struct Blocks {
    decompressor: Decompressor,
    splitter: Splitter,
    /// Its first `filled` bytes are text that isn't cut yet; it begins at `offset`.
    text: Vec<u8>,
    filled: usize,
    offset: u64,
    full_at: usize,
    record_bytes_max: usize,
    joints: Option<Vec<Joint>>,
    is_done: bool,
}

impl Blocks {
    /// For one shard.
    pub fn new(format: &TextFormat, limits: &Limits) -> Result<Self> {
        Ok(Self {
            decompressor: Decompressor::new(limits),
            splitter: Splitter::new(format, limits)?,
            text: Vec::new(),
            filled: 0,
            offset: 0,
            full_at: BLOCK_BYTES,
            record_bytes_max: limits.record_bytes_max,
            joints: None,
            is_done: false,
        })
    }

    /// Tells [`Block::joints`] too.
    #[must_use]
    pub fn with_joints(mut self) -> Self {
        self.joints = Some(Vec::new());
        self
    }

    /// Takes the next stored bytes.
    pub fn push(&mut self, piece: Bytes) {
        self.decompressor.push(piece);
    }

    /// Says that no bytes follow.
    pub fn end(&mut self) {
        self.decompressor.end();
    }

    /// What cuts the blocks; it knows the CSV columns' names.
    pub fn splitter(&self) -> &Splitter {
        &self.splitter
    }

    /// Bytes of text so far.
    pub fn text_bytes(&self) -> u64 {
        self.decompressor.text_bytes()
    }

    /// Decompresses until a block is full. Where blocks end depends on the text alone, not on the pieces that were pushed.
    pub fn fill(&mut self) -> Result<Filled> {
        if self.text.capacity() < self.full_at {
            // Fresh zeros cost nothing until they are touched, so a small shard doesn't pay for a large block.
            let mut larger = vec![0; self.full_at];
            larger[..self.filled].copy_from_slice(&self.text[..self.filled]);
            self.text = larger;
        }
        self.text.resize(self.text.len().max(self.full_at), 0);
        while self.filled < self.full_at {
            let (step, bytes) = self.decompressor.pull_into(&mut self.text[self.filled..self.full_at])?;
            self.filled += bytes;
            let begins = match step {
                Step::Data => continue,
                Step::Hungry => return Ok(Filled::Hungry),
                Step::Done => {
                    self.is_done = true;
                    return Ok(Filled::Done);
                }
                Step::Begin(member) => Some(member),
                Step::End => None,
            };
            if let Some(joints) = &mut self.joints {
                let (offset, stored) = (self.decompressor.text_bytes(), self.decompressor.joint_at());
                joints.push(Joint { offset, stored, begins });
                if joints.len() >= JOINTS_MAX {
                    break;
                }
            }
        }
        Ok(Filled::Full)
    }

    /// Cuts the filled text into `block`, and keeps what isn't whole for the next one.
    pub fn cut(&mut self, block: &mut Block) -> Result<()> {
        block.pieces.clear();
        block.joints.clear();
        if let Some(joints) = &mut self.joints {
            std::mem::swap(joints, &mut block.joints);
        }
        std::mem::swap(&mut self.text, &mut block.text);
        block.text.truncate(self.filled);
        block.offset = self.offset;
        let whole = self.splitter.split(&block.text, self.offset, self.is_done, &mut block.pieces)?;
        block.has_backslash = self.splitter.has_backslash();
        self.offset += whole as u64;
        // The buffers change places, and neither is cleared: what is left is small, and all else gets written over.
        let rest = &block.text[whole..];
        self.filled = rest.len();
        self.text.resize(self.text.len().max(rest.len()), 0);
        self.text[..rest.len()].copy_from_slice(rest);
        block.text.truncate(whole);
        // A record longer than a block is looked at again each time: twice as much of it each time, up to the largest allowed.
        let longest = self.record_bytes_max.saturating_add(BLOCK_BYTES);
        self.full_at = BLOCK_BYTES.max(longest.min(2 * self.filled));
        Ok(())
    }
}

/// Reads a shard's blocks one after the other.
pub struct Reader<'r> {
    input: &'r mut dyn Read,
    blocks: Blocks,
    block: Block,
    is_done: bool,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}

impl<'r> Reader<'r> {
    /// Reads `input` from its first byte.
    pub fn new(input: &'r mut dyn Read, blocks: Blocks) -> Self {
        Self { input, blocks, block: Block::default(), is_done: false }
    }

    /// The next block; `None` after the last one.
    pub fn next_block(&mut self) -> Result<Option<&Block>> {
        if self.is_done {
            return Ok(None);
        }
        loop {
            match self.blocks.fill()? {
                Filled::Hungry => self.read()?,
                Filled::Full => break,
                Filled::Done => {
                    self.is_done = true;
                    break;
                }
            }
        }
        self.blocks.cut(&mut self.block)?;
        Ok(Some(&self.block))
    }

    /// The block that [`next_block`](Self::next_block) gave last.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Takes the last block's joints.
    pub fn take_joints(&mut self) -> Vec<Joint> {
        std::mem::take(&mut self.block.joints)
    }

    /// What cuts the blocks; it knows the CSV columns' names.
    pub fn splitter(&self) -> &Splitter {
        self.blocks.splitter()
    }

    fn read(&mut self) -> Result<()> {
        let mut piece = vec![0; READ_BYTES];
        let bytes = loop {
            match self.input.read(&mut piece) {
                Ok(bytes) => break bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Read(error)),
            }
        };
        if bytes == 0 {
            self.blocks.end();
        } else {
            piece.truncate(bytes);
            self.blocks.push(piece.into());
        }
        Ok(())
    }
}
