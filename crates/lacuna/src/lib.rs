//! The command line of Lacuna: arguments, `lacuna.toml`, wiring, reports. What it does is the engine's work.
//!
//! One file a subcommand, under `commands`; the exit codes are in [`ExitCode`]. With `--json` standard output carries one
//! JSON document, also when the command fails.

#![cfg_attr(test, expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking"))]

mod args;
mod commands;
mod config;
mod crew;
mod desk;
mod exit;
mod failure;
mod filing;
mod interrupt;
mod logging;
mod nearest;
mod output;
mod progress;
mod report;
mod samples;
mod selection;
mod session;
mod signing;
mod stores;
mod subjects;
mod units;

use std::ffi::OsString;

use clap::Parser as _;

pub use exit::ExitCode;
use failure::Failure;

/// Runs the command that `args` (with the program's name in front) ask for, and reports how it went.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match args::Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, args.iter().any(|arg| arg == "--json")),
    };
    let said = logging::start(&cli.logging, cli.command.is_service());
    let is_json = cli.command.is_json();
    let code = match commands::run(cli) {
        Ok(code) => code,
        Err(failure) => {
            output::note(failure.text().trim_end());
            if is_json && let Err(unwritten) = output::print_json(&failure.json()) {
                output::note(unwritten.text().trim_end());
            }
            failure.code()
        }
    };
    said.finish();
    code
}

/// Says what clap says of the arguments: help and version are no errors.
fn usage(error: &clap::Error, is_json: bool) -> ExitCode {
    let is_said = error.exit_code() == 0;
    let failure = Failure::from(error);
    // Where it cannot be said, nothing else can be said either.
    if !is_said && args::may_name_somebody(error) {
        output::note(failure.text().trim_end());
    } else {
        drop(error.print());
    }
    if is_said {
        return ExitCode::Done;
    }
    if is_json {
        drop(output::print_json(&failure.json()));
    }
    ExitCode::Usage
}
