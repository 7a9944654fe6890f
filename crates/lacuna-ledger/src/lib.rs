//! The record of requests, of every shard's progress, and of who did what. Knows no shard's bytes.
//!
//! A [`Ledger`] is a SQLite file or a PostgreSQL database. [`Ledger::submit`] records a request and [`Ledger::act`] moves it, as far
//! as [`next`] allows; a worker takes what is due with [`Ledger::begin_pass`], cuts it into sets of shards, claims those
//! ([`Ledger::claim_sets`]) and says how each request ended ([`Ledger::conclude`]). Every change of state is one transaction with its
//! entry in the audit chain and its notice. Time is passed in, and no identifier stands in the clear.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on fails"))]

mod act;
mod actor;
mod chain;
mod change;
mod clock;
mod conclude;
mod counts;
mod duty;
mod error;
mod forget;
mod forms;
mod hidden;
mod hold;
mod kept;
mod ledger;
mod list;
mod name;
mod outbox;
mod overview;
mod pass;
mod policy;
mod request;
mod seal;
mod set;
mod sql;
mod standing;
mod state;
mod subject;
mod submit;
pub mod testing;

pub use act::Act;
pub use actor::{Actor, Role};
pub use chain::{Access, Break, ChainHead, ChainReport, Entry};
pub use clock::{Clock, due, one_month_after};
pub use conclude::{Conclusion, Ending};
pub use counts::{Counts, Missing, SourceCounts};
pub use duty::DutyClaim;
pub use error::{Cause, Error, Result};
pub use forget::{ExpiredPackage, Forgotten, Lapsed};
pub use hold::{Hold, HoldFilter, HoldId, HoldOn, Lift, NewHold};
pub use ledger::{Ledger, is_there};
pub use list::{Cursor, Due, Filter, Page};
pub use outbox::{Notice, NoticeId};
pub use overview::Overview;
pub use pass::{Fence, Pass, PassClaim, PassId, PassRequest, Phase, Work};
pub use policy::{LedgerConfig, Policy, sqlite_file};
pub use request::{Kind, Lane, NewRequest, Request, RequestId};
pub use seal::{Keys, Secret};
pub use set::{NewSet, PassProgress, SetClaim, SetId, SetResult, SetState, SetStatus, Shard};
pub use standing::{Sequence, StandingErasure, Swept};
pub use state::{Refusal, State, Step, next};
pub use subject::{Identifier, Subject};
pub use submit::Submitted;
