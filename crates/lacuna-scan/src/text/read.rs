//! All records of a shard, one after the other: what `lacuna cat` shows.

use std::io::{self, Read};

use super::blocks::{Blocks, Reader};
use super::csv::Fields;
use super::json::{Paths, Walker};
use super::{CsvLayout, Fault, PieceKind, TextFormat};
use crate::{Error, Limits, Record, Result, Summary};

/// Room for a CSV value that is larger than this is not kept for the next row's.
const KEPT_BYTES_MAX: usize = 4 << 10;

/// Hands each readable record and its ordinal to `each`; an error of its ends the reading as [`Error::Sink`]. The summary has
/// no matches.
pub fn records(
    input: &mut dyn Read,
    format: &TextFormat,
    limits: &Limits,
    each: &mut dyn FnMut(u64, Record<'_>) -> io::Result<()>,
) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut reader = Reader::new(input, Blocks::new(format, limits)?);
    let paths = Paths::new([]);
    let mut walker = Walker::new(&paths, limits.nesting_max);
    let mut fields = Vec::new();
    while reader.next_block()?.is_some() {
        let names = reader.splitter().names().cloned().unwrap_or_default();
        let block = reader.block();
        for piece in &block.pieces {
            let PieceKind::Record { row, line } = piece.kind else { continue };
            let bytes = &block.text[piece.start..piece.end];
            let taken = match format {
                TextFormat::Csv(layout) => values(bytes, layout, names.len(), &mut fields)
                    .map(|values| each(row, Record::Csv { names: &names, values })),
                TextFormat::Ndjson | TextFormat::Document { .. } => {
                    object(bytes, &mut walker).map(|text| each(row, text))
                }
            };
            match taken {
                Ok(written) => {
                    written.map_err(Error::Sink)?;
                    summary.rows += 1;
                }
                Err(fault) => {
                    let poison = fault.poison(format, row, line, block.offset + piece.start as u64)?;
                    summary.poisoned.note(|| poison);
                }
            }
        }
    }
    Ok(summary)
}

fn object<'a>(bytes: &'a [u8], walker: &mut Walker<'_>) -> std::result::Result<Record<'a>, Fault> {
    let text = simdutf8::basic::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
    walker.check(text)?;
    Ok(Record::Json(bytes.trim_ascii()))
}

/// The values of a row, as many as there are columns, put `into` the place of those of another row.
pub(super) fn values<'v>(
    row: &[u8],
    layout: &CsvLayout,
    columns: usize,
    into: &'v mut Vec<String>,
) -> std::result::Result<&'v [String], Fault> {
    // Long ones are not kept: each column would come to hold as much as a whole record may.
    into.iter_mut().filter(|value| value.capacity() > KEPT_BYTES_MAX).for_each(|value| *value = String::new());
    let mut found = 0;
    for field in Fields::new(row, layout) {
        if found == into.len() {
            into.push(String::new());
        }
        let mut value = std::mem::take(&mut into[found]).into_bytes();
        value.clear();
        field?.append_to(&mut value);
        into[found] = String::from_utf8(value).map_err(|_| Fault::NotUtf8)?;
        found += 1;
    }
    if found == columns { Ok(&into[..found]) } else { Err(Fault::Fields { found, expected: columns }) }
}
