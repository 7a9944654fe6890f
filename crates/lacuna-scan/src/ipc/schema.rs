//! The schema message as columns: Arrow's types, and which dictionary belongs to which column.
//!
//! Arrow's own conversion panics on type tables that contradict themselves; this one refuses them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, Schema, SchemaRef, TimeUnit, UnionFields, UnionMode};
use arrow::ipc;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::{Error, Limits, Result, Stored};

/// The message of a schema that a Parquet file keeps in its metadata: in base64, and with the marks that messages have in a stream, or
/// without. `None` for what is no base64.
pub fn kept(encoded: &[u8]) -> Option<Vec<u8>> {
    const CONTINUES: [u8; 4] = [0xff; 4];
    const LENGTH: usize = 4;
    let mut message = BASE64_STANDARD.decode(encoded).ok()?;
    if message.starts_with(&CONTINUES) {
        message.drain(..(CONTINUES.len() + LENGTH).min(message.len()));
    }
    Some(message)
}

/// The fields of the schema in a [kept] message; `None` when there is none.
pub fn kept_fields(message: &[u8]) -> Option<Vec<ipc::Field<'_>>> {
    let schema = ipc::root_as_message(message).ok()?.header_as_schema()?;
    Some(schema.fields().into_iter().flatten().collect())
}

/// Whether a [kept](kept_fields) field is of a dictionary's keys, or one within it is.
pub fn has_dictionary(field: ipc::Field<'_>) -> bool {
    field.dictionary().is_some() || field.children().is_some_and(|children| children.iter().any(has_dictionary))
}

/// Whether a [kept](kept_fields) field is of integers of more than 64 bits, or one within it is.
pub fn has_wide_integer(field: ipc::Field<'_>) -> bool {
    field.type_as_int().is_some_and(|int| int.bitWidth() > 64)
        || field.children().is_some_and(|children| children.iter().any(has_wide_integer))
}

/// A column, or a column within a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name, type, nullability and metadata.
    pub field: FieldRef,
    /// Where the values are when the column holds keys only.
    pub dictionary: Option<Dictionary>,
    /// The columns within: a struct's fields, a list's elements, a map's entries, run ends and values, a union's members.
    pub children: Vec<Column>,
}

impl Column {
    /// The column with its text as the bytes it is, which its fields [say](Stored::Text). Dictionaries stay as they are.
    pub fn bare(&self) -> Self {
        let children: Vec<Self> = self.children.iter().map(Self::bare).collect();
        let field = |data_type| self.field.as_ref().clone().with_data_type(data_type);
        let text = |data_type| Stored::Text.mark(field(data_type), None);
        let within = |at: usize| children[at].field.clone();
        let field = match self.field.data_type() {
            DataType::Utf8 => text(DataType::Binary),
            DataType::LargeUtf8 => text(DataType::LargeBinary),
            DataType::Utf8View => text(DataType::BinaryView),
            DataType::Struct(_) => field(DataType::Struct(children.iter().map(|child| child.field.clone()).collect())),
            DataType::List(_) => field(DataType::List(within(0))),
            DataType::LargeList(_) => field(DataType::LargeList(within(0))),
            DataType::ListView(_) => field(DataType::ListView(within(0))),
            DataType::LargeListView(_) => field(DataType::LargeListView(within(0))),
            DataType::FixedSizeList(_, length) => field(DataType::FixedSizeList(within(0), *length)),
            DataType::Map(_, sorted) => field(DataType::Map(within(0), *sorted)),
            DataType::RunEndEncoded(_, _) => field(DataType::RunEndEncoded(within(0), within(1))),
            DataType::Union(members, mode) => {
                let ids = members.iter().map(|(id, _)| id);
                let members = UnionFields::try_new(ids, children.iter().map(|child| child.field.clone()));
                members.map_or_else(|_| self.field.as_ref().clone(), |members| field(DataType::Union(members, *mode)))
            }
            _ => return self.clone(),
        };
        Self { field: Arc::new(field), dictionary: self.dictionary.clone(), children }
    }
}

/// The dictionary that a column's keys point into.
#[derive(Clone, Debug, PartialEq)]
pub struct Dictionary {
    /// Its id in the shard; several columns may share one.
    pub id: i64,
    /// Its values, as a column of their own without a name.
    pub values: Box<Column>,
}

/// What a schema message says.
#[derive(Clone, Debug)]
pub struct Table {
    /// The schema as Arrow has it.
    pub schema: SchemaRef,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The values of each dictionary, by id.
    pub dictionaries: BTreeMap<i64, Arc<Column>>,
}

impl Table {
    /// Reads a schema; `offset` is where it lies, for errors.
    pub fn new(schema: ipc::Schema<'_>, offset: u64, limits: &Limits) -> Result<Self> {
        match schema.endianness() {
            ipc::Endianness::Little => {}
            ipc::Endianness::Big => return Err(Error::Unsupported { what: "big-endian values".into() }),
            _ => return Err(Error::malformed(offset, "an unknown byte order")),
        }
        let mut converter = Converter { offset, limits, columns: 0, dictionaries: BTreeMap::new() };
        let mut columns = Vec::new();
        for field in schema.fields().into_iter().flatten() {
            columns.push(converter.column(field, 0)?);
        }
        let fields: Vec<FieldRef> = columns.iter().map(|column| column.field.clone()).collect();
        let schema = Schema::new_with_metadata(fields, metadata(schema.custom_metadata()));
        Ok(Self { schema: Arc::new(schema), columns, dictionaries: converter.dictionaries })
    }
}

/// Key-value metadata as Arrow holds it.
pub fn metadata<'a>(pairs: Option<impl IntoIterator<Item = ipc::KeyValue<'a>>>) -> HashMap<String, String> {
    let pairs = pairs.into_iter().flatten();
    pairs.filter_map(|pair| Some((pair.key()?.to_owned(), pair.value()?.to_owned()))).collect()
}

struct Converter<'a> {
    offset: u64,
    limits: &'a Limits,
    columns: usize,
    dictionaries: BTreeMap<i64, Arc<Column>>,
}

impl Converter<'_> {
    fn malformed(&self, what: &'static str) -> Error {
        Error::malformed(self.offset, what)
    }

    fn column(&mut self, field: ipc::Field<'_>, depth: usize) -> Result<Column> {
        Error::check_limit("nesting", depth as u64, self.limits.nesting_max as u64, "nesting_max")?;
        self.columns += 1;
        Error::check_limit("number of columns", self.columns as u64, self.limits.columns_max as u64, "columns_max")?;
        let (value_type, children) = self.value_type(field, depth)?;
        let name = field.name().unwrap_or_default();
        let metadata = metadata(field.custom_metadata());
        let Some(encoding) = field.dictionary() else {
            let field = Field::new(name, value_type, field.nullable()).with_metadata(metadata);
            return Ok(Column { field: Arc::new(field), dictionary: None, children });
        };
        let key = match encoding.indexType() {
            Some(int) => self.int(int)?,
            None => DataType::Int32,
        };
        let id = encoding.id();
        let values = Column { field: Arc::new(Field::new("", value_type.clone(), true)), dictionary: None, children };
        match self.dictionaries.get(&id) {
            Some(other) if **other != values => {
                return Err(self.malformed("columns of different types share a dictionary"));
            }
            Some(_) => {}
            None => {
                self.dictionaries.insert(id, Arc::new(values.clone()));
            }
        }
        let data_type = DataType::Dictionary(Box::new(key), Box::new(value_type));
        let field = Field::new(name, data_type, field.nullable()).with_metadata(metadata);
        let dictionary = Some(Dictionary { id, values: Box::new(values) });
        Ok(Column { field: Arc::new(field), dictionary, children: Vec::new() })
    }

    fn value_type(&mut self, field: ipc::Field<'_>, depth: usize) -> Result<(DataType, Vec<Column>)> {
        let mut children = Vec::new();
        for child in field.children().into_iter().flatten() {
            children.push(self.column(child, depth + 1)?);
        }
        let missing = || Error::malformed(self.offset, "a type without its parameters");
        let data_type = match field.type_type() {
            ipc::Type::Null => DataType::Null,
            ipc::Type::Bool => DataType::Boolean,
            ipc::Type::Int => self.int(field.type_as_int().ok_or_else(missing)?)?,
            ipc::Type::Utf8 => DataType::Utf8,
            ipc::Type::LargeUtf8 => DataType::LargeUtf8,
            ipc::Type::Utf8View => DataType::Utf8View,
            ipc::Type::Binary => DataType::Binary,
            ipc::Type::LargeBinary => DataType::LargeBinary,
            ipc::Type::BinaryView => DataType::BinaryView,
            ipc::Type::FixedSizeBinary => {
                let width = field.type_as_fixed_size_binary().ok_or_else(missing)?.byteWidth();
                DataType::FixedSizeBinary(self.size(width)?)
            }
            ipc::Type::FloatingPoint => match field.type_as_floating_point().ok_or_else(missing)?.precision() {
                ipc::Precision::HALF => DataType::Float16,
                ipc::Precision::SINGLE => DataType::Float32,
                ipc::Precision::DOUBLE => DataType::Float64,
                _ => return Err(self.malformed("an unknown precision of floats")),
            },
            ipc::Type::Decimal => self.decimal(field.type_as_decimal().ok_or_else(missing)?)?,
            ipc::Type::Date => match field.type_as_date().ok_or_else(missing)?.unit() {
                ipc::DateUnit::DAY => DataType::Date32,
                ipc::DateUnit::MILLISECOND => DataType::Date64,
                _ => return Err(self.malformed("an unknown unit of dates")),
            },
            ipc::Type::Time => {
                let time = field.type_as_time().ok_or_else(missing)?;
                match (time.bitWidth(), self.time_unit(time.unit())?) {
                    (32, unit @ (TimeUnit::Second | TimeUnit::Millisecond)) => DataType::Time32(unit),
                    (64, unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond)) => DataType::Time64(unit),
                    _ => return Err(self.malformed("a time of day whose unit and width disagree")),
                }
            }
            ipc::Type::Timestamp => {
                let timestamp = field.type_as_timestamp().ok_or_else(missing)?;
                DataType::Timestamp(self.time_unit(timestamp.unit())?, timestamp.timezone().map(Into::into))
            }
            ipc::Type::Duration => {
                DataType::Duration(self.time_unit(field.type_as_duration().ok_or_else(missing)?.unit())?)
            }
            ipc::Type::Interval => DataType::Interval(match field.type_as_interval().ok_or_else(missing)?.unit() {
                ipc::IntervalUnit::YEAR_MONTH => IntervalUnit::YearMonth,
                ipc::IntervalUnit::DAY_TIME => IntervalUnit::DayTime,
                ipc::IntervalUnit::MONTH_DAY_NANO => IntervalUnit::MonthDayNano,
                _ => return Err(self.malformed("an unknown unit of intervals")),
            }),
            ipc::Type::List => DataType::List(self.only(&children)?),
            ipc::Type::LargeList => DataType::LargeList(self.only(&children)?),
            ipc::Type::ListView => DataType::ListView(self.only(&children)?),
            ipc::Type::LargeListView => DataType::LargeListView(self.only(&children)?),
            ipc::Type::FixedSizeList => {
                let size = field.type_as_fixed_size_list().ok_or_else(missing)?.listSize();
                DataType::FixedSizeList(self.only(&children)?, self.size(size)?)
            }
            ipc::Type::Struct_ => DataType::Struct(children.iter().map(|child| child.field.clone()).collect()),
            ipc::Type::Map => {
                let sorted = field.type_as_map().ok_or_else(missing)?.keysSorted();
                let entries = self.only(&children)?;
                match entries.data_type() {
                    DataType::Struct(fields) if fields.len() == 2 => DataType::Map(entries, sorted),
                    _ => return Err(self.malformed("a map whose entries are not keys and values")),
                }
            }
            ipc::Type::RunEndEncoded => match children.as_slice() {
                [ends, values] if ends.field.data_type().is_run_ends_type() && ends.dictionary.is_none() => {
                    DataType::RunEndEncoded(ends.field.clone(), values.field.clone())
                }
                _ => return Err(self.malformed("a run-end encoded column without run ends and values")),
            },
            ipc::Type::Union => {
                let union = field.type_as_union().ok_or_else(missing)?;
                let mode = match union.mode() {
                    ipc::UnionMode::Sparse => UnionMode::Sparse,
                    ipc::UnionMode::Dense => UnionMode::Dense,
                    _ => return Err(self.malformed("an unknown mode of unions")),
                };
                let ids: Option<Vec<i8>> = match union.typeIds() {
                    Some(ids) => ids.iter().map(|id| i8::try_from(id).ok()).collect(),
                    None => (0..children.len()).map(|id| i8::try_from(id).ok()).collect(),
                };
                let fields = ids
                    .and_then(|ids| UnionFields::try_new(ids, children.iter().map(|child| child.field.clone())).ok())
                    .filter(|fields| fields.len() == children.len())
                    .ok_or_else(|| self.malformed("a union whose type ids are not its members"))?;
                DataType::Union(fields, mode)
            }
            _ => return Err(Error::Unsupported { what: "a column type that is not known".into() }),
        };
        let has_columns = data_type.is_nested() || matches!(data_type, DataType::RunEndEncoded(..));
        if !has_columns && !children.is_empty() {
            return Err(self.malformed("a simple column with columns within"));
        }
        Ok((data_type, children))
    }

    fn int(&self, int: ipc::Int<'_>) -> Result<DataType> {
        Ok(match (int.bitWidth(), int.is_signed()) {
            (8, true) => DataType::Int8,
            (8, false) => DataType::UInt8,
            (16, true) => DataType::Int16,
            (16, false) => DataType::UInt16,
            (32, true) => DataType::Int32,
            (32, false) => DataType::UInt32,
            (64, true) => DataType::Int64,
            (64, false) => DataType::UInt64,
            _ => return Err(self.malformed("an unknown width of integers")),
        })
    }

    fn decimal(&self, decimal: ipc::Decimal<'_>) -> Result<DataType> {
        let (Ok(precision), Ok(scale)) = (u8::try_from(decimal.precision()), i8::try_from(decimal.scale())) else {
            return Err(self.malformed("a decimal of impossible precision or scale"));
        };
        Ok(match decimal.bitWidth() {
            32 => DataType::Decimal32(precision, scale),
            64 => DataType::Decimal64(precision, scale),
            128 => DataType::Decimal128(precision, scale),
            256 => DataType::Decimal256(precision, scale),
            _ => return Err(self.malformed("an unknown width of decimals")),
        })
    }

    fn time_unit(&self, unit: ipc::TimeUnit) -> Result<TimeUnit> {
        Ok(match unit {
            ipc::TimeUnit::SECOND => TimeUnit::Second,
            ipc::TimeUnit::MILLISECOND => TimeUnit::Millisecond,
            ipc::TimeUnit::MICROSECOND => TimeUnit::Microsecond,
            ipc::TimeUnit::NANOSECOND => TimeUnit::Nanosecond,
            _ => return Err(self.malformed("an unknown unit of time")),
        })
    }

    fn size(&self, size: i32) -> Result<i32> {
        if size >= 0 { Ok(size) } else { Err(self.malformed("a negative width")) }
    }

    fn only(&self, children: &[Column]) -> Result<FieldRef> {
        match children {
            [child] => Ok(child.field.clone()),
            _ => Err(self.malformed("a list that does not have exactly one column of elements")),
        }
    }
}
