//! Erasure in two steps: rows are hidden at once, and a purge takes them out of the bytes.

use std::collections::HashMap;
use std::sync::Arc;

use futures::TryStreamExt as _;
use lacuna_engine::{
    Action, EraseMode, Holds, HoldsError, OnErase, PurgeOptions, PurgeOutcome, Receipt, Reporter, ShardState, Source,
    verify,
};
use lacuna_scan::{Case, Field, IdentifierRule, Kind};
use tokio_util::sync::CancellationToken;

use crate::world::{World, blob, erase, export, field, find, get, key, mixed, ndjson, parquet, request, source};

fn hide(id: &str, user: &str) -> lacuna_engine::Request {
    request(id, user, Action::Erase(EraseMode::Hide))
}

async fn purge(world: &World, sources: &[Source]) -> PurgeOutcome {
    purge_with(world, sources, PurgeOptions::default()).await
}

async fn purge_with(world: &World, sources: &[Source], options: PurgeOptions) -> PurgeOutcome {
    world.engine().purge(sources, options, &Reporter::default(), &CancellationToken::new()).await.unwrap()
}

async fn receipt(world: &World, path: &str) -> Receipt {
    let jws = get(world.store.as_ref(), path).await;
    verify::receipt(std::str::from_utf8(&jws).unwrap(), &key().verifying_key()).unwrap()
}

/// What Lacuna keeps beside the logs, receipts aside.
async fn records(world: &World) -> Vec<String> {
    let listed: Vec<_> = world.store.list("_lacuna/").try_collect().await.unwrap();
    let paths = listed.into_iter().map(|info| info.path.to_string());
    paths.filter(|path| !path.starts_with("_lacuna/receipts/")).collect()
}

async fn cat(world: &World, source: &Source, shard: &str) -> String {
    let mut rows = Vec::new();
    world.engine().cat(source, shard, &mut rows).await.unwrap();
    String::from_utf8(rows).unwrap()
}

fn survivors(users: &[&str]) -> Vec<(&'static str, &'static str, i64)> {
    mixed().into_iter().filter(|row| row.0 != "T" || !users.contains(&row.1)).collect()
}

fn compact(rows: &[(&str, &str, i64)]) -> String {
    ndjson(rows).replace(": ", ":").replace(", ", ",")
}

#[tokio::test]
async fn hidden_rows_show_nowhere_and_a_purge_takes_them_out() {
    let world = World::new();
    world.put("a.parquet", parquet(&mixed())).await;
    world.put("b.ndjson", ndjson(&mixed())).await;
    let (sources, before) = (vec![source("all", "*.*")], world.get("a.parquet").await);
    let outcome = world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    let all = &outcome.sources[0];
    assert_eq!((outcome.matched, all.hidden, all.erased), (6, 6, 0));
    assert_eq!(world.get("a.parquet").await, before, "hiding changes no shard");

    assert_eq!(world.run(sources.clone(), vec![find("u3")]).await.unwrap().matched, 0);
    let exported = world.run(sources.clone(), vec![export("x1", "u3"), export("x2", "u4")]).await.unwrap();
    assert_eq!([exported.requests[0].matched, exported.requests[1].matched], [0, 6]);
    for shard in ["a.parquet", "b.ndjson"] {
        assert_eq!(cat(&world, &sources[0], shard).await, compact(&survivors(&["u3"])), "{shard}");
    }
    let hidden = receipt(&world, "_lacuna/receipts/e1.jws").await;
    assert!(hidden.sources[0].shards.iter().all(|shard| shard.state == ShardState::Hidden && shard.matched == 3));

    let purged = purge(&world, &sources).await;
    assert_eq!((purged.shards, purged.shards_purged, purged.rows_purged), (2, 2, 6), "{purged:?}");
    assert_eq!(String::from_utf8(world.get("b.ndjson").await).unwrap(), ndjson(&survivors(&["u3"])));
    assert_eq!(cat(&world, &sources[0], "a.parquet").await, compact(&survivors(&["u3"])));
    let gone = receipt(&world, "_lacuna/receipts/e1.2.jws").await;
    assert_eq!(gone.sources[0].shards.len(), 2);
    for shard in &gone.sources[0].shards {
        assert_eq!((shard.state, shard.rows_before, shard.matched, shard.rows_after), (ShardState::Gone, 60, 3, 57));
    }
    assert_eq!((&gone.subject, &gone.tenant, gone.complete), (&hidden.subject, &hidden.tenant, true));
    assert_eq!(records(&world).await, Vec::<String>::new());
    assert_eq!(purge(&world, &sources).await.shards, 0);
}

#[tokio::test]
async fn one_rewrite_serves_all_requests() {
    let world = World::new();
    world.put("a.parquet", parquet(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3"), hide("e2", "u4")]).await.unwrap();
    // What is hidden already is the second request's as well, and the same run again comes to the same.
    for id in ["e3", "e3"] {
        assert_eq!(world.run(sources.clone(), vec![hide(id, "u3")]).await.unwrap().matched, 3);
    }
    // The request that does not wait takes the others' rows along, and tells them.
    let outcome = world.run(sources.clone(), vec![erase("e4", "u5")]).await.unwrap();
    assert_eq!((outcome.matched, outcome.sources[0].erased), (3, 3));
    assert_eq!(cat(&world, &sources[0], "a.parquet").await, compact(&survivors(&["u3", "u4", "u5"])));
    let mut after = Vec::new();
    for (path, matched) in [("e1.2", 3), ("e2.2", 3), ("e3.3", 3), ("e4", 3)] {
        let receipt = receipt(&world, &format!("_lacuna/receipts/{path}.jws")).await;
        let shards = &receipt.sources[0].shards;
        assert_eq!(shards.len(), 1, "{path}: {shards:?}");
        let shard = &shards[0];
        assert_eq!((shard.state, shard.matched, shard.rows_after), (ShardState::Gone, matched, 51), "{path}");
        after.push(shard.etag_after.clone());
    }
    after.dedup();
    assert_eq!(after.len(), 1, "rewritten once");
    assert_eq!(records(&world).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_tombstone_that_cannot_be_read_hides_nothing_and_shows_nothing() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    let path = "_lacuna/tombstones/by-path/a.ndjson.puffin";
    let mut bytes = world.get(path).await;
    bytes[20] ^= 1;
    world.put(path, bytes).await;
    let found = world.run(sources.clone(), vec![find("u4")]).await.unwrap();
    assert!(!found.is_complete());
    assert!(found.sources[0].problems[0].reason.contains("hidden"), "{found:?}");
    assert!(world.engine().cat(&sources[0], "a.ndjson", &mut Vec::new()).await.is_err());
    let purged = purge(&world, &sources).await;
    assert_eq!((purged.shards_purged, purged.problems.len()), (0, 1));
    assert_eq!(world.get("a.ndjson").await, ndjson(&mixed()).into_bytes());
}

#[tokio::test]
async fn whoever_was_hidden_in_a_replaced_shard_is_not_forgotten_when_others_are_hidden_in_it() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    let replaced: Vec<_> = mixed().into_iter().rev().collect();
    world.put("a.ndjson", ndjson(&replaced)).await;
    world.run(sources.clone(), vec![hide("e2", "u4")]).await.unwrap();

    let purged = purge(&world, &sources).await;
    assert_eq!((purged.shards_purged, purged.rows_purged, purged.problems.len()), (1, 3, 1), "{purged:?}");
    assert_eq!(world.run(sources.clone(), vec![find("u3")]).await.unwrap().matched, 3, "they show, and it is said");
    assert!(world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap().is_complete());
    let purged = purge(&world, &sources).await;
    assert_eq!((purged.rows_purged, purged.problems.len()), (3, 0), "{purged:?}");
    assert_eq!(records(&world).await, Vec::<String>::new());
    let survivors: Vec<_> = survivors(&["u3", "u4"]).into_iter().rev().collect();
    assert_eq!(world.get("a.ndjson").await, ndjson(&survivors).into_bytes());
}

#[tokio::test]
async fn rows_of_a_replaced_shard_are_searched_again() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    let replaced: Vec<_> = mixed().into_iter().rev().collect();
    world.put("a.ndjson", ndjson(&replaced)).await;
    assert_eq!(world.run(sources.clone(), vec![find("u3")]).await.unwrap().matched, 3);
    let purged = purge(&world, &sources).await;
    assert_eq!((purged.shards_purged, purged.problems.len()), (0, 1), "{purged:?}");
    assert_eq!(world.get("a.ndjson").await, ndjson(&replaced).into_bytes());
    let told = receipt(&world, "_lacuna/receipts/e1.2.jws").await;
    let line = &told.sources[0].shards[0];
    assert_eq!((told.complete, line.state, line.shard.as_str()), (false, ShardState::Blocked, "a.ndjson"));
    assert!(line.reason.as_ref().unwrap().contains("must be searched"), "{line:?}");
    // Nothing new is said by the next one.
    assert_eq!(purge(&world, &sources).await.shards_superseded, 1);
    assert!(world.store.head(&blob("_lacuna/receipts/e1.3.jws")).await.is_err());

    world.run(sources.clone(), vec![hide("e2", "u3")]).await.unwrap();
    assert_eq!(world.run(sources.clone(), vec![find("u3")]).await.unwrap().matched, 0);
    assert_eq!(purge(&world, &sources).await.rows_purged, 3);
    let survivors: Vec<_> = survivors(&["u3"]).into_iter().rev().collect();
    assert_eq!(world.get("a.ndjson").await, ndjson(&survivors).into_bytes());
}

#[tokio::test]
async fn no_receipt_says_hidden_where_a_tombstone_cannot_be_read() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    world.put("b.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    world.put("_lacuna/tombstones/by-path/a.ndjson.puffin", "noise").await;
    let purged = purge(&world, &sources).await;
    assert_eq!((purged.shards_purged, purged.problems.len()), (1, 1), "{purged:?}");
    let told = receipt(&world, "_lacuna/receipts/e1.2.jws").await;
    let line = told.sources[0].shards.iter().find(|line| line.shard == "a.ndjson").unwrap();
    assert_eq!((told.complete, line.state), (false, ShardState::Blocked));
    assert!(line.reason.as_ref().unwrap().starts_with("whether its rows are hidden cannot be told"), "{line:?}");
}

/// A Parquet or Arrow shard whose metadata names a user.
fn named_in_metadata(name: &str, user: &str, named: &str) -> Vec<u8> {
    use arrow::array::{ArrayRef, StringArray};
    use arrow::record_batch::RecordBatch;
    let column = |values: [&str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let columns = [("TenantId", column(["T", "T", "X"])), ("UserId", column([user, "u4-long", "u4-long"]))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let metadata = HashMap::from([("made for".to_owned(), format!("user {named}, on request"))]);
    let schema = Arc::new(batch.schema().as_ref().clone().with_metadata(metadata));
    let batch = batch.with_schema(schema.clone()).unwrap();
    let mut bytes = Vec::new();
    if name.ends_with(".parquet") {
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    } else {
        let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut bytes, &schema).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    }
    bytes
}

#[tokio::test]
async fn a_purge_knows_from_the_hidden_rows_what_must_not_stay() {
    const UUID: &str = "2a2f20e4-a782-4e8c-bcd7-85d477f384ed";
    let bare = UUID.replace('-', "");
    let named = [
        ("carol-7", "carol-7", Case::Sensitive),
        ("carol-7", "CAROL-7", Case::Insensitive),
        (UUID, &bare, Case::Sensitive),
    ];
    for ((user, named, case), name) in named.into_iter().flat_map(|of| ["a.parquet", "a.arrow"].map(|name| (of, name)))
    {
        let world = World::new();
        let before = named_in_metadata(name, user, named);
        world.put(name, before.clone()).await;
        let mut sources = vec![source("all", "*.*")];
        sources[0].mapping.identifiers =
            vec![IdentifierRule::One(Field { case, ..Field::new("UserId".parse().unwrap(), Kind::new("id")) })];
        let outcome = world.run(sources.clone(), vec![hide("e1", user)]).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:?}");
        let purged = purge(&world, &sources).await;
        assert_eq!((purged.shards_purged, purged.problems.len()), (0, 1), "{name}: {purged:?}");
        assert!(purged.problems[0].reason.contains("metadata"), "{purged:?}");
        let reason = purged.problems[0].reason.to_lowercase();
        assert!(!reason.contains("carol") && !reason.contains("2a2f"), "{purged:?}");
        assert_eq!(world.get(name).await, before);
    }
}

#[tokio::test]
async fn a_shard_may_lack_columns_that_nobody_asked_for() {
    for on_erase in [OnErase::Delete, OnErase::Anonymize] {
        let world = World::new();
        for name in ["a.parquet", "a.arrow"] {
            world.put(name, named_in_metadata(name, "nobody", "nobody")).await;
        }
        world.put("a.ndjson", ndjson(&[("T", "u3", 1), ("T", "u4-long", 2)])).await;
        world.put("a.csv", "TenantId,UserId,Number\nT,u3,1\nT,u4-long,2\n").await;
        let mut all = source("all", "*.*");
        all.mapping.identifiers.push(field("Mail", "email"));
        all.on_erase = on_erase;
        let outcome = world.run(vec![all.clone()], vec![hide("e1", "u4-long")]).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:?}");
        let purged = purge(&world, &[all]).await;
        assert_eq!((purged.shards, purged.shards_purged, purged.problems.len()), (4, 4, 0), "{purged:?}");
    }
}

#[tokio::test]
async fn what_is_kept_is_not_hidden_and_what_is_anonymized_is_so_after_the_purge() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    world.put("b.ndjson", ndjson(&mixed())).await;
    let (mut kept, mut anonymous) = (source("kept", "a.*"), source("anonymous", "b.*"));
    kept.on_erase = OnErase::Keep { reason: "by law".into() };
    anonymous.on_erase = OnErase::Anonymize;
    let sources = vec![kept, anonymous];
    let outcome = world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    assert_eq!([outcome.sources[0].hidden, outcome.sources[1].hidden], [0, 3]);
    assert_eq!(world.run(sources.clone(), vec![find("u3")]).await.unwrap().matched, 3);
    purge(&world, &sources).await;
    let text = String::from_utf8(world.get("b.ndjson").await).unwrap();
    assert!(text.contains("{\"TenantId\": \"T\", \"UserId\": null, \"Number\": 3}"), "{text}");
    assert_eq!(world.get("a.ndjson").await, ndjson(&mixed()).into_bytes());
}

#[tokio::test]
async fn a_purge_of_what_is_due_leaves_the_rest() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    let within = |days: u64| PurgeOptions {
        due_within: Some(std::time::Duration::from_hours(24 * days)),
        ..PurgeOptions::default()
    };
    let soon = purge_with(&world, &sources, within(7)).await;
    assert_eq!((soon.shards_purged, soon.shards_not_due), (0, 1));
    assert_eq!(purge_with(&world, &sources, within(31)).await.shards_purged, 1);
}

#[tokio::test]
async fn a_purge_of_what_a_killed_erasure_hid_says_that_there_may_be_more() {
    let world = World::new();
    let sources = vec![source("all", "*.*")];
    world.put("a.ndjson", ndjson(&mixed())).await;
    world.run(sources.clone(), vec![hide("cut", "u3")]).await.unwrap();
    // Killed just before it wrote its receipt, as far as anybody can tell.
    let path = "_lacuna/receipts/cut.jws";
    let begun = lacuna_engine::Receipt { complete: false, ..receipt(&world, path).await };
    let info = world.store.head(&blob(path)).await.unwrap();
    world.store.delete(&info.path, &info.etag).await.unwrap();
    world.put("_lacuna/operations/requests/cut.json", serde_json::to_vec(&begun).unwrap()).await;

    let purged = purge(&world, &sources).await;
    let unfinished: Vec<_> = purged.requests.iter().filter(|request| request.unfinished).collect();
    assert_eq!((purged.rows_purged, unfinished.len(), purged.problems.len()), (3, 1, 0), "{purged:?}");
    assert!(!receipt(&world, path).await.complete);
    // It may be at work still, and is named until it has come to its end.
    let again = purge(&world, &sources).await;
    let [named] = again.requests.as_slice() else { unreachable!("{again:?}") };
    assert!(named.request == "cut" && named.unfinished && named.receipt.is_none(), "{again:?}");
    assert!(world.run(sources.clone(), vec![hide("cut", "u3")]).await.unwrap().is_complete());
    assert!(purge(&world, &sources).await.requests.iter().all(|request| !request.unfinished));
}

#[tokio::test]
async fn what_was_begun_and_left_is_told_until_it_is_run_again() {
    let (world, other) = (World::new(), World::new());
    let sources = vec![source("all", "*.*")];
    let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap();
    for world in [&world, &other] {
        world.put("a.ndjson", ndjson(&mixed())).await;
    }
    // As runs leave them that are killed before their first shard, one just now and one long ago.
    for (id, user, started) in [("left", "u3", "2020-01-02T03:04:05Z"), ("young", "u4", &now)] {
        other.run(sources.clone(), vec![hide(id, user)]).await.unwrap();
        let mut begun = receipt(&other, &format!("_lacuna/receipts/{id}.jws")).await;
        (begun.started, begun.complete) = (started.to_owned(), false);
        begun.sources.iter_mut().for_each(|source| source.shards.clear());
        world.put(&format!("_lacuna/operations/requests/{id}.json"), serde_json::to_vec(&begun).unwrap()).await;
    }
    // This one hid its rows, and waits for its time.
    world.run(sources.clone(), vec![hide("hidden", "u5")]).await.unwrap();
    let mut begun = receipt(&world, "_lacuna/receipts/hidden.jws").await;
    begun.started = "2020-01-02T03:04:05Z".into();
    world.put("_lacuna/operations/requests/hidden.json", serde_json::to_vec(&begun).unwrap()).await;

    let options = PurgeOptions { due_within: Some(std::time::Duration::from_secs(1)), ..PurgeOptions::default() };
    let purged = purge_with(&world, &sources, options.clone()).await;
    let [problem] = purged.problems.as_slice() else { unreachable!("{purged:?}") };
    assert!(purged.shards_not_due == 1 && problem.reason.contains("request left was begun"), "{purged:?}");
    let [left, young] = purged.requests.as_slice() else { unreachable!("{purged:?}") };
    assert_eq!((left.request.as_str(), left.rows, left.unfinished), ("left", 0, true));
    // It may be at work.
    assert_eq!((young.request.as_str(), young.receipt.is_none(), young.unfinished), ("young", true, true));
    let told = receipt(&world, "_lacuna/receipts/left.jws").await;
    assert_eq!((told.complete, told.started.as_str()), (false, "2020-01-02T03:04:05Z"));
    let begun = async || {
        let all = records(&world).await;
        all.into_iter().filter(|path| path.contains("operations/requests")).collect::<Vec<_>>()
    };
    assert_eq!(begun().await, ["left", "young"].map(|id| format!("_lacuna/operations/requests/{id}.json")));
    assert_eq!(world.engine().unfinished().await.unwrap(), ["left", "young"]);
    // The id stays its person's.
    let refused = world.run(sources.clone(), vec![hide("left", "u4")]).await.unwrap_err().to_string();
    assert!(refused.starts_with("left is the id of another erasure"), "{refused}");
    assert!(world.run(sources.clone(), vec![hide("left", "u3")]).await.unwrap().is_complete());
    assert_eq!(begun().await, ["_lacuna/operations/requests/young.json"]);
    // Its time began with its first run, whichever hid its rows.
    let purged = purge_with(&world, &sources, options).await;
    let requests: Vec<_> = purged.requests.iter().map(|request| request.request.as_str()).collect();
    assert!(requests.contains(&"left") && purged.shards_not_due == 0, "{purged:?}");
}

#[tokio::test]
async fn an_erasure_that_is_run_again_on_some_sources_forgets_nothing_of_the_others() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    world.put("b.ndjson", ndjson(&mixed())).await;
    let [a, b] = ["a", "b"].map(|name| source(name, &format!("{name}.ndjson")));
    assert!(world.run(vec![a.clone(), b.clone()], vec![hide("e1", "u3")]).await.unwrap().is_complete());
    // Another writer puts its own version there, with rows of the person, and a search for somebody else comes across it.
    world.put("b.ndjson", format!("{}\n", ndjson(&mixed()))).await;
    world.run(vec![b.clone()], vec![hide("e2", "u4")]).await.unwrap();
    assert!(world.run(vec![a.clone()], vec![hide("e1", "u3")]).await.unwrap().is_complete());
    let stated = receipt(&world, "_lacuna/receipts/e1.2.jws").await;
    let lines = |of: &str| stated.sources.iter().find(|source| source.source == of).map(|source| source.shards.len());
    assert_eq!([lines("a"), lines("b")], [Some(1), Some(1)], "{stated:?}");
    let purged = purge(&world, &[a, b]).await;
    assert_eq!(purged.shards_superseded, 1, "{purged:?}");
}

#[tokio::test]
async fn a_receipt_in_the_place_of_another_requests_says_nothing_of_it() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    for (id, user) in [("mine", "u3"), ("theirs", "u4")] {
        assert!(world.run(sources.clone(), vec![hide(id, user)]).await.unwrap().is_complete());
    }
    let theirs = get(world.store.as_ref(), "_lacuna/receipts/theirs.jws").await;
    world.put("_lacuna/receipts/mine.jws", theirs).await;
    let purged = purge(&world, &sources).await;
    assert!(purged.problems.iter().any(|problem| problem.reason.contains("is of another request")), "{purged:?}");
    let records = records(&world).await;
    assert!(!records.iter().any(|path| path == "_lacuna/receipts/mine.2.jws"), "{records:?}");
    assert!(receipt(&world, "_lacuna/receipts/theirs.2.jws").await.is_done());
    // What hid the rows is not let go before its receipt can tell of it.
    assert!(records.iter().any(|path| path.starts_with("_lacuna/tombstones/")), "{records:?}");
}

#[tokio::test]
async fn a_table_and_broken_lines_are_not_even_hidden() {
    let world = World::new();
    world.put("t/a.ndjson", ndjson(&mixed())).await;
    world.put("t/_delta_log/0.json", "{}").await;
    world.put("b.ndjson", format!("{}{{broken\n", ndjson(&mixed()))).await;
    let outcome = world.run(vec![source("all", "**/*.ndjson")], vec![hide("e1", "u3")]).await.unwrap();
    assert_eq!((outcome.is_complete(), outcome.sources[0].hidden), (false, 0));
    assert!(world.store.head(&blob("_lacuna/tombstones/by-path/t/a.ndjson.puffin")).await.is_err());
}

#[tokio::test]
async fn a_table_that_was_made_of_the_shards_since_is_not_purged() {
    let world = World::new();
    let shards = [("t/a.ndjson", ndjson(&mixed()).into_bytes()), ("p/a.parquet", parquet(&mixed()))];
    for (shard, bytes) in &shards {
        world.put(shard, bytes.clone()).await;
    }
    let sources = vec![source("all", "**/a.*")];
    assert!(world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap().is_complete());
    let obstacles = ["t/_delta_log/0.json", "p/_metadata"];
    for obstacle in obstacles {
        world.put(obstacle, "{}").await;
    }
    let purged = purge(&world, &sources).await;
    let reasons: Vec<_> = purged.problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert!(
        matches!(reasons[..], [summary, table] if summary.contains("_metadata") && table.contains("Delta")),
        "{purged:?}"
    );
    for (shard, bytes) in &shards {
        assert_eq!(world.get(shard).await, *bytes, "{shard}");
    }
    assert_eq!(world.run(sources.clone(), vec![find("u3")]).await.unwrap().matched, 0);
    let told = receipt(&world, "_lacuna/receipts/e1.2.jws").await;
    assert!(told.sources[0].shards.iter().all(|line| line.state == ShardState::Blocked && line.reason.is_some()));

    for obstacle in obstacles {
        let info = world.store.head(&blob(obstacle)).await.unwrap();
        world.store.delete(&info.path, &info.etag).await.unwrap();
    }
    assert_eq!(purge(&world, &sources).await.shards_purged, 2);
    assert!(receipt(&world, "_lacuna/receipts/e1.3.jws").await.is_done());
}

/// Holds on what is hidden for one request.
#[derive(Debug)]
struct Held(&'static str);

#[async_trait::async_trait]
impl Holds for Held {
    async fn held(&self, _: &str, requests: &[&str]) -> Result<Option<String>, HoldsError> {
        Ok(requests.contains(&self.0).then(|| "a lawsuit".into()))
    }
}

#[tokio::test]
async fn no_erasure_takes_out_what_is_held_since_and_a_later_purge_takes_all() {
    let mut world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    world.put("b.ndjson", ndjson(&[("T", "u4", 1)])).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    world.holds = Arc::new(Held("e1"));
    let held = purge(&world, &sources).await;
    assert_eq!((held.shards_purged, held.shards_held, held.held[0].reason.as_str()), (0, 1, "a lawsuit"));
    // One that is in a hurry takes along whatever its shards hide.
    let outcome = world.run(sources.clone(), vec![erase("e2", "u4")]).await.unwrap();
    assert_eq!((outcome.sources[0].hidden, outcome.sources[0].erased, outcome.is_complete()), (3, 1, true));
    assert_eq!(world.get("a.ndjson").await, ndjson(&mixed()).into_bytes());
    assert_eq!(receipt(&world, "_lacuna/receipts/e2.jws").await.shards_pending(), 1);
    world.holds = Arc::new(lacuna_engine::NoHolds);
    assert_eq!(purge(&world, &sources).await.shards_purged, 1);
    assert_eq!(world.get("a.ndjson").await, ndjson(&survivors(&["u3", "u4"])).into_bytes());
    assert!(receipt(&world, "_lacuna/receipts/e2.2.jws").await.is_done());
}

#[tokio::test]
async fn a_source_that_keeps_its_records_since_keeps_hidden_ones_too() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    let kept = vec![Source { on_erase: OnErase::Keep { reason: "the law".into() }, ..sources[0].clone() }];
    let purged = purge(&world, &kept).await;
    assert_eq!((purged.shards_purged, purged.shards_held, purged.held[0].reason.as_str()), (0, 1, "the law"));
    assert_eq!(world.get("a.ndjson").await, ndjson(&mixed()).into_bytes());
}

/// Holds that cannot be read.
#[derive(Debug)]
struct Unknown;

#[async_trait::async_trait]
impl Holds for Unknown {
    async fn held(&self, _: &str, _: &[&str]) -> Result<Option<String>, HoldsError> {
        Err("the ledger is away".into())
    }
}

#[tokio::test]
async fn nothing_leaves_the_bytes_while_nobody_can_tell_what_is_held() {
    let mut world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    world.run(sources.clone(), vec![hide("e1", "u3")]).await.unwrap();
    world.holds = Arc::new(Unknown);
    let purged = purge(&world, &sources).await;
    assert!(purged.problems[0].reason.ends_with("the ledger is away"), "{:?}", purged.problems);
    let outcome = world.run(sources.clone(), vec![erase("e2", "u4")]).await.unwrap();
    assert!(!outcome.is_complete());
    assert_eq!(world.get("a.ndjson").await, ndjson(&mixed()).into_bytes());
}
