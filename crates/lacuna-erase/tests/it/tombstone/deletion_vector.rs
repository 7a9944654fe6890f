//! The blob `deletion-vector-v1`.

use lacuna_erase::tombstone::deletion_vector::{decode, encode};
use proptest::prelude::*;
use roaring::{RoaringBitmap, RoaringTreemap};
use rstest::rstest;

use super::{fault, fixture, is_vector_fault, rows};

const ROWS_MAX: u64 = 1 << 63;

/// A blob around `vector`, with the length and checksum that belong to it.
fn enveloped(vector: &[u8]) -> Vec<u8> {
    let covered = [&[0xD1, 0xD3, 0x39, 0x64], vector].concat();
    let length = (covered.len() as u32).to_be_bytes();
    let crc = crc32fast::hash(&covered).to_be_bytes();
    [&length[..], &covered, &crc].concat()
}

/// A vector of these 32-bit bitmaps, in whatever order.
fn vector(bitmaps: &[(u32, RoaringBitmap)]) -> Vec<u8> {
    let mut vector = (bitmaps.len() as u64).to_le_bytes().to_vec();
    for (key, bitmap) in bitmaps {
        vector.extend(key.to_le_bytes());
        bitmap.serialize_into(&mut vector).unwrap();
    }
    vector
}

fn bitmap(rows: &[u32]) -> RoaringBitmap {
    rows.iter().copied().collect()
}

#[test]
fn the_bytes_are_the_ones_that_the_specification_says() {
    let blob = [
        &[0, 0, 0, 42],                  // length of magic and vector
        &[0xD1, 0xD3, 0x39, 0x64][..],   // magic
        &[1, 0, 0, 0, 0, 0, 0, 0],       // one 32-bit bitmap
        &[0, 0, 0, 0],                   // its key
        &[0x3A, 0x30, 0, 0],             // no run containers
        &[1, 0, 0, 0],                   // one container
        &[0, 0, 4, 0],                   // its key, its cardinality less one
        &[16, 0, 0, 0],                  // its offset in the bitmap
        &[1, 0, 3, 0, 5, 0, 7, 0, 9, 0], // its values
        &[0xB3, 0xFB, 0x20, 0xBE],       // CRC-32
    ]
    .concat();
    assert_eq!(encode(&rows([1, 3, 5, 7, 9])).unwrap(), blob);
    assert_eq!(decode(&blob, 10).unwrap(), rows([1, 3, 5, 7, 9]));
}

/// What Spark wrote for a Delta table with its first row deleted, in a file that frames vectors as the blob does.
#[test]
fn spark_writes_the_same() {
    let blob = b"\x00\x00\x00\x22\xd1\xd3\x39\x64\x01\0\0\0\0\0\0\0\0\0\0\0\x3a\x30\0\0\x01\0\0\0\0\0\0\0\x10\0\0\0\0\0\xf7\xa6\xb4\xb5";
    assert_eq!(encode(&rows([0])).unwrap(), blob);
    assert_eq!(decode(blob, 1).unwrap(), rows([0]));
}

/// Iceberg's test of all forms of containers.
fn all_container_types() -> RoaringTreemap {
    let container = |at: u64| at << 16;
    let second = 1 << 32;
    let mut all = rows([5, 7, second + 10, second + 20]);
    all.insert_range(container(1) + 1..container(1) + 1000);
    all.insert_range(container(2) + 1..container(3) - 1);
    all.insert_range(second + container(1) + 10..second + container(1) + 500);
    all.insert_range(second + container(2) + 1..second + container(3) - 1);
    all
}

#[rstest]
#[case::empty("empty", rows([]))]
#[case::small("small-alternating-values", rows([1, 3, 5, 7, 9]))]
#[case::large("small-and-large-values", rows([100, 101, (1 << 31) + 99, (1 << 31) + 100]))]
#[case::containers("all-container-types", all_container_types())]
#[case::bitset("bitset", rows((0..20_000).step_by(2)))]
fn croaring_writes_the_same(#[case] name: &str, #[case] rows: RoaringTreemap) {
    let blob = fixture(&format!("rebuilt/{name}.bin"));
    assert_eq!(encode(&rows).unwrap(), blob);
    assert_eq!(decode(&blob, rows.max().map_or(0, |row| row + 1)).unwrap(), rows);
}

#[test]
fn iceberg_s_vectors_are_read() {
    let read = |name: &str| decode(&enveloped(&fixture(&format!("published/{name}.bin"))), ROWS_MAX);
    assert_eq!(read("64mapempty").unwrap(), rows([]));
    assert_eq!(read("64map32bitvals").unwrap(), rows(0..10));
    let spread = rows((0..10_u64).flat_map(|key| (0..10).map(move |row| key << 32 | row)));
    assert_eq!(read("64mapspreadvals").unwrap(), spread);
}

#[test]
fn positions_have_no_top_bit() {
    let wrong = "it hides row 9223372036854775811 of a shard of 9223372036854775808 rows";
    assert_eq!(fault(encode(&rows([ROWS_MAX + 3]))), wrong);
    let blob = enveloped(&vector(&[(1 << 31, bitmap(&[3]))]));
    assert_eq!(fault(decode(&blob, u64::MAX)), wrong);
}

#[test]
fn dense_rows_cost_next_to_nothing() {
    let dense = rows((1 << 32) - 200_000..(1 << 32) + 200_000);
    let blob = encode(&dense).unwrap();
    // Key, cardinality, offset and one run for each of 8 containers.
    assert!(blob.len() < 8 * 14 + 80, "{}", blob.len());
    assert_eq!(decode(&blob, 1 << 33).unwrap(), dense);
}

#[test]
fn rows_behind_the_shard_s_end_are_refused() {
    let blob = encode(&rows([4, 1 << 40])).unwrap();
    assert_eq!(decode(&blob, (1 << 40) + 1).unwrap().len(), 2);
    assert_eq!(fault(decode(&blob, 1 << 40)), format!("it hides row {0} of a shard of {0} rows", 1_u64 << 40));
}

#[test]
fn iceberg_fills_gaps_between_keys_with_empty_bitmaps() {
    let filled = vector(&[(0, bitmap(&[7])), (1, bitmap(&[])), (2, bitmap(&[9]))]);
    let read = decode(&enveloped(&filled), ROWS_MAX).unwrap();
    assert_eq!(read, rows([7, (2 << 32) + 9]));
    assert_eq!(read.bitmaps().count(), 2);
}

#[test]
fn keys_ascend() {
    for keys in [[1, 0], [1, 1], [0x8000_0000, 1]] {
        let blob = enveloped(&vector(&keys.map(|key| (key, bitmap(&[3])))));
        assert_eq!(fault(decode(&blob, ROWS_MAX)), "its deletion vector has keys out of order");
    }
}

#[test]
fn every_byte_belongs_to_it() {
    let vector = vector(&[(0, bitmap(&[3])), (1, bitmap(&[3]))]);
    let blob = enveloped(&vector);
    assert!(decode(&blob, ROWS_MAX).is_ok());
    assert_eq!(
        fault(decode(&enveloped(&[&vector[..], &[0]].concat()), ROWS_MAX)),
        "its deletion vector goes on behind its last bitmap"
    );
    for length in 0..vector.len() {
        assert!(is_vector_fault(decode(&enveloped(&vector[..length]), ROWS_MAX)), "{length}");
    }
    for length in 0..blob.len() {
        assert!(is_vector_fault(decode(&blob[..length], ROWS_MAX)), "{length}");
    }
    assert_eq!(
        fault(decode(&[&blob[..], &[0]].concat(), ROWS_MAX)),
        "its deletion vector has another length than it says"
    );
}

#[test]
fn magic_and_checksum_are_checked() {
    let blob = encode(&rows([1, 3])).unwrap();
    let changed = |at: usize| {
        let mut blob = blob.clone();
        blob[at] ^= 1;
        fault(decode(&blob, ROWS_MAX))
    };
    assert_eq!(changed(4), "its deletion vector does not begin with its magic bytes");
    assert_eq!(changed(blob.len() - 5), "its deletion vector does not have the checksum that it says");
    assert_eq!(changed(blob.len() - 1), "its deletion vector does not have the checksum that it says");
}

/// Another reader may go by the offsets and cardinalities that ours does not need.
#[test]
fn a_bitmap_agrees_with_its_own_header() {
    let sound = vector(&[(0, bitmap(&[1, 3, 5]))]);
    let mut offset = sound.clone();
    offset[24] += 2;
    assert_eq!(
        fault(decode(&enveloped(&offset), ROWS_MAX)),
        "its deletion vector holds a bitmap that contradicts its own header"
    );
    let mut runs = RoaringBitmap::new();
    runs.insert_range(5..500);
    runs.optimize();
    let mut cardinality = vector(&[(0, runs)]);
    assert_eq!(cardinality[12..14], [0x3B, 0x30]);
    cardinality[19] -= 1;
    assert!(is_vector_fault(decode(&enveloped(&cardinality), ROWS_MAX)));
}

/// A few bytes that promise much are refused before anything is made of that size.
#[test]
fn counts_are_not_believed() {
    let endless = enveloped(&u64::MAX.to_le_bytes());
    assert_eq!(fault(decode(&endless, ROWS_MAX)), "its deletion vector is cut off");
    for containers in [65_536, 65_537, u32::MAX] {
        let bitmap = [&[0x3A, 0x30, 0, 0], &containers.to_le_bytes()[..]].concat();
        let blob = enveloped(&[&1_u64.to_le_bytes()[..], &[0; 4], &bitmap].concat());
        assert!(is_vector_fault(decode(&blob, ROWS_MAX)));
    }
}

fn any_rows() -> impl Strategy<Value = RoaringTreemap> {
    let row =
        prop_oneof![0_u64..200_000, (0_u64..4, 0_u64..200_000).prop_map(|(key, row)| key << 32 | row), 0..ROWS_MAX];
    let run = (row, 0_u64..70_000).prop_map(|(first, length)| first..(first + length).min(ROWS_MAX));
    prop_oneof![
        prop::collection::btree_set(0..ROWS_MAX, 0..20).prop_map(rows),
        prop::collection::btree_set(0_u64..200_000, 0..5000).prop_map(rows),
        prop::collection::vec(run, 0..6).prop_map(|runs| {
            let mut rows = RoaringTreemap::new();
            runs.into_iter().for_each(|run| _ = rows.insert_range(run));
            rows
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(rows in any_rows()) {
        let blob = encode(&rows).unwrap();
        prop_assert_eq!(decode(&blob, ROWS_MAX).unwrap(), rows);
    }

    #[test]
    fn no_vector_makes_the_reader_panic(
        rows in any_rows(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let blob = encode(&rows).unwrap();
        let mut vector = blob[8..blob.len() - 4].to_vec();
        for (at, value) in flips {
            let at = at.index(vector.len().min(64));
            vector[at] = value;
        }
        // Whatever is read must be what the same bytes say when they are written again.
        if let Ok(read) = decode(&enveloped(&vector), ROWS_MAX) {
            prop_assert_eq!(decode(&encode(&read).unwrap(), ROWS_MAX).unwrap(), read);
        }
    }
}
