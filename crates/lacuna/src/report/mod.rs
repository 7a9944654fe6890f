//! What a run says at its end: for people, for programs, and by its exit code.

mod human;
mod json;
mod purge;
pub(crate) mod request;
mod table;
#[cfg(test)]
mod tests;
mod work;

use lacuna_engine::{OnErase, RequestOutcome, Source, SourceOutcome, Stopped};

use crate::exit::ExitCode;
use crate::failure::Result;
use crate::output;
use crate::session::Ran;

pub(crate) use purge::PurgeReport;
pub(crate) use request::{standing, write_filed};
pub(crate) use table::Table;
pub(crate) use work::WorkReport;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Counts.
    Find,
    /// A package.
    Export,
    /// An erasure from the bytes.
    Erase,
    /// An erasure that hides.
    Hide,
    /// What an erasure would do.
    EraseDryRun,
    /// What an erasure is about to do, if it is confirmed.
    EraseAhead,
}

/// One run's report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    /// What was asked for.
    pub asked: Asked,
    /// What happened.
    pub ran: &'a Ran,
    /// The sources that were asked.
    pub sources: &'a [Source],
}

impl Report<'_> {
    /// Writes the report to standard output; how the process ends.
    pub(crate) fn write(&self, is_json: bool) -> Result<ExitCode> {
        if is_json {
            output::print_json(&self.json())?
        } else {
            output::print(&self.human())?
        }
        Ok(self.code())
    }

    /// How the process ends.
    pub(crate) fn code(&self) -> ExitCode {
        let outcome = &self.ran.outcome;
        let is_stopped = |request: &RequestOutcome| request.stopped.as_ref().is_some_and(Stopped::is_limit);
        if outcome.interrupted {
            ExitCode::Interrupted
        } else if outcome.requests.iter().any(|request| !request.complete && !is_stopped(request)) {
            ExitCode::Incomplete
        } else if outcome.requests.iter().any(is_stopped) || self.keeps_all() {
            ExitCode::Refused
        } else {
            ExitCode::Done
        }
    }

    /// Whether an erasure found records and had to leave them all: now, and when it ran before.
    fn keeps_all(&self) -> bool {
        let outcome = &self.ran.outcome;
        let told = outcome.requests.iter().flat_map(|request| &request.sources).filter_map(|source| source.told);
        if told.into_iter().any(|told| told.matched > told.kept) {
            return false;
        }
        let erased: u64 = outcome.sources.iter().map(|source| source.erased + source.hidden).sum();
        let kept = outcome.sources.iter().any(|source| !source.kept.is_empty());
        matches!(self.asked, Asked::Erase | Asked::Hide) && outcome.matched > 0 && erased == 0 && kept
    }

    /// Whether the report says what an erasure did or would do.
    fn is_erasure(&self) -> bool {
        matches!(self.asked, Asked::Erase | Asked::Hide | Asked::EraseDryRun | Asked::EraseAhead)
    }

    /// What an erasure does in the source of this outcome.
    fn on_erase(&self, outcome: &SourceOutcome) -> Option<&OnErase> {
        self.sources.iter().find(|source| source.name == outcome.source).map(|source| &source.on_erase)
    }
}
