//! The dictionaries as they stand at a place in the shard.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;

use crate::{Error, Limits, Result};

/// The values of each dictionary, by id. Cheap to clone: a batch keeps those that stood when it was read.
#[derive(Clone, Debug, Default)]
pub struct Dictionaries {
    values: HashMap<i64, ArrayRef>,
}

impl Dictionaries {
    /// The values of dictionary `id`; `None` when none were given yet.
    pub fn get(&self, id: i64) -> Option<&ArrayRef> {
        self.values.get(&id)
    }

    /// Takes the values that a message at `offset` gives dictionary `id`: behind those that are there, or in their place.
    /// Returns the number of values that stay in front of them.
    pub fn apply(&mut self, id: i64, delta: bool, values: ArrayRef, offset: u64, limits: &Limits) -> Result<usize> {
        let before = self.values.remove(&id);
        let (kept, values) = match before {
            Some(before) if delta => {
                let whole = concat(&[&before, &values]);
                (before.len(), whole.map_err(|_| Error::malformed(offset, "a dictionary that cannot be added to"))?)
            }
            None if delta => return Err(Error::malformed(offset, "an addition to a dictionary that is not there")),
            _ => (0, values),
        };
        self.values.insert(id, values);
        let bytes: usize = self.values.values().map(|values| values.get_buffer_memory_size()).sum();
        Error::check_limit("dictionaries", bytes as u64, limits.message_bytes_max as u64, "message_bytes_max")?;
        Ok(kept)
    }
}
