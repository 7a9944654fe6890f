//! `cargo xtask sim`: the fault simulation, with as many seeds as one likes.

use anyhow::{Result, ensure};

use crate::places;

/// Which seeds.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first; the same one fails in the same way.
    #[arg(long, default_value_t = 1)]
    first: u64,
}

/// Runs them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut cargo = places::cargo()?;
    cargo.args(["test", "--package", "lacuna-engine", "--test", "sim", "several_faults"]);
    cargo.env("LACUNA_SIM_SEEDS", arguments.seeds.to_string()).env("LACUNA_SIM_FIRST", arguments.first.to_string());
    let status = cargo.status()?;
    ensure!(status.success(), "a seed failed; it is named above");
    println!("{} seeds from {} on: nothing lost, nothing left", arguments.seeds, arguments.first);
    Ok(())
}
