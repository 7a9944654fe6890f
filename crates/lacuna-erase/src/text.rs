//! Text shards without the matched records: NDJSON, JSON documents and CSV, in the compression they came in.
//!
//! What isn't touched is the same text, byte for byte. Members whose text stays as it is are copied as they are stored; the others
//! are made anew, with the same text in each except for what went, at about the level that they were made at. A member may be
//! left empty. Skippable frames go, as they may describe the bytes that were replaced, and so does padding.

mod change;
mod level;
mod output;
mod pack;
mod survivors;

use std::io::Write;

use lacuna_scan::text::blocks::{Blocks, Reader};
use lacuna_scan::text::{PieceKind, TextFormat, holds};
use lacuna_scan::{ColumnPath, Limits};
use roaring::RoaringTreemap;

use crate::{Change, Error, ReadAt, Result, Rewritten, Sequential};
use change::Editor;
use output::Output;
pub use survivors::survivors;

/// What becomes of a shard's records.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// Of those that match.
    pub change: Change<'a>,
    /// Whether a record that cannot be read stays as it is, and is no error.
    pub poison_keep: bool,
    /// Columns of JSON of which is [told](Rewritten::held) whether a record that matches held them.
    pub noted: &'a [ColumnPath],
}

/// Rewrites the shard that `input` holds: `hits` are the rows to change, by the ordinals that
/// [`TextSearch`](lacuna_scan::text::TextSearch) gave them.
///
/// A deleted line goes with its own line end. So a shard whose last record goes ends with a line end, whether it did before or
/// not: no byte of the line before is touched. A deleted element of an array goes with one comma. A value made anonymous is
/// `null` in JSON, its key stays; in CSV its field is empty (`""` where it is the row's only one, as a blank line is no row;
/// an error where quotes are ordinary characters).
///
/// Zstd and lz4 frames keep their text's length in front where they had it, unless the compressed frame is larger than
/// `page_bytes_max`. Members that tell their own packed length, as bgzip's, tell the new one.
///
/// A member is read a second time, up to its first change, when it has one: that costs no memory.
pub fn rewrite(
    input: &dyn ReadAt,
    format: &TextFormat,
    hits: &RoaringTreemap,
    edit: Edit<'_>,
    limits: &Limits,
    out: &mut (dyn Write + Send),
) -> Result<Rewritten> {
    let Edit { change, poison_keep, noted } = edit;
    let noted = if matches!(format, TextFormat::Csv(_)) { &[] } else { noted };
    let mut sequential = Sequential::new(input);
    let mut reader = Reader::new(&mut sequential, Blocks::new(format, limits)?.with_joints());
    let mut output = Output::new(input, out, limits);
    let mut editor = Editor::new(format, change, limits);
    let mut rewritten = Rewritten::default();
    while reader.next_block().map_err(of_scan)?.is_some() {
        editor.names(reader.splitter().names());
        let joints = reader.take_joints();
        let block = reader.block();
        output.add_joints(joints, block.offset, editor.held())?;
        for piece in &block.pieces {
            let offset = block.offset + piece.start as u64;
            let bytes = block.bytes(piece);
            let PieceKind::Record { row, line } = piece.kind else {
                editor.between(piece.kind, offset, bytes, &mut output)?;
                continue;
            };
            let is_hit = hits.contains(row);
            if is_hit {
                let held = noted.iter().filter(|column| !rewritten.held.contains(column) && holds(bytes, column));
                let held: Vec<_> = held.cloned().collect();
                rewritten.held.extend(held);
            }
            match editor.record(offset, bytes, is_hit, &mut output)? {
                Ok(()) => {
                    rewritten.rows_before += 1;
                    rewritten.rows_changed += u64::from(is_hit);
                }
                Err(fault) => {
                    let poison = fault.poison(format, row, line, offset)?;
                    if is_hit || !poison_keep {
                        return Err(Error::Unfaithful(poison));
                    }
                    editor.keep(offset, bytes, &mut output)?;
                }
            }
        }
    }
    if rewritten.rows_changed != hits.len() {
        return Err(Error::Unfaithful("the shard does not hold all rows that were found in it".to_owned()));
    }
    rewritten.copied = output.finish()?;
    let deleted = if matches!(change, Change::Delete) { rewritten.rows_changed } else { 0 };
    rewritten.rows_after = rewritten.rows_before - deleted;
    Ok(rewritten)
}

/// A shard that could not be read to its end is no fault of its bytes.
fn of_scan(error: lacuna_scan::Error) -> Error {
    match error {
        lacuna_scan::Error::Read(error) => Error::Io(error),
        error => Error::Scan(error),
    }
}
