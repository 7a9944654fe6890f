//! Matched rows out of Arrow IPC files and streams.
//!
//! Messages without a matched row are copied byte for byte, unless a value that leaves stands in them where no row shows it. Those with one are taken apart to their values and put together
//! from the values that stay, so that nothing else survives: no value behind a null, no sliced-off part of a buffer, no view's
//! data that no view points to. The message's metadata is not built anew but patched: whatever else it says stays. A batch that
//! loses all its rows stays as a batch without rows, so that a file's footer keeps its list.
//!
//! Dictionaries that lie behind rows which use them come in front of all rows, in the footer's order, where every reader finds them.
//! A dictionary's entry that only erased rows pointed to is overwritten in place, because the batches that are copied point to
//! the others by position. See `dictionary` for what takes its place.
//!
//! - `gather`: values of chosen rows, as buffers.
//! - `pack`: buffers as a message's body.
//! - `patch`: a message's or footer's metadata with other numbers.
//! - `dictionary`: which entries go, and what stands in for them.
//! - `categories`: the same for what Polars' enums keep beside their dictionary.
//! - `rewrite`: the pass over the shard.
//! - `survivors`: the proof that all other rows stay.
//! - `unseen`: what stands in a message's bytes and in no row of it.
//! - `residue`: what a shard still holds outside its rows.

mod categories;
mod dictionary;
mod gather;
mod pack;
mod patch;
mod residue;
mod rewrite;
mod survivors;
mod unseen;

pub use residue::residue;
pub use rewrite::rewrite;
pub use survivors::survivors;

use bytes::Bytes;
use lacuna_scan::Limits;
use lacuna_scan::ipc::Ahead;
use lacuna_scan::ipc::reader::{Event, Reader};

use crate::{Error, ReadAt, Result};

/// How much is read at a time.
const PIECE: u64 = 4 << 20;

/// What must be read ahead of a shard.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Scan`] when it is more than `limits` allow.
pub fn ahead(input: &dyn ReadAt, limits: &Limits) -> Result<Ahead> {
    Ahead::read(input.size(), PIECE, limits, |range| input.read_at(range).map_err(Error::Io))
}

/// A reader at the shard's first byte.
fn reader(input: &dyn ReadAt, limits: &Limits) -> Result<Reader> {
    Ok(Reader::new(*limits).with_ahead(ahead(input, limits)?))
}

/// Reads a shard from its first byte to its last and hands on what it holds. Returns a file's tail.
fn events(input: &dyn ReadAt, limits: &Limits, f: &mut dyn FnMut(Event) -> Result<()>) -> Result<Option<Bytes>> {
    let mut reader = reader(input, limits)?;
    let mut at = 0;
    while at < input.size() {
        let end = input.size().min(at + PIECE);
        reader.push(input.read_at(at..end)?);
        at = end;
        while let Some(event) = reader.advance()? {
            f(event)?;
        }
    }
    Ok(reader.finish()?)
}
