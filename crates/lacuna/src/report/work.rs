//! What a worker says at the end of a round.

use std::fmt::Write as _;

use lacuna_worker::{PurgeSummary, Retained, Summary, SweepSummary, Work};
use serde_json::{Value, json};

use super::purge::problems;
use crate::exit::ExitCode;
use crate::units::counted;

/// A round's report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkReport<'a> {
    /// What was done.
    pub summary: &'a Summary,
    /// What was asked for.
    pub kinds: &'a [Work],
}

impl WorkReport<'_> {
    /// How the process ends.
    pub(crate) fn code(&self) -> ExitCode {
        if self.summary.interrupted {
            ExitCode::Interrupted
        } else if self.summary.is_complete() {
            ExitCode::Done
        } else {
            ExitCode::Incomplete
        }
    }

    /// What was done as one document.
    pub(crate) fn json(&self) -> Value {
        let mut document = json!(self.summary);
        document["complete"] = json!(self.code() == ExitCode::Done);
        document
    }

    /// The report's text.
    pub(crate) fn human(&self) -> String {
        let mut text = String::new();
        for work in self.kinds {
            match work {
                Work::Requests => self.requests(&mut text),
                Work::Sweep => match &self.summary.sweep {
                    Some(done) => sweep(&mut text, done),
                    None => self.undone(&mut text, "Sweep"),
                },
                Work::Purge => match &self.summary.purge {
                    Some(done) => purge(&mut text, done),
                    None => self.undone(&mut text, "Purge"),
                },
                Work::Retention => match &self.summary.retention {
                    Some(done) => retention(&mut text, done),
                    None => self.undone(&mut text, "Retention"),
                },
            }
        }
        if self.summary.interrupted {
            text.push_str("Stopped before the end. The same command, or another worker, does the rest.\n");
        }
        text
    }

    /// Why a kind of work was not done: one worker does it at a time, and who was stopped may not have come to it.
    fn undone(&self, text: &mut String, what: &str) {
        let why = if self.summary.interrupted { "not begun" } else { "another worker is at it" };
        let _ = writeln!(text, "{what}: {why}.");
    }

    fn requests(&self, text: &mut String) {
        let Summary { passes, sets, passes_open, requests, .. } = self.summary;
        let counts = [
            (requests.complete, "complete"),
            (requests.hidden, "hidden, and out of the logs with the next purge"),
            (requests.awaiting_approval, "awaiting approval"),
            (requests.incomplete, "incomplete, and tried again"),
            (requests.failed, "failed"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let counts: Vec<_> = counts.collect();
        let _ = match (counts.is_empty(), *sets) {
            (true, 0) if *passes_open > 0 => writeln!(text, "Requests: none can be begun now."),
            (true, 0) => writeln!(text, "Requests: none is due."),
            (true, sets) => {
                writeln!(text, "Requests: searched {}; another worker ends the pass.", counted(sets, "set"))
            }
            (false, _) => writeln!(text, "Requests: {}, in {}.", counts.join(", "), counted(*passes, "pass")),
        };
        if *passes_open > 0 && *sets == 0 {
            let _ = writeln!(
                text,
                "Those on {} are left to another worker, and others wait for its end. Should it have died, any worker goes on when its lease \
                 has run out.",
                counted(*passes_open, "pass")
            );
        }
    }
}

fn sweep(text: &mut String, sweep: &SweepSummary) {
    let _ = writeln!(
        text,
        "Sweep: searched {} of {} for standing erasures; erased {}.",
        sweep.searched,
        counted(sweep.shards, "shard"),
        counted(sweep.erased, "record")
    );
    problems(text, &sweep.problems);
}

fn purge(text: &mut String, purge: &PurgeSummary) {
    let _ =
        write!(text, "Purge: took {} out of {}", counted(purge.rows, "hidden record"), counted(purge.purged, "shard"));
    for (count, why) in [(purge.not_due, "not due yet"), (purge.held, "held")] {
        if count > 0 {
            let _ = write!(text, "; left {count}: {why}");
        }
    }
    let _ = write!(text, ". {} complete", counted(purge.complete, "request"));
    if purge.incomplete > 0 {
        let _ = write!(text, ", {} incomplete, and searched again", purge.incomplete);
    }
    text.push_str(".\n");
    problems(text, &purge.problems);
}

fn retention(text: &mut String, retention: &Retained) {
    let done = [
        (retention.failed, "failed at its deadline"),
        (retention.expired, "expired without a decision"),
        (retention.forgotten, "forgotten"),
        (retention.packages, "lost its expired package"),
        (retention.packages_left, "has an expired package that cannot be removed yet"),
    ];
    let done: Vec<_> = (done.iter())
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", counted(*count, "request")))
        .collect();
    let _ = match done.is_empty() {
        true => writeln!(text, "Retention: nothing was due."),
        false => writeln!(text, "Retention: {}.", done.join(", ")),
    };
}

#[cfg(test)]
mod tests {
    use lacuna_worker::Requests;

    use super::*;

    fn said(summary: &Summary) -> String {
        WorkReport { summary, kinds: &[Work::Requests] }.human()
    }

    #[test]
    fn what_other_workers_are_at_is_not_passed_over() {
        let none = Summary::default();
        assert_eq!(said(&none), "Requests: none is due.\n");
        let open = said(&Summary { passes_open: 1, ..none });
        assert!(
            open.starts_with("Requests: none can be begun now.\nThose on 1 pass are left to another worker"),
            "{open}"
        );
        // Who has searched a part of it says so.
        let helped = Summary { passes_open: 1, sets: 3, ..Summary::default() };
        assert_eq!(said(&helped), "Requests: searched 3 sets; another worker ends the pass.\n");
        let requests = Requests { complete: 2, ..Requests::default() };
        let done = Summary { passes: 2, sets: 6, requests, ..Summary::default() };
        assert_eq!(said(&done), "Requests: 2 complete, in 2 passes.\n");
    }
}
