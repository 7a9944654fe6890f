//! `lacuna verify`: whether a receipt or a package is what was signed.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use lacuna_engine::{
    Action, Engine, Problem, Receipt, ReceiptShard, ReceiptSource, ShardStanding, ShardState, Standing, verify,
};
use lacuna_scan::{Epochs, Selector};
use lacuna_store::{BlobPath, Store};
use serde::Serialize;
use serde_json::json;

use crate::args::{Resources, RunArgs, Scope, VerifyArgs};
use crate::config::{Address, Config};
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::session::{Session, Signs, environment, settings};
use crate::units::counted;
use crate::{interrupt, output, signing, stores};

/// The largest receipt that is read, in bytes.
const RECEIPT_BYTES_MAX: u64 = 1 << 30;
/// A package's signature.
const MANIFEST: &str = "manifest.jws";

/// What is checked: a path in a store.
struct Target {
    store: Arc<dyn Store>,
    path: String,
}

pub(super) async fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let key = signing::verifying(args.key.as_deref(), &args.config, &environment)?;
    let target = target(&args.what, &args.config)?;
    let package = match target.path.strip_suffix(MANIFEST) {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => Some(folder.trim_end_matches('/')),
        _ if target.path.ends_with(".jws") => None,
        _ => Some(target.path.as_str()),
    };
    if package.is_some_and(|folder| folder == target.path) && Path::new(&args.what).is_file() {
        return Err(Failure::usage(format!("{} is neither a receipt nor a package", args.what))
            .advice("A receipt's name ends in `.jws`; a package is the folder with `manifest.jws` in it."));
    }
    match package {
        Some(folder) => check_package(&target, folder, &key, args).await,
        None => check_receipt(&target, &key, args).await,
    }
}

async fn check_receipt(target: &Target, key: &VerifyingKey, args: &VerifyArgs) -> Result<ExitCode> {
    let text = read(target, &args.what).await?;
    let receipt = verify::receipt(text.trim(), key)
        .map_err(|error| Failure::other(format!("{} is no valid receipt: it {error}", args.what)))?;
    let asks = !args.who.subject.is_empty() || !args.who.subjects.is_empty();
    let (standings, again) = match &args.against {
        None if asks => return Err(Failure::usage("identifiers are looked for with --against only")),
        None => (None, None),
        Some(url) => {
            let mut config = Config::load(&args.config)?;
            if !url.is_empty() {
                config.store = stores::named(url, Some(&config))?.0;
            }
            let store = stores::open(&config.store, &environment)?;
            let engine = Engine::new(settings(&config, &Resources::default(), store, Epochs::default()))?;
            let standings = engine.against(&receipt).await;
            let again = if asks { Some(look_again(&receipt, &standings, key, args, &config).await?) } else { None };
            (Some(standings), again)
        }
    };
    if args.json {
        let mut document = json!({ "valid": true, "receipt": receipt });
        if let Some(standings) = &standings {
            document["shards"] = json!(standings);
            document["matched"] = json!(again.as_ref().map(|again| again.back));
            document["searched"] = json!(again.as_ref().map(|again| &again.searched));
            document["subject_checked"] = json!(again.as_ref().map(|again| again.is_checked));
            document["complete"] = json!(again.as_ref().map(|again| again.is_complete));
            document["problems"] = json!(again.as_ref().map(|again| &again.problems));
            document["kept"] = json!(kept(&receipt));
        }
        output::print_json(&document)?;
    } else {
        let since = standings.as_deref().map(|standings| since(standings, &receipt, again.as_ref()));
        let since = since.unwrap_or_default();
        let incomplete = if receipt.complete { "" } else { "The receipt itself says that it is incomplete.\n" };
        let blocked = match blocked(&receipt) {
            0 => String::new(),
            1 => "1 shard is blocked: its records are still in its bytes.\n".to_owned(),
            many => format!("{many} shards are blocked: their records are still in their bytes.\n"),
        };
        let state = format!("{incomplete}{blocked}");
        output::print(&format!("The signature is valid. The receipt says:\n{}\n{state}{since}", pretty(&receipt)))?;
    }
    Ok(verdict(&receipt, standings.as_deref().unwrap_or_default(), again.as_ref()))
}

/// What a search for the person came to now.
#[derive(Debug, Default)]
struct Again {
    /// Whether the identifiers are known to be those of the receipt: only the key that signed it tells.
    is_checked: bool,
    /// The sources that were searched.
    searched: Vec<String>,
    /// Those of them that erase and map none of the kinds that were given.
    unmapped: Vec<String>,
    /// Records that show, but for those that the receipt says are kept, in shards that are as it says.
    back: u64,
    /// Whether there are any of those.
    keeps: bool,
    /// What could not be searched, and why.
    problems: Vec<Problem>,
    is_complete: bool,
}

/// Rows that an erasure left on purpose.
#[derive(Debug, Serialize)]
struct Kept<'r> {
    source: &'r str,
    shard: &'r str,
    records: u64,
    reason: Option<&'r str>,
}

/// Shards that an erasure or a purge could not rewrite.
fn blocked(receipt: &Receipt) -> usize {
    let lines = receipt.sources.iter().flat_map(|source| source.newest());
    let is_blocked = |line: &&ReceiptShard| match line.state {
        ShardState::Blocked => true,
        // With a reason, they should be out of the bytes.
        ShardState::Hidden => line.reason.is_some(),
        ShardState::Rewritten | ShardState::Verified | ShardState::Gone | ShardState::Kept => false,
    };
    lines.filter(is_blocked).count()
}

/// What the receipt says was left on purpose, by its sources or by a hold.
fn kept(receipt: &Receipt) -> Vec<Kept<'_>> {
    let lines = receipt.sources.iter().flat_map(|source| source.newest().map(move |line| (source, line)));
    let kept = lines.filter(|(_, line)| line.state == ShardState::Kept);
    kept.map(|(source, line)| Kept {
        source: &source.source,
        shard: &line.shard,
        records: line.matched,
        reason: line.reason.as_deref(),
    })
    .collect()
}

/// Searches the receipt's sources for the person again, but for those that keep all they have.
async fn look_again(
    receipt: &Receipt,
    standings: &[ShardStanding],
    key: &VerifyingKey,
    args: &VerifyArgs,
    config: &Config,
) -> Result<Again> {
    let erases = |source: &&ReceiptSource| source.on_erase != "keep";
    let sources: Vec<String> = receipt.sources.iter().filter(erases).map(|source| source.source.clone()).collect();
    // Without a name all sources are searched, and those are not the receipt's.
    if sources.is_empty() {
        return Ok(Again { is_complete: true, ..Again::default() });
    }
    let run = RunArgs {
        scope: Scope { config: args.config.clone(), source: sources },
        who: args.who.clone(),
        resources: Resources::default(),
        yes: true,
        json: args.json,
    };
    let session = Session::open(&run, config, || Ok(None), Signs::No).await?.quiet(true);
    let is_checked = check_subject(receipt, &session.selectors, key, config)?;
    let ran = session.run(None, Action::Discover, &interrupt::watch()).await?;
    let is_as_stated = |shard: &str| standings.iter().any(|standing| standing.shard == shard && is_as_stated(standing));
    let kept: HashSet<_> = kept(receipt).iter().map(|kept| (kept.source, kept.shard, kept.records)).collect();
    let mut again = Again { is_checked, is_complete: ran.outcome.is_complete(), ..Again::default() };
    for source in &ran.outcome.sources {
        let list = if source.searched { &mut again.searched } else { &mut again.unmapped };
        list.push(source.source.clone());
        again.problems.extend(source.problems.iter().cloned());
    }
    let own = ran.outcome.requests.iter().flat_map(|request| &request.sources);
    for (source, (shard, records)) in own.flat_map(|own| own.found.iter().map(move |found| (&own.source, found))) {
        match kept.contains(&(source.as_str(), shard.as_str(), *records)) && is_as_stated(shard) {
            true => again.keeps = true,
            false => again.back += records,
        }
    }
    Ok(again)
}

/// Refuses identifiers that are not the receipt's: what is found by them says nothing of its person. Says whether that could be told.
fn check_subject(receipt: &Receipt, selectors: &[Arc<Selector>], key: &VerifyingKey, config: &Config) -> Result<bool> {
    let wrong =
        |what: &str| Failure::usage(format!("the receipt is of {what}")).advice("Give what its erasure began with.");
    if selectors.iter().any(|selector| selector.tenant != receipt.tenant) {
        return Err(wrong("another tenant"));
    }
    let Some(signing) = signing::find(config, &environment)?.filter(|signing| signing.verifying_key() == *key) else {
        return Ok(false);
    };
    match selectors.iter().all(|selector| receipt.is_of(selector, &signing)) {
        true => Ok(true),
        false => Err(wrong("a person with other identifiers")),
    }
}

fn is_as_stated(standing: &ShardStanding) -> bool {
    matches!(standing.now, Standing::AsStated | Standing::SameBytes)
}

/// Done, when all was done, and still is so or the person is found nowhere but where they are kept; failed, when they are found again.
fn verdict(receipt: &Receipt, standings: &[ShardStanding], again: Option<&Again>) -> ExitCode {
    match again.filter(|again| !again.searched.is_empty()) {
        Some(again) if again.back > 0 => ExitCode::Failed,
        Some(again) if !again.is_complete => ExitCode::Incomplete,
        _ if blocked(receipt) > 0 => ExitCode::Incomplete,
        // What could not be searched or changed then was searched now.
        Some(_) => ExitCode::Done,
        None if receipt.complete && standings.iter().all(is_as_stated) => ExitCode::Done,
        None => ExitCode::Incomplete,
    }
}

fn since(standings: &[ShardStanding], receipt: &Receipt, again: Option<&Again>) -> String {
    let mut text = "\nSince then:\n".to_owned();
    for standing in standings {
        let now = match standing.now {
            Standing::AsStated => "is as stated",
            Standing::SameBytes => "has the same bytes, in another version",
            Standing::OldBytes => {
                "has the same bytes, and old ones that were gone are there again: somebody brought them back"
            }
            Standing::Changed => {
                "was changed since, by another writer or a later purge: this receipt says nothing of what it holds now"
            }
            Standing::Removed => "is not there any more",
            Standing::Unknown => "cannot be looked at",
        };
        let _ = write!(text, "  {}: {now}", standing.shard);
        let _ = match &standing.reason {
            Some(reason) => writeln!(text, " ({reason})"),
            None => writeln!(text),
        };
    }
    text.push('\n');
    match again {
        Some(again) => text.push_str(&found(again, receipt)),
        None => text.push_str("Whether the person is in any record again can be told with --subject.\n"),
    }
    text
}

/// What was searched for the person, what was found, and what is there on purpose.
fn found(again: &Again, receipt: &Receipt) -> String {
    let mut text = String::new();
    if again.searched.is_empty() {
        text.push_str("Nothing was searched for the person.\n");
    } else {
        let _ = writeln!(text, "Searched for the person: {}.", named(&again.searched));
        let but = if again.keeps { ", but for those that are kept" } else { "" };
        let _ = match again.back {
            0 => writeln!(text, "The person is in no record that shows there{but}."),
            back => writeln!(text, "The person is in {} there again.", counted(back, "record")),
        };
    }
    if !again.is_checked && !again.searched.is_empty() {
        text.push_str(
            "Whether the receipt is of the same person was not checked: that takes the key that signed it.\n",
        );
    }
    if !again.problems.is_empty() {
        let problems = counted(again.problems.len() as u64, "shard");
        let _ = writeln!(text, "Not all of it could be searched: {problems} could not (`lacuna find` names each).");
    }
    if !again.unmapped.is_empty() {
        let _ = writeln!(text, "Not searched, as no such identifier is mapped there: {}.", named(&again.unmapped));
    }
    let keeping = receipt.sources.iter().filter(|source| source.on_erase == "keep");
    let keeping: Vec<String> = keeping.map(|source| source.source.clone()).collect();
    if !keeping.is_empty() {
        let _ = writeln!(text, "Not searched, as all is kept there: {}.", named(&keeping));
    }
    let lines = || receipt.sources.iter().flat_map(ReceiptSource::newest);
    let hidden: u64 = lines().filter(|line| line.state == ShardState::Hidden).map(|line| line.matched).sum();
    if hidden > 0 {
        let records = counted(hidden, "record");
        let _ = writeln!(text, "Hidden when the receipt was written, and in the bytes until a purge: {records}.");
    }
    let kept = kept(receipt);
    if !kept.is_empty() {
        text.push_str("Kept on purpose, as the receipt says:\n");
    }
    for Kept { source, shard, records, reason } in kept {
        let (records, reason) = (counted(records, "record"), reason.unwrap_or("no reason is given"));
        let _ = writeln!(text, "  {shard}, of source `{source}`: {records} ({reason})");
    }
    text
}

/// Sources by their names.
fn named(sources: &[String]) -> String {
    let names: Vec<String> = sources.iter().map(|source| format!("source `{source}`")).collect();
    names.join(", ")
}

async fn check_package(target: &Target, folder: &str, key: &VerifyingKey, args: &VerifyArgs) -> Result<ExitCode> {
    if args.against.is_some() || !args.who.subject.is_empty() || !args.who.subjects.is_empty() {
        return Err(Failure::usage(format!("{} is a package, and --against is for receipts", args.what)));
    }
    let check = verify::package(&target.store, folder, key)
        .await
        .map_err(|error| Failure::other(format!("{} is no valid package", args.what)).because(&error))?;
    let is_valid = check.mismatches.is_empty();
    if args.json {
        let mut document = json!({ "valid": is_valid });
        document["package"] = json!(check);
        output::print_json(&document)?;
    } else if is_valid {
        let (files, records) = (counted(check.files, "file"), counted(check.records, "record"));
        let state = match (check.complete, check.finished) {
            (true, _) => "",
            (false, true) => "The package itself says that it is incomplete.\n",
            (false, false) => "The package is not complete: its `_SUCCESS`, which is written last, is missing.\n",
        };
        let tenant = check.tenant.as_deref().map(|tenant| format!(", of tenant {tenant}")).unwrap_or_default();
        output::print(&format!(
            "The signature is valid, and {files} with {records} are as the manifest says.\n\
             It is the package of request {}{tenant}.\n{state}",
            check.request
        ))?;
    } else {
        let mut text = "The signature is valid, but the files are not as the manifest says:\n".to_owned();
        for mismatch in &check.mismatches {
            let _ = writeln!(text, "  {mismatch}");
        }
        output::print(&text)?;
    }
    Ok(match (is_valid, check.complete) {
        (true, true) => ExitCode::Done,
        (true, false) => ExitCode::Incomplete,
        (false, _) => ExitCode::Failed,
    })
}

fn pretty(receipt: &Receipt) -> String {
    serde_json::to_string_pretty(receipt).unwrap_or_default()
}

/// Finds what is to be checked. What is local needs no configuration.
fn target(what: &str, config: &Path) -> Result<Target> {
    let wrong = |reason: String| Failure::usage(format!("`{}` {reason}", stores::without_query(what)));
    match Address::parse(what, Path::new("")).map_err(wrong)? {
        Address::Local(path) => {
            let path: PathBuf = path.components().collect();
            let unreadable = |error: std::io::Error| Failure::usage(format!("cannot read {what}")).because(&error);
            let is_folder = std::fs::metadata(&path).map_err(unreadable)?.is_dir();
            let (root, name) = if is_folder {
                (path.clone(), String::new())
            } else {
                let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| wrong("is no file".into()))?;
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                (parent.to_owned(), name.to_owned())
            };
            let store = stores::open(&crate::config::StoreConfig::Local { root }, &environment)?;
            Ok(Target { store, path: name })
        }
        Address::Azure { .. } => {
            let config = Config::load(config)?;
            let (store, path) = stores::named(what, Some(&config))?;
            Ok(Target { store: stores::open(&store, &environment)?, path })
        }
    }
}

async fn read(target: &Target, what: &str) -> Result<String> {
    let failure = |error: lacuna_store::Error| Failure::other(format!("cannot read {what}")).because(&error);
    let path =
        BlobPath::new(target.path.as_str()).map_err(|error| Failure::usage(format!("`{}` {error}", target.path)))?;
    let info = target.store.head(&path).await.map_err(failure)?;
    if info.size > RECEIPT_BYTES_MAX {
        return Err(Failure::other(format!("{what} is too large for a receipt")));
    }
    let bytes = target.store.read(&path, 0..info.size, &info.etag).await.map_err(failure)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Failure::other(format!("{what} is no receipt: it is not UTF-8")))
}
