//! One job, from its plan to its outcome: search everything, then write packages, then erase. A package is complete before
//! anything that it holds is erased.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use globset::GlobMatcher;
use lacuna_export::manifest::Excluded;
use lacuna_scan::{Kind, Matcher, Selector, SelectorIndex};
use lacuna_store::{BlobInfo, Store};
use roaring::RoaringTreemap;
use tokio_util::sync::CancellationToken;

use crate::engine::location;
use crate::erase::{Eraser, Erasure, Purged, Target, blocking};
use crate::format::ShardFormat;
use crate::hidden::Tombstones;
use crate::origin::Origin;
use crate::outcome::{Blocked, Problem, RequestOutcome, Retained, SourceOutcome};
use crate::package::{Contents, Press};
use crate::plan;
use crate::problem::ShardError;
use crate::receipt::{OldVersions, Receipt, ReceiptShard, ShardState};
use crate::search::{Answer, Question, search};
use crate::spool::Spool;
use crate::statement::{self, Statement};
use crate::{
    Action, Engine, EraseMode, Error, Job, OnErase, Outcome, Phase, Reporter, Request, Source, commit, journal, purge,
};

/// How often a shard that changes under the search is searched again.
const ATTEMPTS_MAX: u32 = 3;

/// Packages written at a time.
const PACKAGES_AT_ONCE: usize = 8;

/// A job under way.
pub(crate) struct Run<'a> {
    engine: &'a Engine,
    job: &'a Job,
    sources: Vec<Prepared<'a>>,
    reporter: &'a Reporter,
    cancel: &'a CancellationToken,
}

/// A source with what to look for in it.
struct Prepared<'a> {
    source: &'a Source,
    glob: GlobMatcher,
    /// What the search looks for: every request's rows.
    question: Question,
    /// What an erasure looks for: the rows of requests that erase.
    erasing: Question,
    /// Whether the source maps a kind of identifier that the request names, by request.
    searchable: Vec<bool>,
}

/// What the search of a source found.
#[derive(Default)]
pub(crate) struct Searched {
    pub(crate) outcome: SourceOutcome,
    /// Each request's rows, by request.
    matched: Vec<u64>,
    /// Each request's shards with a match, by request.
    shards: Vec<Vec<lacuna_export::manifest::Shard>>,
    shards_searched: u64,
    targets: Vec<Target>,
    /// Each request's shards for its receipt, by request.
    pub(crate) receipts: Vec<Vec<ReceiptShard>>,
    /// Shards whose hidden rows are out of the bytes, other requests' among them.
    purged: Vec<Purged>,
}

impl<'a> Run<'a> {
    /// Compiles what to look for, and refuses what cannot be right before anything is read.
    pub(crate) fn prepare(
        engine: &'a Engine,
        job: &'a Job,
        reporter: &'a Reporter,
        cancel: &'a CancellationToken,
    ) -> Result<Self, Error> {
        let wrong = |what: &str| Err(Error::Configuration(what.to_owned()));
        if job.requests.is_empty() || job.sources.is_empty() {
            return wrong("a job needs a request and a source");
        }
        if job.requests.iter().any(|request| request.selector.identifiers.is_empty()) {
            return wrong("a request names no identifier");
        }
        let exports = job.requests.iter().any(exports);
        let changes = job.requests.iter().any(changes);
        if exports && engine.settings.export.is_none() {
            return wrong("there is no destination for the export");
        }
        if (exports || changes) && engine.settings.signing_key.is_none() {
            return wrong("there is no key to sign with");
        }
        let sources = job.sources.iter().map(|source| Prepared::new(engine, job, source));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        for (index, request) in job.requests.iter().enumerate() {
            if !sources.iter().any(|source| source.searchable[index]) {
                return Err(Error::Configuration(format!(
                    "no source maps a kind of identifier that request {} names",
                    request.id
                )));
            }
        }
        Ok(Self { engine, job, sources, reporter, cancel })
    }

    pub(crate) async fn run(self) -> Result<Outcome, Error> {
        let mut statement = Statement::begin();
        if let Some(press) = self.press() {
            for request in self.job.requests.iter().filter(|request| exports(request)) {
                press.check_absent(request).await?;
            }
        }
        self.reporter.enter(Phase::Search);
        let tombstones = Tombstones::list(self.engine.settings.store.as_ref()).await;
        let tombstones =
            tombstones.map_err(|source| Error::Store { what: "what is hidden cannot be listed".into(), source })?;
        let spool = Arc::new(Spool::new(&self.engine.shop.temp_dir).map_err(Error::Temp)?);
        let mut searched = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            searched.push(self.search_source(index, source, &tombstones, &spool).await?);
        }
        let mut outcomes: Vec<RequestOutcome> = self.request_outcomes(&searched);
        if !self.cancel.is_cancelled() {
            self.publish(&searched, spool, &mut outcomes).await?;
        }
        if !self.cancel.is_cancelled() {
            self.erase(&statement, &mut searched).await;
        }
        let interrupted = self.cancel.is_cancelled();
        self.settle(&searched, interrupted, &mut outcomes);
        statement.end();
        self.write_receipts(&statement, &mut searched, interrupted, &mut outcomes).await;
        self.settle_others(&mut searched, &outcomes).await;
        let searched_anew: Vec<&str> = (self.job.requests.iter().zip(&outcomes))
            .filter(|(request, outcome)| changes(request) && outcome.complete)
            .map(|(request, _)| request.id.as_str())
            .collect();
        if !searched_anew.is_empty()
            && let Err(error) = tombstones.release(self.engine.settings.store.as_ref(), &searched_anew).await
            && let Some(searched) = searched.first_mut()
        {
            searched.outcome.problems.push(error.into_problem("a tombstone of an older version"));
        }
        let sources: Vec<SourceOutcome> = searched.into_iter().map(|searched| searched.outcome).collect();
        Ok(Outcome {
            matched: sources.iter().map(|source| source.matched).sum(),
            sources,
            requests: outcomes,
            interrupted,
        })
    }

    async fn search_source(
        &self,
        index: usize,
        prepared: &Prepared<'a>,
        tombstones: &Tombstones,
        spool: &Arc<Spool>,
    ) -> Result<Searched, Error> {
        let source = prepared.source;
        let requests = self.job.requests.len();
        let mut searched = Searched {
            outcome: SourceOutcome { source: source.name.clone(), ..SourceOutcome::default() },
            matched: vec![0; requests],
            shards: vec![Vec::new(); requests],
            receipts: vec![Vec::new(); requests],
            ..Searched::default()
        };
        if !prepared.searchable.contains(&true) {
            return Ok(searched);
        }
        searched.outcome.searched = true;
        let store = self.engine.settings.store.as_ref();
        let listing = plan::shards(store, &source.shards, prepared.glob.clone());
        let mut answers = listing
            .map(|info| async {
                let info = info?;
                self.reporter.listed(info.size);
                Ok::<_, lacuna_store::Error>(self.search_shard(prepared, tombstones, info).await)
            })
            .buffered(self.engine.shop.at_once(store.staging_dir().is_some()));
        while let Some(next) = answers.next().await {
            match next {
                Err(error) => {
                    let problem = ShardError::Store(error).into_problem(&source.shards);
                    searched.outcome.problems.push(problem);
                    break;
                }
                Ok((info, answer)) => {
                    searched.outcome.shards += 1;
                    self.take(index, prepared, &mut searched, spool, info, answer).await?;
                }
            }
            if self.cancel.is_cancelled() {
                return Ok(searched);
            }
        }
        if searched.outcome.shards == 0 && searched.outcome.problems.is_empty() {
            searched.outcome.problems.push(Problem {
                shard: source.shards.clone(),
                reason: format!("no blob in {} matches it, so nothing was searched", store.url()),
            });
        }
        Ok(searched)
    }

    /// Searches a shard; when it changes meanwhile, its new version.
    async fn search_shard(
        &self,
        prepared: &Prepared<'a>,
        tombstones: &Tombstones,
        mut info: BlobInfo,
    ) -> (BlobInfo, Result<Found, ShardError>) {
        let format = match ShardFormat::of(prepared.source, info.path.as_str()) {
            Ok(format) => format,
            Err(why) => return (info, Err(ShardError::Refused(why))),
        };
        let store = &self.engine.settings.store;
        for _ in 0..ATTEMPTS_MAX {
            let origin = Origin::Blob(store.clone(), info.clone());
            let question = &prepared.question;
            let hidden = match tombstones.rows_of(store.as_ref(), &info).await {
                Ok(hidden) => hidden.map(Arc::new),
                Err(error) => return (info, Err(ShardError::Tombstone(Box::new(error)))),
            };
            let (shop, reporter) = (&self.engine.shop, Some(self.reporter));
            match search(shop, &origin, &format, question, hidden.as_ref(), reporter, self.cancel).await {
                Err(error) if error.is_change() => {}
                Err(error) if error.is_gone() => {
                    let why = "it was listed and is gone: another writer may have moved its records";
                    return (info, Err(ShardError::Refused(why.into())));
                }
                Err(error) => return (info, Err(error)),
                Ok(answer) => return (info, Ok(Found { format, answer })),
            }
            match store.head(&info.path).await {
                Ok(now) => info = now,
                Err(error) => return (info, Err(ShardError::Store(error))),
            }
        }
        (info, Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX }))
    }

    /// Adds one shard's answer to its source's.
    async fn take(
        &self,
        index: usize,
        prepared: &Prepared<'a>,
        searched: &mut Searched,
        spool: &Arc<Spool>,
        info: BlobInfo,
        found: Result<Found, ShardError>,
    ) -> Result<(), Error> {
        let outcome = &mut searched.outcome;
        let path = info.path.as_str();
        let Found { format, answer } = match found {
            Ok(found) => found,
            Err(ShardError::Cancelled) => return Ok(()),
            // Temporary files are one place for all shards: what fails here fails everywhere.
            Err(ShardError::Temp(error)) => return Err(Error::Temp(error)),
            Err(error) => {
                self.reporter.searched(0, 0);
                outcome.problems.push(error.into_problem(path));
                return Ok(());
            }
        };
        let rows = answer.matches.rows();
        self.reporter.searched(answer.rows, rows.len());
        searched.shards_searched += 1;
        outcome.rows_scanned += answer.rows;
        outcome.bytes_read += answer.bytes_read;
        outcome.bytes_decompressed += answer.effort.bytes_decompressed;
        outcome.pages_decoded += answer.effort.pages_decoded;
        outcome.rows_decoded += answer.effort.rows_decoded;
        outcome.matched += rows.len();
        outcome.shards_matched += u64::from(!rows.is_empty());
        if answer.poisoned > 0 {
            let first = answer.first_poison.as_deref().unwrap_or("unknown");
            outcome.problems.push(Problem {
                shard: path.to_owned(),
                reason: format!(
                    "{} records cannot be read (the first: {first}); the others were searched",
                    answer.poisoned
                ),
            });
        }
        for (selector, rows) in answer.matches.iter() {
            searched.matched[selector as usize] += rows.len();
            searched.shards[selector as usize].push(lacuna_export::manifest::Shard {
                shard: path.to_owned(),
                etag: info.etag.to_string(),
                rows_scanned: answer.rows,
                matched: rows.len(),
            });
        }
        let mut erased = answer.matches;
        erased.retain(|selector| changes(&self.job.requests[selector as usize]));
        if !erased.is_empty() {
            searched.targets.push(Target {
                info,
                format,
                rows: answer.rows,
                matches: erased,
                poisoned: answer.poisoned,
            });
        }
        if prepared.question.collects() {
            let spool = spool.clone();
            blocking(move || spool.append(index, answer.records)).await.map_err(temp)?;
        }
        Ok(())
    }

    fn request_outcomes(&self, searched: &[Searched]) -> Vec<RequestOutcome> {
        let requests = self.job.requests.iter().enumerate();
        requests
            .map(|(index, request)| RequestOutcome {
                request: request.id.clone(),
                matched: searched.iter().map(|searched| searched.matched[index]).sum(),
                complete: searched.iter().all(|searched| searched.outcome.problems.is_empty()),
                package: None,
                receipt: None,
                receipt_jws: None,
            })
            .collect()
    }

    fn press(&self) -> Option<Press<'_>> {
        Some(Press {
            cpu: &self.engine.shop.cpu,
            temp_dir: &self.engine.shop.temp_dir,
            store: self.engine.settings.export.as_deref()?,
            key: self.engine.settings.signing_key.as_ref()?,
        })
    }

    /// Writes the packages of the requests that export.
    async fn publish(
        &self,
        searched: &[Searched],
        spool: Arc<Spool>,
        outcomes: &mut [RequestOutcome],
    ) -> Result<(), Error> {
        let Some(press) = self.press() else { return Ok(()) };
        self.reporter.enter(Phase::Package);
        let press = &press;
        let packages = (0..self.job.requests.len()).map(|index| {
            let (spool, complete) = (&spool, outcomes[index].complete);
            async move {
                match self.contents(index, searched, spool, complete) {
                    Some(contents) if !self.cancel.is_cancelled() => press.publish(contents).await.map(Some),
                    _ => Ok(None),
                }
            }
        });
        let packages = packages.collect::<Vec<_>>();
        let written: Vec<Option<String>> = futures::stream::iter(packages)
            .buffered(self.engine.shop.requests.min(PACKAGES_AT_ONCE))
            .try_collect()
            .await?;
        for (outcome, path) in outcomes.iter_mut().zip(written) {
            outcome.package = path.map(|path| location(press.store, &path));
        }
        Ok(())
    }

    /// What goes into the package of request `index`, if it exports.
    fn contents<'c>(
        &'c self,
        index: usize,
        searched: &[Searched],
        spool: &'c Arc<Spool>,
        complete: bool,
    ) -> Option<Contents<'c>> {
        let request = &self.job.requests[index];
        let Action::Export(options) = request.action else { return None };
        let mut contents = Contents {
            request,
            selector: SelectorIndex::try_from(index).unwrap_or(SelectorIndex::MAX),
            format: options.format,
            sources: &self.job.sources,
            spool,
            searched: Vec::new(),
            excluded: Vec::new(),
            complete,
        };
        for (at, (prepared, searched)) in self.sources.iter().zip(searched).enumerate() {
            let source = prepared.source;
            if prepared.searchable[index] {
                contents.searched.push((at, self.manifest_source(source, searched, index)));
            } else {
                contents.excluded.push(Excluded {
                    source: source.name.clone(),
                    product: source.product.clone(),
                    data_type: source.data_type.clone(),
                    reason: "It does not hold any of the kinds of identifiers that the request gave.".into(),
                });
            }
        }
        Some(contents)
    }

    fn manifest_source(&self, source: &Source, searched: &Searched, request: usize) -> lacuna_export::manifest::Source {
        let problems = searched.outcome.problems.iter();
        lacuna_export::manifest::Source {
            source: source.name.clone(),
            product: source.product.clone(),
            data_type: source.data_type.clone(),
            shards_scanned: searched.shards_searched,
            rows_scanned: searched.outcome.rows_scanned,
            matched: searched.matched[request],
            shards: searched.shards[request].clone(),
            problems: problems
                .map(|problem| lacuna_export::manifest::Problem {
                    shard: problem.shard.clone(),
                    reason: problem.reason.clone(),
                })
                .collect(),
        }
    }

    /// Erases what the requests that erase have matched.
    async fn erase(&self, statement: &Statement, searched: &mut [Searched]) {
        if searched.iter().all(|searched| searched.targets.is_empty()) {
            return;
        }
        if let Err(error) = self.begin(statement, searched).await {
            for searched in searched {
                for target in std::mem::take(&mut searched.targets) {
                    searched
                        .block(&target, ShardError::Refused(format!("what is begun cannot be written down: {error}")));
                }
            }
            return;
        }
        self.reporter.enter(Phase::Erase);
        for (prepared, searched) in self.sources.iter().zip(searched) {
            let targets = std::mem::take(&mut searched.targets);
            if let OnErase::Keep { reason } = &prepared.source.on_erase {
                for target in targets {
                    searched.keep(&target, reason, ShardState::Kept);
                }
                continue;
            }
            let mut tables = HashMap::new();
            let mut work = Vec::new();
            for target in targets {
                match self.table_above(&target, &mut tables).await {
                    Ok(None) => work.push(target),
                    Ok(Some(table)) => {
                        let why = format!(
                            "it belongs to a {table} table, whose own log would not know of the change: erase it through {table}"
                        );
                        searched.block(&target, ShardError::Refused(why));
                    }
                    Err(error) => searched.block(&target, ShardError::Store(error)),
                }
            }
            let erasures = work.into_iter().map(|target| self.erase_shard(prepared, target));
            let mut erasures = futures::stream::iter(erasures).buffered(self.engine.shop.threads);
            while let Some((target, erasure)) = erasures.next().await {
                searched.note(&target, erasure, &self.job.requests);
            }
        }
    }

    /// Writes down which requests erase, so that whoever purges what a killed run hid knows for whom.
    async fn begin(&self, statement: &Statement, searched: &[Searched]) -> Result<(), ShardError> {
        let Some(key) = &self.engine.settings.signing_key else { return Ok(()) };
        let store = self.engine.settings.store.as_ref();
        for (index, request) in self.job.requests.iter().enumerate().filter(|(_, request)| changes(request)) {
            let path = journal::request_path(request.id.as_str());
            let receipt = statement.receipt(request, false, &self.sources_of(index, searched), key);
            let there = journal::read::<Receipt>(store, &path).await?;
            let written = journal::write(store, &path, &receipt, there.as_ref().map(|kept| &kept.info)).await;
            written.map_err(ShardError::Store)?;
        }
        Ok(())
    }

    /// The sources that a request was searched for in, for its receipt.
    fn sources_of<'s>(
        &'s self,
        request: usize,
        searched: &'s [Searched],
    ) -> Vec<(&'s Source, &'s Searched, u64, usize)> {
        let sources = self.sources.iter().zip(searched).filter(|(prepared, _)| prepared.searchable[request]);
        sources.map(|(prepared, searched)| (prepared.source, searched, searched.shards_searched, request)).collect()
    }

    /// Tells other requests, whose rows went with this job's, and removes what is not needed any more.
    async fn settle_others(&self, searched: &mut [Searched], outcomes: &[RequestOutcome]) {
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
        let (_, problems) = purge::settle(store, key, &purged, is_other).await;
        for request in self.job.requests.iter().filter(|request| changes(request)) {
            let begun = journal::read::<Receipt>(store, &journal::request_path(request.id.as_str())).await;
            if let Ok(Some(begun)) = begun
                && let Err(error) = commit::drop_record(store, &begun.info).await
            {
                tracing::warn!(%error, "a record of what was begun could not be removed");
            }
        }
        if let Some(searched) = searched.first_mut() {
            searched.outcome.problems.extend(problems);
        }
    }

    async fn erase_shard(&self, prepared: &Prepared<'a>, target: Target) -> (Target, Result<Erasure, ShardError>) {
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
            question: &prepared.erasing,
            requests: &self.job.requests,
        };
        let erasure = eraser.erase(target.clone(), now, self.cancel).await;
        (target, erasure)
    }

    /// [`plan::table_above`], once for each folder.
    async fn table_above(
        &self,
        target: &Target,
        known: &mut HashMap<String, Option<&'static str>>,
    ) -> Result<Option<&'static str>, lacuna_store::Error> {
        let path = target.info.path.as_str();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        if let Some(table) = known.get(&folder) {
            return Ok(*table);
        }
        let table = plan::table_above(self.engine.settings.store.as_ref(), path).await?;
        known.insert(folder, table);
        Ok(table)
    }

    /// Brings the requests' outcomes up to what came after the search: an erasure is complete when every shard was changed.
    fn settle(&self, searched: &[Searched], interrupted: bool, outcomes: &mut [RequestOutcome]) {
        for (request, outcome) in self.job.requests.iter().zip(outcomes) {
            let changed = || searched.iter().all(|searched| searched.outcome.problems.is_empty());
            outcome.complete &= !interrupted && (!changes(request) || changed());
        }
    }

    async fn write_receipts(
        &self,
        statement: &Statement,
        searched: &mut [Searched],
        interrupted: bool,
        outcomes: &mut [RequestOutcome],
    ) {
        let Some(key) = &self.engine.settings.signing_key else { return };
        let store: &dyn Store = self.engine.settings.store.as_ref();
        for (index, request) in self.job.requests.iter().enumerate() {
            // A run that was stopped before its erasures began has nothing to state.
            let begun = searched.iter().any(|searched| !searched.receipts[index].is_empty());
            if !changes(request) || (interrupted && !begun) {
                continue;
            }
            let sources = self.sources_of(index, searched);
            let mut receipt = statement.receipt(request, outcomes[index].complete, &sources, key);
            if let Err(error) = statement::carry(store, key, &mut receipt).await {
                outcomes[index].complete = false;
                receipt.complete = false;
                searched[0].outcome.problems.push(error.into_problem("an earlier receipt of the same request"));
            }
            let jws = statement::sign(&receipt, key);
            match statement::write(store, request.id.as_str(), &jws).await {
                Ok(path) => outcomes[index].receipt = Some(location(store, &path)),
                Err(error) => {
                    // The erasure is done and must not go unproved: the receipt goes out with the outcome.
                    outcomes[index].complete = false;
                    outcomes[index].receipt_jws = Some(jws);
                    let problem = ShardError::Store(error).into_problem("the receipt");
                    searched[0].outcome.problems.push(problem);
                }
            }
        }
    }
}

/// What a shard answered, and what it is.
struct Found {
    format: ShardFormat,
    answer: Answer,
}

impl<'a> Prepared<'a> {
    fn new(engine: &Engine, job: &Job, source: &'a Source) -> Result<Self, Error> {
        let wrong = |why| Error::Configuration(format!("source `{}`: {why}", source.name));
        let glob = plan::glob(&source.shards).map_err(wrong)?;
        ShardFormat::check(&source.format).map_err(wrong)?;
        let matcher = |wanted: &dyn Fn(&Request) -> bool| {
            let selectors: Vec<Selector> = job.requests.iter().map(|request| selector(request, wanted)).collect();
            Matcher::new(&source.mapping, &selectors, &engine.settings.epochs)
                .map(Arc::new)
                .map_err(|why| Error::Source { name: source.name.clone(), source: why })
        };
        let nothing = job.requests.iter().map(|_| false).collect();
        let erases = |request: &Request| matches!(request.action, Action::Erase(_));
        let sees_hidden: Arc<[bool]> = job.requests.iter().map(erases).collect();
        let collect = job.requests.iter().map(exports).collect();
        let question = Question { matcher: matcher(&|_| true)?, collect, sees_hidden: sees_hidden.clone() };
        let erasing = Question { matcher: matcher(&changes)?, collect: nothing, sees_hidden };
        let searchable = job.requests.iter().map(|request| is_searchable(source, request)).collect();
        Ok(Self { source, glob, question, erasing, searchable })
    }
}

/// The selector of `request`, without identifiers when the request is not `wanted`: the others keep their indices.
fn selector(request: &Request, wanted: &dyn Fn(&Request) -> bool) -> Selector {
    match wanted(request) {
        true => request.selector.clone(),
        false => Selector { tenant: request.selector.tenant.clone(), identifiers: Vec::new() },
    }
}

/// Whether the source maps what the request asks by: for a composite, all of its parts.
fn is_searchable(source: &Source, request: &Request) -> bool {
    let named = |kind: &Kind| request.selector.identifiers.iter().any(|identifier| identifier.kind == *kind);
    source.mapping.identifiers.iter().any(|rule| rule.fields().iter().all(|field| named(&field.kind)))
}

fn exports(request: &Request) -> bool {
    matches!(request.action, Action::Export(_))
}

fn changes(request: &Request) -> bool {
    matches!(request.action, Action::Erase(EraseMode::Hide | EraseMode::Now))
}

fn temp(error: ShardError) -> Error {
    match error {
        ShardError::Temp(error) => Error::Temp(error),
        _ => Error::Defect("writing a temporary file"),
    }
}

impl Searched {
    /// Notes a shard that stays as it is.
    fn keep(&mut self, target: &Target, reason: &str, state: ShardState) {
        let rows = target.matches.rows().len();
        self.outcome.kept.push(Blocked { shard: target.info.path.to_string(), rows, reason: reason.to_owned() });
        self.unchanged(target, reason, state);
    }

    /// Notes a shard that could not be changed.
    fn block(&mut self, target: &Target, error: ShardError) {
        let problem = error.into_problem(target.info.path.as_str());
        self.unchanged(target, &problem.reason, ShardState::Blocked);
        self.outcome.problems.push(problem);
    }

    fn unchanged(&mut self, target: &Target, reason: &str, state: ShardState) {
        self.stays(target, Some(reason), state);
    }

    /// Notes a shard whose bytes are as they were.
    fn stays(&mut self, target: &Target, reason: Option<&str>, state: ShardState) {
        for (selector, rows) in target.matches.iter() {
            self.receipts[selector as usize].push(ReceiptShard {
                shard: target.info.path.to_string(),
                state,
                reason: reason.map(str::to_owned),
                etag_before: target.info.etag.to_string(),
                etag_after: None,
                sha256_before: None,
                sha256_after: None,
                rows_before: target.rows,
                matched: rows.len(),
                rows_after: target.rows,
                old_versions: OldVersions::Unchanged,
                gone_by: None,
            });
        }
    }

    /// Notes what the erasure of a shard came to.
    fn note(&mut self, target: &Target, erasure: Result<Erasure, ShardError>, requests: &[Request]) {
        match erasure {
            Ok(Erasure::Hidden(target)) => {
                self.outcome.hidden += target.matches.rows().len();
                self.stays(&target, None, ShardState::Hidden);
            }
            Ok(Erasure::Purged(purged)) => {
                let mut erased = RoaringTreemap::new();
                for (request, rows) in purged.tombstone.requests() {
                    let own = requests.iter().position(|own| own.id.as_str() == request && changes(own));
                    if let Some(index) = own {
                        erased |= rows;
                        self.receipts[index].push(purged.line(rows.len()));
                    }
                }
                self.outcome.erased += erased.len();
                let shard = target.info.path.as_str();
                self.outcome.problems.extend(Problem::of_copies(shard, &purged.old));
                self.outcome.retained.extend(Retained::of_copies(shard, &purged.old));
                self.purged.push(purged);
            }
            Ok(Erasure::NothingLeft) => {
                let why = "another writer replaced or removed it, and its new version holds none of the rows";
                self.unchanged(target, why, ShardState::Verified);
            }
            Err(ShardError::Cancelled) => {}
            Err(error) => self.block(target, error),
        }
    }
}
