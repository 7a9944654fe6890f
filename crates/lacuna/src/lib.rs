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
    // Where it cannot be said, nothing else can be said either.
    drop(error.print());
    if error.exit_code() == 0 {
        return ExitCode::Done;
    }
    if is_json {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        drop(output::print_json(&Failure::usage(message).json()));
    }
    ExitCode::Usage
}
