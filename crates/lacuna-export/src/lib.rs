//! Matched rows into the export package. Knows no I/O beyond [`std::io`]'s traits.
//!
//! A record of any shard becomes the text of one JSON object on one line ([`record`]); lines of such objects become the data
//! files of a package ([`mod@encode`]), which lie where [`package`] says. What a package holds, and what it does not, stands in
//! its manifest and request info ([`manifest`]) and, for the person, in its `README.html` ([`readme`]). [`check()`] compares a
//! package to its manifest.

#![cfg_attr(test, expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed"))]

pub mod check;
pub mod encode;
mod error;
mod format;
mod json;
pub mod manifest;
mod measure;
pub mod package;
pub mod readme;
pub mod record;

pub use check::{Mismatch, check};
pub use encode::{Encoder, Part, encode};
pub use error::{Error, Result};
pub use format::{Format, FormatError};
pub use manifest::{Manifest, RequestInfo};
pub use measure::{Measure, Tee};
pub use package::Package;
pub use record::{ArrowRows, Renderer, render};

/// How deep a record may nest: lists and objects within each other, or an Arrow column's types.
///
/// Above what shards may hold by default; it keeps a forged record from exhausting the stack.
pub const NESTING_MAX: usize = 256;
