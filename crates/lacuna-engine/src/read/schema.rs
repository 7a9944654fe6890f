//! What the columns of a Parquet file are read as. The file decides; an Arrow schema that its writer stored beside it may say more, and
//! costs nothing where it cannot be used.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use arrow::ipc;
use lacuna_scan::Stored;
use lacuna_scan::ipc::schema::{kept, kept_fields};
use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

/// Bytes of an INT96 and of an INTERVAL.
const TWELVE: i32 = 12;

type Result<T> = std::result::Result<T, ParquetError>;

/// Whether text is checked as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    /// What is not UTF-8 is an error of all rows that are read with it.
    Checked,
    /// Bytes are told to be text, whatever they are.
    Bare,
}

/// How to read the file of `metadata`, so that it renders as its writer meant it.
pub(crate) fn readable(metadata: &Arc<ParquetMetaData>, texts: Texts) -> Result<ArrowReaderMetadata> {
    let metadata = &counted(metadata);
    let stored = with_stored(metadata)?;
    let (schema, file) = (stored.schema(), metadata.file_metadata());
    let zones = stored_zones(metadata);
    let mut plan = Plan { columns: file.schema_descr(), texts, zones, at: 0, bare: BTreeSet::new() };
    let fields = plan.fields(schema.fields());
    if fields == *schema.fields() {
        return Ok(stored);
    }
    let bare = plan.bare;
    let metadata = if bare.is_empty() { metadata.clone() } else { Arc::new(with_bare(metadata, bare)?) };
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(Arc::new(schema)))
}

/// With the schema that the writer stored, which knows time zones and UUIDs, if it fits the columns.
fn with_stored(metadata: &Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata> {
    let read = |options| ArrowReaderMetadata::try_new(metadata.clone(), options);
    let stored = || catch_unwind(AssertUnwindSafe(|| read(ArrowReaderOptions::new()))).ok()?.ok();
    match stored_schemas(metadata).all(is_known).then(stored).flatten() {
        Some(stored) => Ok(stored),
        None => read(ArrowReaderOptions::new().with_skip_arrow_metadata(true)),
    }
}

fn stored_schemas(metadata: &ParquetMetaData) -> impl Iterator<Item = &str> {
    let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    pairs.filter(|pair| pair.key == ARROW_SCHEMA_META_KEY).filter_map(|pair| pair.value.as_deref())
}

/// Whether the library knows the integers of a stored schema: Polars has some of 128 bits, on which it panics.
fn is_known(stored: &str) -> bool {
    let message = kept(stored.as_bytes());
    let fields = message.as_deref().and_then(kept_fields);
    fields.is_some_and(|fields| fields.into_iter().all(has_known_integers))
}

fn has_known_integers(field: ipc::Field<'_>) -> bool {
    let is_known = |int: Option<ipc::Int<'_>>| int.is_some_and(|int| matches!(int.bitWidth(), 8 | 16 | 32 | 64));
    field.dictionary().is_none_or(|dictionary| is_known(dictionary.indexType()))
        && (field.type_type() != ipc::Type::Int || is_known(field.type_as_int()))
        && field.children().into_iter().flatten().all(has_known_integers)
}

/// The time zones of the stored schema, by leaf column; none where it has other columns than the file. The library takes them over only
/// where the file has the stored unit, which writers change that know no nanoseconds or are told to.
fn stored_zones(metadata: &ParquetMetaData) -> Vec<Option<Arc<str>>> {
    let mut zones = Vec::new();
    if let Some(message) = stored_schemas(metadata).next().and_then(|stored| kept(stored.as_bytes())) {
        kept_fields(&message).into_iter().flatten().for_each(|field| add_zones(field, &mut zones));
    }
    if zones.len() == metadata.file_metadata().schema_descr().num_columns() { zones } else { Vec::new() }
}

fn add_zones(field: ipc::Field<'_>, zones: &mut Vec<Option<Arc<str>>>) {
    // The lengths of runs are in no file.
    let unwritten = usize::from(field.type_type() == ipc::Type::RunEndEncoded);
    let mut children = field.children().into_iter().flatten().skip(unwritten).peekable();
    if children.peek().is_none() {
        return zones.push(field.type_as_timestamp().and_then(|timestamp| timestamp.timezone()).map(Arc::from));
    }
    children.for_each(|child| add_zones(child, zones));
}

/// What each leaf column is read as.
struct Plan<'a> {
    columns: &'a SchemaDescriptor,
    texts: Texts,
    /// See [`stored_zones`].
    zones: Vec<Option<Arc<str>>>,
    /// The leaf column that comes next.
    at: usize,
    /// The leaf columns that are read as the bytes they are.
    bare: BTreeSet<usize>,
}

impl Plan<'_> {
    fn fields(&mut self, fields: &Fields) -> Fields {
        fields.iter().map(|field| self.field(field)).collect()
    }

    fn field(&mut self, field: &FieldRef) -> FieldRef {
        let data_type = match field.data_type() {
            DataType::Struct(fields) => DataType::Struct(self.fields(fields)),
            DataType::List(element) => DataType::List(self.field(element)),
            DataType::LargeList(element) => DataType::LargeList(self.field(element)),
            DataType::ListView(element) => DataType::ListView(self.field(element)),
            DataType::LargeListView(element) => DataType::LargeListView(self.field(element)),
            DataType::FixedSizeList(element, length) => DataType::FixedSizeList(self.field(element), *length),
            DataType::Map(entries, sorted) => DataType::Map(self.field(entries), *sorted),
            // Its keys may be too few for the values of several row groups, and the library makes none of booleans, decimals or bytes
            // of fixed length.
            DataType::Dictionary(_, values) => return self.leaf(&with_type(field, values.as_ref().clone())),
            _ => return self.leaf(field),
        };
        with_type(field, data_type)
    }

    fn leaf(&mut self, field: &FieldRef) -> FieldRef {
        let (at, column) = (self.at, self.columns.column(self.at));
        self.at += 1;
        let (stored, data_type, zone) = match (column.physical_type(), field.data_type()) {
            // As 64 bits of nanoseconds, dates before 1677 and after 2262 would come out as others.
            (Physical::INT96, DataType::Timestamp(TimeUnit::Nanosecond, zone)) => {
                (Stored::Int96, DataType::FixedSizeBinary(TWELVE), zone.as_deref())
            }
            // The library reads the months or the rest.
            (Physical::FIXED_LEN_BYTE_ARRAY, DataType::Interval(_)) if column.type_length() == TWELVE => {
                (Stored::Interval, DataType::FixedSizeBinary(TWELVE), None)
            }
            (Physical::BYTE_ARRAY, text) if self.texts == Texts::Bare => match text {
                DataType::Utf8 => (Stored::Text, DataType::Binary, None),
                DataType::LargeUtf8 => (Stored::Text, DataType::LargeBinary, None),
                DataType::Utf8View => (Stored::Text, DataType::BinaryView, None),
                _ => return field.clone(),
            },
            (Physical::INT64, DataType::Timestamp(unit, Some(_))) => {
                return match self.zones.get(at) {
                    Some(Some(zone)) => with_type(field, DataType::Timestamp(*unit, Some(zone.clone()))),
                    _ => field.clone(),
                };
            }
            _ => return field.clone(),
        };
        self.bare.insert(at);
        Arc::new(stored.mark(with_type(field, data_type).as_ref().clone(), zone))
    }
}

fn with_type(field: &Field, data_type: DataType) -> FieldRef {
    let metadata = field.metadata().clone();
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(metadata))
}

/// Some writers leave the footer's total of rows at 0, and the library reads no more rows than that.
fn counted(metadata: &Arc<ParquetMetaData>) -> Arc<ParquetMetaData> {
    let file = metadata.file_metadata();
    if file.num_rows() == rows(metadata) {
        return metadata.clone();
    }
    Arc::new(with_schema(metadata, file.schema_descr_ptr()))
}

/// How many rows the row groups have.
fn rows(metadata: &ParquetMetaData) -> i64 {
    metadata.row_groups().iter().fold(0, |rows, group| group.num_rows().saturating_add(rows))
}

/// The file of `metadata`, as if its leaf columns `bare` were bytes and nothing else.
fn with_bare(metadata: &ParquetMetaData, bare: BTreeSet<usize>) -> Result<ParquetMetaData> {
    let schema = Bare { at: 0, bare }.node(&metadata.file_metadata().schema_descr().root_schema_ptr())?;
    Ok(with_schema(metadata, Arc::new(SchemaDescriptor::new(schema))))
}

/// The file of `metadata`, with this schema and the rows that its row groups have.
fn with_schema(metadata: &ParquetMetaData, schema: SchemaDescPtr) -> ParquetMetaData {
    let file = metadata.file_metadata();
    let file = FileMetaData::new(
        file.version(),
        rows(metadata),
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        schema,
        file.column_orders().cloned(),
    );
    let builder = ParquetMetaDataBuilder::new(file).set_row_groups(metadata.row_groups().to_vec());
    builder.set_offset_index(metadata.offset_index().cloned()).build()
}

/// A schema's leaf columns, some of which become bytes.
struct Bare {
    at: usize,
    bare: BTreeSet<usize>,
}

impl Bare {
    fn node(&mut self, node: &TypePtr) -> Result<TypePtr> {
        let info = node.get_basic_info();
        let Type::GroupType { fields, .. } = node.as_ref() else {
            let is_bare = self.bare.contains(&self.at);
            self.at += 1;
            return if is_bare { bytes(node, info.repetition()) } else { Ok(node.clone()) };
        };
        let fields = match fields.as_slice() {
            // What a field says of itself is lost on elements without a group around them; with one the levels stay the same.
            [element] if info.converted_type() == ConvertedType::LIST && self.is_bare(element) => {
                self.at += 1;
                let group = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
                vec![Arc::new(group.with_fields(vec![bytes(element, Repetition::REQUIRED)?]).build()?)]
            }
            fields => fields.iter().map(|field| self.node(field)).collect::<Result<_>>()?,
        };
        let mut group = Type::group_type_builder(node.name())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields);
        if info.has_repetition() {
            group = group.with_repetition(info.repetition());
        }
        Ok(Arc::new(group.build()?))
    }

    /// Whether `element` is the next leaf column, and one that becomes bytes.
    fn is_bare(&self, element: &Type) -> bool {
        element.is_primitive() && self.bare.contains(&self.at)
    }
}

/// The leaf `node` as bytes: as many as it says, or twelve.
fn bytes(node: &Type, repetition: Repetition) -> Result<TypePtr> {
    let (physical, length) = match node.get_physical_type() {
        Physical::BYTE_ARRAY => (Physical::BYTE_ARRAY, -1),
        _ => (Physical::FIXED_LEN_BYTE_ARRAY, TWELVE),
    };
    let leaf = Type::primitive_type_builder(node.name(), physical).with_repetition(repetition);
    Ok(Arc::new(leaf.with_length(length).build()?))
}

#[cfg(test)]
mod tests;
