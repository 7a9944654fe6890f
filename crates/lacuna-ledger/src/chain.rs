//! The audit chain: who did what and when, each entry bound to the one before it.

use std::fmt;
use std::str::FromStr;

use futures::stream::BoxStream;
use time::OffsetDateTime;

use crate::{Actor, Error, Ledger, RequestId, Result};

/// The chain's newest entry: how many there are, and the hash over all of them. As text: `NUMBER:HEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The number of the newest entry; 0 when there is none.
    pub sequence: u64,
    /// Its SHA-256.
    pub hash: [u8; 32],
}

/// What a check of the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// Entries that were read.
    pub entries: u64,
    /// The head they lead to.
    pub head: ChainHead,
    /// The first place where it does not hold; sound, when there is none.
    pub broken: Option<Break>,
}

/// How a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// An entry was changed, or moved from elsewhere.
    #[error("entry {0} is not what was written")]
    Changed(u64),
    /// An entry is missing.
    #[error("entry {0} is missing")]
    Missing(u64),
    /// The chain ends before a head that it once had.
    #[error("the chain ends before entry {0}, which once was its head")]
    Cut(u64),
    /// An entry that once was the head has another hash now: the chain was written anew.
    #[error("entry {0} once was the head with another hash")]
    Rewritten(u64),
}

/// What of a request's result somebody saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its package.
    Package,
    /// Its receipt.
    Receipt,
    /// Its identifiers.
    Subject,
}

impl Ledger {
    /// The chain's head, as receipts carry it.
    pub async fn chain_head(&self) -> Result<ChainHead> {
        todo!()
    }

    /// Reads the whole chain and checks each entry, and that it leads through every head in `known` (those of receipts).
    pub async fn verify_chain(&self, known: &[ChainHead]) -> Result<ChainReport> {
        todo!()
    }

    /// The chain as NDJSON, one entry an item with its line's end, from the entry numbered `from` on.
    pub fn export_chain(&self, from: u64) -> BoxStream<'_, Result<String>> {
        todo!()
    }

    /// Records that somebody saw a request's result.
    pub async fn record_access(
        &self,
        request: RequestId,
        access: Access,
        actor: &Actor,
        now: OffsetDateTime,
    ) -> Result<()> {
        todo!()
    }
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.sequence)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ChainHead {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        todo!()
    }
}
