//! Lacuna beside its rivals: every command as a process of its own, all in one run, taking turns.

mod case;
mod measure;
mod report;
mod tool;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::{Result, ensure};

use crate::{CorpusArgs, cache};
use case::{Bench, Case};
use measure::Measured;
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
    /// The cases
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', default_values_t = Case::ALL)]
    cases: Vec<Case>,
    /// The tools
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', default_values_t = Tool::ALL)]
    tools: Vec<Tool>,
    /// The `lacuna` to measure: a release build
    #[arg(long, env = "LACUNA_BIN")]
    lacuna: Option<PathBuf>,
    /// Write benches/RESULTS.md
    #[arg(long)]
    write_results: bool,
}

/// Where the results of `--write-results` go.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");

/// Measures, compares, and prints the table.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(
        args.lacuna.is_some() || !args.tools.contains(&Tool::Lacuna),
        "name the lacuna to measure in LACUNA_BIN, or leave it out of --tools"
    );
    let corpus = cache::corpus(&args.corpus.sample())?;
    let bench = Bench::new(corpus, args.lacuna.clone(), cache::python()?, cache::work()?)?;

    let mut results: BTreeMap<(Case, Tool), Vec<Measured>> = BTreeMap::new();
    for round in 0..=args.runs {
        for &case in &args.cases {
            let mut tools: Vec<Tool> = args.tools.iter().copied().filter(|&tool| case.has(tool)).collect();
            // Whoever comes first in one round comes last in the next, so that nobody always follows the same one.
            let turn = round as usize % tools.len().max(1);
            tools.rotate_left(turn);
            for tool in tools {
                let measured = bench.measure(case, tool)?;
                let _ = writeln!(
                    io::stderr(),
                    "{} {}, {}: {:.3} s, {} MiB",
                    if round == 0 { "warming up".to_owned() } else { format!("run {round} of {}", args.runs) },
                    case.title(),
                    tool.name(),
                    measured.seconds,
                    measured.peak_bytes >> 20
                );
                if round > 0 {
                    results.entry((case, tool)).or_default().push(measured);
                }
            }
        }
    }
    let report = report::markdown(&bench, args.runs, &results)?;
    write!(io::stdout(), "{report}")?;
    if args.write_results {
        std::fs::write(RESULTS, report)?;
    }
    Ok(())
}
