//! Values of one physical type out of their encoding and back into it.

use bytes::Bytes;
use lacuna_scan::{Error as ScanError, Limits};
use parquet::basic::{Encoding, Type};
use parquet::data_type::{AsBytes, DataType};
use parquet::decoding::get_decoder;
use parquet::encoding::get_encoder;
use parquet::encodings::rle::{RleDecoder, RleEncoder};
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
    let beyond = || ScanError::malformed(offset, "a dictionary index lies beyond the dictionary");
    let checked = indices
        .into_iter()
        .map(|index| u32::try_from(index).ok().filter(|&index| (index as usize) < entries).ok_or_else(beyond));
    Ok(checked.collect::<std::result::Result<_, _>>()?)
}

/// Encodes `indices` in `width` bits each, or in more if they need more.
pub(super) fn encode_indices(indices: &[u32], width: u8) -> Vec<u8> {
    let needed = indices.iter().max().map_or(0, |max| u32::BITS - max.leading_zeros());
    let width = width.max(needed.to_le_bytes()[0]);
    let mut encoder = RleEncoder::new_from_buf(width, vec![width]);
    indices.iter().for_each(|&index| encoder.put(index.into()));
    encoder.consume()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_come_back() {
        for indices in [vec![], vec![0; 100], (0..1000).collect::<Vec<u32>>(), vec![5, 5, 5, 1 << 20]] {
            for width in [0, 10, 32] {
                let encoded = Bytes::from(encode_indices(&indices, width));
                assert_eq!(decode_indices(&encoded, indices.len(), 1 << 21, 0).unwrap(), indices);
            }
        }
        let encoded = Bytes::from(encode_indices(&[0, 1, 2], 0));
        assert!(decode_indices(&encoded, 3, 2, 0).is_err());
        assert!(decode_indices(&encoded, 300, 3, 0).is_err());
        assert!(decode_indices(&Bytes::from_static(&[33]), 1, 3, 0).is_err());
        assert!(decode_indices(&Bytes::new(), 1, 3, 0).is_err());
    }
}
