//! What a source is made of.

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use super::{
    columnar::ParquetLayout,
    event::{Event, Events},
    sample::Format,
    written::{Identifier, OnErase, Source},
};

/// A source that can be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) folder: &'static str,
    pub(crate) product: &'static str,
    pub(crate) data_type: &'static str,
    pub(crate) format: Format,
    /// Its part of a sample's rows, in hundredths.
    pub(crate) weight: u64,
    /// How many of its shards hold as much as a usual one.
    pub(crate) shards_per_shard: u64,
    /// Where the records of a JSON document lie.
    pub(crate) records: Option<&'static str>,
    /// Column, kind, and whether letters' case is without meaning.
    pub(crate) identifiers: &'static [(&'static str, &'static str, bool)],
    pub(crate) tenant: &'static str,
    pub(crate) time: &'static str,
    /// Why the source must not be erased, if so.
    pub(crate) kept: Option<&'static str>,
    pub(crate) body: Body,
}

/// How a source's records are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// In batches of columns.
    Columns {
        schema: fn() -> SchemaRef,
        /// Makes the next records, at most so many.
        batch: fn(&mut Events<'_>, usize) -> arrow::error::Result<RecordBatch>,
        /// The source's own layout, from the sample's.
        layout: fn(&ParquetLayout) -> ParquetLayout,
    },
    /// As text, one after the other.
    Lines {
        open: &'static str,
        between: &'static str,
        close: &'static str,
        record: fn(&mut Events<'_>, &Event<'_>, &mut String),
    },
}

impl Spec {
    pub(crate) fn describe(&self) -> Source {
        let extension = match self.format {
            Format::Parquet => "*.parquet",
            Format::Arrow => "*.arrow*",
            Format::Ndjson => "*.ndjson*",
            Format::Json => "*.json*",
            Format::Csv => "*.csv*",
        };
        Source {
            name: self.name.to_owned(),
            shards: format!("{}/**/{extension}", self.folder),
            product: self.product.to_owned(),
            data_type: self.data_type.to_owned(),
            format: self.format,
            records: self.records.map(ToOwned::to_owned),
            identifiers: (self.identifiers.iter())
                .map(|&(column, kind, case_insensitive)| Identifier {
                    column: column.to_owned(),
                    kind: kind.to_owned(),
                    case_insensitive,
                })
                .collect(),
            tenant: self.tenant.to_owned(),
            time: self.time.to_owned(),
            on_erase: self.kept.map_or(OnErase::Delete, |reason| OnErase::Keep { reason: reason.to_owned() }),
            paths: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }
}
