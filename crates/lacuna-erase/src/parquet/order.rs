//! How values of a column compare, and the smallest and largest of those that stay.
//!
//! Values are looked at in their plain encoding, which is also how statistics hold them.

use std::cmp::Ordering;

use parquet::basic::{LogicalType, SortOrder, Type};
use parquet::schema::types::ColumnDescriptor;

/// How a column's values compare in statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Int32,
    Int64,
    Unsigned32,
    Unsigned64,
    Float,
    Double,
    Float16,
    /// Byte for byte, unsigned.
    Bytes,
    /// Big-endian two's complement of any length.
    Decimal,
    /// Days, then the nanoseconds in the day.
    Int96,
    /// Not specified: there is no smallest value.
    Undefined,
}

impl Order {
    /// The order of `column`.
    pub(super) fn of(column: &ColumnDescriptor) -> Self {
        match (column.physical_type(), column.sort_order()) {
            (Type::INT96, _) => Self::Int96,
            (_, SortOrder::UNDEFINED) => Self::Undefined,
            (Type::BOOLEAN, _) => Self::Bytes,
            (Type::INT32, SortOrder::UNSIGNED) => Self::Unsigned32,
            (Type::INT32, _) => Self::Int32,
            (Type::INT64, SortOrder::UNSIGNED) => Self::Unsigned64,
            (Type::INT64, _) => Self::Int64,
            (Type::FLOAT, _) => Self::Float,
            (Type::DOUBLE, _) => Self::Double,
            (Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, SortOrder::UNSIGNED) => Self::Bytes,
            (Type::FIXED_LEN_BYTE_ARRAY, _) if column.logical_type_ref() == Some(&LogicalType::Float16) => {
                Self::Float16
            }
            (Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, _) => Self::Decimal,
        }
    }

    /// Compares two values; `None` when the order does not say (or a value has an impossible length).
    pub(super) fn compare(self, a: &[u8], b: &[u8]) -> Option<Ordering> {
        fn pair<const N: usize>(a: &[u8], b: &[u8]) -> Option<([u8; N], [u8; N])> {
            Some((a.try_into().ok()?, b.try_into().ok()?))
        }
        Some(match self {
            Self::Bytes => a.cmp(b),
            Self::Int32 => pair(a, b).map(|(a, b)| i32::from_le_bytes(a).cmp(&i32::from_le_bytes(b)))?,
            Self::Int64 => pair(a, b).map(|(a, b)| i64::from_le_bytes(a).cmp(&i64::from_le_bytes(b)))?,
            Self::Unsigned32 => pair(a, b).map(|(a, b)| u32::from_le_bytes(a).cmp(&u32::from_le_bytes(b)))?,
            Self::Unsigned64 => pair(a, b).map(|(a, b)| u64::from_le_bytes(a).cmp(&u64::from_le_bytes(b)))?,
            Self::Float => pair(a, b).map(|(a, b)| f32::from_le_bytes(a).total_cmp(&f32::from_le_bytes(b)))?,
            Self::Double => pair(a, b).map(|(a, b)| f64::from_le_bytes(a).total_cmp(&f64::from_le_bytes(b)))?,
            Self::Float16 => pair(a, b).map(|(a, b)| float16_key(a).cmp(&float16_key(b)))?,
            Self::Decimal => compare_decimals(a, b),
            Self::Int96 => int96_key(a)?.cmp(&int96_key(b)?),
            Self::Undefined => return None,
        })
    }

    /// Whether `value` is not a number; such values are in no minimum or maximum.
    pub(super) fn is_nan(self, value: &[u8]) -> bool {
        match self {
            Self::Float => value.try_into().is_ok_and(|value| f32::from_le_bytes(value).is_nan()),
            Self::Double => value.try_into().is_ok_and(|value| f64::from_le_bytes(value).is_nan()),
            Self::Float16 => value.try_into().is_ok_and(|value| u16::from_le_bytes(value) & 0x7fff > 0x7c00),
            _ => false,
        }
    }

    /// Whether values are floats, which have two zeros.
    pub(super) fn has_zeros(self) -> bool {
        matches!(self, Self::Float | Self::Double | Self::Float16)
    }

    /// Whether `value` is a zero that has a sign.
    fn is_zero(self, value: &[u8]) -> bool {
        let has_no_magnitude = |(last, rest): (&u8, &[u8])| last & 0x7f == 0 && rest.iter().all(|&byte| byte == 0);
        self.has_zeros() && value.split_last().is_some_and(has_no_magnitude)
    }

    /// Whether a prefix of a value may stand for it in statistics.
    pub(super) fn may_truncate(self) -> bool {
        self == Self::Bytes
    }

    /// Whether the deprecated fields `min` and `max`, which compare signed, agree with this order.
    pub(super) fn is_signed(self) -> bool {
        matches!(self, Self::Int32 | Self::Int64 | Self::Float | Self::Double)
    }
}

/// A number that orders 16-bit floats as [`f32::total_cmp`] orders theirs.
fn float16_key(value: [u8; 2]) -> i16 {
    let bits = i16::from_le_bytes(value);
    bits ^ (((bits >> 15).cast_unsigned()) >> 1).cast_signed()
}

fn int96_key(value: &[u8]) -> Option<(u32, u64)> {
    let (nanoseconds, day) = value.split_first_chunk()?;
    Some((u32::from_le_bytes(day.try_into().ok()?), u64::from_le_bytes(*nanoseconds)))
}

fn compare_decimals(a: &[u8], b: &[u8]) -> Ordering {
    let negative = |value: &[u8]| value.first().is_some_and(|byte| byte & 0x80 != 0);
    let (a_negative, b_negative) = (negative(a), negative(b));
    if a_negative != b_negative {
        return b_negative.cmp(&a_negative);
    }
    // Leading bytes that only repeat the sign do not count.
    let fill = if a_negative { 0xff } else { 0 };
    let digits = |value: &'_ [u8]| value.iter().position(|&byte| byte != fill).unwrap_or(value.len());
    let (a, b) = (&a[digits(a)..], &b[digits(b)..]);
    let by_length = a.len().cmp(&b.len());
    if a_negative { by_length.reverse().then(a.cmp(b)) } else { by_length.then(a.cmp(b)) }
}

/// The smallest and the largest of some values.
#[derive(Clone, Debug)]
pub(super) struct Extremes {
    order: Order,
    min: Option<Vec<u8>>,
    max: Option<Vec<u8>>,
}

impl Extremes {
    pub(super) fn new(order: Order) -> Self {
        Self { order, min: None, max: None }
    }

    pub(super) fn add(&mut self, value: &[u8]) {
        if self.order == Order::Undefined || self.order.is_nan(value) {
            return;
        }
        let is_zero = self.order.is_zero(value);
        for (extreme, wanted, sign) in [(&mut self.min, Ordering::Less, 0x80), (&mut self.max, Ordering::Greater, 0)] {
            let held = match extreme {
                None => extreme.insert(value.to_vec()),
                Some(held) if self.order.compare(value, held) == Some(wanted) => {
                    held.clear();
                    held.extend_from_slice(value);
                    held
                }
                Some(_) => continue,
            };
            // The format wants -0.0 for zero as a minimum, and 0.0 as a maximum.
            if let (true, Some(last)) = (is_zero, held.last_mut()) {
                *last = sign;
            }
        }
    }

    /// How the values compare.
    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// The extreme on this side; `None` without values or without an order.
    pub(super) fn get(&self, side: Side) -> Option<&[u8]> {
        match side {
            Side::Min => self.min.as_deref(),
            Side::Max => self.max.as_deref(),
        }
    }
}

/// Which bound of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Min,
    Max,
}

/// Whether the bound `bound` on `side` may have been made from `value`: it is the value, or a prefix of it, or (as an upper
/// bound) a prefix whose last byte or character was raised by one.
pub(super) fn explains(order: Order, side: Side, value: &[u8], bound: &[u8]) -> bool {
    if value == bound {
        return true;
    }
    match order {
        // Writers put -0.0 for 0.0 as a minimum, and 0.0 for -0.0 as a maximum.
        Order::Float | Order::Double | Order::Float16 => {
            value.len() == bound.len() && order.is_zero(value) && order.is_zero(bound)
        }
        // Only bytes are cut; where the order is unknown they may have been too.
        Order::Bytes | Order::Undefined | Order::Decimal => {
            // Only what is too long is cut.
            if bound.is_empty() || value.len() <= bound.len() {
                return false;
            }
            value.starts_with(bound) || (side == Side::Max && is_raised(value, bound))
        }
        _ => false,
    }
}

/// How all values start that explain `bound` on `side`, and some that don't.
pub(super) fn origins(order: Order, side: Side, bound: &[u8]) -> Vec<Vec<u8>> {
    match order {
        Order::Float | Order::Double | Order::Float16 => {
            // Zero stands for the other zero.
            let mut negated = bound.to_vec();
            if let Some(last) = negated.last_mut() {
                *last ^= 0x80;
            }
            vec![negated]
        }
        Order::Bytes | Order::Undefined | Order::Decimal if bound.is_empty() => Vec::new(),
        Order::Bytes | Order::Undefined | Order::Decimal => {
            let mut starts = vec![bound.to_vec()];
            if side == Side::Max {
                let mut lowered = bound.to_vec();
                for byte in lowered.iter_mut().rev() {
                    *byte = byte.wrapping_sub(1);
                    if *byte != 0xff {
                        break;
                    }
                }
                starts.push(lowered);
                let last = std::str::from_utf8(bound).ok().and_then(|text| text.char_indices().next_back());
                starts.extend(last.and_then(|(at, last)| {
                    let lowered = lower(last)?;
                    Some([&bound[..at], lowered.encode_utf8(&mut [0; 4]).as_bytes()].concat())
                }));
            }
            starts
        }
        _ => Vec::new(),
    }
}

/// Whether `bound` is a prefix of `value` with its last byte or character raised by one.
fn is_raised(value: &[u8], bound: &[u8]) -> bool {
    let prefix = &value[..bound.len()];
    // Byte by byte from the right, carrying over 0xff.
    let mut raised = prefix.to_vec();
    for byte in raised.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    if raised == bound {
        return true;
    }
    let (Ok(bound), Some(text)) = (std::str::from_utf8(bound), longest_text(value)) else { return false };
    let Some(last) = bound.chars().next_back() else { return false };
    let rest = &bound[..bound.len() - last.len_utf8()];
    let next = text.strip_prefix(rest).and_then(|rest| rest.chars().next());
    next.is_some_and(|next| raise(next) == Some(last))
}

/// The longest prefix of `bytes` that is UTF-8.
fn longest_text(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
    }
}

/// The next character in UTF-8's order.
fn raise(character: char) -> Option<char> {
    match character {
        '\u{d7ff}' => Some('\u{e000}'),
        other => char::from_u32(u32::from(other) + 1),
    }
}

/// The character before in UTF-8's order.
fn lower(character: char) -> Option<char> {
    match character {
        '\u{e000}' => Some('\u{d7ff}'),
        other => char::from_u32(u32::from(other).checked_sub(1)?),
    }
}

/// `value` as a bound of at most `length` bytes, and whether it still is the value. `None` when there is no such bound.
pub(super) fn truncate(value: &[u8], side: Side, length: usize) -> Option<(Vec<u8>, bool)> {
    if value.len() <= length {
        return Some((value.to_vec(), true));
    }
    let text = std::str::from_utf8(value).ok();
    let cut = match text {
        Some(text) => text.floor_char_boundary(length),
        None => length,
    };
    let mut bound = value[..cut].to_vec();
    match (side, text) {
        (Side::Min, _) if cut == 0 => return None,
        (Side::Min, _) => {}
        (Side::Max, Some(text)) => {
            // The last character that can be raised without growing longer.
            let raised = text[..cut].char_indices().rev().find_map(|(at, character)| {
                let next = raise(character)?;
                (next.len_utf8() == character.len_utf8()).then_some((at, next))
            });
            let (at, next) = raised?;
            bound.truncate(at);
            bound.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
        }
        (Side::Max, None) => {
            let last = bound.iter().rposition(|&byte| byte != 0xff)?;
            bound.truncate(last + 1);
            bound[last] += 1;
        }
    }
    Some((bound, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn less(order: Order, values: &[&[u8]]) {
        for pair in values.windows(2) {
            assert_eq!(order.compare(pair[0], pair[1]), Some(Ordering::Less), "{order:?} {pair:?}");
            assert_eq!(order.compare(pair[1], pair[0]), Some(Ordering::Greater), "{order:?} {pair:?}");
        }
    }

    #[test]
    fn values_compare_as_their_types_do() {
        less(Order::Int32, &[&(-1_i32).to_le_bytes(), &0_i32.to_le_bytes(), &256_i32.to_le_bytes()]);
        less(Order::Unsigned32, &[&0_i32.to_le_bytes(), &256_i32.to_le_bytes(), &(-1_i32).to_le_bytes()]);
        less(Order::Double, &[&(-2.5_f64).to_le_bytes(), &(-0.0_f64).to_le_bytes(), &0.0_f64.to_le_bytes()]);
        less(Order::Decimal, &[&[0x80, 0], &[0xff], &[0], &[1], &[0, 2], &[1, 0], &[0x7f, 0xff]]);
        assert_eq!(Order::Decimal.compare(&[0xff, 0xff, 0x10], &[0xff, 0x10]), Some(Ordering::Equal));
        // -1.0, -0.0, 0.0, 1.0
        less(Order::Float16, &[&[0, 0xbc], &[0, 0x80], &[0, 0], &[0, 0x3c]]);
        less(Order::Int96, &[&[9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], &[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]]);
    }

    #[test]
    fn nothing_but_numbers_is_an_extreme() {
        let mut extremes = Extremes::new(Order::Float);
        for value in [f32::NAN, 2.0, -1.0, f32::NAN] {
            extremes.add(&value.to_le_bytes());
        }
        assert_eq!(extremes.get(Side::Min), Some(&(-1.0_f32).to_le_bytes()[..]));
        assert_eq!(extremes.get(Side::Max), Some(&2.0_f32.to_le_bytes()[..]));
    }

    #[test]
    fn a_zero_has_the_sign_of_its_side() {
        for zero in [0.0_f64, -0.0] {
            let mut extremes = Extremes::new(Order::Double);
            extremes.add(&zero.to_le_bytes());
            assert_eq!(extremes.get(Side::Min), Some(&(-0.0_f64).to_le_bytes()[..]));
            assert_eq!(extremes.get(Side::Max), Some(&0.0_f64.to_le_bytes()[..]));
        }
    }

    #[test]
    fn a_cut_bound_is_a_bound_and_tells_where_it_came_from() {
        for value in ["zebra crossing", "grün grün grün", "\u{7f}\u{7f}\u{7f}x", "日本語日本語", "aaaa"] {
            for length in 1..value.len() {
                for side in [Side::Min, Side::Max] {
                    let Some((bound, exact)) = truncate(value.as_bytes(), side, length) else { continue };
                    assert!(!exact && bound.len() <= length && std::str::from_utf8(&bound).is_ok());
                    let wanted = if side == Side::Min { Ordering::Less } else { Ordering::Greater };
                    assert_eq!(bound.as_slice().cmp(value.as_bytes()), wanted, "{value} {length}");
                    assert!(explains(Order::Bytes, side, value.as_bytes(), &bound), "{value} {length} {side:?}");
                    assert!(!explains(Order::Bytes, side, b"other", &bound));
                }
            }
        }
        assert_eq!(truncate(&[0xff, 0xff, 1], Side::Max, 2), None);
        assert_eq!(truncate(&[1, 0xff, 1], Side::Max, 2), Some((vec![2], false)));
        assert!(explains(Order::Bytes, Side::Max, &[1, 0xff, 1], &[2, 0]));
        assert!(explains(Order::Bytes, Side::Max, &[1, 0xff, 1], &[2]));
        assert!(!explains(Order::Bytes, Side::Min, b"alice@", b"alicf"));
        assert!(explains(Order::Bytes, Side::Max, b"alice@", b"alicf"));
        assert!(!explains(Order::Bytes, Side::Max, b"alice", b"alicf"));
    }
}
