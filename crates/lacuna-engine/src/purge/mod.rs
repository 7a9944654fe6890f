//! Takes hidden rows out of the bytes: every shard with a tombstone once, however many requests hid rows in it. What a killed run
//! left in the middle is finished first.

mod outcome;
pub(crate) mod settle;
mod tally;

pub use outcome::{PurgeOptions, PurgeOutcome, PurgedRequest};

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_erase::tombstone::ShardVersion;
use lacuna_scan::{Matcher, Selector};
use lacuna_store::{BlobInfo, BlobPath, Etag, Store};
use tokio_util::sync::CancellationToken;

use self::settle::{Blocked, Settlement};
use self::tally::{Done, Tally};
use crate::erase::hidden::{self, Held, Tombstones};
use crate::erase::journal::{self, Intent, Kept};
use crate::erase::{Purge, Purged};
use crate::outcome::Problem;
use crate::plan::Obstacles;
use crate::plan::claims::Claims;
use crate::plan::format::ShardFormat;
use crate::plan::glob::Glob;
use crate::problem::{ShardError, chain};
use crate::read::search::{Question, Reading};
use crate::read::whole::sha256_of;
use crate::receipt::{statement, stored};
use crate::{Engine, Error, Phase, Receipt, Reporter, Source, commit};

/// What is said of a shard that is another version by now than the one whose rows are hidden.
const SUPERSEDED: &str = "another writer replaced it since its rows were hidden, and its new version may show them: that must be searched \
     (erase again under the same id)";

/// Days that the law gives an erasure (GDPR, article 12 paragraph 3, taken as days).
const DUE_DAYS: i64 = 30;

/// What a problem is called that is about what killed runs left half written.
pub(crate) const LEFTOVERS: &str = "what killed runs left behind";

/// Days after which nobody works any more on what was begun, and has hidden nothing.
const LEFT_DAYS: i64 = 1;

/// A source, ready to have shards purged.
struct Prepared<'a> {
    source: &'a Source,
    glob: Glob,
    question: Question,
}

/// A purge under way.
struct Run<'a> {
    engine: &'a Engine,
    key: &'a SigningKey,
    sources: Vec<Prepared<'a>>,
    claims: Claims,
    obstacles: Obstacles,
    options: PurgeOptions,
    cancel: &'a CancellationToken,
    reporter: &'a Reporter,
    /// Whether a request is due, once it was looked at: it may have rows in any number of shards.
    due: Mutex<HashMap<String, bool>>,
}

/// Whether the bytes of an intent came into the shard's place.
enum Committed {
    /// It did not get that far, or has not yet.
    NotYet,
    /// Another writer came first.
    Never,
    /// These, as this version; none, when the shard was deleted.
    As(Box<Intent>, Option<Etag>),
}

impl Engine {
    /// Purges the shards of `sources` that have hidden rows.
    pub async fn purge(
        &self,
        sources: &[Source],
        options: PurgeOptions,
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<PurgeOutcome, Error> {
        let Some(key) = &self.settings.signing_key else {
            return Err(Error::Configuration("there is no key to sign with".into()));
        };
        Run::new(self, key, sources, options, reporter, cancel)?.run().await
    }

    /// Finishes what earlier runs began and got into place: whoever says that rows are out of the bytes has looked after that, too.
    pub(crate) async fn finish_begun(
        &self,
        sources: &[Source],
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<Vec<Begun>, Error> {
        let Some(key) = &self.settings.signing_key else { return Ok(Vec::new()) };
        let run = Run::new(self, key, sources, PurgeOptions::default(), reporter, cancel)?;
        let finish = async |info: BlobInfo| match run.begun(&info).await {
            Ok(Done::Purged(at, purged)) => Some(Begun::Finished(at, purged)),
            Ok(_) => None,
            Err(error) => {
                let requests = run.named_by(&info).await;
                Some(Begun::Left { record: info.path.to_string(), error, requests })
            }
        };
        let begun = futures::stream::iter(run.intents().await?).map(finish).buffered(self.shop.threads);
        Ok(begun.filter_map(async |begun| begun).collect().await)
    }
}

/// What became of what an earlier run began.
pub(crate) enum Begun {
    /// It is finished now, in the source of this index.
    Finished(usize, Box<Purged>),
    /// It is not, for these requests; whoever's it is, when that cannot be read.
    Left { record: String, error: ShardError, requests: Option<Vec<String>> },
}

impl<'a> Prepared<'a> {
    fn new(engine: &Engine, source: &'a Source) -> Result<Self, Error> {
        let wrong = |why| Error::Configuration(format!("source `{}`: {why}", source.name));
        let glob = Glob::new(&source.shards).map_err(wrong)?;
        ShardFormat::check(&source.format).map_err(wrong)?;
        let nobody: [Selector; 0] = [];
        let matcher = Matcher::new(&source.mapping, &nobody, &engine.settings.epochs)
            .map_err(|why| Error::Source { name: source.name.clone(), source: why })?;
        let (matcher, collect, sees_hidden) = (Arc::new(matcher), Arc::default(), Arc::default());
        let question = Question { matcher, collect, sees_hidden, reading: Reading::Whole };
        Ok(Self { source, glob, question })
    }
}

impl<'a> Run<'a> {
    fn new(
        engine: &'a Engine,
        key: &'a SigningKey,
        sources: &'a [Source],
        options: PurgeOptions,
        reporter: &'a Reporter,
        cancel: &'a CancellationToken,
    ) -> Result<Self, Error> {
        let claims = Claims::new(sources.iter().chain(&options.others))?;
        let sources = sources.iter().map(|source| Prepared::new(engine, source)).collect::<Result<_, _>>()?;
        let (due, obstacles) = (Mutex::new(options.known_due.clone()), Obstacles::default());
        Ok(Self { engine, key, sources, claims, obstacles, options, cancel, reporter, due })
    }
}

impl Run<'_> {
    /// What was begun.
    async fn intents(&self) -> Result<Vec<BlobInfo>, Error> {
        self.store().list(journal::INTENTS).try_collect().await.map_err(Error::hidden_unlisted)
    }

    /// The requests that an intent is about, if that can be read.
    async fn named_by(&self, info: &BlobInfo) -> Option<Vec<String>> {
        let intent = journal::read::<Intent>(self.store().as_ref(), info.path.as_str()).await.ok()??;
        let mut requests = Vec::new();
        for one in intent.record.candidates() {
            requests.extend(one.tombstone().ok()?.requests().map(|(request, _)| request.to_owned()));
        }
        Some(requests)
    }

    async fn run(&self) -> Result<PurgeOutcome, Error> {
        let store = self.store().as_ref();
        let intents = self.intents().await?;
        let tombstones = Tombstones::list(store).await.map_err(Error::hidden_unlisted)?;
        self.reporter.enter(Phase::Erase);
        let mut tally = Tally::default();
        let removed = self.engine.shop.remove_leftovers(store).await;
        tally.add(removed.map(|()| Done::Nothing).map_err(|error| (LEFTOVERS.to_owned(), error)));
        // What was begun comes first: then what is hidden is hidden in versions that are there.
        let mut begun = futures::stream::iter(intents)
            .map(|info| async move { self.begun(&info).await.map_err(|error| (info.path.to_string(), error)) })
            .buffered(self.engine.shop.threads);
        // Versions whose rows are out of the bytes now: their tombstones lie there until receipts tell of it.
        let mut finished = HashSet::new();
        while let Some(done) = begun.next().await {
            if let Ok(Done::Purged(_, purged)) = &done {
                let version = purged.tombstone.version();
                finished.insert((version.shard.clone(), version.etag.clone()));
            }
            tally.add(done);
        }
        drop(begun);
        let finished = &finished;
        tally.outcome.shards = tombstones.len() as u64;
        let mut purges = futures::stream::iter(tombstones.into_infos())
            .map(|info| self.tombstone(info, finished))
            .buffered(self.engine.shop.threads);
        while let Some(done) = purges.next().await {
            tally.add(done);
        }
        drop(purges);
        let Tally { mut outcome, purged, blocked, unread } = tally;
        let PurgeOutcome { shards, shards_purged, shards_not_due, shards_held, rows_purged, problems, .. } = &outcome;
        tracing::info!(
            shards,
            shards_purged,
            shards_not_due,
            shards_held,
            rows_purged,
            problems = problems.len(),
            "purged"
        );
        outcome.interrupted = self.cancel.is_cancelled();
        let sources: Vec<&Source> = self.sources.iter().map(|prepared| prepared.source).collect();
        let purged: Vec<(&Source, Purged)> = purged.into_iter().map(|(at, purged)| (sources[at], purged)).collect();
        let blocked: Vec<(&Source, Blocked)> =
            blocked.into_iter().map(|(at, blocked)| (sources[at], blocked)).collect();
        for (source, purged) in &purged {
            *outcome.sources.entry(source.name.clone()).or_default() += purged.rows();
        }
        let chain_head = self.options.chain_head.as_deref();
        let settlement = Settlement { store, key: self.key, chain_head, unread: &unread };
        let (requests, problems) = settlement.settle(&purged, &blocked, |_| true).await;
        outcome.requests = requests;
        outcome.problems.extend(problems);
        if !self.cancel.is_cancelled() {
            self.tell_begun(&settlement, &mut outcome).await?;
        }
        Ok(outcome)
    }

    /// Tells of requests of which no run has come to its end. They may be at work; after a day nobody is, and that is a problem until they
    /// are run again. Those of a ledger its worker goes on with.
    async fn tell_begun(&self, settlement: &Settlement<'_>, outcome: &mut PurgeOutcome) -> Result<(), Error> {
        let begun = self.engine.begun().await?;
        outcome.problems.extend(begun.unread);
        for record in &begun.ended {
            if let Err(error) = commit::drop_record(settlement.store, record).await {
                outcome.problems.push(ShardError::Store(error).into_problem(record.path.as_str()));
            }
        }
        let (left, young): (Vec<_>, Vec<_>) =
            begun.open.into_iter().partition(|begun| statement::is_due(&begun.started, LEFT_DAYS, Duration::ZERO));
        if !left.is_empty() {
            // Of those that hide nothing, no other receipt tells.
            let hiding = self.engine.hiding().await;
            let in_vain = |begun: &&Receipt| hiding.as_ref().is_ok_and(|hiding| !hiding.contains(&begun.request));
            let in_vain: Vec<&Receipt> = left.iter().filter(in_vain).collect();
            let untold = in_vain.iter().filter(|begun| outcome.told(&begun.request).is_none());
            let untold: Vec<String> = untold.map(|begun| begun.request.clone()).collect();
            let (requests, problems) = settlement.settle_begun(&untold).await;
            outcome.requests.extend(requests);
            outcome.problems.extend(problems);
            for begun in in_vain.into_iter().filter(|begun| begun.chain_head.is_some()) {
                if let Err(error) = stored::end(settlement.store, &begun.request).await {
                    outcome.problems.push(error.into_problem("the record of a request"));
                }
            }
        }
        for begun in left.iter().filter(|begun| begun.chain_head.is_none()) {
            outcome.problems.push(Problem {
                shard: journal::request_path(&begun.request),
                reason: format!(
                    "request {} was begun on {}, no run of it has come to its end since, and it may not have reached all records: erase again \
                     under that id",
                    begun.request, begun.started
                ),
            });
        }
        for begun in left.into_iter().chain(young).filter(|begun| begun.chain_head.is_none()) {
            match outcome.told(&begun.request) {
                Some(told) => told.unfinished = true,
                None => outcome.requests.push(PurgedRequest::unfinished(begun.request)),
            }
        }
        Ok(())
    }

    fn store(&self) -> &Arc<dyn Store> {
        &self.engine.settings.store
    }

    fn source_of(&self, shard: &str) -> Option<(usize, &Prepared<'_>)> {
        self.sources.iter().enumerate().find(|(_, prepared)| prepared.glob.names(shard))
    }

    /// The purge of the shard that a tombstone is of, if that was not `finished` already.
    async fn tombstone(
        &self,
        info: BlobInfo,
        finished: &HashSet<(String, String)>,
    ) -> Result<Done, (String, ShardError)> {
        if self.cancel.is_cancelled() {
            return Ok(Done::Nothing);
        }
        let place = info.path.to_string();
        let held = hidden::read_now(self.store().as_ref(), info).await.map_err(|error| (place, error))?;
        let Some(held) = held else { return Ok(Done::Nothing) };
        let version = held.tombstone.version();
        let shard = version.shard.clone();
        if finished.contains(&(shard.clone(), version.etag.clone())) {
            return Ok(Done::Nothing);
        }
        let rows = held.tombstone.hidden().len();
        let done = self.purge(held).await;
        match &done {
            Ok(Done::Purged(..)) => tracing::debug!(shard, rows, "purged"),
            Ok(_) | Err(_) => tracing::debug!(shard, rows, "not purged"),
        }
        match done {
            Err(ShardError::Held(reason)) => Ok(Done::Held(Problem { shard, reason })),
            done => done.map_err(|error| (shard, error)),
        }
    }

    async fn purge(&self, held: Held) -> Result<Done, ShardError> {
        let version = held.tombstone.version();
        let Some((at, prepared)) = self.source_of(&version.shard) else { return Ok(Done::Elsewhere) };
        if !self.is_due(&held).await? {
            return Ok(Done::NotDue);
        }
        if let Some(reason) = self.claims.dispute(prepared.source, &version.shard) {
            return Ok(Done::Blocked(at, Box::new(Blocked { tombstone: held.tombstone, reason, superseded: false })));
        }
        let path = shard_path(&version.shard)?;
        let shard = match self.store().head(&path).await {
            Ok(shard) => shard,
            Err(error) if error.kind == lacuna_store::ErrorKind::NotFound => {
                return self.removed(at, prepared, held).await;
            }
            Err(error) => return Err(ShardError::Store(error)),
        };
        if shard.etag.as_str() != version.etag {
            // Another run writes down what it begins, and that is there until receipts tell of it.
            let intent = shard_path(&journal::intent_path(&version.shard, &version.etag))?;
            match self.store().head(&intent).await {
                Ok(_) => return Err(ShardError::Busy),
                Err(error) if error.kind == lacuna_store::ErrorKind::NotFound => {}
                Err(error) => return Err(ShardError::Store(error)),
            }
            if self.has_served(&held).await? {
                commit::drop_record(self.store().as_ref(), &held.info).await.map_err(ShardError::Store)?;
                return Ok(Done::Nothing);
            }
            let may_be_same = self.store().may_be_same(&Etag::new(&version.etag), &shard.etag);
            let reason = if may_be_same { hidden::UNSURE } else { SUPERSEDED };
            let blocked = Blocked { tombstone: held.tombstone, reason: reason.into(), superseded: true };
            return Ok(Done::Blocked(at, Box::new(blocked)));
        }
        let format = ShardFormat::of(prepared.source, &version.shard).map_err(ShardError::Refused)?;
        let purger = self.purger(prepared);
        // A table may have been made of the shards since the rows were hidden.
        let obstacle = self.obstacles.of(self.store().as_ref(), &version.shard, &format).await;
        if let Some(reason) = obstacle.map_err(ShardError::Store)? {
            purger.ask(&held.tombstone).await?;
            return Ok(Done::Blocked(at, Box::new(Blocked { tombstone: held.tombstone, reason, superseded: false })));
        }
        match purger.shard(&shard, &format, &held).await {
            Ok(purged) => Ok(Done::Purged(at, Box::new(purged))),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                let blocked = Blocked { tombstone: held.tombstone, reason: chain(&error), superseded: false };
                Ok(Done::Blocked(at, Box::new(blocked)))
            }
        }
    }

    /// What is left to do for a shard that another writer removed. Where its requests have searched everything since, that is for no receipt.
    async fn removed(&self, at: usize, prepared: &Prepared<'_>, held: Held) -> Result<Done, ShardError> {
        let searched_since = self.has_served(&held).await?;
        let purged = self.purger(prepared).removed_by_others(held, searched_since).await?;
        if searched_since && purged.served.is_some() && purged.old.are_gone() {
            let retired = purged.retire(self.store().as_ref(), prepared.source.on_erase.keeps_rows()).await;
            return retired.map(|()| Done::Nothing).map_err(|(_, error)| error);
        }
        Ok(Done::Purged(at, Box::new(purged)))
    }

    /// Whether receipts tell that a tombstone of a version that is there no more has served: of runs at the same shard, one puts aside what
    /// another is just done with.
    async fn has_served(&self, held: &Held) -> Result<bool, ShardError> {
        for (request, rows) in held.tombstone.requests() {
            if !self.is_done_with(held.tombstone.version(), request, rows.len()).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether so many rows of a request are out of the bytes of this version, or all its runs have ended and gone on to a later one.
    async fn is_done_with(&self, version: &ShardVersion, request: &str, rows: u64) -> Result<bool, ShardError> {
        let store = self.store().as_ref();
        let Some((_, receipt)) = stored::newest(store, self.key, request).await? else { return Ok(false) };
        let lines = receipt.sources.iter().flat_map(|source| &source.shards);
        let of_version: Vec<_> = lines.filter(|line| line.is_of(&version.shard, &version.etag)).collect();
        if of_version.is_empty() && receipt.complete {
            let begun = journal::read::<Receipt>(store, &journal::request_path(request)).await?;
            return Ok(begun.is_none());
        }
        Ok(of_version.iter().any(|line| line.is_out_of_the_bytes() && line.matched >= rows))
    }

    fn purger<'p>(&'p self, prepared: &'p Prepared<'_>) -> Purge<'p> {
        let (shop, holds) = (&self.engine.shop, &self.engine.settings.holds);
        Purge { shop, store: self.store(), source: prepared.source, question: &prepared.question, holds }
    }

    /// Finishes what a run began that was killed, if its bytes got into place.
    async fn begun(&self, info: &BlobInfo) -> Result<Done, ShardError> {
        let store = self.store();
        let Some(intents) = journal::read::<Intent>(store.as_ref(), info.path.as_str()).await? else {
            return Ok(Done::Nothing);
        };
        let version = intents.record.tombstone()?.version().clone();
        let Some((at, prepared)) = self.source_of(&version.shard) else { return Ok(Done::Elsewhere) };
        match self.committed(&intents.record, &version).await? {
            Committed::NotYet => Ok(Done::Nothing),
            Committed::Never => {
                // What becomes of the shard is not for this intent to say.
                commit::drop_record(store.as_ref(), &intents.info).await.map_err(ShardError::Store)?;
                Ok(Done::Nothing)
            }
            Committed::As(record, after) => {
                let tombstone = record.tombstone()?;
                let intent = Kept { record: *record, info: intents.info };
                let purged = self.purger(prepared).finish(intent, tombstone, after).await?;
                Ok(Done::Purged(at, Box::new(purged)))
            }
        }
    }

    /// Which of what was intended for this version came to be.
    async fn committed(&self, intents: &Intent, version: &ShardVersion) -> Result<Committed, ShardError> {
        let as_own = |after: Option<Etag>| Committed::As(Box::new(intents.clone()), after);
        if let Some(copies) = &intents.copies {
            return Ok(as_own(copies.etag_after.as_deref().map(Etag::new)));
        }
        if let Some(etag) = &intents.etag_after {
            return Ok(as_own(Some(Etag::new(etag))));
        }
        let (store, path) = (self.store(), shard_path(&version.shard)?);
        let now = match store.head(&path).await {
            Ok(shard) => Some(shard),
            Err(error) if error.kind == lacuna_store::ErrorKind::NotFound => None,
            Err(error) => return Err(ShardError::Store(error)),
        };
        if now.as_ref().is_some_and(|shard| shard.etag.as_str() == version.etag) {
            return Ok(Committed::NotYet);
        }
        let is_deletion = |intent: &Intent| intent.sha256_after.is_none();
        match &now {
            Some(shard) if !intents.candidates().all(|one| is_deletion(&one)) => {
                let sha256 = Some(sha256_of(&self.engine.shop, store, shard).await?);
                if let Some(one) = intents.candidates().find(|one| one.sha256_after == sha256) {
                    return Ok(Committed::As(Box::new(one), Some(shard.etag.clone())));
                }
            }
            Some(_) => {}
            None => {
                if let Some(one) = intents.candidates().find(is_deletion) {
                    return Ok(Committed::As(Box::new(one), None));
                }
            }
        }
        // Another writer came before it, or behind it: then the store may have kept what this purge put there.
        let copies = store.old_copies(&path).await.map_err(ShardError::Store)?;
        for one in intents.candidates() {
            let Some(operation) = one.operation() else { continue };
            if let Some(own) = copies.iter().find(|copy| copy.operation.as_ref() == Some(&operation)) {
                return Ok(Committed::As(Box::new(one), Some(own.etag.clone())));
            }
        }
        Ok(Committed::Never)
    }

    /// Whether the time of any request with rows in it is up soon.
    async fn is_due(&self, held: &Held) -> Result<bool, ShardError> {
        let Some(within) = self.options.due_within else { return Ok(true) };
        for (request, _) in held.tombstone.requests() {
            let known = self.due().get(request).copied();
            let is_due = match known {
                Some(is_due) => is_due,
                None => {
                    let known = stored::newest(self.store().as_ref(), self.key, request).await?;
                    // Of what is not known nobody knows when its time is up.
                    let is_due = known.is_none_or(|(_, receipt)| statement::is_due(&receipt.started, DUE_DAYS, within));
                    self.due().insert(request.to_owned(), is_due);
                    is_due
                }
            };
            if is_due {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn due(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shard_path(shard: &str) -> Result<BlobPath, ShardError> {
    BlobPath::new(shard).map_err(|error| ShardError::Refused(format!("its tombstone names no shard: {error}")))
}
