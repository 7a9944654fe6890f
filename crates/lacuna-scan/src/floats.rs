//! Floating-point numbers as identifiers, as pandas writes integers beside missing values.
//!
//! Below 2^53 (2^24 in single precision) each integer has a float that no other is rounded to, and is told by it. A number beyond, or with
//! a fraction, may share its float with others: where a column holds that, nobody can tell whose it is.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use crate::SelectorIndex;
use crate::integers::Integers;
use crate::number::Number;

/// Integers nearer to zero than this have a float of their own.
const SINGLE_END: u128 = 1 << f32::MANTISSA_DIGITS;
const DOUBLE_END: u128 = 1 << f64::MANTISSA_DIGITS;

/// The bits of a float, the same ones for both zeros.
#[inline]
pub(crate) fn bits(float: f64) -> u64 {
    (float + 0.0).to_bits()
}

/// Floats to look for, each with the selectors that look for it. Singles are looked for as the doubles that they equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floats(Integers);

impl Floats {
    /// Those of `ints` that have a float of their own.
    pub(crate) fn of(ints: &Integers) -> Self {
        let mut floats = Integers::default();
        for int in ints.iter().filter(|int| int.unsigned_abs() < DOUBLE_END) {
            for &selector in ints.owners(int) {
                floats.insert(bits(int as f64).into(), selector);
            }
        }
        floats.seal();
        Self(floats)
    }

    /// The floats with these [`bits`], for one selector.
    pub(crate) fn of_bits(all: impl Iterator<Item = u64>, selector: SelectorIndex) -> Self {
        let mut floats = Integers::default();
        all.for_each(|bits| floats.insert(bits.into(), selector));
        floats.seal();
        Self(floats)
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who looks for `float`.
    #[inline]
    pub(crate) fn owners(&self, float: f64) -> &[SelectorIndex] {
        self.0.owners(bits(float).into())
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> {
        self.0.iter().filter_map(|bits| u64::try_from(bits).ok()).map(f64::from_bits)
    }
}

/// Floats that may stand for a wanted number, or for another one: by [`bits`].
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    singles: HashSet<u64, FixedState>,
    doubles: HashSet<u64, FixedState>,
}

impl Doubts {
    /// What those of `numbers` may be rounded to that have no float of their own: the nearest float, and the ones beside it.
    pub(crate) fn about<'n>(numbers: impl Iterator<Item = &'n Number>) -> Self {
        let mut doubts = Self::default();
        for number in numbers {
            let whole = number.to_i128().map(i128::unsigned_abs);
            if whole.is_none_or(|whole| whole >= SINGLE_END)
                && let Some(near) = number.nearest::<f32>()
            {
                doubts.singles.extend([near.next_down(), near, near.next_up()].map(|float| bits(float.into())));
            }
            if whole.is_none_or(|whole| whole >= DOUBLE_END)
                && let Some(near) = number.nearest::<f64>()
            {
                doubts.doubles.extend([near.next_down(), near, near.next_up()].map(bits));
            }
        }
        doubts
    }

    #[inline]
    pub(crate) fn holds_single(&self, float: f32) -> bool {
        self.singles.contains(&bits(float.into()))
    }

    #[inline]
    pub(crate) fn holds_double(&self, float: f64) -> bool {
        self.doubles.contains(&bits(float))
    }
}
