//! What users of the scan rely on, against real bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub
)]

mod held;
mod ipc;
mod lists;
mod parquet;
mod take;
mod text;
