//! Numbers as JSON: all digits of integers and decimals, the shortest text of floats.

use std::{fmt::Display, io::Write};

use arrow::datatypes::{ArrowPrimitiveType, Float16Type};

/// A 16-bit float.
pub(super) type F16 = <Float16Type as ArrowPrimitiveType>::Native;

/// Appends what `number` displays as.
pub(super) fn write_display(number: impl Display, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{number}");
}

/// Appends the decimal of these digits with `scale` of them behind the point; zeros follow when `scale` is negative.
pub(super) fn write_decimal(digits: impl Display, scale: i8, out: &mut Vec<u8>) {
    let start = out.len();
    write_display(digits, out);
    let negative = out.get(start) == Some(&b'-');
    let start = start + usize::from(negative);
    let places = usize::from(scale.unsigned_abs());
    if scale > 0 {
        let missing = (places + 1).saturating_sub(out.len() - start);
        out.splice(start..start, std::iter::repeat_n(b'0', missing));
        out.insert(out.len() - places, b'.');
    } else if out.get(start) != Some(&b'0') {
        out.extend(std::iter::repeat_n(b'0', places));
    }
}

/// A float that has a shortest text.
pub(super) trait Float: Copy {
    /// Whether it is a number, which JSON can hold; else the word for what it is.
    fn word(self) -> Option<&'static str>;

    /// Appends the shortest number that reads back as this one.
    fn write_shortest(self, out: &mut Vec<u8>);
}

/// Appends `float` as a number, or as a string when it is none.
pub(super) fn write_float(float: impl Float, out: &mut Vec<u8>) {
    match float.word() {
        None => float.write_shortest(out),
        Some(word) => {
            out.push(b'"');
            out.extend_from_slice(word.as_bytes());
            out.push(b'"');
        }
    }
}

/// Above this, texts of floats have an exponent.
const WHOLE_MAX: f64 = 1e16;

macro_rules! float {
    ($($float:ty)*) => {$(
        impl Float for $float {
            fn word(self) -> Option<&'static str> {
                if self.is_finite() {
                    None
                } else if self.is_nan() {
                    Some("NaN")
                } else if self.is_sign_positive() {
                    Some("Infinity")
                } else {
                    Some("-Infinity")
                }
            }

            fn write_shortest(self, out: &mut Vec<u8>) {
                let wide = f64::from(self);
                // `Debug` of a float is its shortest text, with an exponent when it is far from 1; JSON reads all of it. In single
                // precision, the shortest text of a whole number may be another whole number.
                let _ = match wide.fract() == 0.0 && wide.abs() < WHOLE_MAX {
                    true => write!(out, "{wide:?}"),
                    false => write!(out, "{self:?}"),
                };
            }
        }
    )*};
}

float!(f32 f64);

/// Appends a 16-bit float like the wider ones.
pub(super) fn write_half(half: F16, out: &mut Vec<u8>) {
    let exact = half.to_f32();
    if exact.fract() == 0.0 {
        return write_float(exact, out);
    }
    // The shortest text of the same value as `f32` has digits that 16 bits cannot tell apart.
    let shortest = (0..5).find_map(|digits| {
        let rounded: f32 = format!("{exact:.digits$e}").parse().ok()?;
        (F16::from_f32(rounded) == half).then_some(rounded)
    });
    write_float(shortest.unwrap_or(exact), out);
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::i256;

    use super::*;

    fn decimal(digits: impl Display, scale: i8) -> String {
        let mut out = b"x".to_vec();
        write_decimal(digits, scale, &mut out);
        String::from_utf8(out.split_off(1)).unwrap()
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(decimal(123_450, 3), "123.450");
        assert_eq!(decimal(-123_450, 3), "-123.450");
        assert_eq!(decimal(5, 3), "0.005");
        assert_eq!(decimal(-5, 1), "-0.5");
        assert_eq!(decimal(0, 2), "0.00");
        assert_eq!(decimal(0, 0), "0");
        assert_eq!(decimal(0, -2), "0");
        assert_eq!(decimal(-12, -2), "-1200");
        assert_eq!(decimal(i128::MIN, 38), "-1.70141183460469231731687303715884105728");
        assert_eq!(
            decimal(i256::MAX, 76),
            "5.7896044618658097711785492504343953926634992332820282019728792003956564819967"
        );
    }

    #[test]
    fn every_half_reads_back() {
        for bits in 0..=u16::MAX {
            let half = F16::from_bits(bits);
            if half.is_finite() {
                let mut out = Vec::new();
                write_half(half, &mut out);
                let read: f32 = std::str::from_utf8(&out).unwrap().parse().unwrap();
                assert_eq!(F16::from_f32(read).to_bits(), bits);
                assert!(crate::json::is_number(&out));
            }
        }
        let mut out = Vec::new();
        write_half(F16::from_f32(0.1), &mut out);
        assert_eq!(out, b"0.1");
    }
}
