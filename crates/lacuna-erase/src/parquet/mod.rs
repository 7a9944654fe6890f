//! Matched rows out of a Parquet file, with everything else as it was.
//!
//! A rewrite is surgery on the file's own parts, at the lowest level that has to change:
//! - **Row groups** without a matched row are copied byte for byte, with their Bloom filters and page indexes; only positions
//!   in the metadata move. A row group that is left without rows goes.
//! - **Pages** without a matched row are copied too. A page with one is decoded to levels and values, never further, and
//!   encoded again with its own encoding, page version and codec: INT96, unknown logical types, legacy shapes of lists and maps,
//!   the point where a writer gave up on a dictionary all stay. A dictionary loses the entries that no row uses any more; categories leave
//!   all row groups once no row of the file has them, and none before.
//! - **Metadata** is edited field by field on the Thrift structs, so that fields which this version does not know stay as
//!   well: schema, field ids, column orders, sorting columns, key-value metadata of file and chunks, `created_by` (statistics
//!   are to be read by the rules of the writer that it names).
//! - **Statistics**, page indexes and Bloom filters keep what the remaining values explain; the rest is made anew from them.
//!   Geospatial statistics of a changed chunk are left out, and so is a distinct count that may be wrong now.
//!
//! What a file does not say stays unknown: a codec's level (the usual one is taken).

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on fails"))]

mod bloom;
mod categories;
mod chunk;
mod codec;
mod edit;
mod footer;
mod index;
mod laid;
mod levels;
mod loose;
mod metadata;
mod order;
mod page;
mod plan;
mod remake;
mod residue;
mod rewrite;
mod shelf;
mod spare;
mod statistics;
mod strike;
mod survivors;
mod thrift;
mod values;

pub use residue::residue;
pub use rewrite::rewrite;
pub use survivors::survivors;
