//! `lacuna-benches`: makes the corpus, compares Lacuna with DuckDB, Polars and PyArrow from the outside, and asks a large ledger.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod cache;
mod e2e;
mod far;
mod floor;
mod ledger;
mod repeat;
mod rows;
mod variant;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use floor::Floor;
use lacuna_benches::corpus::Sample;
use variant::Variant;

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
    Corpus {
        /// Which one
        #[command(flatten)]
        corpus: CorpusArgs,
        /// How it lies on disk
        #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', default_values_t = [Variant::Zstd])]
        variants: Vec<Variant>,
    },
    /// Compare Lacuna with its rivals and floors in one run
    E2e(e2e::Args),
    /// Find a user in the corpus with the engine itself, on a store that may be slow; what it found and fetched, as JSON
    SlowStore(far::Args),
    /// Ask a large ledger, on SQLite and on PostgreSQL; fails when an answer takes too long
    Ledger(ledger::Args),
    /// Decompress one column of every Parquet shard below a folder on all cores: nothing that looks at every value can be faster
    FloorId {
        /// The folder
        dir: PathBuf,
        /// The column
        #[arg(long, default_value = "UserId")]
        column: String,
        /// Threads; as many as there are cores when absent
        #[arg(long)]
        threads: Option<usize>,
    },
    /// The same, and every page of the other columns that holds one of the given rows: nothing that hands these rows on can be faster
    FloorHit {
        /// The folder
        dir: PathBuf,
        /// A JSON object: for each shard's path, its rows' ordinals in order
        #[arg(long)]
        rows: PathBuf,
        /// The column
        #[arg(long, default_value = "UserId")]
        column: String,
    },
    /// The same, and files like those of the packages below a folder: nothing that hands these rows on apart can be faster
    FloorApart {
        /// The folder with the shards
        dir: PathBuf,
        /// A JSON object: for each shard's path, its rows' ordinals in order
        #[arg(long)]
        rows: PathBuf,
        /// The folder with packages
        #[arg(long)]
        like: PathBuf,
        /// The folder to write to
        out: PathBuf,
        /// The column
        #[arg(long, default_value = "UserId")]
        column: String,
    },
    /// Decompress the users' column and the tenants', and ask a hash set of ids for every user: what a search for many cannot do without
    FloorAsk {
        /// The folder
        dir: PathBuf,
        /// A file with the ids, one a line
        #[arg(long)]
        among: PathBuf,
    },
    /// Read all footers and a look's worth of every Bloom filter, and decompress of one column what they leave of the given rows
    FloorIndexed {
        /// The folder
        dir: PathBuf,
        /// A JSON object: for each shard's path, its rows' ordinals in order
        #[arg(long)]
        rows: PathBuf,
        /// The column
        #[arg(long, default_value = "UserId")]
        column: String,
    },
    /// Decompress every page of a Parquet shard that holds one of the given rows, compress it again, check and hash what there is to prove,
    /// and write as many bytes as the shard has, for good: nothing that takes these rows out and proves it can be faster
    FloorEdit {
        /// The shard
        shard: PathBuf,
        /// A JSON object: for each shard's path, its rows' ordinals in order
        #[arg(long)]
        rows: PathBuf,
        /// A JSON array of pairs: row groups and columns that lose a value with the rows
        #[arg(long)]
        lost: PathBuf,
        /// The file to write
        out: PathBuf,
    },
    /// Decode a Parquet shard and encode it again on all cores, row group by row group
    ReEncode {
        /// The shard
        shard: PathBuf,
        /// The folder for the row groups
        out: PathBuf,
    },
    /// Decompress every text shard below a folder on all cores
    FloorText {
        /// The folder
        dir: PathBuf,
        /// How the shards' names end: `zst` or `gz`
        #[arg(long)]
        extension: String,
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
        Command::Corpus { corpus, variants } => {
            for variant in variants {
                let written = cache::corpus(&corpus.sample(), variant)?;
                let (rows, shards, mib) = (written.rows, written.shards(), written.bytes >> 20);
                writeln!(io::stdout(), "{}: {rows} records in {shards} shards, {mib} MiB", written.dir.display())?;
            }
        }
        Command::E2e(args) => e2e::run(&args)?,
        Command::SlowStore(args) => writeln!(io::stdout(), "{}", serde_json::to_string(&far::find(&args)?)?)?,
        Command::Ledger(args) => ledger::run(&args)?,
        Command::FloorId { dir, column, threads } => {
            // 0 stands for the cores.
            rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build_global()?;
            say(floor::id(&dir, &column)?)?;
        }
        Command::FloorHit { dir, rows, column } => say(floor::hit(&dir, &column, &rows::read(&rows)?)?)?,
        Command::FloorApart { dir, rows, like, out, column } => {
            say(floor::apart(&dir, &column, &rows::read(&rows)?, &like, &out)?)?;
        }
        Command::FloorAsk { dir, among } => say(floor::ask(&dir, "UserId", "TenantId", &among)?)?,
        Command::FloorIndexed { dir, rows, column } => say(floor::indexed(&dir, &column, &rows::read(&rows)?)?)?,
        Command::FloorEdit { shard, rows, lost, out } => {
            let lost = serde_json::from_slice(&std::fs::read(lost)?)?;
            say(floor::edit(&shard, "UserId", &rows::read(&rows)?, &lost, &out)?)?;
        }
        Command::ReEncode { shard, out } => say(floor::reencode(&shard, &out)?)?,
        Command::FloorText { dir, extension } => say(floor::text(&dir, &extension)?)?,
    }
    Ok(())
}

fn say(floor: Floor) -> io::Result<()> {
    let Floor { values, hit_pages, bytes } = floor;
    writeln!(io::stdout(), "{values} values, {hit_pages} pages with hits, {bytes} bytes decompressed")
}
