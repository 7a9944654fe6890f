//! What statements answer.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};
use time::OffsetDateTime;

use crate::{Error, Result};

/// A row of an answer; columns go by their names.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    fn get<'r, T>(&'r self, column: &str) -> Result<T>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64> {
        self.get(column)
    }

    pub(crate) fn maybe_int(&self, column: &str) -> Result<Option<i64>> {
        self.get(column)
    }

    pub(crate) fn count(&self, column: &str) -> Result<u64> {
        u64::try_from(self.int(column)?).map_err(|_| Error::Corrupt("a count below zero"))
    }

    pub(crate) fn text(&self, column: &str) -> Result<&str> {
        self.get(column)
    }

    pub(crate) fn string(&self, column: &str) -> Result<String> {
        self.get(column)
    }

    pub(crate) fn maybe_string(&self, column: &str) -> Result<Option<String>> {
        self.get(column)
    }

    pub(crate) fn bytes(&self, column: &str) -> Result<&[u8]> {
        self.get(column)
    }

    pub(crate) fn time(&self, column: &str) -> Result<OffsetDateTime> {
        instant(self.int(column)?)
    }

    pub(crate) fn maybe_time(&self, column: &str) -> Result<Option<OffsetDateTime>> {
        self.maybe_int(column)?.map(instant).transpose()
    }

    /// The id of a request.
    pub(crate) fn id(&self, column: &str) -> Result<crate::RequestId> {
        self.text(column)?.parse().map_err(|_| Error::Corrupt("a request's id"))
    }

    /// What was written as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|_| Error::Corrupt("a column of JSON"))).transpose()
    }
}

/// The time that many microseconds after 1970, in UTC.
fn instant(micros: i64) -> Result<OffsetDateTime> {
    let nanos = i128::from(micros) * 1000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| Error::Corrupt("a time"))
}
