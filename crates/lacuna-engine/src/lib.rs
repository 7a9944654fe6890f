//! Runs a job: plans, fans out, commits, verifies. The only place where tokio meets rayon, and the only one that overwrites.
//!
//! A [`Job`] is the requests of any number of people over any number of shards, worked through in one pass. [`Engine::run`]
//! does one and returns what happened as a value; the command line and the worker are thin callers of it.
//! A [`Pass`] is the same job in steps that any number of workers share: plan, search a set of shards, finish.
//!
//! The way of a job: `plan` says which shards there are, `read` searches them, `package` and `erase` do what was asked, and `receipt`
//! tells it; `purge` comes later, and takes what is hidden out of the bytes. `pass` holds them together.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on fails"))]

mod abreast;
mod check;
mod commit;
mod cpu;
mod engine;
mod erase;
mod hashing;
mod holds;
mod job;
mod outcome;
mod package;
mod pass;
mod plan;
mod problem;
mod progress;
mod purge;
mod read;
mod receipt;
mod workshop;

pub use check::SourceCheck;
pub use engine::{Engine, Error, Settings};
pub use holds::{Holds, HoldsError, NoHolds, NoLedger};
pub use job::{
    Action, EmptyShards, EraseLimits, EraseMode, ExportOptions, FormatChoice, Job, OnErase, Poison, Reach, Request,
    RequestId, Source, TextOptions,
};
pub use outcome::{
    KeptShard, Outcome, Problem, RequestOutcome, RequestSource, Retained, SourceOutcome, Stopped, Versions,
};
pub use package::expiry::PackageEnd;
pub use pass::{Counts, Pass, SetFound, SetSize, ShardSet};
pub use plan::OWN_FOLDER;
pub use plan::glob::glob_fault;
pub use problem::chain;
pub use progress::{Phase, Progress, Reporter};
pub use purge::{PurgeOptions, PurgeOutcome, PurgedRequest};
pub use read::cat::Shown;
pub use receipt::seal::SealError;
pub use receipt::standing::{ShardStanding, Standing};
pub use receipt::verify;
pub use receipt::{
    OldVersions, ProvedSurvivors, RECEIPT_VERSION, Receipt, ReceiptExcluded, ReceiptProblem, ReceiptShard,
    ReceiptSource, ShardState, Told,
};
