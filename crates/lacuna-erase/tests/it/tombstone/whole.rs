//! Whole tombstones: what they hide, and for whom.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lacuna_erase::tombstone::puffin::{self, Properties, Puffin};
use lacuna_erase::tombstone::{ShardVersion, Tombstone, deletion_vector};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{fault, fixture, rows};

fn version() -> ShardVersion {
    ShardVersion { shard: "activity/day=1/a.parquet".into(), etag: "0x8DC".into(), rows: 10 }
}

/// What `rebuilt/tombstone.puffin` says.
fn two_requests() -> Tombstone {
    let mut tombstone = Tombstone::new(version());
    tombstone.hide("r-2", &rows([5, 7, 9])).unwrap();
    tombstone.hide("r-1", &rows([1, 3, 5])).unwrap();
    tombstone
}

#[test]
fn it_says_which_rows_each_request_hides() {
    let tombstone = two_requests();
    assert_eq!(tombstone.version(), &version());
    assert_eq!(tombstone.hidden(), &rows([1, 3, 5, 7, 9]));
    let by_request: Vec<_> = tombstone.requests().collect();
    assert_eq!(by_request, [("r-1", &rows([1, 3, 5])), ("r-2", &rows([5, 7, 9]))]);
    assert_eq!(Tombstone::decode(&tombstone.encode().unwrap()).unwrap(), tombstone);
}

#[test]
fn one_made_without_our_code_is_read_and_written() {
    let bytes = fixture("rebuilt/tombstone.puffin");
    let tombstone = Tombstone::decode(&bytes).unwrap();
    assert_eq!(tombstone, two_requests());
    // Only the version of the writer may differ, which no checksum covers.
    let of_this_version = puffin::read(&bytes).unwrap();
    let written = tombstone.encode().unwrap();
    let written = puffin::read(&written).unwrap();
    let without_writer = |file: &Puffin<'_>| {
        let mut properties = file.properties.clone();
        assert!(properties.remove("created-by").unwrap().starts_with("Lacuna "));
        properties
    };
    assert_eq!(without_writer(&written), without_writer(&of_this_version));
    assert_eq!((written.blob, written.blob_properties), (of_this_version.blob, of_this_version.blob_properties));
}

#[test]
fn steps_that_run_again_change_nothing() {
    let once = two_requests();
    let mut again = once.clone();
    again.hide("r-1", &rows([3, 5])).unwrap();
    again.hide("r-3", &rows([])).unwrap();
    again.merge(&once).unwrap();
    assert_eq!(again.encode().unwrap(), once.encode().unwrap());
}

#[test]
fn merging_adds_the_rows_of_the_same_version_only() {
    let mut merged = two_requests();
    let mut other = Tombstone::new(version());
    other.hide("r-1", &rows([0])).unwrap();
    other.hide("r-9", &rows([9])).unwrap();
    merged.merge(&other).unwrap();
    assert_eq!(merged.hidden(), &rows([0, 1, 3, 5, 7, 9]));
    let by_request: Vec<_> = merged.requests().map(|(request, rows)| (request, rows.iter().collect())).collect();
    assert_eq!(by_request, [("r-1", vec![0, 1, 3, 5]), ("r-2", vec![5, 7, 9]), ("r-9", vec![9])]);

    for other in [
        ShardVersion { shard: "activity/day=2/a.parquet".into(), ..version() },
        ShardVersion { etag: "0x8DD".into(), ..version() },
        ShardVersion { rows: 11, ..version() },
    ] {
        let before = merged.clone();
        let wrong = merged.merge(&Tombstone::new(other));
        assert_eq!(fault(wrong), "it is of another shard, or of another version of it");
        assert_eq!(merged, before);
    }
}

#[test]
fn only_rows_of_the_shard_are_hidden() {
    let mut tombstone = two_requests();
    assert_eq!(fault(tombstone.hide("r-1", &rows([0, 10]))), "it hides row 10 of a shard of 10 rows");
    assert_eq!(tombstone, two_requests());
}

/// Nothing guards a Puffin file's footer but what a tombstone brings along.
#[test]
fn a_damaged_tombstone_never_hides_less() {
    let tombstone = two_requests();
    let sound = tombstone.encode().unwrap();
    let mut harmless = 0;
    for at in 0..sound.len() {
        for bit in 0..8 {
            let mut damaged = sound.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(read) = Tombstone::decode(&damaged) {
                assert_eq!(read, tombstone, "bit {bit} of byte {at}");
                harmless += 1;
            }
        }
    }
    // The writer's name and the field id say nothing of rows.
    assert!(harmless < 8 * ("created-by".len() + "Lacuna 0.1.0".len() + "2147483645".len() + 8), "{harmless}");
    for length in 0..sound.len() {
        assert!(Tombstone::decode(&sound[..length]).is_err(), "{length}");
    }
}

/// A tombstone's bytes after a change to what its Puffin file holds, with the checksum that belongs to it.
fn forged(change: impl FnOnce(&mut Puffin<'_>)) -> Vec<u8> {
    let bytes = two_requests().encode().unwrap();
    let mut file = puffin::read(&bytes).unwrap();
    change(&mut file);
    file.properties.remove("lacuna.checksum");
    let mut covered = Vec::new();
    let mut add = |part: &[u8]| {
        covered.extend((part.len() as u64).to_le_bytes());
        covered.extend(part);
    };
    add(file.blob);
    let of_blob = file
        .blob_properties
        .iter()
        .filter(|(name, _)| ["cardinality", "referenced-data-file"].contains(&name.as_str()));
    let of_file = file.properties.iter().filter(|(name, _)| name.starts_with("lacuna."));
    for (name, value) in of_blob.chain(of_file) {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    let checksum: String = Sha256::digest(&covered).iter().map(|byte| format!("{byte:02x}")).collect();
    file.properties.insert("lacuna.checksum".into(), checksum);
    puffin::write(&file).unwrap()
}

fn base64(blob: &[u8]) -> String {
    BASE64_STANDARD.encode(blob)
}

#[test]
fn the_parts_agree_with_each_other() {
    let set = |name: &'static str, value: &str| {
        let value = value.to_owned();
        move |properties: &mut Properties| _ = properties.insert(name.into(), value.clone())
    };
    assert_eq!(Tombstone::decode(&forged(|_| ())).unwrap(), two_requests());
    let of_file =
        |change: &dyn Fn(&mut Properties)| fault(Tombstone::decode(&forged(|file| change(&mut file.properties))));
    let of_blob =
        |change: &dyn Fn(&mut Properties)| fault(Tombstone::decode(&forged(|file| change(&mut file.blob_properties))));

    assert_eq!(of_blob(&set("cardinality", "4")), "its property `cardinality` is missing or wrong");
    assert_eq!(of_blob(&set("cardinality", "five")), "its property `cardinality` is missing or wrong");
    let no_shard = |properties: &mut Properties| _ = properties.remove("referenced-data-file");
    assert_eq!(of_blob(&no_shard), "its property `referenced-data-file` is missing or wrong");
    let no_etag = |properties: &mut Properties| _ = properties.remove("lacuna.etag");
    assert_eq!(of_file(&no_etag), "its property `lacuna.etag` is missing or wrong");
    assert_eq!(of_file(&set("lacuna.rows", "-1")), "its property `lacuna.rows` is missing or wrong");
    assert_eq!(of_file(&set("lacuna.rows", "9")), "it hides row 9 of a shard of 9 rows");

    // A row that no request hides would never be in a receipt; one that only a request hides would show.
    let no_request = |properties: &mut Properties| _ = properties.remove("lacuna.request.r-2");
    assert_eq!(of_file(&no_request), "its property `lacuna.request.` is missing or wrong");
    let more = base64(&deletion_vector::encode(&rows([2])).unwrap());
    assert_eq!(of_file(&set("lacuna.request.r-3", &more)), "its property `lacuna.request.` is missing or wrong");
    assert_eq!(of_file(&set("lacuna.request.r-3", "%")), "its property `lacuna.request.` is missing or wrong");
    assert_eq!(of_file(&set("lacuna.request.r-3", "AAAA")), "its deletion vector is cut off");
    let beyond = base64(&deletion_vector::encode(&rows([10])).unwrap());
    assert_eq!(of_file(&set("lacuna.request.r-3", &beyond)), "it hides row 10 of a shard of 10 rows");
}

#[test]
fn without_its_checksum_it_is_not_read() {
    let bytes = two_requests().encode().unwrap();
    let mut file = puffin::read(&bytes).unwrap();
    file.properties.remove("lacuna.checksum");
    let wrong = fault(Tombstone::decode(&puffin::write(&file).unwrap()));
    assert_eq!(wrong, "its property `lacuna.checksum` is missing or wrong");
}

#[test]
fn what_others_add_is_let_pass() {
    let bytes = two_requests().encode().unwrap();
    let mut file = puffin::read(&bytes).unwrap();
    file.properties.insert("theirs".into(), "x".into());
    file.blob_properties.insert("theirs".into(), "y".into());
    assert_eq!(Tombstone::decode(&puffin::write(&file).unwrap()).unwrap(), two_requests());
    // A later version of ours may add a property; the checksum covers it.
    let later = forged(|file| _ = file.properties.insert("lacuna.later".into(), "z".into()));
    assert_eq!(Tombstone::decode(&later).unwrap(), two_requests());
}

fn shard_rows() -> impl Strategy<Value = (u64, Vec<(String, Vec<u64>)>)> {
    let of_shard = |count: u64| {
        let request = ("[a-z0-9\"é-]{0,12}", prop::collection::vec(0..count, 0..30));
        (Just(count), prop::collection::vec(request, 0..8))
    };
    prop_oneof![1_u64..100, 1_u64..5_000_000, (1_u64 << 32)..(1 << 36)].prop_flat_map(of_shard)
}

proptest! {
    #[test]
    fn what_is_written_is_read((count, requests) in shard_rows(), shard in "\\PC{1,40}", etag in "\\PC{0,20}") {
        let version = ShardVersion { shard, etag, rows: count };
        let mut tombstone = Tombstone::new(version.clone());
        let mut backwards = Tombstone::new(version);
        for (request, hidden) in &requests {
            tombstone.hide(request, &rows(hidden.iter().copied())).unwrap();
        }
        for (request, hidden) in requests.iter().rev() {
            backwards.hide(request, &rows(hidden.iter().copied())).unwrap();
        }
        let bytes = tombstone.encode().unwrap();
        prop_assert_eq!(&backwards.encode().unwrap(), &bytes);
        prop_assert_eq!(tombstone.hidden(), &rows(requests.iter().flat_map(|(_, hidden)| hidden.iter().copied())));
        prop_assert_eq!(Tombstone::decode(&bytes).unwrap(), tombstone);
    }
}
