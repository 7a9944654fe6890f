//! Bounds of pages that only a value explains which left other pages of the chunk.
//!
//! Some writers give each page the bounds of the whole chunk, and any may give wider ones than it has to. Where a value is no
//! row's any more, no bound may tell of it: not that of a page either which never held it.

use super::chunk::PagePlan;
use super::footer::malformed;
use super::index::PageBounds;
use super::order::{Order, Side, explains, origins};
use super::statistics::{Cause, Claims, Delta};
use super::strike::{Gone, Known, Values, cut_indices, header_statistics, indices};
use super::thrift::Struct;
use crate::Result;

/// Values that left pages of a chunk, and that its dictionary does not hold for other rows.
pub(super) struct Orphans<'a> {
    order: Order,
    /// Sorted as bytes, each once.
    values: Vec<&'a [u8]>,
}

impl<'a> Orphans<'a> {
    pub(super) fn new(order: Order, values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_unstable();
        values.dedup();
        Self { order, values }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How the best of the values explains a bound.
    pub(super) fn cause(&self, side: Side, bound: &[u8]) -> Cause {
        if self.values.binary_search(&bound).is_ok() {
            return Cause::Exact;
        }
        let is_origin = |start: &Vec<u8>| {
            let first = self.values.partition_point(|value| *value < start.as_slice());
            let near = self.values[first..].iter().take_while(|value| value.starts_with(start));
            near.into_iter().any(|value| explains(self.order, side, value, bound))
        };
        if origins(self.order, side, bound).iter().any(is_origin) { Cause::Shortened } else { Cause::None }
    }
}

/// What is said of a page whose bounds were loose.
pub(super) struct Tightened {
    /// The new `Statistics` in its header, if they change.
    pub(super) statistics: Option<Vec<u8>>,
    pub(super) bounds: Tight,
}

/// A page's bounds in the column index.
pub(super) enum Tight {
    Same,
    New(PageBounds),
    /// There are none to give.
    None,
}

impl Known<'_> {
    /// Makes those bounds of a page anew that `orphans` explain and no value of the page does; `bounds` are what the column index
    /// is to say so far. The page is unpacked only when there may be such a bound.
    pub(super) fn tighten(
        &self,
        plan: &PagePlan,
        bounds: Option<&PageBounds>,
        orphans: &Orphans<'_>,
    ) -> Result<Option<Tightened>> {
        let page = &plan.page;
        let broken = |broken| malformed(page.offset, broken);
        let gone = Gone::Elsewhere(orphans, self.job);
        let is_loose = |mut claims: Claims| {
            gone.show(&mut claims);
            claims.is_shaken(&Delta::default())
        };
        let statistics = match &plan.statistics {
            Some(bytes) => Some(Struct::whole(bytes).map_err(broken)?.into_owned()),
            None if page.has_statistics => {
                let header = self.job.input.read_at(page.offset..page.offset + page.header as u64)?;
                header_statistics(page, &header).map_err(broken)?
            }
            None => None,
        };
        let claims = |statistics: &Struct<'_>| Claims::of(Some(statistics), self.order).map_err(broken);
        let statistics = match statistics {
            Some(statistics) if is_loose(claims(&statistics)?) => Some(statistics),
            _ => None,
        };
        let bounds = bounds.filter(|bounds| is_loose(Claims::pair(&bounds.min, &bounds.max, self.order)));
        if statistics.is_none() && bounds.is_none() {
            return Ok(None);
        }
        let bytes = self.job.input.read_at(page.range())?;
        let unpacked = page.unpack(&bytes, &mut { self.codec }, self.job.column)?;
        let cut = self.cut(plan, &unpacked);
        let puts_blanks = cut.delta.blanks > 0;
        let (laid, kept);
        let values = match self.dictionary.filter(|_| page.is_dictionary_encoded()) {
            Some(dictionary) => {
                let indices = indices(page, &unpacked, dictionary.entries.len())?;
                kept = cut_indices(indices, &cut.gone, puts_blanks).0;
                Values::Indices(&dictionary.entries, &kept, self.blank)
            }
            None => {
                laid = self.lay(page, &unpacked)?.cut(&cut.gone, puts_blanks.then_some(self.blank)).0;
                Values::Laid(&laid)
            }
        };
        // What else changed in the page is said already.
        let delta = Delta::default();
        let statistics = match statistics {
            Some(statistics) => {
                let before = statistics.to_vec();
                Some(self.restated(statistics, &delta, &values, &gone).map_err(broken)?)
                    .filter(|after| *after != before)
            }
            None => None,
        };
        let bounds = match bounds.map(|old| (old, self.bounds(old, &delta, &values, &gone))) {
            None => Tight::Same,
            Some((_, None)) => Tight::None,
            Some((old, Some(new))) if new == *old => Tight::Same,
            Some((_, Some(new))) => Tight::New(new),
        };
        Ok(Some(Tightened { statistics, bounds }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::truncate;
    use super::*;

    #[test]
    fn bounds_are_traced_to_what_left() {
        let values: [&[u8]; 5] =
            [b"anna", b"zoe@example.com", "日本語日本語".as_bytes(), &[1, 0xff, 1], &[0x80, 0xff, 0xff, 7]];
        let orphans = Orphans::new(Order::Bytes, values.into_iter());
        for value in values {
            for side in [Side::Min, Side::Max] {
                assert_eq!(orphans.cause(side, value), Cause::Exact);
                for length in 1..value.len() {
                    let Some((bound, _)) = truncate(value, side, length) else { continue };
                    assert_eq!(orphans.cause(side, &bound), Cause::Shortened, "{value:?} {side:?} {length}");
                }
            }
        }
        for bound in [&b"annb"[..], b"anna@", b"z0", b"bob", b""] {
            for side in [Side::Min, Side::Max] {
                assert_eq!(orphans.cause(side, bound), Cause::None, "{bound:?} {side:?}");
            }
        }
        let zero = 0.0_f64.to_le_bytes();
        let orphans = Orphans::new(Order::Double, std::iter::once(&zero[..]));
        assert_eq!(orphans.cause(Side::Min, &(-0.0_f64).to_le_bytes()), Cause::Shortened);
        assert_eq!(orphans.cause(Side::Min, &1.0_f64.to_le_bytes()), Cause::None);
    }
}
