//! The worker against a real ledger, real shards and real receivers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod faults;
mod gale;
mod metrics;
mod notice;
mod outbox;
mod passes;
mod retention;
mod shared;
mod sweeping;
mod world;
