//! A job in steps: what to look for is compiled once, shards are searched set by set, and what was found is brought to its end. The
//! command line takes all steps in one process ([`Engine::run`]); workers share them.

mod asked;
mod change;
mod finish;
mod found;
mod gather;
mod keep;
mod limits;
mod noted;
mod prepared;
mod publish;
mod receipts;
mod search;
mod shard_set;
mod wire;

use std::collections::HashSet;

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use lacuna_scan::{Field, Identifier, IdentifierRule};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

pub use self::found::{Counts, SetFound};
pub(crate) use self::gather::Searched;
pub use self::shard_set::{SetSize, ShardSet};

use self::gather::Gathered;
use self::prepared::Prepared;
use crate::abreast::side_by_side;
use crate::erase::hidden::Tombstones;
use crate::package::Press;
use crate::receipt::statement::Statement;
use crate::{Engine, Error, Job, Outcome, Phase, Reporter, Request, Source};

/// A job under way.
#[derive(Debug)]
pub struct Pass<'a> {
    engine: &'a Engine,
    job: &'a Job,
    sources: Vec<Prepared<'a>>,
    reporter: &'a Reporter,
    cancel: &'a CancellationToken,
    statement: Statement,
    tombstones: OnceCell<Tombstones>,
    /// Whether only some of the shards are looked at, because the others were searched for the same requests before.
    is_partial: bool,
}

impl Engine {
    /// Takes up `job`: compiles what to look for, and refuses what cannot be right before anything is read.
    ///
    /// Whoever takes up the same job can search any of its sets and finish it. A step that is asked to stop by `cancel` leaves
    /// nothing half done; `reporter` counts meanwhile.
    pub fn pass<'a>(
        &'a self,
        job: &'a Job,
        reporter: &'a Reporter,
        cancel: &'a CancellationToken,
    ) -> Result<Pass<'a>, Error> {
        let wrong = |what: &str| Err(Error::Configuration(what.to_owned()));
        if job.requests.is_empty() || job.sources.is_empty() {
            return wrong("a job needs a request and a source");
        }
        if job.requests.iter().any(|request| request.selector.identifiers.is_empty()) {
            return wrong("a request names no identifier");
        }
        let mut identifiers = job.requests.iter().flat_map(|request| &request.selector.identifiers);
        if identifiers.any(Identifier::is_blank) {
            return wrong("an identifier has no visible value: it would stand for everybody whose records have none");
        }
        let exports = job.requests.iter().any(|request| request.exports());
        let changes = job.requests.iter().any(|request| request.changes());
        if exports && self.settings.export.is_none() {
            return wrong("there is no destination for the export");
        }
        if (exports || changes) && self.settings.signing_key.is_none() {
            return wrong("there is no key to sign with");
        }
        // The same id may stand twice only for a request that exports first and then erases.
        let mut ids = HashSet::new();
        if !job.requests.iter().all(|request| ids.insert((&request.id, request.exports()))) {
            return wrong("two requests have the same id");
        }
        let sources = job.sources.iter().map(|source| Prepared::new(self, job, source));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        for (index, request) in job.requests.iter().enumerate() {
            if !sources.iter().any(|source| source.searchable[index]) {
                return Err(Error::Configuration(unanswerable(request, &job.sources)));
            }
        }
        let (statement, tombstones) = (Statement::begin(), OnceCell::new());
        Ok(Pass { engine: self, job, sources, reporter, cancel, statement, tombstones, is_partial: false })
    }
}

/// Why `request` can be asked of none of these sources.
fn unanswerable(request: &Request, sources: &[Source]) -> String {
    let sources = sources.iter().filter(|source| request.is_about(source));
    let mut composites = sources.flat_map(|source| &source.mapping.identifiers).map(IdentifierRule::fields);
    let is_named = |field: &&Field| request.names(&field.kind);
    match composites.find(|fields| fields.iter().any(|field| is_named(&field))) {
        Some(fields) => {
            let (named, lacking): (Vec<_>, Vec<_>) = fields.iter().partition(is_named);
            let list = |fields: Vec<&Field>| {
                fields.iter().map(|field| format!("`{}`", field.kind)).collect::<Vec<_>>().join(", ")
            };
            format!(
                "{} is mapped only in an `all_of` together with {}, which request {} does not name",
                list(named),
                list(lacking),
                request.id
            )
        }
        None => format!("no source maps a kind of identifier that request {} names", request.id),
    }
}

impl Pass<'_> {
    /// The same for some shards only, where all others were searched for these requests before: receipts say so of both.
    #[must_use]
    pub fn of_some_shards(mut self) -> Self {
        self.is_partial = true;
        self
    }

    /// All steps, one source after the other. What was found goes from memory to its end, without a detour.
    pub(crate) async fn run(self) -> Result<Outcome, Error> {
        if let Some(press) = self.press() {
            let exports = self.job.requests.iter().filter(|request| request.exports());
            side_by_side(exports.map(|request| press.check_absent(request).boxed()))
                .try_for_each(async |()| Ok(()))
                .await?;
        }
        self.check_ids().await?;
        self.reporter.enter(Phase::Search);
        self.tombstones().await?;
        let mut gathered = Gathered::new(&self)?;
        for (index, prepared) in self.sources.iter().enumerate() {
            if !prepared.is_searchable() {
                continue;
            }
            let mut answers = std::pin::pin!(self.search(prepared, self.list(prepared)));
            while let Some(found) = answers.next().await {
                gathered.take(&self, index, found?).await?;
                if self.cancel.is_cancelled() {
                    break;
                }
            }
            gathered.tell(index);
        }
        self.conclude(gathered).await
    }

    /// Where all tombstones were when this was first asked.
    async fn tombstones(&self) -> Result<&Tombstones, Error> {
        let list = || Tombstones::list(self.engine.settings.store.as_ref());
        self.tombstones.get_or_try_init(list).await.map_err(Error::hidden_unlisted)
    }

    fn press(&self) -> Option<Press<'_>> {
        Some(Press {
            shop: &self.engine.shop,
            store: self.engine.settings.export.as_deref()?,
            key: self.engine.settings.signing_key.as_ref()?,
        })
    }
}
