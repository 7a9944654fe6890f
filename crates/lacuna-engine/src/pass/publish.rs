//! The packages of the requests that export.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use lacuna_export::manifest::{Excluded, Shard};
use lacuna_scan::SelectorIndex;

use super::Pass;
use super::gather::{Gathered, Searched};
use crate::engine::location;
use crate::outcome::RequestOutcome;
use crate::package::spool::Spool;
use crate::package::{Contents, Place, Press, Volume};
use crate::{Action, Error, Phase, Source};

/// Packages made at a time.
const PACKAGES_AT_ONCE: usize = 8;

/// Packages written together: their small files share what a store asks for each of them, and are in memory until then. With 32 of them
/// `cargo xtask bench --cases export-crowd` takes longer.
const PACKAGES_TOGETHER: usize = 128;

impl Pass<'_> {
    /// Writes the packages. One that is complete already was handed out, and stays as it is.
    pub(super) async fn publish(&self, gathered: &Gathered, outcomes: &mut [RequestOutcome]) -> Result<(), Error> {
        let Some(press) = self.press() else { return Ok(()) };
        self.reporter.enter(Phase::Package);
        let press = &press;
        let packages = (0..self.job.requests.len()).map(|index| {
            let complete = outcomes[index].complete;
            async move {
                match self.contents(index, &gathered.sources, &gathered.spool, complete) {
                    Some(contents) if !self.cancel.is_cancelled() => match press.place(contents.request).await? {
                        Place::Taken(path) => Ok(Some((Volume::written(path), true))),
                        Place::Free(claim, left) => {
                            Ok(Some((press.print(contents, left).await?.claimed(claim), complete)))
                        }
                    },
                    _ => Ok(None),
                }
            }
        });
        let packages = packages.collect::<Vec<_>>();
        // While some are written, the next are made.
        let written: Vec<Option<(String, bool)>> = futures::stream::iter(packages)
            .buffered(self.engine.shop.requests.min(PACKAGES_AT_ONCE))
            .chunks(PACKAGES_TOGETHER)
            .map(|made| write(press, made))
            .buffered(2)
            .try_concat()
            .await?;
        for (outcome, written) in outcomes.iter_mut().zip(written) {
            if let Some((path, complete)) = written {
                outcome.package = Some(location(press.store, &path));
                outcome.complete = complete;
            }
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
                contents.searched.push((at, manifest_source(source, searched, index)));
            } else {
                contents.excluded.push(Excluded {
                    source: source.name.clone(),
                    product: source.product.clone(),
                    data_type: source.data_type.clone(),
                    reason: request.why_passed_over(source),
                });
            }
        }
        Some(contents)
    }
}

/// Writes packages that were made, if all could be; answers with their paths, and whether they are complete.
async fn write(
    press: &Press<'_>,
    made: Vec<Result<Option<(Volume, bool)>, Error>>,
) -> Result<Vec<Option<(String, bool)>>, Error> {
    let mut made = made.into_iter().collect::<Result<Vec<_>, _>>()?;
    press.publish(made.iter_mut().flatten().map(|(volume, _)| volume).collect()).await?;
    Ok(made.into_iter().map(|made| made.map(|(volume, complete)| (volume.root, complete))).collect())
}

fn manifest_source(source: &Source, searched: &Searched, request: usize) -> lacuna_export::manifest::Source {
    let problems = searched.outcome.problems.iter();
    lacuna_export::manifest::Source {
        source: source.name.clone(),
        product: source.product.clone(),
        data_type: source.data_type.clone(),
        shards_scanned: searched.shards_searched,
        rows_scanned: searched.outcome.rows_scanned,
        matched: searched.matched[request],
        shards: searched.shards[request]
            .iter()
            .map(|(shard, matched)| Shard { matched: *matched, ..Shard::clone(shard) })
            .collect(),
        problems: problems
            .map(|problem| lacuna_export::manifest::Problem {
                shard: problem.shard.clone(),
                reason: problem.reason.clone(),
            })
            .collect(),
    }
}
