//! The Puffin file around the blob.

use lacuna_erase::tombstone::Fault;
use lacuna_erase::tombstone::puffin::{Properties, Puffin, read, write};
use lacuna_erase::{Error, Result};
use rstest::rstest;

use super::{fault, fixture};

const PAYLOAD: &str = r#"{"blobs":[{"type":"deletion-vector-v1","fields":[2147483645],"snapshot-id":-1,"sequence-number":-1,"offset":4,"length":3,"properties":{"cardinality":"1","referenced-data-file":"a \"b\""}}],"properties":{"created-by":"me"}}"#;

fn properties(all: &[(&str, &str)]) -> Properties {
    all.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn sample() -> Puffin<'static> {
    Puffin {
        blob: b"xyz",
        blob_properties: properties(&[("referenced-data-file", "a \"b\""), ("cardinality", "1")]),
        properties: properties(&[("created-by", "me")]),
    }
}

/// A file with this footer payload.
fn file(payload: &str) -> Vec<u8> {
    let size = (payload.len() as i32).to_le_bytes();
    [b"PFA1xyzPFA1", payload.as_bytes(), &size, &[0; 4], b"PFA1"].concat()
}

#[test]
fn the_bytes_are_the_ones_that_the_specification_says() {
    assert_eq!(write(&sample()).unwrap(), file(PAYLOAD));
    assert_eq!(read(&file(PAYLOAD)).unwrap(), sample());
}

#[rstest]
#[case::two_blobs("sample-metric-data-uncompressed", "its Puffin file does not hold exactly one blob")]
#[case::compressed_blobs("sample-metric-data-compressed-zstd", "its Puffin file does not hold exactly one blob")]
#[case::none("empty-puffin-uncompressed", "its Puffin file does not hold exactly one blob")]
fn the_reference_writer_s_files_are_read_as_far_as_they_are_tombstones(#[case] name: &str, #[case] wrong: &str) {
    assert_eq!(fault(read(&fixture(&format!("published/{name}.bin")))), wrong);
}

#[rstest]
#[case::type_of_blob(
    "\"deletion-vector-v1\"",
    "\"deletion-vector-v2\"",
    "its Puffin file holds a blob that is no deletion vector"
)]
#[case::snapshot("\"snapshot-id\":-1", "\"snapshot-id\":7", "its Puffin file ties its deletion vector to a snapshot")]
#[case::sequence(
    "\"sequence-number\":-1",
    "\"sequence-number\":0",
    "its Puffin file ties its deletion vector to a snapshot"
)]
#[case::offset("\"offset\":4", "\"offset\":5", "its Puffin file has a blob that is not what lies before the footer")]
#[case::length("\"length\":3", "\"length\":2", "its Puffin file has a blob that is not what lies before the footer")]
#[case::codec(
    "\"length\":3",
    "\"length\":3,\"compression-codec\":\"zstd\"",
    "its Puffin file holds a compressed deletion vector"
)]
#[case::no_blob("\"blobs\":[{", "\"blobs\":[],\"b\":[{", "its Puffin file does not hold exactly one blob")]
#[case::negative("\"offset\":4", "\"offset\":-4", "the footer of its Puffin file is no file metadata")]
#[case::missing("\"fields\":[2147483645],", "", "the footer of its Puffin file is no file metadata")]
#[case::twice("\"offset\":4", "\"offset\":4,\"offset\":4", "the footer of its Puffin file is no file metadata")]
#[case::not_text("\"me\"", "5", "the footer of its Puffin file is no file metadata")]
#[case::trailing("\"me\"}}", "\"me\"}}}", "the footer of its Puffin file is no file metadata")]
fn a_footer_that_says_something_else_is_refused(#[case] from: &str, #[case] to: &str, #[case] wrong: &str) {
    assert!(PAYLOAD.contains(from));
    assert_eq!(fault(read(&file(&PAYLOAD.replacen(from, to, 1)))), wrong);
}

#[test]
fn what_is_not_known_is_let_pass() {
    let payload =
        PAYLOAD.replace("\"offset\"", "\"later\":{\"a\":[1]},\"offset\"").replace("\"me\"", "\"me\",\"x\":\"y\"");
    let read = read(&file(&payload)).map(|file| file.properties).unwrap();
    assert_eq!(read, properties(&[("created-by", "me"), ("x", "y")]));
}

/// The file with bytes changed that lie so far before its end.
fn changed(back: usize, bytes: &[u8]) -> Result<Properties> {
    let mut file = file(PAYLOAD);
    let at = file.len() - back;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    read(&file).map(|file| file.properties)
}

#[test]
fn flags_and_length_are_checked() {
    assert_eq!(fault(changed(8, &[1])), "its Puffin file has a compressed footer, which this version does not read");
    assert_eq!(fault(changed(8, &[2])), "its Puffin file has flags that this version does not know");
    assert_eq!(fault(changed(5, &[1])), "its Puffin file has flags that this version does not know");
    for size in [-1, i32::MIN, i32::MAX] {
        assert_eq!(fault(changed(12, &size.to_le_bytes())), "its Puffin file has a footer of an impossible length");
    }
    let size = PAYLOAD.len() as i32 - 1;
    assert_eq!(
        fault(changed(12, &size.to_le_bytes())),
        "its Puffin file has a footer that does not begin with its magic bytes"
    );
}

#[test]
fn no_shorter_or_longer_file_is_read() {
    let whole = file(PAYLOAD);
    for length in 0..whole.len() {
        assert!(matches!(read(&whole[..length]), Err(Error::Tombstone(Fault::Puffin(_)))), "{length}");
    }
    assert!(read(&[&whole[..], b"PFA1"].concat()).is_err());
    assert!(read(&[b"PFA1", &whole[..]].concat()).is_err());
}

#[test]
fn too_large_a_file_is_neither_written_nor_read() {
    let limit = lacuna_erase::tombstone::BYTES_MAX;
    let blob = vec![0; limit];
    assert!(fault(write(&Puffin { blob: &blob, ..sample() })).ends_with("bytes are over the limit of 67108864"));
    assert_eq!(fault(read(&vec![0; limit + 1])), "its 67108865 bytes are over the limit of 67108864");
}
