//! When a kind of work is done: a cron expression, in UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use croner::Cron;
use time::OffsetDateTime;

/// A cron expression of five fields (minute, hour, day of the month, month, day of the week), in UTC; or `never`.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    cron: Option<Cron>,
}

/// A text that is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no cron expression of five fields, as `*/15 * * * *`, and not `never`: {0}")]
pub struct ScheduleError(String);

impl Schedule {
    /// The first moment after `now` that it names; `None` when there is none.
    pub fn next(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let now = DateTime::<Utc>::from_timestamp(now.unix_timestamp(), 0)?;
        let next = self.cron.as_ref()?.find_next_occurrence(&now, false).ok()?;
        OffsetDateTime::from_unix_timestamp(next.timestamp()).ok()
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let fields = text.split_whitespace().count();
        let cron = match text.trim() {
            "never" => None,
            _ if fields != 5 => return Err(ScheduleError(format!("it has {fields}"))),
            expression => Some(Cron::from_str(expression).map_err(|error| ScheduleError(error.to_string()))?),
        };
        Ok(Self { text: text.trim().to_owned(), cron })
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_next_moment_is_after_now() {
        let every = |text: &str, now| text.parse::<Schedule>().unwrap().next(now);
        assert_eq!(every("*/15 * * * *", datetime!(2026-03-01 10:15:00 UTC)), Some(datetime!(2026-03-01 10:30:00 UTC)));
        assert_eq!(every("0 3 * * *", datetime!(2026-02-28 23:59:59 UTC)), Some(datetime!(2026-03-01 03:00:00 UTC)));
        assert_eq!(every("never", datetime!(2026-02-28 23:59:59 UTC)), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "60 * * * *", "hourly", "* * *", "0 * * * * *"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
            let said = text.parse::<Schedule>().map_err(|error| error.to_string());
            assert!(said.is_err_and(|said| !said.contains("between")), "{text}");
        }
    }
}
