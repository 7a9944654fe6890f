//! A timestamp's zone: what its clocks show at a moment.

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

/// The zone that an Arrow timestamp names.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    /// UTC, and every zone that is not known here: an Arrow timestamp with a zone counts from 1970 in UTC, so `Z` is the
    /// same moment.
    Utc,
    /// A fixed offset, in minutes east.
    Fixed(i32),
    /// A place with its rules.
    Place(TimeZone),
}

/// What is written as `Z`, and not as an offset.
const UTC: [&str; 3] = ["UTC", "Etc/UTC", "Zulu"];

impl Zone {
    pub(super) fn new(name: &str) -> Self {
        if let Some(minutes) = fixed(name) {
            return Self::Fixed(minutes);
        }
        if UTC.iter().any(|utc| name.eq_ignore_ascii_case(utc)) {
            return Self::Utc;
        }
        // Not the machine's own: two machines would write the same rows in two ways.
        TimeZoneDatabase::bundled().get(name).map_or(Self::Utc, Self::Place)
    }

    /// How many minutes east of UTC its clocks are, `seconds` after 1970; `None` for UTC.
    ///
    /// The local times of before about 1900 differ from UTC by seconds too, which RFC 3339 cannot write: they stay UTC.
    pub(super) fn offset_minutes(&self, seconds: i64) -> Option<i32> {
        match self {
            Self::Utc => None,
            Self::Fixed(minutes) => Some(*minutes),
            Self::Place(place) => {
                let offset = place.to_offset(Timestamp::from_second(seconds).ok()?).seconds();
                (offset % 60 == 0).then_some(offset / 60)
            }
        }
    }
}

/// Minutes east of `+01:00`, `-0730` or `+02`.
fn fixed(name: &str) -> Option<i32> {
    let (sign, rest) = match name.as_bytes() {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [a, b] => ([*a, *b], [b'0', b'0']),
        [a, b, c, d] | [a, b, b':', c, d] => ([*a, *b], [*c, *d]),
        _ => return None,
    };
    let number = |[tens, ones]: [u8; 2]| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i32::from(tens - b'0') * 10 + i32::from(ones - b'0'))
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_their_offset() {
        let at = |zone, seconds| Zone::new(zone).offset_minutes(seconds);
        for utc in ["UTC", "utc", "Z", "Zulu", "Etc/UTC", "", "Mars/Olympus", "+25:00", "+1", "+01:0x"] {
            assert_eq!(at(utc, 0), None, "{utc}");
        }
        assert_eq!(at("+00:00", 0), Some(0));
        assert_eq!(at("-07:30", 0), Some(-450));
        assert_eq!(at("+0530", 0), Some(330));
        assert_eq!(at("+02", 0), Some(120));
        assert_eq!(at("Europe/Berlin", 1_700_000_000), Some(60));
        assert_eq!(at("Europe/Berlin", 1_690_000_000), Some(120));
        assert_eq!(at("Europe/Berlin", 2_540_000_000), Some(120), "in June 2050, as far as anybody knows");
        assert_eq!(at("europe/berlin", 1_690_000_000), Some(120));
        assert_eq!(at("Europe/Amsterdam", -4_000_000_000), None, "local mean time has seconds");
        assert_eq!(at("Europe/Berlin", i64::MAX), None, "no calendar of zones reaches there");
    }
}
