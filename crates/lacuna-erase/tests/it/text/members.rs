//! Members begin and end where they did, and are packed as they were.

use lacuna_erase::{Change, Error};
use lacuna_scan::Limits;
use lacuna_scan::text::TextFormat::Ndjson;
use lacuna_scan::text::compression::Step;
use lacuna_scan::text::{Compression, Decompressor, Member, sniff};
use proptest::prelude::*;
use rstest::rstest;

use super::{delete, document, gzip, lz4, lz4_bare, members, rewrite, unpack, zstd_streamed, zstd_whole};

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
fn padding_goes_and_the_records_before_it_stay() {
    let text = lines(50, 0).concat();
    let (first, last) = (gzip(text.as_bytes()), gzip(b"{}\n"));
    let stored = [&first[..], &last, &[0; 700]].concat();
    assert_eq!(delete(&stored, &Ndjson, &[50]).unwrap(), [&first[..], &gzip(b"")].concat());
    assert_eq!(unpack(&delete(&stored, &Ndjson, &[0]).unwrap()), (lines(49, 1).concat() + "{}\n").as_bytes());
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

/// A member of bgzip: it tells its own length, less one.
fn bgzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let extra = &b"BC\x02\0\0\0XY\x01\0z"[..];
    let mut encoder = flate2::GzBuilder::new().extra(extra).write(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    let mut packed = encoder.finish().unwrap();
    let last = u16::try_from(packed.len() - 1).unwrap();
    packed[16..18].copy_from_slice(&last.to_le_bytes());
    packed
}

/// A skippable frame.
fn skippable(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    [&[0x50, 0x2a, 0x4d, 0x18][..], &length, bytes].concat()
}

#[rstest]
#[case(gzip)]
#[case(bgzip)]
#[case(zstd_streamed)]
#[case(zstd_whole)]
#[case(lz4)]
#[case(lz4_bare)]
fn members_without_a_hit_are_copied(#[case] pack: fn(&[u8]) -> Vec<u8>) {
    // Eight members of 500 lines each; the last line of the sixth ends in the seventh. One has no text.
    let lines = lines(4000, 0);
    let text = lines.concat();
    let end = |row: usize| lines[..row].iter().map(String::len).sum::<usize>();
    let mut cuts: Vec<usize> = (0..=8).map(|at| end(at * 500)).collect();
    cuts[6] -= 7;
    cuts.insert(4, cuts[4]);
    let stored: Vec<Vec<u8>> = cuts.windows(2).map(|cut| pack(&text.as_bytes()[cut[0]..cut[1]])).collect();
    // Skippable frames lie between members.
    let is_zstd = sniff(&stored[0]) == Compression::Zstd;
    let between = if is_zstd { skippable(b"how long the next frame is") } else { Vec::new() };
    let whole = stored.join(&between[..]);

    for (hits, touched) in [
        (&[][..], &[][..]),
        (&[0], &[0]),
        (&[499], &[0]),
        (&[700, 3999], &[1, 8]),
        (&[2999], &[6, 7]),
        (&[3000], &[7]),
        (&[1500, 1501], &[3]),
    ] {
        let packed = delete(&whole, &Ndjson, hits).unwrap();
        let expected: String =
            (0..).zip(&lines).filter(|(row, _)| !hits.contains(row)).map(|(_, line)| &line[..]).collect();
        assert!(super::unpack(&packed) == expected.as_bytes());
        let found = stored_members(&packed);
        assert_eq!(
            found.iter().map(|member| member.len()).sum::<usize>(),
            packed.len(),
            "skippable frames are left out"
        );
        let is_same: Vec<bool> = found.iter().zip(&stored).map(|(found, stored)| found == stored).collect();
        let expected: Vec<bool> = (0..stored.len()).map(|at| !touched.contains(&at)).collect();
        assert_eq!(is_same, expected, "{hits:?}");
    }
}

/// Each member as it is stored.
fn stored_members(stored: &[u8]) -> Vec<&[u8]> {
    let mut decompressor = Decompressor::new(&Limits::default());
    decompressor.push(stored.to_vec().into());
    decompressor.end();
    let (mut members, mut start, mut text) = (Vec::new(), 0, Vec::new());
    loop {
        let step = decompressor.pull(&mut text, 1 << 20).unwrap();
        let at = usize::try_from(decompressor.joint_at()).unwrap();
        match step {
            Step::Begin(_) => start = at,
            Step::End => members.push(&stored[start..at]),
            Step::Data => {}
            Step::Hungry | Step::Done => return members,
        }
    }
}

#[test]
fn members_tell_their_own_length() {
    let lines = lines(2000, 0);
    let text = lines.concat();
    let stored = [bgzip(&text.as_bytes()[..40_000]), bgzip(&text.as_bytes()[40_000..]), bgzip(b"")].concat();
    let packed = delete(&stored, &Ndjson, &[1, 1999]).unwrap();
    let (mut rest, mut blocks) = (&packed[..], 0);
    while !rest.is_empty() {
        assert_eq!(&rest[12..16], b"BC\x02\0");
        assert_eq!(&rest[18..23], b"XY\x01\0z");
        let length = usize::from(u16::from_le_bytes([rest[16], rest[17]])) + 1;
        assert_eq!(members(&rest[..length]).len(), 1);
        rest = &rest[length..];
        blocks += 1;
    }
    assert_eq!(blocks, 3);
}

#[test]
fn members_too_long_for_their_own_length_do_not_tell_it() {
    use std::io::Write as _;
    // Nothing to pack, and a number that cannot be right.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'#' + (state >> 33) as u8 % 90)
    };
    let line: String = (0..200_000).map(|_| noise()).filter(|noise| *noise != '\\').collect();
    let text = format!("{{}}\n\"{line}\"\n");
    let extra = &b"RA\x03\0abcBC\x02\0\x34\x12XY\x01\0z"[..];
    let mut encoder = flate2::GzBuilder::new().extra(extra).write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let packed = delete(&encoder.finish().unwrap(), &Ndjson, &[0]).unwrap();
    let (Member::Gzip(header), kept) = &members(&packed)[0] else { panic!("not gzip") };
    assert_eq!(header.extra.as_deref(), Some(&b"XY\x01\0z"[..]));
    assert!(kept == &text.as_bytes()[3..]);
}

#[test]
fn frames_are_packed_about_as_hard_as_they_were() {
    let text = lines(60_000, 0).concat();
    for level in [1, 3, 9, 19] {
        let stored = zstd::bulk::compress(text.as_bytes(), level).unwrap();
        let packed = delete(&stored, &Ndjson, &[30_000]).unwrap();
        assert!(packed.len() * 100 <= stored.len() * 105, "level {level}: {} of {}", packed.len(), stored.len());
    }
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

/// Any number of members is held while text in front of them may be written, or none.
#[test]
fn members_without_text_do_not_add_up() {
    let empty = zstd_whole(b"").repeat(66_000);
    let records = "{\"n\":0},".repeat(900);
    let stored =
        [zstd_whole(format!("[ {records}{{}}").as_bytes()), empty.clone(), zstd_whole(b",{\"n\":1}]")].concat();
    let packed = delete(&stored, &document("[]"), &(0..901).collect::<Vec<_>>()).unwrap();
    assert_eq!((&unpack(&packed)[..], members(&packed).len()), (&b"[ {\"n\":1}]"[..], 66_002));
    let stored = [zstd_whole(b"{\"n\""), empty, zstd_whole(b":1}\n{}\n")].concat();
    let refused = delete(&stored, &Ndjson, &[1]);
    assert!(matches!(&refused, Err(Error::Unfaithful(why)) if why.contains("members")), "{refused:?}");
}

/// As a whole the shard expands within the limit, and that is what counts.
#[test]
fn a_member_may_expand_more_than_its_shard() {
    let mut random = 1_u64;
    let noise = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:016x}", random)
    });
    let noise = format!("{{\"n\":\"{}\"}}\n", noise.take(10_000).collect::<String>());
    let even = format!("{{\"n\":\"{}\"}}\n", " ".repeat(1 << 20)).repeat(70);
    let stored = [zstd_whole(noise.as_bytes()), zstd_whole(even.as_bytes())].concat();
    let packed = delete(&stored, &Ndjson, &[69]).unwrap();
    assert!(packed.len() < stored.len());
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
