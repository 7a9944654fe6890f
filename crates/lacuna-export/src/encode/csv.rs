//! CSV (RFC 4180) that a spreadsheet opens without taking a value for a formula.
//!
//! - UTF-8 with a byte order mark, without which Excel reads another encoding; lines end in CRLF.
//! - The header names the columns of all records in the order in which they first occur. A name that a record has twice
//!   makes two columns.
//! - Null, and a column that a record does not have, is an empty cell; an empty text is `""`. In a file of a single column
//!   both are `""`, as readers skip empty lines.
//! - Objects and arrays are their JSON text. Half a surrogate pair, which UTF-8 cannot hold, is its JSON escape.
//! - A text that a spreadsheet could run (first of all `=`, `+`, `-`, `@`, their full-width forms, a tab or a line break,
//!   also after white space) has an apostrophe in front, and so has one that begins with an apostrophe: to get the text, take
//!   one leading apostrophe away. What is a JSON number, such as `-12.5`, stays as it is.

use std::{
    collections::HashMap,
    io::{BufRead, Write},
};

use super::{Lines, put};
use crate::{
    Error, Result,
    json::{self, Text},
};

/// How many columns a CSV file may have: those that spreadsheets show.
pub const COLUMNS_MAX: usize = 16_384;

/// How many bytes their names may have together.
const NAME_BYTES_MAX: usize = 16 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The columns of a file.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    /// The columns of each name: the first for its first occurrence in a record, and so on.
    places: HashMap<String, Vec<usize>>,
}

impl Columns {
    /// The columns of all of `records`.
    pub(super) fn of(records: &mut dyn BufRead) -> Result<Self> {
        let mut columns = Self { names: Vec::new(), places: HashMap::new() };
        let mut lines = Lines::new(records, u64::MAX);
        let mut name_bytes = 0;
        let mut seen = Seen::default();
        while let Some(record) = lines.next()? {
            seen.start();
            json::entries(record, |name, _| {
                let name = json::text(name).text;
                if let Some(places) = columns.places.get(&*name)
                    && places.iter().any(|&place| seen.take(place))
                {
                    return Ok(());
                }
                name_bytes += name.len();
                if columns.names.len() == COLUMNS_MAX || name_bytes > NAME_BYTES_MAX {
                    return Err(Error::Columns { columns_max: COLUMNS_MAX, name_bytes_max: NAME_BYTES_MAX });
                }
                let place = columns.names.len();
                columns.names.push(name.clone().into_owned());
                columns.places.entry(name.into_owned()).or_default().push(place);
                seen.take(place);
                Ok(())
            })?;
        }
        Ok(columns)
    }
}

/// Which columns the record at hand has filled, without clearing a flag for each column at each record.
#[derive(Default)]
struct Seen {
    record: u64,
    filled_by: Vec<u64>,
}

impl Seen {
    fn start(&mut self) {
        self.record += 1;
    }

    /// Fills column `place`; whether it was free.
    fn take(&mut self, place: usize) -> bool {
        if self.filled_by.len() <= place {
            self.filled_by.resize(place + 1, 0);
        }
        std::mem::replace(&mut self.filled_by[place], self.record) != self.record
    }
}

pub(super) fn write(records: &mut Lines<'_>, columns: &Columns, out: &mut dyn Write) -> Result<()> {
    put(out, BYTE_ORDER_MARK)?;
    let mut row = Vec::new();
    for (index, name) in columns.names.iter().enumerate() {
        if index > 0 {
            row.push(b',');
        }
        write_text(name, &mut row);
    }
    let mut header = Some(std::mem::take(&mut row));
    // The cells of a record lie behind one another here, in the order in which the record has them.
    let mut cells = Vec::new();
    let mut ends: Vec<(usize, usize)> = vec![(0, 0); columns.names.len()];
    let mut seen = Seen::default();
    while let Some(record) = records.next()? {
        if let Some(header) = header.take() {
            put_row(&header, out)?;
        }
        seen.start();
        cells.clear();
        ends.fill((0, 0));
        json::entries(record, |name, value| {
            let name = json::text(name).text;
            let places = columns.places.get(&*name).map(Vec::as_slice).unwrap_or_default();
            let place = places.iter().copied().find(|&place| seen.take(place));
            // The records are those that the columns were made from.
            let place = place.ok_or(Error::Record { offset: 0, what: "has a column that the header does not name" })?;
            let start = cells.len();
            write_value(value, &mut cells);
            ends[place] = (start, cells.len());
            Ok(())
        })?;
        row.clear();
        for (index, &(start, end)) in ends.iter().enumerate() {
            if index > 0 {
                row.push(b',');
            }
            row.extend_from_slice(&cells[start..end]);
        }
        put_row(&row, out)?;
    }
    Ok(())
}

fn put_row(row: &[u8], out: &mut dyn Write) -> Result<()> {
    put(out, if row.is_empty() { b"\"\"" } else { row })?;
    put(out, b"\r\n")
}

/// Appends the cell of a JSON value.
fn write_value(value: &[u8], out: &mut Vec<u8>) {
    match value.first() {
        Some(b'"') => {
            let Text { text, .. } = json::text(value);
            write_text(&text, out);
        }
        Some(b'n') => {}
        // Numbers and booleans need no quotes; JSON text is no formula.
        Some(b'{' | b'[') => write_quoted(value, out),
        _ => out.extend_from_slice(value),
    }
}

/// Appends the cell of a text.
fn write_text(text: &str, out: &mut Vec<u8>) {
    let special = |byte: u8| matches!(byte, b',' | b';' | b'"' | b'\r' | b'\n' | b'\t' | 0);
    let guarded = is_risky(text);
    let spaced = text.starts_with(' ') || text.ends_with(' ');
    if !text.is_empty() && !spaced && !text.bytes().any(special) {
        if guarded {
            out.push(b'\'');
        }
        out.extend_from_slice(text.as_bytes());
    } else if guarded {
        write_quoted(format!("'{text}").as_bytes(), out);
    } else {
        write_quoted(text.as_bytes(), out);
    }
}

fn write_quoted(cell: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for piece in cell.split_inclusive(|&byte| byte == b'"') {
        out.extend_from_slice(piece);
        if piece.ends_with(b"\"") {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

/// Whether a text needs an apostrophe in front.
fn is_risky(text: &str) -> bool {
    let unseen = |letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    match text.chars().next() {
        None => false,
        Some('\'' | '\t' | '\r' | '\n') => true,
        Some(_) => {
            let starts = |letter| matches!(letter, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
            text.trim_start_matches(unseen).starts_with(starts) && !json::is_number(text.as_bytes())
        }
    }
}
