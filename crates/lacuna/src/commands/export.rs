//! `lacuna export`: the records as a package.

use lacuna_engine::{Action, ExportOptions};

use super::Context;
use crate::args::ExportArgs;
use crate::config::{Config, StoreConfig};
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::report::{Asked, Report};
use crate::session::{Session, environment, request_id};
use crate::{interrupt, stores};

pub(super) async fn run(args: &ExportArgs, context: Context) -> Result<ExitCode> {
    let config = Config::load(&args.run.scope.config)?;
    let request = request_id(args.request_id.as_deref())?;
    let destination = destination(args.to.as_deref(), &config)?;
    let export = || stores::create(&destination, &environment).map(Some);
    let session = Session::open(&args.run, &config, export, true)?.quiet(context.logs);
    let action = Action::Export(ExportOptions { format: args.format.into() });
    let ran = session.run(request.as_ref(), action, &interrupt::watch()).await?;
    Report { asked: Asked::Export, ran: &ran, sources: &session.sources }.write(args.run.json)
}

fn destination(to: Option<&str>, config: &Config) -> Result<StoreConfig> {
    let Some(url) = to else {
        return config.export.clone().ok_or_else(|| {
            Failure::usage("nothing says where the package goes")
                .advice("Name a place with --to URL, or configure `[export] url`.")
        });
    };
    match stores::named(url, Some(config))? {
        (store, path) if path.is_empty() => Ok(store),
        _ => Err(Failure::usage("--to takes a container alone, without a path in it")),
    }
}
