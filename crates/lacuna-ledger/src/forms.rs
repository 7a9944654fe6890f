//! The forms of one value: a hold on a person must hold whoever is asked for, in whatever form.
//!
//! The scan takes the forms of a UUID for one value, and so it does with a number's; where a mapping says so, those in another case. What a
//! source maps is not known here, so all that may be one value counts as one: a hold rather keeps too much than too little. Tenants have the same
//! forms.

use uuid::Uuid;
use zeroize::Zeroizing;

/// A value, wiped when it is dropped.
type Text = Zeroizing<String>;

/// What a value has in common with its other forms: without white space around it and in lower case; and beside that, of a UUID the usual
/// form, and of a number its plain digits, where they are others.
pub(crate) fn shared(value: &str) -> Vec<Text> {
    let folded = Zeroizing::new(value.trim().to_lowercase());
    let other = uuid(&folded).or_else(|| number(&folded)).filter(|other| *other != folded);
    [folded].into_iter().chain(other).collect()
}

fn uuid(folded: &str) -> Option<Text> {
    let bare = folded.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(folded);
    Some(Zeroizing::new(Uuid::try_parse(bare).ok()?.hyphenated().to_string()))
}

/// More zeros than any number's plain digits have.
const ZEROS_MAX: usize = 1024;

/// `[+-]digits[.digits][e[+-]digits]` in one form: plain digits, and where there is a fraction, digits and a power of ten.
fn number(folded: &str) -> Option<Text> {
    let (sign, digits) = match folded.as_bytes().first()? {
        b'-' => ("-", &folded[1..]),
        b'+' => ("", &folded[1..]),
        _ => ("", folded),
    };
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let exponent: i64 = exponent.parse().ok()?;
    let all = Zeroizing::new([whole, fraction].concat());
    let cut = all.trim_end_matches('0');
    let kept = cut.trim_start_matches('0');
    if kept.is_empty() {
        return Some(Zeroizing::new("0".to_owned()));
    }
    let power = i64::try_from(all.len() - cut.len()).ok()? - i64::try_from(fraction.len()).ok()?;
    let power = exponent.checked_add(power)?;
    Some(Zeroizing::new(match usize::try_from(power) {
        Ok(zeros) if zeros <= ZEROS_MAX => format!("{sign}{kept}{}", "0".repeat(zeros)),
        _ => format!("{sign}{kept}e{power}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_one(one: &str, other: &str) -> bool {
        let (one, other) = (shared(one), shared(other));
        one.iter().any(|form| other.contains(form))
    }

    #[test]
    fn forms_of_one_value_share_one() {
        let groups: [&[&str]; 7] = [
            &["Ann@contoso.com", " ann@CONTOSO.com"],
            &[
                "b728e978-c4e1-4f3a-92d8-e339b7a2b694",
                "B728E978C4E14F3A92D8E339B7A2B694",
                "{b728e978-c4e1-4f3a-92d8-e339b7a2b694}",
                "{B728E978C4E14F3A92D8E339B7A2B694}",
            ],
            &["7", "007", "7.0", "+7", "70e-1", "0.7E1", "7.00e+0"],
            &["1200", "1.2e3", "01200.0", "12e2"],
            &["-7", "-07", "-7.0"],
            &["0", "-0", "0.00", "000"],
            &["12.50", "12.5", "1.25e1", "0012.500"],
        ];
        for (at, group) in groups.iter().enumerate() {
            for one in *group {
                let apart: Vec<_> = group.iter().filter(|other| !are_one(one, other)).collect();
                assert!(apart.is_empty(), "{one} {apart:?}");
                let others = groups.iter().enumerate().filter(|(other, _)| *other != at);
                assert!(!others.flat_map(|(_, group)| *group).any(|other| are_one(one, other)), "{one}");
            }
        }
        for text in [".7", "e7", "7e", "7ee1", "1,200", "0x7", "７", "", "7 0", "--7"] {
            assert!(!are_one(text, "7") && !are_one(text, "0"), "{text}");
        }
        // What no memory would hold in plain digits is held otherwise.
        assert!(are_one("1e999999999", "10e999999998") && !are_one("1e9223372036854775807", "7"));
    }
}
