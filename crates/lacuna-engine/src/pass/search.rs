//! The search of shards of one source, for all requests of the job.

use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use lacuna_store::BlobInfo;

use super::Pass;
use super::found::{FoundShard, SetFound};
use super::prepared::Prepared;
use super::shard_set::ShardSet;
use crate::erase::hidden::{Hidden, Tombstones};
use crate::outcome::Problem;
use crate::plan;
use crate::plan::format::ShardFormat;
use crate::problem::ShardError;
use crate::read::origin::Origin;
use crate::read::search::{Answer, search};
use crate::{Error, Request, Source};

/// How often a shard that changes under the search is searched again.
const ATTEMPTS_MAX: u32 = 3;

impl<'a> Pass<'a> {
    /// Searches exactly these shards, each as it is now. To search a set again comes to the same; `None` when it was stopped.
    pub async fn search_set(&self, set: &ShardSet) -> Result<Option<SetFound>, Error> {
        let prepared = self.sources.iter().find(|prepared| prepared.source.name == set.source);
        let Some(prepared) = prepared else {
            return Err(Error::Configuration(format!(
                "a set of shards is of source `{}`, which the job lacks",
                set.source
            )));
        };
        self.tombstones().await?;
        let mut all = SetFound::new(&set.source);
        let shards = futures::stream::iter(set.shards.iter().cloned().map(Ok));
        let mut answers = std::pin::pin!(self.search(prepared, shards));
        while let Some(found) = answers.next().await {
            all.append(found?).map_err(Error::Temp)?;
            if self.cancel.is_cancelled() {
                return Ok(None);
            }
        }
        Ok(Some(all))
    }

    /// The shards of a source but for those of tenants that no request acts for, and what may be some and cannot be told.
    pub(super) fn list<'s>(
        &'s self,
        prepared: &'s Prepared<'a>,
    ) -> impl Stream<Item = Result<BlobInfo, lacuna_store::Error>> + Send + 's {
        let all = plan::shards(self.engine.settings.store.as_ref(), &prepared.source.shards, &prepared.glob);
        let is_about = |item: &Result<BlobInfo, lacuna_store::Error>| {
            item.as_ref().map_or(true, |info| prepared.asked.is_about(info.path.as_str()))
        };
        all.filter(move |item| std::future::ready(is_about(item)))
    }

    /// Whether a source has shards, whosever they are.
    pub(super) async fn has_shards(&self, prepared: &Prepared<'a>) -> bool {
        let store = self.engine.settings.store.as_ref();
        let mut all = plan::shards(store, &prepared.source.shards, &prepared.glob).boxed();
        all.next().await.is_some()
    }

    /// Searches these shards, as many at a time as there is room for; what was found comes shard by shard, in their order.
    pub(super) fn search<'s>(
        &'s self,
        prepared: &'s Prepared<'a>,
        shards: impl Stream<Item = Result<BlobInfo, lacuna_store::Error>> + Send + 's,
    ) -> impl Stream<Item = Result<SetFound, Error>> + Send + 's {
        let is_near = self.engine.settings.store.is_here();
        shards
            .map(|info| async {
                let info = match info {
                    Ok(info) => info,
                    Err(error) => return Ok(SetFound::unlisted(prepared.source, error)),
                };
                self.reporter.listed(info.size);
                self.search_shard(prepared, info).await
            })
            .buffered(self.engine.shop.shards_at_once(is_near))
    }

    async fn search_shard(&self, prepared: &Prepared<'a>, mut info: BlobInfo) -> Result<SetFound, Error> {
        let mut found = SetFound::new(&prepared.source.name);
        found.counts.shards = 1;
        let tombstones = self.tombstones().await?;
        match self.attempts(prepared, tombstones, &mut info, &mut found).await {
            Ok(answer) => self.note(found, prepared.source, info, answer),
            Err(ShardError::Cancelled) => Ok(found),
            // Temporary files are one place for all shards: what fails here fails everywhere.
            Err(ShardError::Temp(error)) => Err(Error::Temp(error)),
            Err(error) => {
                self.reporter.searched(0, 0);
                found.problems.push(error.into_problem(info.path.as_str()));
                Ok(found)
            }
        }
    }

    /// Searches a shard; when it changes meanwhile, its new version.
    async fn attempts(
        &self,
        prepared: &Prepared<'a>,
        tombstones: &Tombstones,
        info: &mut BlobInfo,
        found: &mut SetFound,
    ) -> Result<Answer, ShardError> {
        let format = ShardFormat::of(prepared.source, info.path.as_str()).map_err(ShardError::Refused)?;
        let question = prepared.asked.of(info.path.as_str())?;
        let store = &self.engine.settings.store;
        for _ in 0..ATTEMPTS_MAX {
            let origin = Origin::Blob(store.clone(), info.clone());
            let mut standing = tombstones.rows_of(store.as_ref(), info).await;
            if !self.job.requests.iter().any(Request::erases) {
                standing = standing.and_then(|standing| standing.sure(store.as_ref(), info));
            }
            let standing = standing.map_err(|error| ShardError::Tombstone(Box::new(error)))?;
            for etag in standing.waiting {
                let one = (info.path.to_string(), etag);
                if !found.stale.contains(&one) {
                    found.stale.push(one);
                }
            }
            let hidden = match standing.hidden {
                Hidden::Rows(rows) => Some(Arc::new(rows)),
                Hidden::Stale(etag) => {
                    let now = store.head(&info.path).await.map_err(ShardError::Store)?;
                    if now.etag != info.etag {
                        // A purge may have come in between: then it is of a newer version than this.
                        *info = now;
                        continue;
                    }
                    found.stale.push((info.path.to_string(), etag));
                    None
                }
                Hidden::Nothing => None,
            };
            let (shop, reporter) = (&self.engine.shop, Some(self.reporter));
            match search(shop, &origin, &format, &question, hidden.as_ref(), reporter, self.cancel).await {
                Err(error) if error.is_change() => {}
                Err(error) if error.is_gone() => {
                    let why = "it was listed and is gone: another writer may have moved its records";
                    return Err(ShardError::Refused(why.into()));
                }
                Ok(answer) if !answer.matches.is_empty() => {
                    let unlisted = tombstones.check_unlisted(store.as_ref(), info).await;
                    return unlisted.map(|()| answer).map_err(|error| ShardError::Tombstone(Box::new(error)));
                }
                answer => return answer,
            }
            *info = store.head(&info.path).await.map_err(ShardError::Store)?;
        }
        Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
    }

    /// What a shard answered, as what was found in a set of one.
    fn note(&self, mut found: SetFound, source: &Source, info: BlobInfo, answer: Answer) -> Result<SetFound, Error> {
        let rows = answer.matches.rows().len();
        tracing::debug!(shard = info.path.as_str(), rows = answer.rows, matched = rows, "searched");
        self.reporter.searched(answer.rows, rows);
        let counts = &mut found.counts;
        counts.shards_searched = 1;
        counts.rows_scanned = answer.rows;
        counts.bytes_read = answer.bytes_read;
        counts.effort = answer.effort;
        counts.matched = rows;
        let problem = |reason: String| Problem { shard: info.path.to_string(), reason };
        found.problems.extend(answer.problems(&source.on_erase).into_iter().map(problem));
        if !answer.matches.is_empty() {
            found.shards.push(FoundShard {
                info,
                rows: answer.rows,
                poisoned: answer.poisoned.count,
                matches: answer.matches,
            });
        }
        found.records = Some(answer.records);
        Ok(found)
    }
}

impl SetFound {
    /// What there is to say of a source of which not all shards can be listed.
    pub(super) fn unlisted(source: &Source, error: lacuna_store::Error) -> Self {
        let mut found = Self::new(&source.name);
        found.problems.push(Problem::unlisted(&source.shards, error));
        found
    }
}
