//! The arguments of the commands that work through the ledger.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use lacuna_worker::Work;

use super::Resources;

/// `lacuna worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Do what there is to do now, and end: for cron and for jobs. Without it, the worker stays and works at the times of `[worker]`
    #[arg(long)]
    pub once: bool,
    /// Which kinds of work; all of them when absent
    #[arg(long, value_name = "KIND", num_args = 1.., value_delimiter = ',')]
    pub only: Vec<WorkKind>,
    /// Where Prometheus finds `/metrics`, as `127.0.0.1:9464` [default: `[worker] metrics`]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "once")]
    pub metrics: Option<SocketAddr>,
    /// What the audit chain calls this worker [default: `[worker] name`, or the machine's name with the process's number]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// What it has in common with a sweep.
    #[command(flatten)]
    pub common: WorkArgs,
}

/// `lacuna sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// What it has in common with a worker.
    #[command(flatten)]
    pub common: WorkArgs,
}

/// What works through a ledger.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "lacuna.toml")]
    pub config: PathBuf,
    /// What to use.
    #[command(flatten)]
    pub resources: Resources,
    /// Once asked to stop, stop at once after so many seconds, safely: Kubernetes and Azure's container services kill after 30
    #[arg(long, value_name = "SECONDS", default_value_t = 25, help_heading = "Resources")]
    pub grace: u64,
    /// At the end, write one JSON document to standard output, and nothing else; a worker that stays writes none
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl WorkArgs {
    /// How long it may take to stop cleanly.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkKind {
    /// Requests that are due to run
    Requests,
    /// Standing erasures over what arrived, changed or came back
    Sweep,
    /// Hidden records out of the logs
    Purge,
    /// Deadlines, expired packages, identifiers that nobody needs
    Retention,
}

impl From<WorkKind> for Work {
    fn from(kind: WorkKind) -> Self {
        match kind {
            WorkKind::Requests => Self::Requests,
            WorkKind::Sweep => Self::Sweep,
            WorkKind::Purge => Self::Purge,
            WorkKind::Retention => Self::Retention,
        }
    }
}
