//! The forms of UUIDs that few columns hold: those in upper case, in braces, and without hyphens. They are written out when a value that
//! may be one is first met: for a crowd, they are more than all others together, and looks into a larger table wait longer for memory,
//! which `cargo xtask bench --cases find-throng` shows.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use crate::SelectorIndex;
use crate::needles::{Needles, SORTED_MAX, length_bit, reaches};
use crate::uuid::{self, Uuid};

/// UUIDs, for some of their rare forms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    uuids: Arc<[(Uuid, SelectorIndex)]>,
    forms: Forms,
    lengths: u64,
    needles: OnceLock<Box<Needles>>,
}

#[derive(Clone, Copy, Debug)]
enum Forms {
    /// The hyphenated form in upper case: as long as the usual one.
    Upper,
    /// What has other lengths.
    Others { in_upper_case: bool },
}

impl Default for Forms {
    fn default() -> Self {
        Self::Others { in_upper_case: false }
    }
}

impl Forms {
    fn for_each(self, uuid: &Uuid, f: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Upper => f(&uuid::hyphenated_in_upper_case(uuid)),
            Self::Others { in_upper_case } => uuid::for_each_rare_form(uuid, in_upper_case, f),
        }
    }

    fn count(self) -> usize {
        match self {
            Self::Upper => 1,
            Self::Others { in_upper_case } => uuid::rare_forms(in_upper_case),
        }
    }
}

impl Rare {
    /// The forms of these that are as long as the usual one.
    pub(crate) fn upper(uuids: Arc<[(Uuid, SelectorIndex)]>) -> Self {
        Self::new(uuids, Forms::Upper)
    }

    /// The others, in upper case too where that is asked for.
    pub(crate) fn others(uuids: Arc<[(Uuid, SelectorIndex)]>, in_upper_case: bool) -> Self {
        Self::new(uuids, Forms::Others { in_upper_case })
    }

    fn new(uuids: Arc<[(Uuid, SelectorIndex)]>, forms: Forms) -> Self {
        let mut lengths = 0;
        if let Some((uuid, _)) = uuids.first() {
            forms.for_each(uuid, &mut |form| lengths |= length_bit(form.len()));
        }
        Self { uuids, forms, lengths, needles: OnceLock::new() }
    }

    /// The bits of the lengths that the forms have.
    #[inline]
    pub(crate) fn lengths(&self) -> u64 {
        self.lengths
    }

    pub(crate) fn len(&self) -> usize {
        self.uuids.len() * self.forms.count()
    }

    pub(crate) fn excludes(&self, value: &[u8]) -> bool {
        self.needles().excludes(value)
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<u32> {
        self.needles().find(value)
    }

    pub(crate) fn owners(&self, number: u32) -> &[SelectorIndex] {
        self.needles().owners(number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (!self.uuids.is_empty()).then(|| self.needles().usual()).into_iter().flatten()
    }

    /// As [`Needles::any_within`]: of many, whether it may be.
    pub(crate) fn any_within(&self, range: &RangeInclusive<&[u8]>) -> bool {
        if self.len() <= SORTED_MAX {
            return !self.uuids.is_empty() && self.needles().any_within(range);
        }
        // In each form, texts are in the order of the bytes.
        let uuids = || self.uuids.iter().map(|(uuid, _)| uuid);
        let (Some(first), Some(last)) = (uuids().min(), uuids().max()) else { return false };
        let mut ends = Vec::new();
        self.forms.for_each(last, &mut |form| ends.push(form >= *range.start()));
        let (mut ends, mut any) = (ends.into_iter(), false);
        self.forms.for_each(first, &mut |form| {
            let ends_behind = ends.next().unwrap_or(true);
            any |= ends_behind && reaches(form, range);
        });
        any
    }

    fn needles(&self) -> &Needles {
        self.needles.get_or_init(|| {
            Box::new(Needles::new(self.len(), |add| {
                for (uuid, selector) in &*self.uuids {
                    self.forms.for_each(uuid, &mut |form| add(form, *selector));
                }
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_forms_are_needles_like_others() {
        let ids = |count: u128| (1..=count).map(|n| ((n << 90 | 0xab << 40 | n).to_be_bytes(), n as SelectorIndex));
        for count in [1, 5, 4_000, 11_000] {
            let usual = |add: &mut dyn FnMut(&[u8], SelectorIndex)| {
                ids(count).for_each(|(id, selector)| add(&uuid::hyphenated(&id), selector));
            };
            let uuids: Arc<[_]> = ids(count).collect();
            let needles =
                Needles::new(count as usize, usual).and_rare(Rare::upper(uuids.clone()), Rare::others(uuids, true));
            assert_eq!((needles.len(), needles.iter().count()), (6 * count as usize, 6 * count as usize));
            for (id, selector) in ids(count).step_by(97) {
                uuid::for_each_form(&id, true, &mut |form| {
                    assert!(!needles.excludes(form));
                    assert_eq!(needles.find(form).map(|owners| needles.owners(owners)), Some(&[selector][..]));
                    assert!(needles.any_within(&(form..=form)) && needles.any_within(&(&form[..9]..=&form[..9])));
                });
            }
            let other = (u128::MAX >> 1).to_be_bytes();
            uuid::for_each_form(&other, true, &mut |form| {
                assert_eq!(needles.find(form), None);
                assert!(!needles.any_within(&(form..=form)), "it lies behind all");
            });
        }
    }
}
