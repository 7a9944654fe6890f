//! Numbers as people write and read them: sizes, counts, durations.

use std::time::Duration;

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const MOMENT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

const UNITS: [(&str, u64); 11] = [
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("tib", 1 << 40),
];

/// Reads a size such as `512MiB`, `2g` or `1048576`. The error says what would be right.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let number = digits.replace('_', "").parse::<u64>().ok();
    let factor = if unit.is_empty() { Some(1) } else { UNITS.iter().find(|(name, _)| *name == unit).map(|u| u.1) };
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .ok_or_else(|| "is no size; write it as `512MiB`, `2GiB` or a number of bytes".to_owned())
}

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 record`, `2 records`, `2 passes`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let ending = match number {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", count(number))
}

/// A size with one decimal, as `1.5 GiB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(number: u64) -> String {
    const NAMES: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut name = 0;
    // 1023.95 would be shown as 1024.0.
    while value >= 1023.95 && name + 1 < NAMES.len() {
        value /= 1024.0;
        name += 1;
    }
    format!("{value:.1} {}", NAMES[name])
}

/// Reads `2026-03-01`.
pub(crate) fn parse_date(text: &str) -> Result<Date, String> {
    Date::parse(text, DATE).map_err(|_| "is no date; write it as `2026-03-01`".to_owned())
}

/// Reads `2026-03-01T09:30:00Z`, or `2026-03-01` for that day's beginning in UTC.
pub(crate) fn parse_moment(text: &str) -> Result<OffsetDateTime, String> {
    if let Ok(date) = Date::parse(text, DATE) {
        return Ok(date.midnight().assume_utc());
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "is no time; write it as `2026-03-01T09:30:00Z`, or the day alone as `2026-03-01`".to_owned())
}

/// A point in time as `2026-03-01 09:30 UTC`.
pub(crate) fn moment(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    time.format(MOMENT).unwrap_or_else(|_| time.unix_timestamp().to_string())
}

/// A point in time for programs, in RFC 3339.
pub(crate) fn rfc3339(time: OffsetDateTime) -> Option<String> {
    time.to_offset(UtcOffset::UTC).replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

/// How far `time` is from `now`, to the nearest: `in 6 days`, `2 hours ago`.
pub(crate) fn distance(time: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (time - now).whole_seconds().unsigned_abs();
    let nearest = |unit: u64| (seconds + unit / 2) / unit;
    let text = match (nearest(3600), nearest(60)) {
        (48.., _) => counted(nearest(86_400), "day"),
        (_, 120..) => counted(nearest(3600), "hour"),
        (_, minutes) => counted(minutes, "minute"),
    };
    if time < now { format!("{text} ago") } else { format!("in {text}") }
}

/// A time span as `0.8 s` or `3 min 20 s`.
pub(crate) fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_units() {
        for (text, size) in
            [("512MiB", 512 << 20), ("2g", 2 << 30), ("1_000 kB", 1_000_000), ("17", 17), ("1 GiB", 1 << 30)]
        {
            assert_eq!(parse_bytes(text), Ok(size), "{text}");
        }
        for broken in ["", "MiB", "1.5GiB", "-1", "12 parsecs", "99999999999999999999", "99999999 TiB"] {
            assert!(parse_bytes(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn times_are_read_and_shown() {
        let time = parse_moment("2026-03-01T09:30:15+02:00").unwrap();
        assert_eq!(
            (moment(time).as_str(), rfc3339(time).unwrap().as_str()),
            ("2026-03-01 07:30 UTC", "2026-03-01T07:30:15Z")
        );
        assert_eq!(moment(parse_moment("2026-03-01").unwrap()), "2026-03-01 00:00 UTC");
        for wrong in ["", "yesterday", "2026-02-30", "2026-03-01 09:30", "2026-03-01T09:30:00"] {
            assert!(parse_moment(wrong).is_err(), "{wrong}");
        }
        assert!(parse_date("2026-2-1").is_err());
        let from = |hours: i64| distance(time + time::Duration::hours(hours), time);
        assert_eq!(
            [from(144), from(47), from(1), from(-3)],
            ["in 6 days", "in 47 hours", "in 60 minutes", "3 hours ago"]
        );
        // What was just set is as far off as it was set.
        let short =
            |hours: i64| distance(time + time::Duration::hours(hours), time + time::Duration::milliseconds(900));
        assert_eq!(
            [short(720), short(48), short(24), short(2)],
            ["in 30 days", "in 2 days", "in 24 hours", "in 2 hours"]
        );
    }

    #[test]
    fn numbers_are_shown_for_people() {
        assert_eq!([count(0), count(999), count(1000), count(12_345_678)], ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([bytes(0), bytes(1023), bytes(1536), bytes(1 << 30)], ["0 B", "1023 B", "1.5 KiB", "1.0 GiB"]);
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!([counted(1, "shard"), counted(2000, "shard")], ["1 shard", "2,000 shards"]);
        assert_eq!([counted(1, "pass"), counted(2, "pass")], ["1 pass", "2 passes"]);
        let spans = [840, 61_000, 7_260_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(spans, ["0.8 s", "1 min 01 s", "2 h 01 min"]);
    }
}
