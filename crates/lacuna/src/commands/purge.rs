//! `lacuna purge`: hidden records out of the bytes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lacuna_engine::{Engine, PurgeOptions, Reporter};
use time::OffsetDateTime;

use crate::args::PurgeArgs;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::Result;
use crate::report::PurgeReport;
use crate::session::{environment, settings};
use crate::{desk, interrupt, output, selection, signing, stores};

const DAY: Duration = Duration::from_hours(24);

pub(super) async fn run(args: &PurgeArgs) -> Result<ExitCode> {
    let config = Config::load(&args.scope.config)?;
    let sources = selection::sources(&config.sources, &args.scope.source)?;
    let epochs = config.keys.epochs(&environment)?;
    let store = stores::open(&config.store, &environment)?;
    let mut settings = settings(&config, &args.resources, store, epochs);
    let key = signing::find_or_make(&config, &environment).await?;
    let ledger = match config.ledger {
        Some(_) => Some(desk::open(&config).await?.0),
        None => None,
    };
    settings.holds = match &ledger {
        Some(ledger) => desk::holds(ledger),
        None => desk::holds_without_ledger(&settings.store, &key),
    };
    settings.signing_key = Some(key);
    let chain_head = match &ledger {
        Some(ledger) => Some(ledger.chain_head().await?.to_string()),
        None => None,
    };
    let due_within = args.due.map(|days| DAY * days.into());
    let others = selection::others(&config.sources, &sources);
    let start = Instant::now();
    let engine = Engine::new(settings)?;
    let known_due = match (&ledger, due_within) {
        (Some(ledger), Some(within)) => {
            // The purge names what cannot be read, and leaves that.
            let hiding = engine.hiding().await.unwrap_or_default();
            let hiding: Vec<_> = hiding.iter().filter_map(|id| id.parse().ok()).collect();
            lacuna_worker::known_due(ledger, &hiding, within, OffsetDateTime::now_utc()).await?
        }
        _ => HashMap::new(),
    };
    let options = PurgeOptions { due_within, known_due, chain_head, others };
    let outcome = engine.purge(&sources, options, &Reporter::default(), &interrupt::watch()).await?;
    if let Some(ledger) = ledger {
        ledger.close().await;
    }
    let report = PurgeReport { outcome: &outcome, elapsed: start.elapsed() };
    if args.json {
        output::print_json(&report.json())?
    } else {
        output::print(&report.human())?
    }
    Ok(report.code())
}
