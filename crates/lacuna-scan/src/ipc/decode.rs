//! Buffers into arrays, one column at a time, each validated in full before anything looks at it.

use arrow::array::{ArrayData, ArrayRef, make_array, new_empty_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{DataType, UnionMode};
use bytes::Bytes;

use super::dictionaries::Dictionaries;
use super::message::{Batch, Node};
use super::schema::Column;
use super::unpack;
use crate::{Error, Limits, Result};

/// Where a column's parts start in the lists of a [`Batch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its first node.
    pub node: usize,
    /// Its first buffer.
    pub buffer: usize,
    /// Its first count of data buffers.
    pub variadic: usize,
}

/// Finds the place of each of `columns`; fails unless the batch has exactly the parts that they need.
pub fn places(columns: &[Column], batch: &Batch) -> Result<Vec<Place>> {
    let mut place = Place::default();
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        places.push(place);
        place.pass(column, batch)?;
    }
    let end = Place { node: batch.nodes.len(), buffer: batch.buffers.len(), variadic: batch.variadic.len() };
    if place == end { Ok(places) } else { Err(Error::malformed(batch.offset, "a batch that does not fit the schema")) }
}

/// How many buffers of its own a column has, those of the columns within not counted.
fn own_buffers(column: &Column, batch: &Batch, variadic: usize) -> usize {
    match column.field.data_type() {
        DataType::Null | DataType::RunEndEncoded(..) => 0,
        DataType::Struct(_) | DataType::FixedSizeList(..) => 1,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => 3,
        DataType::ListView(_) | DataType::LargeListView(_) => 3,
        DataType::Utf8View | DataType::BinaryView => variadic.saturating_add(2),
        DataType::Union(_, mode) => 1 + usize::from(*mode == UnionMode::Dense) + usize::from(batch.union_validity),
        _ => 2,
    }
}

impl Place {
    /// Moves behind `column`.
    fn pass(&mut self, column: &Column, batch: &Batch) -> Result<()> {
        self.node += 1;
        let mut variadic = 0;
        if matches!(column.field.data_type(), DataType::Utf8View | DataType::BinaryView) {
            let count = batch.variadic.get(self.variadic);
            variadic = *count.ok_or_else(|| Error::malformed(batch.offset, "a batch that does not fit the schema"))?;
            self.variadic += 1;
        }
        self.buffer = self.buffer.saturating_add(own_buffers(column, batch, variadic));
        column.children.iter().try_for_each(|child| self.pass(child, batch))
    }
}

/// Checks what the batch's buffers say they expand to; returns the bytes of all of them once plain.
pub fn plain_bytes(batch: &Batch, body: &[u8], limits: &Limits) -> Result<u64> {
    let mut total = 0_u64;
    for range in &batch.buffers {
        let length = unpack::plain_length(&body[range.clone()], batch.codec)
            .ok_or_else(|| Error::malformed(batch.offset, "a compressed buffer without a length"))?;
        total = total.saturating_add(length);
    }
    Error::check_limit("message", total, limits.message_bytes_max as u64, "message_bytes_max")?;
    Ok(total)
}

/// The plain bytes of a batch's `at`th buffer. `None` when they cannot be had from `body`.
pub fn plain_buffer(batch: &Batch, body: &Bytes, at: usize) -> Option<Bytes> {
    let range = batch.buffers.get(at).filter(|range| range.end <= body.len())?;
    unpack::unpack(body.slice(range.clone()), batch.codec)
}

/// Decodes `column` at `place`. The batch must have passed [`places`] and [`plain_bytes`].
pub fn column(
    column: &Column,
    place: Place,
    batch: &Batch,
    body: &Bytes,
    dictionaries: &Dictionaries,
) -> Result<ArrayRef> {
    let mut decoder = Decoder { batch, body, dictionaries, place, name: column.field.name() };
    let array = decoder.array(column)?;
    if array.len() == batch.rows { Ok(array) } else { Err(decoder.malformed("has another length than its batch")) }
}

struct Decoder<'a> {
    batch: &'a Batch,
    body: &'a Bytes,
    dictionaries: &'a Dictionaries,
    place: Place,
    name: &'a str,
}

impl Decoder<'_> {
    fn malformed(&self, what: &str) -> Error {
        Error::malformed(self.batch.offset, format!("column `{}` {what}", self.name))
    }

    fn array(&mut self, column: &Column) -> Result<ArrayRef> {
        let data_type = column.field.data_type().clone();
        let node = self.node()?;
        let length = node.length;
        match &data_type {
            DataType::Null => self.build(data_type, length, None, vec![], vec![]),
            DataType::Boolean => {
                let nulls = self.nulls(node)?;
                let values = self.fixed(length.div_ceil(8), 1)?;
                self.build(data_type, length, nulls, vec![values], vec![])
            }
            DataType::Utf8 | DataType::Binary => {
                let nulls = self.nulls(node)?;
                let buffers = vec![self.offsets(length, 4)?, self.plain()?];
                self.build(data_type, length, nulls, buffers, vec![])
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                let nulls = self.nulls(node)?;
                let buffers = vec![self.offsets(length, 8)?, self.plain()?];
                self.build(data_type, length, nulls, buffers, vec![])
            }
            DataType::Utf8View | DataType::BinaryView => {
                let nulls = self.nulls(node)?;
                let mut buffers = vec![self.fixed(length, 16)?];
                let count = self.batch.variadic.get(self.place.variadic).copied().unwrap_or_default();
                self.place.variadic += 1;
                for _ in 0..count {
                    buffers.push(self.plain()?);
                }
                self.build(data_type, length, nulls, buffers, vec![])
            }
            DataType::List(_) | DataType::Map(..) | DataType::LargeList(_) => {
                let width = if matches!(data_type, DataType::LargeList(_)) { 8 } else { 4 };
                let nulls = self.nulls(node)?;
                let offsets = self.offsets(length, width)?;
                let values = self.child(column, 0)?;
                self.build(data_type, length, nulls, vec![offsets], vec![values])
            }
            DataType::ListView(_) | DataType::LargeListView(_) => {
                let width = if matches!(data_type, DataType::LargeListView(_)) { 8 } else { 4 };
                let nulls = self.nulls(node)?;
                let buffers = vec![self.fixed(length, width)?, self.fixed(length, width)?];
                self.bearable_views(&buffers[1], width)?;
                let values = self.child(column, 0)?;
                self.build(data_type, length, nulls, buffers, vec![values])
            }
            DataType::FixedSizeList(..) => {
                let nulls = self.nulls(node)?;
                let values = self.child(column, 0)?;
                self.build(data_type, length, nulls, vec![], vec![values])
            }
            DataType::Struct(_) => {
                let nulls = self.nulls(node)?;
                let children = self.children(column)?;
                self.build(data_type, length, nulls, vec![], children)
            }
            DataType::RunEndEncoded(..) => {
                let children = self.children(column)?;
                if children[0].nulls().is_some() {
                    return Err(self.malformed("has run ends that are null"));
                }
                self.build(data_type, length, None, vec![], children)
            }
            DataType::Union(_, mode) => {
                if self.batch.union_validity {
                    self.plain()?;
                    if node.has_nulls {
                        return Err(Error::Unsupported { what: "unions with nulls of their own".into() });
                    }
                }
                let mut buffers = vec![self.fixed(length, 1)?];
                if *mode == UnionMode::Dense {
                    buffers.push(self.fixed(length, 4)?);
                }
                let children = self.children(column)?;
                self.build(data_type, length, None, buffers, children)
            }
            DataType::Dictionary(key, value) => {
                let nulls = self.nulls(node)?;
                let keys = self.fixed(length, key.primitive_width().unwrap_or_default())?;
                let values = column.dictionary.as_ref().and_then(|dictionary| self.dictionaries.get(dictionary.id));
                if values.is_none() && nulls.as_ref().map_or(0, NullBuffer::null_count) < length {
                    let what = "a dictionary that does not come in front of the rows that use it";
                    return Err(Error::Unsupported { what: what.into() });
                }
                // A dictionary that no row points into may be left out.
                let values = values.cloned().unwrap_or_else(|| new_empty_array(value));
                self.build(data_type, length, nulls, vec![keys], vec![values.to_data()])
            }
            DataType::FixedSizeBinary(width) => {
                let nulls = self.nulls(node)?;
                let values = self.fixed(length, usize::try_from(*width).unwrap_or_default())?;
                self.build(data_type, length, nulls, vec![values], vec![])
            }
            _ => {
                let width = data_type.primitive_width();
                let width =
                    width.ok_or_else(|| Error::Unsupported { what: "a column type that is not known".into() })?;
                let nulls = self.nulls(node)?;
                let values = self.fixed(length, width)?;
                self.build(data_type, length, nulls, vec![values], vec![])
            }
        }
    }

    fn child(&mut self, column: &Column, child: usize) -> Result<ArrayData> {
        let child = column.children.get(child).ok_or_else(|| self.malformed("lacks a column within"))?;
        Ok(self.array(child)?.to_data())
    }

    fn children(&mut self, column: &Column) -> Result<Vec<ArrayData>> {
        column.children.iter().map(|child| Ok(self.array(child)?.to_data())).collect()
    }

    fn node(&mut self) -> Result<Node> {
        let node = self.batch.nodes.get(self.place.node).copied();
        self.place.node += 1;
        node.ok_or_else(|| self.malformed("is not in its batch"))
    }

    /// The next buffer, decompressed.
    fn plain(&mut self) -> Result<Buffer> {
        let range = self.batch.buffers.get(self.place.buffer).cloned();
        self.place.buffer += 1;
        let stored = self.body.slice(range.ok_or_else(|| self.malformed("is not in its batch"))?);
        let plain = unpack::unpack(stored, self.batch.codec);
        Ok(plain.ok_or_else(|| self.malformed("has a buffer that cannot be decompressed"))?.into())
    }

    /// The next buffer, cut to `count` values of `width` bytes.
    fn fixed(&mut self, count: usize, width: usize) -> Result<Buffer> {
        let buffer = self.plain()?;
        let needed = count.checked_mul(width).filter(|&needed| needed <= buffer.len());
        Ok(buffer.slice_with_length(0, needed.ok_or_else(|| self.malformed("has a buffer that is too short"))?))
    }

    /// The next buffer, as offsets of `length` values. An array without values may do without any.
    fn offsets(&mut self, length: usize, width: usize) -> Result<Buffer> {
        let buffer = self.plain()?;
        if length == 0 && buffer.len() < width {
            return Ok(vec![0_u8; width].into());
        }
        let needed = length.checked_add(1).and_then(|count| count.checked_mul(width));
        let needed = needed.filter(|&needed| needed <= buffer.len());
        Ok(buffer.slice_with_length(0, needed.ok_or_else(|| self.malformed("has a buffer that is too short"))?))
    }

    /// The next buffer, as a validity bitmap.
    fn nulls(&mut self, node: Node) -> Result<Option<NullBuffer>> {
        let bitmap = self.plain()?;
        if !node.has_nulls {
            return Ok(None);
        }
        if bitmap.len() < node.length.div_ceil(8) {
            return Err(self.malformed("has a validity bitmap that is too short"));
        }
        Ok(Some(NullBuffer::new(BooleanBuffer::new(bitmap, 0, node.length))))
    }

    /// Views may overlap, so that few bytes stand for any number of elements: that many are refused.
    fn bearable_views(&self, sizes: &[u8], width: usize) -> Result<()> {
        let mut total = 0_u64;
        for size in sizes.chunks_exact(width) {
            let mut bytes = [0; 8];
            bytes[..width].copy_from_slice(size);
            total = total.saturating_add(u64::from_le_bytes(bytes));
        }
        if total <= 1 << 26 { Ok(()) } else { Err(self.malformed("has list views that overlap beyond measure")) }
    }

    /// The validated array. Arrow's word on what is wrong may quote values, so it is not passed on.
    fn build(
        &self,
        data_type: DataType,
        length: usize,
        nulls: Option<NullBuffer>,
        buffers: Vec<Buffer>,
        children: Vec<ArrayData>,
    ) -> Result<ArrayRef> {
        let builder = ArrayData::builder(data_type).len(length).nulls(nulls).buffers(buffers).child_data(children);
        let data =
            builder.align_buffers(true).build().map_err(|_| self.malformed("holds what its type does not allow"))?;
        Ok(make_array(data))
    }
}
