//! What a rewrite must not do to the records that stay is found in its text, whatever made it.

use bytes::Bytes;
use lacuna_erase::{Change, Error, Survivors, text};
use lacuna_scan::Limits;
use lacuna_scan::text::TextFormat;

use super::{csv_format, document, gzip, path, zstd_whole};

fn survivors(
    before: &str,
    after: &str,
    format: &TextFormat,
    hits: &[u64],
    change: Change<'_>,
) -> Result<Survivors, Error> {
    // How they are packed does not matter.
    let (before, after) = (Bytes::from(gzip(before.as_bytes())), Bytes::from(zstd_whole(after.as_bytes())));
    text::survivors(&before, &after, format, &hits.iter().copied().collect(), change, &Limits::default())
}

#[test]
fn a_line_that_is_not_what_it_was_is_found() {
    let before = "{\"a\":1}\r\n\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}";
    let prove = |after: &str| survivors(before, after, &TextFormat::Ndjson, &[1], Change::Delete);
    let proved = prove("{\"a\":1}\r\n\n{\"a\":3}\n{\"a\":4}").unwrap();
    assert_eq!(proved.rows, 3);
    for (what, after) in [
        ("the row itself", before),
        ("a row more", "{\"a\":1}\r\n\n{\"a\":3}\n{\"a\":4}\n{}"),
        ("a row less", "{\"a\":1}\r\n\n{\"a\":3}\n"),
        ("another row's value", "{\"a\":1}\r\n\n{\"a\":5}\n{\"a\":4}"),
        ("the row in another's place", "{\"a\":1}\r\n\n{\"a\":2}\n{\"a\":4}"),
        ("swapped rows", "{\"a\":1}\r\n\n{\"a\":4}\n{\"a\":3}"),
        ("a line end", "{\"a\":1}\n\n{\"a\":3}\n{\"a\":4}"),
        ("a blank line", "{\"a\":1}\r\n{\"a\":3}\n{\"a\":4}"),
        ("white space in a row", "{\"a\": 1}\r\n\n{\"a\":3}\n{\"a\":4}"),
    ] {
        assert!(matches!(prove(after), Err(Error::Unfaithful(_))), "{what}");
    }
}

#[test]
fn what_stands_beside_records_is_compared_too() {
    let header = |after| survivors("a,b\n1,2\n3,4\n", after, &csv_format(), &[0], Change::Delete);
    assert!(header("a,b\n3,4\n").is_ok() && header("a,c\n3,4\n").is_err());
    let frame = |after| survivors("{\"r\":[1,2 , 3],\"n\":3}", after, &document("r[]"), &[1], Change::Delete);
    assert!(frame("{\"r\":[1, 3],\"n\":3}").is_ok() && frame("{\"r\":[1, 3],\"n\":2}").is_err());
}

#[test]
fn anonymous_rows_stay_in_their_places() {
    let paths = [path("a")];
    let prove =
        |after| survivors("{\"a\":1}\n{\"a\":2}\n", after, &TextFormat::Ndjson, &[1], Change::Anonymize(&paths));
    assert_eq!(prove("{\"a\":1}\n{\"a\":null}\n").unwrap().rows, 2);
    assert!(prove("{\"a\":null}\n{\"a\":2}\n").is_err());
    assert!(prove("{\"a\":1}\n").is_err());
}
