//! Line formats and documents: NDJSON, JSON documents with a mapped array, and CSV, in whatever compression.
//!
//! Stored bytes go through [`Decompressor`], then [`Splitter`] cuts the text into pieces that cover every byte of it: records,
//! and what stands between them. Search, [`records`] and the rewrite of a shard use the same two, so a row's ordinal means the
//! same to all of them.
//!
//! - [`compression`]: gzip members, zstd and lz4 frames, found by content.
//! - [`split`]: where records begin and end; one file for each format.
//! - [`blocks`]: both together, a block of text at a time.
//! - [`json`]: one record, validated, with the values at the mapped paths.
//! - [`csv`]: one row's fields.
//! - `prefilter`: which lines need no parser.
//! - `presence`: whether JSON has the mapped columns at all.
//! - [`search`]: whose records they are.

pub mod blocks;
pub mod compression;
pub mod csv;
mod fault;
pub mod format;
pub mod json;
mod plausible;
mod prefilter;
mod presence;
mod read;
pub mod search;
pub mod split;

pub use compression::{Compression, Decompressor, Member, sniff};
pub use fault::Fault;
pub use format::{CsvLayout, Quotes, TextFormat};
pub use presence::holds;
pub use read::records;
pub use search::TextSearch;
pub use split::{Piece, PieceKind, Splitter};
