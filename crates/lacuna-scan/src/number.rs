//! Exact decimal numbers: equality by value, whatever the digits' layout (`12.50`, `1.25e1`), and never through a float.

use std::str::FromStr;

/// A finite decimal number in its one canonical form: no leading and no trailing zeros in `digits`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    negative: bool,
    /// ASCII digits; empty for zero.
    digits: Box<[u8]>,
    /// The power of ten that the last digit counts.
    exponent: i64,
}

/// More digits than any decimal type holds; what is longer is compared as text only.
const DIGITS_MAX: usize = 1024;

impl Number {
    /// Reads `[+-]digits[.digits][e[+-]digits]`; `None` for anything else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        // Most identifiers that are none begin like none.
        if !text.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
            None => (mantissa, &[][..]),
        };
        if whole.is_empty() || (fraction.is_empty() && whole.len() != mantissa.len()) || mantissa.len() > DIGITS_MAX {
            return None;
        }
        if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return None;
        }
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Some(Self::canonical(negative, &[whole, fraction].concat(), exponent))
    }

    /// `unscaled / 10^scale`, `unscaled` as a big-endian two's complement of any length.
    pub(crate) fn from_be_bytes(unscaled: &[u8], scale: i64) -> Self {
        let negative = unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
        let mut magnitude = unscaled.to_vec();
        if negative {
            let mut carry = true;
            for byte in magnitude.iter_mut().rev() {
                let (value, overflow) = (!*byte).overflowing_add(u8::from(carry));
                *byte = value;
                carry = overflow;
            }
        }
        // Base 256 to base 10: multiply the digits so far by 256 and add the next byte.
        let mut digits: Vec<u8> = Vec::with_capacity(magnitude.len() * 3);
        for byte in magnitude {
            let mut carry = u32::from(byte);
            for digit in &mut digits {
                carry += u32::from(*digit) * 256;
                *digit = digit_of(carry);
                carry /= 10;
            }
            while carry > 0 {
                digits.push(digit_of(carry));
                carry /= 10;
            }
        }
        digits.reverse();
        digits.iter_mut().for_each(|digit| *digit += b'0');
        Self::canonical(negative, &digits, -scale)
    }

    /// The number as `i128`, when it is a whole one that fits.
    pub(crate) fn to_i128(&self) -> Option<i128> {
        self.unscaled(0)
    }

    /// The number times `10^scale` as `i128`, when that is a whole one that fits.
    pub(crate) fn unscaled(&self, scale: u32) -> Option<i128> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let power = u32::try_from(self.exponent.saturating_add(scale.into())).ok()?;
        let digits: i128 = std::str::from_utf8(&self.digits).ok()?.parse().ok()?;
        let value = digits.checked_mul(10_i128.checked_pow(power)?)?;
        Some(if self.negative { -value } else { value })
    }

    /// The nearest float; `None` when the number is beyond all of them.
    pub(crate) fn nearest<F: FromStr + Into<f64> + Copy>(&self) -> Option<F> {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { std::str::from_utf8(&self.digits).ok()? };
        let float: F = format!("{sign}{digits}e{}", self.exponent).parse().ok()?;
        float.into().is_finite().then_some(float)
    }

    fn canonical(negative: bool, digits: &[u8], exponent: i64) -> Self {
        let start = digits.iter().position(|&digit| digit != b'0').unwrap_or(digits.len());
        let end = digits.iter().rposition(|&digit| digit != b'0').map_or(start, |last| last + 1);
        if start == end {
            return Self { negative: false, digits: Box::default(), exponent: 0 };
        }
        let dropped = (digits.len() - end) as i64;
        Self { negative, digits: digits[start..end].into(), exponent: exponent.saturating_add(dropped) }
    }
}

/// The last decimal digit of `value`.
fn digit_of(value: u32) -> u8 {
    (value % 10) as u8
}

/// An exponent's sign and digits. Absurdly large ones are held at a bound that no identifier reaches.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    let bounded = value.min(1 << 40);
    Some(if negative { -bounded } else { bounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn equal_by_value() {
        for (a, b) in [
            ("123.45", "123.450"),
            ("12345", "1.2345e4"),
            ("0", "-0.00"),
            ("1e2", "100"),
            ("+7", "007"),
            ("0.5", "5E-1"),
        ] {
            assert_eq!(number(a), number(b), "{a} {b}");
        }
        for (a, b) in [("12345", "123450"), ("1", "-1"), ("0.1", "0.01"), ("9007199254740993", "9007199254740992")] {
            assert_ne!(number(a), number(b), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in ["", "-", ".5", "5.", "1e", "1e+", "0x1", "1 ", "NaN", "1.2.3", "--1", "1_000"] {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn from_binary_forms() {
        assert_eq!(Number::from_be_bytes(&(-12_345_000_i32).to_be_bytes(), 5), number("-123.45"));
        assert_eq!(Number::from_be_bytes(&[], 0), number("0"));
        for value in [0_i128, 1, -1, 255, 256, -256, i128::MAX, i128::MIN, 1 << 100] {
            assert_eq!(Number::from_be_bytes(&value.to_be_bytes(), 0), number(&value.to_string()), "{value}");
        }
        assert_eq!(number("12e3").to_i128(), Some(12_000));
        assert_eq!(number("-5").to_i128(), Some(-5));
        assert_eq!(number("0.5").to_i128(), None);
        assert_eq!(number("1e99").to_i128(), None);
        assert_eq!(number("123.450").unscaled(2), Some(12345));
        assert_eq!(number("-7").unscaled(3), Some(-7000));
        assert_eq!(number("1.234").unscaled(2), None);
        assert_eq!(number("0.00").unscaled(1), Some(0));
    }

    #[test]
    fn the_nearest_float() {
        assert_eq!(number("-12.5").nearest(), Some(-12.5_f64));
        assert_eq!(number("0").nearest(), Some(0.0_f64));
        assert_eq!(number("9007199254740993").nearest(), Some(9_007_199_254_740_992.0_f64));
        assert_eq!(number("16777219").nearest(), Some(16_777_220.0_f32));
        assert_eq!(number("1e40").nearest::<f32>(), None);
        assert_eq!(number("7e1234567890").nearest::<f64>(), None);
        assert_eq!(number("7e-1234567890").nearest(), Some(0.0_f64));
    }
}
