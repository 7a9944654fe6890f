//! What is wrong with the sources before it matters: access, listing, and whether shards hold what the mapping names.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_scan::{Identifier, Matcher, Noted, Selector, TenantId, TenantRule};
use lacuna_store::{BlobInfo, BlobPath, Content, ErrorKind, Store};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::erase::check_names;
use crate::erase::hidden::Tombstones;
use crate::outcome::Problem;
use crate::plan::claims::{Claims, dispute};
use crate::plan::format::ShardFormat;
use crate::plan::glob::Glob;
use crate::problem::{ShardError, chain};
use crate::read::origin::Origin;
use crate::read::search::{Question, Reading, search};
use crate::receipt::stored::newest;
use crate::{Engine, Error, OnErase, Source, commit, plan};

/// How many shards of a source are looked into.
const SHARDS_MAX: u64 = 3;

/// How many of a source's shards are listed.
const LISTED_MAX: usize = 100_000;

/// How many requests' receipts are looked at.
const REQUESTS_MAX: usize = 100;

/// Of how many of a source's shards with hidden rows the tombstones are looked at.
const HIDDEN_MAX: usize = 100;

/// A shard larger than this is looked into only when its format has its schema apart from its rows.
const WHOLE_BYTES_MAX: u64 = 64 << 20;

/// What a look at one source found.
#[derive(Clone, Debug, Serialize)]
pub struct SourceCheck {
    /// The source's name.
    pub source: String,
    /// How many shards were looked into: the first ones.
    pub shards_seen: u64,
    /// What would make a request incomplete.
    pub problems: Vec<Problem>,
    /// What may be meant, and may not.
    pub warnings: Vec<String>,
}

impl SourceCheck {
    /// Notes that another source has this shard, too: the first that they share.
    fn share(&mut self, source: &Source, other: &Source, shard: &str) {
        match dispute(source, other) {
            Some(reason) => self.problems.push(Problem { shard: shard.to_owned(), reason }),
            None => self.warnings.push(format!(
                "{shard} is also a shard of source `{}`: what is found in it is counted, and exported, for both",
                other.name
            )),
        }
    }
}

impl Engine {
    /// Whether what is hidden can be purged: its tombstones can be read, and the newest receipts of the requests that hid it are of this key.
    /// Looks at some of the requests. Without a key, at the tombstones alone.
    pub async fn check_hidden(&self) -> Result<(), Error> {
        let hiding = self.hiding().await?;
        let Some(key) = &self.settings.signing_key else { return Ok(()) };
        let look = |request: String| async move {
            let known = newest(self.settings.store.as_ref(), key, &request).await.map(|_| ());
            let unfit =
                |error| Error::Configuration(format!("request {request} has hidden records, and {}", chain(&error)));
            known.map_err(unfit)
        };
        futures::stream::iter(hiding.into_iter().take(REQUESTS_MAX))
            .map(look)
            .buffered(self.shop.requests)
            .try_collect()
            .await
    }

    /// Looks into the first shards of each source with an identifier that nobody has. What `others` name should be no shards of these.
    pub async fn check(&self, sources: &[Source], others: &[Source]) -> Vec<SourceCheck> {
        let (mut checks, all) = (Vec::new(), sources.iter().chain(others));
        // A source whose glob is none has no shards, and is told of that.
        let claims = Claims::new(all.filter(|source| Glob::new(&source.shards).is_ok())).unwrap_or_default();
        // What cannot be listed is told where records are hidden.
        let tombstones = Tombstones::list(self.settings.store.as_ref()).await.unwrap_or_default();
        for source in sources {
            checks.push(self.check_source(source, &claims, &tombstones).await);
        }
        checks
    }

    /// Why a record cannot be written where the logs are and where packages go, as far as it cannot: it is tried, and removed again.
    pub async fn check_writing(&self) -> Vec<String> {
        let logs = Some((&self.settings.store, "`erase`, `purge` and `sweep`"));
        let packages = self.settings.export.as_ref().map(|export| (export, "`export`"));
        let mut warnings = Vec::new();
        for (store, who) in logs.into_iter().chain(packages) {
            if let Err(error) = write(store.as_ref()).await {
                let (store, why) = (store.url(), chain(&error));
                warnings.push(format!(
                    "{who} will not work, as an empty record cannot be written in {store} and removed: {why}"
                ));
            }
        }
        warnings
    }

    async fn check_source(&self, source: &Source, claims: &Claims, tombstones: &Tombstones) -> SourceCheck {
        let mut check =
            SourceCheck { source: source.name.clone(), shards_seen: 0, problems: Vec::new(), warnings: Vec::new() };
        let question = self.nobody(source).map_err(|reason| self.wrong(source, reason));
        let glob = Glob::new(&source.shards).map_err(|reason| self.wrong(source, reason));
        let (question, glob) = match (question, glob) {
            (Ok(question), Ok(glob)) => (question, glob),
            (question, glob) => {
                check.problems.extend([question.err(), glob.err()].into_iter().flatten());
                return check;
            }
        };
        let store = &self.settings.store;
        let mut listing = std::pin::pin!(plan::shards(store.as_ref(), &source.shards, &glob).enumerate());
        let (mut rivals, mut hidden) = (BTreeSet::new(), 0);
        while let Some((at, item)) = listing.next().await {
            if at == LISTED_MAX {
                check.warnings.push(format!("it has more than {LISTED_MAX} shards, and the others were not listed"));
                break;
            }
            if let Ok(info) = &item {
                for other in claims.others(source, info.path.as_str()) {
                    if rivals.insert(other.name.clone()) {
                        check.share(source, other, info.path.as_str());
                    }
                }
                if hidden < HIDDEN_MAX && tombstones.is_listed(info) {
                    hidden += 1;
                    let shown = tombstones.rows_of(store.as_ref(), info).await;
                    let shown = shown
                        .and_then(|shown| shown.sure(store.as_ref(), info))
                        .map_err(|error| ShardError::Tombstone(Box::new(error)));
                    check.problems.extend(shown.err().map(|error| error.into_problem(info.path.as_str())));
                }
            }
            match item {
                Ok(info) if check.shards_seen < SHARDS_MAX => {
                    self.check_shard(source, info, &question, &mut check).await
                }
                Ok(_) => {}
                Err(error) => check.problems.push(Problem::unlisted(&source.shards, error)),
            }
        }
        if check.shards_seen > 0 {
            check.warnings.extend(question.matcher.fields().iter().filter_map(|field| {
                let (column, path) = (field.column(), field.path_to_nothing()?);
                Some(format!("no text of `{column}` in the shards that were looked into has `{path}`"))
            }));
        } else if check.problems.is_empty() {
            let none = format!("no blob in {} matches it", store.url());
            match source.may_be_empty {
                true => check.warnings.push(none),
                false => check.problems.push(self.wrong(source, none)),
            }
        }
        check
    }

    /// Looks into a shard.
    async fn check_shard(&self, source: &Source, info: BlobInfo, question: &Question, check: &mut SourceCheck) {
        check.shards_seen += 1;
        let path = info.path.to_string();
        check.problems.extend(self.obstacle(source, &info).await);
        if let TenantRule::Folder(folder) = &source.mapping.tenant
            && folder.tenant(&path).is_none()
        {
            check.problems.push(ShardError::NoTenant.into_problem(&path));
        }
        let origin = Origin::Blob(self.settings.store.clone(), info.clone());
        let looked = match ShardFormat::of(source, &path) {
            Err(why) => Err(ShardError::Refused(why)),
            Ok(ShardFormat::Parquet) => self.look(origin, ShardFormat::Parquet, question).await,
            Ok(_) if info.size > WHOLE_BYTES_MAX => {
                check.warnings.push(format!("{path} is large and was not looked into"));
                Ok(())
            }
            Ok(format) => self.look(origin, format, question).await,
        };
        check.problems.extend(looked.err().map(|error| error.into_problem(&path)));
    }

    /// Why an erasure would leave a shard as it is.
    async fn obstacle(&self, source: &Source, shard: &BlobInfo) -> Option<Problem> {
        let (store, path) = (self.settings.store.as_ref(), shard.path.as_str());
        let format = ShardFormat::of(source, path).ok().filter(|_| !matches!(source.on_erase, OnErase::Keep { .. }))?;
        let why = match plan::obstacle(store, path, &format).await {
            Ok(Some(why)) => ShardError::Refused(why),
            Ok(None) => check_names(store, shard).err()?,
            Err(error) => ShardError::Store(error),
        };
        Some(why.into_problem(path))
    }

    fn wrong(&self, source: &Source, reason: String) -> Problem {
        Problem { shard: source.shards.clone(), reason }
    }

    /// A question that wants every mapped column, and matches nobody.
    fn nobody(&self, source: &Source) -> Result<Question, String> {
        let fields = source.mapping.fields();
        let identifiers =
            fields.map(|field| Identifier::new(field.kind.as_str(), uuid::Uuid::now_v7().to_string())).collect();
        let selector = Selector { tenant: Some(TenantId::new(uuid::Uuid::now_v7().to_string())), identifiers };
        let mut mapping = source.mapping.clone();
        if matches!(mapping.tenant, TenantRule::Fixed(_) | TenantRule::Folder(_)) {
            mapping.tenant = TenantRule::Single;
        }
        let matcher = Matcher::new(&mapping, &[selector], &self.settings.epochs);
        let matcher = Arc::new(matcher.map_err(|error| error.to_string())?);
        Ok(Question { matcher, collect: [false].into(), sees_hidden: [true].into(), reading: Reading::Whole })
    }

    async fn look(&self, origin: Origin, format: ShardFormat, question: &Question) -> Result<(), ShardError> {
        let never = CancellationToken::new();
        let answer = search(&self.shop, &origin, &format, question, None, None, &never).await?;
        match answer.poisoned {
            Noted { count, first: Some(first) } => {
                Err(ShardError::Refused(format!("{count} of its records cannot be read (the first: {first})")))
            }
            Noted { first: None, .. } => Ok(()),
        }
    }
}

/// Writes an empty record, and removes it.
async fn write(store: &dyn Store) -> Result<(), lacuna_store::Error> {
    let path = BlobPath::new(format!("{}check", plan::OWN_PREFIX))
        .map_err(|error| lacuna_store::Error::new(ErrorKind::Configuration).because(error))?;
    let written = commit::publish(store, &path, Content::Bytes(bytes::Bytes::new()), "text/plain").await?;
    commit::drop_record(store, &written).await
}
