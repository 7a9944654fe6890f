//! A ledger as it is after years, for benchmarks: written by the database itself, many rows with each statement.

use time::OffsetDateTime;

use crate::sql::{Tx, args};
use crate::{Ledger, PassId, Result};

/// How much is in it.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// Requests: the newest three tenths are open.
    pub requests: i64,
    /// Shards of one pass that is being searched; half of them are done.
    pub shards: i64,
    /// Shards of a set.
    pub set_shards: i64,
}

/// Rows that one transaction writes at most.
const ROWS: i64 = 500_000;

/// 10,000 requests a day.
const SPACING_MICROS: i64 = 8_640_000;

/// The numbers from $1 up to, not including, $2.
const NUMBERS: &str = "WITH RECURSIVE n(i) AS
    (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < CAST($2 AS BIGINT))";

impl Ledger {
    /// Fills a new ledger whose last request came at `now`, and says which pass is being searched. What it writes is for measuring
    /// only: identifiers are missing, and the chain does not hold.
    pub async fn fill(&self, size: &Filling, now: OffsetDateTime) -> Result<PassId> {
        let pass = PassId(1);
        let (first, open) = (now.unix_timestamp() * 1_000_000, size.requests * 7 / 10);
        let first = first - size.requests * SPACING_MICROS;
        for (from, to) in parts(size.requests) {
            self.write(|tx| requests(tx, first, open), from, to).await?;
            self.write(entries, from * 3, to * 3).await?;
            self.write(identifiers, from, to).await?;
        }
        for (from, to) in parts(size.shards / size.set_shards) {
            self.write(|_| sets(size), from, to).await?;
        }
        for (from, to) in parts(size.shards) {
            self.write(|_| shards(size.set_shards), from, to).await?;
        }
        const TALLY: &str =
            "INSERT INTO tally (kind, state, requests) SELECT kind, state, COUNT(*) FROM request GROUP BY kind, state";
        const PASS: &str = "INSERT INTO pass (id, lane, phase, fence, lease, began, sets, removed, planned, shards, bytes, done, bytes_done)
            VALUES (1, 'batch', 'searching', 1, 0, $1, $2, 0, $2, $3, $3 * 100000000, $2 / 2, $3 * 50000000)";
        self.change(async |change| {
            change.tx.run(TALLY, args![]).await?;
            change.tx.run(PASS, args![now, size.shards / size.set_shards, size.shards]).await?;
            let sql = "UPDATE ledger SET last_pass = 1, chain_sequence = $1";
            change.tx.run(sql, args![size.requests * 3]).await?;
            // As a closing ledger or a server's own upkeep does.
            change.tx.run("ANALYZE", args![]).await?;
            Ok(())
        })
        .await?;
        self.db().scrub().await?;
        Ok(pass)
    }

    /// Runs a statement for the numbers from `from` up to `to`.
    async fn write(&self, sql: impl Fn(&Tx) -> String, from: i64, to: i64) -> Result<()> {
        self.change(async |change| {
            let sql = sql(&change.tx);
            change.tx.run(sql, args![from, to]).await?;
            Ok(())
        })
        .await
    }
}

fn parts(count: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..count.max(0)).step_by(500_000).map(move |from| (from, count.min(from + ROWS)))
}

/// What the databases say differently: a request's id, and 32 bytes, that follow from a number.
fn id(tx: &Tx, number: &str) -> String {
    match tx {
        Tx::Sqlite(_) => format!("printf('01960000-0000-7000-8000-%012x', {number})"),
        Tx::Postgres(_) => format!("'01960000-0000-7000-8000-' || lpad(to_hex({number}), 12, '0')"),
    }
}

fn hash(tx: &Tx) -> &'static str {
    match tx {
        Tx::Sqlite(_) => "CAST(printf('%032d', i) AS BLOB)",
        Tx::Postgres(_) => "convert_to(lpad(CAST(i AS TEXT), 32, '0'), 'UTF8')",
    }
}

fn requests(tx: &Tx, first: i64, open: i64) -> String {
    let (id, hash) = (id(tx, "i"), hash(tx));
    let day = 86_400_000_000_i64;
    let counts = r#"[{"source":"activity","scanned":1000000,"matched":12,"shards":3,"erased":12,"kept":0}]"#;
    format!(
        "INSERT INTO request (id, tenant, requester, kind, regulation, sources, options, lane, state, received, due,
            not_before, forced, subject_hash, body_hash, wish, counts, approvals_needed, round, tries, receipt, pass, ended,
            ready, deadline) {NUMBERS}
        SELECT {id}, 'tenant-' || (i % 50), 'rita',
            CASE i % 4 WHEN 0 THEN 'export' WHEN 1 THEN 'discover' WHEN 2 THEN 'erase' ELSE 'export_and_erase' END,
            'gdpr', '[]', '{{}}', 'batch', state, received, due, received, 0, {hash}, {hash}, {hash}, '{counts}', 0, 0, 1,
            'receipts/' || i || '.jws', CASE state WHEN 'running' THEN 1 END,
            CASE WHEN state IN ('complete', 'denied') THEN received + {day} END,
            CASE state WHEN 'scheduled' THEN received + {day} WHEN 'incomplete' THEN received + {day} END,
            CASE WHEN state NOT IN ('complete', 'denied') THEN due END
        FROM (SELECT i, state, received, CASE i % 1000 WHEN 7 THEN received ELSE received + 30 * {day} END AS due
            FROM (SELECT i, {first} + i * {SPACING_MICROS} AS received,
                CASE WHEN i < {open} THEN (CASE i % 50 WHEN 0 THEN 'denied' ELSE 'complete' END)
                    WHEN i % 30 = 0 THEN 'scheduled' WHEN i % 30 = 1 THEN 'running' WHEN i % 30 < 5 THEN 'incomplete'
                    WHEN i % 30 < 10 THEN 'awaiting_approval' ELSE 'verifying' END AS state
                FROM n) AS states) AS dated"
    )
}

/// Three entries of each request.
fn entries(tx: &Tx) -> String {
    let (id, hash) = (id(tx, "(i / 3)"), hash(tx));
    let previous = "0".repeat(64);
    format!(
        r#"INSERT INTO entry (sequence, request, body, hash) {NUMBERS} SELECT i + 1, {id},
            '{{"actor":"worker-1","at":"2026-03-10T12:00:00Z","detail":{{"from":"running","to":"complete"}},"previous":"{previous}","request":"'
            || {id} || '","role":"worker","sequence":' || (i + 1) || ',"what":"completed"}}', {hash} FROM n"#
    )
}

/// One identifier's hash of each request.
fn identifiers(tx: &Tx) -> String {
    let (id, hash) = (id(tx, "i"), hash(tx));
    format!("INSERT INTO identifier (request, hash) {NUMBERS} SELECT {id}, {hash} FROM n")
}

fn sets(size: &Filling) -> String {
    let (shards, bytes, half) = (size.set_shards, size.set_shards * 100_000_000, size.shards / size.set_shards / 2);
    format!(
        "INSERT INTO shard_set (pass, number, source, shards, bytes, free, fence, worker, reference, rows_read, bytes_read,
            matched) {NUMBERS}
        SELECT 1, i + 1, 'activity', {shards}, {bytes}, CASE WHEN i < {half} THEN NULL ELSE 0 END, 1, 'worker-1',
            CASE WHEN i < {half} THEN 'results/' || i END, 1000000, 50000000, 12 FROM n"
    )
}

fn shards(of_set: i64) -> String {
    format!(
        "INSERT INTO shard (pass, number, position, path, etag, size) {NUMBERS}
        SELECT 1, i / {of_set} + 1, i % {of_set},
            'activity/product=SharePoint/date=2026-03-10/hour=12/part-' || i || '.parquet', '0x8DD5FB6A4C' || i, 100000000 FROM n"
    )
}
