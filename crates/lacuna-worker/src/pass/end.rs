//! How each request of a pass ended, as the ledger records it.

use lacuna_engine::{Outcome, RequestOutcome, RequestSource};
use lacuna_ledger::{Conclusion, Counts, Ending, Missing, SourceCounts, Work};

use crate::job::{Composed, Placed};

/// One conclusion for each request of the job.
pub(super) fn conclusions(composed: &Composed, outcome: &Outcome) -> Vec<Conclusion> {
    composed.placed.iter().map(|placed| conclusion(placed, outcome)).collect()
}

fn conclusion(placed: &Placed, outcome: &Outcome) -> Conclusion {
    let main = &outcome.requests[placed.main];
    let export = placed.export.map(|at| &outcome.requests[at]);
    let counts = Counts { sources: main.sources.iter().map(counts).collect() };
    Conclusion {
        request: placed.request.request.id,
        ending: ending(placed, main, export, outcome),
        counts,
        package: export.and_then(|export| export.package.clone()),
        receipt: main.receipt.clone(),
    }
}

fn ending(placed: &Placed, main: &RequestOutcome, export: Option<&RequestOutcome>, outcome: &Outcome) -> Ending {
    if main.stopped.as_ref().is_some_and(lacuna_engine::Stopped::is_limit) {
        return Ending::OverLimits;
    }
    let is_complete = main.complete && export.is_none_or(|export| export.complete);
    // Its rows may have gone with a purge of somebody else's, which left old bytes.
    let waits = main.sources.iter().filter_map(|source| source.told).any(|told| told.shards_pending > 0);
    match (placed.request.work, is_complete) {
        (Work::Count, _) => Ending::Counted { missing: missing(main, outcome) },
        // Also of one that takes them out at once, where a hold on somebody else keeps them in the bytes.
        (Work::Do, true) if main.hidden > 0 || waits => Ending::Hidden,
        (Work::Do, true) => Ending::Complete,
        (Work::Do, false) => Ending::Incomplete { missing: missing(main, outcome) },
    }
}

/// What is known of one source. An erasure that is tried again finds only what it left: its receipt tells of the rest.
fn counts(source: &RequestSource) -> SourceCounts {
    let told = source.told.unwrap_or_default();
    SourceCounts {
        source: source.source.clone(),
        scanned: source.rows_scanned,
        matched: source.matched.max(told.matched),
        shards: source.shards,
        erased: source.erased.max(told.erased),
        kept: source.kept.max(told.kept),
    }
}

/// What could not be searched or changed in the sources that the request was searched for in.
fn missing(request: &RequestOutcome, outcome: &Outcome) -> Vec<Missing> {
    let searched = |name: &str| request.sources.iter().any(|source| source.source == name);
    let problems = outcome.sources.iter().filter(|source| searched(&source.source));
    let problems = problems.flat_map(|source| source.problems.iter().map(move |problem| (&source.source, problem)));
    problems
        .take(Missing::KEPT_MAX)
        .map(|(source, problem)| Missing {
            source: source.clone(),
            shard: problem.shard.clone(),
            reason: problem.reason.clone(),
        })
        .collect()
}
