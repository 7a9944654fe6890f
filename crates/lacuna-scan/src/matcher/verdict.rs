//! Whose record a record is, where its values pass by one after the other.

use super::{Matcher, Rule, TenantIndex, Value};
use crate::SelectorIndex;

/// Gathers one record's values, field by field in any order, and says whose record it is. Made once, used for many records.
#[derive(Debug)]
pub struct Verdict<'m> {
    matcher: &'m Matcher,
    hits: Vec<Vec<SelectorIndex>>,
    /// Whether there are any. Most records have none.
    has_hits: bool,
    tenant: SeenTenant<'m>,
    /// All tenants of a record that names several.
    tenants: Vec<TenantIndex>,
    selectors: Vec<SelectorIndex>,
    is_torn: bool,
    /// A field that would have had a hit, if its values lay otherwise; the tenant's number is behind those of the fields.
    astray: Option<usize>,
}

#[derive(Debug)]
enum SeenTenant<'m> {
    None,
    Of(&'m [TenantIndex]),
    Conflict,
}

impl<'m> Verdict<'m> {
    /// A verdict on records of `matcher`'s source.
    pub fn new(matcher: &'m Matcher) -> Self {
        let hits = matcher.fields.iter().map(|_| Vec::new()).collect();
        Self {
            matcher,
            hits,
            has_hits: false,
            tenant: SeenTenant::None,
            tenants: Vec::new(),
            selectors: Vec::new(),
            is_torn: false,
            astray: None,
        }
    }

    /// Starts the next record.
    pub fn reset(&mut self) {
        if self.has_hits {
            self.hits.iter_mut().for_each(Vec::clear);
            self.has_hits = false;
        }
        self.tenant = SeenTenant::None;
        self.tenants.clear();
        self.is_torn = false;
        self.astray = None;
    }

    /// Whether no field had a wanted value, where it belongs or elsewhere: most records are nobody's.
    pub fn is_blank(&self) -> bool {
        !self.has_hits
    }

    /// Notes a value that lies where field `field` is looked for, in a form that its path does not take: in an array, say. The
    /// tenant's number is behind those of the fields.
    pub fn astray(&mut self, field: usize, value: Value<'_>) {
        let fields = &self.matcher.fields;
        let of_field = fields.get(field);
        if of_field.or(self.matcher.tenant.as_ref()).is_some_and(|test| !test.owners_in_any_form(value).is_empty()) {
            self.has_hits |= of_field.is_some();
            self.astray.get_or_insert(field);
        }
    }

    /// The first field with such a value that is wanted.
    pub fn first_astray(&self) -> Option<usize> {
        self.astray
    }

    /// Notes a value at the path of field `field` of [`Matcher::fields`]. Called once for each value.
    pub fn field(&mut self, field: usize, value: Value<'_>) {
        let owners = self.matcher.fields[field].owners(value);
        if !owners.is_empty() {
            self.hits[field].extend_from_slice(&owners);
            self.has_hits = true;
        }
    }

    /// The same for a value that is astray, as if it were not.
    pub fn field_astray(&mut self, field: usize, value: Value<'_>) {
        let owners = self.matcher.fields[field].owners_in_any_form(value);
        self.has_hits |= !owners.is_empty();
        self.hits[field].extend_from_slice(&owners);
    }

    /// Notes a value at the tenant's path. A record that names two different tenants is nobody's.
    pub fn tenant(&mut self, value: Value<'_>) {
        let tenants = self.matcher.tenant.as_ref().map_or(&[][..], |tenant| tenant.owners_of(value));
        self.tenant = match self.tenant {
            SeenTenant::None => SeenTenant::Of(tenants),
            SeenTenant::Of(before) if before == tenants => SeenTenant::Of(tenants),
            SeenTenant::Of(before) => {
                self.tenants.extend(before.iter().chain(tenants));
                SeenTenant::Conflict
            }
            SeenTenant::Conflict => {
                self.tenants.extend(tenants);
                SeenTenant::Conflict
            }
        };
    }

    /// Whether the record is only nobody's because it names another tenant beside a selector's own. Known once the
    /// [selectors](Self::selectors) are.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Whose record it is: sorted, each selector once.
    pub fn selectors(&mut self) -> &[SelectorIndex] {
        if !self.has_hits {
            return &[];
        }
        self.selectors.clear();
        for rule in &self.matcher.rules {
            match rule {
                Rule::One(field) => self.selectors.extend_from_slice(&self.hits[*field]),
                Rule::AllOf(parts) => {
                    let (first, rest) = match parts.split_first() {
                        Some((first, rest)) => (&self.hits[*first], rest),
                        None => continue,
                    };
                    let common =
                        first.iter().filter(|selector| rest.iter().all(|&part| self.hits[part].contains(selector)));
                    self.selectors.extend(common);
                }
            }
        }
        if self.selectors.is_empty() {
            return &[];
        }
        if self.matcher.tenant.is_some() {
            match self.tenant {
                SeenTenant::Of(tenants) => {
                    self.selectors.retain(|&selector| self.matcher.acts_for(selector, tenants));
                }
                SeenTenant::None => self.selectors.clear(),
                SeenTenant::Conflict => {
                    let is_own = |&selector: &SelectorIndex| self.matcher.acts_for(selector, &self.tenants);
                    self.is_torn = self.selectors.iter().any(is_own);
                    self.selectors.clear();
                }
            }
        }
        self.selectors.sort_unstable();
        self.selectors.dedup();
        &self.selectors
    }
}
