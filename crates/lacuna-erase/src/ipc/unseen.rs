//! Values that stand in a message's bytes although no row shows them: between the ends of buffers and of what lies in them (writers of
//! slices pad with what comes next), in the data of views that several batches repeat, under nulls.

use aho_corasick::{AhoCorasick, MatchKind};
use arrow::array::ArrayData;
use arrow::datatypes::DataType;
use lacuna_scan::Matcher;
use lacuna_scan::ipc::frame::Message;
use lacuna_scan::ipc::message::Batch;

use super::gather::Gathered;
use crate::{Error, Result};

/// Shorter values would stand in any bytes.
const BYTES_MIN: usize = 4;

/// Wanted values, as they would stand in bytes. Integers are none of them: their bytes stand anywhere.
#[derive(Debug)]
pub(super) struct Unseen {
    values: Option<AhoCorasick>,
}

impl Unseen {
    pub(super) fn nothing() -> Self {
        Self { values: None }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.values.is_none()
    }

    pub(super) fn new(matchers: &[&Matcher]) -> Result<Self> {
        let fields = matchers.iter().flat_map(|matcher| matcher.fields()).filter(|field| field.is_wanted());
        let values: Vec<&[u8]> = fields
            .flat_map(|field| field.texts().iter().chain(field.bytes().iter()))
            .filter(|value| value.len() >= BYTES_MIN)
            .collect();
        if values.is_empty() {
            return Ok(Self { values: None });
        }
        let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(values);
        Ok(Self { values: Some(built.map_err(|_| Error::Unfaithful("too many values leave it at once".into()))?) })
    }

    /// Whether any wanted value stands in a message, in its rows or elsewhere. `columns` are its decoded columns, which are looked at where
    /// the message is compressed.
    pub(super) fn stands_in(&self, message: &Message, batch: &Batch, columns: &[ArrayData]) -> bool {
        self.values.is_some() && self.in_message(message, batch, columns) > 0
    }

    /// Whether a message holds more wanted values than its rows, which are `gathered`.
    pub(super) fn are_in(&self, message: &Message, batch: &Batch, columns: &[ArrayData], gathered: &Gathered) -> bool {
        let shown: usize = gathered.buffers.iter().map(|buffer| self.count(buffer)).sum();
        self.in_message(message, batch, columns) > shown
    }

    fn in_message(&self, message: &Message, batch: &Batch, columns: &[ArrayData]) -> usize {
        match batch.codec {
            None => self.count(&message.body),
            Some(_) => columns.iter().map(|column| self.in_column(column)).sum(),
        }
    }

    fn in_column(&self, column: &ArrayData) -> usize {
        let own: usize = column.buffers().iter().map(|buffer| self.count(buffer.as_slice())).sum();
        if matches!(column.data_type(), DataType::Dictionary(..)) {
            // Its values came in a message of their own.
            return own;
        }
        own + column.child_data().iter().map(|child| self.in_column(child)).sum::<usize>()
    }

    fn count(&self, bytes: &[u8]) -> usize {
        self.values.as_ref().map_or(0, |values| values.find_overlapping_iter(bytes).count())
    }
}
