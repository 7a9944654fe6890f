//! What follows from what the ledger records: who must be told, and what operators count.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod metrics;
pub mod notice;
