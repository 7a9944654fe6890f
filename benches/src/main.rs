//! `lacuna-benches`: makes the corpus, and compares Lacuna with DuckDB, Polars and PyArrow from the outside.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod cache;
mod e2e;
mod floor;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use lacuna_benches::corpus::Sample;

/// Lacuna's end-to-end benchmarks.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the corpus, unless it is there, and say where it is
    Corpus(CorpusArgs),
    /// Compare Lacuna with its rivals in one run
    E2e(e2e::Args),
    /// Decompress one column of every Parquet shard below a folder on all cores: nothing that looks at every value can be faster
    Floor {
        /// The folder
        dir: PathBuf,
        /// The column
        #[arg(long, default_value = "UserId")]
        column: String,
    },
}

/// Which corpus.
#[derive(Clone, Copy, Debug, clap::Args)]
struct CorpusArgs {
    /// Records, in 12 shards; in more, of a million each, when there are more than 12 million
    #[arg(long, default_value_t = 12_000_000)]
    rows: u64,
    /// The same seed makes the same corpus
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl CorpusArgs {
    fn sample(self) -> Sample {
        let whole = Sample::benchmark();
        // However few they are, the rare user has a shard with a single row.
        let shard_rows = self.rows.div_ceil(12).clamp(1, whole.shard_rows);
        Sample { rows: self.rows, seed: self.seed, shard_rows, ..whole }
    }
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Corpus(args) => {
            let written = cache::corpus(&args.sample())?;
            let (rows, shards, mib) = (written.rows, written.shards(), written.bytes >> 20);
            writeln!(io::stdout(), "{}: {rows} records in {shards} shards, {mib} MiB", written.dir.display())?;
        }
        Command::E2e(args) => e2e::run(&args)?,
        Command::Floor { dir, column } => {
            let floor = floor::measure(&dir, &column)?;
            writeln!(io::stdout(), "{} values, {} MiB decompressed", floor.values, floor.bytes >> 20)?;
        }
    }
    Ok(())
}
