//! Receipts of what a job did, and what other requests are told whose rows went with it.

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::Pass;
use super::gather::Searched;
use crate::abreast::side_by_side;
use crate::engine::location;
use crate::erase::journal;
use crate::outcome::RequestOutcome;
use crate::purge::settle::Settlement;
use crate::receipt::Receipt;
use crate::receipt::statement;
use crate::receipt::stored::{self, Unwritten};
use crate::{Error, Request, Source, commit};

impl Pass<'_> {
    /// Refuses ids that erasures of somebody else had: their rows would be told of in one receipt. A dry run refuses them, too, where it has
    /// the key that tells whose they are. An id that cannot be looked up is left to whoever writes the receipt.
    pub(super) async fn check_ids(&self) -> Result<(), Error> {
        let (store, Some(key)) = (self.engine.settings.store.as_ref(), &self.engine.settings.signing_key) else {
            return Ok(());
        };
        let check = async |request: &Request| {
            let known = stored::newest(store, key, request.id.as_str()).await;
            match known.is_ok_and(|known| known.is_some_and(|(_, known)| !known.is_of(&request.selector, key))) {
                true => Err(statement::anothers(&request.id)),
                false => Ok(()),
            }
        };
        let checks = self.job.requests.iter().filter(|request| request.erases()).map(|request| check(request).boxed());
        side_by_side(checks).try_for_each(async |()| Ok(())).await.map_err(Error::Configuration)
    }

    pub(super) async fn write_receipts(
        &self,
        searched: &mut [Searched],
        interrupted: bool,
        outcomes: &mut [RequestOutcome],
    ) {
        let Some(key) = &self.engine.settings.signing_key else { return };
        let store = self.engine.settings.store.as_ref();
        // A run that was stopped before its erasures began has nothing to state.
        let begun = |index: usize| searched.iter().any(|searched| !searched.receipts[index].is_empty());
        let states = |&(index, request): &(usize, &Request)| {
            request.changes() && outcomes[index].stopped.is_none() && (!interrupted || begun(index))
        };
        let stating = self.job.requests.iter().enumerate().filter(states);
        let stating: Vec<_> = stating.map(|(index, _)| (index, outcomes[index].complete)).collect();
        let (told, mut problems) = (&*searched, Vec::new());
        let write = |(index, complete): (usize, bool)| {
            let written = async move {
                let (request, sources) = (&self.job.requests[index], self.sources_of(index, told));
                let receipt = self.statement.receipt(index, request, complete, &sources, &self.excluded_of(index), key);
                (index, stored::write(store, key, &receipt, self.is_partial).await)
            };
            written.boxed()
        };
        let mut written = side_by_side(stating.into_iter().map(write)).boxed();
        while let Some((index, written)) = written.next().await {
            match written {
                Ok((path, receipt)) => outcomes[index].state(location(store, &path), &receipt),
                Err(Unwritten { jws, what, error }) => {
                    // The erasure is done and must not go unproved: the receipt goes out with the outcome.
                    outcomes[index].complete = false;
                    outcomes[index].receipt_jws = Some(jws);
                    problems.push(error.into_problem(what));
                }
            }
        }
        drop(written);
        if let Some(searched) = searched.first_mut() {
            searched.outcome.problems.extend(problems);
        }
    }

    /// Tells other requests, whose rows went with this job's, and removes what is not needed any more.
    pub(super) async fn settle_others(&self, searched: &mut [Searched], outcomes: &[RequestOutcome]) {
        let (store, Some(key)) = (self.engine.settings.store.as_ref(), &self.engine.settings.signing_key) else {
            return;
        };
        // What could not be written down must be found again by the next run.
        if outcomes.iter().any(|outcome| outcome.receipt_jws.is_some()) {
            return;
        }
        let mut purged = Vec::new();
        for (prepared, searched) in self.sources.iter().zip(searched.iter_mut()) {
            purged.extend(std::mem::take(&mut searched.purged).into_iter().map(|purged| (prepared.source, purged)));
        }
        let is_other = |request: &str| self.job.requests.iter().all(|own| own.id.as_str() != request);
        let chain_head = self.job.requests.iter().find_map(|request| request.chain_head.as_deref());
        let (_, problems) = Settlement { store, key, chain_head, unread: &[] }.settle(&purged, &[], is_other).await;
        // Without a receipt, the record is all that tells of the request.
        let told = self.job.requests.iter().zip(outcomes).filter(|(_, outcome)| outcome.receipt.is_some());
        let forget = |(request, _): (&Request, _)| {
            let path = journal::request_path(request.id.as_str());
            let forgotten = async move {
                if let Ok(Some(begun)) = journal::read::<Receipt>(store, &path).await
                    && let Err(error) = commit::drop_record(store, &begun.info).await
                {
                    tracing::warn!(%error, "a record of what was begun could not be removed");
                }
            };
            forgotten.boxed()
        };
        side_by_side(told.filter(|(request, _)| request.changes()).map(forget)).collect::<()>().await;
        if let Some(searched) = searched.first_mut() {
            searched.outcome.problems.extend(problems);
        }
    }

    /// The sources that a request was searched for in, for its receipt.
    pub(super) fn sources_of<'s>(
        &'s self,
        request: usize,
        searched: &'s [Searched],
    ) -> Vec<(&'s Source, &'s Searched)> {
        let sources = self.sources.iter().zip(searched).filter(|(prepared, _)| prepared.searchable[request]);
        sources.map(|(prepared, searched)| (prepared.source, searched)).collect()
    }

    /// The others.
    pub(super) fn excluded_of(&self, request: usize) -> Vec<&Source> {
        let others = self.sources.iter().filter(|prepared| !prepared.searchable[request]);
        others.map(|prepared| prepared.source).collect()
    }
}
