//! The binary against Azurite, as a user points it at a storage account.

use lacuna_store::{AzureStore, BlobPath, Condition, Content, Store, WriteOptions, testing};
use serde_json::json;

use crate::home::{ALICE, Home};

const WHO: [&str; 6] = ["--tenant", "contoso", "--subject", ALICE, "--json", "--source"];

/// A container with the shards of [`Home::with_logs`], and its configuration; packages go to a container of their own.
pub(crate) async fn home_in_azure() -> (Home, AzureStore) {
    let home = Home::with_logs();
    let container = || async {
        let config = testing::azurite_http();
        let store = AzureStore::open(&config).unwrap();
        store.create_container().await.unwrap();
        (config.container.clone(), config.endpoint.unwrap(), store)
    };
    let (logs, endpoint, store) = container().await;
    let (exports, ..) = container().await;
    for name in ["activity/1.ndjson", "activity/2.ndjson", "activity/3.ndjson", "audit/1.ndjson"] {
        let content = Content::Bytes(home.read(&format!("logs/{name}")).into());
        let path = BlobPath::new(name).unwrap();
        store.write(&path, content, Condition::New, WriteOptions::default()).await.unwrap();
    }
    let place = |container: &str| format!("url = \"az://{container}\"\nendpoint = \"{endpoint}\"");
    let config = home.read("lacuna.toml");
    let config = config.replace("url = \"logs\"", &place(&logs)).replace("url = \"exports\"", &place(&exports));
    home.write("lacuna.toml", config);
    (home, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn find_export_erase_and_verify_in_containers() {
    let (home, store) = home_in_azure().await;
    let key = [("AZURE_STORAGE_KEY", testing::AZURITE_KEY)];
    let run = |command: &[&str]| home.run_with(&[command, &WHO, &["activity"]].concat(), &key, "");

    assert_eq!(run(&["find"]).ends(0).json()["matched"], 3);
    let exported = run(&["export"]);
    let package = exported.ends(0).json()["package"].as_str().unwrap().to_owned();
    assert!(package.starts_with("az://"), "{package}");
    let verified = home.run_with(&["verify", "--json", &package], &key, "");
    assert_eq!(verified.ends(0).json()["valid"], true);

    let erased = run(&["erase", "--now", "--yes"]).ends(0).json();
    assert_eq!((&erased["matched"], &erased["erased"]), (&json!(3), &json!(3)));
    let receipt = erased["receipt"].as_str().unwrap();
    home.run_with(&["verify", "--json", receipt], &key, "").ends(0);
    assert_eq!(run(&["find"]).ends(0).json()["matched"], 0);
    let left = testing::read_all(&store, &BlobPath::new("activity/2.ndjson").unwrap()).await.unwrap();
    assert_eq!(&left[..], b"{\"TenantId\":\"contoso\",\"User\":\"malice@example.org\",\"N\":6}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_from_a_missing_blob() {
    let (home, _) = home_in_azure().await;
    let wrong = [("AZURE_STORAGE_KEY", "d3Jvbmc=")];
    let ran = home.run_with(&[&["find"], &WHO[..], &["activity"]].concat(), &wrong, "");
    assert_ne!(ran.code, Some(0));
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("403") || said.contains("denied"), "{said}");
    assert!(!said.contains("d3Jvbmc"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_access_says_where_and_what_to_look_at() {
    let (home, _) = home_in_azure().await;
    let find = |key: &str| {
        let find = ["find", "--tenant", "contoso", "--subject", ALICE];
        let text = home.run_with(&find, &[("AZURE_STORAGE_KEY", key)], "").ends(1).stderr.clone();
        assert!(text.contains("container `") && !text.contains(key), "{text}");
        text
    };
    assert!(find("c2VjcmV0LXRoYXQtbXVzdC1ub3Qtc2hvdw==").contains("Is the credential the right one"));
    home.write("lacuna.toml", home.read("lacuna.toml").replacen("url = \"az://", "url = \"az://none-", 1));
    assert!(find(testing::AZURITE_KEY).contains("spelt right"));
}
