//! Which blocks a blob is made of: sent from here, or copied inside the service from the version that they replace.

use crate::Unchanged;

/// Sent blocks have at least this size, where there is so much to send in one piece.
const SENT_BYTES_MIN: u64 = 8 << 20;

/// A copied block has at most this size: what every version of the service takes in one request (Put Block From URL, remarks).
const COPIED_BYTES_MAX: u64 = 100 << 20;

/// Shorter stretches are sent: a request costs more than they do.
const COPIED_BYTES_MIN: u64 = 1 << 20;

/// The service's limit on the blocks of a blob (Put Block List, remarks).
const BLOCKS_MAX: u64 = 50_000;

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where it starts in the new bytes.
    pub(super) at: u64,
    pub(super) length: u64,
    /// Where it starts in the old bytes, if it stands there.
    pub(super) from: Option<u64>,
}

/// The blocks of `size` bytes, of which these stretches are `unchanged`.
pub(super) fn blocks(size: u64, unchanged: &[Unchanged]) -> Vec<Block> {
    let cut = cut(size, unchanged);
    // Whole blocks are fewer than half the limit.
    if cut.len() as u64 > BLOCKS_MAX { self::cut(size, &[]) } else { cut }
}

fn cut(size: u64, unchanged: &[Unchanged]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut end = 0;
    for stretch in unchanged.iter().filter(|stretch| stretch.length >= COPIED_BYTES_MIN) {
        let is_in_order = stretch.at >= end && stretch.length <= size && stretch.at <= size - stretch.length;
        if !is_in_order {
            continue;
        }
        push(&mut blocks, end, stretch.at - end, None, sent_bytes(size));
        push(&mut blocks, stretch.at, stretch.length, Some(stretch.from), COPIED_BYTES_MAX);
        end = stretch.at + stretch.length;
    }
    push(&mut blocks, end, size - end, None, sent_bytes(size));
    blocks
}

/// Adds blocks of up to `most` bytes that cover `length` bytes from `at` on.
fn push(blocks: &mut Vec<Block>, at: u64, length: u64, from: Option<u64>, most: u64) {
    let mut done = 0;
    while done < length {
        let next = most.min(length - done);
        blocks.push(Block { at: at + done, length: next, from: from.map(|from| from + done) });
        done += next;
    }
}

/// Blocks of whole MiB, large enough that the service's limit on their number holds.
pub(super) fn sent_bytes(size: u64) -> u64 {
    size.div_ceil(BLOCKS_MAX / 2).next_multiple_of(1 << 20).max(SENT_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Whether the blocks stand behind each other and are all of the bytes.
    fn covers(size: u64, blocks: &[Block]) -> bool {
        let end =
            blocks.iter().try_fold(0, |end, block| (block.at == end && block.length > 0).then(|| end + block.length));
        end == Some(size)
    }

    #[test]
    fn blocks_cover_all_bytes() {
        assert_eq!(blocks(0, &[]), []);
        for size in [1, 8 * MIB, 8 * MIB + 1, 900 * MIB] {
            assert!(covers(size, &blocks(size, &[])));
            let all = [Unchanged { from: 7, at: 0, length: size }];
            assert!(covers(size, &blocks(size, &all)));
        }
        let stretches = [
            Unchanged { from: 9 * MIB, at: 3, length: 2 * MIB },
            Unchanged { from: 20 * MIB, at: 4 * MIB, length: 5 },
            Unchanged { from: 21 * MIB, at: 5 * MIB, length: 250 * MIB },
        ];
        let cut = blocks(300 * MIB, &stretches);
        assert!(covers(300 * MIB, &cut));
        let copied: Vec<_> = cut.iter().filter_map(|block| Some((block.from?, block.at, block.length))).collect();
        assert_eq!(
            copied,
            [
                (9 * MIB, 3, 2 * MIB),
                (21 * MIB, 5 * MIB, 100 * MIB),
                (121 * MIB, 105 * MIB, 100 * MIB),
                (221 * MIB, 205 * MIB, 50 * MIB),
            ]
        );
    }

    #[test]
    fn what_cannot_be_is_sent() {
        for wrong in [
            [Unchanged { from: 0, at: 4 * MIB, length: 9 * MIB }, Unchanged { from: 0, at: 0, length: 2 * MIB }],
            [Unchanged { from: 0, at: 0, length: u64::MAX }, Unchanged { from: 0, at: u64::MAX, length: 2 * MIB }],
        ] {
            let cut = blocks(10 * MIB, &wrong);
            assert!(covers(10 * MIB, &cut) && cut.iter().any(|block| block.from.is_none()));
        }
        let many: Vec<_> = (0..60_000).map(|n| Unchanged { from: 0, at: n * 2 * MIB, length: MIB }).collect();
        let cut = blocks(120_000 * MIB, &many);
        assert!(covers(120_000 * MIB, &cut) && cut.len() < 50_000);
    }
}
