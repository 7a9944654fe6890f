//! Types made of other types: lists, structs, maps, unions, dictionaries and runs.

use std::ops::Range;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, DictionaryArray, FixedSizeListArray, GenericListArray, GenericListViewArray,
        OffsetSizeTrait, RunArray, StructArray, UnionArray,
    },
    buffer::{OffsetBuffer, ScalarBuffer},
    datatypes::{
        ArrowDictionaryKeyType, ArrowNativeType, DataType, Field, FieldRef, Int8Type, Int16Type, Int32Type, Int64Type,
        RunEndIndexType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, UnionFields,
    },
};

use super::{Column, Named, Values, downcast, named, scalar::is_stored_text, unsupported, write_object};
use crate::Result;

/// The values of `array`, whose type is made of others. `field` describes it, `depth` is its own level.
pub(super) fn values(field: &Field, array: &dyn Array, depth: usize) -> Result<Box<dyn Values>> {
    let inner = depth + 1;
    Ok(match array.data_type() {
        DataType::List(element) => list::<i32>(array, element, inner)?,
        DataType::LargeList(element) => list::<i64>(array, element, inner)?,
        DataType::ListView(element) => list_view::<i32>(array, element, inner)?,
        DataType::LargeListView(element) => list_view::<i64>(array, element, inner)?,
        DataType::FixedSizeList(element, length) => fixed_list(array, element, *length, inner)?,
        DataType::Struct(fields) => {
            Box::new(Struct(named(fields.iter().zip(downcast::<StructArray>(array)?.columns()), inner)?))
        }
        DataType::Map(_, _) => map(array, inner)?,
        DataType::Union(fields, _) => union(array, fields, inner)?,
        // What stands for a value keeps the field's own metadata: a dictionary of UUIDs is one.
        DataType::Dictionary(keys, _) => match keys.as_ref() {
            DataType::Int8 => dictionary::<Int8Type>(field, array, inner)?,
            DataType::Int16 => dictionary::<Int16Type>(field, array, inner)?,
            DataType::Int32 => dictionary::<Int32Type>(field, array, inner)?,
            DataType::Int64 => dictionary::<Int64Type>(field, array, inner)?,
            DataType::UInt8 => dictionary::<UInt8Type>(field, array, inner)?,
            DataType::UInt16 => dictionary::<UInt16Type>(field, array, inner)?,
            DataType::UInt32 => dictionary::<UInt32Type>(field, array, inner)?,
            DataType::UInt64 => dictionary::<UInt64Type>(field, array, inner)?,
            _ => return Err(unsupported(array)),
        },
        DataType::RunEndEncoded(ends, values) => {
            let values = if field.extension_type_name().is_some() { field } else { values.as_ref() };
            match ends.data_type() {
                DataType::Int16 => runs::<Int16Type>(values, array, inner)?,
                DataType::Int32 => runs::<Int32Type>(values, array, inner)?,
                DataType::Int64 => runs::<Int64Type>(values, array, inner)?,
                _ => return Err(unsupported(array)),
            }
        }
        _ => return Err(unsupported(array)),
    })
}

/// Where a row's elements lie among those of all rows.
trait Extent: Send + Sync {
    fn of(&self, row: usize) -> Range<usize>;
}

struct Offsets<O: OffsetSizeTrait>(OffsetBuffer<O>);

impl<O: OffsetSizeTrait> Extent for Offsets<O> {
    fn of(&self, row: usize) -> Range<usize> {
        self.0[row].as_usize()..self.0[row + 1].as_usize()
    }
}

struct View<O: OffsetSizeTrait> {
    offsets: ScalarBuffer<O>,
    sizes: ScalarBuffer<O>,
}

impl<O: OffsetSizeTrait> Extent for View<O> {
    fn of(&self, row: usize) -> Range<usize> {
        let start = self.offsets[row].as_usize();
        start..start + self.sizes[row].as_usize()
    }
}

struct Fixed(usize);

impl Extent for Fixed {
    fn of(&self, row: usize) -> Range<usize> {
        row * self.0..(row + 1) * self.0
    }
}

struct List<E> {
    elements: Column,
    extent: E,
}

impl<E: Extent> Values for List<E> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, element) in self.extent.of(row).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.elements.write(element, out);
        }
        out.push(b']');
    }
}

fn list<O: OffsetSizeTrait>(array: &dyn Array, element: &Field, depth: usize) -> Result<Box<dyn Values>> {
    let list: GenericListArray<O> = downcast(array)?;
    let elements = Column::new(element, list.values(), depth)?;
    Ok(Box::new(List { elements, extent: Offsets(list.offsets().clone()) }))
}

fn list_view<O: OffsetSizeTrait>(array: &dyn Array, element: &Field, depth: usize) -> Result<Box<dyn Values>> {
    let list: GenericListViewArray<O> = downcast(array)?;
    let elements = Column::new(element, list.values(), depth)?;
    let extent = View { offsets: list.offsets().clone(), sizes: list.sizes().clone() };
    Ok(Box::new(List { elements, extent }))
}

fn fixed_list(array: &dyn Array, element: &Field, length: i32, depth: usize) -> Result<Box<dyn Values>> {
    let list: FixedSizeListArray = downcast(array)?;
    let length = usize::try_from(length).map_err(|_| unsupported(array))?;
    Ok(Box::new(List { elements: Column::new(element, list.values(), depth)?, extent: Fixed(length) }))
}

struct Struct(Vec<Named>);

impl Values for Struct {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        write_object(&self.0, row, out);
    }
}

/// A map whose keys are text.
struct Object {
    keys: Column,
    values: Column,
    extent: Offsets<i32>,
}

impl Values for Object {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, entry) in self.extent.of(row).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.keys.write(entry, out);
            out.push(b':');
            self.values.write(entry, out);
        }
        out.push(b'}');
    }
}

/// A map with other keys.
struct Pairs {
    keys: Column,
    values: Column,
    extent: Offsets<i32>,
}

impl Values for Pairs {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, entry) in self.extent.of(row).enumerate() {
            out.extend_from_slice(if index > 0 { b",{\"key\":" } else { b"{\"key\":" });
            self.keys.write(entry, out);
            out.extend_from_slice(b",\"value\":");
            self.values.write(entry, out);
            out.push(b'}');
        }
        out.push(b']');
    }
}

fn map(array: &dyn Array, depth: usize) -> Result<Box<dyn Values>> {
    let map = array.as_map_opt().ok_or_else(|| unsupported(array))?;
    let [key, value] = map.entries().fields().as_ref() else { return Err(unsupported(array)) };
    let extent = Offsets(map.offsets().clone());
    // One level more: an object of entries, or an array of pairs.
    let (keys, values) = (Column::new(key, map.keys(), depth + 1)?, Column::new(value, map.values(), depth + 1)?);
    // The format forbids null keys; a writer that left one does not cost the value.
    let named = is_text(key, map.keys()) && map.keys().logical_null_count() == 0;
    Ok(if named { Box::new(Object { keys, values, extent }) } else { Box::new(Pairs { keys, values, extent }) })
}

/// Whether the values of `array`, which `field` describes, render as JSON strings for what they say.
fn is_text(field: &Field, array: &dyn Array) -> bool {
    let is_utf8 = |bytes: Option<&[u8]>| bytes.is_none_or(|bytes| std::str::from_utf8(bytes).is_ok());
    match array.data_type() {
        DataType::Binary if is_stored_text(field) => array.as_binary::<i32>().iter().all(is_utf8),
        DataType::LargeBinary if is_stored_text(field) => array.as_binary::<i64>().iter().all(is_utf8),
        DataType::BinaryView if is_stored_text(field) => array.as_binary_view().iter().all(is_utf8),
        data_type => is_text_type(data_type),
    }
}

fn is_text_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text_type(values),
        DataType::RunEndEncoded(_, values) => is_text_type(values.data_type()),
        _ => false,
    }
}

struct Union {
    union: UnionArray,
    children: Vec<(i8, Column)>,
}

impl Values for Union {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let id = self.union.type_id(row);
        match self.children.iter().find(|(child, _)| *child == id) {
            Some((_, column)) => column.write(self.union.value_offset(row), out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

fn union(array: &dyn Array, fields: &UnionFields, depth: usize) -> Result<Box<dyn Values>> {
    let union: UnionArray = downcast(array)?;
    let child = |(id, field): (i8, &FieldRef)| Ok((id, Column::new(field, union.child(id), depth)?));
    let children = fields.iter().map(child).collect::<Result<_>>()?;
    Ok(Box::new(Union { union, children }))
}

struct Dictionary<K: ArrowDictionaryKeyType> {
    keys: ScalarBuffer<K::Native>,
    values: Column,
}

impl<K: ArrowDictionaryKeyType> Values for Dictionary<K> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        self.values.write(self.keys[row].as_usize(), out);
    }
}

fn dictionary<K: ArrowDictionaryKeyType>(field: &Field, array: &dyn Array, depth: usize) -> Result<Box<dyn Values>> {
    let array: DictionaryArray<K> = downcast(array)?;
    let values = Column::new(field, array.values(), depth)?;
    Ok(Box::new(Dictionary::<K> { keys: array.keys().values().clone(), values }))
}

struct Runs<R: RunEndIndexType> {
    runs: RunArray<R>,
    values: Column,
}

impl<R: RunEndIndexType> Values for Runs<R> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        self.values.write(self.runs.get_physical_index(row), out);
    }
}

fn runs<R: RunEndIndexType>(field: &Field, array: &dyn Array, depth: usize) -> Result<Box<dyn Values>> {
    let runs: RunArray<R> = downcast(array)?;
    let values: &ArrayRef = runs.values();
    let values = Column::new(field, values, depth)?;
    Ok(Box::new(Runs { runs, values }))
}
