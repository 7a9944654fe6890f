//! `lacuna export`: the records as a package.

use lacuna_engine::{Action, ExportOptions};
use lacuna_ledger::Kind;

use super::Context;
use crate::args::ExportArgs;
use crate::config::{Config, StoreConfig};
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::filing::Wish;
use crate::report::{Asked, Report};
use crate::session::{Session, Signs, environment, request_id};
use crate::{filing, interrupt, selection, stores};

pub(super) async fn run(args: &ExportArgs, context: Context) -> Result<ExitCode> {
    let config = Config::load(&args.run.scope.config)?;
    let request = request_id(args.request_id.as_deref())?;
    filing::check(config.ledger.is_some(), &args.following, request.as_ref())?;
    if config.ledger.is_some() {
        return record(args, &config).await;
    }
    let destination = destination(args.to.as_deref(), &config)?;
    let export = || stores::create(&destination, &environment).map(Some);
    let session = Session::open(&args.run, &config, export, Signs::Yes).await?.quiet(context.logs);
    let action = Action::Export(ExportOptions { format: args.format.into() });
    let ran = session.run(request.as_ref(), action, &interrupt::watch()).await?;
    Report { asked: Asked::Export, ran: &ran, sources: &session.sources }.write(args.run.json)
}

/// The same through the ledger: a worker writes the package.
async fn record(args: &ExportArgs, config: &Config) -> Result<ExitCode> {
    if args.to.is_some() {
        return Err(Failure::usage("--to is for runs without a ledger")
            .advice("Requests of a ledger go to the configured `[export] url`."));
    }
    filing::check_exportable(Kind::Export, config)?;
    let run = &args.run;
    let sources = selection::sources(&config.sources, &run.scope.source)?;
    let selectors = selection::selectors(&sources, &run.who)?;
    let sources = filing::named(&sources, &run.scope.source);
    let wish = Wish { kind: Kind::Export, sources, format: args.format.into(), now: false };
    wish.file_and_follow(config, &args.following, &selectors, run.json, &interrupt::watch()).await
}

fn destination(to: Option<&str>, config: &Config) -> Result<StoreConfig> {
    let Some(url) = to else {
        let export = config.export.clone().ok_or_else(|| {
            Failure::usage("nothing says where the package goes")
                .advice("Name a place with --to URL, or configure `[export] url`.")
        })?;
        return config.check_apart(&export).map(|()| export);
    };
    match stores::named(url, Some(config))? {
        (store, path) if path.is_empty() => config.check_apart(&store).map(|()| store),
        _ => Err(Failure::usage("--to takes a container alone, without a path in it")),
    }
}
