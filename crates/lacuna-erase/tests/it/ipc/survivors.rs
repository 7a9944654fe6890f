//! What a rewrite must not do to the rows that stay is found in its batches, whatever made it.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use lacuna_erase::{Change, Error, Survivors, ipc};
use lacuna_scan::{ColumnPath, Limits};

type Row<'a> = (i64, Option<&'a str>, &'a str);

const ROWS: [Row<'static>; 6] = [
    (1, Some("a"), "x"),
    (2, None, "y"),
    (3, Some("c"), "x"),
    (4, Some("d"), "z"),
    (5, Some("e"), "z"),
    (6, None, "y"),
];

/// Numbers, words and words in a dictionary, in batches of these rows.
fn stream(batches: &[&[Row<'_>]]) -> Bytes {
    let batch = |rows: &[Row<'_>]| {
        let numbers: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
        let words: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>());
        let keyed: ArrayRef = Arc::new(rows.iter().map(|row| row.2).collect::<DictionaryArray<Int32Type>>());
        let columns = [("n", numbers, false), ("word", words, true), ("keyed", keyed, false)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    };
    let mut writer = StreamWriter::try_new(Vec::new(), &batch(&[]).schema()).unwrap();
    batches.iter().for_each(|rows| writer.write(&batch(rows)).unwrap());
    writer.into_inner().unwrap().into()
}

fn prove(after: &Bytes, hits: &[u64], change: Change<'_>) -> Result<Survivors, Error> {
    let before = stream(&[&ROWS[..3], &ROWS[3..]]);
    ipc::survivors(&before, after, &hits.iter().copied().collect(), change, &Limits::default())
}

#[test]
fn a_row_that_is_not_what_it_was_is_found() {
    let prove = |batches: &[&[Row<'_>]]| prove(&stream(batches), &[1], Change::Delete);
    let stays = [ROWS[0], ROWS[2]];
    let proved = prove(&[&stays, &ROWS[3..]]).unwrap();
    assert_eq!(proved.rows, 5);
    let (first, second, rest) = (ROWS[0], ROWS[2], &ROWS[3..]);
    for (what, batches) in [
        ("the row itself", [&ROWS[..3], rest]),
        ("a row less", [&[first][..], rest]),
        ("swapped rows", [&[second, first], rest]),
        ("a number", [&[first, (7, second.1, second.2)], rest]),
        ("a null", [&[first, (second.0, None, second.2)], rest]),
        ("a dictionary's word", [&[first, (second.0, second.1, "y")], rest]),
        ("a row of another batch", [&stays, &[ROWS[3], ROWS[4], (9, None, "y")]]),
        ("a dictionary's word in another batch", [&stays, &[ROWS[3], ROWS[4], (6, None, "z")]]),
    ] {
        assert!(matches!(prove(&batches), Err(Error::Unfaithful(_))), "{what}");
    }
    assert!(prove(&[&stays]).is_err() && prove(&[&stays, rest, &[]]).is_err(), "batches");
}

#[test]
fn anonymous_rows_keep_all_else() {
    let path: ColumnPath = "word".parse().unwrap();
    let prove = |second: Row<'_>, third: Row<'_>| {
        let rows = [ROWS[0], second, third];
        prove(&stream(&[&rows, &ROWS[3..]]), &[2], Change::Anonymize(std::slice::from_ref(&path)))
    };
    assert_eq!(prove(ROWS[1], (3, None, "x")).unwrap().rows, 6);
    assert!(prove(ROWS[1], (3, None, "y")).is_err(), "another column of the row");
    assert!(prove((2, Some("b"), "y"), (3, None, "x")).is_err(), "another row");
}
