//! The RLE / bit-packing hybrid of levels and dictionary indices (the format's `Encodings.md`).

#![expect(clippy::cast_possible_truncation, reason = "usize has 64 bits, and masked numbers fit")]

/// Decodes `count` numbers of `bit_width` bits from `bytes` into `out`. `None` when the bytes end too early or are absurd.
pub(super) fn decode_hybrid(bytes: &[u8], bit_width: u32, count: usize, out: &mut Vec<u32>) -> Option<()> {
    out.clear();
    if bit_width == 0 {
        out.resize(count, 0);
        return is_runs_of_nothing(bytes, count).then_some(());
    }
    if bit_width > 32 {
        return None;
    }
    let value_bytes = bit_width.div_ceil(8) as usize;
    let mut at = 0;
    while out.len() < count {
        let (header, length) = varint(&bytes[at..])?;
        at += length;
        let left = count - out.len();
        if header & 1 == 0 {
            let run = usize::try_from(header >> 1).ok()?;
            let mut value = [0; 4];
            value[..value_bytes].copy_from_slice(bytes.get(at..at + value_bytes)?);
            at += value_bytes;
            if run == 0 {
                return None;
            }
            out.resize(out.len() + run.min(left), u32::from_le_bytes(value));
        } else {
            let groups = usize::try_from(header >> 1).ok()?;
            let stored = groups.checked_mul(bit_width as usize)?;
            // The last group may be cut where no value needs it.
            let packed = &bytes[at..bytes.len().min(at.checked_add(stored)?)];
            let wanted = groups.checked_mul(8)?.min(left);
            if groups == 0 || packed.len() * 8 < wanted * bit_width as usize {
                return None;
            }
            unpack(packed, bit_width, wanted, out);
            at += packed.len();
        }
    }
    Some(())
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
    let mask = (1_u64 << bit_width) - 1;
    let start = out.len();
    out.resize(start + count, 0);
    // One unaligned 8-byte load holds any number of up to 32 bits at any bit offset; the tail is padded to allow it.
    let mut bit = 0;
    let whole = packed.len().saturating_sub(8) * 8;
    let mut values = out[start..].iter_mut();
    for value in values.by_ref() {
        if bit >= whole {
            *value = load(packed, bit, mask);
            bit += bit_width as usize;
            break;
        }
        let at = bit / 8;
        let word = u64::from_le_bytes([
            packed[at],
            packed[at + 1],
            packed[at + 2],
            packed[at + 3],
            packed[at + 4],
            packed[at + 5],
            packed[at + 6],
            packed[at + 7],
        ]);
        *value = (word >> (bit % 8) & mask) as u32;
        bit += bit_width as usize;
    }
    for value in values {
        *value = load(packed, bit, mask);
        bit += bit_width as usize;
    }
}

fn load(packed: &[u8], bit: usize, mask: u64) -> u32 {
    let mut word = [0; 8];
    let rest = &packed[bit / 8..];
    let length = rest.len().min(8);
    word[..length].copy_from_slice(&rest[..length]);
    (u64::from_le_bytes(word) >> (bit % 8) & mask) as u32
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
            prop_assert_eq!(out, values);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, bit_width in 0_u32..40, count in 0_usize..5000) {
            let mut out = Vec::new();
            if decode_hybrid(&bytes, bit_width, count, &mut out).is_some() {
                prop_assert_eq!(out.len(), count);
            }
            let _ = decode_bit_packed(&bytes, bit_width, count, &mut out);
        }
    }
}
