//! UUIDs by value: read in any usual form, and written in each of them.

/// The bytes of a UUID.
pub(crate) type Uuid = [u8; 16];

/// Where hyphens stand in the usual form.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// How long the usual form is.
const HYPHENATED: usize = 36;

/// Reads a UUID as text: 32 hexadecimal digits, with hyphens at the usual places or without, in braces or not.
pub(crate) fn parse(text: &[u8]) -> Option<Uuid> {
    let text = bare(text);
    let is_hyphen = |at: &usize| text.len() == HYPHENATED && HYPHENS.contains(at);
    if !(text.len() == 32 || text.len() == HYPHENATED && HYPHENS.iter().all(|&at| text[at] == b'-')) {
        return None;
    }
    let mut digits = text.iter().enumerate().filter(|(at, _)| !is_hyphen(at)).map(|(_, &byte)| byte);
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        *byte = digit(digits.next()?)? << 4 | digit(digits.next()?)?;
    }
    Some(uuid)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Without braces.
fn bare(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(text)
}

/// What all forms of the UUID that `text` is have in common, but for the case: its first digits.
pub(crate) fn stem(text: &[u8]) -> Option<&[u8]> {
    parse(text).and_then(|_| bare(text).get(..HYPHENS[0]))
}

/// Shows `f` the text in each usual form: hyphenated, in braces, and without hyphens; in lower case, and where that is asked for
/// in upper case, too.
pub(crate) fn for_each_form(uuid: &Uuid, in_upper_case: bool, f: &mut dyn FnMut(&[u8])) {
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"].into_iter().take(1 + usize::from(in_upper_case)) {
        let (mut braced, mut plain) = ([b'-'; HYPHENATED + 2], [0; 32]);
        (braced[0], braced[HYPHENATED + 1]) = (b'{', b'}');
        let places = (1..=HYPHENATED).filter(|at| !HYPHENS.contains(&(at - 1)));
        for ((at, place), plain) in places.enumerate().zip(&mut plain) {
            let byte = uuid[at / 2];
            *plain = digits[usize::from(if at % 2 == 0 { byte >> 4 } else { byte & 15 })];
            braced[place] = *plain;
        }
        f(&braced[1..=HYPHENATED]);
        f(&braced);
        f(&plain);
    }
}

/// The same with the form alone that nearly all columns hold: the hyphenated one.
pub(crate) fn for_each_usual_form(uuid: &Uuid, in_upper_case: bool, f: &mut dyn FnMut(&[u8])) {
    for_each_form(uuid, in_upper_case, &mut |form| {
        if form.len() == HYPHENATED {
            f(form);
        }
    });
}

/// The same with the others.
pub(crate) fn for_each_rare_form(uuid: &Uuid, in_upper_case: bool, f: &mut dyn FnMut(&[u8])) {
    for_each_form(uuid, in_upper_case, &mut |form| {
        if form.len() != HYPHENATED {
            f(form);
        }
    });
}

/// How many of these there are.
pub(crate) fn rare_forms(in_upper_case: bool) -> usize {
    2 * (1 + usize::from(in_upper_case))
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
                "{6f9619ff-8b86-d011-b42d-00cf4fc964ff}",
                "6f9619ff8b86d011b42d00cf4fc964ff",
                "6F9619FF-8B86-D011-B42D-00CF4FC964FF",
                "{6F9619FF-8B86-D011-B42D-00CF4FC964FF}",
                "6F9619FF8B86D011B42D00CF4FC964FF",
            ]
        );
        assert!(forms.iter().all(|form| parse(form.as_bytes()) == Some(ID)));
        assert!(forms.iter().all(|form| stem(form.as_bytes()).unwrap().eq_ignore_ascii_case(b"6f9619ff")));
        for_each_form(&ID, false, &mut |form| assert_eq!(form, form.to_ascii_lowercase()));
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
