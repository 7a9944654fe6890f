//! The RLE / bit-packing hybrid of levels and dictionary indices (the format's `Encodings.md`).

#![expect(clippy::cast_possible_truncation, reason = "usize has 64 bits, and masked numbers fit")]

/// A stretch of the hybrid.
enum Run<'a> {
    /// One number, again and again.
    Same { value: u32, count: usize },
    /// Numbers packed bit by bit, of as many bytes at least as they need.
    Packed { bytes: &'a [u8], count: usize },
}

impl Run<'_> {
    fn count(&self) -> usize {
        match self {
            Self::Same { count, .. } | Self::Packed { count, .. } => *count,
        }
    }

    /// The number at `index`, which lies in the run.
    fn get(&self, index: usize, bit_width: u32) -> u32 {
        match self {
            Self::Same { value, .. } => *value,
            Self::Packed { bytes, .. } => load(bytes, index * bit_width as usize, mask(bit_width)),
        }
    }

    /// How many of the first `count` numbers are `wanted`.
    fn count_of(&self, wanted: u32, count: usize, bit_width: u32) -> usize {
        match self {
            Self::Same { value, .. } => {
                if *value == wanted {
                    count
                } else {
                    0
                }
            }
            Self::Packed { bytes, .. } if bit_width == 1 => {
                let ones = count_ones(bytes, count);
                if wanted == 1 { ones } else { count - ones }
            }
            Self::Packed { .. } => (0..count).filter(|&index| self.get(index, bit_width) == wanted).count(),
        }
    }

    /// The positions of the numbers that are `wanted`, counted from `first` on, into `out`.
    fn find(&self, wanted: u32, bit_width: u32, first: u32, out: &mut Vec<u32>) {
        match self {
            Self::Same { value, count } if *value == wanted => out.extend((first..).take(*count)),
            Self::Same { .. } => {}
            Self::Packed { bytes, count } if bit_width == 1 => find_bits(bytes, *count, wanted == 1, first, out),
            Self::Packed { count, .. } => {
                let positions = (first..).zip(0..*count);
                out.extend(
                    positions.filter(|&(_, at)| self.get(at, bit_width) == wanted).map(|(position, _)| position),
                );
            }
        }
    }
}

/// How many of the first `count` bits are set.
fn count_ones(bytes: &[u8], count: usize) -> usize {
    let (whole, rest) = bytes[..count / 8].as_chunks::<8>();
    let ones = whole.iter().map(|word| u64::from_le_bytes(*word).count_ones()).sum::<u32>()
        + rest.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let last = if count.is_multiple_of(8) { 0 } else { bytes[count / 8] & ((1 << (count % 8)) - 1) };
    (ones + last.count_ones()) as usize
}

/// The positions, counted from `first` on, of those of the first `count` bits that are set, or of those that are not.
fn find_bits(bytes: &[u8], count: usize, set: bool, first: u32, out: &mut Vec<u32>) {
    for (bytes, at) in bytes[..count.div_ceil(8)].chunks(8).zip((0..count).step_by(64)) {
        let inside = mask((count - at).min(64) as u32);
        let mut left = if set { word(bytes) } else { !word(bytes) } & inside;
        let first = first + at as u32;
        if left == u64::MAX {
            out.extend(first..first + 64);
            continue;
        }
        while left != 0 {
            out.push(first + left.trailing_zeros());
            left &= left - 1;
        }
    }
}

/// Shows the runs of the first `count` numbers in `bytes`. `None` when the bytes end too early or are absurd.
fn for_each_run<'a>(bytes: &'a [u8], bit_width: u32, count: usize, mut show: impl FnMut(Run<'a>)) -> Option<()> {
    if bit_width == 0 {
        show(Run::Same { value: 0, count });
        return is_runs_of_nothing(bytes, count).then_some(());
    }
    if bit_width > 32 {
        return None;
    }
    let value_bytes = bit_width.div_ceil(8) as usize;
    let (mut at, mut left) = (0, count);
    while left > 0 {
        let (header, length) = varint(&bytes[at..])?;
        at += length;
        let run = if header & 1 == 0 {
            let run = usize::try_from(header >> 1).ok()?;
            let mut value = [0; 4];
            value[..value_bytes].copy_from_slice(bytes.get(at..at + value_bytes)?);
            at += value_bytes;
            Run::Same { value: u32::from_le_bytes(value), count: run.min(left) }
        } else {
            let groups = usize::try_from(header >> 1).ok()?;
            let stored = groups.checked_mul(bit_width as usize)?;
            // The last group may be cut where no value needs it.
            let packed = &bytes[at..bytes.len().min(at.checked_add(stored)?)];
            let count = groups.checked_mul(8)?.min(left);
            if packed.len() * 8 < count * bit_width as usize {
                return None;
            }
            at += packed.len();
            Run::Packed { bytes: packed, count }
        };
        if run.count() == 0 {
            return None;
        }
        left -= run.count();
        show(run);
    }
    Some(())
}

/// Decodes `count` numbers of `bit_width` bits from `bytes` into `out`. `None` when the bytes end too early or are absurd.
pub(super) fn decode_hybrid(bytes: &[u8], bit_width: u32, count: usize, out: &mut Vec<u32>) -> Option<()> {
    out.clear();
    for_each_run(bytes, bit_width, count, |run| match run {
        Run::Same { value, count } => out.resize(out.len() + count, value),
        Run::Packed { bytes, count } => unpack(bytes, bit_width, count, out),
    })
}

/// How many of the first `count` numbers are `wanted`: without decoding them, where a number is a bit.
pub(super) fn count_in_hybrid(bytes: &[u8], bit_width: u32, count: usize, wanted: u32) -> Option<usize> {
    let mut found = 0;
    for_each_run(bytes, bit_width, count, |run| found += run.count_of(wanted, run.count(), bit_width))?;
    Some(found)
}

/// The positions of those of the first `count` numbers that are `wanted`, into `out`.
pub(super) fn find_in_hybrid(
    bytes: &[u8],
    bit_width: u32,
    count: usize,
    wanted: u32,
    out: &mut Vec<u32>,
) -> Option<()> {
    let mut start = 0;
    for_each_run(bytes, bit_width, count, |run| {
        run.find(wanted, bit_width, start, out);
        start += run.count() as u32;
    })
}

/// Shows the numbers at `positions` (ascending). Runs without a position are not decoded.
pub(super) fn pick_from_hybrid(
    bytes: &[u8],
    bit_width: u32,
    positions: &[usize],
    mut show: impl FnMut(u32),
) -> Option<()> {
    let Some(last) = positions.last() else { return Some(()) };
    let (mut start, mut positions) = (0, positions.iter().peekable());
    for_each_run(bytes, bit_width, last.checked_add(1)?, |run| {
        let end = start + run.count();
        while let Some(&position) = positions.next_if(|&&position| position < end) {
            show(run.get(position - start, bit_width));
        }
        start = end;
    })
}

/// Shows the numbers at `positions` (ascending), each with how many of those before it are `wanted`.
pub(super) fn rank_in_hybrid(
    bytes: &[u8],
    bit_width: u32,
    positions: &[usize],
    wanted: u32,
    mut show: impl FnMut(u32, usize),
) -> Option<()> {
    let Some(last) = positions.last() else { return Some(()) };
    let (mut start, mut before, mut positions) = (0, 0, positions.iter().peekable());
    for_each_run(bytes, bit_width, last.checked_add(1)?, |run| {
        let end = start + run.count();
        while let Some(&position) = positions.next_if(|&&position| position < end) {
            let index = position - start;
            show(run.get(index, bit_width), before + run.count_of(wanted, index, bit_width));
        }
        before += run.count_of(wanted, run.count(), bit_width);
        start = end;
    })
}

/// Whether `bytes` hold what may stand where numbers have no bits: nothing, or runs without a value. Anything else was written
/// with another width than the page says.
fn is_runs_of_nothing(bytes: &[u8], count: usize) -> bool {
    let (mut at, mut seen) = (0, 0_usize);
    while at < bytes.len() && seen < count {
        let Some((header, length)) = varint(&bytes[at..]) else { return false };
        at += length;
        let run = usize::try_from(header >> 1).unwrap_or(usize::MAX);
        seen = seen.saturating_add(if header & 1 == 0 { run } else { run.saturating_mul(8) });
    }
    at == bytes.len() && (at == 0 || seen >= count)
}

/// Decodes the deprecated bit-packed levels: no header, most significant bit first.
pub(super) fn decode_bit_packed(bytes: &[u8], bit_width: u32, count: usize, out: &mut Vec<u32>) -> Option<()> {
    out.clear();
    if bit_width > 16 || bytes.len() * 8 < count.checked_mul(bit_width as usize)? {
        return None;
    }
    for index in 0..count {
        let mut value = 0;
        for bit in index * bit_width as usize..(index + 1) * bit_width as usize {
            value = value << 1 | u32::from(bytes[bit / 8] >> (7 - bit % 8) & 1);
        }
        out.push(value);
    }
    Some(())
}

/// Appends `count` numbers of `bit_width` bits, least significant bit first.
fn unpack(packed: &[u8], bit_width: u32, count: usize, out: &mut Vec<u32>) {
    let mask = mask(bit_width);
    let start = out.len();
    out.resize(start + count, 0);
    let mut bit = 0;
    for value in &mut out[start..] {
        *value = load(packed, bit, mask);
        bit += bit_width as usize;
    }
}

fn mask(bit_width: u32) -> u64 {
    u64::MAX.checked_shr(u64::BITS - bit_width).unwrap_or(0)
}

/// The number at a bit. One unaligned load of 8 bytes holds any of up to 32 bits at any of them.
#[inline]
fn load(packed: &[u8], bit: usize, mask: u64) -> u32 {
    (word(&packed[bit / 8..]) >> (bit % 8) & mask) as u32
}

/// The first eight bytes, with zeros behind the last one where there are fewer.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or_else(
        || bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        |word| u64::from_le_bytes(*word),
    )
}

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use parquet::encodings::rle::RleEncoder;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_what_the_library_writes(bit_width in 1_u8..=32, runs in prop::collection::vec((any::<u32>(), 1_usize..40), 1..60)) {
            let mask = ((1_u64 << bit_width) - 1) as u32;
            let values: Vec<u32> =
                runs.iter().flat_map(|&(value, run)| std::iter::repeat_n(value & mask, run)).collect();
            let mut encoder = RleEncoder::new(bit_width, 1024);
            values.iter().for_each(|&value| encoder.put(value.into()));
            let bytes = encoder.consume();
            let mut out = Vec::new();
            decode_hybrid(&bytes, bit_width.into(), values.len(), &mut out).unwrap();
            prop_assert_eq!(&out, &values);

            let wanted = values[values.len() / 2];
            let expected = values.iter().filter(|&&value| value == wanted).count();
            prop_assert_eq!(count_in_hybrid(&bytes, bit_width.into(), values.len(), wanted), Some(expected));
            let mut at = Vec::new();
            find_in_hybrid(&bytes, bit_width.into(), values.len(), wanted, &mut at).unwrap();
            let expected: Vec<u32> = (0..).zip(&values).filter(|&(_, &value)| value == wanted).map(|(at, _)| at).collect();
            prop_assert_eq!(at, expected);
            let positions: Vec<usize> = (0..values.len()).filter(|at| at % 7 == 3 || values[*at] == wanted).collect();
            let before = |at: usize| values[..at].iter().filter(|&&value| value == wanted).count();
            let expected: Vec<_> = positions.iter().map(|&at| (values[at], before(at))).collect();
            let mut picked = Vec::new();
            rank_in_hybrid(&bytes, bit_width.into(), &positions, wanted, |value, rank| picked.push((value, rank))).unwrap();
            prop_assert_eq!(&picked, &expected);
            let mut values = expected.iter().map(|&(value, _)| value);
            pick_from_hybrid(&bytes, bit_width.into(), &positions, |value| assert_eq!(Some(value), values.next())).unwrap();
            prop_assert_eq!(values.next(), None);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, bit_width in 0_u32..40, count in 0_usize..5000) {
            let mut out = Vec::new();
            if decode_hybrid(&bytes, bit_width, count, &mut out).is_some() {
                prop_assert_eq!(out.len(), count);
            }
            let _ = decode_bit_packed(&bytes, bit_width, count, &mut out);
            let _ = count_in_hybrid(&bytes, bit_width, count, 1);
            let _ = find_in_hybrid(&bytes, bit_width, count, 1, &mut out);
            let positions = [count / 3, count / 2 + 1, count + 2];
            let _ = rank_in_hybrid(&bytes, bit_width, &positions, 1, |_, _| {});
            let _ = pick_from_hybrid(&bytes, bit_width, &positions, |_| {});
        }
    }
}
