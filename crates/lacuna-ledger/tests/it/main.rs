//! What users of a ledger rely on, on SQLite and on PostgreSQL alike.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it stands")]

#[macro_use]
mod place;
mod make;

mod chain;
mod clock;
mod conclude;
mod decide;
mod duty;
mod faults;
mod fill;
mod forget;
mod hidden;
mod hold;
mod next;
mod open;
mod outbox;
mod pass;
mod standing;
mod submit;
