//! Shards that two sources name: nothing is erased in them for one that the other would not erase in the same way.

use std::sync::Arc;

use lacuna_engine::{
    Action, EraseMode, Job, OnErase, Outcome, PurgeOptions, PurgeOutcome, Receipt, ReceiptSource, Reporter, ShardState,
    Source,
};
use lacuna_scan::Identifier;
use tokio_util::sync::CancellationToken;

use crate::world::{World, erase, field, mixed, ndjson, receipt, receipt_at, request, source};

async fn world() -> World {
    let world = World::new();
    world.put("a/audit.ndjson", ndjson(&mixed())).await;
    world.put("n/1.ndjson", ndjson(&mixed())).await;
    world
}

fn all() -> Source {
    source("n", "**/*.ndjson")
}

/// A source that anonymizes, and knows people by this column, too.
fn anonymized_by(column: &str) -> Source {
    let mut source = Source { on_erase: OnErase::Anonymize, ..all() };
    source.mapping.identifiers.push(field(column, "id"));
    source
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
        (vec![all(), anonymized.clone()], vec![]),
        (vec![anonymized_by("Number"), anonymized], vec![]),
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
    // The rows went once, and each source has them.
    assert_eq!(outcome.sources.iter().map(|source| source.erased).collect::<Vec<_>>(), [6, 3]);
    let lines = |receipt: &Receipt| {
        let audit = |source: &ReceiptSource| {
            let line = source.shards.iter().find(|line| line.shard == "a/audit.ndjson").unwrap();
            (line.state, line.etag_after.clone(), line.matched, line.rows_after)
        };
        receipt.sources.iter().map(audit).collect::<Vec<_>>()
    };
    let [n, a] = &lines(&receipt(&world, &outcome).await)[..] else { panic!() };
    assert!(n == a && n.0 == ShardState::Gone && n.1.is_some() && (n.2, n.3) == (3, 57), "{n:?} {a:?}");

    // The same in two steps, where one of them knows of more rows.
    let world = self::world().await;
    let mut of_number = source("a", "a/*.ndjson");
    of_number.mapping.identifiers.push(field("Number", "number"));
    let mut hide = request("e1", "u3", Action::Erase(EraseMode::Hide));
    Arc::make_mut(&mut hide.selector).identifiers.push(Identifier::new("number", "4"));
    let sources = [all(), of_number];
    assert!(world.run(sources.to_vec(), vec![hide]).await.unwrap().is_complete());
    let outcome = purge(&world, &sources, vec![]).await;
    assert_eq!((outcome.shards_purged, outcome.rows_purged, outcome.problems.len()), (2, 7, 0), "{outcome:?}");
    let path = outcome.requests[0].receipt.clone().unwrap();
    let receipt = receipt_at(&world, &path).await;
    assert!(receipt.is_done());
    let [n, a] = &lines(&receipt)[..] else { panic!() };
    assert_eq!((n.0, n.2, n.3, a.0, a.2, a.3), (ShardState::Gone, 3, 56, ShardState::Gone, 4, 56));
}

#[tokio::test]
async fn what_one_of_two_sources_has_found_beside_the_other_goes_too() {
    let world = world().await;
    let mut of_number = source("a", "a/*.ndjson");
    of_number.mapping.identifiers.push(field("Number", "number"));
    let mut erase = erase("e1", "u3");
    Arc::make_mut(&mut erase.selector).identifiers.push(Identifier::new("number", "4"));
    let outcome = world.run(vec![all(), of_number], vec![erase]).await.unwrap();
    assert!(outcome.is_complete(), "{:?}", problems(&outcome));
    assert_eq!(outcome.sources.iter().map(|source| source.erased).collect::<Vec<_>>(), [6, 4]);
    let receipt = receipt(&world, &outcome).await;
    let told: Vec<_> = receipt.sources[1].shards.iter().map(|line| (line.state, line.matched)).collect();
    assert_eq!(told, [(ShardState::Gone, 3), (ShardState::Gone, 1)]);
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
