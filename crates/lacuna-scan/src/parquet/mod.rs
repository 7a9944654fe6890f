//! Parquet: the identifier columns of each row group, page by page, and the rows that matched.
//!
//! [`footer`] reads the metadata, [`ParquetSearch`] finds the mapped columns in the schema and makes one [`RowGroupSearch`]
//! for each row group; these ask for byte ranges of the file and answer with row positions. Row groups are independent of each
//! other, so they may be searched on as many threads as there are. [`RowGroupTake`] takes rows out.
//!
//! Each step of a search may end it, or spare a part of the next one:
//! statistics (`prune`) → Bloom filter (`prune`) → page index (`index`) → dictionary → pages (`chunk`); where the index leaves few pages,
//! they come before their dictionary (`few`).
//! `pages` walks a chunk for both, search and take, and knows of neither. What the search has met already (`known`) is not taken from pages again.

mod chunk;
mod delta;
mod few;
mod footer;
mod held;
mod index;
mod known;
mod leaf;
mod levels;
mod page;
mod pages;
mod plain;
mod prune;
mod rle;
mod row_group;
mod take;
mod taken;
mod thrift;
mod values;
mod workbench;
mod writers;

pub use delta::decoded_bytes;
pub use footer::{Footer, TAIL_BYTES, footer};
pub use held::{held_values, mapped_leaves};
pub use known::KnownColumn;
pub use leaf::{Leaf, LeafType, resolve};
pub use page::check_pages;
pub use row_group::{ParquetSearch, RowGroupMatches, RowGroupSearch};
pub use take::RowGroupTake;
pub use taken::TakenRows;
pub use workbench::decompress;

#[cfg(test)]
mod tests;
