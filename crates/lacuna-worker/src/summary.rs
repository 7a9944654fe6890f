//! What a worker did, in numbers: the `--json` document is made of these.

use lacuna_engine::Problem;
use lacuna_ledger::{Conclusion, Ending};
use serde::Serialize;

/// What a worker did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Passes that this worker brought to their end.
    pub passes: u64,
    /// Sets of shards that it searched, for passes that it or another worker ended.
    pub sets: u64,
    /// Passes that it left to others: these are at them, or have died within their lease. Of a worker that stays these are not counted.
    pub passes_open: u64,
    /// How the requests of those passes left them.
    pub requests: Requests,
    /// What the sweep did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepSummary>,
    /// What the purge did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge: Option<PurgeSummary>,
    /// What time took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retained>,
    /// Notices that were delivered.
    pub notices: u64,
    /// Notices that some receiver did not take; they are tried again.
    pub notices_failed: u64,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// How requests left their passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Done and proved.
    pub complete: u64,
    /// Their rows are hidden; the purge takes them out of the bytes.
    pub hidden: u64,
    /// Something is missing: they are tried again.
    pub incomplete: u64,
    /// Counted, or over the limits: somebody must decide.
    pub awaiting_approval: u64,
    /// They cannot be done.
    pub failed: u64,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SweepSummary {
    /// Shards that were listed.
    pub shards: u64,
    /// Those that were searched, because they were new or had changed.
    pub searched: u64,
    /// Rows of standing erasures that were found in them.
    pub matched: u64,
    /// Rows that were erased again.
    pub erased: u64,
    /// What could not be searched or changed; the next sweep tries again.
    pub problems: Vec<Problem>,
}

/// What a purge did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PurgeSummary {
    /// Shards with hidden rows.
    pub shards: u64,
    /// Shards whose hidden rows are out of the bytes now.
    pub purged: u64,
    /// Shards that were left, for their requests are not near their time.
    pub not_due: u64,
    /// Shards that were left, for they hide rows of somebody who is held.
    pub held: u64,
    /// Rows that are out of the bytes now.
    pub rows: u64,
    /// Requests that are complete by it.
    pub complete: u64,
    /// Requests that were thought to wait for it, and are searched again: what their receipts say is not how it is.
    pub incomplete: u64,
    /// What could not be purged; the next purge tries again.
    pub problems: Vec<Problem>,
}

/// What time took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retained {
    /// Requests that were incomplete at their deadline, and failed.
    pub failed: u64,
    /// Requests that nobody decided on.
    pub expired: u64,
    /// Requests whose identifiers are gone.
    pub forgotten: u64,
    /// Packages that were removed.
    pub packages: u64,
    /// Packages that should go and could not, or not wholly; the next time tries again.
    pub packages_left: u64,
}

impl PurgeSummary {
    /// Notes a problem, once: what cannot be read is met at every look.
    pub(crate) fn note(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

impl Summary {
    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.add(other);
        self
    }

    /// Adds another. Of sweep, purge and retention there is one of each.
    pub(crate) fn add(&mut self, other: Self) {
        self.passes += other.passes;
        self.sets += other.sets;
        self.passes_open += other.passes_open;
        let (own, more) = (&mut self.requests, other.requests);
        own.complete += more.complete;
        own.hidden += more.hidden;
        own.incomplete += more.incomplete;
        own.awaiting_approval += more.awaiting_approval;
        own.failed += more.failed;
        self.sweep = other.sweep.or(self.sweep.take());
        self.purge = other.purge.or(self.purge.take());
        self.retention = other.retention.or(self.retention.take());
        self.notices += other.notices;
        self.notices_failed += other.notices_failed;
        self.interrupted |= other.interrupted;
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        let problems =
            self.sweep.iter().map(|sweep| &sweep.problems).chain(self.purge.iter().map(|purge| &purge.problems));
        let packages = self.retention.is_none_or(|retention| retention.packages_left == 0);
        !self.interrupted
            && self.requests.incomplete == 0
            && self.requests.failed == 0
            && self.purge.as_ref().is_none_or(|purge| purge.incomplete == 0)
            && packages
            && problems.into_iter().all(Vec::is_empty)
    }
}

impl Requests {
    pub(crate) fn count(&mut self, conclusions: &[Conclusion]) {
        for conclusion in conclusions {
            let count = match &conclusion.ending {
                Ending::Complete => &mut self.complete,
                Ending::Hidden => &mut self.hidden,
                Ending::Incomplete { .. } => &mut self.incomplete,
                Ending::Counted { .. } | Ending::OverLimits => &mut self.awaiting_approval,
                Ending::Failed { .. } => &mut self.failed,
            };
            *count += 1;
        }
    }
}
