//! Statistics of chunks and pages after rows have left: what the values that stay explain is kept as it is, and what only a
//! value that left explains is replaced.

use super::order::{Extremes, Order, Side, explains, truncate};
use super::thrift::{Broken, Struct};

/// `Statistics`.
pub(super) mod field {
    pub(crate) const MAX_DEPRECATED: i16 = 1;
    pub(crate) const MIN_DEPRECATED: i16 = 2;
    pub(crate) const NULL_COUNT: i16 = 3;
    pub(crate) const DISTINCT_COUNT: i16 = 4;
    pub(crate) const MAX: i16 = 5;
    pub(crate) const MIN: i16 = 6;
    pub(crate) const IS_MAX_EXACT: i16 = 7;
    pub(crate) const IS_MIN_EXACT: i16 = 8;
    pub(crate) const NAN_COUNT: i16 = 9;
}

/// The fields that hold a bound.
pub(super) const BOUNDS: [(i16, Side); 4] = [
    (field::MAX_DEPRECATED, Side::Max),
    (field::MIN_DEPRECATED, Side::Min),
    (field::MAX, Side::Max),
    (field::MIN, Side::Min),
];

/// A bound that new statistics spell out up to this length, or up to the length of the one that it replaces.
const BOUND_LENGTH: usize = 64;

/// How a page or a chunk changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    /// Entries (values and nulls) more than before.
    pub(super) entries: i64,
    /// Rows more than before.
    pub(super) rows: i64,
    /// Nulls more than before.
    pub(super) nulls: i64,
    /// Values that are not numbers, more than before.
    pub(super) nans: i64,
    /// Bytes of byte arrays more than before.
    pub(super) bytes: i64,
    /// Values that left.
    pub(super) left: u64,
    /// Empty values that stand where others were.
    pub(super) blanks: u64,
    /// Entries of each repetition level more than before.
    pub(super) repetition: Vec<i64>,
    /// Entries of each definition level more than before.
    pub(super) definition: Vec<i64>,
}

impl Delta {
    pub(super) fn new(max_repetition: i16, max_definition: i16) -> Self {
        let zeros = |max: i16| vec![0; usize::from(max.unsigned_abs()) + 1];
        Self { repetition: zeros(max_repetition), definition: zeros(max_definition), ..Self::default() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.nans += other.nans;
        self.bytes += other.bytes;
        self.left += other.left;
        self.blanks += other.blanks;
        for (levels, others) in [(&mut self.repetition, &other.repetition), (&mut self.definition, &other.definition)] {
            levels.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
    }

    /// Whether nothing changed.
    pub(super) fn is_none(&self) -> bool {
        self.entries == 0 && self.left == 0 && self.blanks == 0
    }
}

/// Bounds that the file claims, and which values explain them.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    order: Order,
    claims: Vec<Claim>,
    is_discarded: bool,
}

#[derive(Clone, Debug)]
struct Claim {
    side: Side,
    bound: Vec<u8>,
    stays: Cause,
    left: Cause,
}

/// How the best of some values explains a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    #[default]
    None,
    /// Shortened, a value would be the bound.
    Shortened,
    /// A value is the bound.
    Exact,
}

impl Claim {
    fn new(side: Side, bound: &[u8]) -> Self {
        Self { side, bound: bound.to_vec(), stays: Cause::None, left: Cause::None }
    }

    fn cause(&self, order: Order, value: &[u8]) -> Cause {
        match explains(order, self.side, value, &self.bound) {
            true if value == self.bound => Cause::Exact,
            true => Cause::Shortened,
            false => Cause::None,
        }
    }
}

impl Claims {
    /// The claims of a `Statistics` struct, in the order of [`BOUNDS`].
    pub(super) fn of(statistics: Option<&Struct<'_>>, order: Order) -> Result<Self, Broken> {
        let mut claims = Vec::new();
        if let Some(statistics) = statistics {
            for (id, side) in BOUNDS {
                if let Some(bound) = statistics.binary(id)? {
                    claims.push(Claim::new(side, bound));
                }
            }
        }
        Ok(Self { order, claims, is_discarded: false })
    }

    /// The claims of a page in a column index: minimum, then maximum.
    pub(super) fn pair(min: &[u8], max: &[u8], order: Order) -> Self {
        Self { order, claims: vec![Claim::new(Side::Min, min), Claim::new(Side::Max, max)], is_discarded: false }
    }

    /// Makes all bounds ones that have to be made anew.
    pub(super) fn discard(&mut self) {
        self.is_discarded = true;
    }

    /// Whether a bound may not hold any more, so that the values that stay must be looked at.
    pub(super) fn is_shaken(&self, delta: &Delta) -> bool {
        let is_explained = |claim: &Claim| claim.left > Cause::None;
        !self.claims.is_empty() && (self.is_discarded || delta.blanks > 0 || self.claims.iter().any(is_explained))
    }

    /// Whether all bounds hold, whatever other values stay.
    pub(super) fn are_settled(&self, delta: &Delta) -> bool {
        !self.is_discarded && delta.blanks == 0 && self.claims.iter().all(|claim| claim.stays >= claim.left)
    }

    pub(super) fn stays(&mut self, value: &[u8]) {
        for claim in &mut self.claims {
            if claim.stays != Cause::Exact {
                claim.stays = claim.stays.max(claim.cause(self.order, value));
            }
        }
    }

    pub(super) fn left(&mut self, value: &[u8]) {
        for claim in &mut self.claims {
            claim.left = claim.left.max(claim.cause(self.order, value));
        }
    }

    /// Notes how values that left may explain a bound: `cause` says it of each.
    pub(super) fn left_by(&mut self, cause: impl Fn(Side, &[u8]) -> Cause) {
        for claim in &mut self.claims {
            claim.left = claim.left.max(cause(claim.side, &claim.bound));
        }
    }

    /// What becomes of each claim. No new bound is a value that `is_unwanted`, unless it is that of a row.
    pub(super) fn judge(
        &self,
        extremes: &Extremes,
        delta: &Delta,
        is_unwanted: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = Bound> {
        self.claims.iter().map(move |claim| {
            let extreme = extremes.get(claim.side);
            let holds = if self.is_discarded {
                false
            } else if delta.blanks > 0 {
                extreme == Some(&claim.bound)
            } else {
                // What nothing explains was a loose bound, and it still is one. If a value explains it that left another page,
                // `tighten` makes it anew.
                claim.stays >= claim.left
            };
            if holds {
                return Bound::Same;
            }
            let length = if self.order.may_truncate() { claim.bound.len().max(BOUND_LENGTH) } else { usize::MAX };
            match extreme.and_then(|extreme| truncate(extreme, claim.side, length)) {
                // What was cut may happen to be the value of rows that left.
                Some((bound, false)) if is_unwanted(&bound) => {
                    extreme.map_or(Bound::None, |whole| Bound::New { bound: whole.to_vec(), is_exact: true })
                }
                Some((bound, is_exact)) => Bound::New { bound, is_exact },
                None => Bound::None,
            }
        })
    }
}

/// What becomes of a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Same,
    New { bound: Vec<u8>, is_exact: bool },
    None,
}

/// Brings a `Statistics` struct, of which `claims` are the bounds, up to date.
pub(super) fn update(
    statistics: &mut Struct<'_>,
    claims: &Claims,
    extremes: &Extremes,
    delta: &Delta,
    is_unwanted: impl Fn(&[u8]) -> bool,
) -> Result<(), Broken> {
    let present: Vec<_> = BOUNDS.into_iter().filter(|&(id, _)| statistics.has(id)).collect();
    for ((id, side), bound) in present.into_iter().zip(claims.judge(extremes, delta, is_unwanted)) {
        let is_deprecated = matches!(id, field::MAX_DEPRECATED | field::MIN_DEPRECATED);
        let flag = if side == Side::Max { field::IS_MAX_EXACT } else { field::IS_MIN_EXACT };
        match bound {
            Bound::Same => {}
            Bound::New { bound, .. } if is_deprecated && extremes.order().is_signed() => {
                statistics.set_binary(id, &bound);
            }
            Bound::New { .. } | Bound::None if is_deprecated => statistics.remove(id),
            Bound::New { bound, is_exact } => {
                statistics.set_binary(id, &bound);
                if !is_exact || statistics.has(flag) {
                    statistics.set_bool(flag, is_exact);
                }
            }
            Bound::None => {
                statistics.remove(id);
                statistics.remove(flag);
            }
        }
    }
    for (id, change) in [(field::NULL_COUNT, delta.nulls), (field::NAN_COUNT, delta.nans)] {
        if let Some(count) = statistics.int(id)? {
            statistics.set_i64(id, count.saturating_add(change).max(0));
        }
    }
    if delta.left > 0 || delta.blanks > 0 {
        statistics.remove(field::DISTINCT_COUNT);
    }
    // What is not known cannot be brought up to date.
    statistics.retain(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    Ok(())
}
