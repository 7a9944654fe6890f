//! The text that stays, in members that begin and end where they did before.

use std::collections::VecDeque;
use std::io::Write;

use lacuna_scan::text::blocks::Joint;

use super::pack::Packer;
use crate::Result;

/// Takes text by where it stood before, in ascending order.
pub(super) struct Output<'o> {
    out: &'o mut (dyn Write + Send),
    joints: VecDeque<Joint>,
    packer: Option<Packer>,
    hold_max: usize,
}

impl<'o> Output<'o> {
    /// Holds at most `hold_max` bytes of a frame whose length stands in front.
    pub(super) fn new(out: &'o mut (dyn Write + Send), hold_max: usize) -> Self {
        Self { out, joints: VecDeque::new(), packer: None, hold_max }
    }

    /// Learns where members begin and end, before their text comes.
    pub(super) fn add_joints(&mut self, joints: Vec<Joint>) {
        self.joints.extend(joints);
    }

    /// Writes text that stood at `offset`.
    pub(super) fn write(&mut self, mut offset: u64, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.pass_joints(offset)?;
            let room = self.joints.front().map_or(u64::MAX, |joint| joint.offset - offset);
            let (now, rest) = bytes.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
            self.pack(now)?;
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

    /// Ends what is still open.
    pub(super) fn finish(mut self) -> Result<()> {
        self.pass_joints(u64::MAX)?;
        Ok(self.out.flush()?)
    }

    fn pass_joints(&mut self, offset: u64) -> Result<()> {
        while let Some(joint) = self.joints.pop_front_if(|joint| joint.offset <= offset) {
            match (joint.begins, self.packer.take()) {
                (Some(member), _) => self.packer = Some(Packer::new(&member, self.hold_max)?),
                (None, Some(packer)) => packer.finish(self.out)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn pack(&mut self, bytes: &[u8]) -> Result<()> {
        // Text stands in a member always.
        if let Some(packer) = &mut self.packer {
            packer.write(bytes, self.out)?;
        }
        Ok(())
    }
}
