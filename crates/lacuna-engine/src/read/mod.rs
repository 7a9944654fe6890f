//! The reading of one shard, wherever it lies and whatever its format.
//!
//! - [`origin`]: where its bytes come from, [near] or far;
//! - [`search`]: whose its rows are, with the records that [pass by](collector);
//! - [`rows`]: the matched rows of an [opened](open) Parquet shard, read as its [schema] says;
//! - [`cat`]: all its rows but the hidden ones.

pub(crate) mod cat;
mod collector;
pub(crate) mod near;
mod open;
pub(crate) mod origin;
pub(crate) mod rows;
mod schema;
pub(crate) mod search;
pub(crate) mod whole;
