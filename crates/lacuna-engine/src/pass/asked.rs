//! What is asked of the shards of one source: the same of all, or of each the requests of the tenant that its path names.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lacuna_scan::{Mapping, Matcher, MatcherError, Selector, TenantFolder, TenantId, TenantRule};

use crate::problem::{ShardError, chain};
use crate::read::search::{Question, Reading};
use crate::{Engine, Error, Job, Request, Source};

/// Tenants whose matchers are held at a time. Shards come by path, so those of one tenant mostly come together.
const TENANTS_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Asked<'a> {
    engine: &'a Engine,
    job: &'a Job,
    source: &'a Source,
    /// Which requests ask.
    wanted: Vec<bool>,
    /// What is asked of every shard; where folders name the tenants, by nobody.
    question: Question,
    folders: Option<Folders<'a>>,
}

/// Whose shards are, by a folder on the way to them.
#[derive(Debug)]
struct Folders<'a> {
    folder: &'a TenantFolder,
    /// Those that any request acts for.
    tenants: HashSet<TenantId>,
    known: Mutex<HashMap<TenantId, Arc<Matcher>>>,
}

impl<'a> Asked<'a> {
    /// What the requests that are `wanted`, by index, ask of the shards of a source.
    pub(super) fn new(
        engine: &'a Engine,
        job: &'a Job,
        source: &'a Source,
        wanted: impl Fn(usize) -> bool,
        collect: impl Fn(&Request) -> bool,
        reading: Reading,
    ) -> Result<Self, Error> {
        let wanted: Vec<bool> = (0..job.requests.len()).map(wanted).collect();
        let matcher = matcher(engine, job, source, &wanted, &source.mapping);
        let question = Question {
            matcher: matcher.map_err(|why| Error::Source { name: source.name.clone(), source: why })?,
            collect: job.requests.iter().map(collect).collect(),
            sees_hidden: job.requests.iter().map(Request::erases).collect(),
            reading,
        };
        let folders = match &source.mapping.tenant {
            TenantRule::Folder(folder) => {
                let own = job.requests.iter().filter_map(|request| request.selector.tenant.as_ref());
                Some(Folders { folder, tenants: own.map(TenantId::canonical).collect(), known: Mutex::default() })
            }
            TenantRule::Column(_) | TenantRule::Fixed(_) | TenantRule::Single => None,
        };
        Ok(Self { engine, job, source, wanted, question, folders })
    }

    /// Whether records are wanted, and not just their positions.
    pub(super) fn collects(&self) -> bool {
        self.question.collects()
    }

    /// Whether the shard at this path may be of a tenant that a request acts for.
    pub(super) fn is_about(&self, path: &str) -> bool {
        let is_own = |folders: &Folders<'_>, tenant: TenantId| folders.tenants.contains(&tenant.canonical());
        let folders = self.folders.as_ref();
        folders.is_none_or(|folders| folders.folder.tenant(path).is_none_or(|tenant| is_own(folders, tenant)))
    }

    /// What is asked of the shard at this path.
    pub(super) fn of(&self, path: &str) -> Result<Cow<'_, Question>, ShardError> {
        let Some(folders) = &self.folders else { return Ok(Cow::Borrowed(&self.question)) };
        let tenant = folders.folder.tenant(path).ok_or(ShardError::NoTenant)?.canonical();
        let known = folders.known().get(&tenant).cloned();
        let matcher = match known {
            Some(matcher) => matcher,
            None => {
                let mapping = Mapping { tenant: TenantRule::Fixed(tenant.clone()), ..self.source.mapping.clone() };
                let matcher = matcher(self.engine, self.job, self.source, &self.wanted, &mapping);
                let matcher = matcher.map_err(|error| ShardError::Refused(chain(&error)))?;
                let mut known = folders.known();
                if known.len() == TENANTS_MAX {
                    known.clear();
                }
                known.insert(tenant, matcher.clone());
                matcher
            }
        };
        Ok(Cow::Owned(Question { matcher, ..self.question.clone() }))
    }
}

impl Folders<'_> {
    fn known(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Matcher>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A matcher for the requests that are `wanted`. The others have no identifiers in it, and all keep their indices.
fn matcher<'j>(
    engine: &Engine,
    job: &'j Job,
    source: &Source,
    wanted: &[bool],
    mapping: &Mapping,
) -> Result<Arc<Matcher>, MatcherError> {
    let selector = |(&wanted, request): (&bool, &'j Request)| match wanted && request.is_about(source) {
        true => Cow::Borrowed(&*request.selector),
        false => Cow::Owned(Selector { tenant: request.selector.tenant.clone(), identifiers: Vec::new() }),
    };
    let selectors: Vec<Cow<'j, Selector>> = wanted.iter().zip(&job.requests).map(selector).collect();
    Matcher::new(mapping, &selectors, &engine.settings.epochs).map(Arc::new)
}
