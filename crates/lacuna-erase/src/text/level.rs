//! At which level a member was made. Nothing in it says so; but its first text, packed again, tells.

use lacuna_scan::Limits;
use lacuna_scan::text::Member;

use super::output::Again;
use crate::{ReadAt, Result};

/// How much text is tried: two blocks of a zstd frame.
const SAMPLE: usize = 256 << 10;

/// A level makes text about as small as it was when it is larger by no more than this many percent.
const GROWS_BY: u64 = 3;

/// Zstd's levels that writers use, the quickest first.
const ZSTD_LEVELS: [i32; 4] = [1, 3, 9, 19];

/// The lowest of the usual levels that makes the first text of the zstd frame at `stored` about as small as it is; `None` for members
/// of another kind, whose headers tell enough.
pub(super) fn guess(input: &dyn ReadAt, member: &Member, stored: u64, limits: &Limits) -> Result<Option<i32>> {
    if !matches!(member, Member::Zstd(_)) {
        return Ok(None);
    }
    let mut again = Again::new(input, stored, limits);
    let mut text = Vec::new();
    while text.len() < SAMPLE && again.pull(&mut text)? {}
    // Whole blocks were taken, and maybe a part of the next: levels must not seem worse than they are.
    let was = again.stored_bytes();
    let bearable = was.saturating_add(was * GROWS_BY / 100);
    for level in ZSTD_LEVELS {
        if zstd::bulk::compress(&text, level)?.len() as u64 <= bearable {
            return Ok(Some(level));
        }
    }
    Ok(ZSTD_LEVELS.last().copied())
}
