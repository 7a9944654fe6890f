//! Plainly encoded values, one at a time.

#![expect(clippy::cast_possible_truncation, reason = "a page holds fewer than 2^32 bytes")]

use bytes::Bytes;
use parquet::basic::{Encoding, Type as Physical};
use parquet::data_type::{
    AsBytes, BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::decoding::get_decoder;
use parquet::schema::types::ColumnDescriptor;

use super::page::encoding;
use super::taken::TakenColumn;
use super::values::{Column, Unreadable, narrow};

fn short() -> Unreadable {
    Unreadable::Malformed("a page ends within a value")
}

/// The first values of a dictionary.
pub(super) struct Plain<'a> {
    bytes: &'a [u8],
    shape: Shape,
}

enum Shape {
    Bits,
    Fixed(usize),
    /// Where each value's length stands, and the end.
    Prefixed(Vec<u32>),
}

impl<'a> Plain<'a> {
    /// The first `count` values in `bytes`.
    pub(super) fn new(descriptor: &ColumnDescriptor, bytes: &'a [u8], count: usize) -> Result<Self, Unreadable> {
        let shape = match width(descriptor) {
            Some(width) => Shape::Fixed(width),
            None if descriptor.physical_type() == Physical::BOOLEAN => Shape::Bits,
            None => {
                let mut starts = Vec::with_capacity(count + 1);
                let mut at = 0;
                starts.push(0);
                for _ in 0..count {
                    at += prefixed(bytes, at)?.len() + 4;
                    starts.push(at as u32);
                }
                Shape::Prefixed(starts)
            }
        };
        Ok(Self { bytes, shape })
    }

    /// Appends value `index` to a taken column.
    pub(super) fn push(&self, index: usize, taken: &mut TakenColumn) -> Result<(), Unreadable> {
        const OUTSIDE: Unreadable = Unreadable::Malformed("a page points behind its dictionary");
        match &self.shape {
            Shape::Bits => taken.bits.push(bit(self.bytes, index)?),
            Shape::Fixed(width) => {
                let value = self.bytes.get(index * width..(index + 1) * width).ok_or(OUTSIDE)?;
                taken.values.extend_from_slice(value);
            }
            Shape::Prefixed(starts) => {
                let (Some(&start), Some(&end)) = (starts.get(index), starts.get(index + 1)) else {
                    return Err(OUTSIDE);
                };
                taken.values.extend_from_slice(&self.bytes[start as usize..end as usize]);
            }
        }
        Ok(())
    }
}

impl Column {
    /// Appends the values at `ordinals` (ascending) of a page's `count` values to a taken column.
    pub(super) fn take(
        &self,
        encoding: i32,
        bytes: &[u8],
        count: usize,
        ordinals: &[usize],
        taken: &mut TakenColumn,
    ) -> Result<(), Unreadable> {
        if encoding == encoding::PLAIN {
            return self.take_plain(bytes, ordinals, taken);
        }
        let coded = match encoding {
            encoding::RLE => Encoding::RLE,
            encoding::DELTA_BINARY_PACKED => Encoding::DELTA_BINARY_PACKED,
            encoding::DELTA_LENGTH_BYTE_ARRAY => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            encoding::DELTA_BYTE_ARRAY => Encoding::DELTA_BYTE_ARRAY,
            encoding::BYTE_STREAM_SPLIT => Encoding::BYTE_STREAM_SPLIT,
            other => return Err(Unreadable::Encoding(other)),
        };
        let page = (coded, bytes, count);
        match self.descriptor.physical_type() {
            Physical::BOOLEAN => self.take_decoded::<BoolType>(page, ordinals, |value| taken.bits.push(*value)),
            Physical::INT32 if coded == Encoding::DELTA_BINARY_PACKED => {
                self.take_decoded::<Int64Type>(page, ordinals, |wide| taken.push_fixed(&narrow(*wide)))
            }
            Physical::INT32 => self.take_decoded::<Int32Type>(page, ordinals, |value| taken.push_fixed(value)),
            Physical::INT64 => self.take_decoded::<Int64Type>(page, ordinals, |value| taken.push_fixed(value)),
            Physical::FLOAT => self.take_decoded::<FloatType>(page, ordinals, |value| taken.push_fixed(value)),
            Physical::DOUBLE => self.take_decoded::<DoubleType>(page, ordinals, |value| taken.push_fixed(value)),
            Physical::FIXED_LEN_BYTE_ARRAY => {
                self.take_decoded::<FixedLenByteArrayType>(page, ordinals, |value| taken.push_fixed(value))
            }
            Physical::BYTE_ARRAY => self.take_decoded::<ByteArrayType>(page, ordinals, |value| {
                taken.values.extend_from_slice(&(value.len() as u32).to_le_bytes());
                taken.push_fixed(value);
            }),
            Physical::INT96 => Err(Unreadable::Encoding(encoding)),
        }
    }

    fn take_plain(&self, bytes: &[u8], ordinals: &[usize], taken: &mut TakenColumn) -> Result<(), Unreadable> {
        match width(&self.descriptor) {
            Some(width) => {
                for &ordinal in ordinals {
                    let value = bytes.get(ordinal * width..(ordinal + 1) * width).ok_or_else(short)?;
                    taken.values.extend_from_slice(value);
                }
            }
            None if self.descriptor.physical_type() == Physical::BOOLEAN => {
                for &ordinal in ordinals {
                    taken.bits.push(bit(bytes, ordinal)?);
                }
            }
            None => {
                let (mut at, mut passed) = (0, 0);
                for &ordinal in ordinals {
                    while passed < ordinal {
                        at += prefixed(bytes, at)?.len() + 4;
                        passed += 1;
                    }
                    let value = prefixed(bytes, at)?;
                    taken.values.extend_from_slice(&bytes[at..at + 4 + value.len()]);
                }
            }
        }
        Ok(())
    }

    fn take_decoded<T: DataType>(
        &self,
        (encoding, bytes, count): (Encoding, &[u8], usize),
        ordinals: &[usize],
        mut push: impl FnMut(&T::T),
    ) -> Result<(), Unreadable> {
        const FEW: Unreadable = Unreadable::Malformed("a page holds fewer values than its header says");
        let mut decoder = get_decoder::<T>(self.descriptor.clone(), encoding).map_err(Unreadable::Library)?;
        decoder.set_data(Bytes::copy_from_slice(bytes), count).map_err(Unreadable::Library)?;
        let mut value = [T::T::default()];
        let mut passed = 0;
        for &ordinal in ordinals {
            if decoder.skip(ordinal - passed).map_err(Unreadable::Library)? != ordinal - passed
                || decoder.get(&mut value).map_err(Unreadable::Library)? != 1
            {
                return Err(FEW);
            }
            push(&value[0]);
            passed = ordinal + 1;
        }
        Ok(())
    }
}

/// The values that stand one behind the other, each with its length in front where lengths differ.
pub(super) fn split<'v>(descriptor: &ColumnDescriptor, mut values: &'v [u8]) -> impl Iterator<Item = &'v [u8]> {
    let width = width(descriptor);
    std::iter::from_fn(move || {
        let length = width.or_else(|| prefixed(values, 0).ok().map(|value| value.len() + 4))?;
        let (value, rest) = values.split_at_checked(length).filter(|_| length > 0)?;
        values = rest;
        Some(value)
    })
}

/// How many bytes each value of a column takes, if all take as many.
fn width(descriptor: &ColumnDescriptor) -> Option<usize> {
    match descriptor.physical_type() {
        Physical::INT32 | Physical::FLOAT => Some(4),
        Physical::INT64 | Physical::DOUBLE => Some(8),
        Physical::INT96 => Some(12),
        Physical::FIXED_LEN_BYTE_ARRAY => usize::try_from(descriptor.type_length()).ok(),
        Physical::BOOLEAN | Physical::BYTE_ARRAY => None,
    }
}

fn bit(bytes: &[u8], index: usize) -> Result<bool, Unreadable> {
    bytes.get(index / 8).map(|byte| byte >> (index % 8) & 1 == 1).ok_or_else(short)
}

/// The value whose length stands at `at`.
#[inline]
fn prefixed(bytes: &[u8], at: usize) -> Result<&[u8], Unreadable> {
    let (prefix, rest) = bytes.get(at..).and_then(<[u8]>::split_first_chunk::<4>).ok_or_else(short)?;
    rest.get(..u32::from_le_bytes(*prefix) as usize).ok_or_else(short)
}

impl TakenColumn {
    fn push_fixed(&mut self, value: &impl AsBytes) {
        self.values.extend_from_slice(value.as_bytes());
    }
}
