//! The arguments: one definition for parsing, help, completions and the man page.

mod ledger;
mod worker;

use std::convert::Infallible;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};
use lacuna_scan::Secret;

use crate::config::{MEMORY_MIN, PARALLEL_MAX};
use crate::units::{bytes, parse_bytes};
pub(crate) use ledger::{
    ApproveArgs, Filing, Following, HoldCommand, HoldLiftArgs, HoldListArgs, HoldSetArgs, LedgerCommand,
    LedgerExportArgs, LedgerVerifyArgs, ListArgs, OneArgs, RequestCommand, SubmitArgs, Wanted,
};
pub(crate) use worker::{SweepArgs, WorkArgs, WorkerArgs};

/// Find, export and erase one person's records in large log shards.
#[derive(Debug, Parser)]
#[command(name = "lacuna", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What is logged.
    #[command(flatten)]
    pub logging: Logging,
}

const AFTER_HELP: &str = "\
Exit codes:
  0    done; finding nothing is done, too
  1    anything else went wrong
  2    the arguments or the configuration cannot be right; nothing was read or changed
  3    incomplete: some shard could not be read or changed; the report names each
  4    refused: everything that matched is kept, an approval is missing or denied, or the rules of the ledger say no
  5    `request list --overdue` found a request past its deadline
  130  stopped by Ctrl-C or SIGTERM; a worker that stays ends with 0 so

`lacuna demo` shows all of it on sample logs.";

/// What is logged.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Logging {
    /// Log what is done to standard error; twice for more, three times for everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// How log lines are written
    #[arg(long, value_name = "FORMAT", default_value = "pretty", global = true)]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[value(alias = "text")]
    Pretty,
    /// One JSON object a line
    Json,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sample logs, one export, one erasure, its receipt: all of it on this disk
    Demo(DemoArgs),
    /// Write realistic sample logs and a lacuna.toml for them
    Sample(SampleArgs),
    /// Count a person's records, and say where they are
    Find(FindArgs),
    /// Copy a person's records into a package, as JSON
    Export(ExportArgs),
    /// Hide a person's records from all that reads through Lacuna, or take them out of the logs; and write a receipt
    Erase(EraseArgs),
    /// Take all hidden records out of the logs: every shard once, for all requests
    Purge(PurgeArgs),
    /// Work through the ledger: all due requests in one pass over the logs, and what follows
    Worker(WorkerArgs),
    /// Erase again what arrived, changed or came back since it was erased
    Sweep(SweepArgs),
    /// Record requests, decide on them, and follow them
    #[command(subcommand)]
    Request(RequestCommand),
    /// Keep a source or a person's records from erasures, for a reason
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Check and read the record of who did what
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Check a receipt's or a package's signature, and a package's files
    Verify(VerifyArgs),
    /// Write the records of one shard to standard output, one JSON object a line
    Cat(CatArgs),
    /// Check configuration, keys, access and sources: what is wrong before it matters
    Check(CheckArgs),
    /// Write a shell's completion script to standard output
    Completions(CompletionsArgs),
    /// Write the man page to standard output
    Man,
}

impl Command {
    /// The subcommand's name, for traces.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Sample(_) => "sample",
            Self::Find(_) => "find",
            Self::Export(_) => "export",
            Self::Erase(_) => "erase",
            Self::Purge(_) => "purge",
            Self::Worker(_) => "worker",
            Self::Sweep(_) => "sweep",
            Self::Request(_) => "request",
            Self::Hold(_) => "hold",
            Self::Ledger(_) => "ledger",
            Self::Verify(_) => "verify",
            Self::Cat(_) => "cat",
            Self::Check(_) => "check",
            Self::Completions(_) => "completions",
            Self::Man => "man",
        }
    }

    /// Whether it stays until it is stopped, and nobody watches it.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self, Self::Worker(args) if !args.once)
    }

    /// Whether standard output carries one JSON document.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Demo(args) => args.json,
            Self::Sample(args) => args.json,
            Self::Find(args) => args.run.json,
            Self::Export(args) => args.run.json,
            Self::Erase(args) => args.run.json,
            Self::Purge(args) => args.json,
            Self::Worker(args) => args.common.json,
            Self::Sweep(args) => args.common.json,
            Self::Request(command) => command.acting().json,
            Self::Hold(command) => command.acting().json,
            Self::Ledger(LedgerCommand::Verify(args)) => args.acting.json,
            // Its lines are its output.
            Self::Ledger(LedgerCommand::Export(_)) => false,
            Self::Verify(args) => args.json,
            Self::Check(args) => args.json,
            Self::Cat(_) | Self::Completions(_) | Self::Man => false,
        }
    }
}

/// What `find`, `export` and `erase` have in common.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Where to look.
    #[command(flatten)]
    pub scope: Scope,
    /// Whom to look for.
    #[command(flatten)]
    pub who: Who,
    /// What to use.
    #[command(flatten)]
    pub resources: Resources,
    /// Ask nothing; without a terminal, an erasure demands it
    #[arg(short, long, help_heading = "Output")]
    pub yes: bool,
    /// Write one JSON document to standard output, and nothing else
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Where to look.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Where to look")]
pub(crate) struct Scope {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "lacuna.toml")]
    pub config: PathBuf,
    /// The sources to search; all of them when absent
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub source: Vec<String>,
}

/// Whom to look for.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Whom to look for")]
pub(crate) struct Who {
    /// The tenant that the request acts for; needed where a source maps one
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
    /// Identifiers of the person. Other users of this machine can see arguments: prefer `--subjects -`
    #[arg(long, value_name = "KIND=VALUE", num_args = 1.., value_parser = secret)]
    pub subject: Vec<Secret<String>>,
    /// A file with identifiers, one KIND=VALUE a line; `-` reads standard input. Blank lines and lines that start with `#`
    /// are skipped
    #[arg(long, value_name = "FILE")]
    pub subjects: Vec<PathBuf>,
    /// Each identifier is a person of its own, with a request of its own: all in one pass, in the order in which they are given
    #[arg(long)]
    pub apart: bool,
}

/// What a run may use.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Resources")]
pub(crate) struct Resources {
    /// Memory for reads, decodes and writes; a page, record or message takes at most a quarter of a thread's part
    /// [default: 128MiB for each thread, at least 512MiB]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
    /// Threads that search [default: one for each core]
    #[arg(long, value_name = "N", value_parser = parallel)]
    pub threads: Option<usize>,
    /// Reads under way at a time [default: 32]
    #[arg(long, value_name = "N", value_parser = parallel)]
    pub requests: Option<usize>,
    /// Where temporary files go [default: the system's place for them]
    #[arg(long, value_name = "DIR")]
    pub temp_dir: Option<PathBuf>,
}

/// `lacuna find`.
#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// Common arguments.
    #[command(flatten)]
    pub run: RunArgs,
}

/// `lacuna export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Where the package goes: `az://CONTAINER`, `file:///PATH` or a path [default: `[export] url`]
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// The format of the data files
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub format: PackageFormat,
    /// The request's id: letters, digits, `-` and `_` [default: a new one; a ledger gives its own]
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// How it goes through the ledger.
    #[command(flatten)]
    pub following: Following,
    /// Common arguments.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The format of a package's data files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PackageFormat {
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// Comma-separated values that no spreadsheet takes for a formula
    Csv,
    /// One element a record
    Xml,
}

impl From<PackageFormat> for lacuna_export::Format {
    fn from(format: PackageFormat) -> Self {
        match format {
            PackageFormat::Json => Self::Json,
            PackageFormat::Ndjson => Self::Ndjson,
            PackageFormat::Csv => Self::Csv,
            PackageFormat::Xml => Self::Xml,
        }
    }
}

/// `lacuna erase`.
#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    /// Take the records out of the bytes at once; without it, they are hidden until `lacuna purge` does
    #[arg(long)]
    pub now: bool,
    /// Count, say what would happen, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The request's id: letters, digits, `-` and `_` [default: a new one; a ledger gives its own]
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// How it goes through the ledger.
    #[command(flatten)]
    pub following: Following,
    /// Common arguments.
    #[command(flatten)]
    pub run: RunArgs,
}

/// `lacuna purge`.
#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// Where to look.
    #[command(flatten)]
    pub scope: Scope,
    /// Only shards with records of a request whose 30 days are over within so many days
    #[arg(long, value_name = "DAYS", num_args = 0..=1, default_missing_value = "7")]
    pub due: Option<u16>,
    /// What to use.
    #[command(flatten)]
    pub resources: Resources,
    /// Ask nothing: a purge never does, since the erasures that it completes were asked about
    #[arg(short, long, help_heading = "Output")]
    pub yes: bool,
    /// Write one JSON document to standard output, and nothing else
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// `lacuna verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A receipt (`….jws`) or a package's folder: a path, `file:///PATH` or `az://CONTAINER/PATH`
    #[arg(value_name = "RECEIPT_OR_PACKAGE")]
    pub what: String,
    /// The public key, as PEM [default: the configured key's, or lacuna-signing.pub.pem beside the configuration]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Read every shard of a receipt again: whether it still is what the receipt says [default place: `[store] url`]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub against: Option<String>,
    /// Whom to look for again in the receipt's sources: no receipt names them.
    #[command(flatten)]
    pub who: Who,
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "lacuna.toml")]
    pub config: PathBuf,
    /// Write one JSON document to standard output, and nothing else
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// `lacuna cat`.
#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The shard's path within the store
    #[arg(value_name = "SHARD")]
    pub shard: String,
    /// The source that says what the shard is [default: the first whose glob it matches]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "lacuna.toml")]
    pub config: PathBuf,
    /// What to use.
    #[command(flatten)]
    pub resources: Resources,
}

/// `lacuna check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Where to look.
    #[command(flatten)]
    pub scope: Scope,
    /// Make the key that signs manifests and receipts, beside the configuration. Never overwrites one
    #[arg(long)]
    pub init_keys: bool,
    /// What to use.
    #[command(flatten)]
    pub resources: Resources,
    /// Write one JSON document to standard output, and nothing else
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// `lacuna demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The folder to work in, empty or not there yet [default: a new one among the system's temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub rows: u64,
    /// What to use.
    #[command(flatten)]
    pub resources: Resources,
    /// Write one JSON document to standard output, and nothing else
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// `lacuna sample`.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// The folder to write to, empty or not there yet
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub rows: u64,
    /// The same seed writes the same logs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The shards' formats [default: all of them]
    #[arg(long, value_name = "FORMAT", num_args = 1..)]
    pub(crate) format: Vec<SampleFormat>,
    /// Write one JSON document to standard output, and nothing else
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// A format of sample logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SampleFormat {
    /// Parquet
    Parquet,
    /// One JSON object a line, compressed in several ways
    Ndjson,
    /// JSON documents with an array of records
    Json,
    /// Comma-separated values
    Csv,
    /// Arrow IPC files and streams
    Arrow,
}

impl From<SampleFormat> for lacuna_benches::corpus::Format {
    fn from(format: SampleFormat) -> Self {
        match format {
            SampleFormat::Parquet => Self::Parquet,
            SampleFormat::Ndjson => Self::Ndjson,
            SampleFormat::Json => Self::Json,
            SampleFormat::Csv => Self::Csv,
            SampleFormat::Arrow => Self::Arrow,
        }
    }
}

/// `lacuna completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Whether what clap says of the arguments repeats one that may be an identifier.
pub(crate) fn may_name_somebody(error: &clap::Error) -> bool {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    // What is no option stands where only a value can.
    is_unknown && (!text(ContextKind::InvalidArg).starts_with('-') || is_telling(text(ContextKind::InvalidArg)))
        || is_telling(text(ContextKind::InvalidValue))
        || is_telling(text(ContextKind::InvalidSubcommand))
}

/// Whether the text may be an identifier, or hold one: no message repeats it.
pub(crate) fn is_telling(text: &str) -> bool {
    text.contains(['=', '@'])
}

/// Takes any text: what is wrong with it is said later, and without repeating it.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn secret(text: &str) -> Result<Secret<String>, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

fn memory(text: &str) -> Result<u64, String> {
    match parse_bytes(text)? {
        size if size >= MEMORY_MIN => Ok(size),
        _ => Err(format!("is too little to work with; the least is {}", bytes(MEMORY_MIN))),
    }
}

fn parallel(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=PARALLEL_MAX).contains(number));
    number.and_then(|number| usize::try_from(number).ok()).ok_or(format!("must be from 1 to {PARALLEL_MAX}"))
}
