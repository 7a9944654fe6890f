//! The forms of UUIDs that few columns hold: in braces, and without hyphens. They are written out when a value of such a length is first
//! met: for a crowd, they are more than all others together, and looks into a larger table wait longer for memory, which
//! `cargo xtask bench --cases find-throng` shows.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use crate::SelectorIndex;
use crate::needles::{Needles, SORTED_MAX, length_bit, reaches};
use crate::uuid::{self, Uuid};

/// UUIDs, for their rare forms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    uuids: Vec<(Uuid, SelectorIndex)>,
    in_upper_case: bool,
    lengths: u64,
    needles: OnceLock<Box<Needles>>,
}

impl Rare {
    /// The rare forms of these, in upper case too where that is asked for.
    pub(crate) fn new(uuids: Vec<(Uuid, SelectorIndex)>, in_upper_case: bool) -> Self {
        let mut lengths = 0;
        if let Some((uuid, _)) = uuids.first() {
            uuid::for_each_rare_form(uuid, false, &mut |form| lengths |= length_bit(form.len()));
        }
        Self { uuids, in_upper_case, lengths, needles: OnceLock::new() }
    }

    /// The bits of the lengths that the forms have.
    #[inline]
    pub(crate) fn lengths(&self) -> u64 {
        self.lengths
    }

    pub(crate) fn len(&self) -> usize {
        self.uuids.len() * uuid::rare_forms(self.in_upper_case)
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
        uuid::for_each_rare_form(last, self.in_upper_case, &mut |form| ends.push(form >= *range.start()));
        let (mut ends, mut any) = (ends.into_iter(), false);
        uuid::for_each_rare_form(first, self.in_upper_case, &mut |form| {
            let ends_behind = ends.next().unwrap_or(true);
            any |= ends_behind && reaches(form, range);
        });
        any
    }

    fn needles(&self) -> &Needles {
        self.needles.get_or_init(|| {
            Box::new(Needles::new(self.len(), |add| {
                for (uuid, selector) in &self.uuids {
                    uuid::for_each_rare_form(uuid, self.in_upper_case, &mut |form| add(form, *selector));
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
        for count in [1, 5, 4_000] {
            let usual = |add: &mut dyn FnMut(&[u8], SelectorIndex)| {
                for (id, selector) in ids(count) {
                    uuid::for_each_usual_form(&id, true, &mut |form| add(form, selector));
                }
            };
            let needles = Needles::new(2 * count as usize, usual).and(Rare::new(ids(count).collect(), true));
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
