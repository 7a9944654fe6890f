//! Values of one physical type out of their encoding and back into it.

use bytes::Bytes;
use lacuna_scan::parquet::decoded_bytes;
use lacuna_scan::{Error as ScanError, Limits};
use parquet::basic::{Encoding, Type};
use parquet::data_type::{AsBytes, DataType};
use parquet::decoding::get_decoder;
use parquet::encoding::get_encoder;
use parquet::encodings::rle::RleDecoder;
use parquet::schema::types::ColumnDescPtr;

use crate::{Error, Result};

/// Runs `$body` with `$name` as the [`DataType`] of a physical type.
macro_rules! with_type {
    ($physical:expr, $name:ident => $body:expr) => {
        match $physical {
            parquet::basic::Type::BOOLEAN => {
                type $name = parquet::data_type::BoolType;
                $body
            }
            parquet::basic::Type::INT32 => {
                type $name = parquet::data_type::Int32Type;
                $body
            }
            parquet::basic::Type::INT64 => {
                type $name = parquet::data_type::Int64Type;
                $body
            }
            parquet::basic::Type::INT96 => {
                type $name = parquet::data_type::Int96Type;
                $body
            }
            parquet::basic::Type::FLOAT => {
                type $name = parquet::data_type::FloatType;
                $body
            }
            parquet::basic::Type::DOUBLE => {
                type $name = parquet::data_type::DoubleType;
                $body
            }
            parquet::basic::Type::BYTE_ARRAY => {
                type $name = parquet::data_type::ByteArrayType;
                $body
            }
            parquet::basic::Type::FIXED_LEN_BYTE_ARRAY => {
                type $name = parquet::data_type::FixedLenByteArrayType;
                $body
            }
        }
    };
}
pub(super) use with_type;

/// Takes `count` values out of `encoded`, which belong to the page at `offset`.
pub(super) fn decode<T: DataType>(
    encoded: Bytes,
    encoding: Encoding,
    count: usize,
    column: &ColumnDescPtr,
    limits: &Limits,
    offset: u64,
) -> Result<Vec<T::T>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let memory = (count as u64).saturating_mul(size_of::<T::T>() as u64);
    // As objects, values take a few times their encoded size.
    let allowed = limits.page_bytes_max as u64 * 4;
    ScanError::check_limit("a page, as values in memory,", memory, allowed, "page_bytes_max")?;
    if encoding == Encoding::PLAIN && T::get_physical_type() == Type::BYTE_ARRAY && !holds_byte_arrays(&encoded, count)
    {
        return Err(ScanError::malformed(offset, "a page holds fewer values than its header says").into());
    }
    let failed = |source| ScanError::Parquet { place: format!("the page at byte {offset}"), source };
    let most = limits.page_bytes_max as u64;
    let bytes = unpanicked(offset, || decoded_bytes(encoding, &encoded, most))?.map_err(failed)?;
    ScanError::check_limit("a page, decoded,", bytes, most, "page_bytes_max")?;
    let (values, decoded) = unpanicked(offset, || {
        let mut decoder = get_decoder::<T>(column.clone(), encoding)?;
        decoder.set_data(encoded, count)?;
        let mut values = vec![T::T::default(); count];
        let decoded = decoder.get(&mut values)?;
        Ok((values, decoded))
    })?
    .map_err(failed)?;
    if decoded != count {
        return Err(ScanError::malformed(offset, "a page holds fewer values than its header says").into());
    }
    Ok(values)
}

/// Runs a decoder, some of which panic on bytes that are not theirs.
fn unpanicked<R>(
    offset: u64,
    decode: impl FnOnce() -> parquet::errors::Result<R>,
) -> Result<parquet::errors::Result<R>> {
    // Nothing outlives a panic but the error.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode))
        .map_err(|_| ScanError::malformed(offset, "a page cannot be decoded").into())
}

/// Whether `encoded` holds `count` byte arrays, each behind its length. The decoder takes that for granted.
fn holds_byte_arrays(mut encoded: &[u8], count: usize) -> bool {
    (0..count).all(|_| {
        let Some((length, rest)) = encoded.split_first_chunk() else { return false };
        let Some(rest) = rest.get(u32::from_le_bytes(*length) as usize..) else { return false };
        encoded = rest;
        true
    })
}

/// Encodes `values`.
pub(super) fn encode<T: DataType>(values: &[T::T], encoding: Encoding, column: &ColumnDescPtr) -> Result<Bytes> {
    // The encoder of runs knows no empty ones; their length comes first.
    if values.is_empty() && encoding == Encoding::RLE {
        return Ok(Bytes::from_static(&[0; 4]));
    }
    let failed = |source| Error::Parquet { place: "values of a page".into(), source };
    let mut encoder = get_encoder::<T>(encoding, column).map_err(failed)?;
    encoder.put(values).map_err(failed)?;
    encoder.flush_buffer().map_err(failed)
}

/// A value as statistics and Bloom filters hold it.
pub(super) fn plain<V: AsBytes>(value: &V) -> &[u8] {
    value.as_bytes()
}

/// Takes `count` indices into a dictionary of `entries` out of `encoded`.
pub(super) fn decode_indices(encoded: &Bytes, count: usize, entries: usize, offset: u64) -> Result<Vec<u32>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let short = || ScanError::malformed(offset, "a page holds fewer dictionary indices than its header says");
    let &width = encoded.first().ok_or_else(short)?;
    if width > 32 {
        return Err(ScanError::malformed(offset, "dictionary indices have more than 32 bits").into());
    }
    let mut indices = vec![0_i32; count];
    let mut decoder = RleDecoder::new(width);
    decoder.set_data(encoded.slice(1..)).map_err(|_| short())?;
    if decoder.get_batch(&mut indices).map_err(|_| short())? != count {
        return Err(short().into());
    }
    let indices: Vec<u32> = indices.into_iter().map(i32::cast_unsigned).collect();
    if indices.iter().fold(0, |max, &index| index.max(max)) as usize >= entries {
        return Err(ScanError::malformed(offset, "a dictionary index lies beyond the dictionary").into());
    }
    Ok(indices)
}

/// The numbers that are packed together.
const GROUP: usize = 8;
/// No writer packs more groups behind one header.
const GROUPS_MAX: usize = 63;

/// Encodes `indices` in `width` bits each, or in more if they need more.
pub(super) fn encode_indices(indices: &[u32], width: u8) -> Vec<u8> {
    let width = width.max(bits(indices));
    let mut out = Vec::with_capacity(indices.len() * usize::from(width) / 8 + indices.len() / 64 + 16);
    out.push(width);
    if width == 0 {
        push_run(&mut out, 0, indices.len(), 0);
        return out;
    }
    // Where the header of the open stretch of packed groups is, and how many there are.
    let mut packed: Option<(usize, usize)> = None;
    let mut rest = indices;
    while let Some(&first) = rest.first() {
        let (group, behind) = rest.split_at(rest.len().min(GROUP));
        if group.len() == GROUP && group.iter().all(|&index| index == first) {
            let run = GROUP + behind.iter().take_while(|&&index| index == first).count();
            push_run(&mut out, first, run, width);
            packed = None;
            rest = &rest[run..];
            continue;
        }
        let (header, groups) = match packed {
            Some((header, groups)) if groups < GROUPS_MAX => (header, groups + 1),
            _ => {
                out.push(0);
                (out.len() - 1, 1)
            }
        };
        out[header] = (groups << 1 | 1).to_le_bytes()[0];
        packed = Some((header, groups));
        push_group(&mut out, group, width);
        rest = behind;
    }
    out
}

/// Encodes `indices` as one packed run of signed numbers of whole bytes, of `width` bits each, or of more if they need more.
pub(super) fn pack_indices(indices: &[u32], width: u8) -> Vec<u8> {
    let needed = (bits(indices) + 1).next_power_of_two().clamp(8, 32);
    let width = width.max(needed);
    let mut out = Vec::with_capacity((indices.len() + GROUP) * usize::from(width.div_ceil(8)) + 16);
    out.push(width);
    push_header(&mut out, indices.len().div_ceil(GROUP), true);
    indices.chunks(GROUP).for_each(|group| push_group(&mut out, group, width));
    out
}

/// How many bits the highest of `indices` needs.
fn bits(indices: &[u32]) -> u8 {
    let max = indices.iter().fold(0, |max, &index| index.max(max));
    (u32::BITS - max.leading_zeros()).to_le_bytes()[0]
}

/// One number, again and again.
fn push_run(out: &mut Vec<u8>, value: u32, count: usize, width: u8) {
    push_header(out, count, false);
    out.extend_from_slice(&value.to_le_bytes()[..usize::from(width.div_ceil(8))]);
}

/// How many groups are packed behind, or how often one number stands there.
fn push_header(out: &mut Vec<u8>, count: usize, is_packed: bool) {
    let mut header = (count as u64) << 1 | u64::from(is_packed);
    while header >= 0x80 {
        out.push(header.to_le_bytes()[0] | 0x80);
        header >>= 7;
    }
    out.push(header.to_le_bytes()[0]);
}

/// Up to eight numbers, the first one in the lowest bits; as many bytes as each has bits.
fn push_group(out: &mut Vec<u8>, group: &[u32], width: u8) {
    let end = out.len() + usize::from(width);
    // So many bits wait until they are a word.
    let (mut waiting, mut bits) = (0_u64, 0);
    for &index in group {
        waiting |= u64::from(index) << bits;
        bits += u32::from(width);
        if bits >= u32::BITS {
            out.extend_from_slice(&waiting.to_le_bytes()[..size_of::<u32>()]);
            (waiting, bits) = (waiting >> u32::BITS, bits - u32::BITS);
        }
    }
    out.extend_from_slice(&waiting.to_le_bytes());
    out.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_come_back() {
        let mixed: Vec<u32> = (0..4000).map(|at| if at % 100 < 37 { 7 } else { at * 13 % 300 }).collect();
        for indices in
            [vec![], vec![0; 100], (0..1000).collect(), vec![5, 5, 5, 1 << 20], vec![u32::MAX >> 1; 9], mixed]
        {
            for width in [0, 1, 10, 32] {
                for encode in [encode_indices, pack_indices] {
                    let encoded = Bytes::from(encode(&indices, width));
                    assert_eq!(decode_indices(&encoded, indices.len(), 1 << 32, 0).unwrap(), indices);
                }
            }
        }
        let encoded = Bytes::from(encode_indices(&[0, 1, 2], 0));
        assert!(decode_indices(&encoded, 3, 2, 0).is_err());
        assert!(decode_indices(&encoded, 300, 3, 0).is_err());
        assert!(decode_indices(&Bytes::from_static(&[33]), 1, 3, 0).is_err());
        assert!(decode_indices(&Bytes::new(), 1, 3, 0).is_err());
    }

    #[test]
    fn indices_in_one_run_are_signed_numbers_of_whole_bytes() {
        for (highest, width, wanted) in
            [(0, 8, 8), (127, 8, 8), (128, 8, 16), (1, 16, 16), (1 << 15, 16, 32), (1, 2, 8)]
        {
            // Packed in groups of eight, of which the last one is filled up with zeros.
            let indices: Vec<u32> = (0..1001).map(|at| if at % 3 == 0 { highest } else { 0 }).collect();
            let encoded = pack_indices(&indices, width);
            let bytes = usize::from(wanted / 8);
            // 126 groups.
            assert_eq!(encoded[..3], [wanted, 0b1111_1101, 1], "{highest}");
            assert_eq!(encoded.len(), 3 + 126 * 8 * bytes, "{highest}");
            let (numbers, padding) = encoded[3..].split_at(indices.len() * bytes);
            let packed: Vec<u8> = indices.iter().flat_map(|index| index.to_le_bytes()[..bytes].to_vec()).collect();
            assert!(numbers == packed && padding.iter().all(|&byte| byte == 0), "{highest}");
        }
    }
}
