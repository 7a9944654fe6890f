//! Works through the ledger: all due requests in one pass over the logs, shared by any number of workers; the purge of what is hidden, the
//! sweep of what arrived since, and what time takes. And what follows from it: who must be told, and what operators count.
//!
//! A [`Worker`] does all that there is to do now ([`Worker::once`]), or stays and does each kind of [`Work`] at its times
//! ([`Worker::serve`]). What is shared lies in the ledger, under leases: a worker may end at any point, and another goes on.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod deadlines;
mod duty;
mod error;
mod holds;
mod job;
mod lease;
pub mod metrics;
pub mod notice;
mod pass;
mod purge;
mod retention;
mod schedule;
mod service;
mod shards;
mod summary;
mod sweep;
mod work;
mod worker;

pub use deadlines::known_due;
pub use error::{Error, Result};
pub use holds::LedgerHolds;
pub use job::{Catalogue, reason};
pub use schedule::{Schedule, ScheduleError};
pub use service::Schedules;
pub use summary::{PurgeSummary, Requests, Retained, Summary, SweepSummary};
pub use work::Work;
pub use worker::{Engines, Settings, Worker};
