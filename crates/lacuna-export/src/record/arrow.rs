//! The rows of an Arrow batch as JSON objects.

mod calendar;
mod nested;
mod number;
mod scalar;
mod temporal;
mod zone;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef},
    buffer::NullBuffer,
    datatypes::{DataType, Field},
    record_batch::RecordBatch,
};

use crate::{Error, NESTING_MAX, Result, json};

/// The rows of one Arrow batch, its columns' types looked at once for all of them.
///
/// | Arrow | JSON |
/// |---|---|
/// | integers, decimals | a number with all its digits; a decimal with as many after the point as its scale |
/// | floats | the shortest number that reads back the same; `"NaN"`, `"Infinity"`, `"-Infinity"` |
/// | text; JSON text | a string; [text](lacuna_scan::Stored::Text) that is not UTF-8: `{"base64":"…"}` |
/// | binary | a base64 string; 16 bytes that the field calls `arrow.uuid`: a UUID |
/// | timestamps | RFC 3339, with as many digits of a second as their unit has, and their zone's offset (`Z` for UTC, and where a zone is unknown or its offset has seconds); without a zone no suffix |
/// | dates, times | `2017-04-28`, `12:09:29.000`; a 64-bit date that is no midnight has its time |
/// | durations, intervals | ISO 8601: `PT36H0.500S`, `P1M2DT-3S` |
/// | lists, structs | arrays, objects |
/// | maps | objects where keys are text, else arrays of `{"key":…,"value":…}` |
/// | dictionaries, runs, unions | the value that they stand for |
/// | null | `null` |
#[derive(Debug)]
pub struct ArrowRows {
    batch: RecordBatch,
    columns: Vec<Named>,
}

/// A column with the text in front of its values.
#[derive(Debug)]
struct Named {
    /// `"name":`, after a comma in all but the first.
    name: Vec<u8>,
    column: Column,
}

/// The values of one array, and which of them are null.
struct Column {
    nulls: Option<NullBuffer>,
    values: Box<dyn Values>,
}

/// The values of an array whose type is known.
trait Values: Send + Sync {
    /// Appends the value at `row`, which is not null and in bounds.
    fn write(&self, row: usize, out: &mut Vec<u8>);
}

impl ArrowRows {
    /// Prepares the columns of `batch`. The arrays are shared, not copied.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        let schema = batch.schema();
        let columns = named(schema.fields().iter().zip(batch.columns()), 1)?;
        Ok(Self { batch: batch.clone(), columns })
    }

    /// Appends row `row`, without a newline.
    pub fn render(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if row >= self.batch.num_rows() {
            return Err(Error::Unsupported("there is no such row in its batch".into()));
        }
        write_object(&self.columns, row, out);
        Ok(())
    }

    /// Whether these are the rows of `batch`, by the identity of its arrays.
    pub fn are_of(&self, batch: &RecordBatch) -> bool {
        self.batch.num_rows() == batch.num_rows()
            && self.batch.num_columns() == batch.num_columns()
            && self.batch.columns().iter().zip(batch.columns()).all(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
            && (Arc::ptr_eq(self.batch.schema_ref(), batch.schema_ref())
                || self.batch.schema_ref() == batch.schema_ref())
    }
}

impl Column {
    /// Prepares `array`, which `field` describes, at nesting level `depth`.
    fn new(field: &Field, array: &dyn Array, depth: usize) -> Result<Self> {
        // The row itself is a level too.
        if depth >= NESTING_MAX {
            return Err(Error::Nesting { limit: NESTING_MAX });
        }
        let values = match array.data_type() {
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::FixedSizeList(_, _)
            | DataType::Struct(_)
            | DataType::Map(_, _)
            | DataType::Union(_, _)
            | DataType::Dictionary(_, _)
            | DataType::RunEndEncoded(_, _) => nested::values(field, array, depth)?,
            DataType::Timestamp(_, _)
            | DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Duration(_)
            | DataType::Interval(_) => temporal::values(array)?,
            _ => scalar::values(field, array)?,
        };
        Ok(Self { nulls: array.nulls().cloned(), values })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
        } else {
            self.values.write(row, out);
        }
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column").finish_non_exhaustive()
    }
}

fn named<'a, F: AsRef<Field> + 'a>(
    fields: impl Iterator<Item = (&'a F, &'a ArrayRef)>,
    depth: usize,
) -> Result<Vec<Named>> {
    fields
        .enumerate()
        .map(|(index, (field, array))| {
            let field = field.as_ref();
            let mut name = if index > 0 { vec![b','] } else { Vec::new() };
            json::write_string(field.name(), &mut name);
            name.push(b':');
            Ok(Named { name, column: Column::new(field, array, depth)? })
        })
        .collect()
}

fn write_object(columns: &[Named], row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for Named { name, column } in columns {
        out.extend_from_slice(name);
        column.write(row, out);
    }
    out.push(b'}');
}

/// The array as what its type says it is; they differ only in arrays that were put together wrongly.
fn downcast<T: Array + Clone + 'static>(array: &dyn Array) -> Result<T> {
    array.as_any().downcast_ref::<T>().cloned().ok_or_else(|| unsupported(array))
}

fn unsupported(array: &dyn Array) -> Error {
    Error::Unsupported(format!("Arrow type {}", array.data_type()).into())
}
