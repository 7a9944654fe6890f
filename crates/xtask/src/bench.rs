//! `cargo xtask bench`: the release build of `lacuna`, measured by the benchmark package, or its kernels by themselves.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::azurite::Azurite;
use crate::places;
use crate::postgres::{Durability, Postgres};

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
    let mut benches = Command::new(release.join("lacuna-benches"));
    benches.args(arguments).env("LACUNA_BIN", release.join("lacuna"));
    let azurite = if needs_azurite(arguments) { Some(Azurite::start()?) } else { None };
    if let Some(azurite) = &azurite {
        azurite.announce(&mut benches);
    }
    let is_ledger = arguments.first().is_some_and(|command| command == "ledger");
    let postgres = if is_ledger { Some(Postgres::start(Durability::Disk)?) } else { None };
    if let Some(postgres) = &postgres {
        postgres.announce(&mut benches);
    }
    ensure!(benches.status()?.success(), "the benchmarks failed");
    Ok(())
}

/// Whether a case among these is about a store over a network: one of all, or of those that are named.
fn needs_azurite(arguments: &[String]) -> bool {
    let is_e2e = arguments.first().is_some_and(|command| command == "e2e");
    let names_cases = arguments.iter().any(|argument| argument.starts_with("--cases"));
    is_e2e && (!names_cases || arguments.iter().any(|argument| argument.contains("slow-store")))
}

#[cfg(test)]
mod tests {
    use super::needs_azurite;

    #[test]
    fn azurite_is_started_for_those_who_use_it() {
        let needs = |arguments: &str| needs_azurite(&arguments.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(needs("e2e") && needs("e2e --runs 1") && needs("e2e --cases find-rare,slow-store"));
        assert!(!needs("e2e --cases find-rare") && !needs("e2e --cases=memory") && !needs("corpus --rows 9"));
    }
}
