//! Works through the ledger: what is due, what is hidden and must go, what arrived since, and who must be told.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod metrics;
pub mod notice;
