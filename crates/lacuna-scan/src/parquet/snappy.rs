//! The beginning of a Snappy page (the format's `format_description.txt`). The library only expands whole ones.
//!
//! Nearly as fast as the library, which expands the most pages faster still: this is for what stops on the way. A person's few rows in each
//! row group are exported an eighth faster where pages are decompressed as far as these rows (`cargo xtask bench --cases
//! export-common:snappy`, before and after).

/// What may be written behind the wanted bytes: no copy is longer.
const SLACK: usize = 64;
/// So many bytes are moved at once: literals and copies are mostly shorter, and to ask how long each is costs more than to move too many.
const CHUNK: usize = 16;

/// Appends the first `wanted` of the `size` bytes that `page` expands to; `None` where it does not, or names another size.
pub(super) fn beginning(page: &[u8], size: usize, wanted: usize, into: &mut Vec<u8>) -> Option<()> {
    let (length, input) = header(page)?;
    if length != size || wanted > size {
        return None;
    }
    let start = into.len();
    into.resize(start + wanted + SLACK, 0);
    let expanded = expand(input, wanted, &mut into[start..]).and_then(|(at, rest)| skim(rest, at));
    into.truncate(start + wanted);
    expanded.filter(|&expanded| expanded == size).map(|_| ())
}

/// How many bytes the page expands to, and what comes behind that number.
fn header(page: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    for (at, &byte) in page.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((length, &page[at + 1..]));
        }
    }
    None
}

/// Fills `out` as far as `wanted`, behind which it has [`SLACK`] bytes more; how far the last element goes, and what comes behind it.
fn expand<'p>(mut input: &'p [u8], wanted: usize, out: &mut [u8]) -> Option<(usize, &'p [u8])> {
    let mut at = 0;
    while at < wanted {
        let (&tag, rest) = input.split_first()?;
        let high = usize::from(tag >> 2);
        let (length, offset);
        (length, offset, input) = match tag & 3 {
            0 if high < CHUNK && rest.len() >= CHUNK => {
                *out[at..].first_chunk_mut::<CHUNK>()? = *rest.first_chunk::<CHUNK>()?;
                input = &rest[high + 1..];
                at += high + 1;
                continue;
            }
            0 => {
                let (length, rest) = literal_length(high, rest)?;
                let (literal, rest) = rest.split_at_checked(length)?;
                let fitting = length.min(out.len() - at);
                out[at..at + fitting].copy_from_slice(&literal[..fitting]);
                input = rest;
                at += length;
                continue;
            }
            _ => copy(tag, rest)?,
        };
        let from = at.checked_sub(offset).filter(|_| offset > 0)?;
        if offset >= length.min(CHUNK) {
            for moved in (0..length).step_by(CHUNK) {
                let chunk = *out[from + moved..].first_chunk::<CHUNK>()?;
                *out[at + moved..].first_chunk_mut::<CHUNK>()? = chunk;
            }
        } else {
            // What it copies it writes itself: a pattern that repeats.
            for moved in 0..length {
                out[at + moved] = out[from + moved];
            }
        }
        at += length;
    }
    Some((at, input))
}

/// How far the elements of `input` go, of which the first begins at `at`.
fn skim(mut input: &[u8], mut at: usize) -> Option<usize> {
    while let Some((&tag, rest)) = input.split_first() {
        let length;
        if tag & 3 == 0 {
            let literal;
            (length, literal) = literal_length(usize::from(tag >> 2), rest)?;
            input = literal.get(length..)?;
        } else {
            let offset;
            (length, offset, input) = copy(tag, rest)?;
            at.checked_sub(offset).filter(|_| offset > 0)?;
        }
        at += length;
    }
    Some(at)
}

/// A copy's length, how far before it its bytes stand, and what comes behind it.
#[inline]
fn copy(tag: u8, rest: &[u8]) -> Option<(usize, usize, &[u8])> {
    let high = usize::from(tag >> 2);
    Some(match tag & 3 {
        1 => {
            let (&low, rest) = rest.split_first()?;
            (4 + (high & 7), usize::from(tag >> 5) << 8 | usize::from(low), rest)
        }
        2 => {
            let (offset, rest) = rest.split_first_chunk()?;
            (high + 1, usize::from(u16::from_le_bytes(*offset)), rest)
        }
        _ => {
            let (offset, rest) = rest.split_first_chunk()?;
            (high + 1, u32::from_le_bytes(*offset) as usize, rest)
        }
    })
}

/// A literal's length, of which the tag says `high`, and what comes behind it.
#[inline]
fn literal_length(high: usize, rest: &[u8]) -> Option<(usize, &[u8])> {
    let (more, rest) = rest.split_at_checked(high.saturating_sub(59))?;
    let length =
        if more.is_empty() { high } else { more.iter().rev().fold(0, |all, &byte| all << 8 | usize::from(byte)) };
    Some((length + 1, rest))
}

#[cfg(test)]
mod tests {
    use parquet::basic::Compression;
    use parquet::compression::{CodecOptions, create_codec};
    use proptest::prelude::*;

    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut page = Vec::new();
        create_codec(Compression::SNAPPY, &CodecOptions::default())
            .unwrap()
            .unwrap()
            .compress(bytes, &mut page)
            .unwrap();
        page
    }

    fn unpack(page: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let codec = create_codec(Compression::SNAPPY, &CodecOptions::default()).unwrap();
        let length = codec.unwrap().decompress(page, &mut out, Some(size)).ok()?;
        (length == size).then_some(out)
    }

    fn first(page: &[u8], size: usize, wanted: usize) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        beginning(page, size, wanted, &mut out)?;
        Some(out.split_off(6))
    }

    #[test]
    fn every_element_is_read() {
        // A literal, copies with offsets of one, two and four bytes, a pattern, and a literal with its length in two bytes.
        let long = [b'z'; 300];
        let page = [
            &[0xd2, 0x02, 4 << 2][..],
            b"hello",
            &[0b0001, 5],
            &[3 << 2 | 2, 5, 0],
            &[9 << 2 | 3, 9, 0, 0, 0],
            &[0b1_1001, 1],
            &[4 << 2 | 2, 2, 0],
            &[61 << 2, 43, 1],
            &long,
        ]
        .concat();
        let expanded = unpack(&page, 338).unwrap();
        for wanted in 0..=338 {
            assert_eq!(first(&page, 338, wanted).unwrap(), expanded[..wanted], "{wanted}");
        }
        assert_eq!(first(&page, 339, 10), None, "the page says 338");
        assert_eq!(first(&page, 338, 339), None);
    }

    #[test]
    fn what_points_outside_is_refused() {
        for elements in [
            &[0b0001, 0][..],
            &[0, b'a', 0b0001, 2],
            &[0, b'a', 0b0001, 0],
            &[8 << 2, b'a'],
            &[63 << 2, 255, 255, 255, 255],
            &[],
        ] {
            assert_eq!(first(&[&[20], elements].concat(), 20, 8), None, "{elements:?}");
        }
        assert_eq!(first(&[0x80; 6], 0, 0), None);
    }

    proptest! {
        #[test]
        fn reads_what_the_library_writes(
            words in prop::collection::vec(("[ab]{1,12}|[a-z0-9]{30,40}", 1..6_usize), 0..200),
            wanted in 0.0..=1.0,
        ) {
            let text: String = words.iter().map(|(word, times)| word.repeat(*times)).collect();
            let wanted = (text.len() as f64 * wanted) as usize;
            prop_assert_eq!(first(&pack(text.as_bytes()), text.len(), wanted).unwrap(), &text.as_bytes()[..wanted]);
        }

        /// What the library refuses is refused, and what it reads is read.
        #[test]
        fn agrees_with_the_library(elements in prop::collection::vec((any::<u8>(), 0..70_u8, 0..9_u8), 0..40), size in 0..600_usize) {
            let mut page = vec![(size & 0x7f) as u8 | 0x80, (size >> 7) as u8];
            for (byte, tag, offset) in elements {
                page.push(tag);
                page.extend((0..offset).map(|n| if n == 0 { byte % 40 } else { 0 }));
            }
            agrees(&page, size)?;
        }

        /// Damage is noticed where the library notices it, also in the part that is not expanded.
        #[test]
        fn damage_is_noticed(
            words in prop::collection::vec(("[ab]{1,12}|[a-z0-9]{30,40}", 1..6_usize), 1..60),
            (at, bit) in (any::<prop::sample::Index>(), 0..8_u8),
        ) {
            let text: String = words.iter().map(|(word, times)| word.repeat(*times)).collect();
            let mut page = pack(text.as_bytes());
            let at = at.index(page.len());
            page[at] ^= 1 << bit;
            agrees(&page, text.len())?;
        }
    }

    fn agrees(page: &[u8], size: usize) -> Result<(), TestCaseError> {
        let whole = unpack(page, size);
        for wanted in [0, 1, size / 3, size] {
            prop_assert_eq!(first(page, size, wanted), whole.as_ref().map(|whole| whole[..wanted].to_vec()));
        }
        Ok(())
    }
}
