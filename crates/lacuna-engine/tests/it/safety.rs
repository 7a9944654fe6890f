//! What stops an erasure, or holds it back: limits on how far it reaches, and holds on its subject.

use std::collections::BTreeMap;
use std::sync::Arc;

use lacuna_engine::{Action, EraseLimits, EraseMode, Reach, Request, ShardState, Stopped};
use lacuna_scan::{Field, Identifier, IdentifierRule, Kind, TenantId};

use crate::world::{World, erase, export, find, mixed, ndjson, parquet, receipt, request, source};

async fn world() -> World {
    let world = World::new();
    world.put("a.parquet", parquet(&mixed())).await;
    world.put("b.ndjson", ndjson(&mixed())).await;
    world
}

fn limited(limits: EraseLimits) -> Request {
    Request { limits, ..erase("e1", "u3") }
}

#[tokio::test]
async fn an_erasure_over_its_limits_is_counted_and_changes_nothing() {
    let cases = [
        (EraseLimits { max_rows: Some(5), ..Default::default() }, Stopped::MaxRows { matched: 6, max: 5 }),
        (EraseLimits { max_shards: Some(1), ..Default::default() }, Stopped::MaxShards { matched: 2, max: 1 }),
        (
            EraseLimits { max_share: Some(0.04), ..Default::default() },
            Stopped::MaxShare { source: "all".into(), matched: 6, rows: 120, max: 0.04 },
        ),
    ];
    for (limits, stopped) in cases {
        let world = world().await;
        // The other one goes on.
        let requests = vec![limited(limits), erase("e2", "u4")];
        let outcome = world.run(vec![source("all", "*.*")], requests).await.unwrap();
        assert_eq!(outcome.requests[0].stopped, Some(stopped));
        assert_eq!((outcome.requests[0].matched, outcome.requests[0].complete), (6, false));
        assert_eq!((outcome.requests[0].receipt.as_deref(), outcome.requests[0].erased), (None, 0));
        assert_eq!((outcome.requests[1].erased, outcome.requests[1].complete), (6, true));
        let left = world.run(vec![source("all", "*.*")], vec![find("u3")]).await.unwrap();
        assert_eq!(left.matched, 6);
    }
}

#[tokio::test]
async fn an_erasure_at_its_limits_goes_on() {
    let exact = EraseLimits { max_rows: Some(6), max_shards: Some(2), max_share: Some(0.05), approved: None };
    let of = |source: &str, rows, shards| (source.to_owned(), Reach { rows, shards });
    let reach = |rows, shards| Some(BTreeMap::from([of("all", rows, shards), of("other", 100, 100)]));
    let approved = EraseLimits { max_rows: Some(1), approved: reach(6, 2), ..Default::default() };
    for limits in [exact, approved] {
        let world = world().await;
        let outcome = world.run(vec![source("all", "*.*")], vec![limited(limits)]).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:?}");
        assert_eq!(outcome.requests[0].erased, 6);
    }
    // More than was approved is not.
    let world = world().await;
    let beyond = EraseLimits { max_rows: Some(1), approved: reach(5, 2), ..Default::default() };
    let outcome = world.run(vec![source("all", "*.*")], vec![limited(beyond)]).await.unwrap();
    assert!(outcome.requests[0].stopped.as_ref().is_some_and(Stopped::is_limit));
}

#[tokio::test]
async fn a_held_subject_is_exported_and_kept_and_the_receipt_says_why() {
    let world = world().await;
    let why = "litigation 7, until it ends";
    let held = Request { held: Some(why.into()), chain_head: Some("12:abc".into()), ..erase("e1", "u3") };
    // Their rows lie in shards that another request changes.
    let requests = vec![held, export("x1", "u3"), erase("e2", "u4")];
    let outcome = world.run(vec![source("all", "*.*")], requests).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!((outcome.requests[0].kept, outcome.requests[0].erased, outcome.requests[2].erased), (6, 0, 6));
    assert_eq!(outcome.sources[0].kept.iter().map(|kept| kept.rows).sum::<u64>(), 6);
    assert!(outcome.sources[0].kept.iter().all(|kept| kept.reason == why));
    assert!(world.packages().await.contains_key("T/x1/_SUCCESS"));
    let found = world.run(vec![source("all", "*.*")], vec![find("u3")]).await.unwrap();
    assert_eq!(found.matched, 6);

    let receipt = receipt(&world, &outcome).await;
    assert_eq!(receipt.chain_head.as_deref(), Some("12:abc"));
    let lines = &receipt.sources[0].shards;
    assert_eq!(lines.iter().map(|line| line.matched).sum::<u64>(), 6);
    assert!(lines.iter().all(|line| line.state == ShardState::Kept && line.reason.as_deref() == Some(why)));
}

#[tokio::test]
async fn an_identifier_without_a_value_is_nobodys() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&[("T", "", 1), ("T", " ", 2), ("T", "u1", 3)])).await;
    for blank in ["", " \t", "\u{200b}"] {
        let refused = world.run(vec![source("all", "*.ndjson")], vec![erase("e", blank)]).await.unwrap_err();
        assert!(lacuna_engine::chain(&refused).contains("an identifier has no visible value"), "{refused:?}");
    }
    assert_eq!(world.packages().await.len(), 0);
}

#[tokio::test]
async fn what_a_composite_lacks_is_said() {
    let world = world().await;
    let field = |column: &str, kind: &str| Field::new(column.parse().unwrap(), Kind::new(kind));
    let mut composite = source("all", "*.*");
    composite.mapping.identifiers =
        vec![IdentifierRule::AllOf(vec![field("a", "device"), field("UserId", "id"), field("b", "day")])];
    let refused = world.run(vec![composite.clone()], vec![find("u3")]).await.unwrap_err();
    let expected = "`id` is mapped only in an `all_of` together with `device`, `day`, which request ";
    assert!(lacuna_engine::chain(&refused).contains(expected), "{refused:?}");
    let mut stranger = find("u3");
    Arc::make_mut(&mut stranger.selector).identifiers = vec![Identifier::new("phone", "555")];
    let refused = world.run(vec![composite], vec![stranger]).await.unwrap_err();
    assert!(lacuna_engine::chain(&refused).contains("no source maps a kind"), "{refused:?}");
}

#[tokio::test]
async fn the_id_of_an_erasure_is_no_other_persons_and_in_no_other_tenant() {
    let world = world().await;
    let sources = vec![source("all", "*.*")];
    let hide = |user: &str| request("r1", user, Action::Erase(EraseMode::Hide));
    world.run(sources.clone(), vec![hide("u3")]).await.unwrap();
    let mut elsewhere = hide("u3");
    Arc::make_mut(&mut elsewhere.selector).tenant = Some(TenantId::new("X"));
    for other in [hide("u4"), elsewhere] {
        let dry = Request { action: Action::Erase(EraseMode::DryRun), ..other.clone() };
        for asked in [other, dry] {
            let refused = world.run(sources.clone(), vec![asked]).await.unwrap_err().to_string();
            assert!(refused.starts_with("r1 is the id of another erasure"), "{refused}");
        }
    }
    assert_eq!(world.run(sources.clone(), vec![find("u4")]).await.unwrap().matched, 6, "nothing was hidden");
    let again = world.run(sources, vec![hide("u3")]).await.unwrap();
    assert!(again.is_complete(), "{again:?}");
}
