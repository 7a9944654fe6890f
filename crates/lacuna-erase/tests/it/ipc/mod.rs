//! Rewriting Arrow IPC files and streams.

mod dictionaries;
mod faithful;
mod nothing_stays;
mod polars;
mod random;
mod residue;
mod survivors;
#[path = "../../../../lacuna-scan/tests/it/ipc/tables.rs"]
mod tables;

use std::io::Cursor;

use arrow::array::{Array, ArrayData, UInt32Array};
use arrow::compute::take;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use lacuna_erase::{Change, Result, Rewritten, ipc};
use lacuna_scan::ipc::frame::{Frame, Framer, Message};
use lacuna_scan::{
    Case, Epochs, Field, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Selector, TenantRule,
};

fn rewrite(bytes: &[u8], hits: &[u64], change: Change<'_>) -> Result<(Vec<u8>, Rewritten)> {
    rewrite_for(bytes, hits, change, &matcher(&[]))
}

fn rewrite_for(bytes: &[u8], hits: &[u64], change: Change<'_>, matcher: &Matcher) -> Result<(Vec<u8>, Rewritten)> {
    let mut out = Vec::new();
    let hits = hits.iter().copied().collect();
    let before = Bytes::copy_from_slice(bytes);
    let done = ipc::rewrite(&before, &hits, change, &[matcher], &Limits::default(), &mut out)?;
    // Whatever is rewritten is proved.
    let after = Bytes::from(out);
    let proved = ipc::survivors(&before, &after, &hits, change, &Limits::default())?;
    assert_eq!(proved.rows, done.rows_after);
    Ok((after.to_vec(), done))
}

/// Looks for one person in these columns.
fn matcher(identifiers: &[(String, String)]) -> Matcher {
    let field = |column: &str| IdentifierRule::One(Field::new(column.parse().unwrap(), Kind::new(column)));
    let rules = identifiers.iter().map(|(column, _)| field(column)).collect();
    let mapping = Mapping { identifiers: rules, tenant: TenantRule::Single };
    let identifiers = identifiers.iter().map(|(column, value)| Identifier::new(column, value)).collect();
    Matcher::new(&mapping, &[Selector { tenant: None, identifiers }], &Epochs::default()).unwrap()
}

/// Looks for one person in a column in which case makes no difference.
fn insensitive(column: &str, value: &str) -> Matcher {
    let field = Field { case: Case::Insensitive, ..Field::new(column.parse().unwrap(), Kind::new(column)) };
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let identifiers = vec![Identifier::new(column, value)];
    Matcher::new(&mapping, &[Selector { tenant: None, identifiers }], &Epochs::default()).unwrap()
}

/// The batches, as Arrow's own readers see them.
fn read(bytes: &[u8]) -> Vec<RecordBatch> {
    if bytes.starts_with(b"ARROW1") {
        FileReader::try_new(Cursor::new(bytes), None).unwrap().map(|batch| batch.unwrap()).collect()
    } else {
        StreamReader::try_new(Cursor::new(bytes), None).unwrap().map(|batch| batch.unwrap()).collect()
    }
}

fn messages(bytes: &[u8]) -> Vec<Message> {
    let mut framer = Framer::new(Limits::default());
    framer.push(Bytes::copy_from_slice(bytes));
    let mut messages = Vec::new();
    while let Some(frame) = framer.advance().unwrap() {
        if let Frame::Message(message) = frame {
            messages.push(message);
        }
    }
    messages
}

/// Whether `canary` is anywhere in a shard: in its bytes, and in the buffers of its batches once decompressed.
fn holds(bytes: &[u8], canary: &[u8]) -> bool {
    fn within(data: &ArrayData, canary: &[u8]) -> bool {
        data.buffers().iter().any(|buffer| contains(buffer, canary))
            || data.child_data().iter().any(|child| within(child, canary))
    }
    fn contains(bytes: &[u8], canary: &[u8]) -> bool {
        bytes.windows(canary.len()).any(|window| window == canary)
    }
    contains(bytes, canary)
        || read(bytes).iter().flat_map(RecordBatch::columns).any(|column| within(&column.to_data(), canary))
}

/// The rows `rows` of a batch.
fn pick(batch: &RecordBatch, rows: &[u32]) -> RecordBatch {
    let rows = UInt32Array::from(rows.to_vec());
    let columns = batch.columns().iter().map(|column| take(column, &rows, None).unwrap()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).unwrap()
}
