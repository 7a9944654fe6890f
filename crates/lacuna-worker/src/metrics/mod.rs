//! Metrics: what a worker did and what waits, for Prometheus.
//!
//! A value and not a global: whoever counts is handed one. Labels are kinds, states and the configured names of sources, so no
//! identifier, tenant, request or path can get into one.

mod names;
mod server;

use std::sync::Arc;
use std::time::Duration;

use lacuna_engine::SourceOutcome;
use lacuna_ledger::{Kind, Overview, State};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use time::OffsetDateTime;

pub use server::serve;

/// Bounds of the buckets that passes are sorted into, in seconds: from a second to a day.
const PASS_SECONDS: [f64; 10] = [1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 14400.0, 43200.0, 86400.0];

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// Where a worker counts. Clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

/// How many requests of a kind are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestCount {
    /// What they want.
    pub kind: &'static str,
    /// Where they stand.
    pub state: &'static str,
    /// How many.
    pub requests: u64,
}

/// What waits, and how urgently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Requests by kind and state; zeros included, so that what went down shows.
    pub requests: Vec<RequestCount>,
    /// For how long the request that is due to run and was received first has waited.
    pub oldest: Option<Duration>,
    /// The time until the nearest deadline of an open request, in seconds; negative when it has passed.
    pub deadline_seconds: Option<i64>,
}

impl Waiting {
    /// What waits in a ledger now.
    pub fn of(overview: &Overview, now: OffsetDateTime) -> Self {
        let mut requests = Vec::new();
        for kind in Kind::ALL {
            for state in State::ALL {
                let count = overview.requests.get(&(kind, state)).copied().unwrap_or_default();
                requests.push(RequestCount { kind: kind.as_str(), state: state.as_str(), requests: count });
            }
        }
        let oldest = overview.oldest_due.map(|received| Duration::try_from(now - received).unwrap_or_default());
        let deadline_seconds = overview.nearest_deadline.map(|due| (due - now).whole_seconds());
        Self { requests, oldest, deadline_seconds }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let builder = PrometheusBuilder::new();
        let pass = Matcher::Full(names::PASS_SECONDS.to_owned());
        // Fails for no buckets only, and there are some.
        let builder = builder.set_buckets_for_metric(pass, &PASS_SECONDS).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        names::describe(&recorder);
        let metrics = Self(Arc::new(Inner { handle: recorder.handle(), recorder }));
        // What has not happened yet is zero and not absent: an alert on an increase needs the first one, too.
        for name in names::TOTALS_OF_ALL {
            metrics.counter(name, []).increment(0);
        }
        metrics
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Counts shards' rows that were searched in `source`.
    pub fn searched(&self, source: &str, rows: u64, bytes: u64, matched: u64) {
        self.of_source(names::ROWS_SCANNED, source).increment(rows);
        self.of_source(names::BYTES_SCANNED, source).increment(bytes);
        self.of_source(names::ROWS_MATCHED, source).increment(matched);
    }

    /// Counts rows that were taken out of the bytes of `source`.
    pub fn purged(&self, source: &str, rows: u64) {
        self.of_source(names::ROWS_PURGED, source).increment(rows);
    }

    /// Counts shards of `source` in whose committed bytes an erased value was found again.
    pub fn residue(&self, source: &str, shards: u64) {
        self.of_source(names::RESIDUE, source).increment(shards);
    }

    /// Counts shards of `source` that another writer changed meanwhile.
    pub fn conflicts(&self, source: &str, shards: u64) {
        self.of_source(names::CONFLICTS, source).increment(shards);
    }

    /// Counts what erasures did in a source.
    pub(crate) fn changed(&self, outcome: &SourceOutcome) {
        self.purged(&outcome.source, outcome.erased);
        self.residue(&outcome.source, outcome.residues);
        self.conflicts(&outcome.source, outcome.conflicts);
    }

    /// Counts requests that a pass left incomplete, and that the next one tries again.
    pub fn retries(&self, requests: u64) {
        self.counter(names::RETRIES, []).increment(requests);
    }

    /// Counts work that was taken over from a worker whose lease ran out.
    pub fn lease_takeovers(&self, sets: u64) {
        self.counter(names::LEASE_TAKEOVERS, []).increment(sets);
    }

    /// Notes how long a pass over `source` took.
    pub fn pass(&self, source: &str, took: Duration) {
        self.histogram(names::PASS_SECONDS, [label("source", source)]).record(took.as_secs_f64());
    }

    /// Counts tries to tell a receiver.
    pub(crate) fn notices(&self, taken: u64, failed: u64) {
        self.notices_with("taken", taken);
        self.notices_with("failed", failed);
    }

    /// Counts receivers that were never told of a change.
    pub(crate) fn notices_given_up(&self, receivers: u64) {
        self.notices_with("given_up", receivers);
    }

    fn notices_with(&self, result: &'static str, count: u64) {
        self.counter(names::NOTICES, [Label::from_static_parts("result", result)]).increment(count);
    }

    /// Says what waits now.
    pub fn waiting(&self, waiting: &Waiting) {
        for RequestCount { kind, state, requests } in &waiting.requests {
            let labels = [Label::from_static_parts("kind", kind), Label::from_static_parts("state", state)];
            self.gauge(names::REQUESTS, labels).set(number(*requests));
        }
        self.gauge(names::OLDEST_SECONDS, []).set(waiting.oldest.map_or(0.0, |oldest| oldest.as_secs_f64()));
        // Without an open request there is no deadline: alerts compare, and nothing is below what is no number.
        let hours = waiting.deadline_seconds.map_or(f64::NAN, |seconds| signed(seconds) / 3600.0);
        self.gauge(names::DEADLINE_HOURS, []).set(hours);
    }

    /// Says whether the ledger answers.
    pub(crate) fn ledger(&self, answers: bool) {
        self.gauge(names::LEDGER_UP, []).set(if answers { 1.0 } else { 0.0 });
    }

    /// The page that Prometheus reads.
    pub fn render(&self) -> String {
        self.0.handle.render()
    }

    fn of_source(&self, name: &'static str, source: &str) -> Counter {
        self.counter(name, [label("source", source)])
    }

    fn counter<const N: usize>(&self, name: &'static str, labels: [Label; N]) -> Counter {
        self.0.recorder.register_counter(&key(name, labels), &METADATA)
    }

    fn gauge<const N: usize>(&self, name: &'static str, labels: [Label; N]) -> Gauge {
        self.0.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    fn histogram<const N: usize>(&self, name: &'static str, labels: [Label; N]) -> Histogram {
        self.0.recorder.register_histogram(&key(name, labels), &METADATA)
    }
}

fn key<const N: usize>(name: &'static str, labels: [Label; N]) -> Key {
    Key::from_parts(name, labels.to_vec())
}

fn label(name: &'static str, value: &str) -> Label {
    Label::new(name, value.to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "no gauge needs more than 52 bits")]
fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "no gauge needs more than 52 bits")]
fn signed(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_what_happened_and_what_waits() {
        let metrics = Metrics::default();
        metrics.searched("activity", 1000, 4096, 7);
        metrics.clone().searched("activity", 500, 1024, 0);
        metrics.purged("activity", 7);
        metrics.residue("activity", 0);
        metrics.conflicts("a \"quoted\\name\"", 1);
        metrics.pass("activity", Duration::from_secs(90));
        metrics.notices(2, 1);
        metrics.notices_given_up(0);
        metrics.lease_takeovers(3);
        metrics.ledger(true);
        let count = |kind, state, requests| RequestCount { kind, state, requests };
        metrics.waiting(&Waiting {
            requests: vec![
                count("erase", "scheduled", 2),
                count("erase", "complete", 40),
                count("export", "running", 0),
            ],
            oldest: Some(Duration::from_hours(1)),
            deadline_seconds: Some(-5400),
        });
        // Metrics come in no order of their own.
        let page = metrics.render();
        let mut lines: Vec<_> = page.lines().filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn an_overview_is_what_waits() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_hours(100);
        let overview = Overview {
            requests: [((Kind::Erase, State::Scheduled), 2)].into(),
            oldest_due: Some(now - Duration::from_secs(90)),
            nearest_deadline: Some(now - Duration::from_secs(10)),
            ..Overview::default()
        };
        let waiting = Waiting::of(&overview, now);
        assert_eq!((waiting.oldest, waiting.deadline_seconds), (Some(Duration::from_secs(90)), Some(-10)));
        assert_eq!(waiting.requests.len(), Kind::ALL.len() * State::ALL.len());
        let some: Vec<_> = waiting.requests.iter().filter(|count| count.requests > 0).collect();
        assert_eq!(some, [&RequestCount { kind: "erase", state: "scheduled", requests: 2 }]);
    }

    #[test]
    fn without_an_open_request_no_deadline_is_near() {
        let metrics = Metrics::default();
        metrics.waiting(&Waiting { deadline_seconds: Some(60), ..Waiting::default() });
        metrics.waiting(&Waiting::default());
        let page = metrics.render();
        assert!(page.contains("\nlacuna_deadline_nearest_hours NaN\n"), "{page}");
        assert!(page.contains("\nlacuna_due_oldest_seconds 0\n"), "{page}");
    }
}
