//! `cargo xtask sim`: the fault simulation, with as many seeds as one likes, and real kills.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::azurite::Azurite;
use crate::places;

/// Which seeds, or how many kills.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first; the same one fails in the same way.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Instead, kill the program this often in the middle of erasures on this disk, and as often on Azurite.
    #[arg(long)]
    kills: Option<u32>,
    /// Build for release: slower to begin, faster for many.
    #[arg(long)]
    release: bool,
}

/// The simulations: a package, its test binary, and the test in it that takes seeds.
const SIMULATIONS: [(&str, &str, &str); 2] = [
    // Several faults of the store in one run.
    ("lacuna-engine", "sim", "several_faults"),
    // Three workers on a ledger and a store that fail.
    ("lacuna-worker", "it", "three_workers_on_a_ledger_and_a_store_that_fail"),
];

/// Runs them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(kills) = arguments.kills {
        return kill(arguments, kills);
    }
    for (package, binary, test) in SIMULATIONS {
        let mut cargo = tests(arguments)?;
        cargo.args(["--package", package, "--test", binary, test]);
        cargo.env("LACUNA_SIM_SEEDS", arguments.seeds.to_string()).env("LACUNA_SIM_FIRST", arguments.first.to_string());
        ensure!(cargo.status()?.success(), "a seed failed in {package}; it is named above");
    }
    println!("{} seeds from {} on: nothing lost, nothing left, nothing twice", arguments.seeds, arguments.first);
    Ok(())
}

/// Kills the program for real.
fn kill(arguments: &Arguments, kills: u32) -> Result<()> {
    let azurite = Azurite::start()?;
    let mut cargo = tests(arguments)?;
    azurite.announce(&mut cargo);
    cargo.args(["--package", "lacuna", "--test", "it", "killed"]).env("LACUNA_KILLS", kills.to_string());
    ensure!(cargo.status()?.success(), "a kill left something behind; it is told above");
    println!("{kills} kills on this disk and as many on Azurite: nothing lost, nothing left");
    Ok(())
}

/// `cargo test`, built as asked.
fn tests(arguments: &Arguments) -> Result<Command> {
    let mut cargo = places::cargo()?;
    cargo.arg("test");
    if arguments.release {
        cargo.arg("--release");
    }
    Ok(cargo)
}
