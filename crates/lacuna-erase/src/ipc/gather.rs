//! The values of chosen positions of an array, as the buffers of a message: all that they hold is values that were asked for.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, ArrayData, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowNativeType, DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type, UnionMode,
};
use lacuna_scan::ipc::resolve::Enter;
use lacuna_scan::ipc::schema::Column;
use roaring::RoaringBitmap;

use crate::{Error, Result};

/// In place of a position: there is no value, because what it would lie in is null.
const ABSENT: u32 = u32::MAX;
/// In place of a position: the value is taken away. Null where the column allows it, else empty or zero.
pub(super) const BLANK: u32 = u32::MAX - 1;
/// In place of a position: there is no value, as [`ABSENT`] says, and no null may stand there, as the union that holds it cannot be null.
const EMPTY: u32 = u32::MAX - 2;

/// The one byte of a view column's data buffer that no view points into any more. A message's list of buffers keeps its length, and
/// Polars does not read a compressed message in which such a buffer has no bytes.
const UNUSED: u8 = 0;

/// Which values are taken away.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    /// The ways to them; none when nothing is taken.
    pub(super) paths: Vec<Vec<Enter>>,
    /// For each position that is gathered, whether it is in a row that they are taken from.
    pub(super) rows: Vec<bool>,
}

/// Nodes and buffers of gathered columns, in the order in which a message has them.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Length and number of nulls of every column, from outside in.
    pub(super) nodes: Vec<(usize, usize)>,
    /// The plain buffers.
    pub(super) buffers: Vec<Vec<u8>>,
    /// The entries of each dictionary that gathered values point to, by the dictionary's id.
    pub(super) used: HashMap<i64, RoaringBitmap>,
    /// The dictionaries of which an empty entry is to be pointed to. Known while entries are only counted.
    pub(super) blanked: HashSet<i64>,
}

/// What gathering needs to know beside the values.
#[derive(Debug, Default)]
pub(super) struct Rules<'a> {
    /// Whether unions carry a validity bitmap.
    pub(super) union_validity: bool,
    /// By dictionary: the entry to point to for a value that is taken away where the column cannot be null. `None` while
    /// entries are only counted.
    pub(super) empty_entries: Option<HashMap<i64, usize>>,
    /// The values that stand for [`BLANK`] positions, in their order, in place of null or empty.
    pub(super) stand_ins: Option<&'a [Vec<u8>]>,
}

/// Gathers the values of `column` at `slots`: positions in `array`, or [`BLANK`]. `variadic` says how many data buffers each of
/// the view columns within has; it is used up.
pub(super) fn gather(
    column: &Column,
    array: &ArrayRef,
    slots: &[u32],
    taken: &Taken,
    variadic: &mut dyn Iterator<Item = usize>,
    rules: &Rules<'_>,
    into: &mut Gathered,
) -> Result<()> {
    Gather { rules, into, variadic }.array(column, array, slots, taken)
}

struct Gather<'a, 'r> {
    rules: &'a Rules<'r>,
    into: &'a mut Gathered,
    variadic: &'a mut dyn Iterator<Item = usize>,
}

impl Gather<'_, '_> {
    fn array(&mut self, column: &Column, array: &ArrayRef, slots: &[u32], taken: &Taken) -> Result<()> {
        let blanked;
        let slots = if taken.paths.iter().any(Vec::is_empty) {
            let blank = |(&slot, &taken): (&u32, &bool)| if taken && slot != ABSENT { BLANK } else { slot };
            blanked = slots.iter().zip(&taken.rows).map(blank).collect::<Vec<_>>();
            &blanked[..]
        } else {
            slots
        };
        let data = array.to_data();
        match array.data_type() {
            DataType::Null => {
                self.into.nodes.push((slots.len(), slots.len()));
                Ok(())
            }
            DataType::Boolean => {
                let _valid = self.validity(column, &data, slots);
                let values = array.as_boolean();
                let set = |slot: &u32| position(*slot).is_some_and(|at| values.is_valid(at) && values.value(at));
                self.into.buffers.push(bits(slots.iter().map(set)));
                Ok(())
            }
            DataType::Utf8 | DataType::Binary => self.text::<i32>(column, &data, slots),
            DataType::LargeUtf8 | DataType::LargeBinary => self.text::<i64>(column, &data, slots),
            DataType::Utf8View | DataType::BinaryView => self.views(column, &data, slots),
            DataType::List(_) | DataType::Map(..) => {
                let offsets = data.buffer::<i32>(0);
                let range = |at: usize| (offsets[at].as_usize(), offsets[at + 1].as_usize());
                self.list::<i32>(column, array, &data, slots, taken, &range, false)
            }
            DataType::LargeList(_) => {
                let offsets = data.buffer::<i64>(0);
                let range = |at: usize| (offsets[at].as_usize(), offsets[at + 1].as_usize());
                self.list::<i64>(column, array, &data, slots, taken, &range, false)
            }
            DataType::ListView(_) => {
                let (offsets, sizes) = (data.buffer::<i32>(0), data.buffer::<i32>(1));
                let range = |at: usize| (offsets[at].as_usize(), offsets[at].as_usize() + sizes[at].as_usize());
                self.list::<i32>(column, array, &data, slots, taken, &range, true)
            }
            DataType::LargeListView(_) => {
                let (offsets, sizes) = (data.buffer::<i64>(0), data.buffer::<i64>(1));
                let range = |at: usize| (offsets[at].as_usize(), offsets[at].as_usize() + sizes[at].as_usize());
                self.list::<i64>(column, array, &data, slots, taken, &range, true)
            }
            DataType::FixedSizeList(_, size) => {
                let valid = self.validity(column, &data, slots);
                let size = size.as_usize();
                let mut children = Vec::with_capacity(slots.len() * size);
                for (at, &slot) in slots.iter().enumerate() {
                    match position(slot).filter(|_| valid(at)) {
                        Some(at) => (at * size..(at + 1) * size).try_for_each(|at| {
                            children.push(narrow(at)?);
                            Ok::<_, Error>(())
                        })?,
                        None => children.extend(std::iter::repeat_n(ABSENT, size)),
                    }
                }
                let rows = taken.rows.iter().flat_map(|&row| std::iter::repeat_n(row, size)).collect();
                let taken = taken.enter(Enter::Elements, rows);
                self.child(column, 0, array.as_fixed_size_list().values(), &children, &taken)
            }
            DataType::Struct(_) => {
                let valid = self.validity(column, &data, slots);
                let slots = slots.iter().enumerate().map(|(at, &slot)| if valid(at) { slot } else { ABSENT });
                let slots: Vec<u32> = slots.map(|slot| if slot == BLANK { ABSENT } else { slot }).collect();
                for (at, child) in array.as_struct().columns().iter().enumerate() {
                    let taken = taken.enter(Enter::Field(at), taken.rows.clone());
                    self.child(column, at, child, &slots, &taken)?;
                }
                Ok(())
            }
            DataType::RunEndEncoded(ends, _) => match ends.data_type() {
                DataType::Int16 => self.runs::<Int16Type>(column, array, slots),
                DataType::Int32 => self.runs::<Int32Type>(column, array, slots),
                _ => self.runs::<Int64Type>(column, array, slots),
            },
            DataType::Union(..) => self.union(column, array, slots),
            DataType::Dictionary(key, _) => match key.as_ref() {
                DataType::Int8 => self.keys::<Int8Type>(column, array, slots),
                DataType::Int16 => self.keys::<Int16Type>(column, array, slots),
                DataType::Int32 => self.keys::<Int32Type>(column, array, slots),
                DataType::Int64 => self.keys::<Int64Type>(column, array, slots),
                DataType::UInt8 => self.keys::<UInt8Type>(column, array, slots),
                DataType::UInt16 => self.keys::<UInt16Type>(column, array, slots),
                DataType::UInt32 => self.keys::<UInt32Type>(column, array, slots),
                _ => self.keys::<UInt64Type>(column, array, slots),
            },
            DataType::FixedSizeBinary(width) => self.fixed(column, &data, slots, width.as_usize()),
            other => {
                let width = other.primitive_width();
                let width = width.ok_or_else(|| Error::Unfaithful("it has a column type that is not known".into()))?;
                self.fixed(column, &data, slots, width)
            }
        }
    }

    fn child(&mut self, column: &Column, child: usize, array: &ArrayRef, slots: &[u32], taken: &Taken) -> Result<()> {
        let missing = || Error::Unfaithful("a column lacks a column within".into());
        self.array(column.children.get(child).ok_or_else(missing)?, array, slots, taken)
    }

    /// Writes node and validity bitmap; returns which of the slots have a value.
    fn validity(&mut self, column: &Column, data: &ArrayData, slots: &[u32]) -> impl Fn(usize) -> bool + use<> {
        let nulls = data.nulls();
        let nullable = column.field.is_nullable();
        let stands_in = self.rules.stand_ins.is_some();
        let mut count = 0;
        let mut valid = Vec::with_capacity(slots.len());
        for &slot in slots {
            let is_valid = match position(slot) {
                Some(at) => nulls.is_none_or(|nulls| nulls.is_valid(at)),
                None => !nullable || slot == EMPTY || (slot == BLANK && stands_in),
            };
            count += usize::from(!is_valid);
            valid.push(is_valid);
        }
        self.into.nodes.push((slots.len(), count));
        self.into.buffers.push(if count == 0 { Vec::new() } else { bits(valid.iter().copied()) });
        move |at| valid[at]
    }

    fn fixed(&mut self, column: &Column, data: &ArrayData, slots: &[u32], width: usize) -> Result<()> {
        let valid = self.validity(column, data, slots);
        let values = &data.buffers()[0].as_slice()[data.offset() * width..];
        let mut stand_ins = self.rules.stand_ins.unwrap_or_default().iter();
        let mut gathered = Vec::with_capacity(slots.len() * width);
        for (at, &slot) in slots.iter().enumerate() {
            let value = match position(slot) {
                Some(at) => Some(&values[at * width..(at + 1) * width]),
                None if slot == BLANK => stand_ins.next().map(Vec::as_slice).filter(|value| value.len() == width),
                None => None,
            };
            match value.filter(|_| valid(at)) {
                Some(value) => gathered.extend_from_slice(value),
                None => gathered.resize(gathered.len() + width, 0),
            }
        }
        self.into.buffers.push(gathered);
        Ok(())
    }

    fn text<O: Offset>(&mut self, column: &Column, data: &ArrayData, slots: &[u32]) -> Result<()> {
        let valid = self.validity(column, data, slots);
        let offsets = data.buffer::<O>(0);
        let values = data.buffers()[1].as_slice();
        let mut stand_ins = self.rules.stand_ins.unwrap_or_default().iter();
        let (mut ends, mut gathered) = (O::write_start(), Vec::new());
        for (at, &slot) in slots.iter().enumerate() {
            let value = match position(slot) {
                Some(at) => Some(&values[offsets[at].as_usize()..offsets[at + 1].as_usize()]),
                None if slot == BLANK => stand_ins.next().map(Vec::as_slice),
                None => None,
            };
            gathered.extend_from_slice(value.filter(|_| valid(at)).unwrap_or_default());
            O::write(&mut ends, gathered.len())?;
        }
        self.into.buffers.push(ends);
        self.into.buffers.push(gathered);
        Ok(())
    }

    fn views(&mut self, column: &Column, data: &ArrayData, slots: &[u32]) -> Result<()> {
        let valid = self.validity(column, data, slots);
        let views = data.buffer::<u128>(0);
        let buffers = &data.buffers()[1..];
        let mut stand_ins = self.rules.stand_ins.unwrap_or_default().iter();
        let mut gathered: Vec<u8> = Vec::with_capacity(slots.len() * 16);
        let mut long: Vec<u8> = Vec::new();
        // Views may share bytes: they still do afterwards.
        let mut moved: HashMap<(u32, u32, u32), u32> = HashMap::new();
        for (at, &slot) in slots.iter().enumerate() {
            let source = position(slot).filter(|_| valid(at)).map(|at| views[at].to_le_bytes());
            let Some(view) = source else {
                // A value that stands in is short, so it lies in its view.
                let value = if slot == BLANK { stand_ins.next().map(Vec::as_slice) } else { None };
                let value = value.filter(|value| value.len() <= 12).unwrap_or_default();
                let mut view = [0; 16];
                view[..4].copy_from_slice(&narrow(value.len())?.to_le_bytes());
                view[4..4 + value.len()].copy_from_slice(value);
                gathered.extend_from_slice(&view);
                continue;
            };
            let [length, prefix, buffer, offset] = words(view);
            if length <= 12 {
                let mut clean = [0; 16];
                let end = 4 + length.as_usize();
                clean[..end].copy_from_slice(&view[..end]);
                gathered.extend_from_slice(&clean);
                continue;
            }
            let start = match moved.get(&(buffer, offset, length)) {
                Some(&start) => start,
                None => {
                    let start = long.len();
                    let from = offset.as_usize();
                    long.extend_from_slice(&buffers[buffer.as_usize()].as_slice()[from..from + length.as_usize()]);
                    if long.len() > i32::MAX.as_usize() {
                        return Err(Error::Unfaithful("its views share more bytes than can be written out".into()));
                    }
                    let start = narrow(start)?;
                    moved.insert((buffer, offset, length), start);
                    start
                }
            };
            for word in [length, prefix, 0, start] {
                gathered.extend_from_slice(&word.to_le_bytes());
            }
        }
        self.into.buffers.push(gathered);
        let buffers = self.variadic.next().unwrap_or_default();
        if buffers == 0 && !long.is_empty() {
            return Err(Error::Unfaithful("a column of views lacks its data".into()));
        }
        if buffers > 0 {
            let unused = || vec![UNUSED];
            self.into.buffers.push(if long.is_empty() { unused() } else { long });
            self.into.buffers.extend(std::iter::repeat_with(unused).take(buffers - 1));
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one call for each of five list layouts")]
    fn list<O: Offset>(
        &mut self,
        column: &Column,
        array: &ArrayRef,
        data: &ArrayData,
        slots: &[u32],
        taken: &Taken,
        range: &dyn Fn(usize) -> (usize, usize),
        is_view: bool,
    ) -> Result<()> {
        let valid = self.validity(column, data, slots);
        let (mut children, mut rows) = (Vec::new(), Vec::new());
        let (mut offsets, mut sizes) = (O::write_start(), Vec::new());
        for (at, &slot) in slots.iter().enumerate() {
            let (start, end) = position(slot).filter(|_| valid(at)).map_or((0, 0), range);
            for child in start..end {
                children.push(narrow(child)?);
            }
            if !taken.paths.is_empty() {
                rows.extend(std::iter::repeat_n(taken.rows[at], end - start));
            }
            O::write(&mut sizes, end - start)?;
            O::write(&mut offsets, children.len())?;
        }
        if is_view {
            offsets.truncate(offsets.len() - O::WIDTH);
            self.into.buffers.push(offsets);
            self.into.buffers.push(sizes);
        } else {
            self.into.buffers.push(offsets);
        }
        let (values, step): (ArrayRef, _) = match array.data_type() {
            DataType::List(_) => (array.as_list::<i32>().values().clone(), Enter::Elements),
            DataType::LargeList(_) => (array.as_list::<i64>().values().clone(), Enter::Elements),
            DataType::ListView(_) => (array.as_list_view::<i32>().values().clone(), Enter::Elements),
            DataType::LargeListView(_) => (array.as_list_view::<i64>().values().clone(), Enter::Elements),
            _ => (std::sync::Arc::new(array.as_map().entries().clone()), Enter::Values),
        };
        self.child(column, 0, &values, &children, &taken.enter(step, rows))
    }

    fn runs<R: RunEnd>(&mut self, column: &Column, array: &ArrayRef, slots: &[u32]) -> Result<()> {
        let runs = array.as_run::<R>();
        self.into.nodes.push((slots.len(), 0));
        let (mut ends, mut values) = (Vec::new(), Vec::new());
        for (at, &slot) in slots.iter().enumerate() {
            let value = match position(slot) {
                Some(at) => narrow(runs.get_physical_index(at))?,
                None => slot,
            };
            if values.last() != Some(&value) {
                if at > 0 {
                    R::write(&mut ends, at)?;
                }
                values.push(value);
            }
        }
        if !slots.is_empty() {
            R::write(&mut ends, slots.len())?;
        }
        self.into.nodes.push((values.len(), 0));
        self.into.buffers.push(Vec::new());
        self.into.buffers.push(ends);
        match column.children.get(1) {
            // Their nulls are those of their values.
            Some(within) if !column.field.is_nullable() => {
                let field = within.field.as_ref().clone().with_nullable(false).into();
                self.array(&Column { field, ..within.clone() }, runs.values(), &values, &Taken::default())
            }
            _ => self.child(column, 1, runs.values(), &values, &Taken::default()),
        }
    }

    fn union(&mut self, column: &Column, array: &ArrayRef, slots: &[u32]) -> Result<()> {
        let union = array.as_union();
        let DataType::Union(fields, mode) = array.data_type() else { return Ok(()) };
        self.into.nodes.push((slots.len(), 0));
        if self.rules.union_validity {
            self.into.buffers.push(Vec::new());
        }
        let first = fields.iter().next().map_or(0, |(id, _)| id);
        let id = |slot: u32| position(slot).map_or(first, |at| union.type_id(at));
        self.into.buffers.push(slots.iter().flat_map(|&slot| id(slot).to_le_bytes()).collect());
        let mut members: Vec<(i8, Vec<u32>)> = fields.iter().map(|(id, _)| (id, Vec::new())).collect();
        let mut offsets = Vec::new();
        for &slot in slots {
            let own = id(slot);
            for (member, gathered) in &mut members {
                if *member == own {
                    if *mode == UnionMode::Dense {
                        i32::write(&mut offsets, gathered.len())?;
                    }
                    let absent = if slot == EMPTY || !column.field.is_nullable() { EMPTY } else { ABSENT };
                    gathered.push(position(slot).map_or(Ok(absent), |at| narrow(union.value_offset(at)))?);
                } else if *mode == UnionMode::Sparse {
                    gathered.push(ABSENT);
                }
            }
        }
        if *mode == UnionMode::Dense {
            self.into.buffers.push(offsets);
        }
        for (at, (id, slots)) in members.iter().enumerate() {
            self.child(column, at, union.child(*id), slots, &Taken::default())?;
        }
        Ok(())
    }

    fn keys<K: Key>(&mut self, column: &Column, array: &ArrayRef, slots: &[u32]) -> Result<()> {
        let Some(id) = column.dictionary.as_ref().map(|dictionary| dictionary.id) else {
            return Err(Error::Unfaithful("a column of keys lacks its dictionary".into()));
        };
        let keys = array.as_dictionary::<K>().keys();
        let valid = self.validity(column, &keys.to_data(), slots);
        let used = self.into.used.entry(id).or_default();
        let mut gathered = Vec::with_capacity(slots.len() * K::WIDTH);
        for (at, &slot) in slots.iter().enumerate() {
            let key = match position(slot) {
                _ if !valid(at) => 0,
                Some(at) => {
                    let key = keys.value(at).as_usize();
                    used.insert(narrow(key)?);
                    key
                }
                None if slot == BLANK => match &self.rules.empty_entries {
                    Some(entries) => *entries.get(&id).ok_or_else(|| {
                        Error::Unfaithful("a dictionary column that cannot be null has no empty entry".into())
                    })?,
                    None => {
                        self.into.blanked.insert(id);
                        0
                    }
                },
                None => 0,
            };
            K::write(&mut gathered, key)?;
        }
        self.into.buffers.push(gathered);
        Ok(())
    }
}

impl Taken {
    /// What is taken from a column within, whose positions are in the rows `rows`.
    fn enter(&self, step: Enter, rows: Vec<bool>) -> Self {
        let mut paths = Vec::new();
        for path in &self.paths {
            match path.split_first() {
                Some((first, rest)) if *first == step => match step {
                    // A map's column within is that of its entries, of which the second field holds the values.
                    Enter::Values => paths.push([&[Enter::Field(1)], rest].concat()),
                    Enter::Field(_) | Enter::Elements => paths.push(rest.to_vec()),
                },
                _ => {}
            }
        }
        if paths.is_empty() { Self::default() } else { Self { paths, rows } }
    }
}

/// The position that a slot stands for.
#[inline]
fn position(slot: u32) -> Option<usize> {
    (slot < EMPTY).then_some(slot as usize)
}

/// A position as a slot.
fn narrow(at: usize) -> Result<u32> {
    let slot = u32::try_from(at).ok().filter(|&slot| slot < EMPTY);
    slot.ok_or_else(|| Error::Unfaithful("a batch has more values than can be written out".into()))
}

fn bits(values: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, value) in values.enumerate() {
        if at % 8 == 0 {
            bytes.push(0);
        }
        if let Some(last) = bytes.last_mut() {
            *last |= u8::from(value) << (at % 8);
        }
    }
    bytes
}

fn words(view: [u8; 16]) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(view.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// An integer that counts, as it is stored.
trait Offset: ArrowNativeType {
    const WIDTH: usize = size_of::<Self>();

    fn write(into: &mut Vec<u8>, value: usize) -> Result<()>;

    fn write_start() -> Vec<u8> {
        vec![0; Self::WIDTH]
    }
}

trait Key: arrow::datatypes::ArrowDictionaryKeyType {
    const WIDTH: usize = size_of::<Self::Native>();

    fn write(into: &mut Vec<u8>, value: usize) -> Result<()>;
}

trait RunEnd: arrow::datatypes::RunEndIndexType {
    fn write(into: &mut Vec<u8>, value: usize) -> Result<()>;
}

macro_rules! stored {
    ($($native:ty, $trait:ident for $type:ty;)*) => {$(
        impl $trait for $type {
            fn write(into: &mut Vec<u8>, value: usize) -> Result<()> {
                let value = <$native>::try_from(value).map_err(|_| Error::Unfaithful("a count outgrew its type".into()))?;
                into.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
        }
    )*};
}

stored! {
    i32, Offset for i32;
    i64, Offset for i64;
    i8, Key for Int8Type;
    i16, Key for Int16Type;
    i32, Key for Int32Type;
    i64, Key for Int64Type;
    u8, Key for UInt8Type;
    u16, Key for UInt16Type;
    u32, Key for UInt32Type;
    u64, Key for UInt64Type;
    i16, RunEnd for Int16Type;
    i32, RunEnd for Int32Type;
    i64, RunEnd for Int64Type;
}
