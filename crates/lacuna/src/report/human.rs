//! The report for people: short, aligned, and with everything that is not as it should be.

use std::fmt::Write as _;

use lacuna_engine::{OnErase, RequestOutcome, SourceOutcome, Stopped};

use super::{Asked, Report, Table};
use crate::exit::ExitCode;
use crate::units::{bytes, count, counted, duration};

/// How many problems are listed before the rest is only counted.
const PROBLEMS_SHOWN: usize = 20;

/// How many requests have their packages and receipts named before the rest is only counted.
const REQUESTS_SHOWN: usize = 20;

impl Report<'_> {
    /// The report's text.
    pub(crate) fn human(&self) -> String {
        let mut text = format!("{}\n", self.headline());
        let outcome = &self.ran.outcome;
        let (mut shards, mut rows, mut read) = (0, 0, 0);
        for source in outcome.sources.iter().filter(|source| source.searched) {
            shards += source.shards;
            rows += source.rows_scanned;
            read += source.bytes_read;
        }
        let _ = writeln!(
            text,
            "Searched {} with {}, read {}, in {}.\n",
            counted(shards, "shard"),
            counted(rows, "row"),
            bytes(read),
            duration(self.ran.elapsed)
        );
        text.push_str(&self.table());
        let (shown, more) = outcome.requests.split_at(outcome.requests.len().min(REQUESTS_SHOWN));
        for (name, place) in
            shown.iter().flat_map(|request| [("Package", &request.package), ("Receipt", &request.receipt)])
        {
            if let Some(place) = place {
                let _ = write!(text, "\n{name}: {place}\n");
            }
        }
        if !more.is_empty() {
            let _ = write!(text, "\nand those of {}; --json names all\n", counted(more.len() as u64, "more request"));
        }
        for receipt in outcome.requests.iter().filter_map(|request| request.receipt_jws.as_ref()) {
            let _ = write!(text, "\nThe receipt could not be written. Keep it; this is all of it:\n{receipt}\n");
        }
        text.push_str(&self.kept());
        for source in &outcome.sources {
            text.push_str(&super::purge::retained(&source.retained));
        }
        text.push_str(&self.superseded());
        text.push_str(&self.stopped());
        text.push_str(&self.problems());
        if let Some(verdict) = self.verdict() {
            let _ = write!(text, "\n{verdict}\n");
        }
        text
    }

    fn headline(&self) -> String {
        let outcome = &self.ran.outcome;
        let matched: u64 = outcome.sources.iter().map(|source| source.shards_matched).sum();
        let erased: u64 = outcome.sources.iter().map(|source| source.erased).sum();
        let hidden: u64 = outcome.sources.iter().map(|source| source.hidden).sum();
        let records = counted(outcome.matched, "record");
        let within = format!("in {}", counted(matched, "shard"));
        match self.asked {
            _ if outcome.matched == 0 => "Found no record.".to_owned(),
            Asked::Find | Asked::EraseAhead => format!("Found {records} {within}."),
            Asked::Export => {
                let (requests, packages) = (outcome.requests.len() as u64, self.packages());
                match packages {
                    0 => format!("Found {records} {within}. No package was written."),
                    1 if requests == 1 => format!("Found {records} {within} and wrote them to the package."),
                    _ if packages == requests => {
                        format!("Found {records} {within} and wrote them to {}.", counted(packages, "package"))
                    }
                    _ => format!(
                        "Found {records} {within}. Wrote {} of {}.",
                        count(packages),
                        counted(requests, "package")
                    ),
                }
            }
            Asked::Erase if erased == outcome.matched => format!("Erased {records} {within}."),
            Asked::Erase if erased + hidden == 0 => format!("Found {records} {within}. Nothing was erased."),
            Asked::Erase => format!("Erased {} of the {records} found {within}.", count(erased)),
            Asked::Hide if hidden == 0 => format!("Found {records} {within}. Nothing was hidden."),
            Asked::Hide => {
                let what = match hidden == outcome.matched {
                    true => format!("Hid {records} {within}"),
                    false => format!("Hid {} of the {records} found {within}", count(hidden)),
                };
                format!("{what}; `lacuna purge` takes what is hidden out of the bytes.")
            }
            Asked::EraseDryRun => format!("Found {records} {within}. Nothing was changed: this was a dry run."),
        }
    }

    /// How many packages were written.
    fn packages(&self) -> u64 {
        self.ran.outcome.requests.iter().filter(|request| request.package.is_some()).count() as u64
    }

    fn table(&self) -> String {
        let heads: &[&str] = match self.asked {
            Asked::Erase => &["source", ">shards", ">with matches", ">rows", ">records", ">erased", ""],
            Asked::Hide => &["source", ">shards", ">with matches", ">rows", ">records", ">hidden", ""],
            _ => &["source", ">shards", ">with matches", ">rows", ">records", ""],
        };
        let mut table = Table::new(heads);
        for source in &self.ran.outcome.sources {
            let number = |number: u64| if source.searched { count(number) } else { "-".to_owned() };
            let note = match (source.searched, self.on_erase(source)) {
                (false, _) => "not searched: it maps none of these kinds".to_owned(),
                (true, Some(on_erase)) if self.is_erasure() && source.matched > 0 => self.effect(on_erase),
                _ => String::new(),
            };
            let mut cells = vec![
                source.source.clone(),
                number(source.shards),
                number(source.shards_matched),
                number(source.rows_scanned),
                number(source.matched),
            ];
            match self.asked {
                Asked::Erase => cells.push(number(source.erased)),
                Asked::Hide => cells.push(number(source.hidden)),
                Asked::Find | Asked::Export | Asked::EraseDryRun | Asked::EraseAhead => {}
            }
            cells.push(note);
            table.row(cells);
        }
        table.show()
    }

    fn effect(&self, on_erase: &OnErase) -> String {
        let would = !matches!(self.asked, Asked::Erase | Asked::Hide);
        match on_erase {
            OnErase::Anonymize if self.asked == Asked::Hide => "hidden until it is made anonymous".to_owned(),
            OnErase::Delete if would => "would be deleted".to_owned(),
            OnErase::Delete => String::new(),
            OnErase::Anonymize if would => "would be made anonymous".to_owned(),
            OnErase::Anonymize => "made anonymous".to_owned(),
            OnErase::Keep { reason } if would => format!("would stay: {reason}"),
            OnErase::Keep { reason } => format!("kept: {reason}"),
        }
    }

    /// Rows that stay although they matched, where the table does not say so already.
    fn kept(&self) -> String {
        let is_by_mapping = |source: &&SourceOutcome| matches!(self.on_erase(source), Some(OnErase::Keep { .. }));
        let mut text = String::new();
        for source in self.ran.outcome.sources.iter().filter(|source| !is_by_mapping(source)) {
            for kept in &source.kept {
                let _ = writeln!(text, "  {}: {}, {}", kept.shard, counted(kept.rows, "record"), kept.reason);
            }
        }
        if text.is_empty() { text } else { format!("\nKept:\n{text}") }
    }

    /// Shards in which nothing hides rows any more, where this run did not look after it.
    fn superseded(&self) -> String {
        let all: Vec<&str> =
            self.ran.outcome.sources.iter().flat_map(|source| &source.superseded).map(String::as_str).collect();
        if all.is_empty() || matches!(self.asked, Asked::Erase | Asked::Hide) {
            return String::new();
        }
        let mut text = "\nReplaced by another writer since records of somebody were hidden in them, which nothing hides now (erase \
                        again under the same ids or, with a ledger, sweep):\n"
            .to_owned();
        all.iter().take(PROBLEMS_SHOWN).for_each(|shard| {
            let _ = writeln!(text, "  {shard}");
        });
        if let Some(more) = all.len().checked_sub(PROBLEMS_SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {} more; --json lists all", count(more as u64));
        }
        text
    }

    /// Erasures that reach further than the limits allow.
    fn stopped(&self) -> String {
        let limits =
            |request: &RequestOutcome| request.stopped.as_ref().filter(|stopped| stopped.is_limit()).map(reach);
        let all: Vec<_> = self.ran.outcome.requests.iter().filter_map(limits).collect();
        let mut text = String::new();
        for stopped in all.iter().take(REQUESTS_SHOWN) {
            let _ = writeln!(text, "  {stopped}");
        }
        if let Some(more) = all.len().checked_sub(REQUESTS_SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {} more; --json lists all", count(more as u64));
        }
        let erased = if matches!(self.asked, Asked::Erase | Asked::Hide) { "was" } else { "would be" };
        if text.is_empty() { text } else { format!("\nOver the limits, so nothing of it {erased} erased:\n{text}") }
    }

    fn problems(&self) -> String {
        let all: Vec<_> = self
            .ran
            .outcome
            .sources
            .iter()
            .flat_map(|source| source.problems.iter().map(move |problem| (source.source.as_str(), problem)))
            .collect();
        if all.is_empty() {
            return String::new();
        }
        let mut text = "\nProblems:\n".to_owned();
        for (source, problem) in all.iter().take(PROBLEMS_SHOWN) {
            let _ = writeln!(text, "  {source}: {}: {}", problem.shard, problem.reason);
        }
        if let Some(more) = all.len().checked_sub(PROBLEMS_SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {} more; --json lists all", count(more as u64));
        }
        text
    }

    fn verdict(&self) -> Option<&'static str> {
        match (self.code(), self.asked) {
            (ExitCode::Interrupted, Asked::Erase | Asked::Hide) => {
                Some("Stopped before the end. What was begun is finished or as it was; the same command does the rest.")
            }
            (ExitCode::Interrupted, _) => Some("Stopped before the end: there may be more records."),
            (ExitCode::Incomplete, Asked::Erase | Asked::Hide) => {
                Some("Incomplete: records may be left in what could not be read or changed.")
            }
            (ExitCode::Incomplete, _) => Some("Incomplete: there may be more records in what could not be read."),
            (ExitCode::Refused, _) if !self.stopped().is_empty() => Some(
                "Refused: look at what matched, then raise `[limits]`, or record the request and have it approved.",
            ),
            (ExitCode::Refused, _) => Some("Refused: every record that matched is kept, as configured."),
            _ => None,
        }
    }
}

/// How far an erasure would reach, and how far it may.
fn reach(stopped: &Stopped) -> String {
    let of = |matched: &u64, what: &str, max: &u64| {
        format!("{} match, and at most {} may", counted(*matched, what), count(*max))
    };
    match stopped {
        Stopped::MaxRows { matched, max } => of(matched, "record", max),
        Stopped::MaxShards { matched, max } => of(matched, "shard", max),
        Stopped::MaxShare { source, matched, rows, max } => {
            let (matched, rows) = (count(*matched), count(*rows));
            format!("{matched} of the {rows} records of source `{source}` match, and at most a share of {max} may")
        }
        Stopped::Package => "its package is not complete".to_owned(),
    }
}
