//! Numbers, booleans, text and bytes.

use arrow::{
    array::{
        Array, ArrayAccessor, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, LargeBinaryArray,
        LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
    },
    buffer::ScalarBuffer,
    datatypes::{
        ArrowPrimitiveType, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Field, Float16Type,
        Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
        UInt64Type,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use lacuna_scan::Stored;

use super::{Values, downcast, number, temporal, unsupported};
use crate::{Result, json};

/// The values of `array`, whose type is not made of other types.
pub(super) fn values(field: &Field, array: &dyn Array) -> Result<Box<dyn Values>> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(Nothing),
        DataType::Boolean => Box::new(Booleans(downcast(array)?)),
        DataType::Int8 => integers::<Int8Type>(array)?,
        DataType::Int16 => integers::<Int16Type>(array)?,
        DataType::Int32 => integers::<Int32Type>(array)?,
        DataType::Int64 => integers::<Int64Type>(array)?,
        DataType::UInt8 => integers::<UInt8Type>(array)?,
        DataType::UInt16 => integers::<UInt16Type>(array)?,
        DataType::UInt32 => integers::<UInt32Type>(array)?,
        DataType::UInt64 => integers::<UInt64Type>(array)?,
        DataType::Float16 => numbers::<Float16Type>(array, number::write_half)?,
        DataType::Float32 => floats::<Float32Type>(array)?,
        DataType::Float64 => floats::<Float64Type>(array)?,
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(array, *scale)?,
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(array, *scale)?,
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale)?,
        DataType::Decimal256(_, scale) => decimals::<Decimal256Type>(array, *scale)?,
        DataType::Utf8 => Box::new(Strings(downcast::<StringArray>(array)?)),
        DataType::LargeUtf8 => Box::new(Strings(downcast::<LargeStringArray>(array)?)),
        DataType::Utf8View => Box::new(Strings(downcast::<StringViewArray>(array)?)),
        DataType::Binary if is_stored_text(field) => Box::new(Texts(downcast::<BinaryArray>(array)?)),
        DataType::LargeBinary if is_stored_text(field) => Box::new(Texts(downcast::<LargeBinaryArray>(array)?)),
        DataType::BinaryView if is_stored_text(field) => Box::new(Texts(downcast::<BinaryViewArray>(array)?)),
        DataType::Binary => Box::new(Bytes(downcast::<BinaryArray>(array)?)),
        DataType::LargeBinary => Box::new(Bytes(downcast::<LargeBinaryArray>(array)?)),
        DataType::BinaryView => Box::new(Bytes(downcast::<BinaryViewArray>(array)?)),
        DataType::FixedSizeBinary(16) if field.extension_type_name() == Some("arrow.uuid") => {
            Box::new(Uuids(downcast(array)?))
        }
        DataType::FixedSizeBinary(12) if Stored::of(field) == Some(Stored::Int96) => {
            temporal::int96(array, field.extension_type_metadata())?
        }
        DataType::FixedSizeBinary(12) if Stored::of(field) == Some(Stored::Interval) => temporal::interval(array)?,
        DataType::FixedSizeBinary(_) => Box::new(Bytes(downcast::<FixedSizeBinaryArray>(array)?)),
        _ => return Err(unsupported(array)),
    })
}

/// The type that has one value: null.
struct Nothing;

impl Values for Nothing {
    fn write(&self, _: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"null");
    }
}

struct Booleans(BooleanArray);

impl Values for Booleans {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.0.value(row) { b"true" } else { b"false" });
    }
}

/// Numbers with the function that writes one.
struct Numbers<N: Copy + Send + Sync + arrow::datatypes::ArrowNativeType, W> {
    values: ScalarBuffer<N>,
    write: W,
}

impl<N, W> Values for Numbers<N, W>
where
    N: Copy + Send + Sync + arrow::datatypes::ArrowNativeType,
    W: Fn(N, &mut Vec<u8>) + Send + Sync,
{
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        (self.write)(self.values[row], out);
    }
}

/// The numbers of `array`, each written by `write`.
pub(super) fn numbers<T: ArrowPrimitiveType>(
    array: &dyn Array,
    write: impl Fn(T::Native, &mut Vec<u8>) + Send + Sync + 'static,
) -> Result<Box<dyn Values>> {
    Ok(Box::new(Numbers { values: downcast::<PrimitiveArray<T>>(array)?.values().clone(), write }))
}

fn integers<T: ArrowPrimitiveType<Native: std::fmt::Display>>(array: &dyn Array) -> Result<Box<dyn Values>> {
    numbers::<T>(array, number::write_display)
}

fn floats<T: ArrowPrimitiveType<Native: number::Float>>(array: &dyn Array) -> Result<Box<dyn Values>> {
    numbers::<T>(array, number::write_float)
}

fn decimals<T: ArrowPrimitiveType<Native: std::fmt::Display>>(array: &dyn Array, scale: i8) -> Result<Box<dyn Values>> {
    numbers::<T>(array, move |value, out| number::write_decimal(value, scale, out))
}

struct Strings<A>(A);

impl<A: Send + Sync> Values for Strings<A>
where
    for<'a> &'a A: ArrayAccessor<Item = &'a str>,
{
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        json::write_string((&self.0).value(row), out);
    }
}

struct Bytes<A>(A);

impl<A: Send + Sync> Values for Bytes<A>
where
    for<'a> &'a A: ArrayAccessor<Item = &'a [u8]>,
{
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        write_base64((&self.0).value(row), out);
    }
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    // A multiple of three bytes has no padding, so pieces can follow one another.
    for piece in bytes.chunks(768) {
        let mut text = [0; 1024];
        let length = STANDARD.encode_slice(piece, &mut text).unwrap_or_default();
        out.extend_from_slice(&text[..length]);
    }
    out.push(b'"');
}

/// Whether the bytes of `field` are text that need not be UTF-8.
pub(super) fn is_stored_text(field: &Field) -> bool {
    Stored::of(field) == Some(Stored::Text)
}

/// Text that need not be UTF-8. What isn't cannot be taken for text.
struct Texts<A>(A);

impl<A: Send + Sync> Values for Texts<A>
where
    for<'a> &'a A: ArrayAccessor<Item = &'a [u8]>,
{
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let bytes = (&self.0).value(row);
        match std::str::from_utf8(bytes) {
            Ok(text) => json::write_string(text, out),
            Err(_) => {
                out.extend_from_slice(b"{\"base64\":");
                write_base64(bytes, out);
                out.push(b'}');
            }
        }
    }
}

struct Uuids(FixedSizeBinaryArray);

impl Values for Uuids {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        out.push(b'"');
        for (index, byte) in self.0.value(row).iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.push(b'-');
            }
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
        out.push(b'"');
    }
}
