//! Files by Polars, whose schema message has no prefix.

use lacuna_scan::Error;

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

#[test]
fn a_dictionary_behind_its_rows_is_named() {
    let file = fixture("polars-categorical.arrow");
    match search(&file, &matcher(&[("Site", "b")])) {
        Err(Error::Unsupported { what }) => assert!(what.contains("behind the rows"), "{what}"),
        other => panic!("{:?}", other.err()),
    }
    assert_eq!(search(&file, &matcher(&[("UserId", "nobody")])).unwrap().0.rows, 20);
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
