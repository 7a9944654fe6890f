//! Points in time as logs write them.

use std::fmt::Write as _;

/// 2026-10-01T00:00:00Z, in milliseconds.
pub(crate) const FIRST_DAY_MS: i64 = 1_790_812_800_000;
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Appends `at_ms` as RFC 3339 with this offset from UTC: `2026-10-01T05:09:29.120-07:00`.
pub(crate) fn push_time(out: &mut String, at_ms: i64, offset_minutes: i32) {
    let local = at_ms + i64::from(offset_minutes) * 60_000;
    push_date(out, local.div_euclid(DAY_MS));
    let ms = local.rem_euclid(DAY_MS);
    let (hour, minute, second, milli) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    let _ = write!(out, "T{hour:02}:{minute:02}:{second:02}.{milli:03}");
    if offset_minutes == 0 {
        out.push('Z');
    } else {
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let offset = offset_minutes.unsigned_abs();
        let _ = write!(out, "{sign}{:02}:{:02}", offset / 60, offset % 60);
    }
}

/// Appends the date that lies `days` after 1970-01-01, by the proleptic Gregorian calendar.
pub(crate) fn push_date(out: &mut String, days: i64) {
    // Years begin in March here, so that the leap day comes last.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(at_ms: i64, offset_minutes: i32) -> String {
        let mut out = String::new();
        push_time(&mut out, at_ms, offset_minutes);
        out
    }

    #[test]
    fn times_are_right_across_days_leap_years_and_offsets() {
        assert_eq!(time(FIRST_DAY_MS, 0), "2026-10-01T00:00:00.000Z");
        assert_eq!(time(FIRST_DAY_MS + 1, -420), "2026-09-30T17:00:00.001-07:00");
        assert_eq!(time(FIRST_DAY_MS - 1, 330), "2026-10-01T05:29:59.999+05:30");
        assert_eq!(time(951_782_400_000, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(time(0, 0), "1970-01-01T00:00:00.000Z");
    }
}
