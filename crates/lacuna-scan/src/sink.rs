//! What a search of a stream hands on: the records that matched, and what it learned of the shard.

use arrow::record_batch::RecordBatch;
use bytes::Bytes;

use crate::{ColumnPath, Effort, Matches, Result, SelectorIndex};

/// A record as its shard holds it.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// The text of a JSON object, byte for byte.
    Json(&'a [u8]),
    /// A CSV row: names and values in the shard's order, unquoted, in UTF-8.
    Csv {
        /// The header.
        names: &'a [String],
        /// As many values as names.
        values: &'a [String],
    },
    /// One row of an Arrow batch.
    Arrow {
        /// The batch.
        batch: &'a RecordBatch,
        /// The row in it.
        row: usize,
    },
}

/// A record that belongs to somebody.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its ordinal in the shard.
    pub row: u64,
    /// Whose it is; at least one.
    pub selectors: &'a [SelectorIndex],
    /// The record.
    pub record: Record<'a>,
}

/// Takes what a search finds, in the order of rows.
pub trait Sink: Send {
    /// Takes one record. An error ends the search as [`Error::Sink`](crate::Error::Sink).
    fn found(&mut self, found: Found<'_>) -> std::io::Result<()>;
}

/// Lets the records pass: for counts and positions only.
#[derive(Clone, Copy, Debug)]
pub struct Ignore;

impl Sink for Ignore {
    fn found(&mut self, _: Found<'_>) -> std::io::Result<()> {
        Ok(())
    }
}

/// Records of which something must be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// How many they are.
    pub count: u64,
    /// Where the first of them lies, and what else is to be said of it, without its content.
    pub first: Option<String>,
}

impl Noted {
    /// Notes one more, which lies at this `place`.
    pub fn note(&mut self, place: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(place);
    }

    /// Adds those that lie behind.
    pub fn add(&mut self, behind: Self) {
        self.count += behind.count;
        self.first = self.first.take().or(behind.first);
    }
}

/// What a search learned of a shard.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many records the shard holds, the unreadable ones not counted.
    pub rows: u64,
    /// Which of them belong to whom.
    pub matches: Matches,
    /// Records that could not be read, and what is wrong with the first; the others were searched.
    pub poisoned: Noted,
    /// Records that hold a wanted identifier, and name the selector's tenant and another one: they are nobody's.
    pub torn: Noted,
    /// Records that may be somebody's, or a selector's tenant's, by values that lie in another form than a path takes: in an array in
    /// place of a value, say; and how the first could be mapped. They are among the matches only where other values make them so.
    pub astray: Noted,
    /// Records that are somebody's, and hold a wanted identifier in such a form as well; and how it could be mapped in the first.
    pub beside: Noted,
    /// Identifiers that a dictionary holds and no row that points into it has: whose, and in which field. Told only where it was asked
    /// for.
    pub unused: Vec<(SelectorIndex, usize)>,
    /// Of JSON columns that were asked for, those that no record could be found by.
    pub lacking: Vec<ColumnPath>,
    /// What it took to find out.
    pub effort: Effort,
}

/// A search of a shard that is read from its first byte to its last.
///
/// `feed` is called with consecutive pieces of the stored bytes, of any size, then `finish` once. Both decompress and search on
/// rayon and never wait for anything else. Memory stays within a few pieces and the limits, whatever the bytes expand to.
pub trait StreamSearch: Send {
    /// Searches the next piece.
    fn feed(&mut self, piece: Bytes, sink: &mut dyn Sink) -> Result<()>;

    /// Searches what is left, and checks that nothing is missing.
    fn finish(&mut self, sink: &mut dyn Sink) -> Result<Summary>;
}
