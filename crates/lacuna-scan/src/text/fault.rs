//! What is wrong with one record, and whether it is that record's problem or the whole shard's.

use std::fmt;

use super::TextFormat;
use crate::{Error, Result};

/// What is wrong with a record that ends too early.
pub(super) const CUT_OFF: &str = "the record is cut off";

/// What is wrong with one record. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not JSON, or not CSV.
    Syntax {
        /// The byte of the record.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// It is JSON, but not an object.
    NotObject,
    /// Its bytes are not UTF-8.
    NotUtf8,
    /// It has more or fewer fields than the header.
    Fields {
        /// How many it has.
        found: usize,
        /// How many the header has.
        expected: usize,
    },
    /// It nests deeper than the limit.
    Nesting {
        /// How deep it may.
        limit: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { at, what } => write!(f, "{what} (at byte {at} of the record)"),
            Self::NotObject => f.write_str("is not a JSON object"),
            Self::NotUtf8 => f.write_str("is not UTF-8"),
            Self::Fields { found, expected } => {
                let fields = if *found == 1 { "field" } else { "fields" };
                write!(f, "has {found} {fields} where the header has {expected}")
            }
            Self::Nesting { limit } => write!(f, "nests deeper than {limit} (`nesting_max`)"),
        }
    }
}

impl Fault {
    /// Names a record that is poisoned: alone unreadable, while the others can be searched. An error where the fault is the
    /// whole shard's: it isn't in UTF-8, or is one document that is broken or goes over a limit.
    ///
    /// `row` and `line` (from 1) say which record it is, `offset` where in the text it begins.
    pub fn poison(self, format: &TextFormat, row: u64, line: u64, offset: u64) -> Result<String> {
        match (self, format) {
            (Self::Nesting { limit }, TextFormat::Document { .. }) => Err(Error::Limit {
                what: "the nesting",
                value: limit as u64 + 1,
                limit: limit as u64,
                setting: "nesting_max",
            }),
            (Self::NotUtf8, TextFormat::Csv(_)) => Err(Error::WrongFormat {
                expected: format.name(),
                reason: format!("line {line} is not UTF-8 (Latin-1 or another code page?)").into(),
            }),
            (Self::Syntax { at, what }, TextFormat::Document { .. }) => Err(Error::malformed(offset + at as u64, what)),
            (Self::NotUtf8, TextFormat::Document { .. }) => Err(Error::malformed(offset, "a record is not UTF-8")),
            (fault @ (Self::Syntax { what: CUT_OFF, .. } | Self::NotObject), TextFormat::Ndjson) if row == 0 => {
                let hint = "a document of many lines, or an array, is `format = \"json\"` with `records`";
                Ok(format!("{}: {fault}; {hint}", format.place(row, line)))
            }
            (fault, _) => Ok(format!("{}: {fault}", format.place(row, line))),
        }
    }
}
