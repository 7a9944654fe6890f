//! `cargo xtask test`: every check, one after the other, and a summary.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::azurite::Azurite;
use crate::places;
use crate::postgres::{Durability, Postgres};

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these steps.
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
    /// Handed to `cargo test`: packages, filters. Without `--only`, only that step is run then.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// A check.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The source is formatted.
    Fmt,
    /// No lint fires.
    Clippy,
    /// Unit and integration tests.
    Test,
    /// The examples in the documentation.
    Doctest,
    /// The documentation has no broken links.
    Doc,
}

/// Runs the steps. All of them, also after one has failed: their failures are seen in one run.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let chosen = |step: &Step| match arguments.only.as_slice() {
        [] if arguments.arguments.is_empty() => true,
        [] => *step == Step::Test,
        only => only.contains(step),
    };
    let steps: Vec<_> = Step::value_variants().iter().copied().filter(chosen).collect();
    let mut results = Vec::new();
    for step in steps {
        let start = Instant::now();
        let passed = match step.run(&arguments.arguments) {
            Ok(passed) => passed,
            Err(error) => {
                eprintln!("error: {error:#}");
                false
            }
        };
        let took = start.elapsed();
        println!("== {}: {} ({})\n", step.name(), if passed { "passed" } else { "FAILED" }, seconds(took));
        results.push((step, passed, took));
    }
    let summary: Vec<_> = results.iter().map(|(step, _, took)| format!("{} {}", step.name(), seconds(*took))).collect();
    let failed: Vec<_> = results.iter().filter(|(_, passed, _)| !passed).map(|(step, ..)| step.name()).collect();
    if !failed.is_empty() {
        bail!("failed: {} (of {})", failed.join(", "), summary.join(", "));
    }
    println!("all passed: {}", summary.join(", "));
    Ok(())
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, arguments: &[String]) -> Result<bool> {
        let mut cargo = places::cargo()?;
        match self {
            Self::Fmt => {
                component("fmt", "rustfmt")?;
                cargo.args(["fmt", "--all", "--check"]);
            }
            Self::Clippy => {
                component("clippy", "clippy")?;
                cargo.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
            }
            Self::Test => {
                cargo.arg("test");
                let package = |argument: &String| argument.starts_with("-p") || argument.starts_with("--package");
                if !arguments.iter().any(package) {
                    cargo.arg("--workspace");
                }
                if arguments.is_empty() {
                    cargo.args(["--lib", "--bins", "--tests", "--examples", "--no-fail-fast"]);
                }
                cargo.args(arguments);
                let azurite = Azurite::start()?;
                azurite.announce(&mut cargo);
                let postgres = Postgres::start(Durability::None)?;
                postgres.announce(&mut cargo);
                return self.status(&mut cargo);
            }
            Self::Doctest => {
                cargo.args(["test", "--workspace", "--doc"]);
            }
            Self::Doc => {
                cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
            }
        }
        self.status(&mut cargo)
    }

    fn status(self, command: &mut Command) -> Result<bool> {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        println!("== {}: cargo {}", self.name(), words.join(" "));
        Ok(command.status()?.success())
    }
}

/// An error that says what to do when a part of the toolchain is missing.
fn component(subcommand: &str, name: &str) -> Result<()> {
    let there = places::cargo()?.args([subcommand, "--version"]).output().is_ok_and(|output| output.status.success());
    if !there {
        bail!("`cargo {subcommand}` is missing: install it with `rustup component add {name}`");
    }
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}
