//! When a request is due.

use time::{Duration, OffsetDateTime, PrimitiveDateTime, util};

use crate::Refusal;

/// The clock of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// When the request was received.
    pub received: OffsetDateTime,
    /// When it is due, without the pause that is running.
    pub due: OffsetDateTime,
    /// Since when it is paused.
    pub paused: Option<OffsetDateTime>,
    /// By how many months it was extended.
    pub extended: Option<u8>,
}

/// The deadline of a request that was received then: 30 days or one calendar month later, whichever comes first.
pub fn due(received: OffsetDateTime) -> OffsetDateTime {
    one_month_after(received).min(received.saturating_add(Duration::days(30)))
}

/// One calendar month later: the same day and time of the next month, or that month's last day where it has no such day.
pub fn one_month_after(time: OffsetDateTime) -> OffsetDateTime {
    months_after(time, 1)
}

pub(crate) fn months_after(time: OffsetDateTime, months: u8) -> OffsetDateTime {
    let mut date = time.date();
    let day = date.day();
    for _ in 0..months {
        let (year, month) = match date.month() {
            time::Month::December => (date.year() + 1, time::Month::January),
            month => (date.year(), month.next()),
        };
        let last = util::days_in_month(month, year);
        match time::Date::from_calendar_date(year, month, day.min(last)) {
            Ok(next) => date = next,
            // Beyond what dates can say, there is no later one.
            Err(_) => return time,
        }
    }
    PrimitiveDateTime::new(date, time.time()).assume_offset(time.offset())
}

impl Clock {
    /// The clock of a request that was received then.
    pub fn started(received: OffsetDateTime) -> Self {
        Self { received, due: due(received), paused: None, extended: None }
    }

    /// Takes over that the request was received then, if that is earlier; whether it is. Pauses and an extension stay.
    pub(crate) fn antedate(&mut self, received: OffsetDateTime) -> bool {
        if received >= self.received {
            return false;
        }
        self.due = self.due.saturating_sub(due(self.received) - due(received));
        self.received = received;
        true
    }

    /// When it is due, as of now: a running pause moves it with every moment.
    pub fn due_as_of(&self, now: OffsetDateTime) -> OffsetDateTime {
        match self.paused {
            Some(since) => self.due.saturating_add((now - since).max(Duration::ZERO)),
            None => self.due,
        }
    }

    /// Stops it.
    pub fn pause(&mut self, now: OffsetDateTime) -> Result<(), Refusal> {
        if self.paused.is_some() {
            return Err(Refusal::PausedAlready);
        }
        self.paused = Some(now);
        Ok(())
    }

    /// Lets it go on; the deadline has moved by the pause.
    pub fn resume(&mut self, now: OffsetDateTime) -> Result<(), Refusal> {
        if self.paused.is_none() {
            return Err(Refusal::NotPaused);
        }
        self.due = self.due_as_of(now);
        self.paused = None;
        Ok(())
    }

    /// Moves the deadline by one or two calendar months: once, and before the first deadline has passed.
    pub fn extend(&mut self, months: u8, now: OffsetDateTime) -> Result<(), Refusal> {
        if !(1..=2).contains(&months) {
            return Err(Refusal::Months);
        }
        if self.extended.is_some() {
            return Err(Refusal::ExtendedAlready);
        }
        if now > self.due_as_of(now) {
            return Err(Refusal::TooLateToExtend);
        }
        self.due = months_after(self.due, months);
        self.extended = Some(months);
        Ok(())
    }
}
