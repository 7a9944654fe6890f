//! `cargo xtask fuzz`: the random tests, again and again, each time with other cases than the ones that everybody runs.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::places;

/// How long, and where.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Start no round after so many minutes.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// The first round's seed; another one each time, if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Handed to `cargo test`: packages, filters.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The crates whose tests are random.
const CRATES: [&str; 3] = ["lacuna-scan", "lacuna-export", "lacuna-erase"];

/// Runs rounds until the time is over, or one fails: its seed makes the same failure again.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60 * arguments.minutes);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for round in 0.. {
        let seed = arguments.seed.unwrap_or(now).wrapping_add(round);
        println!("== round {}, seed {seed}", round + 1);
        let mut cargo = places::cargo()?;
        cargo.args(["test", "--quiet"]);
        if arguments.arguments.is_empty() {
            cargo.args(CRATES.iter().flat_map(|name| ["--package", name]));
            cargo.args(["--lib", "--tests"]);
        }
        let status = cargo.args(&arguments.arguments).env("PROPTEST_RNG_SEED", seed.to_string()).status()?;
        ensure!(status.success(), "failed with --seed {seed}");
        if Instant::now() >= end {
            break;
        }
    }
    Ok(())
}
