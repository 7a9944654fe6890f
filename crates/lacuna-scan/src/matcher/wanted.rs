//! The byte strings that a column is searched for, before they are made into a set.

use std::sync::Arc;

use crate::needles::Needles;
use crate::rare::Rare;
use crate::{SelectorIndex, uuid};

/// Byte strings that are looked for, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    bytes: Vec<u8>,
    values: Vec<(usize, SelectorIndex, Sort)>,
}

/// The sort of columns that a value may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Text,
    Bytes,
    Both,
    /// The bytes of a UUID: they stand in binary columns, and the forms of its text in both. Written out only where they are looked for,
    /// as a crowd's forms take ten times the room.
    Uuid {
        /// Also in upper case.
        in_upper_case: bool,
    },
}

impl Wanted {
    pub(super) fn add(&mut self, value: &[u8], selector: SelectorIndex, sort: Sort) {
        self.bytes.extend_from_slice(value);
        self.values.push((self.bytes.len(), selector, sort));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Those that may stand in columns of this sort.
    pub(super) fn needles(&self, sort: Sort) -> Needles {
        let count = |of: Sort| match of {
            Sort::Uuid { .. } => 1 + usize::from(sort == Sort::Bytes),
            _ => usize::from(of == sort || of == Sort::Both),
        };
        let total = self.values.iter().map(|(.., of)| count(*of)).sum();
        let (mut uuids, mut any_in_upper_case) = (Vec::new(), false);
        let needles = Needles::new(total, |add| {
            let mut start = 0;
            for &(end, selector, of) in &self.values {
                let value = &self.bytes[start..end];
                start = end;
                if let (Sort::Uuid { in_upper_case }, Ok(uuid)) = (of, value.try_into()) {
                    add(&uuid::hyphenated(uuid), selector);
                    uuids.push((*uuid, selector));
                    any_in_upper_case |= in_upper_case;
                    if sort == Sort::Bytes {
                        add(value, selector);
                    }
                } else if count(of) > 0 {
                    add(value, selector);
                }
            }
        });
        let uuids: Arc<[_]> = uuids.into();
        let upper = Rare::upper(if any_in_upper_case { uuids.clone() } else { Arc::default() });
        needles.and_rare(upper, Rare::others(uuids, any_in_upper_case))
    }
}
