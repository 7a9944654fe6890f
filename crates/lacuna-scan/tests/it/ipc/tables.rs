//! Random tables of every type and container, with a model of who is in which row, and their bytes as Arrow writes them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, FixedSizeListArray, Int64Array, LargeListArray, ListArray,
    ListViewArray, MapArray, RunArray, StringArray, StructArray, make_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
use arrow::ipc::{self, CompressionType};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use lacuna_scan::Limits;
use lacuna_scan::ipc::footer;
use lacuna_scan::ipc::frame::{Ending, Frame, Framer, Message};
use proptest::prelude::*;

/// How many people there are.
pub(crate) const PEOPLE: u32 = 6;

/// Who is in a cell: `None` is a null cell; a scalar cell holds the first of them.
pub(crate) type Cell = Option<Vec<Option<u32>>>;

/// The type that holds an identifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Leaf {
    /// Any of the simple types.
    Plain(DataType),
    /// A dictionary with this key type over these values.
    Dictionary(DataType, DataType),
}

/// What a leaf lies in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Scalar,
    Struct,
    List,
    LargeList,
    ListView,
    FixedSizeList,
    Map,
    ListOfStructs,
    RunEnds,
}

/// Which values a dictionary has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Style {
    /// Everybody, in every batch.
    Everybody,
    /// Those in the batch.
    OfBatch,
    /// Those in the batch and in all before.
    Growing,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) leaf: Leaf,
    pub(crate) shape: Shape,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    /// Batches of rows of cells.
    pub(crate) batches: Vec<Vec<Vec<Cell>>>,
    pub(crate) style: Style,
    pub(crate) file: bool,
    /// Whether a file has its dictionaries behind all rows.
    pub(crate) late: bool,
    pub(crate) codec: Option<CompressionType>,
    pub(crate) alignment: usize,
}

impl Leaf {
    fn values(&self) -> &DataType {
        match self {
            Self::Plain(data_type) | Self::Dictionary(_, data_type) => data_type,
        }
    }

    /// How a person is known here.
    pub(crate) fn identifier(&self, person: u32) -> String {
        match self.values() {
            data_type if data_type.is_numeric() => (person + 10).to_string(),
            DataType::FixedSizeBinary(_) => format!("6f9619ff-8b86-d011-b42d-{person:012x}"),
            // Short ones lie within a view, long ones outside.
            _ if person.is_multiple_of(2) => format!("u{person}"),
            _ => format!("user-{person}@contoso.example"),
        }
    }

    fn array(&self, people: &[Option<u32>], dictionary: &[u32]) -> ArrayRef {
        match self {
            Self::Plain(data_type) => plain(data_type, people, self),
            Self::Dictionary(key, data_type) => {
                let everybody: Vec<_> = dictionary.iter().copied().map(Some).collect();
                let values = plain(data_type, &everybody, self);
                let position = |person: u32| dictionary.iter().position(|&other| other == person).unwrap() as i64;
                let keys = Int64Array::from_iter(people.iter().map(|person| person.map(position)));
                let keys = cast(&keys, key).unwrap().to_data();
                let data = keys
                    .into_builder()
                    .data_type(DataType::Dictionary(Box::new(key.clone()), Box::new(data_type.clone())));
                make_array(data.child_data(vec![values.to_data()]).build().unwrap())
            }
        }
    }
}

fn plain(data_type: &DataType, people: &[Option<u32>], leaf: &Leaf) -> ArrayRef {
    let texts = || people.iter().map(|person| person.map(|person| leaf.identifier(person)));
    match data_type {
        DataType::FixedSizeBinary(16) => {
            let bytes = people.iter().map(|person| {
                person.map(|person| {
                    let mut bytes = *b"\x6f\x96\x19\xff\x8b\x86\xd0\x11\xb4\x2d\0\0\0\0\0\0";
                    bytes[12..].copy_from_slice(&person.to_be_bytes());
                    bytes
                })
            });
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 16).unwrap())
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let texts: Vec<_> = texts().collect();
            let bytes = BinaryArray::from_iter(texts.iter().map(|text| text.as_ref().map(String::as_bytes)));
            cast(&bytes, data_type).unwrap()
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            cast(&StringArray::from_iter(texts()), data_type).unwrap()
        }
        _ => {
            let numbers =
                Int64Array::from_iter(people.iter().map(|person| person.map(|person| i64::from(person) + 10)));
            cast(&numbers, data_type).unwrap()
        }
    }
}

impl Column {
    pub(crate) fn path(&self, name: &str) -> String {
        match self.shape {
            Shape::Scalar | Shape::RunEnds => name.to_owned(),
            Shape::Struct => format!("{name}.v"),
            Shape::List | Shape::LargeList | Shape::ListView | Shape::FixedSizeList => format!("{name}[]"),
            Shape::Map => format!("{name}{{}}"),
            Shape::ListOfStructs => format!("{name}[].v"),
        }
    }

    /// Who is in a cell of this column.
    pub(crate) fn people(&self, cell: &Cell) -> Vec<u32> {
        let Some(people) = cell else { return Vec::new() };
        let most = match self.shape {
            Shape::Scalar | Shape::Struct | Shape::RunEnds => 1,
            Shape::FixedSizeList => 2,
            _ => people.len(),
        };
        people.iter().take(most).flatten().copied().collect()
    }

    /// The cells as an array. What lies behind a null is somebody, not nothing.
    pub(crate) fn array(&self, cells: &[&Cell], dictionary: &[u32]) -> ArrayRef {
        let behind = dictionary.first().copied();
        let nulls = NullBuffer::from_iter(cells.iter().map(|cell| cell.is_some()));
        let first = |cell: &&Cell| cell.as_ref().and_then(|people| people.first().copied().flatten());
        let field = |data_type: &DataType| Arc::new(Field::new("v", data_type.clone(), true));
        match self.shape {
            Shape::Scalar => self.leaf.array(&cells.iter().map(first).collect::<Vec<_>>(), dictionary),
            Shape::RunEnds => {
                let people: Vec<_> = cells.iter().map(first).collect();
                let (mut ends, mut values) = (Vec::new(), Vec::new());
                for (at, person) in people.iter().enumerate() {
                    if values.last() == Some(person) {
                        ends.pop();
                        values.pop();
                    }
                    values.push(*person);
                    ends.push(at as i32 + 1);
                }
                let values = self.leaf.array(&values, dictionary);
                Arc::new(RunArray::<Int32Type>::try_new(&ends.into(), &values).unwrap())
            }
            Shape::Struct => {
                let people: Vec<_> =
                    cells.iter().map(|cell| if cell.is_some() { first(cell) } else { behind }).collect();
                let values = self.leaf.array(&people, dictionary);
                Arc::new(StructArray::new(vec![field(values.data_type())].into(), vec![values], Some(nulls)))
            }
            Shape::FixedSizeList => {
                let mut people = Vec::new();
                for cell in cells {
                    let cell = Cell::clone(cell).unwrap_or_else(|| vec![behind; 2]);
                    people.extend((0..2).map(|at| cell.get(at).copied().flatten()));
                }
                let values = self.leaf.array(&people, dictionary);
                let field = field(values.data_type());
                Arc::new(FixedSizeListArray::try_new_with_length(field, 2, values, Some(nulls), cells.len()).unwrap())
            }
            Shape::ListView => {
                // Views lie in the opposite order, with somebody whom none of them shows in front.
                let mut people = vec![behind];
                let mut views: Vec<(i32, i32)> = Vec::new();
                for cell in cells.iter().rev() {
                    let cell = Cell::clone(cell).unwrap_or_else(|| vec![behind]);
                    views.push((people.len() as i32, cell.len() as i32));
                    people.extend(cell);
                }
                let values = self.leaf.array(&people, dictionary);
                let (offsets, sizes): (Vec<_>, Vec<_>) = views.into_iter().rev().unzip();
                let field = field(values.data_type());
                Arc::new(ListViewArray::new(field, offsets.into(), ScalarBuffer::from(sizes), values, Some(nulls)))
            }
            Shape::List | Shape::LargeList | Shape::Map | Shape::ListOfStructs => {
                let mut people = Vec::new();
                let mut lengths = Vec::new();
                for cell in cells {
                    let cell = Cell::clone(cell).unwrap_or_else(|| vec![behind]);
                    lengths.push(cell.len());
                    people.extend(cell);
                }
                let values = self.leaf.array(&people, dictionary);
                let item = field(values.data_type());
                if self.shape == Shape::LargeList {
                    let offsets = OffsetBuffer::<i64>::from_lengths(lengths);
                    return Arc::new(LargeListArray::new(item, offsets, values, Some(nulls)));
                }
                let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
                match self.shape {
                    Shape::List => Arc::new(ListArray::new(item, offsets, values, Some(nulls))),
                    Shape::ListOfStructs => {
                        let structs = StructArray::new(vec![item].into(), vec![values], None);
                        let item = Arc::new(Field::new("item", structs.data_type().clone(), true));
                        Arc::new(ListArray::new(item, offsets, Arc::new(structs), Some(nulls)))
                    }
                    _ => {
                        let keys = StringArray::from_iter_values((0..people.len()).map(|at| format!("k{at}")));
                        let keys_field = Arc::new(Field::new("key", DataType::Utf8, false));
                        let entries =
                            StructArray::new(vec![keys_field, item].into(), vec![Arc::new(keys), values], None);
                        let item = Arc::new(Field::new("entries", entries.data_type().clone(), false));
                        Arc::new(MapArray::new(item, offsets, entries, Some(nulls), false))
                    }
                }
            }
        }
    }
}

impl Table {
    /// The path and the identifier of `person`, for each column.
    pub(crate) fn identifiers(&self, person: u32) -> Vec<(String, String)> {
        let of = |(at, column): (usize, &Column)| (column.path(&format!("c{at}")), column.leaf.identifier(person));
        self.columns.iter().enumerate().map(of).collect()
    }

    /// The ordinals of the rows that `person` is in.
    pub(crate) fn rows_of(&self, person: u32) -> Vec<u64> {
        let is_in =
            |row: &Vec<Cell>| row.iter().zip(&self.columns).any(|(cell, column)| column.people(cell).contains(&person));
        (0..).zip(self.batches.iter().flatten()).filter(|(_, row)| is_in(row)).map(|(at, _)| at).collect()
    }

    pub(crate) fn arrow(&self) -> (SchemaRef, Vec<RecordBatch>) {
        let mut known: Vec<u32> = vec![0];
        let mut batches = Vec::new();
        for rows in &self.batches {
            let here =
                || rows.iter().flat_map(|row| row.iter().zip(&self.columns).flat_map(|(cell, of)| of.people(cell)));
            match self.style {
                Style::Everybody => known = (0..PEOPLE).collect(),
                Style::OfBatch => {
                    known = here().collect();
                    known.sort_unstable();
                    known.dedup();
                    if known.is_empty() {
                        known.push(0);
                    }
                }
                Style::Growing => {
                    for person in here() {
                        if !known.contains(&person) {
                            known.push(person);
                        }
                    }
                }
            }
            let column = |(at, column): (usize, &Column)| {
                let cells: Vec<&Cell> = rows.iter().map(|row| &row[at]).collect();
                column.array(&cells, &known)
            };
            batches.push(self.columns.iter().enumerate().map(column).collect::<Vec<_>>());
        }
        let types: Vec<DataType> = match batches.first() {
            Some(columns) => columns.iter().map(|column| column.data_type().clone()).collect(),
            None => self.columns.iter().map(|column| column.array(&[], &known).data_type().clone()).collect(),
        };
        let fields: Vec<_> = types
            .into_iter()
            .enumerate()
            .map(|(at, data_type)| Field::new(format!("c{at}"), data_type, true))
            .collect();
        let metadata = [("made by".to_owned(), "a test".to_owned())].into();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let batches = batches.into_iter().zip(&self.batches).map(|(columns, rows)| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            RecordBatch::try_new_with_options(schema.clone(), columns, &options).unwrap()
        });
        let batches = batches.collect();
        (schema, batches)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (schema, batches) = self.arrow();
        let bytes = encode(&schema, &batches, self.file, self.codec, self.alignment);
        if self.file && self.late { dictionaries_last(&bytes) } else { bytes }
    }
}

/// The same file with its dictionaries behind all rows, the last one first: the footer tells their order.
pub(crate) fn dictionaries_last(file: &[u8]) -> Vec<u8> {
    let mut framer = Framer::new(Limits::default());
    framer.push(Bytes::copy_from_slice(file));
    let (mut out, mut dictionaries, mut end) = (Vec::new(), Vec::new(), Bytes::new());
    let mut places = HashMap::new();
    let mut put = |message: Message, out: &mut Vec<u8>| {
        places.insert(message.offset, out.len() as u64);
        out.extend([message.prefix, message.metadata, message.body].concat());
    };
    while let Some(frame) = framer.advance().unwrap() {
        match frame {
            Frame::Magic(bytes) => out.extend(bytes),
            Frame::End(bytes) => end = bytes,
            Frame::Message(message) => {
                let flat = ipc::root_as_message(&message.metadata).unwrap();
                if flat.header_as_dictionary_batch().is_some() {
                    dictionaries.push(message);
                } else {
                    put(message, &mut out);
                }
            }
        }
    }
    dictionaries.into_iter().rev().for_each(|message| put(message, &mut out));
    out.extend(end);
    let Ending::File(tail) = framer.finish().unwrap() else { panic!("no file") };
    let mut moved = tail.to_vec();
    let footer = footer::locate(&tail, 0).unwrap();
    let flat = footer::verify(&footer, 0).unwrap();
    for blocks in [flat.dictionaries(), flat.recordBatches()].into_iter().flatten() {
        let first = blocks.bytes().as_ptr() as usize - tail.as_ptr() as usize;
        for (at, block) in (first..).step_by(24).zip(blocks) {
            moved[at..at + 8].copy_from_slice(&places[&block.offset().cast_unsigned()].to_le_bytes());
        }
    }
    out.extend(moved);
    out
}

/// The bytes of a file or stream.
pub(crate) fn encode(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    file: bool,
    codec: Option<CompressionType>,
    alignment: usize,
) -> Vec<u8> {
    let options = IpcWriteOptions::try_new(alignment, false, arrow::ipc::MetadataVersion::V5).unwrap();
    let options = options.try_with_compression(codec).unwrap().with_dictionary_handling(DictionaryHandling::Delta);
    let mut bytes = Vec::new();
    if file {
        let mut writer = FileWriter::try_new_with_options(&mut bytes, schema, options).unwrap();
        writer.write_metadata("written by", "a test");
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    } else {
        let mut writer = StreamWriter::try_new_with_options(&mut bytes, schema, options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    }
    bytes
}

fn simple() -> impl Strategy<Value = DataType> {
    prop::sample::select(vec![
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(16),
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, 0),
        DataType::Decimal128(30, 4),
        DataType::Decimal256(60, 10),
    ])
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let keys = prop::sample::select(vec![
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
    ]);
    prop_oneof![
        3 => simple().prop_map(Leaf::Plain),
        2 => (keys, simple()).prop_map(|(key, values)| Leaf::Dictionary(key, values)),
    ]
}

fn column() -> impl Strategy<Value = Column> {
    let shape = prop::sample::select(vec![
        Shape::Scalar,
        Shape::Scalar,
        Shape::Struct,
        Shape::List,
        Shape::LargeList,
        Shape::ListView,
        Shape::FixedSizeList,
        Shape::Map,
        Shape::ListOfStructs,
        Shape::RunEnds,
    ]);
    (leaf(), shape).prop_map(|(leaf, shape)| Column { leaf, shape })
}

fn cell() -> impl Strategy<Value = Cell> {
    let person = prop::option::weighted(0.8, 0..PEOPLE);
    prop::option::weighted(0.8, prop::collection::vec(person, 0..4))
}

/// Any table.
pub(crate) fn table() -> impl Strategy<Value = Table> {
    let columns = prop::collection::vec(column(), 1..4);
    let styles = prop::sample::select(vec![Style::Everybody, Style::OfBatch, Style::Growing]);
    let codecs = prop::sample::select(vec![None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)]);
    (columns, styles, any::<[bool; 2]>(), codecs, prop::sample::select(vec![8, 64])).prop_flat_map(
        |(columns, style, [file, late], codec, alignment)| {
            let row = prop::collection::vec(cell(), columns.len());
            let batches = prop::collection::vec(prop::collection::vec(row, 0..12), 0..4);
            // A file cannot replace a dictionary.
            let style = if file && style == Style::OfBatch { Style::Growing } else { style };
            batches.prop_map(move |batches| {
                let columns = columns.clone();
                Table { columns, batches, style, file, late, codec, alignment }
            })
        },
    )
}
