//! Sample logs that look like a large service's own: for `lacuna sample`, `lacuna demo` and the benchmarks.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod corpus;
