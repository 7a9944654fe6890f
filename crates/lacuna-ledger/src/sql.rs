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

    /// Parameters of a statement that writes many rows. SQLite's driver looks for each one's name from the first on, so that statements
    /// with thousands take longer than many small ones; PostgreSQL is a round trip away, and takes 65,535.
    fn parameters_max(&self) -> usize {
        match self {
            Self::Sqlite(_) => 300,
            Self::Postgres(_) => 6000,
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
        self.many(rows, |values| format!("INSERT INTO {into} {values} {suffix}")).await.map(drop)
    }

    /// Sets the `columns` of rows, the first of which tells a row, to what stands in `rows`, many with each statement. Says how many rows of the
    /// table there were.
    pub(crate) async fn update(&mut self, table: &str, columns: &[&str], rows: Vec<Vec<Value>>) -> Result<u64> {
        let (key, set) = columns.split_first().map_or(("", &[][..]), |(key, set)| (*key, set));
        let set: Vec<_> = set.iter().map(|column| format!("{column} = new.{column}")).collect();
        let (set, columns) = (set.join(", "), columns.join(", "));
        let sql = |values| {
            format!(
                "WITH new ({columns}) AS ({values}) UPDATE {table} SET {set} FROM new WHERE {table}.{key} = new.{key}"
            )
        };
        self.many(rows, sql).await
    }

    /// Runs the statement that `sql` makes of `VALUES (…), …` for all rows, many at a time; says how many rows were changed.
    async fn many(&mut self, rows: Vec<Vec<Value>>, sql: impl Fn(String) -> String) -> Result<u64> {
        let (mut rows, mut changed) = (rows.into_iter().peekable(), 0);
        while let Some(columns) = rows.peek().map(Vec::len) {
            let rows_max = (self.parameters_max() / columns.max(1)).max(1);
            let chunk: Vec<_> = rows.by_ref().take(rows_max).collect();
            let groups: Vec<_> = (0..chunk.len()).map(|row| group(row * columns, columns)).collect();
            // Statements of the usual sizes are worth preparing once.
            let usual = chunk.len() == 1 || chunk.len() == rows_max;
            let sql = sql(format!("VALUES {}", groups.join(", ")));
            changed += self.run_as(sql, chunk.into_iter().flatten().collect(), usual).await?;
        }
        Ok(changed)
    }
}

/// `($1, $2, …)`, after `before` other parameters.
pub(crate) fn group(before: usize, columns: usize) -> String {
    let names: Vec<_> = (before + 1..=before + columns).map(|number| format!("${number}")).collect();
    format!("({})", names.join(", "))
}
