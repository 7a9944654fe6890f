//! `cargo xtask`: what a developer and the CI run besides Cargo itself.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to a terminal")]

mod azurite;
mod bench;
mod fuzz;
mod places;
mod postgres;
mod setup;
mod sim;
mod steps;

use std::process::ExitCode;

use clap::Parser;

/// Sets up, tests and measures Lacuna.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install what the tests need besides Rust: Azurite, into the user's cache directory, and PostgreSQL. Does nothing when it is there.
    Setup,
    /// Check format, lints, tests, documentation; starts and stops the servers that the tests talk to.
    Test(steps::Arguments),
    /// Run the random tests with cases that no run had before.
    Fuzz(fuzz::Arguments),
    /// Simulate faults: several in each run, drawn from a seed.
    Sim(sim::Arguments),
    /// Build for release and run the benchmarks.
    Bench {
        /// `e2e` (the default), `micro`, `ledger`, `corpus` or a floor, and what these take.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Setup => setup::servers()
            .and_then(|home| Ok((home, setup::postgres()?)))
            .map(|(home, postgres)| println!("ready: {}, {}", home.display(), postgres.display())),
        Task::Test(arguments) => steps::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Sim(arguments) => sim::run(&arguments),
        Task::Bench { arguments } => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
