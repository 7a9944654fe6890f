//! Values that stand in a message's bytes although no row shows them: between the ends of buffers and of what lies in them (writers of
//! slices pad with what comes next), in the data of views that several batches repeat, under nulls.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use arrow::array::{Array as _, ArrayData};
use arrow::datatypes::DataType;
use bytes::Bytes;
use lacuna_scan::ipc::decode::plain_buffer;
use lacuna_scan::ipc::frame::Message;
use lacuna_scan::ipc::message::Batch;
use lacuna_scan::ipc::reader::Rows;
use lacuna_scan::{Case, Matcher};

use super::gather::{Gathered, Rules, Taken, gather};
use crate::{Error, Result};

/// Shorter values would stand in any bytes.
const BYTES_MIN: usize = 4;

/// Wanted values, as they would stand in bytes. Integers are none of them: their bytes stand anywhere.
#[derive(Debug)]
pub(super) struct Unseen {
    values: Option<AhoCorasick>,
}

impl Unseen {
    pub(super) fn new(matcher: &Matcher) -> Result<Self> {
        let fields = || matcher.fields().iter().filter(|field| field.is_wanted());
        let values: Vec<&[u8]> = fields()
            .flat_map(|field| field.texts().iter().chain(field.bytes().iter()))
            .filter(|value| value.len() >= BYTES_MIN)
            .collect();
        if values.is_empty() {
            return Ok(Self { values: None });
        }
        // Of a column in which case makes no difference, any spelling is one too many.
        let ignores_case = fields().any(|field| field.case() == Case::Insensitive);
        let mut builder = AhoCorasick::builder();
        let built = builder.match_kind(MatchKind::Standard).ascii_case_insensitive(ignores_case).build(values);
        Ok(Self { values: Some(built.map_err(|_| Error::Unfaithful("too many values leave it at once".into()))?) })
    }

    /// Whether a wanted value stands in a batch's message beside its rows.
    pub(super) fn is_beside(&self, message: &Message, rows: &Rows) -> Result<bool> {
        if self.values.is_none() {
            return Ok(false);
        }
        let held = match rows.batch.codec {
            None => self.count(&message.body),
            Some(_) => decoded(rows)?.iter().map(|column| self.in_column(column)).sum(),
        };
        // Most batches hold none.
        Ok(held > 0 && held > gathered(rows)?.buffers.iter().map(|buffer| self.count(buffer)).sum())
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

/// All rows of a batch, and nothing else, if its message holds bytes that are none of theirs.
pub(super) fn anew(message: &Message, rows: &Rows) -> Result<Option<Gathered>> {
    let all = gathered(rows)?;
    Ok(hides(message, &rows.batch, &all).then_some(all))
}

/// Whether a message holds other bytes than the values that were gathered from it, whatever they mean: its buffers are these with nothing but
/// zeros behind them, or else they are not known to be harmless.
pub(super) fn hides(message: &Message, batch: &Batch, gathered: &Gathered) -> bool {
    let is_blank = |range: Range<usize>| message.body.get(range).is_some_and(|gap| gap.iter().all(|&byte| byte == 0));
    let mut end = 0;
    let differs = batch.buffers.iter().enumerate().any(|(at, range)| {
        let gap = std::mem::replace(&mut end, range.end)..range.start;
        let plain = plain_buffer(batch, &message.body, at);
        let same = |plain: Bytes| gathered.buffers.get(at).is_some_and(|shown| is_same(&plain, shown));
        !is_blank(gap) || !plain.is_some_and(same)
    });
    differs || !is_blank(end..message.body.len())
}

/// Whether both are the same but for zeros at the end, or `plain` says of all values that they are there, and `shown` needs not to.
fn is_same(plain: &[u8], shown: &[u8]) -> bool {
    let used = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let (plain, shown) = (&plain[..used(plain)], &shown[..used(shown)]);
    let is_ones =
        |(last, rest): (&u8, &[u8])| (last & last.wrapping_add(1)) == 0 && rest.iter().all(|&byte| byte == 0xFF);
    plain == shown || shown.is_empty() && plain.split_last().is_some_and(is_ones)
}

/// The columns of a batch as they were decoded.
fn decoded(batch: &Rows) -> Result<Vec<ArrayData>> {
    (0..batch.table.columns.len()).map(|at| Ok(batch.column(at)?.to_data())).collect()
}

/// All rows of a batch, and nothing else.
fn gathered(batch: &Rows) -> Result<Gathered> {
    let rules = Rules { union_validity: batch.batch.union_validity, ..Rules::default() };
    let all: Vec<u32> = (0..).take(batch.batch.rows).collect();
    let mut whole = Gathered::default();
    for (at, column) in batch.table.columns.iter().enumerate() {
        let mut variadic = batch.batch.variadic[batch.places[at].variadic..].iter().copied();
        gather(column, &batch.column(at)?, &all, &Taken::default(), &mut variadic, &rules, &mut whole)?;
    }
    Ok(whole)
}
