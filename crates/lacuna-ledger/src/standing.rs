//! Standing erasures: what arrives late, changes or is restored is erased, too.
//!
//! Each erasure that is complete has a sequence number. A shard's watermark is the highest one that was applied to it, under its ETag;
//! another ETag has none.

use time::OffsetDateTime;

use crate::{Hold, Ledger, RequestId, Result, Shard, Subject};

/// The number of a standing erasure; 0 is before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub i64);

/// An erasure that stands.
#[derive(Clone, Debug)]
pub struct StandingErasure {
    /// Its number.
    pub sequence: Sequence,
    /// The request.
    pub request: RequestId,
    /// The organisation it acts for.
    pub tenant: Option<String>,
    /// Whom it is about.
    pub subject: Subject,
    /// The sources it is about; all, when there is none.
    pub sources: Vec<String>,
    /// Until when it stands.
    pub until: OffsetDateTime,
    /// The holds that apply to it now.
    pub holds: Vec<Hold>,
}

impl Ledger {
    /// At most `limit` erasures that stand now, from the one after `after`, by number.
    pub async fn standing(&self, after: Sequence, limit: u32, now: OffsetDateTime) -> Result<Vec<StandingErasure>> {
        todo!()
    }

    /// The highest number given so far: what a sweep that starts now takes its shards to.
    pub async fn last_sequence(&self) -> Result<Sequence> {
        todo!()
    }

    /// For each of these shards of a source, the number up to which standing erasures were applied to this very version of it.
    pub async fn watermarks(&self, source: &str, shards: &[Shard]) -> Result<Vec<Sequence>> {
        todo!()
    }

    /// Says that all standing erasures up to `sequence` are applied to these versions of shards. A watermark never goes back under the
    /// same ETag.
    pub async fn advance_watermarks(&self, source: &str, shards: &[Shard], sequence: Sequence) -> Result<()> {
        todo!()
    }
}
