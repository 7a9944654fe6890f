//! The values that rows hold in mapped columns: what must be nowhere once the rows are gone.

use crate::Value;
use crate::floats::bits;
use crate::number::Number;

/// A value of a mapped column, as a row holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeldValue {
    /// Text, as UTF-8.
    Text(Vec<u8>),
    /// Bytes without a text type.
    Bytes(Vec<u8>),
    /// An integer.
    Int(i128),
    /// A floating-point number: the bits of the double, the same ones for both zeros.
    Float(u64),
    /// Any other number.
    Number(HeldNumber),
}

/// A decimal number, equal whatever its scale.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeldNumber(pub(crate) Number);

impl HeldValue {
    /// A copy of `value`. `None` for what is written as a number and is none, and for a float that is none or infinite.
    pub fn of(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Text(text) | Value::Cell(text) | Value::JsonString(text) => Self::Text(text.to_vec()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Value::Int(int) => Self::Int(int),
            Value::Single(float) => return Self::of(Value::Double(float.into())),
            Value::Double(float) => Self::Float(float.is_finite().then(|| bits(float))?),
            Value::Decimal { unscaled, scale } => Self::Number(HeldNumber(Number::from_be_bytes(unscaled, scale))),
            Value::JsonNumber(text) => Self::Number(HeldNumber(Number::parse(text)?)),
        })
    }
}
