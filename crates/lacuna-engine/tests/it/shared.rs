//! Shards that two sources name: nothing is erased in them for one that the other would not erase in the same way.

use lacuna_engine::{
    Action, EraseMode, Job, OnErase, Outcome, PurgeOptions, PurgeOutcome, Reporter, ShardState, Source,
};
use tokio_util::sync::CancellationToken;

use crate::world::{World, erase, mixed, ndjson, receipt, request, source};

async fn world() -> World {
    let world = World::new();
    world.put("a/audit.ndjson", ndjson(&mixed())).await;
    world.put("n/1.ndjson", ndjson(&mixed())).await;
    world
}

fn all() -> Source {
    source("n", "**/*.ndjson")
}

fn audit() -> Source {
    Source { on_erase: OnErase::Keep { reason: "law 12".into() }, ..source("audit", "a/*.ndjson") }
}

async fn purge(world: &World, sources: &[Source], others: Vec<Source>) -> PurgeOutcome {
    let options = PurgeOptions { others, ..PurgeOptions::default() };
    world.engine().purge(sources, options, &Reporter::default(), &CancellationToken::new()).await.unwrap()
}

fn problems(outcome: &Outcome) -> Vec<String> {
    let problems = outcome.sources.iter().flat_map(|source| &source.problems);
    problems.map(|problem| format!("{}: {}", problem.shard, problem.reason)).collect()
}

#[tokio::test]
async fn what_one_source_keeps_another_does_not_erase() {
    let anonymized = Source { on_erase: OnErase::Anonymize, ..source("audit", "a/*.ndjson") };
    for (sources, others) in [
        (vec![all(), audit()], vec![]),
        (vec![audit(), all()], vec![]),
        (vec![all()], vec![audit()]),
        (vec![all(), anonymized], vec![]),
    ] {
        let world = world().await;
        let job = Job { sources, requests: vec![erase("e1", "u3")], others };
        let outcome = world.engine().run(job, &Reporter::default(), &CancellationToken::new()).await.unwrap();
        assert!(!outcome.is_complete());
        let problems = problems(&outcome);
        let told = |problem: &String| problem.starts_with("a/audit.ndjson: it is also a shard of source `");
        assert!(!problems.is_empty() && problems.iter().all(told), "{problems:?}");
        assert_eq!(world.get("a/audit.ndjson").await, ndjson(&mixed()).into_bytes());
        let sources = receipt(&world, &outcome).await.sources;
        let lines = sources.iter().flat_map(|source| &source.shards);
        let gone: Vec<_> =
            lines.filter(|line| line.state == ShardState::Gone).map(|line| line.shard.as_str()).collect();
        assert_eq!(gone, ["n/1.ndjson"]);
    }
}

#[tokio::test]
async fn sources_that_erase_alike_may_share_a_shard() {
    let world = world().await;
    let outcome = world.run(vec![all(), source("a", "a/*.ndjson")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete(), "{:?}", problems(&outcome));
}

#[tokio::test]
async fn a_purge_leaves_what_came_to_be_kept_meanwhile() {
    let world = world().await;
    let hide = request("e1", "u3", Action::Erase(EraseMode::Hide));
    assert!(world.run(vec![all()], vec![hide]).await.unwrap().is_complete());
    let outcome = purge(&world, &[all()], vec![audit()]).await;
    assert_eq!((outcome.shards, outcome.shards_purged), (2, 1));
    let problems: Vec<_> = outcome.problems.iter().map(|problem| problem.shard.as_str()).collect();
    assert_eq!(problems, ["a/audit.ndjson"]);
    assert_eq!(world.get("a/audit.ndjson").await, ndjson(&mixed()).into_bytes());
    // Of the source that keeps it alone, it is no problem.
    let outcome = purge(&world, &[audit()], vec![]).await;
    assert_eq!((outcome.shards, outcome.shards_held, outcome.problems.len()), (1, 1, 0));
    let outcome = purge(&world, &[all()], vec![]).await;
    assert_eq!((outcome.shards_purged, outcome.problems.len()), (1, 0));
}

#[tokio::test]
async fn a_check_tells_of_shards_that_two_sources_name() {
    let (world, alike) = (world().await, source("alike", "n/*"));
    let checks = world.engine().check(&[all(), audit()], std::slice::from_ref(&alike)).await;
    for check in &checks {
        assert_eq!(check.problems.len(), 1, "{check:?}");
        assert_eq!(check.problems[0].shard, "a/audit.ndjson");
    }
    assert!(checks[0].warnings.iter().any(|warning| warning.contains("`alike`")), "{:?}", checks[0].warnings);
    let apart = world.engine().check(&[source("n", "n/*.ndjson"), audit()], &[]).await;
    assert!(apart.iter().all(|check| check.problems.is_empty() && check.warnings.is_empty()), "{apart:?}");
}
