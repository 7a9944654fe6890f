//! The record of requests, of every shard's progress, and of who did what. Knows no shard's bytes.
