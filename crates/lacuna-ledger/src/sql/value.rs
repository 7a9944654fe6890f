//! What statements are given.

use sqlx::{Arguments as _, Database, Encode, Error as SqlError, Type};
use time::OffsetDateTime;

use crate::Result;
use crate::error::Cause;

/// A parameter of a statement.
#[derive(Clone)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// The parameters of a statement, in their order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Value::from($value)),*] };
}
pub(crate) use args;

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(Some(value.into()))
    }
}

/// Counts beyond what a database says are cut: there are none.
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<OffsetDateTime> for Value {
    fn from(time: OffsetDateTime) -> Self {
        Self::Int(Some(micros(time)))
    }
}

impl From<Option<OffsetDateTime>> for Value {
    fn from(time: Option<OffsetDateTime>) -> Self {
        Self::Int(time.map(micros))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Some(bytes.to_vec()))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<crate::RequestId> for Value {
    fn from(id: crate::RequestId) -> Self {
        Self::Text(Some(id.to_string()))
    }
}

impl From<crate::PassId> for Value {
    fn from(id: crate::PassId) -> Self {
        Self::Int(Some(id.0))
    }
}

/// Microseconds since 1970.
pub(crate) fn micros(time: OffsetDateTime) -> i64 {
    let micros = time.unix_timestamp_nanos().div_euclid(1000);
    // Every time that the type can say is within.
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// The values as a database takes them.
pub(super) fn arguments<D: Database>(values: Vec<Value>) -> Result<D::Arguments>
where
    Option<i64>: Encode<'static, D> + Type<D>,
    Option<String>: Encode<'static, D> + Type<D>,
    Option<Vec<u8>>: Encode<'static, D> + Type<D>,
{
    let mut arguments = D::Arguments::default();
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
        }
        .map_err(unfit)?;
    }
    Ok(arguments)
}

/// A value that a database cannot take; what it is stays unsaid.
fn unfit(_: Box<dyn std::error::Error + Send + Sync>) -> crate::Error {
    crate::Error::Database(Cause(SqlError::InvalidArgument("a parameter cannot be written".into()).to_string()))
}
