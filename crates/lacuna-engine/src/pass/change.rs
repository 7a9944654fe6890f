//! The erasure of what was found: which requests' rows go, which stay and why, and what came of each shard.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use lacuna_scan::{Matches, SelectorIndex};
use roaring::RoaringTreemap;

use super::Pass;
use super::gather::Searched;
use super::prepared::Prepared;
use crate::erase::journal;
use crate::erase::{Eraser, Erasure, Purged, Target};
use crate::outcome::{Blocked, Problem, RequestOutcome, Retained};
use crate::plan::claims::Claims;
use crate::plan::format::ShardFormat;
use crate::problem::{ShardError, chain};
use crate::purge::{Begun, LEFTOVERS};
use crate::read::search::Question;
use crate::receipt::statement;
use crate::receipt::{Receipt, ReceiptShard, ShardState, Share};
use crate::{Action, EraseMode, Error, OnErase, Phase, Request, Source, plan};

impl Pass<'_> {
    /// Erases what the requests that erase have matched, but for those that were stopped.
    pub(super) async fn erase(&self, searched: &mut [Searched], outcomes: &[RequestOutcome]) -> Result<(), Error> {
        for searched in searched.iter_mut() {
            searched.targets.iter_mut().for_each(|target| {
                target.matches.retain(|selector| outcomes[selector as usize].stopped.is_none());
            });
            searched.targets.retain(|target| !target.matches.is_empty());
        }
        if self.job.requests.iter().any(Request::changes) {
            self.remove_leftovers(searched).await;
            self.finish_begun(searched).await;
        }
        if searched.iter().all(|searched| searched.targets.is_empty()) {
            return Ok(());
        }
        if let Err(error) = self.begin(searched, outcomes).await {
            for searched in searched {
                for target in std::mem::take(&mut searched.targets) {
                    searched
                        .block(&target, ShardError::Refused(format!("what is begun cannot be written down: {error}")));
                }
            }
            return Ok(());
        }
        self.reporter.enter(Phase::Erase);
        let goes_on = |index: usize| {
            let request = &self.job.requests[index];
            request.changes() && request.held.is_none() && outcomes[index].stopped.is_none()
        };
        let claims = Claims::new(self.job.sources.iter().chain(&self.job.others))?;
        let mut replaced = Replaced::default();
        for (prepared, searched) in self.sources.iter().zip(searched) {
            if searched.targets.is_empty() {
                continue;
            }
            let targets = self.set_apart(prepared, searched);
            let mut known = HashMap::new();
            let mut work = Vec::new();
            for target in targets {
                match self.obstacle(&claims, prepared.source, &target, &mut known).await {
                    None => work.push(target),
                    Some(why) => searched.block(&target, why),
                }
            }
            let question = prepared.erasing(self.engine, self.job, goes_on)?;
            let erasures = work.into_iter().map(|target| self.erase_shard(prepared, &question, target));
            let mut erasures = futures::stream::iter(erasures).buffered(self.engine.shop.threads);
            while let Some((target, erasure)) = erasures.next().await {
                let (shard, matched) = (target.info.path.as_str(), target.matches.rows().len());
                match &erasure {
                    Ok(Erasure::Hidden(_)) => tracing::debug!(shard, matched, "hidden"),
                    Ok(Erasure::Purged(_)) => tracing::debug!(shard, matched, "rewritten"),
                    Ok(Erasure::NothingLeft) => tracing::debug!(shard, matched, "found without the rows"),
                    Err(_) => tracing::debug!(shard, matched, "left as it is"),
                }
                searched.note(&target, erasure, &self.job.requests, &mut replaced);
            }
            let crate::SourceOutcome { source, hidden, erased, problems, .. } = &searched.outcome;
            tracing::info!(source, hidden, erased, problems = problems.len(), "changed");
        }
        Ok(())
    }

    /// Says what an erasure that is only tried would meet.
    pub(super) async fn rehearse(&self, searched: &mut [Searched]) -> Result<(), Error> {
        if searched.iter().all(|searched| searched.tried.is_empty()) {
            return Ok(());
        }
        let claims = Claims::new(self.job.sources.iter().chain(&self.job.others))?;
        for (prepared, searched) in self.sources.iter().zip(searched) {
            let tried = std::mem::take(&mut searched.tried);
            if matches!(prepared.source.on_erase, OnErase::Keep { .. }) {
                continue;
            }
            let mut known = HashMap::new();
            for target in tried {
                if let Some(why) = self.obstacle(&claims, prepared.source, &target, &mut known).await {
                    searched.outcome.problems.push(why.into_problem(target.info.path.as_str()));
                    target.matches.iter().for_each(|(selector, _)| searched.blocked[selector as usize] = true);
                }
            }
        }
        Ok(())
    }

    /// Removes what killed runs left half written; what cannot be removed leaves all requests incomplete.
    async fn remove_leftovers(&self, searched: &mut [Searched]) {
        if let Err(error) = self.engine.shop.remove_leftovers(self.engine.settings.store.as_ref()).await {
            searched[0].leave(LEFTOVERS, chain(&error), &self.job.requests, None);
        }
    }

    /// Finishes what earlier runs began, whose rows no search finds any more. What cannot be finished leaves its requests incomplete.
    async fn finish_begun(&self, searched: &mut [Searched]) {
        let requests = &self.job.requests;
        let begun = match self.engine.finish_begun(&self.job.sources, self.reporter, self.cancel).await {
            Ok(begun) => begun,
            Err(error) => return searched[0].leave("what earlier runs began", chain(&error), requests, None),
        };
        for begun in begun {
            match begun {
                Begun::Finished(at, purged) => searched[at].purged(*purged, requests),
                Begun::Left { record, error, requests: named } => {
                    searched[0].leave(&record, chain(&error), requests, named.as_deref());
                }
            }
        }
    }

    /// Notes what stays, as its source or a hold on its subject says, and answers with what goes.
    fn set_apart(&self, prepared: &Prepared<'_>, searched: &mut Searched) -> Vec<Target> {
        let targets = std::mem::take(&mut searched.targets);
        if let OnErase::Keep { reason } = &prepared.source.on_erase {
            targets.iter().for_each(|target| searched.keep(target, reason));
            return Vec::new();
        }
        let mut left = Vec::new();
        for mut target in targets {
            let held: Vec<(SelectorIndex, &str)> = (target.matches.iter())
                .filter_map(|(selector, _)| Some((selector, self.job.requests[selector as usize].held.as_deref()?)))
                .collect();
            for (held, reason) in held {
                let mut own = target.clone();
                own.matches.retain(|selector| selector == held);
                searched.keep(&own, reason);
            }
            target.matches.retain(|selector| self.job.requests[selector as usize].held.is_none());
            if !target.matches.is_empty() {
                left.push(target);
            }
        }
        left
    }

    /// Writes down which requests erase, so that whoever purges what a killed run hid knows for whom.
    async fn begin(&self, searched: &[Searched], outcomes: &[RequestOutcome]) -> Result<(), ShardError> {
        let Some(key) = &self.engine.settings.signing_key else { return Ok(()) };
        let store = self.engine.settings.store.as_ref();
        let requests = self.job.requests.iter().enumerate();
        for (index, request) in
            requests.filter(|(index, request)| request.changes() && outcomes[*index].stopped.is_none())
        {
            let path = journal::request_path(request.id.as_str());
            let mut receipt = self.statement.receipt(request, false, &self.sources_of(index, searched), key);
            let there = journal::read::<Receipt>(store, &path).await?;
            if there.as_ref().is_some_and(|there| !there.record.is_of(&request.selector, key)) {
                return Err(ShardError::Refused(statement::anothers(&request.id)));
            }
            // A ledger's request stays one, whoever runs it again.
            let known = there.as_ref().and_then(|there| there.record.chain_head.clone());
            receipt.chain_head = receipt.chain_head.or(known);
            let written = journal::write(store, &path, &receipt, there.as_ref().map(|kept| &kept.info)).await;
            written.map_err(ShardError::Store)?;
        }
        Ok(())
    }

    async fn erase_shard(
        &self,
        prepared: &Prepared<'_>,
        question: &Question,
        target: Target,
    ) -> (Target, Result<Erasure, ShardError>) {
        if self.cancel.is_cancelled() {
            return (target, Err(ShardError::Cancelled));
        }
        let is_now = |selector: SelectorIndex| {
            matches!(self.job.requests[selector as usize].action, Action::Erase(EraseMode::Now))
        };
        let now = target.matches.iter().any(|(selector, _)| is_now(selector));
        let eraser = Eraser {
            shop: &self.engine.shop,
            store: &self.engine.settings.store,
            source: prepared.source,
            question,
            requests: &self.job.requests,
            holds: &self.engine.settings.holds,
        };
        let erasure = eraser.erase(target.clone(), now, self.cancel).await;
        (target, erasure)
    }

    /// Why a shard may not change, whatever it holds: another source would do something else, or [`plan::obstacle`], which is looked for
    /// once for each folder and format.
    async fn obstacle(
        &self,
        claims: &Claims,
        source: &Source,
        target: &Target,
        known: &mut HashMap<(String, bool), Option<String>>,
    ) -> Option<ShardError> {
        let path = target.info.path.as_str();
        if let Some(why) = claims.dispute(source, path) {
            return Some(ShardError::Refused(why));
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let key = (folder, matches!(target.format, ShardFormat::Parquet));
        if let Some(why) = known.get(&key) {
            return why.clone().map(ShardError::Refused);
        }
        match plan::obstacle(self.engine.settings.store.as_ref(), path, &target.format).await {
            Ok(why) => known.entry(key).or_insert(why).clone().map(ShardError::Refused),
            Err(error) => Some(ShardError::Store(error)),
        }
    }
}

/// What this job has put in the place of shards so far, and whether old bytes of them are left: other sources may name the same shards.
#[derive(Default)]
struct Replaced(HashMap<String, Vec<(Arc<ReceiptShard>, bool)>>);

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
    /// Notes a shard that stays as it is.
    fn keep(&mut self, target: &Target, reason: &str) {
        let rows = target.matches.rows().len();
        self.outcome.kept.push(Blocked { shard: target.info.path.to_string(), rows, reason: reason.to_owned() });
        self.stays(target, Some(reason), ShardState::Kept);
    }

    /// Notes a shard that could not be changed.
    fn block(&mut self, target: &Target, error: ShardError) {
        self.outcome.conflicts += u64::from(error.is_conflict());
        self.outcome.residues += u64::from(matches!(error, ShardError::Residue { .. }));
        let problem = error.into_problem(target.info.path.as_str());
        self.stays(target, Some(&problem.reason), ShardState::Blocked);
        self.outcome.problems.push(problem);
        target.matches.iter().for_each(|(selector, _)| self.blocked[selector as usize] = true);
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
    fn leave(&mut self, what: &str, reason: String, requests: &[Request], named: Option<&[String]>) {
        self.outcome.problems.push(Problem { shard: what.to_owned(), reason });
        for (index, request) in requests.iter().enumerate() {
            let is_named = named.is_none_or(|named| named.iter().any(|name| name == request.id.as_str()));
            self.blocked[index] |= request.changes() && is_named;
        }
    }

    /// Notes a shard whose rows are out of the bytes.
    fn purged(&mut self, purged: Purged, requests: &[Request]) {
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
    fn note(
        &mut self,
        target: &Target,
        erasure: Result<Erasure, ShardError>,
        requests: &[Request],
        replaced: &mut Replaced,
    ) {
        match erasure {
            Ok(Erasure::Hidden(hidden)) => {
                if hidden.info.etag != target.info.etag {
                    self.went_along(target, &hidden.matches, replaced);
                }
                self.outcome.hidden += hidden.matches.rows().len();
                self.stays(&hidden, None, ShardState::Hidden);
            }
            Ok(Erasure::Purged(purged)) => {
                if purged.tombstone.version().etag != target.info.etag.as_str() {
                    self.went_along(target, &own_rows(&purged, requests), replaced);
                }
                replaced.add(&purged);
                self.outcome.replaced.insert(target.info.path.to_string(), purged.etag_after.clone());
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
