//! `lacuna demo`: sample logs, one export, one erasure, its receipt. All of it on this disk.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use lacuna_benches::corpus::{Person, Role, Sample};
use lacuna_engine::{Action, EraseMode, ExportOptions, OnErase};
use lacuna_scan::Secret;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::args::{DemoArgs, RunArgs, Scope, Who};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::report::{Asked, Report, Table};
use crate::samples::{self, Samples};
use crate::session::{Ran, Session, Signs, environment};
use crate::units::{bytes, counted, duration};
use crate::{interrupt, output, stores};

/// Shards of the receipt that are shown.
const SHARDS_SHOWN: usize = 3;
/// Characters of a record that are shown.
const RECORD_CHARS_SHOWN: usize = 160;

pub(super) async fn run(args: &DemoArgs, context: Context) -> Result<ExitCode> {
    let cancel = interrupt::watch();
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => fresh_dir()?,
    };
    let demo = Demo { args, logs: context.logs, cancel };
    demo.run(&dir).await
}

struct Demo<'a> {
    args: &'a DemoArgs,
    logs: bool,
    cancel: CancellationToken,
}

impl Demo<'_> {
    async fn run(&self, dir: &Path) -> Result<ExitCode> {
        self.say(&format!("Lacuna's demo: one person's records in sample logs, in {}\n", dir.display()))?;
        self.step("Write sample logs of several products, formats and tenants.", "")?;
        let samples = self.sample(dir).await?;
        self.say(&format!(
            "{} in {}, {}, in {}.\n",
            counted(samples.written.rows, "record"),
            counted(samples.written.shards() as u64, "shard"),
            bytes(samples.written.bytes),
            duration(samples.elapsed)
        ))?;
        let person = samples.written.person(Role::Common).ok_or_else(|| Failure::other("the sample knows nobody"))?;
        let (erasing, kept) = self.sessions(&samples, person).await?;

        let shown = |what: &str, session: &Session| command(&samples, person, what, session);
        self.step("Export one person: a package for them, and for whoever checks it.", &shown("export", &erasing))?;
        let export = erasing.run(None, Action::Export(ExportOptions::default()), &self.cancel).await?;
        let code = self.report(Asked::Export, &export, &erasing)?;
        if code != ExitCode::Done {
            return Ok(code);
        }
        self.say(&package(&export)?)?;

        self.step("Erase them: every shard that names them is rewritten.", &shown("erase --now", &erasing))?;
        let erase = erasing.run(None, Action::Erase(EraseMode::Now), &self.cancel).await?;
        let code = self.report(Asked::Erase, &erase, &erasing)?;
        if code != ExitCode::Done {
            return Ok(code);
        }

        self.step("Read the receipt, which is signed: what happened to each shard.", "")?;
        let receipt = receipt(&erase, &samples)?;
        self.say(&summary(&receipt))?;

        let where_allowed = if kept.is_some() { ", in all sources but those that must be kept" } else { "" };
        let searched = kept.as_ref().unwrap_or(&erasing);
        self.step(&format!("Look for them again{where_allowed}."), &shown("find", searched))?;
        let find = searched.run(None, Action::Discover, &self.cancel).await?;
        let code = self.report(Asked::Find, &find, searched)?;
        let nothing_left = find.outcome.matched == 0;
        if self.args.json {
            output::print_json(&self.json(&samples, &erasing, [&export, &erase, &find], &receipt))?;
        } else {
            output::print(&what_next(&samples, &export, &erase))?;
        }
        match code {
            ExitCode::Done if !nothing_left => Err(Failure::other("the erasure left records behind")),
            code => Ok(code),
        }
    }

    async fn sample(&self, dir: &Path) -> Result<Samples> {
        let sample = Sample::new(self.args.rows);
        let (dir, shows) = (dir.to_owned(), self.shows_progress());
        let work = tokio::task::spawn_blocking(move || samples::write(&dir, &sample, shows));
        let samples = tokio::select! {
            samples = work => samples.map_err(|error| Failure::other("writing sample logs broke off").because(&error))?,
            // Half a sample is of no use to anybody, and a new folder starts anew.
            () = self.cancel.cancelled() => Err(Failure::interrupted("stopped while sample logs were written")),
        };
        samples
    }

    /// The session over all sources; and, where some are kept, one over those that are not.
    async fn sessions(&self, samples: &Samples, person: &Person) -> Result<(Session, Option<Session>)> {
        let config = Config::load(&samples.config)?;
        let is_kept = |on_erase: &OnErase| matches!(on_erase, OnErase::Keep { .. });
        let erasable: Vec<String> = config
            .sources
            .iter()
            .filter(|source| !is_kept(&source.on_erase))
            .map(|source| source.name.clone())
            .collect();
        let subject = person.identifiers.iter().map(|(kind, value)| Secret::new(format!("{kind}={value}"))).collect();
        let mut run = RunArgs {
            scope: Scope { config: samples.config.clone(), source: Vec::new() },
            who: Who { tenant: Some(person.tenant.clone()), subject, subjects: Vec::new(), apart: false },
            resources: self.args.resources.clone(),
            yes: true,
            json: self.args.json,
        };
        let export = || match &config.export {
            Some(export) => stores::create(export, &environment).map(Some),
            None => Ok(None),
        };
        let all = Session::open(&run, &config, export, Signs::Yes).await?.quiet(!self.shows_progress());
        if erasable.len() == config.sources.len() {
            return Ok((all, None));
        }
        run.scope.source = erasable;
        let some = Session::open(&run, &config, || Ok(None), Signs::No).await?.quiet(!self.shows_progress());
        Ok((all, Some(some)))
    }

    fn shows_progress(&self) -> bool {
        !self.logs
    }

    fn say(&self, text: &str) -> Result<()> {
        if self.args.json { Ok(()) } else { output::print(&format!("{text}\n")) }
    }

    fn step(&self, what: &str, command: &str) -> Result<()> {
        self.say(&format!("== {what}\n"))?;
        if command.is_empty() { Ok(()) } else { self.say(&format!("  {command}\n")) }
    }

    fn report(&self, asked: Asked, ran: &Ran, session: &Session) -> Result<ExitCode> {
        let report = Report { asked, ran, sources: &session.sources };
        self.say(&report.human())?;
        if self.args.json && report.code() != ExitCode::Done {
            output::print_json(&report.json())?;
        }
        Ok(report.code())
    }

    fn json(&self, samples: &Samples, session: &Session, [export, erase, find]: [&Ran; 3], receipt: &Value) -> Value {
        let report = |asked, ran| Report { asked, ran, sources: &session.sources }.json();
        json!({
            "sample": samples.json(),
            "export": report(Asked::Export, export),
            "erase": report(Asked::Erase, erase),
            "receipt": receipt,
            "find": report(Asked::Find, find),
        })
    }
}

/// A new folder among the system's temporary files. It stays: there is much to try in it.
fn fresh_dir() -> Result<PathBuf> {
    tempfile::Builder::new().prefix("lacuna-demo-").tempdir().map(tempfile::TempDir::keep).map_err(|error| {
        Failure::other("cannot make a folder for the demo").because(&error).advice("Name one with --dir DIR.")
    })
}

/// The command line that does what the demo does.
fn command(samples: &Samples, person: &Person, what: &str, session: &Session) -> String {
    let mut text = format!(
        "{} {what} --config {} --tenant {}",
        program(),
        quoted(&samples.config.display().to_string()),
        person.tenant
    );
    if session.sources.len() < samples.written.sources.len() {
        let names: Vec<_> = session.sources.iter().map(|source| quoted(&source.name)).collect();
        let _ = write!(text, " \\\n    --source {}", names.join(" "));
    }
    let subject = person.identifiers.iter().map(|(kind, value)| quoted(&format!("{kind}={value}")));
    let _ = write!(text, " \\\n    --subject {}", subject.collect::<Vec<_>>().join(" "));
    text
}

/// How this program was called, so that command lines can be used as they are shown.
pub(super) fn program() -> String {
    let called = std::env::args_os().next().and_then(|name| name.into_string().ok());
    called.filter(|name| name.contains('/')).map_or_else(|| "lacuna".to_owned(), |name| quoted(&name))
}

/// What the package holds, and one record of it.
fn package(export: &Ran) -> Result<String> {
    let place = export.outcome.requests.first().and_then(|request| request.package.as_deref());
    let folder = Path::new(place.ok_or_else(|| Failure::other("the export has no package"))?);
    let mut files = Vec::new();
    list(folder, &mut files)
        .map_err(|error| Failure::other(format!("cannot read the package {}", folder.display())).because(&error))?;
    files.sort();
    let mut table = Table::new(&["file", ">size"]);
    for (path, size) in &files {
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        table.row([name, bytes(*size)]);
    }
    let mut text = table.show();
    // Data files lie in folders by product, the package's own files do not.
    let data = files.iter().find(|(path, _)| path.parent() != Some(folder));
    if let Some((path, _)) = data
        && let Ok(content) = std::fs::read_to_string(path)
        && let Some(line) = content.lines().next()
    {
        let record: String = line.trim_start_matches('[').chars().take(RECORD_CHARS_SHOWN).collect();
        let _ = writeln!(text, "\nThe first record begins so:\n  {record}…");
    }
    Ok(text)
}

fn list(folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push((entry.path(), metadata.len()));
        }
    }
    Ok(())
}

/// `text` as one word of a shell's command line.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// What the receipt states, once its signature was checked.
fn receipt(erase: &Ran, samples: &Samples) -> Result<Value> {
    let place = erase.outcome.requests.first().and_then(|request| request.receipt.as_deref());
    let place = place.ok_or_else(|| Failure::other("the erasure has no receipt"))?;
    let text = std::fs::read_to_string(place.trim_start_matches("file://"))
        .map_err(|error| Failure::other(format!("cannot read the receipt {place}")).because(&error))?;
    let key = crate::signing::verifying(None, &samples.config, &environment)?;
    let receipt = lacuna_engine::verify::receipt(text.trim(), &key)
        .map_err(|error| Failure::other("the receipt is not valid").because(&error))?;
    Ok(json!(receipt))
}

/// The receipt's first shards, as it states them.
fn summary(receipt: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let mut summary = String::from("The signature is valid. The receipt says:\n");
    for key in ["request", "tenant", "subject", "identifier_kinds", "started", "finished", "complete"] {
        let _ = writeln!(summary, "  {key}: {}", text(&receipt[key]));
    }
    let sources = receipt["sources"].as_array().into_iter().flatten();
    let shards: Vec<&Value> = sources.filter_map(|source| source["shards"].as_array()).flatten().collect();
    for shard in shards.iter().take(SHARDS_SHOWN) {
        let _ = writeln!(
            summary,
            "  {}: {}, {} of {} rows were theirs\n    sha256 {}\n    now    {}",
            text(&shard["shard"]),
            text(&shard["state"]),
            text(&shard["matched"]),
            text(&shard["rows_before"]),
            text(&shard["sha256_before"]),
            text(&shard["sha256_after"])
        );
    }
    if let Some(more) = shards.len().checked_sub(SHARDS_SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(summary, "  and {}", counted(more as u64, "more shard"));
    }
    summary
}

fn what_next(samples: &Samples, export: &Ran, erase: &Ran) -> String {
    let config = quoted(&samples.config.display().to_string());
    let mut text = "== What to try next\n\n".to_owned();
    let program = program();
    let mut line = |what: &str, command: String| {
        let _ = writeln!(text, "  # {what}\n  {command}\n");
    };
    if let Some(person) = samples.written.person(Role::Rare)
        && let Some(email) = person.identifier("email")
    {
        let who = format!("--config {config} --tenant {} --subject email={email}", person.tenant);
        line("somebody with a handful of records", format!("{program} find {who}"));
        line("what an erasure would do", format!("{program} erase --dry-run {who}"));
    }
    let request = |ran: &Ran| ran.outcome.requests.first().cloned();
    if let Some(package) = request(export).and_then(|request| request.package) {
        line(
            "the package, its files and its signature",
            format!("{program} verify --config {config} {}", quoted(&package)),
        );
    }
    if let Some(receipt) = request(erase).and_then(|request| request.receipt) {
        line("the receipt in full", format!("{program} verify --config {config} {}", quoted(&receipt)));
    }
    line("what the configuration looks like", format!("cat {config}"));
    line("when you are done", format!("rm -r {}", quoted(&samples.dir.display().to_string())));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
