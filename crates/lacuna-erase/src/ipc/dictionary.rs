//! Which entries of dictionaries go with the erased rows, and what stands in for them.
//!
//! When an erasure takes the last row that pointed to an entry, or no row points to an entry that is wanted, then that entry
//! goes, and with it all others of the same dictionary that no row points to: such a dictionary held identifiers. A dictionary
//! that loses nothing stays as it is. In place of an entry stands a value that the dictionary did not hold, because readers
//! such as pandas refuse a dictionary that holds a value twice: the empty text, then `~1`, `~2`, …; or the smallest numbers
//! that are free. Where a value is taken away that cannot be null, and no entry is empty or goes, an empty one is added behind the
//! last one.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{ArrowNativeType, DataType};
use roaring::RoaringBitmap;

/// What happens to a dictionary between two messages that give it new values.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The entries that go, and what takes their place.
    pub(super) stand_ins: HashMap<usize, Vec<u8>>,
    /// An entry that is empty, then.
    pub(super) empty_entry: Option<usize>,
    /// How many entries there are, if that one is added behind them.
    pub(super) added_at: Option<usize>,
}

/// The plans for all dictionaries of a shard: by id, one for each time that the dictionary was given anew.
pub(super) type Plans = HashMap<i64, Vec<Plan>>;

/// A dictionary as a survey of the shard sees it.
#[derive(Debug)]
pub(super) struct Surveyed {
    /// All its values.
    pub(super) values: ArrayRef,
    /// The entries that rows point to which stay.
    pub(super) used: RoaringBitmap,
    /// The entries that erased rows pointed to, and those that hold a wanted value.
    pub(super) erased: RoaringBitmap,
    /// Whether an empty entry is needed, and may be added.
    pub(super) may_grow: bool,
}

impl Surveyed {
    /// A dictionary that nothing is known of yet.
    pub(super) fn new(values: ArrayRef) -> Self {
        Self { values, used: RoaringBitmap::new(), erased: RoaringBitmap::new(), may_grow: false }
    }

    /// What is to happen to it.
    pub(super) fn plan(&self) -> Plan {
        if self.erased.is_subset(&self.used) {
            let end = self.values.len();
            let empty = (0..end).find(|&entry| self.is_empty(entry));
            let added_at = (self.may_grow && empty.is_none() && is_simple(self.values.data_type())).then_some(end);
            return Plan { stand_ins: HashMap::new(), empty_entry: empty.or(added_at), added_at };
        }
        let empty = self.used.iter().map(|entry| entry as usize).find(|&entry| self.is_empty(entry));
        let used = |entry: usize| u32::try_from(entry).is_ok_and(|entry| self.used.contains(entry));
        let gone: Vec<usize> =
            (0..self.values.len()).filter(|&entry| !used(entry) && self.values.is_valid(entry)).collect();
        let empty_entry = empty.or(gone.first().copied());
        let values = free_values(&self.values, gone.len());
        Plan { stand_ins: gone.into_iter().zip(values).collect(), empty_entry, added_at: None }
    }

    /// The texts that go and what takes their place, for those that no row that stays shows.
    pub(super) fn stand_ins(&self, plan: &Plan) -> HashMap<String, String> {
        let text = |entry: usize| bytes(&self.values, entry).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let used: HashSet<&str> = self.used.iter().filter_map(|entry| text(entry as usize)).collect();
        let pairs = plan.stand_ins.iter().filter_map(|(&entry, stand_in)| {
            let stand_in = std::str::from_utf8(stand_in).ok()?;
            Some((text(entry).filter(|text| !used.contains(text))?.to_owned(), stand_in.to_owned()))
        });
        pairs.collect()
    }

    fn is_empty(&self, entry: usize) -> bool {
        bytes(&self.values, entry).is_some_and(|bytes| bytes.iter().all(|&byte| byte == 0))
    }
}

/// Whether values of this type can be written as bytes that stand in for others.
pub(super) fn is_simple(data_type: &DataType) -> bool {
    !data_type.is_nested() && *data_type != DataType::Boolean
}

/// `count` values that `values` does not hold, as its type stores them. Where the type has too few of them, or none that are
/// simple, the last ones are empty (and are written as zero, empty or null).
fn free_values(values: &ArrayRef, count: usize) -> Vec<Vec<u8>> {
    let held: HashSet<&[u8]> = (0..values.len()).filter_map(|entry| bytes(values, entry)).collect();
    let mut free: Vec<Vec<u8>> = match values.data_type() {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => std::iter::once(Vec::new())
            .chain((1_u64..).map(|number| format!("~{number}").into_bytes()))
            .filter(|value| !held.contains(value.as_slice()))
            .take(count)
            .collect(),
        data_type => {
            let width = match data_type {
                DataType::FixedSizeBinary(width) => width.as_usize(),
                DataType::Decimal32(precision, _)
                | DataType::Decimal64(precision, _)
                | DataType::Decimal128(precision, _)
                | DataType::Decimal256(precision, _)
                    if *precision < 10 =>
                {
                    // All numbers below that could be tried are small enough to be counted, and may be too few.
                    return decimals(data_type, &held, count, *precision);
                }
                _ => data_type.primitive_width().unwrap_or_default(),
            };
            let number = |number: u64| {
                let mut value = number.to_le_bytes().to_vec();
                value.resize(width, 0);
                value
            };
            let end = 1_u64.checked_shl(u32::try_from(width * 8).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
            // A zero may be there as the other zero.
            let first = u64::from(data_type.is_floating());
            (first..if width == 0 { 0 } else { end })
                .map(number)
                .filter(|value| !held.contains(value.as_slice()))
                .take(count)
                .collect()
        }
    };
    free.resize(count, Vec::new());
    free
}

fn decimals(data_type: &DataType, held: &HashSet<&[u8]>, count: usize, precision: u8) -> Vec<Vec<u8>> {
    let width = data_type.primitive_width().unwrap_or_default();
    let number = |number: u64| {
        let mut value = number.to_le_bytes().to_vec();
        value.resize(width, 0);
        value
    };
    let numbers = (0..10_u64.pow(precision.into())).map(number);
    let mut free: Vec<_> = numbers.filter(|value| !held.contains(value.as_slice())).take(count).collect();
    free.resize(count, Vec::new());
    free
}

/// The bytes of a value of a simple type, as it is stored; `None` when it is null or its type is not simple.
pub(super) fn bytes(values: &ArrayRef, entry: usize) -> Option<&[u8]> {
    if values.is_null(entry) {
        return None;
    }
    Some(match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().value(entry).as_bytes(),
        DataType::LargeUtf8 => values.as_string::<i64>().value(entry).as_bytes(),
        DataType::Utf8View => values.as_string_view().value(entry).as_bytes(),
        DataType::Binary => values.as_binary::<i32>().value(entry),
        DataType::LargeBinary => values.as_binary::<i64>().value(entry),
        DataType::BinaryView => values.as_binary_view().value(entry),
        DataType::FixedSizeBinary(_) => values.as_fixed_size_binary().value(entry),
        data_type => {
            let width = data_type.primitive_width()?;
            return fixed(values, entry, width);
        }
    })
}

fn fixed(values: &ArrayRef, entry: usize, width: usize) -> Option<&[u8]> {
    use arrow::array::downcast_primitive_array;
    let values: &dyn Array = values.as_ref();
    let bytes = downcast_primitive_array!(
        values => values.values().inner().as_slice(),
        _ => return None
    );
    bytes.get(entry * width..(entry + 1) * width)
}
