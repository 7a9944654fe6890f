//! What each metric is called, and what it means.

use metrics::{KeyName, Recorder};

pub(super) const REQUESTS: &str = "lacuna_requests";
pub(super) const OLDEST_SECONDS: &str = "lacuna_due_oldest_seconds";
pub(super) const DEADLINE_HOURS: &str = "lacuna_deadline_nearest_hours";
pub(super) const LEDGER_UP: &str = "lacuna_ledger_up";
pub(super) const ROWS_SCANNED: &str = "lacuna_rows_scanned_total";
pub(super) const BYTES_SCANNED: &str = "lacuna_bytes_scanned_total";
pub(super) const ROWS_MATCHED: &str = "lacuna_rows_matched_total";
pub(super) const ROWS_PURGED: &str = "lacuna_rows_purged_total";
pub(super) const RESIDUE: &str = "lacuna_residue_total";
pub(super) const CONFLICTS: &str = "lacuna_conflicts_total";
pub(super) const RETRIES: &str = "lacuna_retries_total";
pub(super) const LEASE_TAKEOVERS: &str = "lacuna_lease_takeovers_total";
pub(super) const NOTICES: &str = "lacuna_notices_total";
pub(super) const PASS_SECONDS: &str = "lacuna_pass_duration_seconds";

/// The totals that no source has of its own.
pub(super) const TOTALS_OF_ALL: [&str; 2] = [RETRIES, LEASE_TAKEOVERS];

/// Writes the help lines.
pub(super) fn describe(recorder: &impl Recorder) {
    for (name, meaning) in [
        (REQUESTS, "Requests in the ledger, by kind and state"),
        (
            OLDEST_SECONDS,
            "For how long the request that is due to run and was received first has waited; 0 without one",
        ),
        (
            DEADLINE_HOURS,
            "Hours to the nearest deadline of an open request, below 0 when it has passed; NaN without one",
        ),
        (LEDGER_UP, "Whether the ledger answered when this page was made"),
    ] {
        recorder.describe_gauge(KeyName::from_const_str(name), None, meaning.into());
    }
    for (name, meaning) in [
        (ROWS_SCANNED, "Rows searched, by source"),
        (BYTES_SCANNED, "Bytes read for searches, by source"),
        (ROWS_MATCHED, "Rows that belong to a request's subject, by source"),
        (ROWS_PURGED, "Rows taken out of the bytes, by source"),
        (RESIDUE, "Shards in whose committed bytes an erased value was found again, by source"),
        (CONFLICTS, "Shards that another writer changed before they could be, by source"),
        (RETRIES, "Requests that a pass left incomplete, and that the next one tries again"),
        (LEASE_TAKEOVERS, "Work taken over from a worker whose lease ran out"),
        (NOTICES, "Tries to tell a receiver of a change, by result; given_up counts receivers that were never told"),
    ] {
        recorder.describe_counter(KeyName::from_const_str(name), None, meaning.into());
    }
    recorder.describe_histogram(KeyName::from_const_str(PASS_SECONDS), None, "How long passes took, by source".into());
}
