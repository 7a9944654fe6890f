//! `lacuna find`: how many records, where.

use lacuna_engine::Action;

use super::Context;
use crate::args::FindArgs;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::Result;
use crate::interrupt;
use crate::report::{Asked, Report};
use crate::session::{Session, Signs};

pub(super) async fn run(args: &FindArgs, context: Context) -> Result<ExitCode> {
    let config = Config::load(&args.run.scope.config)?;
    let session = Session::open(&args.run, &config, || Ok(None), Signs::No).await?.quiet(context.logs);
    let ran = session.run(None, Action::Discover, &interrupt::watch()).await?;
    Report { asked: Asked::Find, ran: &ran, sources: &session.sources }.write(args.run.json)
}
