//! The levels of a data page: which slots hold a value, and which begin a row.

use super::page::encoding;
use super::rle::{count_in_hybrid, decode_bit_packed, decode_hybrid, find_in_hybrid, rank_in_hybrid};

/// One level for each slot of a page.
pub(super) struct Levels<'a> {
    stored: Stored<'a>,
    slots: usize,
    /// The highest.
    pub(super) max: u32,
}

enum Stored<'a> {
    /// All are 0, and none is stored.
    Nowhere,
    /// As the page has them.
    Hybrid(&'a [u8]),
    /// In the old form without runs, which hardly any file has: decoded.
    Decoded(Vec<u32>),
}

impl<'a> Levels<'a> {
    /// The levels at the start of `page`, of version 1, and where they end.
    pub(super) fn v1(page: &'a [u8], max: u16, encoding: i32, slots: usize) -> Option<(Self, usize)> {
        let (stored, end) = match encoding {
            _ if max == 0 => (Stored::Nowhere, 0),
            encoding::RLE => {
                let length = u32::from_le_bytes(*page.first_chunk()?) as usize;
                let end = length.checked_add(4)?;
                (Stored::Hybrid(page.get(4..end)?), end)
            }
            encoding::BIT_PACKED => {
                let end = (slots * bits(max) as usize).div_ceil(8);
                let mut levels = Vec::new();
                decode_bit_packed(page.get(..end)?, bits(max), slots, &mut levels)?;
                (Stored::Decoded(levels), end)
            }
            _ => return None,
        };
        Some((Self { stored, slots, max: max.into() }, end))
    }

    /// The levels of a page of version 2, which are all of `bytes`.
    pub(super) fn v2(bytes: &'a [u8], max: u16, slots: usize) -> Self {
        let stored = if max == 0 { Stored::Nowhere } else { Stored::Hybrid(bytes) };
        Self { stored, slots, max: max.into() }
    }

    fn bit_width(&self) -> u32 {
        u32::BITS - self.max.leading_zeros()
    }

    /// Decodes all levels into `out`; none when all are 0. `None` when they cannot be read.
    pub(super) fn decode(&self, out: &mut Vec<u32>) -> Option<()> {
        out.clear();
        match &self.stored {
            Stored::Nowhere => {}
            Stored::Hybrid(bytes) => decode_hybrid(bytes, self.bit_width(), self.slots, out)?,
            Stored::Decoded(levels) => out.extend_from_slice(levels),
        }
        Some(())
    }

    /// How many slots have the highest level: those that hold a value. `None` when the levels cannot be read.
    ///
    /// Of a flat column, whose levels are single bits, this is a population count, and nothing is decoded.
    pub(super) fn count_max(&self) -> Option<usize> {
        match &self.stored {
            Stored::Nowhere => Some(self.slots),
            Stored::Hybrid(bytes) => count_in_hybrid(bytes, self.bit_width(), self.slots, self.max),
            Stored::Decoded(levels) => Some(levels.iter().filter(|&&level| level == self.max).count()),
        }
    }

    /// Shows the level of each of `slots` (ascending), and how many slots before it hold a value.
    pub(super) fn pick(&self, slots: &[usize], mut show: impl FnMut(u32, usize)) -> Option<()> {
        match &self.stored {
            Stored::Nowhere => slots.iter().for_each(|&slot| show(0, slot)),
            Stored::Hybrid(bytes) => return rank_in_hybrid(bytes, self.bit_width(), slots, self.max, show),
            Stored::Decoded(levels) => {
                let (mut from, mut before) = (0, 0);
                for &slot in slots {
                    before += levels[from..slot].iter().filter(|&&level| level == self.max).count();
                    from = slot;
                    show(levels[slot], before);
                }
            }
        }
        Some(())
    }

    /// The slots with the highest level, which are those that hold a value, into `out`. `None` when the levels cannot be read.
    pub(super) fn find_max(&self, out: &mut Vec<u32>) -> Option<()> {
        out.clear();
        match &self.stored {
            Stored::Nowhere => out.extend(0..u32::try_from(self.slots).ok()?),
            Stored::Hybrid(bytes) => find_in_hybrid(bytes, self.bit_width(), self.slots, self.max, out)?,
            Stored::Decoded(levels) => {
                out.extend((0..).zip(levels).filter(|&(_, &level)| level == self.max).map(|(slot, _)| slot));
            }
        }
        Some(())
    }

    /// Whether none is stored.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.stored, Stored::Nowhere)
    }
}

pub(super) fn bits(max_level: u16) -> u32 {
    u16::BITS - max_level.leading_zeros()
}
