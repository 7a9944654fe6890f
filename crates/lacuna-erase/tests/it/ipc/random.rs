//! Random tables: what is left is what Arrow's own readers saw before, without the rows.

use arrow::ipc::root_as_message;
use lacuna_erase::Change;
use lacuna_scan::ColumnPath;
use lacuna_scan::ipc::frame::Message;
use proptest::prelude::*;

use super::tables::{Cell, PEOPLE, Table, table};
use super::{holds, matcher, messages, pick, read, rewrite, rewrite_for};

/// For each batch, the rows of it among `hits`.
fn by_batch(table: &Table, hits: &[u64]) -> Vec<Vec<usize>> {
    let mut first = 0;
    table
        .batches
        .iter()
        .map(|rows| {
            let range = first..first + rows.len() as u64;
            first = range.end;
            hits.iter().filter(|&hit| range.contains(hit)).map(|hit| (hit - range.start) as usize).collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn deleting_leaves_all_other_rows(table in table(), keep in prop::collection::vec(any::<bool>(), 48)) {
        let bytes = table.bytes();
        let total: usize = table.batches.iter().map(Vec::len).sum();
        let hits: Vec<u64> = (0..total).filter(|&row| !keep[row]).map(|row| row as u64).collect();
        let (out, done) = rewrite(&bytes, &hits, Change::Delete).unwrap();
        prop_assert_eq!((done.rows_before, done.rows_changed), (total as u64, hits.len() as u64));
        prop_assert_eq!(done.rows_after, (total - hits.len()) as u64);
        let of_rows = |message: &Message| root_as_message(&message.metadata).unwrap().header_as_record_batch().is_some();
        // Dictionaries behind rows come in front of them.
        let moves = messages(&bytes).iter().skip_while(|message| !of_rows(message)).any(|message| !of_rows(message));
        if hits.is_empty() && !(table.late || moves) {
            prop_assert_eq!(&out, &bytes);
        }
        let (schema, batches) = table.arrow();
        let left = read(&out);
        prop_assert_eq!(left.len(), batches.len());
        for ((left, batch), gone) in left.iter().zip(&batches).zip(by_batch(&table, &hits)) {
            let stay: Vec<u32> = (0..batch.num_rows()).filter(|row| !gone.contains(row)).map(|row| row as u32).collect();
            prop_assert_eq!(left, &pick(batch, &stay));
            prop_assert_eq!(&left.schema(), &schema);
        }
        prop_assert_eq!(messages(&bytes).len(), messages(&out).len());
        // No batch hides anything any more, so that those which lose no row are copied.
        if let Some(hit) = left.iter().position(|batch| batch.num_rows() > 0).filter(|_| !hits.is_empty()) {
            let again = rewrite(&out, &[0], Change::Delete).unwrap().0;
            let [before, after] = [&out, &again].map(|bytes| messages(bytes).into_iter().filter(of_rows));
            for (at, (before, after)) in before.zip(after).enumerate().filter(|(at, _)| *at != hit) {
                prop_assert_eq!((&before.metadata, &before.body), (&after.metadata, &after.body), "batch {}", at);
            }
        }
    }

    #[test]
    fn nothing_of_a_person_stays(table in table(), person in 1..PEOPLE) {
        let hits = table.rows_of(person);
        let identifiers = table.identifiers(person);
        let (out, _) = rewrite_for(&table.bytes(), &hits, Change::Delete, &matcher(&identifiers)).unwrap();
        // A shard without a row of theirs stays as it is.
        for column in table.columns.iter().filter(|_| !hits.is_empty()) {
            let canary = column.leaf.identifier(person);
            if canary.starts_with("user-") {
                prop_assert!(!holds(&out, canary.as_bytes()));
            }
        }
    }

    #[test]
    fn anonymous_rows_keep_everything_else(table in table(), person in 0..PEOPLE) {
        let hits = table.rows_of(person);
        let paths: Vec<ColumnPath> =
            table.identifiers(person).iter().map(|(path, _)| path.parse().unwrap()).collect();
        let (out, done) = rewrite(&table.bytes(), &hits, Change::Anonymize(&paths)).unwrap();
        prop_assert_eq!((done.rows_before, done.rows_changed), (done.rows_after, hits.len() as u64));
        let mut expected = table.clone();
        let nobody = |cell: &Cell| cell.as_ref().map(|people| vec![None; people.len()]);
        for (_, row) in (0..).zip(expected.batches.iter_mut().flatten()).filter(|(at, _)| hits.contains(at)) {
            for cell in row {
                *cell = nobody(cell);
            }
        }
        let (_, expected) = expected.arrow();
        prop_assert_eq!(read(&out), expected);
    }

    #[test]
    fn no_bytes_make_the_rewrite_panic(
        table in table(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = table.bytes();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = rewrite(&bytes, &[0, 3], Change::Delete);
    }
}
