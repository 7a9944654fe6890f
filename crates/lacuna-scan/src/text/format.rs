//! What a text shard is made of.

use crate::ColumnPath;

/// A text format. Compression is no part of it: that is found by content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// One JSON object a line.
    Ndjson,
    /// JSON documents, one behind the other, that each hold their records in an array (or several, with the same path).
    Document {
        /// The array's path; it ends in `[]`, as `Records[]`.
        records: ColumnPath,
    },
    /// Rows of fields (RFC 4180).
    Csv(CsvLayout),
}

/// What CSV does not say about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvLayout {
    /// The byte between fields; ASCII, and neither a quote nor a line end.
    pub delimiter: u8,
    /// What quotes are.
    pub quotes: Quotes,
    /// The columns' names where the shard has no header line. Otherwise its first line that isn't blank is the header.
    pub header: Option<Vec<String>>,
}

/// What quotes are in CSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quotes {
    /// They enclose fields; a record that looks like lines which a stray one swallowed is an error.
    #[default]
    Guessed,
    /// They enclose fields.
    Enclosing,
    /// Characters as any other.
    Ordinary,
}

impl Default for CsvLayout {
    fn default() -> Self {
        Self { delimiter: b',', quotes: Quotes::default(), header: None }
    }
}

impl TextFormat {
    /// What a record is called that begins in this `line`, from 1.
    pub(super) fn place(&self, row: u64, line: u64) -> String {
        match self {
            Self::Document { .. } => format!("record {}", row + 1),
            Self::Ndjson | Self::Csv(_) => format!("line {line}"),
        }
    }

    /// What errors call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ndjson => "NDJSON",
            Self::Document { .. } => "a JSON document",
            Self::Csv(_) => "CSV in UTF-8",
        }
    }
}
