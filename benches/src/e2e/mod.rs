//! Lacuna beside its rivals and floors: every command as a process of its own, all in one run, taking turns.

mod answer;
mod bars;
mod bench;
mod case;
mod erase;
mod export;
mod far;
mod find;
mod machine;
mod measure;
mod report;
mod requests;
mod results;
mod tool;

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::{Result, ensure};
use lacuna_benches::corpus::Sample;

use crate::{CorpusArgs, cache, far::has_azurite};
use bench::Bench;
use case::{Case, Cases, Work};
use results::Results;
use tool::Tool;

/// What to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The corpus.
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Measured runs of everything; one more before them is not counted
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The cases, as `find-rare` for all variants of the corpus, or `find-rare:snappy` [default: all but `memory`, which needs
    /// 11 GB of disk]
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    cases: Vec<Cases>,
    /// The tools
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', default_values_t = Tool::ALL)]
    tools: Vec<Tool>,
    /// A rival that takes longer than this when it warms up is not run again: that run counts
    #[arg(long, default_value_t = 15.0, value_name = "SECONDS")]
    slow: f64,
    /// The `lacuna` to measure: a release build
    #[arg(long, env = "LACUNA_BIN")]
    lacuna: Option<PathBuf>,
    /// Write benches/RESULTS.md
    #[arg(long)]
    write_results: bool,
}

/// Where `--write-results` goes.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");

/// Measures, compares, and prints the tables.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(
        args.lacuna.is_some() || !args.tools.contains(&Tool::Lacuna),
        "name the lacuna to measure in LACUNA_BIN, or leave it out of --tools"
    );
    let mut cases: Vec<Case> = args.cases.iter().flat_map(|cases| cases.0.iter().copied()).collect();
    if cases.is_empty() {
        cases = Case::usual().collect();
    }
    if !has_azurite() && cases.iter().any(|case| case.work == Work::SlowStore) {
        writeln!(io::stderr(), "Azurite is not there, which `cargo xtask bench` starts: slow-store is left out")?;
        cases.retain(|case| case.work != Work::SlowStore);
    }
    cases.sort_unstable();
    cases.dedup();
    let tools: Vec<Tool> = args.tools.iter().copied().filter(|&tool| tool.is_installed()).collect();
    for missing in args.tools.iter().filter(|tool| !tools.contains(tool)) {
        writeln!(io::stderr(), "{} is not installed: left out", missing.name())?;
    }

    let sample = args.corpus.sample();
    let compared = compare(args, &sample, &cases, &tools);
    // They are too large to stay, even when something failed.
    for variant in cases.iter().map(|case| case.variant).filter(|variant| variant.repeated_to().is_some()) {
        cache::remove_corpus(&sample, variant)?;
    }
    compared
}

fn compare(args: &Args, sample: &Sample, cases: &[Case], tools: &[Tool]) -> Result<()> {
    let bench = Bench::new(sample, cases, args.lacuna.clone())?;
    let results = measure(args, &bench, cases, tools)?;
    fs::remove_dir_all(&bench.work)?;
    let report = report::markdown(&bench, args.runs, &results)?;
    write!(io::stdout(), "{report}")?;
    if args.write_results {
        fs::write(RESULTS, report)?;
    }
    Ok(())
}

/// All runs of all cases.
fn measure(args: &Args, bench: &Bench, cases: &[Case], tools: &[Tool]) -> Result<Results> {
    let mut results = Results::default();
    let mut slow = BTreeSet::new();
    for round in 0..=args.runs {
        for &case in cases {
            let mut tools: Vec<Tool> = case.tools().filter(|tool| tools.contains(tool)).collect();
            // Whoever comes first in one round comes last in the next, so that nobody always follows the same one.
            let turn = round as usize % tools.len().max(1);
            tools.rotate_left(turn);
            for tool in tools.into_iter().filter(|&tool| !slow.contains(&(case, tool))).collect::<Vec<_>>() {
                let measured = bench.measure(case, tool)?;
                let is_slow = round == 0 && measured.seconds > args.slow && !tool.is_ours();
                writeln!(
                    io::stderr(),
                    "{} {case}, {}: {:.3} s, {} MiB{}",
                    if round == 0 { "warming up".to_owned() } else { format!("run {round} of {}", args.runs) },
                    tool.name(),
                    measured.seconds,
                    measured.peak_bytes >> 20,
                    if is_slow { ", once and not again" } else { "" }
                )?;
                if is_slow {
                    slow.insert((case, tool));
                }
                if round > 0 || is_slow {
                    results.add(case, tool, measured);
                }
            }
        }
    }
    Ok(results)
}
