use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int8Array, RecordBatch, StringArray};
use arrow::ipc::writer::FileWriter;
use bytes::Bytes;
use lacuna_engine::{
    Action, EmptyShards, EraseLimits, EraseMode, OldVersions, OnErase, Poison, Request, ShardState, Source, Stopped,
};
use lacuna_scan::{Field, IdentifierRule, Kind};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::world::{World, erase, export, field, find, mixed, ndjson, parquet, receipt, request, source};

#[tokio::test]
async fn erased_rows_are_gone_and_all_others_stay() {
    let world = World::new();
    world.put("a.parquet", parquet(&mixed())).await;
    world.put("b.ndjson", ndjson(&mixed())).await;
    let sources = vec![source("all", "*.*")];
    let outcome = world.run(sources.clone(), vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!((outcome.matched, outcome.sources[0].erased), (6, 6));
    assert_eq!(world.run(sources, vec![find("u3")]).await.unwrap().matched, 0);

    let mut expected = mixed();
    expected.retain(|row| *row != ("T", "u3", row.2));
    assert_eq!(String::from_utf8(world.get("b.ndjson").await).unwrap(), ndjson(&expected));
    let mut rows = Vec::new();
    world.engine().cat(&source("all", "*.*"), "a.parquet", &mut rows).await.unwrap();
    assert_eq!(String::from_utf8(rows).unwrap(), ndjson(&expected).replace(": ", ":").replace(", ", ","));

    let receipt = receipt(&world, &outcome).await;
    assert!(receipt.complete);
    assert!(!serde_json::to_string(&receipt).unwrap().contains("u3"));
    let shards = &receipt.sources[0].shards;
    assert_eq!(shards.len(), 2);
    for shard in shards {
        assert_eq!((shard.rows_before, shard.matched, shard.rows_after), (60, 3, 57));
        assert_eq!(shard.state, ShardState::Gone);
        assert_eq!(shard.old_versions, OldVersions::None);
        assert_ne!(shard.sha256_before, shard.sha256_after);
    }
}

#[tokio::test]
async fn an_identifier_that_only_a_dictionary_holds_is_no_success() {
    let rows: Vec<_> = (0..8).map(|row| ("T", ["u3", "u5"][row % 2], row as i64)).collect();
    let whole = parquet(&rows);
    // Both users' rows in turn, as indices into the dictionary of a bit each: all of them the second's.
    let mut haunted = whole.clone();
    let indices = |bytes: &[u8]| bytes.windows(3).position(|window| window == [1, 0b11, 0b1010]);
    while let Some(at) = indices(&haunted) {
        haunted[at + 2] = 0b1111;
    }
    assert_ne!(whole, haunted);
    let world = World::new();
    world.put("a.parquet", haunted.clone()).await;
    let sources = vec![source("all", "*.parquet")];
    let found = world.run(sources.clone(), vec![find("u3")]).await.unwrap();
    assert!(found.is_complete() && found.matched == 0, "{found:?}");

    let outcome = world.run(sources.clone(), vec![erase("e1", "u3")]).await.unwrap();
    assert!(!outcome.is_complete());
    let problem = &outcome.sources[0].problems[0];
    assert_eq!(problem.shard, "a.parquet");
    assert!(problem.reason.starts_with("an identifier is left in a dictionary of column `UserId`"), "{problem:?}");
    assert_eq!(world.get("a.parquet").await, haunted);

    let mut kept = sources;
    kept[0].on_erase = OnErase::Keep { reason: "by law".into() };
    assert!(world.run(kept, vec![erase("e2", "u3")]).await.unwrap().is_complete());

    // Where the subject has rows, the entry goes with them.
    world.put("a.parquet", whole).await;
    let outcome = world.run(vec![source("all", "*.parquet")], vec![erase("e3", "u3")]).await.unwrap();
    assert!(outcome.is_complete() && outcome.matched == 4, "{outcome:?}");
}

/// One file a day of the same categories, as pandas and Polars write it.
#[tokio::test]
async fn an_identifier_that_only_an_arrow_dictionary_holds_is_no_success() {
    let shard = |keys: Vec<i8>, tenant: &str| {
        let tenants = Arc::new(StringArray::from(vec![tenant; keys.len()])) as ArrayRef;
        let users = Arc::new(StringArray::from(vec!["u3", "u5"]));
        let users = Arc::new(DictionaryArray::new(Int8Array::from(keys), users)) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("TenantId", tenants), ("UserId", users)]).unwrap();
        let mut file = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        file.write(&batch).unwrap();
        file.into_inner().unwrap()
    };
    let world = World::new();
    let sources = vec![source("all", "*.arrow")];
    let haunted = shard(vec![1, 1], "T");
    world.put("a.arrow", shard(vec![0, 1], "T")).await;
    world.put("b.arrow", haunted.clone()).await;
    // Another tenant's rows may have the same identifier.
    world.put("c.arrow", shard(vec![0, 1], "X")).await;
    assert!(world.run(sources.clone(), vec![find("u3"), export("x1", "u3")]).await.unwrap().is_complete());

    let hide = request("e1", "u3", Action::Erase(EraseMode::Hide));
    for erasure in [request("e0", "u3", Action::Erase(EraseMode::DryRun)), hide, erase("e2", "u3")] {
        let outcome = world.run(sources.clone(), vec![erasure]).await.unwrap();
        assert_eq!((outcome.is_complete(), outcome.matched), (false, 1), "{outcome:?}");
        let [problem] = &outcome.sources[0].problems[..] else { panic!("{outcome:?}") };
        assert_eq!(problem.shard, "b.arrow");
        assert!(problem.reason.starts_with("an identifier is left in a dictionary of column `UserId`"), "{problem:?}");
    }
    // Where the subject had rows, the entry went with them.
    let holds = |bytes: &[u8]| bytes.windows(2).any(|window| window == b"u3");
    assert!(!holds(&world.get("a.arrow").await));
    assert_eq!(world.get("b.arrow").await, haunted);

    let mut kept = sources;
    kept[0].on_erase = OnErase::Keep { reason: "by law".into() };
    assert!(world.run(kept, vec![erase("e3", "u3")]).await.unwrap().is_complete());
}

/// Row groups of one file share their categories.
#[tokio::test]
async fn a_category_that_another_tenants_row_has_is_not_left_over() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/parquet/shared-categories.parquet");
    let shared = std::fs::read(path).unwrap();
    let world = World::new();
    world.put("a.parquet", shared.clone()).await;
    let outcome = world.run(vec![source("all", "*.parquet")], vec![erase("e1", "u3")]).await.unwrap();
    assert_eq!((outcome.is_complete(), outcome.matched), (true, 0), "{outcome:?}");
    assert_eq!(world.get("a.parquet").await, shared);
}

#[tokio::test]
async fn a_shard_whose_last_record_with_a_column_went_can_be_searched() {
    let world = World::new();
    let other = |of: &str| format!("{{\"{of}\":\"T\",\"event\":\"started\"}}\n");
    world.put("a.ndjson", format!("{}{}{}", other("TenantId"), ndjson(&[("T", "u3", 1)]), other("Tenant"))).await;
    let events = [source("all", "*.ndjson")];
    let outcome = world.run(events.to_vec(), vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(world.get("a.ndjson").await, format!("{}{}", other("TenantId"), other("Tenant")).as_bytes());
    let found = async || world.run(events.to_vec(), vec![find("u4")]).await.unwrap().is_complete();
    assert!(found().await);

    // What went then stays known when more goes, and only of the columns that were there.
    let mut by_tenant = events[0].clone();
    by_tenant.mapping.identifiers = vec![field("event", "id")];
    let outcome = world.run(vec![by_tenant.clone()], vec![erase("e2", "started")]).await.unwrap();
    assert!(outcome.is_complete() && outcome.sources[0].erased == 1, "{outcome:?}");
    assert_eq!(world.get("a.ndjson").await, other("Tenant").as_bytes());
    assert!(found().await);
    by_tenant.mapping.identifiers = vec![field("UserID", "id")];
    assert!(!world.run(vec![by_tenant], vec![find("u4")]).await.unwrap().is_complete());

    // It is known of the version that the purge left, and of no other.
    world.put("a.ndjson", other("Tenant")).await;
    assert!(!found().await);
}

#[tokio::test]
async fn a_shard_whose_last_record_with_a_column_in_this_form_went_can_be_searched() {
    let world = World::new();
    let others = "{\"TenantId\":\"T\",\"actor\":\"system\"}\n{\"TenantId\":\"T\",\"actor\":{\"id\":[1]}}\n";
    let events = || {
        let mut events = source("all", "*.ndjson");
        events.mapping.identifiers = vec![field("actor.id", "id")];
        vec![events]
    };
    world.put("a.ndjson", format!("{{\"TenantId\":\"T\",\"actor\":{{\"id\":\"u3\"}}}}\n{others}")).await;
    let outcome = world.run(events(), vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete() && outcome.sources[0].erased == 1, "{outcome:?}");
    assert_eq!(world.get("a.ndjson").await, others.as_bytes());
    assert!(world.run(events(), vec![find("u4")]).await.unwrap().is_complete());

    world.put("a.ndjson", others).await;
    assert!(!world.run(events(), vec![find("u4")]).await.unwrap().is_complete());
}

#[tokio::test]
async fn a_shard_may_lack_a_column_that_is_optional() {
    let arrow = |parquet: Vec<u8>| {
        let batch = ParquetRecordBatchReader::try_new(Bytes::from(parquet), 100).unwrap().next().unwrap().unwrap();
        let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    };
    for (on_erase, left) in [(OnErase::Delete, 57), (OnErase::Anonymize, 60)] {
        let world = World::new();
        world.put("a.parquet", parquet(&mixed())).await;
        world.put("b.arrow", arrow(parquet(&mixed()))).await;
        world.put("c.ndjson", ndjson(&mixed())).await;
        let mut by_alias = Field::new("Alias".parse().unwrap(), Kind::new("id"));
        let mut all = Source { on_erase, ..source("all", "*.*") };
        all.mapping.identifiers.push(IdentifierRule::One(by_alias.clone()));
        assert_eq!(world.run(vec![all.clone()], vec![find("u3")]).await.unwrap().sources[0].problems.len(), 2);
        by_alias.optional = true;
        all.mapping.identifiers[1] = IdentifierRule::One(by_alias);
        let outcome = world.run(vec![all.clone()], vec![erase("e1", "u3")]).await.unwrap();
        assert!(outcome.is_complete() && outcome.sources[0].erased == 9, "{outcome:?}");
        let rows: Vec<u64> =
            receipt(&world, &outcome).await.sources[0].shards.iter().map(|shard| shard.rows_after).collect();
        assert_eq!(rows, [left; 3]);
        assert_eq!(world.run(vec![all], vec![find("u3")]).await.unwrap().matched, 0);
    }
}

#[tokio::test]
async fn a_record_that_stays_and_holds_the_identifier_in_another_form_as_well_is_told() {
    let record = "{\"TenantId\":\"T\",\"UserId\":\"u3\",\"Also\":\"u3\"}\n";
    let other = "{\"TenantId\":\"T\",\"UserId\":\"u4\",\"Also\":[\"u4\"]}\n";
    for (on_erase, is_complete) in [(OnErase::Delete, true), (OnErase::Anonymize, false)] {
        let world = World::new();
        world.put("a.ndjson", format!("{record}{other}")).await;
        let mut all = Source { on_erase, ..source("all", "*.ndjson") };
        all.mapping.identifiers.push(IdentifierRule::One(Field::new("Also[]".parse().unwrap(), Kind::new("id"))));
        let found = world.run(vec![all.clone()], vec![find("u3")]).await.unwrap();
        assert!(found.is_complete() && found.matched == 1, "{found:?}");
        let outcome = world.run(vec![all], vec![erase("e1", "u3")]).await.unwrap();
        assert_eq!(outcome.is_complete(), is_complete);
        let told = outcome.sources[0].problems.first().map(|problem| problem.reason.as_str());
        let told =
            told.is_some_and(|reason| reason.starts_with("1 record would keep an identifier in another form (line 1"));
        assert_eq!(told, !is_complete, "{outcome:?}");
        assert_eq!(receipt(&world, &outcome).await.complete, is_complete);
    }
}

#[tokio::test]
async fn nobody_becomes_anonymous_under_their_own_identifier() {
    let numbered = |on_erase| {
        let mut all = Source { on_erase, ..source("all", "*.parquet") };
        all.mapping.identifiers = vec![field("Number", "id")];
        vec![all]
    };
    let rows = [("T", "u3", 0), ("T", "u4", 5)];
    let hide = |id: &str, number: &str| request(id, number, Action::Erase(EraseMode::Hide));
    for now in [false, true] {
        let world = World::new();
        world.put("a.parquet", parquet(&rows)).await;
        let before = world.get("a.parquet").await;
        let zero = if now { erase("e1", "0") } else { hide("e1", "0") };
        let outcome = world.run(numbered(OnErase::Anonymize), vec![zero, hide("e2", "5")]).await.unwrap();
        // Zero is what the column would hold then.
        assert_eq!((outcome.is_complete(), outcome.sources[0].hidden, outcome.sources[0].erased), (false, 0, 0));
        assert!(outcome.sources[0].problems[0].reason.contains("cannot be null"), "{outcome:?}");
        assert_eq!(world.get("a.parquet").await, before);
        let outcome = world.run(numbered(OnErase::Anonymize), vec![hide("e3", "5")]).await.unwrap();
        assert!(outcome.is_complete() && outcome.sources[0].hidden == 1, "{outcome:?}");
        let outcome = world.run(numbered(OnErase::Delete), vec![hide("e4", "0")]).await.unwrap();
        assert!(outcome.is_complete() && outcome.sources[0].hidden == 1, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let dry = request("e1", "u3", Action::Erase(EraseMode::DryRun));
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![dry]).await.unwrap();
    assert_eq!((outcome.matched, outcome.sources[0].erased), (3, 0));
    assert_eq!(outcome.requests[0].receipt, None);
    assert_eq!(world.get("a.ndjson").await, ndjson(&mixed()).into_bytes());
}

#[tokio::test]
async fn a_dry_run_tells_of_limits_that_would_stop_it() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let limits = EraseLimits { max_rows: Some(2), ..EraseLimits::default() };
    let dry = Request { limits, ..request("e1", "u3", Action::Erase(EraseMode::DryRun)) };
    let outcome = world.run(vec![source("all", "*.ndjson")], vec![dry]).await.unwrap();
    assert_eq!(outcome.requests[0].stopped, Some(Stopped::MaxRows { matched: 3, max: 2 }));
}

#[tokio::test]
async fn kept_sources_are_named_with_their_reason() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    let mut audit = source("audit", "*.ndjson");
    audit.on_erase = OnErase::Keep { reason: "audit log, kept by law".into() };
    let outcome = world.run(vec![audit], vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete());
    assert_eq!(outcome.sources[0].erased, 0);
    assert_eq!(
        (outcome.sources[0].kept[0].rows, outcome.sources[0].kept[0].reason.as_str()),
        (3, "audit log, kept by law")
    );
    assert_eq!(world.get("a.ndjson").await, ndjson(&mixed()).into_bytes());
    let shard = &receipt(&world, &outcome).await.sources[0].shards[0];
    assert_eq!((shard.state, shard.reason.as_deref()), (ShardState::Kept, Some("audit log, kept by law")));
}

#[tokio::test]
async fn anonymized_rows_stay_without_their_identifiers() {
    let world = World::new();
    world.put("a.ndjson", ndjson(&mixed())).await;
    world.put("b.parquet", parquet(&mixed())).await;
    let mut anonymous = source("all", "*.*");
    anonymous.on_erase = OnErase::Anonymize;
    let outcome = world.run(vec![anonymous.clone()], vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    let found = world.run(vec![anonymous], vec![find("u3")]).await.unwrap();
    assert_eq!((found.matched, found.sources[0].rows_scanned), (0, 120));
    let text = String::from_utf8(world.get("a.ndjson").await).unwrap();
    assert!(text.contains("{\"TenantId\": \"T\", \"UserId\": null, \"Number\": 3}"));
}

#[tokio::test]
async fn shards_without_rows_stay_or_go_as_mapped() {
    for (empty_shards, stays) in [(EmptyShards::Keep, true), (EmptyShards::Delete, false)] {
        let world = World::new();
        world.put("a.parquet", parquet(&[("T", "u3", 1)])).await;
        let mut source = source("all", "*.parquet");
        source.empty_shards = empty_shards;
        let outcome = world.run(vec![source.clone()], vec![erase("e1", "u3")]).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:?}");
        let found = world.run(vec![source.clone()], vec![find("u3")]).await.unwrap();
        assert_eq!((found.sources[0].shards, found.is_complete()), (u64::from(stays), stays));
        let checked = world.engine().check(std::slice::from_ref(&source), &[]).await;
        assert_eq!(checked[0].problems.is_empty(), stays, "{checked:?}");
        // Where that may be, a source without shards is searched as much as there is of it.
        source.may_be_empty = true;
        let checked = world.engine().check(std::slice::from_ref(&source), &[]).await;
        assert_eq!((checked[0].problems.len(), checked[0].warnings.len()), (0, usize::from(!stays)), "{checked:?}");
        let found = world.run(vec![source], vec![find("u3")]).await.unwrap();
        assert_eq!((found.sources[0].shards, found.is_complete()), (u64::from(stays), true));
    }
}

#[tokio::test]
async fn what_a_log_or_a_summary_describes_is_left_as_it_is_and_told_beforehand() {
    for (file, word) in [
        ("t/_delta_log/00000000000000000000.json", "to a Delta table"),
        ("t/metadata/v1.metadata.json", "to an Iceberg table"),
        ("t/_metadata", "delete t/_metadata"),
        ("t/day=1/_metadata", "delete t/day=1/_metadata"),
        ("_metadata", "delete _metadata"),
    ] {
        let world = World::new();
        world.put("t/day=1/a.parquet", parquet(&mixed())).await;
        world.put(file, "{}").await;
        let before = world.get("t/day=1/a.parquet").await;
        let mut logs = source("all", "t/**/*.parquet");
        let dry = request("e0", "u3", Action::Erase(EraseMode::DryRun));
        for request in [dry.clone(), erase("e1", "u3")] {
            let outcome = world.run(vec![logs.clone()], vec![request]).await.unwrap();
            assert_eq!((outcome.is_complete(), outcome.matched, outcome.sources[0].problems.len()), (false, 3, 1));
            assert!(outcome.sources[0].problems[0].reason.contains(word), "{outcome:?}");
        }
        let nobody = request("e2", "u99", Action::Erase(EraseMode::DryRun));
        assert!(world.run(vec![logs.clone()], vec![nobody]).await.unwrap().is_complete());
        assert!(world.run(vec![logs.clone()], vec![find("u3")]).await.unwrap().is_complete());
        let checked = world.engine().check(&[logs.clone()], &[]).await.remove(0).problems;
        assert!(checked.len() == 1 && checked[0].reason.contains(word), "{checked:?}");
        assert_eq!(world.get("t/day=1/a.parquet").await, before);

        // What keeps all changes nothing.
        logs.on_erase = OnErase::Keep { reason: "by law".into() };
        assert!(world.engine().check(&[logs.clone()], &[]).await[0].problems.is_empty());
        assert!(world.run(vec![logs], vec![dry]).await.unwrap().is_complete());
    }
}

#[tokio::test]
async fn only_a_summary_with_the_shards_footer_is_in_the_way() {
    let world = World::new();
    world.put("t/a.parquet", parquet(&mixed())).await;
    world.put("t/a.ndjson", ndjson(&mixed())).await;
    world.put("t/_common_metadata", "PAR1").await;
    world.put("t/_metadata", "").await;
    world.put("t/other/_metadata", "PAR1").await;
    let outcome = world.run(vec![source("all", "t/*.*")], vec![erase("e1", "u3")]).await.unwrap();
    assert!(outcome.is_complete() && outcome.sources[0].erased == 6, "{outcome:?}");
    world.put("t/_metadata", "PAR1").await;
    let outcome = world.run(vec![source("all", "t/*.ndjson")], vec![erase("e2", "u4")]).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
}

#[tokio::test]
async fn broken_lines_stop_an_erasure_unless_they_may_stay() {
    // The last line is one of theirs: broken records count in where it stands.
    let last = ndjson(&[("T", "u3", 100)]);
    let text = format!("{}{{\"UserId\": broken\n{}{last}", ndjson(&mixed()), ndjson(&mixed()));
    for poison in [Poison::Refuse, Poison::Keep] {
        let world = World::new();
        world.put("a.ndjson", text.as_str()).await;
        let mut source = source("all", "*.ndjson");
        source.poison = poison;
        let outcome = world.run(vec![source.clone()], vec![erase("e1", "u3")]).await.unwrap();
        assert!(!outcome.is_complete());
        assert_eq!(outcome.matched, 7);
        let after = String::from_utf8(world.get("a.ndjson").await).unwrap();
        match poison {
            Poison::Refuse => {
                assert_eq!(after, text);
                let reasons: Vec<_> = outcome.sources[0].problems.iter().map(|problem| &problem.reason).collect();
                assert!(reasons.iter().any(|reason| reason.contains("1 of its records is broken")), "{reasons:?}");
            }
            Poison::Keep => {
                assert_eq!(after.lines().count(), 115);
                assert!(after.contains("{\"UserId\": broken\n"));
                assert_eq!(world.run(vec![source], vec![find("u3")]).await.unwrap().matched, 0);
            }
        }
    }
}

#[tokio::test]
async fn export_and_erasure_ride_on_one_pass() {
    let world = World::new();
    world.put("a.parquet", parquet(&mixed())).await;
    let requests = vec![crate::world::export("x1", "u3"), erase("e1", "u3"), erase("e2", "u4")];
    let outcome = world.run(vec![source("all", "*.parquet")], requests).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(outcome.sources[0].erased, 6);
    assert!(world.packages().await.contains_key("T/x1/_SUCCESS"));
}

#[tokio::test]
async fn stray_quotes_stop_an_erasure_until_the_source_says_what_quotes_are() {
    let line = |user: &str, ua: &str| format!("T\t{user}\t{ua}\n");
    let head = "TenantId\tUserId\tua\n";
    let others = [line("u1", "x"), line("u2", "fine\""), line("u4", "z")];
    let text = format!("{head}{}{}{}", line("u3", "\"quoted start"), others.concat(), line("u3", "\""));
    let world = World::new();
    world.put("a.tsv", text.as_str()).await;
    let mut dump = source("all", "*.tsv");
    let outcome = world.run(vec![dump.clone()], vec![erase("e1", "u3")]).await.unwrap();
    assert!(!outcome.is_complete(), "{outcome:?}");
    assert!(outcome.sources[0].problems[0].reason.contains("quote = false"), "{outcome:?}");
    assert_eq!(world.get("a.tsv").await, text.as_bytes());
    dump.format.text.quote = Some(false);
    let outcome = world.run(vec![dump.clone()], vec![erase("e2", "u3")]).await.unwrap();
    assert!(outcome.is_complete() && outcome.sources[0].erased == 2, "{outcome:?}");
    assert_eq!(world.get("a.tsv").await, format!("{head}{}", others.concat()).as_bytes());
}
