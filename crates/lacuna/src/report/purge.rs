//! What a purge says at its end.

use std::fmt::Write as _;
use std::time::Duration;

use lacuna_engine::{Problem, PurgeOutcome, Retained};
use serde_json::{Value, json};

use crate::exit::ExitCode;
use crate::units::{counted, duration};

/// How many lines of a kind are shown before the rest is only counted.
const SHOWN: usize = 20;

/// A purge's report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PurgeReport<'a> {
    /// What happened.
    pub outcome: &'a PurgeOutcome,
    /// How long it took.
    pub elapsed: Duration,
}

impl PurgeReport<'_> {
    /// How the process ends.
    pub(crate) fn code(&self) -> ExitCode {
        if self.outcome.interrupted {
            ExitCode::Interrupted
        } else if self.outcome.problems.is_empty() {
            ExitCode::Done
        } else {
            ExitCode::Incomplete
        }
    }

    /// The outcome as one document.
    pub(crate) fn json(&self) -> Value {
        let mut document = json!(self.outcome);
        document["complete"] = json!(self.code() == ExitCode::Done);
        document["seconds"] = json!(self.elapsed.as_secs_f64());
        document
    }

    /// The report's text.
    pub(crate) fn human(&self) -> String {
        let outcome = self.outcome;
        let mut text = match outcome.shards_purged {
            0 if outcome.shards == 0 => "Nothing is hidden.\n".to_owned(),
            0 => "Purged nothing.\n".to_owned(),
            shards => format!(
                "Took {} out of {}, in {}.\n",
                counted(outcome.rows_purged, "hidden record"),
                counted(shards, "shard"),
                duration(self.elapsed)
            ),
        };
        if outcome.shards_looked_after > 0 {
            let _ = writeln!(
                text,
                "Looked after the old bytes of {} purged before.",
                counted(outcome.shards_looked_after, "shard")
            );
        }
        text.push_str(&retained(&outcome.retained));
        if outcome.shards_not_due > 0 {
            let _ = writeln!(text, "Left {} for later: not due yet.", counted(outcome.shards_not_due, "shard"));
        }
        if !outcome.held.is_empty() {
            let _ =
                writeln!(text, "Left {} for now, hidden and in the bytes:", counted(outcome.shards_held, "held shard"));
            problems(&mut text, &outcome.held);
        }
        let (shown, more) = outcome.requests.split_at(outcome.requests.len().min(SHOWN));
        for request in shown {
            if let Some(place) = &request.receipt {
                let _ = write!(text, "\nReceipt: {place}\n");
            }
        }
        if !more.is_empty() {
            let _ = write!(text, "\nand those of {}; --json names all\n", counted(more.len() as u64, "more request"));
        }
        for receipt in outcome.requests.iter().filter_map(|request| request.receipt_jws.as_ref()) {
            let _ = write!(text, "\nThe receipt could not be written. Keep it; this is all of it:\n{receipt}\n");
        }
        text.push_str(&unfinished(outcome));
        if !outcome.problems.is_empty() {
            text.push_str("\nProblems:\n");
            problems(&mut text, &outcome.problems);
            text.push_str("\nIncomplete: rows of what is named above may still be in bytes that the store has.\n");
            if outcome.shards_superseded > 0 {
                let _ = writeln!(
                    text,
                    "Nothing hides rows in the new versions of {}: erase again under the same ids or, with a ledger, sweep.",
                    counted(outcome.shards_superseded, "replaced shard")
                );
            }
        }
        if outcome.interrupted {
            text.push_str("\nStopped before the end. The same command does the rest.\n");
        }
        text
    }
}

/// What is said of erasures that were killed: what they did not reach, they hid nowhere.
fn unfinished(outcome: &PurgeOutcome) -> String {
    let mut requests = outcome.requests.iter().filter(|request| request.unfinished).map(|request| &request.request);
    let shown: Vec<_> = requests.by_ref().take(SHOWN).map(String::as_str).collect();
    if shown.is_empty() {
        return String::new();
    }
    let more = match requests.count() as u64 {
        0 => String::new(),
        more => format!(" and {}; --json names all", counted(more, "more request")),
    };
    format!(
        "\nErasures that have not come to their end, and may not have reached all records: {}{more}.\nUnless they are still at work, \
         erase again under the same ids (--request-id).\n",
        shown.join(", ")
    )
}

/// Names what could not be worked on, line by line.
pub(super) fn problems(text: &mut String, all: &[Problem]) {
    for problem in all.iter().take(SHOWN) {
        let _ = writeln!(text, "  {}: {}", problem.shard, problem.reason);
    }
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more; --json lists all");
    }
}

/// What is said of shards whose old bytes are kept for now.
pub(super) fn retained(all: &[Retained]) -> String {
    let mut text = String::new();
    if all.is_empty() {
        return text;
    }
    text.push_str("\nOld bytes that the account keeps for now:\n");
    for retained in all.iter().take(SHOWN) {
        let _ = match &retained.gone_by {
            Some(day) => writeln!(text, "  {}: gone by {day} ({})", retained.shard, retained.reason),
            None => writeln!(text, "  {}: {}", retained.shard, retained.reason),
        };
    }
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more; --json lists all");
    }
    text
}

#[cfg(test)]
mod tests {
    use lacuna_engine::PurgedRequest;

    use super::*;

    #[test]
    fn erasures_that_were_killed_are_named() {
        let request = |request: &str, unfinished| PurgedRequest {
            request: request.to_owned(),
            rows: 1,
            receipt: None,
            receipt_jws: None,
            unfinished,
        };
        let requests = vec![request("whole", false), request("cut", true), request("killed", true)];
        let outcome = PurgeOutcome { shards: 1, shards_purged: 1, requests, ..PurgeOutcome::default() };
        let text = PurgeReport { outcome: &outcome, elapsed: Duration::ZERO }.human();
        assert!(
            text.contains("have not come to their end, and may not have reached all records: cut, killed."),
            "{text}"
        );
        assert!(!text.contains("whole"), "{text}");
    }
}
