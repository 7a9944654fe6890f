//! The person whom a request is about.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Secret;

/// One `kind=value` of a person. The value never prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// What sort of identifier it is.
    pub kind: String,
    /// The value, exactly as it was given; an empty one is an identifier too.
    pub value: Secret,
}

impl Identifier {
    /// An identifier of `kind`.
    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self { kind: kind.into(), value: Secret::new(value) }
    }
}

/// A person, as the identifiers that are searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// A row is the person's when any of them matches.
    pub identifiers: Vec<Identifier>,
}

impl Subject {
    /// The person whom these identify.
    pub fn new(identifiers: impl IntoIterator<Item = Identifier>) -> Self {
        Self { identifiers: identifiers.into_iter().collect() }
    }
}

/// How identifiers are written before they are encrypted.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    kind: &'a str,
    value: &'a str,
}
