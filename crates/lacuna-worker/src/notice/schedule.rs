//! When a notice that was not taken is tried again, and when no more.

use time::{Duration, OffsetDateTime};

/// The most tries with a notice.
pub const TRIES_MAX: u32 = 15;
/// The longest time after the first try in which others follow.
pub const AGE_MAX: Duration = Duration::hours(72);

/// The wait after the first try.
const FIRST: Duration = Duration::seconds(10);
/// The longest wait.
const LONGEST: Duration = Duration::hours(6);

/// When to try again after `tries` tries (one or more), the first of them at `first`; `None` when it has been enough. `spread` is drawn from
/// 0 to 1, so that notices that failed together do not come back together.
pub fn next_try(tries: u32, first: OffsetDateTime, now: OffsetDateTime, spread: f64) -> Option<OffsetDateTime> {
    if tries >= TRIES_MAX {
        return None;
    }
    // Four times as long after each try: 10 s, 40 s, 160 s and so on.
    let wait = (FIRST * 4_i32.saturating_pow(tries.saturating_sub(1).min(10))).min(LONGEST);
    let next = now + wait + wait / 4 * spread.clamp(0.0, 1.0);
    (next - first <= AGE_MAX).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let first = OffsetDateTime::UNIX_EPOCH;
        let (mut now, mut waits) = (first, Vec::new());
        while let Some(next) = next_try(u32::try_from(waits.len()).unwrap() + 1, first, now, 0.0) {
            waits.push((next - now).whole_seconds());
            now = next;
        }
        assert_eq!(waits, [10, 40, 160, 640, 2560, 10240, 21600, 21600, 21600, 21600, 21600, 21600, 21600, 21600]);
        assert!(now - first <= AGE_MAX, "{}", now - first);
    }

    #[test]
    fn a_wait_is_spread_by_a_quarter_at_most() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let wait = |spread| next_try(2, now, now, spread).unwrap() - now;
        assert_eq!((wait(0.0), wait(1.0)), (Duration::seconds(40), Duration::seconds(50)));
        assert_eq!((wait(-7.0), wait(9.0)), (wait(0.0), wait(1.0)));
    }

    #[test]
    fn nothing_is_tried_after_three_days_or_too_often() {
        let first = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(next_try(3, first, first + Duration::hours(72), 0.0), None, "a ledger that slept meanwhile");
        assert_eq!(next_try(TRIES_MAX, first, first, 0.0), None);
        assert!(next_try(TRIES_MAX - 1, first, first, 0.0).is_some());
    }
}
