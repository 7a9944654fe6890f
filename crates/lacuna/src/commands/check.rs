//! `lacuna check`: configuration, keys, access and sources. Says all that is wrong at once.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use lacuna_engine::{Engine, Problem, Settings, Source, SourceCheck, chain};
use lacuna_scan::TenantRule;
use lacuna_store::{ErrorKind, Store};
use serde_json::json;

use crate::args::CheckArgs;
use crate::config::{Config, StoreConfig};
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::session::{environment, settings};
use crate::signing::KeyFiles;
use crate::units::counted;
use crate::{desk, output, selection, signing, stores};

/// Keys shorter than this are easily guessed, in bytes.
const KEY_BYTES_ADVISED: usize = 16;

/// What was looked at.
#[derive(Default)]
struct Findings {
    /// What the configuration itself has wrong.
    wrong: Vec<Failure>,
    warnings: Vec<String>,
    notes: Vec<String>,
    sources: Vec<SourceCheck>,
}

pub(super) async fn run(args: &CheckArgs) -> Result<ExitCode> {
    let mut findings = Findings::default();
    if args.init_keys {
        // Before the configuration is read: a new one may not be complete yet.
        let files = KeyFiles::beside(&args.scope.config);
        files.make()?;
        findings.notes.push(format!("made {} and {}", files.private.display(), files.public.display()));
    }
    let config = Config::load(&args.scope.config)?;
    findings.notes.push(format!("{} is well-formed", config.path.display()));
    let sources = selection::sources(&config.sources, &args.scope.source)?;
    let found = check_settings(&config, &mut findings).await;
    check_ledger(&config, &mut findings).await;
    findings.warnings.extend(sources.iter().filter_map(warning));
    findings.warnings.extend(alike(&config.sources));
    if let (Some(logs), true) = (found.logs, findings.wrong.is_empty()) {
        let epochs = config.keys.epochs(&environment)?;
        let settings = settings(&config, &args.resources, logs, epochs);
        let engine = Engine::new(Settings { export: found.packages, signing_key: found.signing_key, ..settings })?;
        check_store(&engine, &sources, &config, &mut findings).await;
    }
    if args.json {
        output::print_json(&findings.json())?
    } else {
        output::print(&findings.human())?
    }
    Ok(findings.code())
}

/// Looks at what is hidden, whether records can be written, and into the sources.
async fn check_store(engine: &Engine, sources: &[Source], config: &Config, findings: &mut Findings) {
    use lacuna_engine::Error;
    match engine.check_hidden().await {
        Ok(()) => {}
        // Each look would wait as long for an answer as this one did.
        Err(Error::Store { source, .. }) if source.kind == ErrorKind::Unavailable => {
            let out_of_reach = |own: &Source| SourceCheck {
                source: own.name.clone(),
                shards_seen: 0,
                problems: vec![Problem { shard: own.shards.clone(), reason: chain(&source) }],
                warnings: Vec::new(),
            };
            findings.sources = sources.iter().map(out_of_reach).collect();
            return;
        }
        // What cannot be listed is told of the sources, too.
        Err(Error::Store { source, what }) if source.gap.is_none() => {
            findings.warnings.push(chain(&Error::Store { source, what }));
        }
        Err(error) => findings.wrong.push(Failure::from(error).advice(
            "What is hidden is purged with the key that signed its receipts (`[keys.signing]`). Where a tombstone is damaged, delete it, and \
             erase again under the ids whose receipts name its shard. Where a link stands in for one, put the file there itself.",
        )),
    }
    match engine.unfinished().await {
        Ok(requests) if requests.is_empty() => {}
        Ok(requests) => findings.warnings.push(format!(
            "erasures that have not come to their end, and may not have reached all records: {}; unless they are still at work, erase again \
             under the same ids",
            requests.join(", ")
        )),
        Err(error) => findings.warnings.push(chain(&error)),
    }
    findings.warnings.extend(engine.check_writing().await);
    findings.sources = Box::pin(engine.check(sources, &selection::others(&config.sources, sources))).await;
}

/// What the configuration names, as far as it can be opened.
struct Opened {
    logs: Option<Arc<dyn Store>>,
    packages: Option<Arc<dyn Store>>,
    signing_key: Option<SigningKey>,
}

/// Looks at keys and stores.
async fn check_settings(config: &Config, findings: &mut Findings) -> Opened {
    findings.wrong.extend(config.export.as_ref().and_then(|export| config.check_apart(export).err()));
    for epoch in &config.keys.epochs {
        match epoch.resolve(&environment) {
            Ok(epoch) if epoch.key.expose().len() < KEY_BYTES_ADVISED => {
                let few = counted(epoch.key.expose().len() as u64, "byte");
                findings.warnings.push(format!("the key of epoch `{}` has {few}: is it the right one?", epoch.id));
            }
            Ok(epoch) => findings.notes.push(format!("the key of epoch `{}` is there", epoch.id)),
            Err(failure) => findings.wrong.push(failure),
        }
    }
    let signing_key = match signing::find(config, &environment) {
        Ok(Some(key)) => {
            findings.notes.push("the signing key is there".to_owned());
            Some(key)
        }
        Ok(None) => {
            let made = "there is no signing key; the first export or erasure makes one, or `lacuna check --init-keys`";
            match signing::check_first(config).await {
                Ok(()) => findings.warnings.push(made.to_owned()),
                Err(failure) => findings.wrong.push(failure),
            }
            None
        }
        Err(failure) => {
            findings.wrong.push(failure);
            None
        }
    };
    let mut open =
        |store: &StoreConfig| stores::open(store, &environment).map_err(|failure| findings.wrong.push(failure)).ok();
    let packages = match &config.export {
        Some(StoreConfig::Local { root }) if !root.exists() => {
            findings.warnings.extend(unmakable(root));
            None
        }
        export => export.as_ref().and_then(&mut open),
    };
    Opened { logs: open(&config.store), packages, signing_key }
}

/// Why the first export could not make its folder, if it could not: another one is tried in its place, and removed again.
fn unmakable(folder: &Path) -> Option<String> {
    let above = folder.ancestors().find(|above| above.exists())?;
    let error = tempfile::Builder::new().prefix("lacuna-check-").tempdir_in(above).err()?;
    Some(format!("`export` will not work, as its folder {} cannot be made: {error}", folder.display()))
}

/// Opens the ledger, and reads the keys of those who are told of changes.
async fn check_ledger(config: &Config, findings: &mut Findings) {
    for notice in &config.notices {
        match notice.receiver(&environment) {
            Ok(receiver) => findings.notes.push(format!("the key of the receiver `{}` is there", receiver.name)),
            Err(failure) => findings.wrong.push(failure),
        }
    }
    if config.ledger.is_none() {
        if !config.notices.is_empty() {
            findings.warnings.push("`[[notices]]` are of a ledger's requests, and there is no `[ledger]`".to_owned());
        }
        return;
    }
    match desk::make(config).await {
        Ok((ledger, _)) => {
            ledger.close().await;
            findings.notes.push("the ledger opens".to_owned());
        }
        Err(failure) => findings.wrong.push(failure),
    }
}

/// What the mapping alone makes questionable.
fn warning(source: &Source) -> Option<String> {
    matches!(source.mapping.tenant, TenantRule::Single).then(|| {
        format!(
            "source `{}` maps no tenant: every request may touch all its rows (`tenant = \"COLUMN\"` or `{{ id = … }}`)",
            source.name
        )
    })
}

/// Kinds that look like one with a slip: who is asked for by the one is not looked for where the other is mapped.
fn alike(sources: &[Source]) -> Vec<String> {
    const SHORTEST: usize = 4;
    let kinds: BTreeSet<&str> =
        sources.iter().flat_map(|source| source.mapping.fields()).map(|field| field.kind.as_str()).collect();
    let kinds: Vec<&str> = kinds.into_iter().filter(|kind| kind.len() >= SHORTEST).collect();
    let pairs = kinds.iter().enumerate().flat_map(|(at, one)| kinds[at + 1..].iter().map(move |other| (one, other)));
    // Numbers at the end are on purpose.
    let bare = |kind: &str| kind.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    pairs
        .filter(|(one, other)| strsim::osa_distance(one, other) == 1 && bare(one) != bare(other))
        .map(|(one, other)| {
            format!(
                "sources map the kinds `{one}` and `{other}`: who is asked for by one is not looked for by the other"
            )
        })
        .collect()
}

impl Findings {
    fn code(&self) -> ExitCode {
        if !self.wrong.is_empty() {
            ExitCode::Usage
        } else if self.sources.iter().any(|source| !source.problems.is_empty()) {
            ExitCode::Incomplete
        } else {
            ExitCode::Done
        }
    }

    fn json(&self) -> serde_json::Value {
        let wrong: Vec<_> = self.wrong.iter().map(|failure| failure.json()["error"].clone()).collect();
        json!({
            "ok": self.code() == ExitCode::Done,
            "errors": wrong,
            "warnings": self.warnings,
            "sources": self.sources,
        })
    }

    fn human(&self) -> String {
        let mut text = String::new();
        for note in &self.notes {
            let _ = writeln!(text, "ok       {note}");
        }
        for source in &self.sources {
            for warning in &source.warnings {
                let _ = writeln!(text, "warning  source `{}`: {warning}", source.source);
            }
            for problem in &source.problems {
                let _ = writeln!(text, "problem  source `{}`: {}: {}", source.source, problem.shard, problem.reason);
            }
            if source.problems.is_empty() {
                let first = match source.shards_seen {
                    1 => "the first shard".to_owned(),
                    seen => format!("the first {}", counted(seen, "shard")),
                };
                let far = if source.warnings.is_empty() { "" } else { ", as far as said above" };
                let _ = writeln!(text, "ok       source `{}`: looked into {first}{far}", source.source);
            }
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning  {warning}");
        }
        for failure in &self.wrong {
            let failure = failure.text();
            let mut lines = failure.trim_start_matches("error: ").lines().filter(|line| !line.is_empty());
            let _ = writeln!(text, "wrong    {}", lines.next().unwrap_or_default());
            lines.for_each(|line| {
                let _ = writeln!(text, "         {}", line.trim());
            });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_with_a_slip_are_told() {
        let told = |kinds: [&str; 2]| {
            let identifiers = kinds.map(|kind| format!("{{ column = \"{kind}\", kind = \"{kind}\" }}")).join(", ");
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("lacuna.toml");
            let source = format!("[[source]]\nname = \"s\"\nshards = \"*\"\nidentifiers = [{identifiers}]\n");
            std::fs::write(&path, format!("[store]\nurl = \"logs\"\n{source}")).unwrap();
            alike(&Config::load(&path).unwrap().sources).len()
        };
        assert_eq!([["email", "emial"], ["user_id", "userid"]].map(told), [1, 1]);
        assert_eq!([["email", "object_id"], ["key_1", "key_2"], ["id", "ip"]].map(told), [0; 3]);
    }
}
