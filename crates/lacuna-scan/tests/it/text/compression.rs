//! Compression is found by content; members may be many; what is damaged is named.

use lacuna_scan::text::compression::Step;
use lacuna_scan::text::{Compression, Decompressor, Member, sniff};
use lacuna_scan::{Error, Limits};
use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};
use rstest::rstest;

use super::{Query, gzip, lz4, lz4_with, skippable, zstd};

/// All of the text, pushed in pieces; also how many members there were.
fn decompress(stored: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<Member>), Error> {
    let mut decompressor = Decompressor::new(&Limits::default());
    let (mut text, mut members, mut pieces) = (Vec::new(), Vec::new(), stored.chunks(piece));
    loop {
        let before = text.len();
        match decompressor.pull(&mut text, 1000)? {
            Step::Begin(member) => members.push(member),
            Step::Data => assert!(text.len() - before <= 1000),
            Step::End => {}
            Step::Hungry => match pieces.next() {
                Some(piece) => decompressor.push(piece.to_vec().into()),
                None => decompressor.end(),
            },
            Step::Done => return Ok((text, members)),
        }
    }
}

/// Text that compresses somewhat.
fn text(bytes: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut text = Vec::with_capacity(bytes);
    while text.len() < bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{{\"n\":{},\"word\":\"lorem\"}}\n", state >> 20).as_bytes());
    }
    text.truncate(bytes);
    text
}

fn bgzip_like(text: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let builder = flate2::GzBuilder::new().extra(&b"XY\x02\0zz"[..]).filename("log.json").comment("c").mtime(5);
    let mut encoder = builder.write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[rstest]
#[case(gzip, 0)]
#[case(gzip, 1)]
#[case(gzip, 300_000)]
#[case(bgzip_like, 300_000)]
#[case(zstd, 0)]
#[case(zstd, 1)]
#[case(zstd, 300_000)]
#[case(lz4, 0)]
#[case(lz4, 1)]
#[case(lz4, 300_000)]
fn members_join(#[case] pack: fn(&[u8]) -> Vec<u8>, #[case] bytes: usize) {
    let text = text(bytes);
    let stored = [pack(&text), pack(b""), pack(b"end")].concat();
    let expected = [&text[..], b"end"].concat();
    for piece in [1, 7, 1000, usize::MAX] {
        let (found, members) = decompress(&stored, piece).unwrap();
        assert!(found == expected, "in pieces of {piece}");
        assert_eq!(members.len(), 3);
    }
}

#[test]
fn plain_text_is_plain() {
    for text in ["", "{", "(", "{}\n", "PK", "no magic here"] {
        if text == "(" {
            // It might be zstd's first byte.
            assert!(matches!(decompress(text.as_bytes(), 1), Err(Error::Truncated { .. })));
            continue;
        }
        assert_eq!(decompress(text.as_bytes(), 1).unwrap(), (text.as_bytes().to_vec(), vec![Member::Plain]));
    }
}

#[test]
fn skippable_frames_are_skipped() {
    for pack in [zstd as fn(&[u8]) -> Vec<u8>, lz4] {
        let stored =
            [skippable(b"front"), pack(b"one"), skippable(b""), skippable(&[0; 5000]), pack(b"two"), skippable(b"x")];
        for piece in [1, 3, usize::MAX] {
            assert_eq!(decompress(&stored.concat(), piece).unwrap().0, b"onetwo");
        }
    }
    assert_eq!(decompress(&skippable(b"alone"), 2).unwrap().0, b"");
    assert_eq!(sniff(&skippable(b"")), Compression::Zstd);
}

#[test]
fn lz4_frames_of_every_shape() {
    let text = text(700_000);
    for block_size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        for block_mode in [BlockMode::Independent, BlockMode::Linked] {
            for checks in [false, true] {
                let info = FrameInfo::new()
                    .block_size(block_size)
                    .block_mode(block_mode)
                    .block_checksums(checks)
                    .content_checksum(checks)
                    .content_size(checks.then_some(text.len() as u64));
                let stored = [lz4_with(info.clone(), &text), lz4(b"")].concat();
                let (found, members) = decompress(&stored, 4999).unwrap();
                assert!(found == text);
                let Member::Lz4(header) = &members[0] else { panic!("{members:?}") };
                assert_eq!((header.has_checksum, header.has_block_checksums), (checks, checks));
                assert_eq!(header.has_linked_blocks, block_mode == BlockMode::Linked);
                assert_eq!(header.has_content_size, checks);
            }
        }
    }
}

#[test]
fn gzip_headers_are_read() {
    let Member::Gzip(header) = decompress(&bgzip_like(b"x"), 1).unwrap().1.remove(0) else { panic!("not gzip") };
    assert_eq!(header.name.as_deref(), Some(&b"log.json"[..]));
    assert_eq!(header.comment.as_deref(), Some(&b"c"[..]));
    assert_eq!(header.extra.as_deref(), Some(&b"XY\x02\0zz"[..]));
    assert_eq!((header.mtime, header.effort), (5, 4));
}

#[test]
fn zstd_headers_are_read() {
    let header = |stored: &[u8]| match decompress(stored, 1).unwrap().1.remove(0) {
        Member::Zstd(header) => header,
        other => panic!("{other:?}"),
    };
    let streamed = header(&zstd(&text(100_000)));
    assert_eq!((streamed.has_checksum, streamed.has_content_size), (true, false));
    for bytes in [0, 1, 255, 256, 65_791, 65_792, 5_000_000] {
        let whole = header(&zstd::bulk::compress(&text(bytes), 1).unwrap());
        assert_eq!((whole.has_checksum, whole.has_content_size), (false, true), "{bytes}");
        assert!(whole.window >= bytes.min(512 << 10) as u64, "{bytes}: {}", whole.window);
    }
}

#[test]
fn every_flipped_byte_is_noticed_or_harmless() {
    let expected = text(400);
    for pack in [gzip as fn(&[u8]) -> Vec<u8>, zstd, lz4] {
        let stored = pack(&expected);
        for at in 0..stored.len() {
            for flip in [1, 0x80, 0xff] {
                let mut stored = stored.clone();
                stored[at] ^= flip;
                // A damaged magic number makes it plain text, which its records will tell.
                if at >= 4
                    && let Ok((text, _)) = decompress(&stored, usize::MAX)
                {
                    assert!(text == expected, "byte {at}");
                }
            }
        }
    }
}

#[test]
fn garbage_behind_the_last_member_is_refused() {
    for pack in [gzip as fn(&[u8]) -> Vec<u8>, zstd, lz4] {
        for garbage in [&b"garbage"[..], b"g", b"\0\0\0\0g", b"\0\0\0\0\x1f\x8b\x08", b"\n"] {
            for piece in [1, usize::MAX] {
                let result = decompress(&[&pack(b"text"), garbage].concat(), piece);
                assert!(matches!(result, Err(Error::Malformed { .. })), "{result:?}");
            }
        }
    }
    for stored in [zstd(b"text"), lz4(b"text"), [gzip(b""), zstd(b"text")].concat()] {
        let result = decompress(&[&stored[..], &[0; 4]].concat(), usize::MAX);
        assert!(matches!(result, Err(Error::Malformed { .. })), "{result:?}");
    }
}

#[test]
fn zeros_behind_the_last_gzip_member_are_padding() {
    for zeros in [1, 3, 4, 5, 100_000] {
        let stored = [gzip(b"one"), gzip(b"two"), vec![0; zeros]].concat();
        for piece in [1, 4096, usize::MAX] {
            assert_eq!(decompress(&stored, piece).unwrap().0, b"onetwo", "{zeros} in pieces of {piece}");
        }
    }
}

#[test]
fn what_is_not_read_is_named() {
    let unread = |stored: &[u8], word: &str| match Query::ndjson("id", &["a"]).run(stored) {
        Err(Error::Unsupported { what }) => assert!(what.contains(word), "{what}"),
        other => panic!("{other:?}"),
    };
    unread(b"BZh91AY&SY and more", "bzip2");
    unread(b"\xfd7zXZ\0\0", "xz");
    unread(b"\x02\x21\x4c\x18....", "legacy");
    // One segment, with dictionary 5.
    unread(b"\x28\xb5\x2f\xfd\x21\x05\x02\x11\x00\x00{}", "dictionary");
}

#[test]
fn a_bomb_is_refused_early() {
    // A hundred megabytes in a few kilobytes.
    let bomb = zstd(&vec![b'\n'; 100 << 20]);
    assert!(bomb.len() < 32 << 10);
    match Query::ndjson("id", &["a"]).run(&bomb) {
        Err(Error::Limit { setting: "expansion_max", .. }) => {}
        other => panic!("{other:?}"),
    }
    let mut decompressor = Decompressor::new(&Limits::default());
    decompressor.push(bomb.into());
    decompressor.end();
    let mut text = Vec::new();
    while decompressor.pull(&mut text, 1 << 20).is_ok() {
        text.clear();
    }
    assert!(decompressor.text_bytes() < 66 << 20);
}

#[test]
fn a_large_window_is_refused_before_it_is_allocated() {
    // A frame that asks for 2 GiB: magic, descriptor, window of 2^31.
    let stored = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 1, 0, 0];
    match Query::ndjson("id", &["a"]).run(&stored) {
        Err(Error::Limit { setting: "page_bytes_max", value, .. }) => assert_eq!(value, 2 << 30),
        other => panic!("{other:?}"),
    }
}
