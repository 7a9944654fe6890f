//! Watermarks after a pass: what a pass has erased, no sweep needs to look for again.

use std::collections::{BTreeMap, BTreeSet};

use lacuna_engine::{OnErase, Outcome, Versions};
use lacuna_ledger::{PassId, Sequence, SetStatus, Shard};

use crate::job::Composed;
use crate::shards::searched;
use crate::{Result, Worker};

/// Standing erasures that are asked for at a time.
const PAGE: u32 = 1000;

/// The numbers of standing erasures before a pass concluded its own.
pub(super) struct Marks {
    before: Sequence,
}

/// The numbers that a pass's erasures got, without a gap: shards that were at `from` before it are at `to` after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    from: Sequence,
    to: Sequence,
}

impl Marks {
    pub(super) async fn before(worker: &Worker) -> Result<Self> {
        Ok(Self { before: worker.ledger.last_sequence().await? })
    }

    /// Moves the watermarks of the shards that a concluded pass has searched. To do it is a saving and no duty: a shard whose watermark
    /// stays is searched once more by the next sweep. So whatever is not certain is left:
    /// the numbers of other passes in between, shards with a problem, and versions that came into place meanwhile.
    pub(super) async fn advance(
        &self,
        worker: &Worker,
        composed: &Composed,
        outcome: &Outcome,
        pass: PassId,
        sets: &[SetStatus],
    ) -> Result<()> {
        let own: BTreeSet<_> = composed.placed.iter().map(|placed| placed.request.request.id).collect();
        let mut given = Vec::new();
        let mut after = self.before;
        loop {
            let page = worker.ledger.standing(after, PAGE, worker.now()).await?;
            given.extend(page.iter().map(|erasure| (erasure.sequence, own.contains(&erasure.request))));
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = last.sequence,
                _ => break,
            }
        }
        let Some(run) = run(&given) else { return Ok(()) };
        let problems: BTreeMap<&str, BTreeSet<&str>> = (outcome.sources.iter())
            .map(|source| {
                (source.source.as_str(), source.problems.iter().map(|problem| problem.shard.as_str()).collect())
            })
            .collect();
        let replaced = outcome.sources.iter().map(|source| (source.source.as_str(), &source.replaced));
        let replaced: BTreeMap<&str, _> = replaced.collect();
        // Where rows are kept, nothing was applied: they go when the source keeps them no more.
        let keeping = composed.job.sources.iter().filter(|source| matches!(source.on_erase, OnErase::Keep { .. }));
        let keeping: BTreeSet<&str> = keeping.map(|source| source.name.as_str()).collect();
        for set in sets.iter().filter(|set| !keeping.contains(set.source.as_str())) {
            let source = set.source.as_str();
            let Some(mapped) = composed.job.sources.iter().find(|mapped| mapped.name == source) else { continue };
            let search = worker.engines.batch.search_of(mapped);
            let shards = worker.ledger.set_shards(pass, set.set).await?;
            let marks = worker.ledger.watermarks(source, &searched(shards.clone(), &search)).await?;
            let at_from = shards.into_iter().zip(marks).filter(|(_, mark)| *mark >= run.from).map(|(shard, _)| shard);
            let sound =
                at_from.filter(|shard| !problems.get(source).is_some_and(|all| all.contains(shard.path.as_str())));
            let now = sound.filter_map(|shard| match replaced.get(source).and_then(|all| all.get(&shard.path)) {
                None => Some(shard),
                // Another writer's version, which only this pass's erasures were looked for in, was replaced.
                Some(Versions { before, .. }) if before.as_str() != shard.etag => None,
                // Or it was deleted.
                Some(Versions { after, .. }) => after.as_ref().map(|etag| Shard { etag: etag.to_string(), ..shard }),
            });
            worker.ledger.advance_watermarks(source, &searched(now, &search), run.to).await?;
        }
        Ok(())
    }
}

/// The first numbers that are the pass's own, as long as none of another's is among them.
fn run(given: &[(Sequence, bool)]) -> Option<Run> {
    let mut own =
        given.iter().skip_while(|(_, is_own)| !is_own).take_while(|(_, is_own)| *is_own).map(|(number, _)| number.0);
    let first = own.next()?;
    let mut last = first;
    for number in own {
        if number != last + 1 {
            break;
        }
        last = number;
    }
    Some(Run { from: Sequence(first - 1), to: Sequence(last) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_without_a_gap_count() {
        let given = |numbers: &[(i64, bool)]| -> Option<(i64, i64)> {
            let given: Vec<_> = numbers.iter().map(|(number, own)| (Sequence(*number), *own)).collect();
            run(&given).map(|run| (run.from.0, run.to.0))
        };
        assert_eq!(given(&[(4, true), (5, true)]), Some((3, 5)));
        assert_eq!(given(&[(4, false), (5, true), (6, true)]), Some((4, 6)), "shards that lack 4 are not at 4");
        assert_eq!(given(&[(4, true), (5, false), (6, true)]), Some((3, 4)), "5 is another's");
        assert_eq!(given(&[(4, true), (6, true)]), Some((3, 4)), "5 may be another's that stands no more");
        assert_eq!(given(&[(4, false)]), None);
        assert_eq!(given(&[]), None);
    }
}
