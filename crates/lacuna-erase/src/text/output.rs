//! The text that stays, in members that begin and end where they did before: copied as they are stored, until their text changes.

use std::collections::VecDeque;
use std::io::{self, Write};

use lacuna_scan::Limits;
use lacuna_scan::text::blocks::Joint;
use lacuna_scan::text::{Decompressor, Member};

use super::level;
use super::pack::Packer;
use crate::copied::{Copied, Stretches};
use crate::{Error, ReadAt, Result};

/// Stored bytes are copied, and read again, in such portions.
const PORTION: u64 = 256 << 10;

/// So many joints wait for text that stood in front of them.
const JOINTS_MAX: usize = 128 << 10;

/// Takes text by where it stood before, in ascending order.
pub(super) struct Output<'o> {
    input: &'o dyn ReadAt,
    out: Counted<'o>,
    limits: &'o Limits,
    joints: VecDeque<Joint>,
    member: Option<Open>,
    copied: Stretches,
}

/// Counts what is written.
struct Counted<'o> {
    out: &'o mut (dyn Write + Send),
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A member that has begun.
enum Open {
    /// Its text is the same so far.
    Same(Unchanged),
    /// Its text has changed.
    Made(Packer),
}

/// A member of which nothing is written yet.
struct Unchanged {
    member: Member,
    /// Where it begins in the stored bytes.
    stored: u64,
    /// Where its text begins.
    start: u64,
    /// Up to where its text stays.
    end: u64,
}

impl<'o> Output<'o> {
    /// Members that stay are taken from `input`. Holds at most `page_bytes_max` of a frame whose length stands in front.
    pub(super) fn new(input: &'o dyn ReadAt, out: &'o mut (dyn Write + Send), limits: &'o Limits) -> Self {
        let out = Counted { out, bytes: 0 };
        Self { input, out, limits, joints: VecDeque::new(), member: None, copied: Stretches::default() }
    }

    /// Learns where members begin and end, before their text comes: that stands at `next` or behind, but for what is `held` back and
    /// stood there.
    pub(super) fn add_joints(&mut self, joints: Vec<Joint>, next: u64, held: Option<u64>) -> Result<()> {
        self.joints.extend(joints);
        // Members of which nothing is written would wait until the end. Where they are too many, what is held goes into a later one.
        self.pass_joints(held.filter(|_| self.joints.len() <= JOINTS_MAX).unwrap_or(next))?;
        if self.joints.len() > JOINTS_MAX {
            return Err(Error::Unfaithful(format!("more than {} members meet in one record", JOINTS_MAX / 2)));
        }
        Ok(())
    }

    /// Writes text that stood at `offset`.
    pub(super) fn write(&mut self, mut offset: u64, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.pass_joints(offset)?;
            let room = self.joints.front().map_or(u64::MAX, |joint| joint.offset - offset);
            let (now, rest) = bytes.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
            match &mut self.member {
                Some(Open::Same(same)) if same.end == offset => same.end += now.len() as u64,
                _ => self.pack(now)?,
            }
            offset += now.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Writes text in place of other text that began at `offset`.
    pub(super) fn insert(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.pass_joints(offset)?;
        self.pack(bytes)
    }

    /// Ends what is still open. Answers with what was copied.
    pub(super) fn finish(mut self) -> Result<Vec<Copied>> {
        self.pass_joints(u64::MAX)?;
        self.out.flush()?;
        Ok(self.copied.finish())
    }

    fn pass_joints(&mut self, offset: u64) -> Result<()> {
        while let Some(Joint { offset: at, stored, begins }) = self.joints.pop_front_if(|joint| joint.offset <= offset)
        {
            match (begins, self.member.take()) {
                // It has no place where it could be cut off.
                (Some(member @ Member::Plain), _) => {
                    self.member = Some(Open::Made(Packer::new(&member, None, self.limits.page_bytes_max)?));
                }
                (Some(member), _) => {
                    self.member = Some(Open::Same(Unchanged { member, stored, start: at, end: at }));
                }
                (None, Some(Open::Same(same))) if same.end == at => self.copy(same.stored, stored)?,
                (None, Some(open)) => self.made(open)?.finish(&mut self.out)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn pack(&mut self, bytes: &[u8]) -> Result<()> {
        // Text stands in a member always.
        if let Some(open) = self.member.take() {
            let mut packer = self.made(open)?;
            packer.write(bytes, &mut self.out)?;
            self.member = Some(Open::Made(packer));
        }
        Ok(())
    }

    /// What packs the member, with the text that it has so far.
    fn made(&mut self, open: Open) -> Result<Packer> {
        let same = match open {
            Open::Made(packer) => return Ok(packer),
            Open::Same(same) => same,
        };
        let level = level::guess(self.input, &same.member, same.stored, self.limits)?;
        let mut packer = Packer::new(&same.member, level, self.limits.page_bytes_max)?;
        let mut again = Again::new(self.input, same.stored, self.limits);
        let (mut left, mut text) = (same.end - same.start, Vec::new());
        while left > 0 {
            text.clear();
            if !again.pull(&mut text)? {
                break;
            }
            let now = text.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            packer.write(&text[..now], &mut self.out)?;
            left -= now as u64;
        }
        Ok(packer)
    }

    /// Copies a member from where it begins to where it ends.
    fn copy(&mut self, start: u64, end: u64) -> Result<()> {
        self.copied.push(start, self.out.bytes, end - start);
        let mut at = start;
        while at < end {
            let next = end.min(at + PORTION);
            self.out.write_all(&self.input.read_at(at..next)?)?;
            at = next;
        }
        Ok(())
    }
}

/// A member, read again from its first byte.
pub(super) struct Again<'a> {
    input: &'a dyn ReadAt,
    at: u64,
    decompressor: Decompressor,
}

impl<'a> Again<'a> {
    /// Of the member that begins at `stored`.
    pub(super) fn new(input: &'a dyn ReadAt, stored: u64, limits: &Limits) -> Self {
        // The shard was read up to here as a whole, of which one member may expand more.
        let limits = Limits { expansion_max: u64::MAX, ..*limits };
        Self { input, at: stored, decompressor: Decompressor::new(&limits) }
    }

    /// Appends some text; `false` where the member ends.
    pub(super) fn pull(&mut self, text: &mut Vec<u8>) -> Result<bool> {
        use lacuna_scan::text::compression::Step;
        loop {
            match self.decompressor.pull(text, usize::MAX)? {
                Step::Begin(_) => {}
                Step::Data => return Ok(true),
                Step::End | Step::Done => return Ok(false),
                Step::Hungry => {
                    let end = self.input.size().min(self.at + PORTION);
                    match self.at < end {
                        true => self.decompressor.push(self.input.read_at(self.at..end)?),
                        false => self.decompressor.end(),
                    }
                    self.at = end;
                }
            }
        }
    }

    /// How many of the member's stored bytes the text took.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.decompressor.stored_bytes()
    }
}
