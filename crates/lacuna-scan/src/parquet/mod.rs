//! Parquet: the identifier columns of each row group, page by page.
//!
//! [`footer`] reads the metadata, [`ParquetSearch`] finds the mapped columns in the schema and makes one [`RowGroupSearch`]
//! for each row group; these ask for byte ranges of the columns' chunks and answer with row positions. Row groups are
//! independent of each other, so they may be searched on as many threads as there are.

mod chunk;
mod footer;
mod leaf;
mod page;
mod rle;
mod row_group;
mod values;

pub use footer::{Footer, TAIL_BYTES, footer};
pub use leaf::{Leaf, LeafType, resolve};
pub use page::check_pages;
pub use row_group::{ParquetSearch, RowGroupMatches, RowGroupSearch};

#[cfg(test)]
mod tests;
