//! Shards whose tenant a folder in their path names.

use lacuna_engine::{Action, Request, RequestId, Source};
use lacuna_scan::{Identifier, Selector, TenantFolder, TenantId, TenantRule};

use crate::world::{World, erase, export, find, mixed, ndjson, parquet, receipt, source};

/// A uuid, as folders name it and as a request may.
const UUID: [&str; 2] = ["0f8fad5b-d9cb-469f-a165-70867728950e", "0F8FAD5BD9CB469FA16570867728950E"];

fn in_folders(shards: &str) -> Source {
    let mut source = source("all", shards);
    source.mapping.tenant = TenantRule::Folder(TenantFolder::Named("t=".into()));
    source
}

fn of(tenant: &str, request: Request) -> Request {
    let identifiers = request.selector.identifiers.clone();
    Request::new(request.id, Selector { tenant: Some(TenantId::new(tenant)), identifiers }, request.action)
}

/// Two formats in the folders of three tenants, with the same 60 rows each.
async fn three_tenants() -> World {
    let world = World::new();
    for tenant in ["T", "X", UUID[0]] {
        world.put(&format!("logs/t={tenant}/1/a.ndjson"), ndjson(&mixed())).await;
        world.put(&format!("logs/t={tenant}/2/b.parquet"), parquet(&mixed())).await;
    }
    world
}

#[tokio::test]
async fn a_request_reaches_the_shards_of_its_tenant_and_no_others() {
    let world = three_tenants().await;
    let sources = vec![in_folders("logs/**")];
    let found = world.run(sources.clone(), vec![find("u3")]).await.unwrap();
    assert!(found.is_complete(), "{found:?}");
    assert_eq!((found.matched, found.sources[0].shards, found.sources[0].rows_scanned), (12, 2, 120));

    // One person of each of two tenants, in one job: what one has is not the other's.
    let requests = vec![export("x1", "u3"), of(UUID[1], export("x2", "u4")), of("nobody", export("x3", "u5"))];
    let exported = world.run(sources.clone(), requests).await.unwrap();
    let matched: Vec<_> = exported.requests.iter().map(|request| request.matched).collect();
    assert_eq!((matched, exported.sources[0].shards), (vec![12, 12, 0], 4), "{exported:?}");
    let packages = world.packages().await;
    let records = |request: &str| {
        let own = packages.iter().filter(|(path, _)| path.contains(&format!("/{request}/")) && path.contains("Usage"));
        own.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect::<String>()
    };
    assert_eq!(records("x1").matches("u3").count(), 12);
    assert_eq!((records("x2").matches("u4").count(), records("x2").matches("u3").count()), (12, 0));

    let erased = world.run(sources.clone(), vec![of(UUID[1], erase("e1", "u3"))]).await.unwrap();
    assert!(erased.is_complete() && erased.matched == 12, "{erased:?}");
    let lines = receipt(&world, &erased).await.sources[0].shards.clone();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.shard.contains(UUID[0])), "{lines:?}");
    for tenant in ["T", "X"] {
        assert_eq!(world.get(&format!("logs/t={tenant}/1/a.ndjson")).await, ndjson(&mixed()).into_bytes());
        assert_eq!(world.get(&format!("logs/t={tenant}/2/b.parquet")).await, parquet(&mixed()));
    }
    let left = |tenant: &'static str| world.run(sources.clone(), vec![of(tenant, find("u3"))]);
    assert_eq!((left(UUID[0]).await.unwrap().matched, left("X").await.unwrap().matched), (0, 12));
}

#[tokio::test]
async fn each_of_very_many_tenants_gets_its_own() {
    let world = World::new();
    let tenants: Vec<String> = (0..150).map(|n| format!("t{n}")).collect();
    for (n, tenant) in tenants.iter().enumerate() {
        // Days above tenants: each is come to twice.
        for day in 0..2 {
            world.put(&format!("d={day}/t={tenant}/a.ndjson"), ndjson(&mixed()[..10 + n % 3 * 10])).await;
        }
    }
    let request = |tenant: &String| {
        let selector = Selector { tenant: Some(TenantId::new(tenant)), identifiers: vec![Identifier::new("id", "u3")] };
        Request::new(RequestId::new(tenant).unwrap(), selector, Action::Discover)
    };
    let found = world.run(vec![in_folders("**")], tenants.iter().map(request).collect()).await.unwrap();
    for (n, request) in found.requests.iter().enumerate() {
        assert_eq!(request.matched, 2 * (1 + n as u64 % 3), "{}", request.request);
    }
}

#[tokio::test]
async fn a_shard_whose_path_names_no_tenant_makes_an_answer_incomplete() {
    let world = three_tenants().await;
    for path in ["logs/loose.ndjson", "logs/t=T/t=X/both.ndjson"] {
        world.put(path, ndjson(&mixed())).await;
    }
    let sources = vec![in_folders("logs/**")];
    for request in [find("u3"), erase("e1", "u3")] {
        let outcome = world.run(sources.clone(), vec![request]).await.unwrap();
        let problems: Vec<_> = outcome.sources[0].problems.iter().map(|problem| problem.shard.as_str()).collect();
        assert_eq!(problems, ["logs/loose.ndjson", "logs/t=T/t=X/both.ndjson"]);
        assert_eq!((outcome.matched, outcome.is_complete()), (12, false));
    }
    assert_eq!(world.get("logs/loose.ndjson").await, ndjson(&mixed()).into_bytes());
    let checked = world.engine().check(&sources, &[]).await;
    assert!(checked[0].problems.iter().any(|problem| problem.shard == "logs/loose.ndjson"), "{checked:?}");
}

#[tokio::test]
async fn a_tenant_without_shards_is_answered_and_a_glob_without_any_is_not() {
    let world = three_tenants().await;
    let found = world.run(vec![in_folders("logs/**")], vec![of("Y", find("u3"))]).await.unwrap();
    assert!(found.is_complete() && found.sources[0].shards == 0, "{found:?}");
    let found = world.run(vec![in_folders("lgos/**")], vec![find("u3")]).await.unwrap();
    assert!(found.sources[0].problems[0].reason.contains("no blob"), "{found:?}");
    // Without a tenant nothing is searched.
    let mut nobodys = find("u3");
    nobodys.selector = Selector { tenant: None, identifiers: nobodys.selector.identifiers.clone() }.into();
    assert!(world.run(vec![in_folders("logs/**")], vec![nobodys]).await.is_err());
}
