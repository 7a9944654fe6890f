//! `cargo xtask bench`: the release build of `lacuna`, measured by the benchmark package.

use anyhow::{Result, ensure};

use crate::places;

/// Builds, then runs the benchmarks with `arguments`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let built = places::cargo()?.args(["build", "--release", "-p", "lacuna"]).status()?;
    ensure!(built.success(), "`lacuna` does not build");
    let binary = places::target()?.join("release/lacuna");
    let ran = places::cargo()?
        .args(["run", "--release", "-p", "lacuna-benches", "--"])
        .args(arguments)
        .env("LACUNA_BIN", &binary)
        .status()?;
    ensure!(ran.success(), "the benchmarks failed");
    Ok(())
}
