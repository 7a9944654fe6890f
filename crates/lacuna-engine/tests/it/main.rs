//! Jobs from end to end, over a disk and over memory.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, unreachable_pub, reason = "tests")]

#[path = "../../../lacuna-store/tests/it/account.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod account;
mod azure;
mod bad_input;
mod changing;
mod disk;
mod erase;
mod expiry;
mod export;
mod find;
mod folders;
mod forged;
mod gaps;
mod json_text;
mod leftovers;
#[path = "../../../lacuna-scan/tests/it/lists.rs"]
mod lists;
mod meanwhile;
mod misplaced;
mod old_bytes;
mod passes;
mod real;
mod receipts;
mod safety;
mod shared;
mod slow;
mod together;
mod tombstones;
mod world;
