//! Days and fractions of a day as ISO 8601 text, for every value that 64 bits hold.

use std::io::Write;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// How a count of time units splits into seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// Units a second.
    per_second: i64,
    /// Digits behind the second's point.
    digits: usize,
}

impl From<arrow::datatypes::TimeUnit> for Unit {
    fn from(unit: arrow::datatypes::TimeUnit) -> Self {
        use arrow::datatypes::TimeUnit;
        let (per_second, digits) = match unit {
            TimeUnit::Second => (1, 0),
            TimeUnit::Millisecond => (1_000, 3),
            TimeUnit::Microsecond => (1_000_000, 6),
            TimeUnit::Nanosecond => (1_000_000_000, 9),
        };
        Self { per_second, digits }
    }
}

impl Unit {
    /// Whole seconds, rounded down, and the units that remain.
    pub(super) fn split(self, value: i64) -> (i64, i64) {
        (value.div_euclid(self.per_second), value.rem_euclid(self.per_second))
    }

    /// Appends the part of a second behind its point, the point first; nothing for whole seconds.
    pub(super) fn write_fraction(self, units: u64, out: &mut Vec<u8>) {
        if self.digits > 0 {
            let _ = write!(out, ".{units:0digits$}", digits = self.digits);
        }
    }

    /// Appends the time of day: `12:09:29.000`. `seconds` from midnight; hours run on past a day's end.
    pub(super) fn write_time(self, seconds: u64, units: u64, out: &mut Vec<u8>) {
        let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        self.write_fraction(units, out);
    }

    /// Appends the date, `T` and the time of this many seconds and units since 1970.
    pub(super) fn write_moment(self, seconds: i64, units: i64, out: &mut Vec<u8>) {
        write_date(seconds.div_euclid(DAY), out);
        out.push(b'T');
        self.write_time(seconds.rem_euclid(DAY).unsigned_abs(), units.unsigned_abs(), out);
    }

    /// Appends the length of time as ISO 8601: `PT36H5M0.500S`. Days have no fixed length, so hours run on.
    pub(super) fn write_duration(self, value: i64, out: &mut Vec<u8>) {
        if value < 0 {
            out.push(b'-');
        }
        let per_second = self.per_second.unsigned_abs();
        let (seconds, units) = (value.unsigned_abs() / per_second, value.unsigned_abs() % per_second);
        out.extend_from_slice(b"PT");
        for (count, letter) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
            if count > 0 {
                let _ = write!(out, "{count}{letter}");
            }
        }
        if seconds % 60 > 0 || units > 0 || seconds == 0 {
            let _ = write!(out, "{}", seconds % 60);
            if units > 0 {
                self.write_fraction(units, out);
            }
            out.push(b'S');
        }
    }
}

/// Appends the day that lies `days` after 1970-01-01 in the Gregorian calendar. Years outside 0 to 9999 carry a sign.
pub(super) fn write_date(days: i64, out: &mut Vec<u8>) {
    // Counted in eras of 400 years from 0000-03-01, so that a leap day ends a year: days, years and centuries then divide.
    let days = i128::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i128::from(month <= 2);
    let _ = match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        _ => write!(out, "{year:+05}-{month:02}-{day:02}"),
    };
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use chrono::Datelike;

    use super::*;

    fn date(days: i64) -> String {
        let mut out = Vec::new();
        write_date(days, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for days in (-719_528..=2_932_896).step_by(7).chain(-800..800) {
            let expected = epoch + chrono::Duration::days(days);
            assert_eq!(date(days), format!("{:04}-{:02}-{:02}", expected.year(), expected.month(), expected.day()));
        }
        assert_eq!(date(-719_529), "-0001-12-31");
        assert_eq!(date(2_932_897), "+10000-01-01");
        assert_eq!(date(i64::MAX), "+25252734927768524-07-27");
        assert!(date(i64::MIN).starts_with("-25252734927764585-"));
    }

    #[test]
    fn durations_read_as_iso() {
        let duration = |unit: TimeUnit, value| {
            let mut out = Vec::new();
            Unit::from(unit).write_duration(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(duration(TimeUnit::Second, 0), "PT0S");
        assert_eq!(duration(TimeUnit::Second, 60), "PT1M");
        assert_eq!(duration(TimeUnit::Millisecond, 90_061_500), "PT25H1M1.500S");
        assert_eq!(duration(TimeUnit::Nanosecond, -1), "-PT0.000000001S");
        assert_eq!(duration(TimeUnit::Second, i64::MIN), "-PT2562047788015215H30M8S");
    }
}
