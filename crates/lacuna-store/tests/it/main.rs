//! Stores as callers see them, against real servers and real disks.

#![expect(clippy::unwrap_used, reason = "a test stops where it stands")]

mod account;
mod azurite;
mod copies;
mod identity;
mod local;
mod memory;
mod scripted;
mod unchanged;
