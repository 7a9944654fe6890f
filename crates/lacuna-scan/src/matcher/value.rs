//! A value as its format stores it.

/// A value of a mapped column, as its format stores it.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Text, as UTF-8.
    Text(&'a [u8]),
    /// A cell of CSV, unquoted: text, or a number without a type.
    Cell(&'a [u8]),
    /// Bytes without a text type: text or the identifier's binary form.
    Bytes(&'a [u8]),
    /// An integer of any width and sign.
    Int(i128),
    /// A floating-point number in single precision.
    Single(f32),
    /// A floating-point number in double precision.
    Double(f64),
    /// `unscaled / 10^scale`; big-endian two's complement.
    Decimal {
        /// The digits.
        unscaled: &'a [u8],
        /// How many of them stand behind the point.
        scale: i64,
    },
    /// A JSON string, unescaped.
    JsonString(&'a [u8]),
    /// A JSON number, as it is written.
    JsonNumber(&'a [u8]),
}
