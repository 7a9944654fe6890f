//! Rendered records into data files.
//!
//! What comes in is NDJSON as [`render`](crate::render) makes it: one object a line. Everything streams; memory holds one
//! record, and for CSV the columns' names.

mod csv;
mod json;
mod ndjson;
mod xml;

use std::io::{self, BufRead, Write};

pub use self::csv::COLUMNS_MAX;
use crate::{Error, Format, Result};

/// Writes data files of one format.
#[derive(Clone, Debug)]
pub struct Encoder {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Json,
    Ndjson,
    Csv(csv::Columns),
    Xml,
}

/// What one data file took of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many records it holds.
    pub records: u64,
    /// Whether there are more, for a next file.
    pub more: bool,
}

/// Reads all of `records` into one data file; answers with how many they are.
///
/// `open` starts reading at the first record. It is called once, for CSV twice: the header names the columns of all records.
pub fn encode<'a>(
    format: Format,
    open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead + 'a>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let encoder = Encoder::new(format, open)?;
    let mut records = open().map_err(Error::Read)?;
    Ok(encoder.encode(&mut *records, u64::MAX, out)?.records)
}

impl Encoder {
    /// An encoder for the records that `open` starts to read. Only CSV reads them, for its columns: those of all records, in
    /// the order in which they first occur.
    pub fn new<'a>(format: Format, open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead + 'a>>) -> Result<Self> {
        let form = match format {
            Format::Json => Form::Json,
            Format::Ndjson => Form::Ndjson,
            Format::Csv => Form::Csv(csv::Columns::of(&mut *open().map_err(Error::Read)?)?),
            Format::Xml => Form::Xml,
        };
        Ok(Self { form })
    }

    /// Writes one data file with the next of `records`: all of them, or as many as fill `rendered_bytes_max`, counted in bytes
    /// of `records` and rounded up to a whole one. Call again with the same reader and another file while there are more.
    pub fn encode(&self, records: &mut dyn BufRead, rendered_bytes_max: u64, out: &mut dyn Write) -> Result<Part> {
        let mut lines = Lines::new(records, rendered_bytes_max);
        match &self.form {
            Form::Json => json::write(&mut lines, out),
            Form::Ndjson => ndjson::write(&mut lines, out),
            Form::Csv(columns) => csv::write(&mut lines, columns, out),
            Form::Xml => xml::write(&mut lines, out),
        }?;
        out.flush().map_err(Error::Write)?;
        lines.part()
    }
}

/// The records of one part, line by line.
struct Lines<'r> {
    records: &'r mut dyn BufRead,
    line: Vec<u8>,
    count: u64,
    bytes_left: u64,
}

impl<'r> Lines<'r> {
    fn new(records: &'r mut dyn BufRead, bytes_max: u64) -> Self {
        Self { records, line: Vec::new(), count: 0, bytes_left: bytes_max }
    }

    /// The next record, without its newline.
    fn next(&mut self) -> Result<Option<&[u8]>> {
        if self.bytes_left == 0 && self.count > 0 {
            return Ok(None);
        }
        self.line.clear();
        let read = self.records.read_until(b'\n', &mut self.line).map_err(Error::Read)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        if !(self.line.starts_with(b"{") && self.line.ends_with(b"}")) {
            return Err(crate::json::not_an_object());
        }
        self.count += 1;
        self.bytes_left = self.bytes_left.saturating_sub(read.try_into().unwrap_or(u64::MAX));
        Ok(Some(&self.line))
    }

    fn part(self) -> Result<Part> {
        let more = !self.records.fill_buf().map_err(Error::Read)?.is_empty();
        Ok(Part { records: self.count, more })
    }
}

/// Writes all of `bytes`.
fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(Error::Write)
}

#[cfg(test)]
mod tests;
