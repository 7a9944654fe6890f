//! What `find`, `export` and `erase` share: configuration and arguments made into an engine that can run.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lacuna_engine::{
    Action, Engine, EraseLimits, Job, OnErase, Outcome, Reporter, Request, RequestId, Settings, Source,
};
use lacuna_ledger::Hold;
use lacuna_scan::{Epochs, Selector};
use lacuna_store::Store;
use lacuna_worker::{Catalogue, reason};
use tokio_util::sync::CancellationToken;

use crate::args::{Resources, RunArgs};
use crate::config::{Config, REQUESTS_DEFAULT, memory_default};
use crate::failure::{Failure, Result};
use crate::progress::Display;
use crate::{desk, selection, signing, stores};

/// The process's environment variables.
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// An engine, and what to ask it.
#[derive(Debug)]
pub(crate) struct Session {
    engine: Engine,
    /// The sources that were chosen.
    pub sources: Vec<Source>,
    /// Those that were not.
    others: Vec<Source>,
    /// Whom it is about, request by request.
    pub selectors: Vec<Arc<Selector>>,
    /// How far an erasure may reach.
    limits: EraseLimits,
    shows_progress: bool,
}

/// What a session needs the signing key for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signs {
    /// Something will be signed; the key is made where there is none.
    Yes,
    /// Nothing will be; what was signed before is looked up, if there is a key.
    LooksUp,
    /// Nothing is, and nothing was.
    No,
}

/// What happened, and how long it took.
#[derive(Debug)]
pub(crate) struct Ran {
    /// What happened.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

impl Session {
    /// Checks arguments against the configuration, reads secrets, and opens stores. `export` is where packages go, for
    /// commands that write some; `signs` is what the signing key is needed for.
    pub(crate) async fn open(
        args: &RunArgs,
        config: &Config,
        export: impl FnOnce() -> Result<Option<Arc<dyn Store>>>,
        signs: Signs,
    ) -> Result<Self> {
        let sources = selection::sources(&config.sources, &args.scope.source)?;
        let others = selection::others(&config.sources, &sources);
        // Everything that needs no one to be asked for is checked before standard input is read.
        let epochs = config.keys.epochs(&environment)?;
        let selectors = selection::selectors(&sources, &args.who)?;
        let store = stores::open(&config.store, &environment)?;
        let export = export()?;
        let signing_key = match signs {
            Signs::Yes => Some(signing::find_or_make(config, &environment).await?),
            Signs::LooksUp => signing::find(config, &environment)?,
            Signs::No => None,
        };
        let mut settings = settings(config, &args.resources, store, epochs);
        settings.export = export;
        if let (None, Some(key)) = (&config.ledger, &signing_key) {
            settings.holds = desk::holds_without_ledger(&settings.store, key);
        }
        settings.signing_key = signing_key;
        let limits = config.erase_limits.clone();
        Ok(Self { engine: Engine::new(settings)?, sources, others, selectors, limits, shows_progress: true })
    }

    /// Keeps the terminal free of progress bars, for log lines.
    #[must_use]
    pub(crate) fn quiet(mut self, is_quiet: bool) -> Self {
        self.shows_progress = !is_quiet;
        self
    }

    /// Lets sources keep what a ledger's holds keep. `holds` are those of each of the session's subjects; what is on all of them
    /// keeps all sources. Answers with how many of several are held, where that is not all.
    pub(crate) fn heed(&mut self, holds: &[Vec<Hold>]) -> usize {
        let on_person = |holds: &Vec<Hold>| holds.iter().find(|hold| hold.source.is_none()).map(reason);
        let held: Vec<String> = holds.iter().filter_map(on_person).collect();
        let catalogue = Catalogue { sources: std::mem::take(&mut self.sources), limits: self.limits.clone() };
        self.sources = catalogue.held_by(holds.iter().flatten());
        match held.first() {
            Some(reason) if held.len() == holds.len() => {
                for source in self.sources.iter_mut().filter(|source| !matches!(source.on_erase, OnErase::Keep { .. }))
                {
                    source.on_erase = OnErase::Keep { reason: reason.clone() };
                }
                0
            }
            _ => held.len(),
        }
    }

    /// Runs a request for each of the session's subjects, in one pass. `id` is the request's; of several, what their ids start with.
    pub(crate) async fn run(&self, id: Option<&RequestId>, action: Action, cancel: &CancellationToken) -> Result<Ran> {
        let ids = request_ids(id, self.selectors.len())?;
        let requests = ids.into_iter().zip(&self.selectors);
        let new = |(id, selector): (RequestId, &Arc<Selector>)| Request {
            limits: self.limits.clone(),
            ..Request::new(id, selector.clone(), action.clone())
        };
        let requests = requests.map(new).collect();
        let job = Job { sources: self.sources.clone(), requests, others: self.others.clone() };
        let reporter = Arc::new(Reporter::default());
        let display = Display::follow(&reporter, self.shows_progress);
        let start = Instant::now();
        let outcome = Box::pin(self.engine.run(job, &reporter, cancel)).await;
        drop(display);
        Ok(Ran { outcome: outcome?, elapsed: start.elapsed() })
    }
}

/// What a job runs with: arguments before the configuration, the configuration before defaults.
pub(crate) fn settings(config: &Config, resources: &Resources, store: Arc<dyn Store>, epochs: Epochs) -> Settings {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = resources.threads.or(config.run.threads).unwrap_or_else(cores);
    Settings {
        store,
        export: None,
        epochs,
        signing_key: None,
        holds: desk::unasked_holds(config),
        limits: config.limits,
        memory: resources.memory.or(config.run.memory).unwrap_or_else(|| memory_default(threads)),
        threads,
        requests: resources.requests.or(config.run.requests).unwrap_or(REQUESTS_DEFAULT),
        temp_dir: resources.temp_dir.clone().or_else(|| config.run.temp_dir.clone()),
    }
}

/// The request's id, where one is given.
pub(crate) fn request_id(given: Option<&str>) -> Result<Option<RequestId>> {
    let Some(given) = given else { return Ok(None) };
    let id = RequestId::new(given)
        .ok_or_else(|| Failure::usage("--request-id takes 1 to 64 letters, digits, hyphens and underscores"))?;
    Ok(Some(id))
}

/// Ids for so many requests: `given` for the only one, `given-1`, `given-2` and so on for several, new ones without it.
fn request_ids(given: Option<&RequestId>, count: usize) -> Result<Vec<RequestId>> {
    let Some(given) = given else { return Ok((0..count).map(|_| RequestId::generate()).collect()) };
    if count == 1 {
        return Ok(vec![given.clone()]);
    }
    let numbered = (1..=count).map(|number| RequestId::new(&format!("{given}-{number}")));
    let ids: Option<Vec<_>> = numbered.collect();
    ids.ok_or_else(|| Failure::usage("--request-id leaves no room for the number of each of the requests"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Scope, Who};
    use crate::exit::ExitCode;
    use crate::report::{Asked, Report};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stopped_run_says_so_and_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("lacuna.toml");
        std::fs::write(&config, include_str!("../../../fixtures/config/two-sources.toml")).unwrap();
        let shard = home.path().join("logs/activity/1.ndjson");
        std::fs::create_dir_all(shard.parent().unwrap()).unwrap();
        let line = "{\"TenantId\":\"contoso\",\"User\":\"a@example.org\"}\n";
        std::fs::write(&shard, line).unwrap();
        let args = RunArgs {
            scope: Scope { config: config.clone(), source: vec!["activity".into()] },
            who: Who {
                tenant: Some("contoso".into()),
                subject: vec![lacuna_scan::Secret::new("email=a@example.org".to_owned())],
                subjects: Vec::new(),
                apart: false,
            },
            resources: Resources::default(),
            yes: true,
            json: false,
        };
        let session =
            Session::open(&args, &Config::load(&config).unwrap(), || Ok(None), Signs::Yes).await.unwrap().quiet(true);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let ran = session.run(None, Action::Erase(lacuna_engine::EraseMode::Now), &cancel).await.unwrap();
        let report = Report { asked: Asked::Erase, ran: &ran, sources: &session.sources };
        assert_eq!(report.code(), ExitCode::Interrupted);
        assert_eq!(report.json()["interrupted"], true);
        assert_eq!(std::fs::read_to_string(&shard).unwrap(), line);
    }
}
