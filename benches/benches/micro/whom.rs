//! Ids that look like a service's own, and matchers that look for them.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use lacuna_scan::{Epochs, Field, Identifier, IdentifierRule, Kind, Mapping, Matcher, Selector, TenantRule};

/// How many people are looked for.
pub(crate) const NEEDLES: [u64; 3] = [1, 1000, 100_000];

/// Ids in [`ids`].
pub(crate) const ROWS: u64 = 262_144;
/// So many that a dictionary pays.
const PEOPLE: u64 = 20_000;
/// Of each id.
pub(crate) const ID_BYTES: u64 = 36;

/// A column of ids, scattered, as rows in order of time are.
pub(crate) fn ids() -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| id(row * 7919 % PEOPLE))))
}

/// The id of person `index`, as UUID text.
pub(crate) fn id(index: u64) -> String {
    let (a, b) = (mix(index), mix(index ^ 0x5851_f42d_4c95_7f2d));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a & 0xffff,
        a >> 16 & 0xfff,
        b >> 48 | 0x8000,
        b & 0xffff_ffff_ffff
    )
}

/// Looks in `column` for `many` people; the ids of `people` are among them, and the others are nobody's.
pub(crate) fn matcher(column: &str, many: u64, people: impl Iterator<Item = String>) -> Arc<Matcher> {
    let field = Field::new(column.parse().unwrap(), Kind::new("object_id"));
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let nobody = (0..).map(|index| id(u64::MAX - index));
    let wanted = people.chain(nobody).take(usize::try_from(many).unwrap());
    let selectors: Vec<Selector> =
        wanted.map(|id| Selector { tenant: None, identifiers: vec![Identifier::new("object_id", id)] }).collect();
    Arc::new(Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap())
}

fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
