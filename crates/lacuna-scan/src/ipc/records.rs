//! All rows of a shard, one after the other.

use std::io::Read;

use arrow::error::ArrowError;
use bytes::Bytes;

use super::ahead::Ahead;
use super::reader::{Event, Reader};
use crate::{Error, Limits, Record, Result};

const PIECE: usize = 1 << 20;

/// Hands every row of a shard to `f`, with its ordinal. `ahead` is what must be read ahead of it.
///
/// Fails with [`Error::Sink`] when `f` does.
pub fn records(
    input: &mut dyn Read,
    ahead: Ahead,
    limits: &Limits,
    f: &mut dyn FnMut(u64, Record<'_>) -> std::io::Result<()>,
) -> Result<()> {
    let mut first = 0;
    each_event(input, ahead, limits, &mut |event| {
        let Event::Rows(_, rows) = event else { return Ok(()) };
        let batch = rows.decode()?;
        for row in 0..batch.num_rows() {
            f(first + row as u64, Record::Arrow { batch: &batch, row }).map_err(Error::Sink)?;
        }
        first += batch.num_rows() as u64;
        Ok(())
    })
}

/// Hands every event of a shard to `f`, and checks that nothing is missing.
pub(super) fn each_event(
    input: &mut dyn Read,
    ahead: Ahead,
    limits: &Limits,
    f: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<()> {
    let mut reader = Reader::new(*limits).with_ahead(ahead);
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let failed = |error| Error::Arrow(ArrowError::IoError("cannot be read".into(), error));
        let end = input.take(PIECE as u64).read_to_end(&mut piece).map_err(failed)? == 0;
        reader.push(Bytes::from(piece));
        while let Some(event) = reader.advance()? {
            f(event)?;
        }
        if end {
            return reader.finish().map(drop);
        }
    }
}
