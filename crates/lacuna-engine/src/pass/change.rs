//! The erasure of what was found: which requests' rows go, and which stay and why.

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use lacuna_scan::SelectorIndex;

use super::Pass;
use super::asked::Asked;
use super::gather::Searched;
use super::noted::Replaced;
use super::prepared::Prepared;
use crate::abreast::side_by_side;
use crate::erase::{Erased, Eraser, Erasure, Target, journal};
use crate::outcome::RequestOutcome;
use crate::plan::Obstacles;
use crate::plan::claims::Claims;
use crate::problem::{ShardError, chain};
use crate::purge::{Begun, LEFTOVERS};
use crate::receipt::{Receipt, statement};
use crate::{Action, EraseMode, Error, OnErase, Phase, Request, Source};

impl Pass<'_> {
    /// Erases what the requests that erase have matched, but for those that were stopped.
    pub(super) async fn erase(&self, searched: &mut [Searched], outcomes: &[RequestOutcome]) -> Result<(), Error> {
        let requests = &self.job.requests;
        let goes_on = |index: usize| outcomes[index].stopped.is_none();
        searched.iter_mut().for_each(|searched| searched.retain_targets(goes_on));
        if requests.iter().any(Request::changes) {
            self.remove_leftovers(searched).await;
            self.finish_begun(searched).await;
        }
        if searched.iter().all(|searched| searched.targets.is_empty()) {
            return Ok(());
        }
        if let Err(error) = self.begin(searched, outcomes).await {
            let why = format!("what is begun cannot be written down: {}", chain(&error));
            searched.iter_mut().for_each(|searched| searched.block_all(&why));
            return Ok(());
        }
        self.reporter.enter(Phase::Erase);
        let erases = |index: usize| {
            let request = &requests[index];
            request.changes() && request.held.is_none() && goes_on(index)
        };
        let claims = Claims::new(self.job.sources.iter().chain(&self.job.others))?;
        let mut replaced = Replaced::default();
        for (prepared, searched) in
            self.sources.iter().zip(searched).filter(|(_, searched)| !searched.targets.is_empty())
        {
            let asked = prepared.erasing(self.engine, self.job, erases)?;
            self.erase_from(prepared, &asked, searched, &claims, &mut replaced).await;
        }
        Ok(())
    }

    /// Erases what was found in one source, but for what stays there.
    async fn erase_from(
        &self,
        prepared: &Prepared<'_>,
        asked: &Asked<'_>,
        searched: &mut Searched,
        claims: &Claims,
        replaced: &mut Replaced,
    ) {
        let known = Obstacles::default();
        let mut work = Vec::new();
        for target in self.set_apart(prepared, searched) {
            match self.obstacle(claims, prepared.source, &target, &known).await {
                None => work.push(target),
                Some(why) => searched.block(&target, why),
            }
        }
        let erasures = work.into_iter().map(|target| self.erase_shard(prepared, asked, target));
        let mut erasures = futures::stream::iter(erasures).buffered(self.engine.shop.threads);
        while let Some((target, Erased { erasure, told })) = erasures.next().await {
            let came = match &erasure {
                Ok(Erasure::Hidden(..)) => "hidden",
                Ok(Erasure::Purged(_)) => "rewritten",
                Ok(Erasure::NothingLeft) => "found without the rows",
                Err(_) => "left as it is",
            };
            tracing::debug!(shard = target.info.path.as_str(), matched = target.matches.rows().len(), "{came}");
            searched.note(&target, erasure, &self.job.requests, replaced);
            told.into_iter().for_each(|reason| searched.tell(&target, reason));
        }
        let crate::SourceOutcome { source, hidden, erased, problems, .. } = &searched.outcome;
        tracing::info!(source, hidden, erased, problems = problems.len(), "changed");
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
            let known = Obstacles::default();
            for target in tried {
                if let Some(why) = self.obstacle(&claims, prepared.source, &target, &known).await {
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
        let begin = async |index: usize, request: &Request| {
            let path = journal::request_path(request.id.as_str());
            let mut receipt = self.statement.receipt(
                index,
                request,
                false,
                &self.sources_of(index, searched),
                &self.excluded_of(index),
                key,
            );
            let there = journal::read::<Receipt>(store, &path).await?;
            if there.as_ref().is_some_and(|there| !there.record.is_of(&request.selector, key)) {
                return Err(ShardError::Refused(statement::anothers(&request.id)));
            }
            // A ledger's request stays one, whoever runs it again.
            let known = there.as_ref().and_then(|there| there.record.chain_head.clone());
            receipt.chain_head = receipt.chain_head.or(known);
            let written = journal::write(store, &path, &receipt, there.as_ref().map(|kept| &kept.info)).await;
            written.map(drop).map_err(ShardError::Store)
        };
        let changing = self.job.requests.iter().enumerate();
        let changing = changing.filter(|(index, request)| request.changes() && outcomes[*index].stopped.is_none());
        side_by_side(changing.map(|(index, request)| begin(index, request).boxed()))
            .try_for_each(async |()| Ok(()))
            .await
    }

    async fn erase_shard(&self, prepared: &Prepared<'_>, asked: &Asked<'_>, target: Target) -> (Target, Erased) {
        let missed = |error| Erased { erasure: Err(error), told: Vec::new() };
        if self.cancel.is_cancelled() {
            return (target, missed(ShardError::Cancelled));
        }
        let is_now = |selector: SelectorIndex| {
            matches!(self.job.requests[selector as usize].action, Action::Erase(EraseMode::Now))
        };
        let now = target.matches.iter().any(|(selector, _)| is_now(selector));
        let question = match asked.of(target.info.path.as_str()) {
            Ok(question) => question,
            Err(error) => return (target, missed(error)),
        };
        let eraser = Eraser {
            shop: &self.engine.shop,
            store: &self.engine.settings.store,
            source: prepared.source,
            question: &question,
            requests: &self.job.requests,
            holds: &self.engine.settings.holds,
        };
        let erased = eraser.erase(target.clone(), now, self.cancel).await;
        (target, erased)
    }

    /// Why a shard may not change, whatever it holds: another source would do something else, or one of the [`Obstacles`] is there.
    async fn obstacle(
        &self,
        claims: &Claims,
        source: &Source,
        target: &Target,
        known: &Obstacles,
    ) -> Option<ShardError> {
        let path = target.info.path.as_str();
        if let Some(why) = claims.dispute(source, path) {
            return Some(ShardError::Refused(why));
        }
        match known.of(self.engine.settings.store.as_ref(), path, &target.format).await {
            Ok(why) => why.map(ShardError::Refused),
            Err(error) => Some(ShardError::Store(error)),
        }
    }
}
