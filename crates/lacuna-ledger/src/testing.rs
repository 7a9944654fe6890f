//! For tests, simulations and benchmarks: faults on the way to the database, databases on the tests' PostgreSQL, and what fills them.

mod fill;

pub use fill::Filling;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// Decides when something goes wrong.
pub trait Faults: Send + Sync {
    /// What goes wrong at this moment, if anything.
    fn strike(&self, moment: Moment) -> Option<Fault>;
}

/// When a transaction may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it begins.
    Begin,
    /// Before it is committed: nothing of it stays.
    Commit,
    /// After it is committed, and before the caller hears of it.
    Committed,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Others are writing. The ledger tries again by itself, a few times. After a commit it is a lost connection.
    Busy,
    /// The connection is lost.
    Lost,
}

/// The address of a new database on the tests' PostgreSQL, for one test.
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it stands")]
pub async fn new_postgres() -> String {
    let server = std::env::var("LACUNA_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "LACUNA_TEST_POSTGRES is not set: this test needs PostgreSQL, which `cargo xtask test` installs and starts \
             (one crate: `cargo xtask test -- -p CRATE`)"
        )
    });
    let name = format!("t{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    connection.close().await.unwrap();
    let (server, settings) = server.split_once('?').unwrap_or((&server, ""));
    format!("{}/{name}?{settings}", server.rsplit_once('/').unwrap().0)
}
