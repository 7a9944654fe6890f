//! Values that stand in a message's bytes although no row shows them: between the ends of buffers and of what lies in them (writers of
//! slices pad with what comes next), in the data of views that several batches repeat, under nulls.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use arrow::array::{Array as _, ArrayData};
use arrow::datatypes::DataType;
use bytes::Bytes;
use lacuna_scan::ipc::decode::plain_buffer;
use lacuna_scan::ipc::frame::Message;
use lacuna_scan::ipc::message::Batch;
use lacuna_scan::ipc::reader::Rows;
use lacuna_scan::{Case, Matcher, Needles};

use super::gather::{Gathered, Rules, Taken, gather};
use crate::{Error, Result};

/// Shorter values would stand in any bytes.
const BYTES_MIN: usize = 4;

/// Up to so many values, an automaton finds all of them in one pass. For a crowd it would take more memory than a run may, and most of the
/// time of a purge; for hundreds of people it is the faster way.
const AUTOMATON_MAX: usize = 50_000;

/// A longer value gets an automaton of another kind, which answers more slowly: to make the usual one of a value that repeats itself takes
/// time that grows with the square of its length.
const QUICK_BYTES_MAX: usize = 256;

/// So many places are looked at before more bytes come near.
const PIECE: usize = 64 << 10;

/// Wanted values, as they would stand in bytes. Integers are none of them: their bytes stand anywhere.
#[derive(Debug)]
pub(super) enum Unseen<'m> {
    Nothing,
    Few(Box<AhoCorasick>),
    Many(Vec<Crowd<'m>>),
}

/// Many wanted values of one column.
#[derive(Debug)]
pub(super) struct Crowd<'m> {
    values: &'m Needles,
    lengths: BTreeSet<usize>,
    ignores_case: bool,
}

impl<'m> Unseen<'m> {
    pub(super) fn new(matcher: &'m Matcher) -> Result<Self> {
        let fields = || matcher.fields().iter().filter(|field| field.is_wanted());
        if fields().map(|field| field.texts().len() + field.bytes().len()).sum::<usize>() > AUTOMATON_MAX {
            let crowds = fields().flat_map(|field| {
                let ignores_case = field.case() == Case::Insensitive;
                [field.texts(), field.bytes()].map(|values| Crowd::new(values, ignores_case))
            });
            return Ok(Self::Many(crowds.collect()));
        }
        let values: Vec<&[u8]> = fields()
            .flat_map(|field| field.texts().iter().chain(field.bytes().iter()))
            .filter(|value| value.len() >= BYTES_MIN)
            .collect();
        if values.is_empty() {
            return Ok(Self::Nothing);
        }
        // Of a column in which case makes no difference, any spelling is one too many.
        let ignores_case = fields().any(|field| field.case() == Case::Insensitive);
        let mut builder = AhoCorasick::builder();
        if values.iter().any(|value| value.len() > QUICK_BYTES_MAX) {
            builder.kind(Some(AhoCorasickKind::ContiguousNFA));
        }
        let built = builder.match_kind(MatchKind::Standard).ascii_case_insensitive(ignores_case).build(values);
        Ok(Self::Few(Box::new(built.map_err(|_| Error::Unfaithful("too many values leave it at once".into()))?)))
    }

    /// Whether a wanted value stands in a batch's message beside its rows.
    pub(super) fn is_beside(&self, message: &Message, rows: &Rows) -> Result<bool> {
        if matches!(self, Self::Nothing) {
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
        match self {
            Self::Nothing => 0,
            Self::Few(values) => values.find_overlapping_iter(bytes).count(),
            Self::Many(crowds) => crowds.iter().map(|crowd| crowd.count(bytes)).sum(),
        }
    }
}

impl<'m> Crowd<'m> {
    fn new(values: &'m Needles, ignores_case: bool) -> Self {
        let lengths = values.iter().map(<[u8]>::len).filter(|length| *length >= BYTES_MIN).collect();
        Self { values, lengths, ignores_case }
    }

    /// How many of them stand in `bytes`. Each place is asked for each length: the sieve in front of the values answers almost always.
    fn count(&self, bytes: &[u8]) -> usize {
        let Some(longest) = self.lengths.last() else { return 0 };
        let mut count = 0;
        for start in (0..bytes.len()).step_by(PIECE) {
            let piece = &bytes[start..bytes.len().min(start + PIECE + longest - 1)];
            // Where case makes no difference, values are in lower case.
            let piece = if self.ignores_case { piece.to_ascii_lowercase().into() } else { Cow::Borrowed(piece) };
            for &length in &self.lengths {
                let places = piece.windows(length).take(PIECE);
                count += places.filter(|place| self.values.holds(place)).count();
            }
        }
        count
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use lacuna_scan::{Epochs, Field, Identifier, IdentifierRule, Kind, Mapping, Selector, TenantRule};

    use super::*;

    #[test]
    fn a_long_value_that_repeats_itself_is_found_in_time() {
        let value = "q".repeat(300_000);
        let field = Field::new("u".parse().unwrap(), Kind::new("user"));
        let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
        let one = Selector { tenant: None, identifiers: vec![Identifier::new("user", value.clone())] };
        let matcher = Matcher::new(&mapping, &[one], &Epochs::default()).unwrap();
        // As text and as bytes.
        assert_eq!(Unseen::new(&matcher).unwrap().count(format!("-{value}-{}", &value[1..]).as_bytes()), 2);
    }

    #[test]
    fn a_crowd_is_found_as_a_few_are() {
        let mut field = Field::new("u".parse().unwrap(), Kind::new("user"));
        for case in [Case::Sensitive, Case::Insensitive] {
            field.case = case;
            let mapping = Mapping { identifiers: vec![IdentifierRule::One(field.clone())], tenant: TenantRule::Single };
            let matcher = |count: usize| {
                let one =
                    |n| Selector { tenant: None, identifiers: vec![Identifier::new("user", format!("User-{n:07}"))] };
                let selectors: Vec<_> = (0..count).map(one).collect();
                Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap()
            };
            let (few, many) = (matcher(7), matcher(AUTOMATON_MAX + 7));
            let (few, many) = (Unseen::new(&few).unwrap(), Unseen::new(&many).unwrap());
            assert!(matches!(few, Unseen::Few(_)) && matches!(many, Unseen::Many(_)));
            // At the ends, across the pieces, and one that reaches into the next.
            let mut bytes = vec![b'-'; 2 * PIECE + 100];
            let places = [0, PIECE - 12, PIECE - 5, 2 * PIECE, bytes.len() - 12];
            for (n, at) in places.into_iter().enumerate().filter(|(n, _)| *n != 1) {
                bytes[at..at + 12].copy_from_slice(format!("User-{n:07}").as_bytes());
            }
            bytes[100..112].copy_from_slice(b"uSER-0000003");
            // As text and as bytes.
            let expected = 2 * if case == Case::Insensitive { 5 } else { 4 };
            assert_eq!((few.count(&bytes), many.count(&bytes)), (expected, expected), "{case:?}");
        }
    }
}
