//! UUIDs by value: read in any usual form, and written in each of them.

/// The bytes of a UUID.
pub(crate) type Uuid = [u8; 16];

/// Where hyphens stand in the usual form.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// How long the usual form is.
const HYPHENATED: usize = 36;
/// Where each byte's two digits stand in it.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// Reads a UUID as text: 32 hexadecimal digits, with hyphens at the usual places or without, in braces or not.
pub(crate) fn parse(text: &[u8]) -> Option<Uuid> {
    let text = bare(text);
    let is_hyphenated = text.len() == HYPHENATED && HYPHENS.iter().all(|&at| text[at] == b'-');
    if !is_hyphenated && text.len() != 32 {
        return None;
    }
    let (mut uuid, mut is_hexadecimal) = ([0; 16], true);
    for (at, byte) in uuid.iter_mut().enumerate() {
        let place = if is_hyphenated { PLACES[at] } else { 2 * at };
        let (high, low) = (DIGITS[usize::from(text[place])], DIGITS[usize::from(text[place + 1])]);
        is_hexadecimal &= high | low < 16;
        *byte = high << 4 | low & 15;
    }
    is_hexadecimal.then_some(uuid)
}

/// What a byte is worth as a hexadecimal digit; of others, more than that.
const DIGITS: [u8; 256] = {
    let (mut table, mut digit) = ([0xFF; 256], 0);
    while digit < 16 {
        table[LOWER[digit as usize] as usize] = digit;
        table[UPPER[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};
const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Without braces.
fn bare(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(text)
}

/// What all forms of the UUID that `text` is have in common, but for the case: its first digits or its last. Those in which other UUIDs
/// differ: where neither is a time or a place, the ones with more figures in a row, which have no case.
pub(crate) fn stem(text: &[u8]) -> Option<&[u8]> {
    let (uuid, text) = (parse(text)?, bare(text));
    let (first, last) = (text.get(..HYPHENS[0])?, text.get(text.len() - LAST_DIGITS..)?);
    let is_first = match uuid[6] >> 4 {
        // The last digits say where it was made.
        1 | 2 | 6 => true,
        // The first ones say when.
        7 => false,
        _ => figures(first) >= figures(last),
    };
    Some(if is_first { first } else { last })
}

/// How many digits stand behind the last hyphen.
const LAST_DIGITS: usize = 12;

/// The most decimal figures in a row.
fn figures(digits: &[u8]) -> usize {
    let runs = digits.chunk_by(|one, next| one.is_ascii_digit() && next.is_ascii_digit());
    runs.filter(|run| run[0].is_ascii_digit()).map(<[u8]>::len).max().unwrap_or_default()
}

/// Shows `f` the text in each usual form: hyphenated, in braces, and without hyphens; in lower case, and where that is asked for
/// in upper case, too.
pub(crate) fn for_each_form(uuid: &Uuid, in_upper_case: bool, f: &mut dyn FnMut(&[u8])) {
    f(&hyphenated(uuid));
    if in_upper_case {
        f(&hyphenated_in_upper_case(uuid));
    }
    for_each_rare_form(uuid, in_upper_case, f);
}

/// The form that nearly all columns hold.
pub(crate) fn hyphenated(uuid: &Uuid) -> [u8; HYPHENATED] {
    written(uuid, LOWER)
}

/// The same form where letters are upper case.
pub(crate) fn hyphenated_in_upper_case(uuid: &Uuid) -> [u8; HYPHENATED] {
    written(uuid, UPPER)
}

/// Shows `f` the other forms.
pub(crate) fn for_each_rare_form(uuid: &Uuid, in_upper_case: bool, f: &mut dyn FnMut(&[u8])) {
    for digits in [LOWER, UPPER].into_iter().take(1 + usize::from(in_upper_case)) {
        let hyphenated = written(uuid, digits);
        let (mut braced, mut plain) = ([0; HYPHENATED + 2], [0; 32]);
        (braced[0], braced[HYPHENATED + 1]) = (b'{', b'}');
        braced[1..=HYPHENATED].copy_from_slice(&hyphenated);
        for (at, place) in PLACES.into_iter().enumerate() {
            plain[2 * at..2 * at + 2].copy_from_slice(&hyphenated[place..place + 2]);
        }
        f(&braced);
        f(&plain);
    }
}

/// How many of these there are.
pub(crate) fn rare_forms(in_upper_case: bool) -> usize {
    2 * (1 + usize::from(in_upper_case))
}

/// Whether `text`, a UUID, is written as one of its usual forms: its letters in one case, and that the lower one, unless the upper is
/// asked for.
pub(crate) fn is_usual(text: &[u8], in_upper_case: bool) -> bool {
    let has = |is: fn(&u8) -> bool| text.iter().any(is);
    match has(u8::is_ascii_uppercase) {
        true => in_upper_case && !has(u8::is_ascii_lowercase),
        false => true,
    }
}

fn written(uuid: &Uuid, digits: &[u8; 16]) -> [u8; HYPHENATED] {
    let mut text = [b'-'; HYPHENATED];
    for (byte, place) in uuid.iter().zip(PLACES) {
        text[place] = digits[usize::from(byte >> 4)];
        text[place + 1] = digits[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = [0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0x00, 0xcf, 0x4f, 0xc9, 0x64, 0xff];

    #[test]
    fn every_form_is_the_same_value() {
        let mut forms = Vec::new();
        for_each_form(&ID, true, &mut |form| forms.push(String::from_utf8(form.to_vec()).unwrap()));
        assert_eq!(
            forms,
            [
                "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
                "6F9619FF-8B86-D011-B42D-00CF4FC964FF",
                "{6f9619ff-8b86-d011-b42d-00cf4fc964ff}",
                "6f9619ff8b86d011b42d00cf4fc964ff",
                "{6F9619FF-8B86-D011-B42D-00CF4FC964FF}",
                "6F9619FF8B86D011B42D00CF4FC964FF",
            ]
        );
        assert!(forms.iter().all(|form| parse(form.as_bytes()) == Some(ID)));
        assert!(forms.iter().all(|form| stem(form.as_bytes()).unwrap().eq_ignore_ascii_case(b"6f9619ff")));
        let stems = [
            ("6f9619ff-8b86-4011-b42d-00cf4fc964ff", "6f9619ff"),
            ("6f9619ff-8b86-4011-b42d-00c04fc96412", "00c04fc96412"),
            ("6f96199f-8b86-1011-b42d-00c04fc96412", "6f96199f"),
            ("6f961999-8b86-7011-b42d-a0cf4fc964ff", "a0cf4fc964ff"),
        ];
        for (uuid, expected) in stems {
            for_each_form(&parse(uuid.as_bytes()).unwrap(), true, &mut |form| {
                assert!(stem(form).unwrap().eq_ignore_ascii_case(expected.as_bytes()), "{uuid}");
            });
        }
        for_each_form(&ID, false, &mut |form| assert_eq!(form, form.to_ascii_lowercase()));
        assert!(forms.iter().all(|form| is_usual(form.as_bytes(), true)));
        assert_eq!(forms.iter().filter(|form| is_usual(form.as_bytes(), false)).count(), 3);
        assert!(!is_usual(b"6F9619ff8b86d011b42d00cf4fc964ff", true));
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "{}", "6f9619ff-8b86-d011-b42d-00cf4fc964f", "6f9619ff-8b86-d011-b42d-00cf4fc964fg"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"6f9619ff8b86-d011-b42d-00cf-4fc964ff"), None);
        assert_eq!(parse("6f9619ff-8b86-d011-b42d-00cf4fc96é".as_bytes()), None);
    }
}
