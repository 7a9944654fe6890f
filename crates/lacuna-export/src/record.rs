//! A record as the text of one JSON object on one line, whatever its shard's format.
//!
//! - JSON keeps its own text: numbers their digits, strings their escapes, keys their order and their duplicates. Only white
//!   space between tokens goes.
//! - A CSV row is an object of strings.
//! - An Arrow row is an object of its columns; [`ArrowRows`] says what each type becomes.

mod arrow;

use ::arrow::record_batch::RecordBatch;
use lacuna_scan::Record;

pub use self::arrow::ArrowRows;
use crate::{Error, Result, json};

/// Appends `record` to `out`, without a newline. On an error `out` is left as it was.
///
/// Each call for an Arrow row prepares the batch's columns anew; a [`Renderer`] does so once a batch.
pub fn render(record: Record<'_>, out: &mut Vec<u8>) -> Result<()> {
    Renderer::default().render(record, out)
}

/// Renders records one after the other, and remembers the last Arrow batch that it prepared.
///
/// It holds on to that batch's arrays until a row of another batch comes or [`forget`](Self::forget) is called.
#[derive(Debug, Default)]
pub struct Renderer {
    rows: Option<ArrowRows>,
}

impl Renderer {
    /// Appends `record` to `out`, without a newline. On an error `out` is left as it was.
    pub fn render(&mut self, record: Record<'_>, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let result = match record {
            Record::Json(text) => json::compact(text, out),
            Record::Csv { names, values } => csv_row(names, values, out),
            Record::Arrow { batch, row } => self.rows_of(batch).and_then(|rows| rows.render(row, out)),
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// Lets go of the last batch's arrays.
    pub fn forget(&mut self) {
        self.rows = None;
    }

    fn rows_of(&mut self, batch: &RecordBatch) -> Result<&ArrowRows> {
        let rows = match self.rows.take() {
            Some(rows) if rows.are_of(batch) => rows,
            _ => ArrowRows::new(batch)?,
        };
        Ok(self.rows.insert(rows))
    }
}

fn csv_row(names: &[String], values: &[String], out: &mut Vec<u8>) -> Result<()> {
    if names.len() != values.len() {
        return Err(Error::Unsupported("a CSV row has more or fewer values than the header has names".into()));
    }
    out.push(b'{');
    for (index, (name, value)) in names.iter().zip(values).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::write_string(name, out);
        out.push(b':');
        json::write_string(value, out);
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests;
