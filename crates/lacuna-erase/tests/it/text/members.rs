//! Members begin and end where they did, and are packed as they were.

use lacuna_erase::Change;
use lacuna_scan::text::TextFormat::Ndjson;
use lacuna_scan::text::{Compression, Member, sniff};
use proptest::prelude::*;
use rstest::rstest;

use super::{delete, gzip, lz4, lz4_bare, members, rewrite, zstd_streamed, zstd_whole};

fn lines(count: usize, from: usize) -> Vec<String> {
    (from..from + count).map(|n| format!("{{\"n\":{n},\"word\":\"lorem ipsum {}\"}}\n", n * 7919 % 1000)).collect()
}

#[rstest]
#[case(gzip)]
#[case(zstd_streamed)]
#[case(zstd_whole)]
#[case(lz4)]
#[case(lz4_bare)]
fn members_are_made_alike(#[case] pack: fn(&[u8]) -> Vec<u8>) {
    let lines = lines(10_000, 0);
    let text = lines.concat();
    // Cuts in the middle of lines, and an empty member.
    let cuts = [0, 100_005, 100_005, 200_002, text.len()];
    let stored: Vec<u8> = cuts.windows(2).flat_map(|cut| pack(&text.as_bytes()[cut[0]..cut[1]])).collect();
    let hits: Vec<u64> = (0..10_000).filter(|row| row % 3 == 0).collect();

    let same = delete(&stored, &Ndjson, &[]).unwrap();
    let fewer = delete(&stored, &Ndjson, &hits).unwrap();
    assert_eq!(sniff(&fewer), sniff(&stored));
    let before = members(&stored);
    assert!(members(&same).iter().map(|(_, text)| text).eq(before.iter().map(|(_, text)| text)));

    // The same, member by member: of each line only what lay in the member.
    let mut expected = vec![Vec::new(); 4];
    let mut offset = 0;
    for (row, line) in lines.iter().enumerate() {
        for byte in line.bytes() {
            let member = cuts[1..].iter().position(|&cut| offset < cut).unwrap();
            if row % 3 != 0 {
                expected[member].push(byte);
            }
            offset += 1;
        }
    }
    let after = members(&fewer);
    assert_eq!(after.len(), 4);
    for (((header, text), (before, _)), expected) in after.iter().zip(&before).zip(&expected) {
        assert!(text == expected);
        match (header, before) {
            (Member::Gzip(header), Member::Gzip(before)) => assert_eq!(header, before),
            (Member::Lz4(header), Member::Lz4(before)) => assert_eq!(header, before),
            (Member::Zstd(header), Member::Zstd(before)) => {
                assert_eq!(header.has_checksum, before.has_checksum);
                assert_eq!(header.has_content_size, before.has_content_size);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_readers_read_it() {
    use std::io::Read as _;
    let text = lines(5000, 0).concat();
    let expected = lines(4999, 1).concat();
    let mut read = String::new();
    let packed = delete(&gzip(text.as_bytes()), &Ndjson, &[0]).unwrap();
    flate2::read::MultiGzDecoder::new(&packed[..]).read_to_string(&mut read).unwrap();
    assert!(read == expected);
    for pack in [zstd_streamed, zstd_whole] {
        let packed = delete(&pack(text.as_bytes()), &Ndjson, &[0]).unwrap();
        assert!(zstd::stream::decode_all(&packed[..]).unwrap() == expected.as_bytes());
    }
    let packed = delete(&zstd_whole(text.as_bytes()), &Ndjson, &[0]).unwrap();
    let size = zstd::zstd_safe::get_frame_content_size(&packed).unwrap();
    assert_eq!(size, Some(expected.len() as u64));
    for pack in [lz4, lz4_bare] {
        let packed = delete(&pack(text.as_bytes()), &Ndjson, &[0]).unwrap();
        read.clear();
        lz4_flex::frame::FrameDecoder::new(&packed[..]).read_to_string(&mut read).unwrap();
        assert!(read == expected);
    }
}

#[test]
fn a_shard_may_be_left_without_rows() {
    for pack in [gzip as fn(&[u8]) -> Vec<u8>, zstd_streamed, zstd_whole, lz4, lz4_bare] {
        let packed = delete(&pack(b"{}\n"), &Ndjson, &[0]).unwrap();
        let members = members(&packed);
        assert_eq!((members.len(), &members[0].1[..]), (1, &b""[..]));
        assert_ne!(sniff(&packed), Compression::None);
    }
    assert_eq!(delete(b"", &Ndjson, &[]).unwrap(), b"");
}

#[test]
fn lengths_of_packed_bytes_go() {
    use std::io::Write as _;
    let extra = &b"BC\x02\0\x34\x12XY\x01\0z"[..];
    let mut encoder = flate2::GzBuilder::new().extra(extra).write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"{}\n").unwrap();
    let packed = delete(&encoder.finish().unwrap(), &Ndjson, &[]).unwrap();
    let Member::Gzip(header) = &members(&packed)[0].0 else { panic!("not gzip") };
    assert_eq!(header.extra.as_deref(), Some(&b"XY\x01\0z"[..]));

    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"size"].concat();
    let packed = delete(&[skippable, zstd_whole(b"{}\n")].concat(), &Ndjson, &[]).unwrap();
    assert_eq!(packed[0], 0x28);
}

#[test]
fn small_windows_stay_small() {
    use std::io::Write as _;
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(12).unwrap();
    encoder.write_all(lines(2000, 0).concat().as_bytes()).unwrap();
    let packed = delete(&encoder.finish().unwrap(), &Ndjson, &[5]).unwrap();
    let Member::Zstd(header) = &members(&packed)[0].0 else { panic!("not zstd") };
    assert_eq!(header.window, 4096);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Members anywhere, of any kind, rows gone anywhere: the text is what stays.
    #[test]
    fn any_members_any_rows(
        mut cuts in prop::collection::vec(0..60_000_usize, 0..12),
        kinds in prop::collection::vec(0..5_usize, 13),
        hits in prop::collection::btree_set(0..1200_u64, 0..600),
    ) {
        let lines = lines(1200, 0);
        let text = lines.concat();
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(text.len()));
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let packs = [gzip as fn(&[u8]) -> Vec<u8>, zstd_streamed, zstd_whole, lz4, lz4_bare];
        let stored: Vec<u8> =
            cuts.windows(2).zip(&kinds).flat_map(|(cut, &kind)| packs[kind](&text.as_bytes()[cut[0]..cut[1]])).collect();
        let hits: Vec<u64> = hits.into_iter().collect();
        let (packed, rewritten) = rewrite(&stored, &Ndjson, &hits, Change::Delete, false).unwrap();
        let expected: String = (0..).zip(&lines).filter(|(row, _)| !hits.contains(row)).map(|(_, line)| &line[..]).collect();
        prop_assert!(super::unpack(&packed) == expected.as_bytes());
        prop_assert_eq!(members(&packed).len(), cuts.len() - 1);
        prop_assert_eq!(rewritten.rows_after, 1200 - hits.len() as u64);
    }
}
