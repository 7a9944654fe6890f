//! A page with matched rows: what leaves it, and what is said of the rest.

use std::sync::atomic::{AtomicBool, Ordering};

use lacuna_scan::Error as ScanError;
use parquet::basic::Type;

use super::chunk::{Job, Made, PagePlan, UNUSED};
use super::codec::Codec;
use super::edit::{Cut, cut};
use super::footer::malformed;
use super::index::{PageBounds, PageChange};
use super::laid::{Entries, Laid, lay};
use super::loose::Orphans;
use super::order::{Extremes, Order};
use super::page::{Page, Unpacked};
use super::remake::{Remade, remake};
use super::statistics::{self, Bound, Cause, Claims, Delta};
use super::thrift::{Broken, Struct};
use super::values::decode_indices;
use crate::Result;

/// A chunk's dictionary, and which of its entries rows refer to that stay.
pub(super) struct Dictionary {
    pub(super) entries: Entries,
    pub(super) used: Vec<AtomicBool>,
}

impl Dictionary {
    pub(super) fn new(laid: Laid) -> Self {
        let used = std::iter::repeat_with(AtomicBool::default).take(laid.len()).collect();
        Self { entries: Entries::new(laid), used }
    }

    /// Notes that rows stay which use these entries.
    pub(super) fn mark(&self, indices: &[u32]) {
        for used in indices.iter().filter_map(|&index| self.used.get(index as usize)) {
            used.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn is_used(&self, index: usize) -> bool {
        self.used.get(index).is_some_and(|used| used.load(Ordering::Relaxed))
    }

    pub(super) fn are_used(&self, indices: &[u32]) -> bool {
        indices.iter().all(|&index| self.is_used(index as usize))
    }
}

/// Values of a page.
pub(super) enum Values<'a> {
    Laid(&'a Laid),
    /// By their index; [`UNUSED`] stands for the empty value.
    Indices(&'a Entries, &'a [u32], &'a [u8]),
}

impl Values<'_> {
    /// Shows them until `show` has seen enough.
    fn show(&self, mut show: impl FnMut(&[u8]) -> bool) {
        match self {
            Self::Laid(laid) => laid.iter().all(&mut show),
            Self::Indices(entries, indices, blank) => {
                indices.iter().all(|&index| show(if index == UNUSED { blank } else { entries.get(index as usize) }))
            }
        };
    }

    fn each(&self, mut see: impl FnMut(&[u8])) {
        self.show(|value| {
            see(value);
            true
        });
    }
}

/// Values that are not in a page, and may explain a bound of it.
pub(super) enum Gone<'a> {
    /// They left it.
    Here(&'a Values<'a>),
    /// They left pages of its chunk, or are unwanted whether a row had them or not.
    Elsewhere(&'a Orphans<'a>, Job<'a>),
}

impl Gone<'_> {
    pub(super) fn show(&self, claims: &mut Claims) {
        match self {
            Self::Here(values) => values.each(|value| claims.left(value)),
            Self::Elsewhere(orphans, job) => claims.left_by(|side, bound| match job.is_unwanted(bound) {
                true => Cause::Exact,
                false => orphans.cause(side, bound),
            }),
        }
    }
}

/// What left a page.
pub(super) enum Left {
    Values(Laid),
    /// Indices into the dictionary.
    Entries(Vec<u32>),
}

/// A page that matched rows have entries in.
pub(super) struct Struck {
    pub(super) delta: Delta,
    pub(super) left: Left,
    /// The new `Statistics` in its header.
    pub(super) statistics: Option<Vec<u8>>,
    /// The new bounds in the column index; `None` when there are none to give.
    pub(super) change: Option<PageChange>,
    /// The page as it is now, unless it waits for its dictionary or its turn.
    pub(super) made: Option<Made>,
}

/// What is known of the chunk.
pub(super) struct Known<'a> {
    pub(super) job: Job<'a>,
    pub(super) order: Order,
    pub(super) codec: Codec,
    pub(super) blank: &'a [u8],
    pub(super) dictionary: Option<&'a Dictionary>,
}

impl Known<'_> {
    /// Applies the job to the page, of which the column index says `bounds`. `None` when the matched rows had nothing there.
    pub(super) fn strike(&self, plan: &PagePlan, bounds: Option<&PageBounds>) -> Result<Option<Struck>> {
        let page = &plan.page;
        let bytes = self.job.input.read_at(page.range())?;
        // What the codec learns from the page holds for packing it again.
        let mut codec = self.codec;
        let unpacked = page.unpack(&bytes, &mut codec, self.job.column)?;
        let cut = self.cut(plan, &unpacked);
        if cut.delta.is_none() {
            if let Some(dictionary) = self.dictionary.filter(|_| page.is_dictionary_encoded()) {
                dictionary.mark(&indices(page, &unpacked, dictionary.entries.len())?);
            }
            return Ok(None);
        }
        if !page.is_dictionary_encoded() {
            let laid = self.lay(page, &unpacked)?;
            let put = (cut.delta.blanks > 0).then_some(self.blank);
            let (kept, left) = laid.cut(&cut.gone, put);
            let (values, leaving) = (Values::Laid(&kept), Values::Laid(&left));
            let mut struck = self.describe(page, &bytes, bounds, cut.delta, &values, &leaving)?;
            if !is_empty(page, &struck.delta) && self.job.may_make(page) {
                let encoded = kept.encode(page.encoding, self.job.column, self.job.limits)?;
                let remade = Remade {
                    levels: &cut.levels,
                    encoded: &encoded,
                    delta: &struck.delta,
                    statistics: struck.statistics.as_deref(),
                };
                let rows = plan.span.starts.saturating_add_signed(struck.delta.rows);
                struck.made = Some(remake(self.job.column, page, rows, &bytes, codec, &remade)?);
            }
            struck.left = Left::Values(left);
            return Ok(Some(struck));
        }
        let missing = || ScanError::malformed(page.offset, "a page refers to a dictionary that is not there");
        let dictionary = self.dictionary.ok_or_else(missing)?;
        let indices = indices(page, &unpacked, dictionary.entries.len())?;
        let (kept, left) = cut_indices(indices, &cut.gone, cut.delta.blanks > 0);
        dictionary.mark(&kept);
        let entries = &dictionary.entries;
        let (values, leaving) = (Values::Indices(entries, &kept, self.blank), Values::Indices(entries, &left, &[]));
        let mut struck = self.describe(page, &bytes, bounds, cut.delta, &values, &leaving)?;
        struck.left = Left::Entries(left);
        Ok(Some(struck))
    }

    pub(super) fn cut(&self, plan: &PagePlan, unpacked: &Unpacked) -> Cut {
        let Job { column, hits, fate, .. } = self.job;
        let max = (column.max_rep_level(), column.max_def_level());
        cut(&unpacked.levels, plan.page.count, plan.span, hits, fate, max)
    }

    pub(super) fn lay(&self, page: &Page, unpacked: &Unpacked) -> Result<Laid> {
        let Job { column, limits, .. } = self.job;
        lay(unpacked.encoded.clone(), page.encoding, unpacked.values, column, limits, page.offset)
    }

    /// Brings what is said of the page up to date: of its values some `left`.
    fn describe(
        &self,
        page: &Page,
        bytes: &[u8],
        bounds: Option<&PageBounds>,
        mut delta: Delta,
        values: &Values<'_>,
        left: &Values<'_>,
    ) -> Result<Struck> {
        complete(&mut delta, self.job.column.physical_type(), self.order, left, self.blank);
        let broken = |broken| malformed(page.offset, broken);
        let gone = Gone::Here(left);
        let statistics = match header_statistics(page, bytes).map_err(broken)? {
            Some(statistics) => Some(self.restated(statistics, &delta, values, &gone).map_err(broken)?),
            None => None,
        };
        let change = match bounds {
            _ if is_empty(page, &delta) => Some(PageChange::Gone),
            None => Some(PageChange::Same),
            Some(bounds) => self
                .bounds(bounds, &delta, values, &gone)
                .map(|bounds| PageChange::Changed { bounds, delta: delta.clone() }),
        };
        Ok(Struck { delta, left: Left::Entries(Vec::new()), statistics, change, made: None })
    }

    /// What became of `claims`; the values that stay are looked at only where that decides.
    fn judged(&self, mut claims: Claims, delta: &Delta, values: &Values<'_>, gone: &Gone<'_>) -> (Claims, Extremes) {
        let mut extremes = Extremes::new(self.order);
        gone.show(&mut claims);
        if claims.is_shaken(delta) {
            values.show(|value| {
                claims.stays(value);
                extremes.add(value);
                !claims.are_settled(delta)
            });
        }
        (claims, extremes)
    }

    /// A page's bounds in the column index; `None` when there are none to give.
    pub(super) fn bounds(
        &self,
        old: &PageBounds,
        delta: &Delta,
        values: &Values<'_>,
        gone: &Gone<'_>,
    ) -> Option<PageBounds> {
        let mut has_values = false;
        values.show(|_| {
            has_values = true;
            false
        });
        if !has_values {
            return Some(PageBounds { is_null: true, min: Vec::new(), max: Vec::new() });
        }
        let mut claims = Claims::pair(&old.min, &old.max, self.order);
        if old.is_null {
            // Some writers say so of pages that hold values.
            claims.discard();
        }
        let (claims, extremes) = self.judged(claims, delta, values, gone);
        let mut bounds = PageBounds { is_null: false, min: Vec::new(), max: Vec::new() };
        let sides = [(&mut bounds.min, &old.min), (&mut bounds.max, &old.max)];
        for ((new, old), bound) in
            sides.into_iter().zip(claims.judge(&extremes, delta, |bound| self.job.is_unwanted(bound)))
        {
            *new = match bound {
                Bound::Same => old.clone(),
                Bound::New { bound, .. } => bound,
                Bound::None => return None,
            };
        }
        Some(bounds)
    }

    /// The statistics of a page, brought up to date.
    pub(super) fn restated(
        &self,
        mut statistics: Struct<'_>,
        delta: &Delta,
        values: &Values<'_>,
        gone: &Gone<'_>,
    ) -> std::result::Result<Vec<u8>, Broken> {
        let claims = Claims::of(Some(&statistics), self.order)?;
        let (claims, extremes) = self.judged(claims, delta, values, gone);
        statistics::update(&mut statistics, &claims, &extremes, delta, |bound| self.job.is_unwanted(bound))?;
        Ok(statistics.to_vec())
    }
}

/// The statistics in a data page's `header`, if it has any.
pub(super) fn header_statistics(page: &Page, header: &[u8]) -> std::result::Result<Option<Struct<'static>>, Broken> {
    let (part, id) = page.statistics_at();
    let header = Struct::read(header)?.0;
    let Some(inner) = header.inner(part)? else { return Ok(None) };
    Ok(inner.inner(id)?.map(Struct::into_owned))
}

/// Whether a page has no entries left.
pub(super) fn is_empty(page: &Page, delta: &Delta) -> bool {
    (page.count as u64).saturating_add_signed(delta.entries) == 0
}

/// The indices of a page into a dictionary of `entries`.
pub(super) fn indices(page: &Page, unpacked: &Unpacked, entries: usize) -> Result<Vec<u32>> {
    decode_indices(&unpacked.encoded, unpacked.values, entries, page.offset)
}

/// The indices without those at `gone`, or with [`UNUSED`] in their place; and those.
pub(super) fn cut_indices(mut indices: Vec<u32>, gone: &[usize], keeps_places: bool) -> (Vec<u32>, Vec<u32>) {
    let left: Vec<u32> = gone.iter().filter_map(|&at| indices.get(at).copied()).collect();
    if keeps_places {
        gone.iter().for_each(|&at| indices[at] = UNUSED);
        return (indices, left);
    }
    let mut kept = Vec::with_capacity(indices.len());
    let mut copied = 0;
    for &at in gone {
        kept.extend_from_slice(&indices[copied..at]);
        copied = at + 1;
    }
    kept.extend_from_slice(&indices[copied..]);
    (kept, left)
}

/// Adds to `delta` what only the values tell.
fn complete(delta: &mut Delta, physical: Type, order: Order, left: &Values<'_>, blank: &[u8]) {
    left.each(|value| {
        delta.nans -= i64::from(order.is_nan(value));
        if physical == Type::BYTE_ARRAY {
            delta.bytes -= value.len() as i64;
        }
    });
    if physical == Type::BYTE_ARRAY {
        delta.bytes += delta.blanks.cast_signed() * blank.len() as i64;
    }
}
