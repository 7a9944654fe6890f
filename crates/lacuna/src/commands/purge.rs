//! `lacuna purge`: hidden records out of the bytes.

use std::time::{Duration, Instant};

use lacuna_engine::{Engine, PurgeOptions, Reporter};

use crate::args::PurgeArgs;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::Result;
use crate::report::PurgeReport;
use crate::session::{environment, settings};
use crate::{interrupt, output, selection, signing, stores};

const DAY: Duration = Duration::from_hours(24);

pub(super) async fn run(args: &PurgeArgs) -> Result<ExitCode> {
    let config = Config::load(&args.scope.config)?;
    let sources = selection::sources(&config.sources, &args.scope.source)?;
    let epochs = config.keys.epochs(&environment)?;
    let store = stores::open(&config.store, &environment)?;
    let mut settings = settings(&config, &args.resources, store, epochs);
    settings.signing_key = Some(signing::find_or_make(&config, &environment)?);
    let options = PurgeOptions { due_within: args.due.map(|days| DAY * days.into()), ..PurgeOptions::default() };
    let start = Instant::now();
    let outcome = Engine::new(settings)?.purge(&sources, options, &Reporter::default(), &interrupt::watch()).await?;
    let report = PurgeReport { outcome: &outcome, elapsed: start.elapsed() };
    if args.json {
        output::print_json(&report.json())?
    } else {
        output::print(&report.human())?
    }
    Ok(report.code())
}
