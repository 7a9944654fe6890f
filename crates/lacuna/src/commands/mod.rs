//! The subcommands, one a file.

mod cat;
mod check;
mod completions;
mod demo;
mod erase;
mod export;
mod find;
mod man;
mod purge;
mod sample;
mod verify;

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
    let code = runtime.block_on(Box::pin(dispatch(cli)));
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
        Command::Verify(args) => Box::pin(verify::run(&args)).await,
        Command::Cat(args) => Box::pin(cat::run(&args)).await,
        Command::Check(args) => Box::pin(check::run(&args)).await,
        Command::Completions(args) => completions::run(&args),
        Command::Man => man::run(),
    }
}
