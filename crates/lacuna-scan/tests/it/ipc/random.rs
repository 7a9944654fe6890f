//! Random tables: the search finds what the model says, however the bytes come.

use proptest::prelude::*;

use super::tables::{PEOPLE, table};
use super::{matcher, search_pieces};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn finds_exactly_the_rows_of_a_person(
        table in table(),
        person in 0..PEOPLE,
        pieces in prop::collection::vec(prop_oneof![0_usize..40, 0_usize..2000], 0..40),
    ) {
        let identifiers = table.identifiers(person);
        let identifiers: Vec<_> = identifiers.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
        let (summary, found) = search_pieces(&table.bytes(), &matcher(&identifiers), &pieces).unwrap();
        let (_, batches) = table.arrow();
        let rows: Vec<_> = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| batch.slice(row, 1))).collect();
        let expected = table.rows_of(person);
        prop_assert_eq!(summary.rows, rows.len() as u64);
        prop_assert_eq!(summary.matches.rows().iter().collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(found.0.iter().map(|found| found.0).collect::<Vec<_>>(), expected);
        for (row, selectors, record) in found.0 {
            prop_assert_eq!(selectors, [0]);
            prop_assert_eq!(&record, &rows[row as usize]);
        }
    }
}
