//! `lacuna verify`: whether a receipt or a package is what was signed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use lacuna_engine::{Action, Engine, Receipt, ReceiptSource, ShardStanding, Standing, verify};
use lacuna_scan::Epochs;
use lacuna_store::{BlobPath, Store};
use serde_json::json;

use crate::args::{Resources, RunArgs, Scope, VerifyArgs};
use crate::config::{Address, Config};
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::session::{Ran, Session, Signs, environment, settings};
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
    match package {
        Some(folder) => check_package(&target, folder, &key, args).await,
        None => check_receipt(&target, &key, args).await,
    }
}

async fn check_receipt(target: &Target, key: &VerifyingKey, args: &VerifyArgs) -> Result<ExitCode> {
    let text = read(target).await?;
    let receipt = verify::receipt(text.trim(), key)
        .map_err(|error| Failure::other(format!("{} is no valid receipt: it {error}", args.what)))?;
    let asks = !args.who.subject.is_empty() || !args.who.subjects.is_empty();
    let (standings, matched) = match &args.against {
        None if asks => return Err(Failure::usage("identifiers are looked for with --against only")),
        None => (None, None),
        Some(url) => {
            let config = Config::load(&args.config)?;
            let place = if url.is_empty() { config.store.clone() } else { stores::named(url, Some(&config))?.0 };
            let store = stores::open(&place, &environment)?;
            let engine = Engine::new(settings(&config, &Resources::default(), store, Epochs::default()))?;
            let standings = engine.against(&receipt).await;
            (Some(standings), if asks { Some(look_again(&receipt, args, &config).await?) } else { None })
        }
    };
    if args.json {
        let mut document = json!({ "valid": true, "receipt": receipt });
        if let Some(standings) = &standings {
            document["shards"] = json!(standings);
            document["matched"] = json!(matched.as_ref().map(|ran| ran.outcome.matched));
        }
        output::print_json(&document)?;
    } else {
        let since = standings.as_deref().map(|standings| since(standings, matched.as_ref())).unwrap_or_default();
        output::print(&format!("The signature is valid. The receipt says:\n{}\n{since}", pretty(&receipt)))?;
    }
    Ok(verdict(standings.as_deref().unwrap_or_default(), matched.as_ref()))
}

/// Searches the receipt's sources for the person again.
async fn look_again(receipt: &Receipt, args: &VerifyArgs, config: &Config) -> Result<Ran> {
    let kept = |source: &&ReceiptSource| source.on_erase != "keep";
    let run = RunArgs {
        scope: Scope {
            config: args.config.clone(),
            source: receipt.sources.iter().filter(kept).map(|source| source.source.clone()).collect(),
        },
        who: args.who.clone(),
        resources: Resources::default(),
        yes: true,
        json: args.json,
    };
    let session = Session::open(&run, config, || Ok(None), Signs::No)?.quiet(true);
    session.run(None, Action::Discover, &interrupt::watch()).await
}

/// Done, when everything still is so or the person is found nowhere; failed, when they are found again.
fn verdict(standings: &[ShardStanding], matched: Option<&Ran>) -> ExitCode {
    let is_as_stated = |standing: &ShardStanding| matches!(standing.now, Standing::AsStated | Standing::SameBytes);
    match matched {
        Some(ran) if ran.outcome.matched > 0 => ExitCode::Failed,
        Some(ran) if !ran.outcome.is_complete() => ExitCode::Incomplete,
        Some(_) => ExitCode::Done,
        None if standings.iter().all(is_as_stated) => ExitCode::Done,
        None => ExitCode::Incomplete,
    }
}

fn since(standings: &[ShardStanding], matched: Option<&Ran>) -> String {
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
    match matched {
        Some(ran) if ran.outcome.matched > 0 => {
            let _ = writeln!(text, "\nThe person is in {} again.", counted(ran.outcome.matched, "record"));
        }
        Some(_) => text.push_str("\nThe person is in no record of these sources.\n"),
        None => text.push_str("\nWhether the person is in any record again can be told with --subject.\n"),
    }
    text
}

async fn check_package(target: &Target, folder: &str, key: &VerifyingKey, args: &VerifyArgs) -> Result<ExitCode> {
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
        let state = if check.complete { "" } else { "The package itself says that it is incomplete.\n" };
        output::print(&format!(
            "The signature is valid, and {files} with {records} are as the manifest says.\n{state}"
        ))?;
    } else {
        let mut text = "The signature is valid, but the files are not as the manifest says:\n".to_owned();
        for mismatch in &check.mismatches {
            let _ = writeln!(text, "  {mismatch}");
        }
        output::print(&text)?;
    }
    Ok(if is_valid { ExitCode::Done } else { ExitCode::Failed })
}

fn pretty(receipt: &Receipt) -> String {
    serde_json::to_string_pretty(receipt).unwrap_or_default()
}

/// Finds what is to be checked. What is local needs no configuration.
fn target(what: &str, config: &Path) -> Result<Target> {
    let wrong = |reason: String| Failure::usage(format!("`{what}` {reason}"));
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

async fn read(target: &Target) -> Result<String> {
    let failure = |error: lacuna_store::Error| Failure::other("cannot read the receipt").because(&error);
    let path =
        BlobPath::new(target.path.as_str()).map_err(|error| Failure::usage(format!("`{}` {error}", target.path)))?;
    let info = target.store.head(&path).await.map_err(failure)?;
    if info.size > RECEIPT_BYTES_MAX {
        return Err(Failure::other("is too large for a receipt"));
    }
    let bytes = target.store.read(&path, 0..info.size, &info.etag).await.map_err(failure)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Failure::other("is no receipt: it is not UTF-8"))
}
