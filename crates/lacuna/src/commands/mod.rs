//! The subcommands, one a file.

mod cat;
mod check;
mod completions;
mod demo;
mod erase;
mod export;
mod find;
mod hold;
mod ledger;
mod man;
mod purge;
mod request;
mod sample;
mod verify;
mod worker;

use tracing::Instrument as _;

use crate::args::{Cli, Command};
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};

/// What commands need to know besides their own arguments.
#[derive(Clone, Copy, Debug)]
struct Context {
    /// Standard error is for log lines: no progress bars.
    logs: bool,
}

/// Runs the command.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Completions(args) => return completions::run(args),
        Command::Man => return man::run(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other("cannot start").because(&error))?;
    let name = cli.command.name();
    let span = tracing::info_span!("command", otel.name = format!("lacuna {name}"), command = name);
    let code = runtime.block_on(Box::pin(dispatch(cli).instrument(span)));
    // An unanswered question may still wait for standard input.
    runtime.shutdown_background();
    code
}

async fn dispatch(cli: Cli) -> Result<ExitCode> {
    let context = Context { logs: cli.logging.verbose > 0 };
    match cli.command {
        Command::Demo(args) => Box::pin(demo::run(&args, context)).await,
        Command::Sample(args) => sample::run(&args, context),
        Command::Find(args) => Box::pin(find::run(&args, context)).await,
        Command::Export(args) => Box::pin(export::run(&args, context)).await,
        Command::Erase(args) => Box::pin(erase::run(&args, context)).await,
        Command::Purge(args) => Box::pin(purge::run(&args)).await,
        Command::Worker(args) => Box::pin(worker::run(&args)).await,
        Command::Sweep(args) => Box::pin(worker::sweep(&args)).await,
        Command::Request(command) => Box::pin(request::run(&command)).await,
        Command::Hold(command) => Box::pin(hold::run(&command)).await,
        Command::Ledger(command) => Box::pin(ledger::run(&command)).await,
        Command::Verify(args) => Box::pin(verify::run(&args)).await,
        Command::Cat(args) => Box::pin(cat::run(&args)).await,
        Command::Check(args) => Box::pin(check::run(&args)).await,
        Command::Completions(args) => completions::run(&args),
        Command::Man => man::run(),
    }
}
