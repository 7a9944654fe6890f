//! Which values of a page are wanted: the innermost loops.
//!
//! Plain values are compared where they lie in the decompressed page; nothing is decoded, copied or validated first.

#![expect(clippy::cast_possible_truncation, reason = "a page holds fewer than 2^24 values")]

use bytes::Bytes;
use parquet::basic::{Encoding, Type as Physical};
use parquet::data_type::{
    AsBytes, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::decoding::get_decoder;
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescPtr;

use super::leaf::LeafType;
use super::page::encoding;
use crate::needles::Look;
use crate::{FieldTest, Needles, SelectorIndex, Value};

/// Which value of a page (nulls not counted) belongs to whom.
pub(super) type Found = Vec<(u32, SelectorIndex)>;

/// What is needed to read a column's values.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) descriptor: ColumnDescPtr,
    pub(super) values: LeafType,
}

/// Why a page's values cannot be read.
pub(super) enum Unreadable {
    Malformed(&'static str),
    Encoding(i32),
    Library(ParquetError),
    /// Whose a float is cannot be told.
    Rounded,
}

impl Column {
    /// Looks for `test`'s values among the `count` values that `bytes` hold in this `encoding`.
    pub(super) fn search(
        &self,
        test: &FieldTest,
        encoding: i32,
        bytes: &[u8],
        count: usize,
        found: &mut Found,
    ) -> Result<(), Unreadable> {
        match encoding {
            encoding::PLAIN | encoding::PLAIN_DICTIONARY => self.search_plain(test, bytes, count, found),
            encoding::DELTA_BINARY_PACKED => {
                self.search_decoded(test, Encoding::DELTA_BINARY_PACKED, bytes, count, found)
            }
            encoding::DELTA_LENGTH_BYTE_ARRAY => {
                self.search_decoded(test, Encoding::DELTA_LENGTH_BYTE_ARRAY, bytes, count, found)
            }
            encoding::DELTA_BYTE_ARRAY => self.search_decoded(test, Encoding::DELTA_BYTE_ARRAY, bytes, count, found),
            encoding::BYTE_STREAM_SPLIT => self.search_decoded(test, Encoding::BYTE_STREAM_SPLIT, bytes, count, found),
            other => Err(Unreadable::Encoding(other)),
        }
    }

    fn search_plain(&self, test: &FieldTest, bytes: &[u8], count: usize, found: &mut Found) -> Result<(), Unreadable> {
        match self.descriptor.physical_type() {
            Physical::BYTE_ARRAY => match self.needles(test) {
                Some(needles) => search_prefixed(bytes, count, needles, found),
                None => {
                    let mut strings = self.byte_strings(test, found);
                    for_each_prefixed(bytes, count, |ordinal, value| strings.see(ordinal, value))?;
                    strings.finish()
                }
            },
            Physical::FIXED_LEN_BYTE_ARRAY => {
                let length = usize::try_from(self.descriptor.type_length()).unwrap_or(0);
                let values = fixed(bytes, length, count)?;
                let mut strings = self.byte_strings(test, found);
                (0..).zip(values).for_each(|(ordinal, value)| strings.see(ordinal, value));
                strings.finish()
            }
            Physical::INT32 => {
                for (ordinal, value) in (0..).zip(fixed(bytes, 4, count)?) {
                    self.test_i32(test, ordinal, i32::from_le_bytes([value[0], value[1], value[2], value[3]]), found);
                }
                Ok(())
            }
            Physical::INT64 => {
                for (ordinal, value) in (0..).zip(fixed(bytes, 8, count)?) {
                    let mut word = [0; 8];
                    word.copy_from_slice(value);
                    self.test_i64(test, ordinal, i64::from_le_bytes(word), found);
                }
                Ok(())
            }
            Physical::FLOAT => {
                let mut floats = Floats { test, found, are_told: true };
                for (ordinal, value) in (0..).zip(fixed(bytes, 4, count)?) {
                    floats.see(ordinal, Value::Single(f32::from_le_bytes([value[0], value[1], value[2], value[3]])));
                }
                floats.finish()
            }
            Physical::DOUBLE => {
                let mut floats = Floats { test, found, are_told: true };
                for (ordinal, value) in (0..).zip(fixed(bytes, 8, count)?) {
                    let mut word = [0; 8];
                    word.copy_from_slice(value);
                    floats.see(ordinal, Value::Double(f64::from_le_bytes(word)));
                }
                floats.finish()
            }
            Physical::BOOLEAN | Physical::INT96 => {
                Err(Unreadable::Malformed("the column's type cannot hold an identifier"))
            }
        }
    }

    /// Looks through values that must be decoded before they can be compared.
    fn search_decoded(
        &self,
        test: &FieldTest,
        encoding: Encoding,
        bytes: &[u8],
        count: usize,
        found: &mut Found,
    ) -> Result<(), Unreadable> {
        match self.descriptor.physical_type() {
            Physical::BYTE_ARRAY => {
                let mut strings = self.byte_strings(test, found);
                self.decode::<ByteArrayType>(encoding, bytes, count, |ordinal, value| {
                    strings.see(ordinal, value.as_bytes());
                })?;
                strings.finish()
            }
            Physical::FIXED_LEN_BYTE_ARRAY => {
                let mut strings = self.byte_strings(test, found);
                self.decode::<FixedLenByteArrayType>(encoding, bytes, count, |ordinal, value| {
                    strings.see(ordinal, value.as_bytes());
                })?;
                strings.finish()
            }
            Physical::INT32 if encoding == Encoding::DELTA_BINARY_PACKED => {
                self.decode::<Int64Type>(encoding, bytes, count, |ordinal, wide| {
                    self.test_i32(test, ordinal, narrow(*wide), found);
                })
            }
            Physical::INT32 => self.decode::<Int32Type>(encoding, bytes, count, |ordinal, value| {
                self.test_i32(test, ordinal, *value, found);
            }),
            Physical::INT64 => self.decode::<Int64Type>(encoding, bytes, count, |ordinal, value| {
                self.test_i64(test, ordinal, *value, found);
            }),
            Physical::FLOAT => {
                let mut floats = Floats { test, found, are_told: true };
                self.decode::<FloatType>(encoding, bytes, count, |ordinal, value| {
                    floats.see(ordinal, Value::Single(*value));
                })?;
                floats.finish()
            }
            Physical::DOUBLE => {
                let mut floats = Floats { test, found, are_told: true };
                self.decode::<DoubleType>(encoding, bytes, count, |ordinal, value| {
                    floats.see(ordinal, Value::Double(*value));
                })?;
                floats.finish()
            }
            Physical::BOOLEAN | Physical::INT96 => {
                Err(Unreadable::Malformed("the column's type cannot hold an identifier"))
            }
        }
    }

    fn decode<T: DataType>(
        &self,
        encoding: Encoding,
        bytes: &[u8],
        count: usize,
        mut test: impl FnMut(u32, &T::T),
    ) -> Result<(), Unreadable> {
        const BATCH: usize = 1024;
        let mut decoder = get_decoder::<T>(self.descriptor.clone(), encoding).map_err(Unreadable::Library)?;
        decoder.set_data(Bytes::copy_from_slice(bytes), count).map_err(Unreadable::Library)?;
        let mut batch = vec![T::T::default(); BATCH.min(count)];
        let mut ordinal = 0_u32;
        while (ordinal as usize) < count {
            let wanted = BATCH.min(count - ordinal as usize);
            let read = decoder.get(&mut batch[..wanted]).map_err(Unreadable::Library)?;
            if read == 0 {
                return Err(Unreadable::Malformed("a page holds fewer values than its header says"));
            }
            for value in &batch[..read] {
                test(ordinal, value);
                ordinal += 1;
            }
        }
        Ok(())
    }

    /// The needles that values can be compared to as they are, when they can.
    fn needles<'t>(&self, test: &'t FieldTest) -> Option<&'t Needles> {
        match self.values {
            LeafType::Text if test.is_exact() => Some(test.texts()),
            LeafType::Bytes if test.is_exact() => Some(test.bytes()),
            _ => None,
        }
    }

    fn byte_strings<'a>(&self, test: &'a FieldTest, found: &'a mut Found) -> ByteStrings<'a> {
        ByteStrings { values: self.values, test, found, are_short: true }
    }

    fn test_i32(&self, test: &FieldTest, ordinal: u32, value: i32, found: &mut Found) {
        let widened =
            if self.values == LeafType::UnsignedInt { i64::from(value.cast_unsigned()) } else { value.into() };
        self.test_int(test, ordinal, widened.into(), found);
    }

    fn test_i64(&self, test: &FieldTest, ordinal: u32, value: i64, found: &mut Found) {
        let widened =
            if self.values == LeafType::UnsignedInt { i128::from(value.cast_unsigned()) } else { value.into() };
        self.test_int(test, ordinal, widened, found);
    }

    fn test_int(&self, test: &FieldTest, ordinal: u32, value: i128, found: &mut Found) {
        let owners = match self.values {
            LeafType::Decimal { scale } => {
                test.owners(Value::Decimal { unscaled: &value.to_be_bytes(), scale: scale.into() })
            }
            _ => test.owners(Value::Int(value)),
        };
        found.extend(owners.iter().map(|&selector| (ordinal, selector)));
    }
}

/// The digits of a longer decimal would take ages: each costs as much time as there are bytes.
pub(super) const DECIMAL_BYTES_MAX: usize = 128;
pub(super) const DECIMAL_TOO_LONG: &str = "a decimal number takes more bytes than any decimal type has";

/// A number of 32 bits that was decoded from differences as one of 64, as some writers reckon with that many. Sums of differences have the
/// same lowest 32 bits either way.
pub(super) fn narrow(wide: i64) -> i32 {
    wide as i32
}

/// Floats that are looked through.
struct Floats<'a> {
    test: &'a FieldTest,
    found: &'a mut Found,
    /// Whether it can be told of all so far whose they are.
    are_told: bool,
}

impl Floats<'_> {
    #[inline]
    fn see(&mut self, ordinal: u32, value: Value<'_>) {
        self.are_told &= !self.test.doubts(value);
        self.found.extend(self.test.owners(value).iter().map(|&selector| (ordinal, selector)));
    }

    fn finish(self) -> Result<(), Unreadable> {
        if self.are_told { Ok(()) } else { Err(Unreadable::Rounded) }
    }
}

/// Byte strings that are looked through, of whatever is stored as such.
struct ByteStrings<'a> {
    values: LeafType,
    test: &'a FieldTest,
    found: &'a mut Found,
    /// Whether no number so far is too long.
    are_short: bool,
}

impl ByteStrings<'_> {
    #[inline]
    fn see(&mut self, ordinal: u32, value: &[u8]) {
        let value = match self.values {
            LeafType::Text => Value::Text(value),
            LeafType::Decimal { .. } if value.len() > DECIMAL_BYTES_MAX => {
                self.are_short = false;
                return;
            }
            LeafType::Decimal { scale } => Value::Decimal { unscaled: value, scale: scale.into() },
            LeafType::Bytes | LeafType::Int | LeafType::UnsignedInt | LeafType::Float => Value::Bytes(value),
        };
        self.found.extend(self.test.owners(value).iter().map(|&selector| (ordinal, selector)));
    }

    fn finish(self) -> Result<(), Unreadable> {
        if self.are_short { Ok(()) } else { Err(Unreadable::Malformed(DECIMAL_TOO_LONG)) }
    }
}

/// So many values are sifted before those that may be wanted are looked up.
const BLOCK: usize = 64;

/// Looks for `needles` among length-prefixed values. Most values are done with a look at their length and ends.
///
/// Where many are wanted, what passes is put aside without a branch: where every second value is wanted, no branch can be foretold.
/// Then all slots of the block are read, and then what they name is touched, before any value is compared with it, so that the looks
/// into memory, of which hardly any is in a cache, do not wait for each other.
fn search_prefixed(mut bytes: &[u8], count: usize, needles: &Needles, found: &mut Found) -> Result<(), Unreadable> {
    if needles.are_few() {
        return search_few(bytes, count, needles, found);
    }
    let mut passed: [(u32, &[u8]); BLOCK] = [(0, &[]); BLOCK];
    let (mut hashes, mut looks) = ([0; BLOCK], [Look::default(); BLOCK]);
    for first in (0..count).step_by(BLOCK) {
        let mut kept = 0;
        bytes = for_each_prefixed(bytes, BLOCK.min(count - first), |at, value| {
            passed[kept] = (first as u32 + at, value);
            kept += usize::from(!needles.excludes(value));
        })?;
        for (hash, (_, value)) in hashes.iter_mut().zip(&passed[..kept]) {
            *hash = needles.hash(value);
        }
        for (look, hash) in looks.iter_mut().zip(&hashes[..kept]) {
            *look = needles.first_look(*hash);
        }
        let touched = looks[..kept].iter().zip(&passed).map(|(look, (_, value))| needles.touch(*look, value.len()));
        std::hint::black_box(touched.fold(0, |all, bits| all ^ bits));
        for (&(ordinal, value), look) in passed[..kept].iter().zip(looks) {
            if let Some(owners) = needles.find_from(look, value) {
                match needles.owners(owners) {
                    [selector] => found.push((ordinal, *selector)),
                    many => found.extend(many.iter().map(|&selector| (ordinal, selector))),
                }
            }
        }
    }
    Ok(())
}

/// The same, for few needles, which are in hardly any block.
///
/// Identifiers mostly have one length. Where a whole block has, each value lies where the first one's length says, and none waits for the
/// length of the value before: a quarter faster or more than one after the other (`cargo xtask bench micro columns/needles/plain/1`).
fn search_few(mut bytes: &[u8], count: usize, needles: &Needles, found: &mut Found) -> Result<(), Unreadable> {
    for first in (0..count).step_by(BLOCK) {
        let values = BLOCK.min(count - first);
        if let Some((length, block)) = even(bytes, values)
            && needles.exclude_all(length, block.chunks_exact(PREFIX + length).map(|value| &value[PREFIX..]))
        {
            bytes = &bytes[block.len()..];
            continue;
        }
        bytes = for_each_prefixed(bytes, values, |at, value| {
            if let Some(owners) = needles.find(value) {
                let ordinal = first as u32 + at;
                found.extend(needles.owners(owners).iter().map(|&selector| (ordinal, selector)));
            }
        })?;
    }
    Ok(())
}

/// Bytes of the length in front of a value.
const PREFIX: usize = 4;

/// The next `count` values with their prefixes, and how long each value is, if all are as long as the first.
#[inline]
fn even(bytes: &[u8], count: usize) -> Option<(usize, &[u8])> {
    let prefix = bytes.first_chunk::<PREFIX>()?;
    let length = u32::from_le_bytes(*prefix) as usize;
    let block = bytes.get(..count.checked_mul(PREFIX + length)?)?;
    let is_same = |value: &[u8]| value.first_chunk() == Some(prefix);
    let are_same = block.chunks_exact(PREFIX + length).fold(true, |all, value| all & is_same(value));
    are_same.then_some((length, block))
}

/// Shows values; what is behind them.
#[inline]
fn for_each_prefixed<'a>(
    mut bytes: &'a [u8],
    count: usize,
    mut test: impl FnMut(u32, &'a [u8]),
) -> Result<&'a [u8], Unreadable> {
    // Made only where it is needed: an error that is made and dropped for every value took 5 % of a search.
    let short = || Unreadable::Malformed("a page ends within a value");
    for ordinal in 0..count as u32 {
        let (prefix, rest) = bytes.split_first_chunk::<PREFIX>().ok_or_else(short)?;
        let length = u32::from_le_bytes(*prefix) as usize;
        let (value, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        test(ordinal, value);
        bytes = rest;
    }
    Ok(bytes)
}

/// The first `count` values of `length` bytes each.
fn fixed(bytes: &[u8], length: usize, count: usize) -> Result<std::slice::ChunksExact<'_, u8>, Unreadable> {
    let total = length.checked_mul(count).filter(|&total| length > 0 && total <= bytes.len());
    let total = total.ok_or(Unreadable::Malformed("a page ends within a value"))?;
    Ok(bytes[..total].chunks_exact(length))
}
