//! Runs a job: plans, fans out, commits, verifies. The only place where tokio meets rayon, and the only one that overwrites.
//!
//! A [`Job`] is the requests of any number of people over any number of shards, worked through in one pass. [`Engine::run`]
//! does one and returns what happened as a value; the command line, the worker and the portal are thin callers of it.
//! A [`Pass`] is the same job in steps that any number of workers share: plan, search a set of shards, finish.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on fails"))]

mod account;
mod cat;
mod check;
mod claims;
mod commit;
mod copies;
mod cpu;
mod engine;
mod erase;
mod expiry;
mod format;
mod glob;
mod hashes;
mod hashing;
mod hidden;
mod holds;
mod job;
mod journal;
mod lost;
mod near;
mod origin;
mod outcome;
mod outgrown;
mod package;
mod pass;
mod plan;
mod problem;
mod progress;
mod purge;
mod receipt;
mod rows;
mod schema;
mod seal;
mod search;
mod settle;
mod spool;
mod standing;
mod statement;
pub mod verify;

pub use cat::Shown;
pub use check::SourceCheck;
pub use engine::{Engine, Error, Settings};
pub use expiry::PackageEnd;
pub use glob::glob_fault;
pub use holds::{Holds, HoldsError, NoHolds, NoLedger};
pub use job::{
    Action, EmptyShards, EraseLimits, EraseMode, ExportOptions, FormatChoice, Job, OnErase, Poison, Reach, Request,
    RequestId, Source, TextOptions,
};
pub use outcome::{Blocked, Outcome, Problem, RequestOutcome, RequestSource, Retained, SourceOutcome, Stopped};
pub use pass::{Counts, Pass, SetFound, SetSize, ShardSet};
pub use plan::OWN_FOLDER;
pub use problem::chain;
pub use progress::{Phase, Progress, Reporter};
pub use purge::{PurgeOptions, PurgeOutcome, PurgedRequest};
pub use receipt::{
    OldVersions, ProvedSurvivors, RECEIPT_VERSION, Receipt, ReceiptProblem, ReceiptShard, ReceiptSource, ShardState,
};
pub use seal::SealError;
pub use standing::{ShardStanding, Standing};
