//! What came of each shard, noted for the requests that had rows in it.

use std::collections::HashMap;
use std::sync::Arc;

use lacuna_scan::Matches;
use lacuna_store::Etag;
use roaring::RoaringTreemap;

use super::gather::Searched;
use crate::Request;
use crate::erase::{Erasure, Purged, Target};
use crate::outcome::{KeptShard, Problem, Retained, Versions};
use crate::problem::ShardError;
use crate::receipt::{ReceiptShard, ShardState, Share};

/// What this job has put in the place of shards so far, and whether old bytes of them are left: other sources may name the same shards.
#[derive(Default)]
pub(super) struct Replaced(HashMap<String, Vec<(Arc<ReceiptShard>, bool)>>);

impl Replaced {
    fn add(&mut self, purged: &Purged) {
        let line = Arc::new(purged.line());
        let has_problem = Problem::of_copies(&line.shard, &purged.old).is_some();
        self.0.entry(line.shard.clone()).or_default().push((line, has_problem));
    }

    /// What came of the version of a shard that was searched.
    fn of(&self, target: &Target) -> Option<&(Arc<ReceiptShard>, bool)> {
        let (shard, etag) = (target.info.path.as_str(), target.info.etag.as_str());
        self.0.get(shard)?.iter().find(|(line, _)| line.is_of(shard, etag))
    }
}

/// The rows of a job's own erasures that a purge took out of the bytes.
fn own_rows(purged: &Purged, requests: &[Request]) -> Matches {
    let hidden: HashMap<&str, &RoaringTreemap> = purged.tombstone.requests().collect();
    let mut own = Matches::default();
    for (selector, request) in (0..).zip(requests).filter(|(_, request)| request.changes()) {
        if let Some(rows) = hidden.get(request.id.as_str()) {
            own.put(selector, (*rows).clone());
        }
    }
    own
}

impl Searched {
    /// Forgets what was found for requests that do not go on.
    pub(super) fn retain_targets(&mut self, goes_on: impl Fn(usize) -> bool) {
        self.targets.iter_mut().for_each(|target| target.matches.retain(|selector| goes_on(selector as usize)));
        self.targets.retain(|target| !target.matches.is_empty());
    }

    /// Notes a shard that stays as it is.
    pub(super) fn keep(&mut self, target: &Target, reason: &str) {
        let rows = target.matches.rows().len();
        self.outcome.kept.push(KeptShard { shard: target.info.path.to_string(), rows, reason: reason.to_owned() });
        self.stays(target, Some(reason), ShardState::Kept);
    }

    /// Notes a shard that could not be changed.
    pub(super) fn block(&mut self, target: &Target, error: ShardError) {
        let reason = self.fail(target, error);
        self.stays(target, Some(&reason), ShardState::Blocked);
    }

    /// Notes what went wrong with a shard; why it did.
    fn fail(&mut self, target: &Target, error: ShardError) -> String {
        self.outcome.conflicts += u64::from(error.is_conflict());
        self.outcome.residues += u64::from(matches!(error, ShardError::Residue { .. }));
        let problem = error.into_problem(target.info.path.as_str());
        let reason = problem.reason.clone();
        self.outcome.problems.push(problem);
        target.matches.iter().for_each(|(selector, _)| self.blocked[selector as usize] = true);
        reason
    }

    /// Notes what the version of a shard told that came while its rows were erased.
    pub(super) fn tell(&mut self, target: &Target, reason: String) {
        self.outcome.problems.push(Problem { shard: target.info.path.to_string(), reason });
        target.matches.iter().for_each(|(selector, _)| self.blocked[selector as usize] = true);
    }

    /// Notes that no shard could be changed.
    pub(super) fn block_all(&mut self, why: &str) {
        for target in std::mem::take(&mut self.targets) {
            self.block(&target, ShardError::Refused(why.to_owned()));
        }
    }

    /// Notes a shard whose bytes are as they were.
    fn stays(&mut self, target: &Target, reason: Option<&str>, state: ShardState) {
        let (shard, etag) = (target.info.path.as_str(), target.info.etag.as_str());
        let line = Arc::new(ReceiptShard::unchanged(shard, etag, target.rows, state, reason));
        for (selector, rows) in target.matches.iter() {
            self.receipts[selector as usize].push(Share { line: line.clone(), matched: rows.len() });
        }
    }

    /// Notes what could not be finished, for the requests that are `named`, or all.
    pub(super) fn leave(&mut self, what: &str, reason: String, requests: &[Request], named: Option<&[String]>) {
        self.outcome.problems.push(Problem { shard: what.to_owned(), reason });
        for (index, request) in requests.iter().enumerate() {
            let is_named = named.is_none_or(|named| named.iter().any(|name| name == request.id.as_str()));
            self.blocked[index] |= request.changes() && is_named;
        }
    }

    /// Notes a shard whose rows are out of the bytes.
    pub(super) fn purged(&mut self, purged: Purged, requests: &[Request]) {
        let shard = purged.tombstone.version().shard.clone();
        let problem = Problem::of_copies(&shard, &purged.old);
        let (line, own) = (Arc::new(purged.line()), own_rows(&purged, requests));
        for (selector, rows) in own.iter() {
            self.receipts[selector as usize].push(Share { line: line.clone(), matched: rows.len() });
            self.blocked[selector as usize] |= problem.is_some();
        }
        self.outcome.erased += own.rows().len();
        self.outcome.problems.extend(problem);
        self.outcome.retained.extend(Retained::of_copies(&shard, &purged.old));
        self.purged.push(purged);
    }

    /// Notes rows of `target` that went with those of another source, which names the shard, too, and `left` the others in a version that
    /// was searched anew.
    fn went_along(&mut self, target: &Target, left: &Matches, replaced: &Replaced) -> bool {
        let Some((line, has_problem)) = replaced.of(target) else { return false };
        for (selector, rows) in target.matches.iter() {
            let matched = rows.len().saturating_sub(left.count(selector));
            if matched > 0 {
                self.receipts[selector as usize].push(Share { line: line.clone(), matched });
                self.blocked[selector as usize] |= has_problem;
            }
        }
        self.outcome.erased += target.matches.rows().len().saturating_sub(left.rows().len());
        true
    }

    /// Notes what the erasure of a shard came to.
    pub(super) fn note(
        &mut self,
        target: &Target,
        erasure: Result<Erasure, ShardError>,
        requests: &[Request],
        replaced: &mut Replaced,
    ) {
        match erasure {
            Ok(Erasure::Hidden(hidden, missed)) => {
                if hidden.info.etag != target.info.etag {
                    self.went_along(target, &hidden.matches, replaced);
                }
                self.outcome.hidden += hidden.matches.rows().len();
                let why = missed.map(|error| self.fail(target, error));
                self.stays(&hidden, why.as_deref(), ShardState::Hidden);
            }
            Ok(Erasure::Purged(purged)) => {
                if purged.tombstone.version().etag != target.info.etag.as_str() {
                    self.went_along(target, &own_rows(&purged, requests), replaced);
                }
                replaced.add(&purged);
                let before = Etag::new(&purged.tombstone.version().etag);
                let versions = Versions { before, after: purged.etag_after.clone() };
                self.outcome.replaced.insert(target.info.path.to_string(), versions);
                self.purged(*purged, requests);
            }
            Ok(Erasure::NothingLeft) if self.went_along(target, &Matches::default(), replaced) => {}
            Err(ShardError::Removed) if self.went_along(target, &Matches::default(), replaced) => {}
            Ok(Erasure::NothingLeft) => {
                let why = "another writer replaced it, and its new version holds none of the rows";
                let mut target = target.clone();
                // What an earlier run began in it, and this one finished, is told already.
                let (shard, etag, receipts) = (target.info.path.as_str(), target.info.etag.as_str(), &self.receipts);
                let is_told = |share: &Share| share.line.is_of(shard, etag);
                target.matches.retain(|selector| !receipts[selector as usize].iter().any(is_told));
                self.stays(&target, Some(why), ShardState::Verified);
            }
            Err(ShardError::Cancelled) => {}
            Err(error) => self.block(target, error),
        }
    }
}
