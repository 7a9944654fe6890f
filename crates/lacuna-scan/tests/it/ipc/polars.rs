//! Files by Polars, whose schema message has no prefix.

use arrow::array::AsArray as _;
use arrow::datatypes::DataType;
use lacuna_scan::ipc::IpcSearch;
use lacuna_scan::{Error, Ignore, Limits, StreamSearch as _};

use super::{matcher, search, search_pieces};

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/arrow").join(name);
    std::fs::read(path).unwrap()
}

#[test]
fn files_are_read_as_they_come() {
    for name in ["polars.arrow", "polars-zstd.arrow"] {
        let file = fixture(name);
        let (summary, kept) = search(&file, &matcher(&[("UserId", "ann")])).unwrap();
        assert_eq!(summary.rows, 20, "{name}");
        assert_eq!(kept.0.iter().map(|(row, ..)| *row).collect::<Vec<_>>(), [3, 13], "{name}");
        let single = vec![1; file.len()];
        assert_eq!(search_pieces(&file, &matcher(&[("Site", "b")]), &single).unwrap().1.0.len(), 10, "{name}");
        assert_eq!(search(&file, &matcher(&[("Tags[]", "t7")])).unwrap().1.0[0].0, 7, "{name}");
    }
    assert_eq!(search(&fixture("polars-empty.arrow"), &matcher(&[("UserId", "ann")])).unwrap().0.rows, 0);
}

/// Also those of columns that nobody is looked for in: a record that is found shows them.
#[test]
fn dictionaries_are_read_wherever_the_footer_says() {
    for name in ["polars-categorical.arrow", "polars-enum.arrow"] {
        let file = fixture(name);
        assert_eq!(search(&file, &matcher(&[("Site", "b")])).unwrap().1.0.len(), 10, "{name}");
        let single = vec![1; file.len()];
        let (summary, kept) = search_pieces(&file, &matcher(&[("UserId", "ann")]), &single).unwrap();
        assert_eq!(summary.rows, 20, "{name}");
        let (row, _, record) = &kept.0[0];
        let sites = arrow::compute::cast(record.column_by_name("Site").unwrap(), &DataType::Utf8).unwrap();
        assert_eq!((*row, sites.as_string::<i32>().value(0)), (3, "b"), "{name}");
    }
}

/// Nothing is concluded from rows without their dictionary: neither by who did not read ahead, nor where the footer cannot be read.
#[test]
fn without_what_lies_behind_the_rows_nothing_is_known() {
    let file = fixture("polars-enum.arrow");
    let mut search = IpcSearch::new(matcher(&[("UserId", "ann")]), Limits::default());
    match search.feed(file.clone().into(), &mut Ignore) {
        Err(Error::Unsupported { what }) => assert!(what.contains("does not come in front of the rows"), "{what}"),
        other => panic!("{other:?}"),
    }
    for length in 0..file.len() {
        assert!(super::search(&file[..length], &matcher(&[("UserId", "ann")])).is_err(), "cut at {length}");
    }
}

#[test]
fn a_file_cut_anywhere_is_not_whole() {
    for name in ["polars.arrow", "polars-empty.arrow"] {
        let file = fixture(name);
        for length in 0..file.len() {
            let result = search(&file[..length], &matcher(&[("UserId", "ann")]));
            assert!(matches!(result, Err(Error::Truncated { .. })), "{name} cut at {length}: {:?}", result.err());
        }
    }
}

#[test]
fn a_schema_that_is_none_is_refused() {
    let mut file = fixture("polars.arrow");
    let message = b"\x04\0\0\0\xf2\xff\xff\xff";
    assert_eq!(&file[8..16], message);
    file[12..16].copy_from_slice(&[0, 0, 0, 0x7f]);
    let result = search(&file, &matcher(&[("UserId", "ann")]));
    assert!(result.is_err());
}
