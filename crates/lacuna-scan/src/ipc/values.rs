//! The values that lie at a path in an array: nulls and what lies within them passed over.

use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, GenericListArray, GenericListViewArray, OffsetSizeTrait,
    PrimitiveArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowNativeType, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, RunEndIndexType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::resolve::Enter;
use crate::Value;

/// Positions gathered before a step inwards is taken: bounds memory, whatever lists expand to.
const CHUNK: usize = 1 << 16;

/// Positions in an array, each with the row that it belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Spots<'a> {
    /// Every position, which is its own row.
    All(usize),
    /// These positions, as `(row, position)`, by row.
    These(&'a [(usize, usize)]),
}

impl Spots<'_> {
    fn len(&self) -> usize {
        match self {
            Self::All(length) => *length,
            Self::These(spots) => spots.len(),
        }
    }

    #[inline]
    fn get(&self, at: usize) -> (usize, usize) {
        match self {
            Self::All(_) => (at, at),
            Self::These(spots) => spots[at],
        }
    }

    /// The rows and positions that are not null.
    #[inline]
    fn valid(self, nulls: Option<&NullBuffer>) -> impl Iterator<Item = (usize, usize)> {
        let spots = (0..self.len()).map(move |at| self.get(at));
        spots.filter(move |&(_, at)| nulls.is_none_or(|nulls| nulls.is_valid(at)))
    }
}

/// Calls `f` with the row and the value for every value at the end of `steps` that is not null, by row.
pub fn for_each<F: FnMut(usize, Value<'_>)>(array: &dyn Array, steps: &[Enter], f: &mut F) {
    for_each_at(array, steps, Spots::All(array.len()), f);
}

/// The same for the values that the `spots` of `array` lead to.
pub fn for_each_at<F: FnMut(usize, Value<'_>)>(array: &dyn Array, steps: &[Enter], spots: Spots<'_>, f: &mut F) {
    walk(array, steps, spots, &mut |leaf, spots| match leaf.data_type() {
        DataType::Dictionary(..) => {
            let values = leaf.as_any_dictionary().values();
            let mut chunk = Chunk::new();
            keys(leaf, spots, &mut |row, key| {
                if chunk.push(row, key) {
                    each(values, chunk.spots(), f);
                    chunk.clear();
                }
            });
            each(values, chunk.spots(), f);
        }
        _ => each(leaf, spots, f),
    });
}

/// Calls `leaf` with the arrays at the end of `steps` and the positions there that the `spots` of `array` lead to. Run ends are
/// followed; keys of dictionaries are not.
pub fn walk(array: &dyn Array, steps: &[Enter], spots: Spots<'_>, leaf: &mut dyn FnMut(&dyn Array, Spots<'_>)) {
    let Some((step, rest)) = steps.split_first() else {
        return match array.data_type() {
            DataType::RunEndEncoded(..) => runs(array, spots, leaf),
            _ => leaf(array, spots),
        };
    };
    let nulls = array.nulls();
    match (step, array.data_type()) {
        (Enter::Field(field), DataType::Struct(_)) => {
            let child = array.as_struct().column(*field);
            if array.null_count() == 0 {
                return walk(child, rest, spots, leaf);
            }
            let mut chunk = Chunk::new();
            for (row, at) in spots.valid(nulls) {
                if chunk.push(row, at) {
                    walk(child, rest, chunk.spots(), leaf);
                    chunk.clear();
                }
            }
            walk(child, rest, chunk.spots(), leaf);
        }
        (Enter::Elements, DataType::List(_)) => list(array.as_list::<i32>(), rest, spots, leaf),
        (Enter::Elements, DataType::LargeList(_)) => list(array.as_list::<i64>(), rest, spots, leaf),
        (Enter::Elements, DataType::ListView(_)) => views(array.as_list_view::<i32>(), rest, spots, leaf),
        (Enter::Elements, DataType::LargeListView(_)) => views(array.as_list_view::<i64>(), rest, spots, leaf),
        (Enter::Elements, DataType::FixedSizeList(_, size)) => {
            let size = size.as_usize();
            expand(spots, nulls, &|at| at * size..(at + 1) * size, array.as_fixed_size_list().values(), rest, leaf);
        }
        (Enter::Values, DataType::Map(..)) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            expand(spots, nulls, &|at| offsets[at].as_usize()..offsets[at + 1].as_usize(), map.values(), rest, leaf);
        }
        // Paths are resolved against the schema that the array was decoded by.
        _ => debug_assert!(false, "a path of another schema"),
    }
}

fn list<O: OffsetSizeTrait>(
    list: &GenericListArray<O>,
    rest: &[Enter],
    spots: Spots<'_>,
    leaf: &mut dyn FnMut(&dyn Array, Spots<'_>),
) {
    let offsets = list.value_offsets();
    let range = |at: usize| offsets[at].as_usize()..offsets[at + 1].as_usize();
    expand(spots, list.nulls(), &range, list.values(), rest, leaf);
}

fn views<O: OffsetSizeTrait>(
    views: &GenericListViewArray<O>,
    rest: &[Enter],
    spots: Spots<'_>,
    leaf: &mut dyn FnMut(&dyn Array, Spots<'_>),
) {
    let (offsets, sizes) = (views.value_offsets(), views.value_sizes());
    let range = |at: usize| offsets[at].as_usize()..offsets[at].as_usize() + sizes[at].as_usize();
    expand(spots, views.nulls(), &range, views.values(), rest, leaf);
}

fn expand(
    spots: Spots<'_>,
    nulls: Option<&NullBuffer>,
    range: &dyn Fn(usize) -> Range<usize>,
    values: &ArrayRef,
    rest: &[Enter],
    leaf: &mut dyn FnMut(&dyn Array, Spots<'_>),
) {
    let mut chunk = Chunk::new();
    for (row, at) in spots.valid(nulls) {
        for at in range(at) {
            if chunk.push(row, at) {
                walk(values, rest, chunk.spots(), leaf);
                chunk.clear();
            }
        }
    }
    walk(values, rest, chunk.spots(), leaf);
}

/// Follows run ends to the values.
fn runs(array: &dyn Array, spots: Spots<'_>, leaf: &mut dyn FnMut(&dyn Array, Spots<'_>)) {
    fn typed<R: RunEndIndexType>(array: &dyn Array, spots: Spots<'_>, leaf: &mut dyn FnMut(&dyn Array, Spots<'_>)) {
        let array = array.as_run::<R>();
        let mut chunk = Chunk::new();
        for (row, at) in spots.valid(None) {
            if chunk.push(row, array.get_physical_index(at)) {
                walk(array.values(), &[], chunk.spots(), leaf);
                chunk.clear();
            }
        }
        walk(array.values(), &[], chunk.spots(), leaf);
    }
    match array.data_type() {
        DataType::RunEndEncoded(ends, _) if *ends.data_type() == DataType::Int16 => {
            typed::<Int16Type>(array, spots, leaf)
        }
        DataType::RunEndEncoded(ends, _) if *ends.data_type() == DataType::Int32 => {
            typed::<Int32Type>(array, spots, leaf)
        }
        _ => typed::<Int64Type>(array, spots, leaf),
    }
}

/// Calls `f` with row and key for every key of a dictionary array that is not null.
pub fn keys(array: &dyn Array, spots: Spots<'_>, f: &mut dyn FnMut(usize, usize)) {
    fn typed<K: ArrowPrimitiveType>(keys: &dyn Array, spots: Spots<'_>, f: &mut dyn FnMut(usize, usize)) {
        let keys = keys.as_primitive::<K>();
        for (row, at) in spots.valid(keys.nulls()) {
            f(row, keys.value(at).as_usize());
        }
    }
    let keys = array.as_any_dictionary().keys();
    match keys.data_type() {
        DataType::Int8 => typed::<Int8Type>(keys, spots, f),
        DataType::Int16 => typed::<Int16Type>(keys, spots, f),
        DataType::Int32 => typed::<Int32Type>(keys, spots, f),
        DataType::Int64 => typed::<Int64Type>(keys, spots, f),
        DataType::UInt8 => typed::<UInt8Type>(keys, spots, f),
        DataType::UInt16 => typed::<UInt16Type>(keys, spots, f),
        DataType::UInt32 => typed::<UInt32Type>(keys, spots, f),
        DataType::UInt64 => typed::<UInt64Type>(keys, spots, f),
        _ => debug_assert!(false, "keys are integers"),
    }
}

/// The values of a plain array.
fn each<F: FnMut(usize, Value<'_>)>(array: &dyn Array, spots: Spots<'_>, f: &mut F) {
    fn ints<T: ArrowPrimitiveType<Native: Into<i128>>>(
        array: &dyn Array,
        spots: Spots<'_>,
        f: &mut impl FnMut(usize, Value<'_>),
    ) {
        let array = array.as_primitive::<T>();
        spots.valid(array.nulls()).for_each(|(row, at)| f(row, Value::Int(array.value(at).into())));
    }
    fn floats<T: ArrowPrimitiveType>(
        array: &dyn Array,
        value: fn(T::Native) -> Value<'static>,
        spots: Spots<'_>,
        f: &mut impl FnMut(usize, Value<'_>),
    ) {
        let array = array.as_primitive::<T>();
        spots.valid(array.nulls()).for_each(|(row, at)| f(row, value(array.value(at))));
    }
    fn decimals<T: ArrowPrimitiveType, const N: usize>(
        array: &dyn Array,
        scale: i8,
        bytes: fn(T::Native) -> [u8; N],
        spots: Spots<'_>,
        f: &mut impl FnMut(usize, Value<'_>),
    ) {
        let array: &PrimitiveArray<T> = array.as_primitive();
        for (row, at) in spots.valid(array.nulls()) {
            f(row, Value::Decimal { unscaled: &bytes(array.value(at)), scale: scale.into() });
        }
    }
    macro_rules! bytes {
        ($array:expr, $variant:ident) => {{
            let array = $array;
            for (row, at) in spots.valid(array.nulls()) {
                f(row, Value::$variant(array.value(at).as_ref()));
            }
        }};
    }
    match array.data_type() {
        DataType::Int8 => ints::<Int8Type>(array, spots, f),
        DataType::Int16 => ints::<Int16Type>(array, spots, f),
        DataType::Int32 => ints::<Int32Type>(array, spots, f),
        DataType::Int64 => ints::<Int64Type>(array, spots, f),
        DataType::UInt8 => ints::<UInt8Type>(array, spots, f),
        DataType::UInt16 => ints::<UInt16Type>(array, spots, f),
        DataType::UInt32 => ints::<UInt32Type>(array, spots, f),
        DataType::UInt64 => ints::<UInt64Type>(array, spots, f),
        DataType::Float32 => floats::<Float32Type>(array, Value::Single, spots, f),
        DataType::Float64 => floats::<Float64Type>(array, Value::Double, spots, f),
        DataType::Utf8 => bytes!(array.as_string::<i32>(), Text),
        DataType::LargeUtf8 => bytes!(array.as_string::<i64>(), Text),
        DataType::Utf8View => bytes!(array.as_string_view(), Text),
        DataType::Binary => bytes!(array.as_binary::<i32>(), Bytes),
        DataType::LargeBinary => bytes!(array.as_binary::<i64>(), Bytes),
        DataType::BinaryView => bytes!(array.as_binary_view(), Bytes),
        DataType::FixedSizeBinary(_) => bytes!(array.as_fixed_size_binary(), Bytes),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type, 4>(array, *scale, i32::to_be_bytes, spots, f),
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type, 8>(array, *scale, i64::to_be_bytes, spots, f),
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type, 16>(array, *scale, i128::to_be_bytes, spots, f),
        DataType::Decimal256(_, scale) => {
            decimals::<Decimal256Type, 32>(array, *scale, |value| value.to_be_bytes(), spots, f);
        }
        DataType::Null => {}
        _ => debug_assert!(false, "a type that holds no identifier"),
    }
}

struct Chunk(Vec<(usize, usize)>);

impl Chunk {
    fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a position; `true` when the chunk is full.
    fn push(&mut self, row: usize, at: usize) -> bool {
        self.0.push((row, at));
        self.0.len() >= CHUNK
    }

    fn spots(&self) -> Spots<'_> {
        Spots::These(&self.0)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}
