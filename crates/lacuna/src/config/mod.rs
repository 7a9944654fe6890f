//! `lacuna.toml`: one file says what there is.
//!
//! Read strictly and at once: unknown keys are errors that name the nearest known one, every value is checked, and all that is
//! wrong is said together, each with its line and column. Relative paths start at the file's folder. Secrets are named here
//! and read later, by the commands that need them.

mod document;
mod keys;
mod ledger;
mod notices;
mod run;
mod secret;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod worker;

use std::path::{Path, PathBuf};

use lacuna_engine::{EraseLimits, OWN_FOLDER, Source};
use lacuna_scan::Limits;

pub(crate) use document::Problem;
pub(crate) use keys::Keys;
pub(crate) use ledger::{Ledger, LedgerUrl, Roles};
pub(crate) use notices::NoticeConfig;
pub(crate) use run::{MEMORY_MIN, PARALLEL_MAX, REQUESTS_DEFAULT, RunDefaults, memory_default};
pub(crate) use secret::{Environment, SecretRef};
pub(crate) use source::SourceHold;
pub(crate) use store::{Address, Connection, Credential, StoreConfig};
pub(crate) use worker::WorkerConfig;

use crate::failure::{Failure, Result};
use document::{Problems, Table};

/// The largest file that is taken for a configuration, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What `lacuna.toml` says.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file.
    pub path: PathBuf,
    /// Where shards are.
    pub store: StoreConfig,
    /// Where packages go.
    pub export: Option<StoreConfig>,
    /// The keys, by reference.
    pub keys: Keys,
    /// What a shard may ask for.
    pub limits: Limits,
    /// What a run may use.
    pub run: RunDefaults,
    /// What an erasure may touch before somebody must look at it.
    pub erase_limits: EraseLimits,
    /// The record of requests; without one, commands run on their own.
    pub ledger: Option<Ledger>,
    /// Who is told of changes.
    pub notices: Vec<NoticeConfig>,
    /// When a worker does what.
    pub worker: WorkerConfig,
    /// The sources, in the file's order.
    pub sources: Vec<Source>,
    /// Those of them that are kept from every erasure.
    pub holds: Vec<SourceHold>,
}

impl Config {
    /// Refuses a place for packages where a source would take them for shards, and search and erase in them, and any among what Lacuna
    /// keeps beside the logs of whatever store.
    pub(crate) fn check_apart(&self, export: &StoreConfig) -> Result<()> {
        if export.is_within(OWN_FOLDER) {
            return Err(Failure::usage(format!(
                "packages would go into a folder `{OWN_FOLDER}`, which is for what Lacuna keeps beside the logs of a store"
            ))
            .advice("Export to another place."));
        }
        let Some(folder) = export.folder_in(&self.store) else { return Ok(()) };
        match self.sources.iter().find(|source| source.reaches_into(&folder)) {
            Some(source) => {
                let place = if folder.is_empty() { "in the store itself" } else { "within the store" };
                Err(Failure::usage(format!(
                    "packages would go to a place {place} where source `{}` has its shards (`{}`)",
                    source.name, source.shards
                ))
                .advice("Export to another place, or let `shards` name other folders than that."))
            }
            None => Ok(()),
        }
    }

    /// Reads the file at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = read_text(path).map_err(|error| {
            let failure = Failure::usage(format!("cannot read the configuration {}", path.display())).because(&error);
            if error.kind() == std::io::ErrorKind::NotFound {
                failure.advice(
                    "Name it with --config FILE. `lacuna demo` and `lacuna sample` each write one to start from.",
                )
            } else {
                failure
            }
        })?;
        Self::parse(&text, path).map_err(|problems| {
            let things = match problems.len() {
                1 => "one thing is wrong".to_owned(),
                many => format!("{many} things are wrong"),
            };
            let failure = Failure::usage(format!("{things} in {}", path.display()));
            problems.iter().fold(failure, |failure, Problem { line, column, message }| {
                failure.cause(format!("{}:{line}:{column}: {message}", path.display()))
            })
        })
    }

    /// Reads `text`, the content of the file at `path`.
    pub(crate) fn parse(text: &str, path: &Path) -> std::result::Result<Self, Vec<Problem>> {
        let base = path.parent().unwrap_or(Path::new(""));
        let mut problems = Problems::new(text);
        let document = document::parse(text, &mut problems);
        if !problems.is_empty() {
            // What else seems wrong would only follow from that.
            return Err(problems.into_found());
        }
        let mut root = Table::root(&document);

        let store = root.need("store", "where the shards are, as `[store]` with `url`", &mut problems);
        let store = store.and_then(|entry| {
            let mut table = entry.table("a table", &mut problems)?;
            let store = store::read(&mut table, base, None, &mut problems);
            table.finish(&mut problems);
            store
        });
        let mut keep = None;
        let export = root.get("export").and_then(|entry| {
            let mut table = entry.table("a table", &mut problems)?;
            let export = store::read(&mut table, base, store.as_ref(), &mut problems);
            keep = ledger::keep(&mut table, &mut problems);
            table.finish(&mut problems);
            export
        });
        let keys_entry = root.get("keys");
        // Asked of the text, not of what was understood: a broken key is one problem, not one for each column as well.
        let has_keys = keys_entry.as_ref().is_some_and(|entry| entry.value.get("pseudonym").is_some());
        let keys = keys::read(keys_entry, base, &mut problems);
        let (limits, erase_limits) = run::limits(root.get("limits"), &mut problems);
        let run = run::read(root.get("run"), base, &mut problems);
        let sources = root.need("source", "what to search, as `[[source]]`", &mut problems);
        let sources = sources.map(|entry| source::read_all(&entry, has_keys, &mut problems)).unwrap_or_default();
        let (sources, holds) = sources;
        let mut ledger = root.get("ledger").and_then(|entry| ledger::read(&entry, base, &mut problems));
        let notices = root.get("notices").map(|entry| notices::read_all(&entry, base, &mut problems));
        let notices = notices.unwrap_or_default();
        let worker = worker::read(root.get("worker"), &mut problems);
        if let Some(ledger) = &mut ledger {
            ledger.policy.package_keep = keep;
            ledger.policy.notices = !notices.is_empty();
        }
        root.finish(&mut problems);

        match (problems.into_found(), store) {
            (problems, Some(store)) if problems.is_empty() => Ok(Self {
                path: path.to_owned(),
                store,
                export,
                keys,
                limits,
                run,
                erase_limits,
                ledger,
                notices,
                worker,
                sources,
                holds,
            }),
            (problems, _) => Err(problems),
        }
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other("is too large for a configuration"));
    }
    // A mark at the start, as some editors write it, is no part of the text.
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}
