//! Realistic logs of system-generated records, made from a seed: the same [`Sample`] writes the same bytes everywhere.
//!
//! # What is in them
//!
//! **People.** Users are ranked. Ranks fall into octaves (1, 2–3, 4–7, …), and each octave has [`Sample::octave_growth`] times
//! the rows of the one before it; inside an octave all are alike. 1.0 is Zipf's law with exponent 1, 2.0 gives all users
//! the same. A tenant is drawn per user: half of them belong to the first tenant, a quarter to the second, and so on.
//! A person has an object id (a random-looking UUID), an email address (written in mixed case) and a numeric id.
//! One row in 64 belongs to a service, and has no user.
//!
//! **Known people** ([`Person`]), all of the first tenant, their rows counted while they are written:
//! - the *rare* one has [`Sample::rare_rows`] rows in every source, one in each of as many equal stretches of it;
//! - the *common* one has a row among every [`Sample::common_every`] rows, at least one in every row group;
//! - the *busiest* one has rank 1;
//! - the *crowd* is [`Sample::crowd`] people of all ranks, counted together.
//!
//! With [`Sample::guests`] the rare and the common one also have rows in another tenant, and rows whose tenant is null:
//! these are not counted, since no request of their own tenant may see them.
//!
//! **Clustering.** Rows are in order of time, so a person's rows are scattered. Teams calls (and any Parquet source with
//! [`ParquetLayout::sorted_by_user`]) are sorted by the caller's id, so a person's rows lie together there.
//!
//! # How it lies on disk
//!
//! | source | format | what is special |
//! |---|---|---|
//! | `sharepoint-activity` | Parquet, as [`Sample::parquet`] says | struct with a list of emails, map, field ids, JSON in text |
//! | `teams-calls` | Parquet, Snappy, Bloom filters, sorted | UUIDs in 16 bytes, list of structs, decimals |
//! | `search-queries` | Arrow IPC file and stream, compressed | dictionary and view types, a time zone |
//! | `exchange-activity` | NDJSON in [`Sample::text_codecs`] in turn | offsets, JSON escapes in email addresses, a list of objects |
//! | `entra-signins` | JSON documents with `Records[]`, plain or gzip | nested objects |
//! | `device-diagnostics` | CSV | numeric user ids, quotes, embedded line breaks |
//! | `entra-audit` | NDJSON | must be kept: `on_erase = "keep"` |
//!
//! Parquet row groups hold [`ParquetLayout::row_group_rows`] rows; pages are the writer's own (1 MiB, 20,000 rows), with page
//! index. Dictionaries hold 1 MiB: a row group with more than about 26,000 users begins its user column with a dictionary and
//! goes on with plain pages. Text is cut into gzip members, zstd frames or LZ4 frames of 4 MiB of text.
//!
//! [`Sample::benchmark`] is one flat table of ten columns in 12 shards of a million rows, for comparison with other tools.

mod clock;
mod columnar;
mod config;
mod event;
mod json;
mod people;
mod plan;
mod rng;
mod sample;
mod source;
mod sources;
mod tally;
mod text;
mod uuid;
mod words;
mod written;

pub use columnar::{Compression, ParquetLayout};
pub use config::config;
pub use sample::{Format, Logs, Sample};
pub use text::TextCodec;
pub use written::{Count, Crowd, Identifier, OnErase, Person, Role, Source, Written};

#[cfg(test)]
mod tests;
