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

/// The simulations: a package, its test binary, and the test in it that takes seeds.
const SIMULATIONS: [(&str, &str, &str); 2] = [
    // Several faults of the store in one run.
    ("lacuna-engine", "sim", "several_faults"),
    // Three workers on a ledger that fails.
    ("lacuna-worker", "it", "three_workers_on_a_ledger_that_fails"),
];

/// Runs them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    for (package, binary, test) in SIMULATIONS {
        let mut cargo = places::cargo()?;
        cargo.args(["test", "--package", package, "--test", binary, test]);
        cargo.env("LACUNA_SIM_SEEDS", arguments.seeds.to_string()).env("LACUNA_SIM_FIRST", arguments.first.to_string());
        ensure!(cargo.status()?.success(), "a seed failed in {package}; it is named above");
    }
    println!("{} seeds from {} on: nothing lost, nothing left, nothing twice", arguments.seeds, arguments.first);
    Ok(())
}
