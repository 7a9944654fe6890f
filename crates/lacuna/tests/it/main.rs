//! The binary from the outside: what a user or a script relies on.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod arguments;
mod arrows;
mod azure;
mod floats;
mod home;
mod interrupted;
mod killed;
mod ledger;
mod places;
mod polars;
mod requests;
mod samples;
mod secrets;
mod signing;
mod traces;
mod worker;
