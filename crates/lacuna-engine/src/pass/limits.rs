//! Which erasures go on once everything was searched: those within their limits, and with their package complete.

use super::Pass;
use super::gather::Searched;
use super::prepared::Prepared;
use crate::outcome::{RequestOutcome, Stopped};
use crate::{OnErase, Request};

impl Pass<'_> {
    /// Stops erasures that would reach too far, those among them that are only tried, and those whose package is not there.
    pub(super) fn stop(&self, searched: &[Searched], outcomes: &mut [RequestOutcome]) {
        let erasures = self.job.requests.iter().enumerate().filter(|(_, request)| request.erases());
        for (index, request) in erasures {
            let stopped =
                self.over_limits(index, request, searched).or_else(|| self.package_missing(request, outcomes));
            if stopped.is_some() {
                outcomes[index].complete = false;
                outcomes[index].stopped = stopped;
            }
        }
    }

    fn over_limits(&self, index: usize, request: &Request, searched: &[Searched]) -> Option<Stopped> {
        // Of a subject that is held nothing is erased.
        if request.held.is_some() {
            return None;
        }
        let limits = &request.limits;
        let erased = self.sources.iter().zip(searched).filter(|(prepared, searched)| {
            searched.matched[index] > 0 && !matches!(prepared.source.on_erase, OnErase::Keep { .. })
        });
        let erased: Vec<_> = erased.collect();
        let rows = erased.iter().map(|(_, searched)| searched.matched[index]).sum();
        let shards = erased.iter().map(|(_, searched)| searched.shards[index].len() as u64).sum();
        if let Some(approved) = &limits.approved {
            let is_seen = |(prepared, searched): &(&Prepared<'_>, &Searched)| {
                let seen = approved.get(&prepared.source.name).copied().unwrap_or_default();
                searched.matched[index] <= seen.rows && searched.shards[index].len() as u64 <= seen.shards
            };
            if erased.iter().all(is_seen) {
                return None;
            }
        }
        for (prepared, searched) in erased {
            let (matched, all) = (searched.matched[index], searched.outcome.rows_scanned);
            #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
            let share = matched as f64 / all.max(1) as f64;
            if let Some(max) = limits.max_share
                && share > max
            {
                return Some(Stopped::MaxShare { source: prepared.source.name.clone(), matched, rows: all, max });
            }
        }
        match (limits.max_rows, limits.max_shards) {
            (Some(max), _) if rows > max => Some(Stopped::MaxRows { matched: rows, max }),
            (_, Some(max)) if shards > max => Some(Stopped::MaxShards { matched: shards, max }),
            _ => None,
        }
    }

    /// Whether the same request exports first, and its package is not complete.
    fn package_missing(&self, request: &Request, outcomes: &[RequestOutcome]) -> Option<Stopped> {
        let mut requests = self.job.requests.iter().zip(outcomes);
        let (_, export) = requests.find(|(other, _)| other.exports() && other.id == request.id)?;
        (!export.complete || export.package.is_none()).then_some(Stopped::Package)
    }
}
