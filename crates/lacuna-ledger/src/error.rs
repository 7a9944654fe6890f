//! What can go wrong between a caller and the record.

use crate::Refusal;

/// A failed call. Holds no identifier, no key and no password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none of that id.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The claim was taken over by another worker, or has ended.
    #[error("the claim is no longer held")]
    Fenced,
    /// Others are writing; tried as often as is sensible.
    #[error("the ledger is busy")]
    Busy,
    /// The database cannot be reached, or the connection broke.
    #[error("the ledger is unavailable")]
    Unavailable(#[source] Cause),
    /// What is recorded cannot be what was written.
    #[error("the ledger is damaged: {0}")]
    Corrupt(&'static str),
    /// The key that something was encrypted with is not configured, or is another one.
    #[error("the key `{0}` does not open this")]
    Key(String),
    /// The configuration cannot be right.
    #[error("{0}")]
    Configuration(String),
    /// The database refused a statement.
    #[error("the ledger's database failed")]
    Database(#[source] Cause),
}

/// What the database said, without the values that it was given.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(pub(crate) String);

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The connection is gone.
    pub(crate) fn lost() -> Self {
        Self::Unavailable(Cause("the connection was lost".into()))
    }

    /// Whether the same call may succeed later, with nothing changed.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Busy | Self::Unavailable(_) => true,
            Self::NotFound(_)
            | Self::Refused(_)
            | Self::Fenced
            | Self::Corrupt(_)
            | Self::Key(_)
            | Self::Configuration(_)
            | Self::Database(_) => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        // Its text alone: what a database says beside it may repeat values.
        let cause = Cause(error.to_string());
        match error {
            sqlx::Error::Database(error) => match kind(error.as_ref()) {
                Said::Busy => Self::Busy,
                Said::Unavailable => Self::Unavailable(cause),
                Said::Unwritten => Self::Unavailable(Cause(format!("{}; its disk may be full", cause.0))),
                Said::Damaged => Self::Corrupt("the database's file"),
                Said::ReadOnly => Self::Configuration(
                    "the ledger's file cannot be written: it and its folder must be writable, for reading, too".into(),
                ),
                Said::Other => Self::Database(cause),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unavailable(cause),
            sqlx::Error::Configuration(_) => Self::Configuration(cause.0),
            _ => Self::Database(cause),
        }
    }
}

/// What a database's error code means here.
enum Said {
    Busy,
    Unavailable,
    /// SQLite says the same of a full disk as of a failing one.
    Unwritten,
    Damaged,
    ReadOnly,
    Other,
}

fn kind(error: &dyn sqlx::error::DatabaseError) -> Said {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // An extended result code: its low byte is the code itself. https://www.sqlite.org/rescode.html
        return match code.parse::<u32>().map(|code| code & 0xff) {
            Ok(5 | 6) => Said::Busy,
            Ok(8) => Said::ReadOnly,
            Ok(10 | 13) => Said::Unwritten,
            Ok(14) => Said::Unavailable,
            Ok(11 | 26) => Said::Damaged,
            _ => Said::Other,
        };
    }
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    match code.as_ref() {
        "40001" | "40P01" | "55P03" => Said::Busy,
        "53300" | "57P01" | "57P02" | "57P03" => Said::Unavailable,
        "XX001" | "XX002" => Said::Damaged,
        code if code.starts_with("08") || code.starts_with("53") => Said::Unavailable,
        _ => Said::Other,
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Executor as _, SqliteConnection};

    use super::*;

    #[tokio::test]
    async fn a_full_database_is_told_from_a_wrong_statement() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        database.execute("PRAGMA max_page_count = 2; CREATE TABLE t (x)").await.unwrap();
        let full = Error::from(database.execute("INSERT INTO t VALUES (zeroblob(100000))").await.unwrap_err());
        assert!(
            matches!(&full, Error::Unavailable(Cause(text)) if text.ends_with("; its disk may be full")),
            "{full:?}"
        );
        let wrong = Error::from(database.execute("INSERT INTO nowhere VALUES (1)").await.unwrap_err());
        assert!(matches!(wrong, Error::Database(_)), "{wrong:?}");
    }
}
