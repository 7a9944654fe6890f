//! The erasure of one shard: its rows are hidden; then it is rewritten beside the original, checked, put in its place, read back.
//!
//! - [`eraser`]: what was found is hidden, in whatever version the shard has meanwhile;
//! - [`hidden`]: what hides it, the tombstones beside the shards;
//! - [`shard`]: the purge, from the old bytes to the removal of what is left of them. On its way it [rewrites](rewrite) the shard,
//!   [proves](proof) what was written, and [puts it in its place](replace);
//! - [`journal`]: what is under way, so that any run finishes what another began.

pub(crate) mod copies;
mod eraser;
mod hashes;
pub(crate) mod hidden;
pub(crate) mod journal;
pub(crate) mod lost;
mod proof;
mod purged;
mod replace;
mod rewrite;
mod shard;

pub(crate) use eraser::{Erased, Eraser, Erasure, Target};
pub(crate) use purged::{Purged, REMOVED};
pub(crate) use shard::{Purge, check_names};
