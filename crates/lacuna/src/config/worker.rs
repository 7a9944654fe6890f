//! `[worker]`: when a worker that stays does which kind of work, and what it may use.

use std::net::SocketAddr;
use std::time::Duration;

use lacuna_worker::{Schedule, Schedules, Work};

use super::document::{Entry, Problems};

/// The part of the memory that requests on demand have for themselves, when the configuration says nothing.
const ON_DEMAND_SHARE: f64 = 0.25;
/// The furthest that a purge looks ahead, in days.
const AHEAD_DAYS_MAX: u64 = 30;
/// Seconds in a day.
const DAY: u64 = 24 * 60 * 60;

/// When each kind of work is done, when the configuration says nothing: requests every five minutes, the rest at night.
const DEFAULTS: [(Work, &str); 4] = [
    (Work::Requests, "*/5 * * * *"),
    (Work::Sweep, "0 1 * * *"),
    (Work::Purge, "0 3 * * *"),
    (Work::Retention, "30 * * * *"),
];

/// What the worker is told.
#[derive(Clone, Debug)]
pub(crate) struct WorkerConfig {
    /// The worker's name in the audit chain; the machine's and the process's when absent.
    pub name: Option<String>,
    /// When each kind of work is done.
    pub schedules: Schedules,
    /// A purge leaves what is due later than this.
    pub purge_within: Option<Duration>,
    /// The part of the memory that requests on demand have for themselves.
    pub on_demand_share: f64,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let schedules = DEFAULTS.iter().filter_map(|(work, text)| Some((*work, text.parse().ok()?))).collect();
        Self { name: None, schedules, purge_within: None, on_demand_share: ON_DEMAND_SHARE, metrics: None }
    }
}

pub(super) fn read(entry: Option<Entry<'_>>, problems: &mut Problems<'_>) -> WorkerConfig {
    let mut config = WorkerConfig::default();
    let Some(mut table) = entry.and_then(|entry| entry.table("a table", problems)) else { return config };
    config.name = table.get("name").and_then(|entry| entry.words(problems)).map(str::to_owned);
    for work in Work::ALL {
        if let Some(schedule) = table.get(work.as_str()).and_then(|entry| entry.parsed::<Schedule>(problems)) {
            config.schedules.insert(work, schedule);
        }
    }
    let ahead = table.get("purge_ahead_days").and_then(|entry| entry.number(0..=AHEAD_DAYS_MAX, problems));
    config.purge_within = ahead.map(|days| Duration::from_secs(days * DAY));
    if let Some(share) = table.get("on_demand_share").and_then(|entry| entry.share(problems)) {
        config.on_demand_share = share;
    }
    config.metrics = table.get("metrics").and_then(|entry| entry.parsed::<SocketAddr>(problems));
    table.finish(problems);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_work_has_a_default() {
        let config = WorkerConfig::default();
        assert!(Work::ALL.iter().all(|work| config.schedules.contains_key(work)));
    }
}
