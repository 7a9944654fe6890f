//! Where a test's ledger is, and a way around the ledger into its database.

use std::fs;

use lacuna_ledger::testing::new_postgres;
use lacuna_ledger::{Keys, Ledger, LedgerConfig, Policy};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Executor as _, Row as _, ValueRef as _};
use sqlx::{PgConnection, SqliteConnection};
use tempfile::TempDir;

/// Makes of each test one on SQLite and one on PostgreSQL.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(crate::place::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(crate::place::Place::postgres().await).await;
            })*
        }
    };
}

/// A new database, for one test.
pub(crate) struct Place {
    pub(crate) url: String,
    /// The SQLite file's directory.
    dir: Option<TempDir>,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { url: dir.path().join("ledger.db").to_str().unwrap().to_owned(), dir: Some(dir) }
    }

    pub(crate) async fn postgres() -> Self {
        Self { url: new_postgres().await, dir: None }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.dir.is_some()
    }

    pub(crate) fn config(&self, policy: Policy) -> LedgerConfig {
        LedgerConfig { url: self.url.clone(), keys: Keys::new("2026", [1; 32], [2; 32]), policy }
    }

    /// Its ledger, with the usual policy.
    pub(crate) async fn open(&self) -> Ledger {
        self.open_with(Policy::default()).await
    }

    pub(crate) async fn open_with(&self, policy: Policy) -> Ledger {
        Ledger::open(&self.config(policy)).await.unwrap()
    }

    /// Runs a statement behind the ledger's back, and says how many rows it changed.
    pub(crate) async fn run(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.connect().await {
            Raw::Sqlite(mut connection) => {
                let changed = connection.execute(sql).await.unwrap().rows_affected();
                connection.close().await.unwrap();
                changed
            }
            Raw::Postgres(mut connection) => connection.execute(sql).await.unwrap().rows_affected(),
        }
    }

    /// The rows of a query, each value as text, bytes as hexadecimal.
    pub(crate) async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.connect().await {
            Raw::Sqlite(mut connection) => {
                let rows = connection.fetch_all(sql).await.unwrap();
                connection.close().await.unwrap();
                rows.iter().map(|row| texts!(row)).collect()
            }
            Raw::Postgres(mut connection) => {
                connection.fetch_all(sql).await.unwrap().iter().map(|row| texts!(row)).collect()
            }
        }
    }

    /// Everything that is in the database: of SQLite the bytes of all its files, of PostgreSQL every value of every table.
    pub(crate) async fn content(&self) -> Vec<u8> {
        if let Some(dir) = &self.dir {
            let files = fs::read_dir(dir.path()).unwrap();
            return files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        }
        let mut content = String::new();
        for table in self.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").await {
            for row in self.query(&format!("SELECT * FROM {}", table[0])).await {
                content.push_str(&row.join("\n"));
            }
        }
        content.into_bytes()
    }

    /// Whether a text, or bytes of it, are somewhere in the database.
    pub(crate) async fn holds(&self, needle: &[u8]) -> bool {
        let hexadecimal: String = needle.iter().map(|byte| format!("{byte:02x}")).collect();
        let content = self.content().await;
        let found = |needle: &[u8]| content.windows(needle.len()).any(|window| window == needle);
        found(needle) || found(hexadecimal.as_bytes())
    }

    async fn connect(&self) -> Raw {
        if self.is_sqlite() {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&self.url);
            Raw::Sqlite(options.connect().await.unwrap())
        } else {
            Raw::Postgres(PgConnection::connect(&self.url).await.unwrap())
        }
    }
}

enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// The values of a row as texts.
macro_rules! texts {
    ($row:expr) => {{
        let row = $row;
        let text = |at: usize| {
            if row.try_get_raw(at).unwrap().is_null() {
                return String::new();
            }
            if let Ok(text) = row.try_get::<String, _>(at) {
                return text;
            }
            if let Ok(number) = row.try_get::<i64, _>(at) {
                return number.to_string();
            }
            match row.try_get::<Vec<u8>, _>(at) {
                Ok(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
                Err(_) => String::new(),
            }
        };
        row.columns().iter().map(|column| text(column.ordinal())).collect::<Vec<String>>()
    }};
}
use texts;
