//! The one matcher that decides for discover, export, erase and verify: mapping and selectors made into sets of values.
//!
//! Equality is on values. Text is equal byte for byte after the normalisation that the mapping asks for; a UUID is equal in its
//! 16 bytes and in each usual form of its text, all in lower or all in upper case, however the request writes it; numbers are equal
//! as decimals, whatever their width, scale or notation, and an integer equals a float as far as it has one of its own. CSV has text only,
//! of which a whole number that is written as a float is that integer. A column that mixes the cases of a UUID's letters is one to map with
//! `case = "insensitive"`.

mod field;
#[cfg(test)]
mod tests;
mod value;
mod verdict;
mod wanted;

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap, HashSet};

pub(crate) use self::field::NO_TEXT;
pub use self::field::{FieldTest, folded};
pub use self::value::Value;
pub use self::verdict::Verdict;
use crate::held::HeldValue;
use crate::mapping::{Field, IdentifierRule, Mapping, TenantRule};
use crate::pseudonym::Epochs;
use crate::subject::{Kind, Selector};
use crate::{ColumnPath, SelectorIndex};

/// Why selectors cannot be searched in a source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MatcherError {
    /// The source maps a tenant, and the request names none.
    #[error("the source maps a tenant, so the request must name one")]
    TenantNeeded,
    /// A column holds pseudonyms, and there are no keys.
    #[error("column `{column}` holds pseudonyms, and no key is configured (`[keys.pseudonym]`)")]
    KeysNeeded {
        /// The mapped path.
        column: ColumnPath,
    },
}

/// What to look for in one source, for any number of selectors.
#[derive(Debug)]
pub struct Matcher {
    fields: Vec<FieldTest>,
    rules: Vec<Rule>,
    /// Indices into `rules`: for each selector those that it can match by, each list once.
    asked: Vec<Vec<usize>>,
    tenant: Option<FieldTest>,
    /// By selector, the number of its tenant; of sources whose rows name one.
    tenant_of: Vec<TenantIndex>,
    selectors: usize,
}

/// The number of a tenant that a [`Matcher`]'s selectors act for; where the tenant's column is asked, such numbers are the owners.
pub type TenantIndex = SelectorIndex;

/// [`IdentifierRule`] over indices into [`Matcher::fields`].
#[derive(Debug)]
enum Rule {
    One(usize),
    AllOf(Vec<usize>),
}

/// A row that a field, or the whole matcher, gives to a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The row's ordinal in the unit that is searched.
    pub row: u64,
    /// Whose it is.
    pub selector: SelectorIndex,
}

impl Matcher {
    /// Compiles `selectors` for a source with this `mapping`.
    pub fn new(mapping: &Mapping, selectors: &[impl Borrow<Selector>], epochs: &Epochs) -> Result<Self, MatcherError> {
        let selectors: Vec<&Selector> = selectors.iter().map(Borrow::borrow).collect();
        let mut admitted: Vec<(SelectorIndex, &Selector)> = (0..).zip(selectors.iter().copied()).collect();
        match &mapping.tenant {
            TenantRule::Single => {}
            TenantRule::Column(_) | TenantRule::Fixed(_) | TenantRule::Folder(_)
                if selectors.iter().any(|selector| selector.tenant.is_none()) =>
            {
                return Err(MatcherError::TenantNeeded);
            }
            TenantRule::Column(_) => {}
            TenantRule::Fixed(tenant) => {
                admitted.retain(|(_, selector)| selector.tenant.as_ref().is_some_and(|own| own.is_same(tenant)));
            }
            TenantRule::Folder(_) => admitted.clear(),
        }
        let by_kind = identifiers_by_kind(&admitted);

        let mut fields = Vec::new();
        let mut rules = Vec::new();
        for rule in &mapping.identifiers {
            let first = fields.len();
            for field in rule.fields() {
                let wanted = by_kind.get(&field.kind).map_or(&[][..], Vec::as_slice);
                fields.push(FieldTest::new(field, wanted, epochs)?);
            }
            rules.push(match rule {
                IdentifierRule::One(_) => Rule::One(first),
                IdentifierRule::AllOf(_) => Rule::AllOf((first..fields.len()).collect()),
            });
        }
        // A composite of which one part can match nobody matches nobody: its columns need no look.
        for rule in &rules {
            if let Rule::AllOf(parts) = rule
                && parts.iter().any(|&part| !fields[part].is_wanted())
            {
                parts.iter().for_each(|&part| fields[part].forget());
            }
        }
        let (tenant, tenant_of) = match &mapping.tenant {
            TenantRule::Column(column) => {
                let field = Field::new(column.clone(), Kind::new("tenant"));
                let (tenants, tenant_of) =
                    numbered(selectors.iter().filter_map(|selector| Some(selector.tenant.as_ref()?.as_str())));
                (Some(FieldTest::new(&field, &tenants, epochs)?), tenant_of)
            }
            TenantRule::Fixed(_) | TenantRule::Folder(_) | TenantRule::Single => (None, Vec::new()),
        };
        let asked = asked(&mapping.identifiers, &admitted);
        Ok(Self { fields, rules, asked, tenant, tenant_of, selectors: selectors.len() })
    }

    /// A matcher for these very values of the mapped columns, whoever's and in whatever tenant: each with the index of its field in
    /// the mapping's order. For one selector.
    pub fn of_values(mapping: &Mapping, values: &[(usize, HeldValue)]) -> Self {
        Self::of_stored(mapping, values, |field, values| FieldTest::of_values(field, values.iter().copied()))
    }

    /// The same, which also wants what a search takes for the same identifiers: another case, where that makes no difference, and the other
    /// forms of UUIDs.
    pub fn of_held(mapping: &Mapping, values: &[(usize, HeldValue)]) -> Self {
        Self::of_stored(mapping, values, |field, values| FieldTest::of_held(field, values.iter().copied()))
    }

    fn of_stored(
        mapping: &Mapping,
        values: &[(usize, HeldValue)],
        test: impl Fn(&Field, &[&HeldValue]) -> FieldTest,
    ) -> Self {
        let fields: Vec<&Field> = mapping.identifiers.iter().flat_map(IdentifierRule::fields).collect();
        let tests: Vec<_> = fields
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let own: Vec<_> = values.iter().filter(|(of, _)| *of == index).map(|(_, value)| value).collect();
                test(field, &own)
            })
            .collect();
        let rules = (0..tests.len()).map(Rule::One).collect();
        let asked = (0..tests.len()).filter(|&index| tests[index].is_wanted()).collect();
        Self { fields: tests, rules, asked: vec![asked], tenant: None, tenant_of: Vec::new(), selectors: 1 }
    }

    /// The columns to look at, in the mapping's order. Those that are not [wanted](FieldTest::is_wanted) need no look.
    pub fn fields(&self) -> &[FieldTest] {
        &self.fields
    }

    /// For each selector the rules that it can match by, each list once.
    pub(crate) fn asked(&self) -> &[Vec<usize>] {
        &self.asked
    }

    /// The columns of one of these rules.
    pub(crate) fn fields_of(&self, rule: usize) -> impl Iterator<Item = &FieldTest> {
        let fields = match &self.rules[rule] {
            Rule::One(field) => std::slice::from_ref(field),
            Rule::AllOf(parts) => parts,
        };
        fields.iter().map(|&field| &self.fields[field])
    }

    /// The column that names a row's tenant. The owners of its values are numbers of tenants: however many people of one are looked for,
    /// a row's tenant is one number.
    pub fn tenant(&self) -> Option<&FieldTest> {
        self.tenant.as_ref()
    }

    /// How many selectors the matcher was made from.
    pub fn selectors(&self) -> usize {
        self.selectors
    }

    /// Whether no row of the source can match.
    pub fn is_empty(&self) -> bool {
        !self.fields.iter().any(FieldTest::is_wanted)
    }

    /// The rows whose identifiers match, from each field's hits (in any order); sorted, each once. The tenant is not looked at.
    pub fn candidates(&self, mut hits: Vec<Vec<Hit>>) -> Vec<Hit> {
        // Those of one column mostly are in order already.
        for hits in hits.iter_mut().filter(|hits| !hits.is_sorted_by(|one, next| one < next)) {
            hits.sort_unstable();
            hits.dedup();
        }
        if let [Rule::One(field)] = self.rules.as_slice() {
            return std::mem::take(&mut hits[*field]);
        }
        let mut all = Vec::new();
        for rule in &self.rules {
            match rule {
                Rule::One(field) => all.extend_from_slice(&hits[*field]),
                Rule::AllOf(parts) => {
                    let mut parts = parts.iter().map(|&part| &hits[part]);
                    let first = parts.next().cloned().unwrap_or_default();
                    all.extend(parts.fold(first, |common, part| intersect(&common, part)));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the field at this index tells alone whose a row is.
    pub(crate) fn identifies(&self, field: usize) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::One(one) if *one == field))
    }

    /// The candidates, sorted by row, whose row's tenant is the selector's own, and the rows that are only nobody's because they name another
    /// tenant beside it. `tenants` are what was found for [`Matcher::tenant`], each value's; where a row may have several, `values` are how
    /// many it has, by row.
    pub fn within_tenant(
        &self,
        candidates: &[Hit],
        mut tenants: Vec<Hit>,
        values: Option<&[(u64, usize)]>,
    ) -> (Vec<Hit>, Vec<u64>) {
        tenants.sort_unstable();
        let Some(values) = values else { return (self.of_own_tenant(candidates, &tenants), Vec::new()) };
        let mut tenants = &tenants[..];
        let (mut own, mut torn) = (Vec::new(), Vec::new());
        for hits in candidates.chunk_by(|a, b| a.row == b.row) {
            let Some(row) = hits.first().map(|hit| hit.row) else { continue };
            tenants = &tenants[tenants.iter().take_while(|tenant| tenant.row < row).count()..];
            let named = &tenants[..tenants.iter().take_while(|tenant| tenant.row == row).count()];
            let count = values.binary_search_by_key(&row, |&(row, _)| row).map(|at| values[at].1);
            let is_whole = |one: &[Hit]| count == Ok(one.len());
            let is_one = named.chunk_by(|a, b| a.selector == b.selector).all(is_whole);
            let acts = |hit: &&Hit| named.iter().any(|tenant| self.acts_for(hit.selector, &[tenant.selector]));
            let mut mine = hits.iter().filter(acts).peekable();
            match is_one {
                true => own.extend(mine),
                false => torn.extend(mine.peek().map(|hit| hit.row)),
            }
        }
        (own, torn)
    }

    /// The same where a row has one tenant at most.
    fn of_own_tenant(&self, candidates: &[Hit], tenants: &[Hit]) -> Vec<Hit> {
        let mut from = 0;
        let is_own = |hit: &&Hit| {
            from += tenants[from..].iter().take_while(|tenant| tenant.row < hit.row).count();
            let mut named = tenants[from..].iter().take_while(|tenant| tenant.row == hit.row);
            named.any(|tenant| self.acts_for(hit.selector, &[tenant.selector]))
        };
        let mut own = Vec::with_capacity(candidates.len().min(tenants.len()));
        own.extend(candidates.iter().filter(is_own));
        own
    }

    /// Whether `selector` acts for one of `tenants`.
    pub(crate) fn acts_for(&self, selector: SelectorIndex, tenants: &[TenantIndex]) -> bool {
        self.tenant_of.get(selector as usize).is_some_and(|tenant| tenants.contains(tenant))
    }
}

/// What both sorted lists hold.
fn intersect(a: &[Hit], b: &[Hit]) -> Vec<Hit> {
    let mut common = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                common.push(a[i]);
                i += 1;
                j += 1;
            }
        }
    }
    common
}

/// Each different tenant with a number, and the number of each.
fn numbered<'a>(tenants: impl Iterator<Item = &'a str>) -> (Vec<(TenantIndex, &'a str)>, Vec<TenantIndex>) {
    let (mut different, mut numbers) = (Vec::new(), HashMap::new());
    let number = |tenant| {
        *numbers.entry(tenant).or_insert_with(|| {
            let number = TenantIndex::try_from(different.len()).unwrap_or(TenantIndex::MAX);
            different.push((number, tenant));
            number
        })
    };
    let of = tenants.map(number).collect();
    (different, of)
}

/// For each set of kinds that a selector gives identifiers of, the rules that need no others.
fn asked<'a>(rules: &[IdentifierRule], selectors: &[(SelectorIndex, &'a Selector)]) -> Vec<Vec<usize>> {
    let kinds = |selector: &'a Selector| selector.identifiers.iter().map(|identifier| &identifier.kind).collect();
    let different: HashSet<BTreeSet<&Kind>> = selectors.iter().map(|(_, selector)| kinds(selector)).collect();
    let by = |kinds: &BTreeSet<&Kind>| {
        let is_of = |rule: &IdentifierRule| rule.fields().iter().all(|field| kinds.contains(&field.kind));
        (0..rules.len()).filter(|&rule| is_of(&rules[rule])).collect::<Vec<_>>()
    };
    different.iter().map(by).collect::<BTreeSet<_>>().into_iter().filter(|rules| !rules.is_empty()).collect()
}

fn identifiers_by_kind<'a>(
    selectors: &[(SelectorIndex, &'a Selector)],
) -> HashMap<&'a Kind, Vec<(SelectorIndex, &'a str)>> {
    let mut by_kind: HashMap<_, Vec<_>> = HashMap::new();
    for (index, selector) in selectors {
        for identifier in &selector.identifiers {
            by_kind.entry(&identifier.kind).or_default().push((*index, identifier.value.expose().as_str()));
        }
    }
    by_kind
}
