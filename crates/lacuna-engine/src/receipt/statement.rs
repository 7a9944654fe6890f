//! Makes receipts of what a run did, and signs them.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use lacuna_scan::Selector;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{RECEIPT_TYPE, RECEIPT_VERSION, Receipt, ReceiptExcluded, ReceiptProblem, ReceiptSource, Share, seal};
use crate::engine::TOOL;
use crate::pass::Searched;
use crate::{OnErase, Request, RequestId, Source};

/// When the run began and ended.
#[derive(Debug)]
pub(crate) struct Statement {
    started: OffsetDateTime,
    finished: OffsetDateTime,
}

impl Statement {
    pub(crate) fn begin() -> Self {
        let now = OffsetDateTime::now_utc();
        Self { started: now, finished: now }
    }

    pub(crate) fn end(&mut self) {
        self.finished = OffsetDateTime::now_utc();
    }

    /// The receipt of the job's request `index`, of the sources that were searched for it and of those that were not.
    pub(crate) fn receipt(
        &self,
        index: usize,
        request: &Request,
        complete: bool,
        sources: &[(&Source, &Searched)],
        excluded: &[&Source],
        key: &SigningKey,
    ) -> Receipt {
        let mut kinds: Vec<String> =
            request.selector.identifiers.iter().map(|identifier| identifier.kind.to_string()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Receipt {
            version: RECEIPT_VERSION,
            request: request.id.to_string(),
            tenant: request.selector.tenant.clone(),
            subject: seal::subject_hash(key, &request.selector.identifiers),
            identifier_kinds: kinds,
            started: rfc3339(self.started),
            finished: rfc3339(self.finished),
            tool: TOOL.into(),
            complete,
            chain_head: request.chain_head.clone(),
            sources: sources
                .iter()
                .map(|(source, searched)| ReceiptSource {
                    source: source.name.clone(),
                    on_erase: on_erase(&source.on_erase).into(),
                    shards_searched: searched.shards_searched,
                    shards: searched.receipts[index].iter().map(Share::own).collect(),
                    problems: searched
                        .outcome
                        .problems
                        .iter()
                        .map(|problem| ReceiptProblem { shard: problem.shard.clone(), reason: problem.reason.clone() })
                        .collect(),
                })
                .collect(),
            excluded: excluded
                .iter()
                .map(|source| ReceiptExcluded { source: source.name.clone(), reason: request.why_passed_over(source) })
                .collect(),
        }
    }
}

impl Receipt {
    /// Takes over when the erasure began; a clock that was set back since makes no end that comes before it.
    pub(super) fn began_with(&mut self, earlier: &Self) {
        let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
        if time(&earlier.started) < time(&self.started) {
            self.started.clone_from(&earlier.started);
        }
        if time(&self.finished) < time(&earlier.finished) {
            self.finished.clone_from(&earlier.finished);
        }
    }

    /// Whether it, or the record of what was begun, is of this person, in this tenant, as whoever has the key that signed it can tell. One
    /// that knows no person is of whoever asks.
    pub fn is_of(&self, selector: &Selector, key: &SigningKey) -> bool {
        let subject = || seal::subject_hash(key, &selector.identifiers);
        self.subject.is_empty() || (self.tenant == selector.tenant && self.subject == subject())
    }
}

/// What is said to whoever gives an id that another erasure has.
pub(crate) fn anothers(id: &RequestId) -> String {
    format!(
        "{id} is the id of another erasure: of other identifiers, or in another tenant. Give the ones that it began with, or another id"
    )
}

/// Signs a receipt.
pub(crate) fn sign(receipt: &Receipt, key: &SigningKey) -> String {
    // Plain structs of strings and numbers always serialise.
    seal::sign(key, RECEIPT_TYPE, &serde_json::to_vec(receipt).unwrap_or_default())
}

/// Whether so many days after `started`, in RFC 3339, are over `within` this time. What is no time is due.
pub(crate) fn is_due(started: &str, days: i64, within: Duration) -> bool {
    let due = OffsetDateTime::parse(started, &Rfc3339).map(|started| started + time::Duration::days(days));
    due.map_or(true, |due| due <= OffsetDateTime::now_utc() + within)
}

pub(super) fn on_erase(on_erase: &OnErase) -> &'static str {
    match on_erase {
        OnErase::Delete => "delete",
        OnErase::Anonymize => "anonymize",
        OnErase::Keep { .. } => "keep",
    }
}

pub(super) fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}
