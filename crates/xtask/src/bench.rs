//! `cargo xtask bench`: the release build of `lacuna`, measured by the benchmark package, or its kernels by themselves.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::places;

/// Builds, then runs the benchmarks with `arguments`; end to end unless they say otherwise.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [first, rest @ ..] if first == "micro" => micro(rest),
        [first, ..] if !first.starts_with('-') => package(arguments),
        options => package(&[&["e2e".to_owned()], options].concat()),
    }
}

/// Criterion's benchmarks of the scan's kernels.
fn micro(arguments: &[String]) -> Result<()> {
    let mut command = places::cargo()?;
    let ran = command.args(["bench", "-p", "lacuna-benches", "--bench", "micro", "--"]).args(arguments).status()?;
    ensure!(ran.success(), "the benchmarks failed");
    Ok(())
}

/// The package's own commands, on a release build. Both are built at once, so that their dependencies are built once.
fn package(arguments: &[String]) -> Result<()> {
    let packages = ["build", "--release", "-p", "lacuna", "-p", "lacuna-benches"];
    ensure!(places::cargo()?.args(packages).status()?.success(), "`lacuna` or its benchmarks do not build");
    let release = places::target()?.join("release");
    let ran = Command::new(release.join("lacuna-benches"))
        .args(arguments)
        .env("LACUNA_BIN", release.join("lacuna"))
        .status()?;
    ensure!(ran.success(), "the benchmarks failed");
    Ok(())
}
