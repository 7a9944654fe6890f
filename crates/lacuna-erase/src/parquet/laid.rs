//! The values of a page or dictionary, one behind the other in plain encoding: some are cut out, and none becomes an object.

use bytes::Bytes;
use lacuna_scan::{Error as ScanError, Limits};
use parquet::basic::{Encoding, Type};
use parquet::data_type::Int64Type;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use super::spare;
use super::values::{decode, encode, plain, with_type};
use crate::Result;

/// How values lie behind each other. Truth values take a byte each: only here, for Parquet packs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Fixed(usize),
    /// Each behind its length, a 32-bit number.
    Prefixed,
}

/// The bytes of a length.
const PREFIX: usize = 4;

impl Layout {
    fn of(column: &ColumnDescriptor) -> Self {
        match column.physical_type() {
            Type::BOOLEAN => Self::Fixed(1),
            Type::INT32 | Type::FLOAT => Self::Fixed(4),
            Type::INT64 | Type::DOUBLE => Self::Fixed(8),
            Type::INT96 => Self::Fixed(12),
            Type::FIXED_LEN_BYTE_ARRAY => Self::Fixed(usize::try_from(column.type_length()).unwrap_or(0)),
            Type::BYTE_ARRAY => Self::Prefixed,
        }
    }

    /// Where the value that starts at `at` of `bytes` ends; `None` when they end before it.
    fn end(self, bytes: &[u8], at: usize) -> Option<usize> {
        let end = match self {
            Self::Fixed(width) => at.checked_add(width)?,
            Self::Prefixed => {
                let length = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
                at.checked_add(PREFIX)?.checked_add(length as usize)?
            }
        };
        (end <= bytes.len()).then_some(end)
    }

    /// A value without its length.
    fn value(self, with_length: &[u8]) -> &[u8] {
        match self {
            Self::Fixed(_) => with_length,
            Self::Prefixed => with_length.get(PREFIX..).unwrap_or_default(),
        }
    }
}

/// Values one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Laid {
    layout: Layout,
    count: usize,
    bytes: Bytes,
}

/// Takes `count` values out of `encoded`, which belong to the page at `offset`.
pub(super) fn lay(
    encoded: Bytes,
    encoding: Encoding,
    count: usize,
    column: &ColumnDescPtr,
    limits: &Limits,
    offset: u64,
) -> Result<Laid> {
    let layout = Layout::of(column);
    if encoding == Encoding::PLAIN && column.physical_type() != Type::BOOLEAN {
        let short = || ScanError::malformed(offset, "a page holds fewer values than its header says");
        let end = match layout {
            Layout::Fixed(width) => width.checked_mul(count).filter(|&end| end <= encoded.len()),
            Layout::Prefixed => (0..count).try_fold(0, |at, _| layout.end(&encoded, at)),
        };
        return Ok(Laid { layout, count, bytes: encoded.slice(..end.ok_or_else(short)?) });
    }
    let mut laid = Laying::new(layout, 0);
    if encoding == Encoding::DELTA_BINARY_PACKED && column.physical_type() == Type::INT32 {
        // Some writers reckon with 64 bits. Sums of differences have the same lowest 32 bits either way.
        let wide = decode::<Int64Type>(encoded, encoding, count, column, limits, offset)?;
        wide.iter().for_each(|wide| laid.push(&wide.to_le_bytes()[..4]));
        return Ok(laid.finish());
    }
    with_type!(column.physical_type(), T => {
        let values = decode::<T>(encoded, encoding, count, column, limits, offset)?;
        values.iter().for_each(|value| laid.push(plain(value)));
    });
    Ok(laid.finish())
}

impl Laid {
    /// These values of the column, which are given without their lengths.
    pub(super) fn of<'v>(column: &ColumnDescriptor, values: impl IntoIterator<Item = &'v [u8]>) -> Self {
        let mut laid = Laying::new(Layout::of(column), 0);
        values.into_iter().for_each(|value| laid.push(value));
        laid.finish()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The values, without their lengths.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        (0..self.count).map_while(move |_| {
            let start = at;
            at = self.layout.end(&self.bytes, at)?;
            Some(self.layout.value(&self.bytes[start..at]))
        })
    }

    /// All values as they lie here: the same bytes are the same values in the same order.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The values without those at `gone`, which ascend; and those. With `put`, this value takes the place of each.
    pub(super) fn cut(&self, gone: &[usize], put: Option<&[u8]>) -> (Self, Self) {
        let (mut kept, mut left) = (Laying::new(self.layout, self.bytes.len()), Laying::new(self.layout, 0));
        let (mut at, mut ordinal, mut copied) = (0, 0, 0);
        for &wanted in gone {
            at = match self.layout {
                Layout::Fixed(width) => wanted * width,
                Layout::Prefixed => (ordinal..wanted).fold(at, |at, _| self.end(at)),
            };
            let end = self.end(at);
            kept.append(&self.bytes[copied..at], wanted - ordinal);
            if let Some(put) = put {
                kept.push(put);
            }
            left.append(&self.bytes[at..end], 1);
            (at, copied, ordinal) = (end, end, wanted + 1);
        }
        kept.append(&self.bytes[copied..], self.count.saturating_sub(ordinal));
        (kept.finish(), left.finish())
    }

    /// The values at which `keep` holds, and `more` behind them.
    pub(super) fn select(&self, mut keep: impl FnMut(usize) -> bool, more: Option<&[u8]>) -> Self {
        let mut kept = Laying::new(self.layout, self.bytes.len());
        let mut run: Option<(usize, usize)> = None;
        let mut at = 0;
        for ordinal in 0..self.count {
            let end = self.end(at);
            run = match (keep(ordinal), run) {
                (true, None) => Some((at, 1)),
                (true, Some((start, count))) => Some((start, count + 1)),
                (false, None) => None,
                (false, Some((start, count))) => {
                    kept.append(&self.bytes[start..at], count);
                    None
                }
            };
            at = end;
        }
        if let Some((start, count)) = run {
            kept.append(&self.bytes[start..at], count);
        }
        if let Some(more) = more {
            kept.push(more);
        }
        kept.finish()
    }

    /// Where the value at `at` ends; the layout was checked when the values were laid.
    fn end(&self, at: usize) -> usize {
        self.layout.end(&self.bytes, at).unwrap_or(self.bytes.len())
    }

    /// The values in `encoding`.
    pub(super) fn encode(self, encoding: Encoding, column: &ColumnDescPtr, limits: &Limits) -> Result<Bytes> {
        let is_packed = column.physical_type() == Type::BOOLEAN;
        let plain = if is_packed { pack_bits(&self.bytes) } else { self.bytes };
        if encoding == Encoding::PLAIN {
            return Ok(plain);
        }
        with_type!(column.physical_type(), T => {
            let values = decode::<T>(plain, Encoding::PLAIN, self.count, column, limits, 0)?;
            encode::<T>(&values, encoding, column)
        })
    }
}

/// Truth values as Parquet packs them, the first in the lowest bit.
fn pack_bits(bytes: &[u8]) -> Bytes {
    let pack = |bytes: &[u8]| bytes.iter().rev().fold(0, |packed, &byte| packed << 1 | u8::from(byte != 0));
    bytes.chunks(8).map(pack).collect::<Vec<u8>>().into()
}

/// The value that stands for an erased one where there can be no null: zero, false, the empty string, zero bytes.
pub(super) fn blank(column: &ColumnDescriptor) -> Vec<u8> {
    match Layout::of(column) {
        Layout::Fixed(width) => vec![0; width],
        Layout::Prefixed => Vec::new(),
    }
}

/// Values that are being laid.
struct Laying {
    layout: Layout,
    count: usize,
    bytes: Vec<u8>,
}

impl Laying {
    fn new(layout: Layout, capacity: usize) -> Self {
        Self { layout, count: 0, bytes: spare::take(capacity) }
    }

    fn push(&mut self, value: &[u8]) {
        if self.layout == Layout::Prefixed {
            // A value came with a 32-bit length.
            #[expect(clippy::cast_possible_truncation, reason = "a value came with a 32-bit length")]
            self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        }
        self.bytes.extend_from_slice(value);
        self.count += 1;
    }

    /// Appends `count` values that lie as these do.
    fn append(&mut self, laid: &[u8], count: usize) {
        self.bytes.extend_from_slice(laid);
        self.count += count;
    }

    fn finish(self) -> Laid {
        Laid { layout: self.layout, count: self.count, bytes: spare::bytes(self.bytes) }
    }
}

/// Values that are reached by their ordinal: those of a dictionary.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) laid: Laid,
    /// Where each value starts, where they have different lengths; and where the last one ends.
    starts: Vec<usize>,
}

impl Entries {
    pub(super) fn new(laid: Laid) -> Self {
        let mut starts = Vec::new();
        if laid.layout == Layout::Prefixed {
            starts.reserve_exact(laid.count + 1);
            starts.push(0);
            starts.extend((0..laid.count).scan(0, |at, _| {
                *at = laid.end(*at);
                Some(*at)
            }));
        }
        Self { laid, starts }
    }

    pub(super) fn len(&self) -> usize {
        self.laid.count
    }

    /// The values at these ordinals, and `more` behind them.
    pub(super) fn arrange(&self, order: &[u32], more: Option<&[u8]>) -> Laid {
        let mut arranged = Laying::new(self.laid.layout, self.laid.bytes.len());
        for run in order.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
            let (Some(&first), Some(&last)) = (run.first(), run.last()) else { continue };
            arranged.append(&self.laid.bytes[self.place(first).start..self.place(last).end], run.len());
        }
        if let Some(more) = more {
            arranged.push(more);
        }
        arranged.finish()
    }

    /// Where the value at `ordinal`, of which there is one, lies.
    fn place(&self, ordinal: u32) -> std::ops::Range<usize> {
        let ordinal = ordinal as usize;
        match self.laid.layout {
            Layout::Fixed(width) => ordinal * width..(ordinal + 1) * width,
            Layout::Prefixed => self.starts[ordinal]..self.starts[ordinal + 1],
        }
    }

    /// The value at `ordinal`, without its length; nothing when there is none.
    pub(super) fn get(&self, ordinal: usize) -> &[u8] {
        let range = match self.laid.layout {
            Layout::Fixed(width) => ordinal * width..(ordinal + 1) * width,
            Layout::Prefixed => match self.starts.get(ordinal..ordinal + 2) {
                Some(&[start, end]) => start..end,
                _ => return &[],
            },
        };
        self.laid.bytes.get(range).map(|value| self.laid.layout.value(value)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(layout: Layout, values: &[&[u8]]) -> Laid {
        let mut laid = Laying::new(layout, 0);
        values.iter().for_each(|value| laid.push(value));
        laid.finish()
    }

    fn values(laid: &Laid) -> Vec<&[u8]> {
        laid.iter().collect()
    }

    #[test]
    fn values_are_cut_out_wherever_they_lie() {
        let words: [&[u8]; 5] = [b"a", b"", b"ccc", b"dd", b"e"];
        let numbers: [&[u8]; 5] = [b"aa", b"bb", b"cc", b"dd", b"ee"];
        for (layout, all) in [(Layout::Prefixed, words), (Layout::Fixed(2), numbers)] {
            let whole = laid(layout, &all);
            for gone in [vec![], vec![0], vec![4], vec![1, 2], vec![0, 2, 4], vec![0, 1, 2, 3, 4]] {
                let stays: Vec<&[u8]> = (0..5).filter(|at| !gone.contains(at)).map(|at| all[at]).collect();
                let (kept, left) = whole.cut(&gone, None);
                assert_eq!((values(&kept), kept.len()), (stays.clone(), stays.len()));
                assert_eq!(values(&left), gone.iter().map(|&at| all[at]).collect::<Vec<_>>());
                assert_eq!(values(&whole.select(|at| !gone.contains(&at), None)), stays);
                let put: Vec<&[u8]> = (0..5).map(|at| if gone.contains(&at) { b"--" } else { all[at] }).collect();
                assert_eq!(values(&whole.cut(&gone, Some(b"--")).0), put);
            }
            let entries = Entries::new(whole.select(|_| true, Some(b"zz")));
            assert_eq!((entries.len(), entries.get(2), entries.get(5)), (6, all[2], &b"zz"[..]));
            assert_eq!(entries.get(6), b"");
            for order in [vec![], vec![0, 1, 2, 3, 4], vec![0, 4, 2, 3], vec![4, 0]] {
                let mut arranged: Vec<&[u8]> = order.iter().map(|&at| all[at as usize]).collect();
                assert_eq!(values(&entries.arrange(&order, None)), arranged);
                arranged.push(b"yy");
                assert_eq!(values(&entries.arrange(&order, Some(b"yy"))), arranged);
            }
        }
    }

    #[test]
    fn truth_is_packed() {
        let bytes: Vec<u8> = [1, 0, 0, 1, 0, 0, 0, 0, 1].to_vec();
        assert_eq!(pack_bits(&bytes), [0b1001, 1].as_slice());
    }
}
