//! The keys of a ledger: identifiers are encrypted with one, and hashed with another.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// An identifier's text. Prints as `***` and is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: every call is a place to check for leaks.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The keys of a ledger. They never print.
#[derive(Clone)]
pub struct Keys {
    current: String,
    sealing: BTreeMap<String, Zeroizing<[u8; 32]>>,
    hashing: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Keys {
    /// Identifiers are encrypted with `key`, which the ledger knows as `id` (a short name or a reference to a vault, kept in the
    /// clear); their hashes are keyed with `hashing`, which must stay the same for the life of the ledger.
    pub fn new(id: impl Into<String>, key: [u8; 32], hashing: [u8; 32]) -> Self {
        let current = id.into();
        let sealing = BTreeMap::from([(current.clone(), Zeroizing::new(key))]);
        Self { current, sealing, hashing: Zeroizing::new(hashing) }
    }

    /// An older key, for what was encrypted with it.
    #[must_use]
    pub fn with_older(mut self, id: impl Into<String>, key: [u8; 32]) -> Self {
        self.sealing.entry(id.into()).or_insert(Zeroizing::new(key));
        self
    }
}
