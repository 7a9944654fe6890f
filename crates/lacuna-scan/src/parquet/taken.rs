//! Taken rows as a small Parquet file in memory, of one row group with one plain page a column: the library reads it, with all
//! that it knows of types and nesting.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, ParquetMetaData, RowGroupMetaData};

use super::levels::bits;
use super::plain::Plain;
use super::values::Unreadable;
use crate::{Error, Result};

/// Rows of a file, as they are stored.
#[derive(Debug)]
pub struct TakenRows {
    pub(super) columns: Vec<TakenColumn>,
    pub(super) rows: usize,
}

/// The slots of one column.
#[derive(Debug, Default)]
pub(super) struct TakenColumn {
    pub(super) slots: usize,
    pub(super) def: Vec<u32>,
    pub(super) rep: Vec<u32>,
    /// Plainly encoded.
    pub(super) values: Vec<u8>,
    /// The values of a column of booleans.
    pub(super) bits: Vec<bool>,
}

impl TakenRows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes that they take in memory, about.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.values.len() + 8 * column.slots).sum()
    }

    /// Puts rows of the same file behind these.
    pub fn append(&mut self, mut later: Self) {
        for (column, later) in self.columns.iter_mut().zip(&mut later.columns) {
            column.slots += later.slots;
            column.def.append(&mut later.def);
            column.rep.append(&mut later.rep);
            column.values.append(&mut later.values);
            column.bits.append(&mut later.bits);
        }
        self.rows += later.rows;
    }

    /// The rows as a Parquet file of their own, with the schema of the file of `metadata`: its pages, and its metadata.
    pub fn file(&self, metadata: &ParquetMetaData) -> Result<(Bytes, ParquetMetaData)> {
        let failed = |source| Error::Parquet { place: "the rows that were found".into(), source };
        let file = metadata.file_metadata();
        let schema = file.schema_descr_ptr();
        let mut bytes = Vec::new();
        let mut chunks = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let descriptor = schema.column(index);
            let start = bytes.len();
            column.write_page(descriptor.max_rep_level(), descriptor.max_def_level(), &mut bytes);
            let length = signed(bytes.len() - start);
            let chunk = ColumnChunkMetaData::builder(descriptor)
                .set_compression(Compression::UNCOMPRESSED)
                .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
                .set_num_values(signed(column.slots))
                .set_data_page_offset(signed(start))
                .set_total_compressed_size(length)
                .set_total_uncompressed_size(length);
            chunks.push(chunk.build().map_err(failed)?);
        }
        let group = RowGroupMetaData::builder(schema.clone())
            .set_num_rows(signed(self.rows))
            .set_total_byte_size(signed(bytes.len()))
            .set_column_metadata(chunks);
        let group = group.build().map_err(failed)?;
        let file = FileMetaData::new(
            file.version(),
            signed(self.rows),
            file.created_by().map(str::to_owned),
            file.key_value_metadata().cloned(),
            Arc::clone(&schema),
            file.column_orders().cloned(),
        );
        Ok((bytes.into(), ParquetMetaData::new(file, vec![group])))
    }
}

impl TakenColumn {
    /// The same with `entries` of a dictionary between the other values, each where so much stands before it.
    pub(super) fn with(
        &self,
        entries: &[(usize, u32)],
        dictionary: &Plain<'_>,
    ) -> std::result::Result<Self, Unreadable> {
        let mut all = Self { slots: self.slots, def: self.def.clone(), rep: self.rep.clone(), ..Self::default() };
        let mut from = 0;
        for &(place, index) in entries {
            all.extend_from(self, from..place);
            dictionary.push(index as usize, &mut all)?;
            from = place;
        }
        all.extend_from(self, from..self.values.len() + self.bits.len());
        Ok(all)
    }

    /// Appends some of another column's values: of each kind of column, one of both is empty.
    fn extend_from(&mut self, other: &Self, range: Range<usize>) {
        self.values.extend_from_slice(other.values.get(range.clone()).unwrap_or_default());
        self.bits.extend_from_slice(other.bits.get(range).unwrap_or_default());
    }

    /// Writes the slots as a data page of version 1, with its header.
    fn write_page(&self, max_rep: i16, max_def: i16, out: &mut Vec<u8>) {
        let mut page = Vec::with_capacity(self.values.len() + self.slots);
        for (levels, max) in [(&self.rep, max_rep), (&self.def, max_def)] {
            if max > 0 {
                let packed = packed_levels(levels, bits(max.cast_unsigned()));
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "levels take fewer bytes than the values they are of"
                )]
                page.extend_from_slice(&(packed.len() as u32).to_le_bytes());
                page.extend_from_slice(&packed);
            }
        }
        page.extend_from_slice(&self.values);
        page.extend(
            self.bits
                .chunks(8)
                .map(|bits| bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << at)),
        );
        // Fields of Thrift's compact protocol: type, both sizes, and the page's own struct with its count and encodings.
        let size = signed(page.len());
        out.extend_from_slice(&[0x15, 0, 0x15]);
        push_zigzag(size, out);
        out.push(0x15);
        push_zigzag(size, out);
        out.extend_from_slice(&[0x2c, 0x15]);
        push_zigzag(signed(self.slots), out);
        out.extend_from_slice(&[0x15, 0, 0x15, 6, 0x15, 6, 0, 0]);
        out.extend_from_slice(&page);
    }
}

/// Levels as one bit-packed run of the hybrid.
fn packed_levels(levels: &[u32], bit_width: u32) -> Vec<u8> {
    let groups = levels.len().div_ceil(8);
    let mut out = Vec::new();
    push_varint((groups as u64) << 1 | 1, &mut out);
    let start = out.len();
    out.resize(start + groups * bit_width as usize, 0);
    for (index, level) in levels.iter().enumerate() {
        for bit in 0..bit_width {
            let at = index * bit_width as usize + bit as usize;
            out[start + at / 8] |= u8::from(level >> bit & 1 == 1) << (at % 8);
        }
    }
    out
}

fn push_zigzag(value: i64, out: &mut Vec<u8>) {
    push_varint((value << 1 ^ value >> 63).cast_unsigned(), out);
}

fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "seven bits")]
    out.push(value as u8);
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
