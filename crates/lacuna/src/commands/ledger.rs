//! `lacuna ledger`: the record of who did what, checked and read.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use lacuna_ledger::ChainHead;
use serde_json::json;

use crate::args::{LedgerCommand, LedgerExportArgs, LedgerVerifyArgs};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::units::{count, counted};
use crate::{desk, output};

pub(super) async fn run(command: &LedgerCommand) -> Result<ExitCode> {
    match command {
        LedgerCommand::Verify(args) => verify(args).await,
        LedgerCommand::Export(args) => export(args).await,
    }
}

async fn verify(args: &LedgerVerifyArgs) -> Result<ExitCode> {
    let mut known = Vec::new();
    for path in &args.receipts {
        known.push(head_of(path)?);
    }
    let config = Config::load(&args.acting.config)?;
    let (ledger, _) = desk::open(&config).await?;
    let report = ledger.verify_chain(&known).await;
    ledger.close().await;
    let report = report?;
    let wrong = report.broken.as_ref().map(ToString::to_string);
    if args.acting.json {
        output::print_json(&json!({
            "sound": wrong.is_none(),
            "entries": report.entries,
            "head": report.head.to_string(),
            "broken": wrong,
        }))?;
    } else {
        let entries = match report.entries {
            1 => "1 entry".to_owned(),
            many => format!("{} entries", count(many)),
        };
        let verdict = match &wrong {
            None if args.receipts.is_empty() => {
                "each follows from the one before it. Whether they are all that was written, receipts tell (--receipts)"
                    .to_owned()
            }
            None => format!(
                "each follows from the one before it, and the heads that {} carry are among them",
                counted(args.receipts.len() as u64, "receipt")
            ),
            Some(wrong) => format!("the chain is broken: {wrong}"),
        };
        output::print(&format!("Read {entries}: {verdict}.\nHead: {}\n", report.head))?;
    }
    Ok(if wrong.is_none() { ExitCode::Done } else { ExitCode::Failed })
}

/// The head of the chain that a receipt carries. Its signature is `lacuna verify`'s to check: a forged head is found missing here.
fn head_of(path: &Path) -> Result<ChainHead> {
    let unusable = |what: &str| Failure::usage(format!("{} {what}", path.display()));
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the receipt {}", path.display())).because(&error))?;
    let payload = payload(&text).ok_or_else(|| unusable("is no receipt"))?;
    let head = payload["chain_head"].as_str().ok_or_else(|| {
        unusable("carries no head of a ledger's chain").advice("Receipts of runs without a ledger have none.")
    })?;
    head.parse().map_err(|_| unusable("carries a head that is none"))
}

fn payload(jws: &str) -> Option<serde_json::Value> {
    let part = jws.trim().split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

async fn export(args: &LedgerExportArgs) -> Result<ExitCode> {
    let config = Config::load(&args.acting.config)?;
    let (ledger, _) = desk::open(&config).await?;
    let mut lines = ledger.export_chain(args.from);
    while let Some(line) = lines.next().await {
        output::print(&line?)?;
    }
    drop(lines);
    ledger.close().await;
    Ok(ExitCode::Done)
}
