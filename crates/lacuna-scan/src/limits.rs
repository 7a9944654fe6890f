//! A limit on everything that a shard's bytes could make large.

use serde::{Deserialize, Serialize};

/// What a shard may ask for before it is refused with a reason. Sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest record (a line, an array element, a CSV row).
    pub record_bytes_max: usize,
    /// The largest page or dictionary page, once decompressed, and once decoded where values share their beginnings.
    pub page_bytes_max: usize,
    /// The largest Arrow message, as stored and once decompressed; also the most rows that one may have, and the size of all
    /// dictionaries together. Arrow's writers make a message of as many rows as they are given at once.
    pub message_bytes_max: usize,
    /// The largest footer of a columnar file.
    pub footer_bytes_max: usize,
    /// How deep records nest.
    pub nesting_max: usize,
    /// How many leaf columns a shard has.
    pub columns_max: usize,
    /// How many times larger a compressed shard may become, past its first 64 MiB.
    pub expansion_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes_max: 64 << 20,
            page_bytes_max: 64 << 20,
            message_bytes_max: 256 << 20,
            footer_bytes_max: 128 << 20,
            nesting_max: 128,
            columns_max: 20_000,
            expansion_max: 2_000,
        }
    }
}
