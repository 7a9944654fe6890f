//! `lacuna verify`: whether a receipt or a package is what was signed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use lacuna_engine::{Receipt, verify};
use lacuna_store::{BlobPath, Store};
use serde_json::json;

use crate::args::VerifyArgs;
use crate::config::{Address, Config};
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::session::environment;
use crate::units::counted;
use crate::{output, signing, stores};

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
        .map_err(|error| Failure::other(format!("{} is no valid receipt", args.what)).because(&error))?;
    if args.json {
        output::print_json(&json!({ "valid": true, "receipt": receipt }))?;
    } else {
        output::print(&format!("The signature is valid. The receipt says:\n{}\n", pretty(&receipt)))?;
    }
    Ok(ExitCode::Done)
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
