//! Which rows belong to whom: identifiers in, row positions out.
//!
//! The crate knows no I/O. A search says which bytes it needs next, is handed them, and answers with [`Matches`]; what it
//! finds on the way (the records themselves, for formats where they pass by anyway) goes to a [`Sink`].
//!
//! - [`matcher`]: mapping and selectors made into sets of values; the only place that decides whether a value matches.
//! - [`parquet`]: the identifier columns' pages of each row group.
//! - [`text`]: NDJSON, JSON documents and CSV, in whatever compression.
//! - [`ipc`]: Arrow IPC files and streams.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::cast_possible_truncation,
        reason = "a test that cannot go on fails"
    )
)]

mod column;
mod effort;
mod error;
mod floats;
mod held;
mod integers;
pub mod ipc;
mod limits;
mod mapping;
pub mod matcher;
mod needles;
mod number;
pub mod parquet;
mod pseudonym;
mod rare;
mod rows;
mod secret;
mod sieve;
mod sink;
mod stored;
mod subject;
pub mod text;
mod uuid;

pub use column::{ColumnPath, ColumnPathError, Step};
pub use effort::Effort;
pub use error::{Error, Result};
pub use held::{HeldNumber, HeldValue};
pub use limits::Limits;
pub use mapping::{
    Case, Field, IdentifierRule, JsonType, Mapping, PseudonymEncoding, PseudonymForm, PseudonymLength, TenantFolder,
    TenantRule,
};
pub use matcher::{FieldTest, Hit, Matcher, MatcherError, TenantIndex, Value, Verdict, folded};
pub use needles::Needles;
pub use pseudonym::{Epoch, Epochs};
pub use rows::{Matches, SelectorIndex};
pub use secret::Secret;
pub use sink::{Found, Ignore, Noted, Record, Sink, StreamSearch, Summary};
pub use stored::Stored;
pub use subject::{Identifier, Kind, NoIdentifier, Selector, TenantId};
