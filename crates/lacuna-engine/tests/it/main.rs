//! Jobs from end to end, over a disk and over memory.

#![expect(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, reason = "tests")]

mod azure;
mod bad_input;
mod changing;
mod erase;
mod export;
mod find;
mod forged;
mod real;
mod slow;
mod together;
mod tombstones;
mod world;
