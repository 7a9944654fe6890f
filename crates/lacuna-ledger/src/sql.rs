//! The database: SQLite or PostgreSQL behind one way to ask.
//!
//! Statements are written once, in the SQL that both understand (`$1` is a parameter in both); what differs is a method of [`Tx`].

mod open;
mod retry;
mod row;
mod value;

pub(crate) use open::Db;
pub(crate) use retry::Tries;
pub(crate) use row::Row;
pub(crate) use value::{Value, args, micros};

use sqlx::{AssertSqlSafe, Executor as _, Postgres, Sqlite, Transaction};

use crate::{Error, Result};

/// Rows that one statement inserts at most: below the number of parameters that either database takes.
const INSERT_ROWS: usize = 200;

/// A transaction. Dropped, it is rolled back.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Locks the rows of a query until the transaction ends. SQLite has one writer at a time anyway.
    pub(crate) fn for_update(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }

    /// The same, and leaves out rows that somebody else has locked.
    pub(crate) fn skip_locked(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Runs a statement, and says how many rows it changed.
    pub(crate) async fn run(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<u64> {
        self.run_as(sql.into(), args, true).await
    }

    async fn run_as(&mut self, sql: String, args: Vec<Value>, prepared: bool) -> Result<u64> {
        let sql = AssertSqlSafe(sql);
        Ok(match self {
            Self::Sqlite(tx) => {
                let query = sqlx::query_with(sql, value::arguments::<Sqlite>(args)?).persistent(prepared);
                tx.execute(query).await?.rows_affected()
            }
            Self::Postgres(tx) => {
                let query = sqlx::query_with(sql, value::arguments::<Postgres>(args)?).persistent(prepared);
                tx.execute(query).await?.rows_affected()
            }
        })
    }

    /// The rows of a query.
    pub(crate) async fn rows(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<Row>> {
        let sql = AssertSqlSafe(sql.into());
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = tx.fetch_all(sqlx::query_with(sql, value::arguments::<Sqlite>(args)?)).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(tx) => {
                let rows = tx.fetch_all(sqlx::query_with(sql, value::arguments::<Postgres>(args)?)).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row of a query, if there is one.
    pub(crate) async fn row(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// The row of a query that always has one.
    pub(crate) async fn one(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Row> {
        self.row(sql, args).await?.ok_or(Error::Corrupt("a row that always is there is missing"))
    }

    /// Inserts rows, many with each statement. `into` is the table with its columns, `suffix` what follows the values.
    pub(crate) async fn insert(&mut self, into: &str, rows: Vec<Vec<Value>>, suffix: &str) -> Result<()> {
        let mut rows = rows.into_iter().peekable();
        while let Some(columns) = rows.peek().map(Vec::len) {
            let chunk: Vec<_> = rows.by_ref().take(INSERT_ROWS).collect();
            let groups: Vec<_> = (0..chunk.len()).map(|row| group(row * columns, columns)).collect();
            let sql = format!("INSERT INTO {into} VALUES {} {suffix}", groups.join(", "));
            // Statements of the usual sizes are worth preparing once.
            let usual = chunk.len() == 1 || chunk.len() == INSERT_ROWS;
            self.run_as(sql, chunk.into_iter().flatten().collect(), usual).await?;
        }
        Ok(())
    }
}

/// `($1, $2, …)`, after `before` other parameters.
pub(crate) fn group(before: usize, columns: usize) -> String {
    let names: Vec<_> = (before + 1..=before + columns).map(|number| format!("${number}")).collect();
    format!("({})", names.join(", "))
}
