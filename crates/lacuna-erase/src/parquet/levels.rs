//! Repetition and definition levels, and which level entries belong to matched rows.

use bytes::Bytes;
use lacuna_scan::Error;
use parquet::basic::Encoding;
use parquet::encodings::levels::LevelEncoder;
use parquet::encodings::rle::RleDecoder;

use crate::Result;

/// The levels of one page: an entry for each value or null. A list is empty where the column has no such levels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Levels {
    pub(super) repetition: Vec<i16>,
    pub(super) definition: Vec<i16>,
}

/// How many bits a level up to `max` takes.
fn bit_width(max: i16) -> u8 {
    // At most 16 bits.
    (i16::BITS - max.leading_zeros()).to_le_bytes()[0]
}

/// Takes the levels in front of `body`, a data page of version 1, off.
pub(super) fn read_v1(body: &mut Bytes, encoding: Encoding, max: i16, count: usize, offset: u64) -> Result<Vec<i16>> {
    if max == 0 {
        return Ok(Vec::new());
    }
    if encoding != Encoding::RLE {
        return Err(Error::Unsupported { what: "levels in the deprecated encoding BIT_PACKED".into() }.into());
    }
    let short = || Error::malformed(offset, "the levels end too early");
    let length = body.first_chunk().map(|length| u32::from_le_bytes(*length)).ok_or_else(short)? as usize;
    if body.len() - 4 < length {
        return Err(short().into());
    }
    let levels = read(body.slice(4..4 + length), max, count, offset)?;
    *body = body.slice(4 + length..);
    Ok(levels)
}

/// Reads `count` levels up to `max`.
pub(super) fn read(bytes: Bytes, max: i16, count: usize, offset: u64) -> Result<Vec<i16>> {
    if max == 0 {
        return Ok(Vec::new());
    }
    let short = || Error::malformed(offset, "the levels end too early");
    let mut levels = vec![0; count];
    let mut decoder = RleDecoder::new(bit_width(max));
    decoder.set_data(bytes).map_err(|_| short())?;
    if decoder.get_batch(&mut levels).map_err(|_| short())? != count {
        return Err(short().into());
    }
    if levels.iter().any(|level| !(0..=max).contains(level)) {
        return Err(Error::malformed(offset, "a level is higher than the schema allows").into());
    }
    Ok(levels)
}

/// Writes levels up to `max` as a data page of version 1 (`length_first`) or 2 holds them.
pub(super) fn write(levels: &[i16], max: i16, length_first: bool) -> Vec<u8> {
    if max == 0 {
        return Vec::new();
    }
    let mut encoder = if length_first { LevelEncoder::v1_streaming(max) } else { LevelEncoder::v2_streaming(max) };
    encoder.put_with_observer(levels, |_, _| {});
    encoder.consume()
}

/// Where a page's rows lie among those of its row group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RowSpan {
    /// How many rows start before the page.
    pub(super) before: u64,
    /// How many rows start in it.
    pub(super) starts: u64,
    /// Whether its first entries belong to the row that started last before it.
    pub(super) continues: bool,
}

impl RowSpan {
    /// The span of a page with `count` entries and these repetition levels.
    pub(super) fn new(before: u64, count: usize, repetition: &[i16]) -> Self {
        match repetition.first() {
            None => Self { before, starts: count as u64, continues: false },
            Some(&first) => {
                let starts = repetition.iter().filter(|&&level| level == 0).count() as u64;
                Self { before, starts, continues: first != 0 }
            }
        }
    }

    /// The rows that have an entry in the page.
    fn rows(self) -> std::ops::Range<u64> {
        self.before.saturating_sub(self.continues.into())..self.before + self.starts
    }

    /// Whether one of the sorted `hits` has an entry in the page.
    pub(super) fn is_hit(self, hits: &[u64]) -> bool {
        let rows = self.rows();
        hits.get(hits.partition_point(|&hit| hit < rows.start)).is_some_and(|&hit| hit < rows.end)
    }

    /// Which entries the sorted `hits` have in a page whose every row is one entry.
    pub(super) fn entries(self, hits: &[u64]) -> impl Iterator<Item = usize> {
        let rows = self.rows();
        let hits = &hits[hits.partition_point(|&hit| hit < rows.start)..];
        let hits = &hits[..hits.partition_point(|&hit| hit < rows.end)];
        hits.iter().map_while(move |hit| usize::try_from(hit - rows.start).ok())
    }

    /// Which of the page's `count` entries belong to one of the sorted `hits`.
    pub(super) fn mask(self, count: usize, repetition: &[i16], hits: &[u64]) -> Vec<bool> {
        let rows = self.rows();
        let hits = &hits[hits.partition_point(|&hit| hit < rows.start)..];
        let hits = &hits[..hits.partition_point(|&hit| hit < rows.end)];
        let mut mask = vec![false; count];
        if repetition.is_empty() {
            for hit in hits {
                if let Ok(at) = usize::try_from(hit - rows.start) {
                    mask[at] = true;
                }
            }
            return mask;
        }
        let mut hits = hits.iter().peekable();
        // The row that the entry before belongs to, counted from 1 so that "none yet" has a number too.
        let mut row = rows.start + u64::from(self.continues);
        for (entry, &level) in mask.iter_mut().zip(repetition) {
            row += u64::from(level == 0);
            while hits.next_if(|&&hit| hit + 1 < row).is_some() {}
            *entry = hits.peek().is_some_and(|&&hit| hit + 1 == row);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_back() {
        let levels: Vec<i16> = (0..1000).map(|at| at % 4).collect();
        for length_first in [true, false] {
            let mut bytes = Bytes::from(write(&levels, 3, length_first));
            let read = if length_first {
                read_v1(&mut bytes, Encoding::RLE, 3, 1000, 0)
            } else {
                read(bytes.clone(), 3, 1000, 0)
            };
            assert_eq!(read.unwrap(), levels);
            assert!(!length_first || bytes.is_empty());
        }
        assert!(read(Bytes::from(write(&levels, 3, false)), 2, 1000, 0).is_err());
        assert!(read(Bytes::from(write(&levels, 3, false)), 3, 2000, 0).is_err());
        assert!(read(Bytes::new(), 1, 1, 0).is_err());
    }

    #[test]
    fn entries_belong_to_rows() {
        let flat = RowSpan::new(10, 4, &[]);
        assert_eq!(flat.mask(4, &[], &[1, 10, 12, 14]), [true, false, true, false]);
        assert!(flat.is_hit(&[13]) && !flat.is_hit(&[9, 14]));

        // A page that starts in the middle of row 9.
        let repetition = [1, 0, 1, 1, 0];
        let nested = RowSpan::new(10, 5, &repetition);
        assert_eq!(nested, RowSpan { before: 10, starts: 2, continues: true });
        assert_eq!(nested.mask(5, &repetition, &[9, 11]), [true, false, false, false, true]);
        assert_eq!(nested.mask(5, &repetition, &[10]), [false, true, true, true, false]);
        assert!(nested.is_hit(&[9]) && !nested.is_hit(&[8, 12]));

        let repetition = [0, 1, 0];
        let first = RowSpan::new(0, 3, &repetition);
        assert_eq!(first.mask(3, &repetition, &[0]), [true, true, false]);
    }
}
