//! Opening a database, and bringing its tables up to date.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgPool, SqlSafeStr as _, SqlitePool};

use super::{Tries, Tx};
use crate::{Error, Result, policy};

/// The tables, step by step. A step that was released never changes.
const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "ledger", include_str!("../../migrations/0001_ledger.sql"))];

/// How long SQLite waits for another process that writes, and either waits for a connection.
const WAIT: Duration = Duration::from_secs(10);

/// Connections that read at a time from SQLite, and all of them to PostgreSQL.
const CONNECTIONS: u32 = 8;

/// A database.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// One connection writes: writers of this process wait in line instead of colliding.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
    Postgres(PgPool),
}

impl Db {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        // Of several processes that make a SQLite file at once, some are told that it is busy without a wait for it.
        let mut tries = Tries::default();
        loop {
            match Self::open_once(url).await {
                Err(error) => tries.again(error).await?,
                opened => return opened,
            }
        }
    }

    /// Whether there is a ledger at `url`. What cannot be looked at counts as one: opening it says what is wrong.
    pub(crate) async fn is_there(url: &str) -> Result<bool> {
        let Some(path) = policy::sqlite_file(url) else {
            let mut connection = postgres_options(url)?.connect().await?;
            let row = connection.fetch_one("SELECT to_regclass('ledger') IS NOT NULL").await?;
            connection.close().await?;
            return Ok(sqlx::Row::try_get(&row, 0)?);
        };
        if !path.exists() {
            return Ok(false);
        }
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(WAIT);
        let Ok(mut connection) = options.disable_statement_logging().connect().await else { return Ok(true) };
        let tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'ledger'";
        let count: Option<i64> =
            connection.fetch_one(tables).await.ok().and_then(|row| sqlx::Row::try_get(&row, 0).ok());
        connection.close().await?;
        Ok(count != Some(0))
    }

    async fn open_once(url: &str) -> Result<Self> {
        let db = match policy::sqlite_file(url) {
            Some(path) => Self::sqlite(path).await?,
            None => Self::postgres(url).await?,
        };
        db.migrate().await?;
        Ok(db)
    }

    async fn sqlite(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk before it is reported.
            .synchronous(SqliteSynchronous::Full)
            // What is deleted is overwritten.
            .pragma("secure_delete", "ON")
            .busy_timeout(WAIT)
            .foreign_keys(false)
            .optimize_on_close(true, 1000)
            .disable_statement_logging();
        let pool = |connections| {
            let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(WAIT * 6);
            // A full disk ends a transaction without the driver, which would refuse to begin another one for good.
            pool.before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
        };
        let write = pool(1).connect_with(options.clone()).await?;
        let read = pool(CONNECTIONS).connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self::Sqlite { write, read })
    }

    async fn postgres(url: &str) -> Result<Self> {
        let options = postgres_options(url)?;
        // A server that is not there is said at once; later on, one that restarts is waited for.
        options.connect().await?.close().await?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(WAIT * 6);
        Ok(Self::Postgres(pool.connect_lazy_with(options)))
    }

    async fn migrate(&self) -> Result<()> {
        let adapt = |sql: &'static str| match self {
            Self::Sqlite { .. } => sql.replace("BYTEA", "BLOB").replace("/*CLUSTERED*/", "WITHOUT ROWID"),
            Self::Postgres(_) => sql.to_owned(),
        };
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            let sql = AssertSqlSafe(adapt(sql)).into_sql_str();
            Migration::new(version, name.into(), MigrationType::Simple, sql, false)
        });
        let migrator = Migrator::with_migrations(migrations.to_vec());
        let migrated = match self {
            Self::Sqlite { write, .. } => {
                // Several processes may open a new file at once: one makes its tables, and the others wait for it.
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                let migrated = migrator.run(&mut *tx).await;
                if migrated.is_ok() {
                    tx.commit().await?;
                }
                migrated
            }
            Self::Postgres(pool) => migrator.run(pool).await,
        };
        migrated.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            error => Error::Configuration(format!("the ledger's tables cannot be brought up to date: {error}")),
        })
    }

    /// Begins a transaction that writes.
    pub(crate) async fn write(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Begins a transaction that only reads, and sees one moment of the database.
    pub(crate) async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Self::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?)
            }
        })
    }

    /// Sees to it that nothing deleted is left in the database's files.
    pub(crate) async fn scrub(&self) -> Result<()> {
        match self {
            Self::Sqlite { write, .. } => {
                // `secure_delete` has overwritten it in the pages; older copies of those are in the WAL.
                let mut connection = write.acquire().await?;
                let row = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await?;
                let busy: i64 = sqlx::Row::try_get(&row, 0)?;
                if busy == 0 { Ok(()) } else { Err(Error::Busy) }
            }
            Self::Postgres(pool) => {
                pool.execute("VACUUM sealed").await?;
                pool.execute("VACUUM identifier").await?;
                Ok(())
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

fn postgres_options(url: &str) -> Result<PgConnectOptions> {
    // The text of a URL that cannot be read may hold a password.
    let options = PgConnectOptions::from_str(url);
    let options = options.map_err(|_| Error::Configuration("the ledger's URL cannot be read".into()))?;
    Ok(options.application_name("lacuna").disable_statement_logging())
}

impl Tx {
    /// Undoes it. When that fails, the connection is gone, and the transaction with it.
    pub(crate) async fn roll_back(self) {
        let _ = match self {
            Self::Sqlite(tx) => tx.rollback().await,
            Self::Postgres(tx) => tx.rollback().await,
        };
    }

    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::args;

    #[tokio::test]
    async fn a_disk_that_has_room_again_is_written_to_again() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("ledger.db").display().to_string()).await.unwrap();
        let mut tx = db.write().await.unwrap();
        tx.run("CREATE TABLE filler (bytes BLOB)", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let fill = "INSERT INTO filler VALUES (zeroblob(1000000))";
        for roll_back in [true, false] {
            // What holds for this connection alone.
            let mut tx = db.write().await.unwrap();
            tx.rows("PRAGMA max_page_count = 1", args![]).await.unwrap();
            let full = tx.run(fill, args![]).await.unwrap_err();
            assert!(matches!(full, Error::Unavailable(_)), "{full:?}");
            if roll_back {
                tx.roll_back().await;
            } else {
                drop(tx);
            }
            let mut tx = db.write().await.unwrap();
            tx.run(fill, args![]).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut tx = db.read().await.unwrap();
        assert_eq!(tx.rows("SELECT 1 FROM filler", args![]).await.unwrap().len(), 2);
    }
}
