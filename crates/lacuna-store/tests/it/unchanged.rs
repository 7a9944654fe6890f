//! Bytes that stay are copied inside the service, where it does that; the blob is the same either way.

use std::sync::Arc;

use bytes::Bytes;
use lacuna_store::testing::{self, path, pattern, read_all};
use lacuna_store::{
    AzureConfig, AzureStore, BlobInfo, Condition, Content, Credential, ErrorKind, Store, Unchanged, WriteOptions,
};

use crate::account::{Account, Protection};
use crate::azurite::account_sas;

const MIB: usize = 1 << 20;

/// A blob, what is to take its place, and what of that stays: all but ten bytes behind the ninth MiB, and five that are new.
fn change() -> (Bytes, Bytes, Vec<Unchanged>) {
    let old = pattern(21 * MIB);
    let new = [&old[..9 * MIB], b"other", &old[9 * MIB + 10..]].concat();
    let (nine, rest) = (9 << 20, (12 << 20) - 10);
    let unchanged =
        vec![Unchanged { from: 0, at: 0, length: nine }, Unchanged { from: nine + 10, at: nine + 5, length: rest }];
    (old, new.into(), unchanged)
}

async fn replace(store: &AzureStore, name: &str) -> BlobInfo {
    let (blob, (old, new, unchanged)) = (path(name), change());
    let before = store.write(&blob, Content::Bytes(old), Condition::Any, WriteOptions::default()).await.unwrap();
    let options = WriteOptions { unchanged, ..WriteOptions::default() };
    let after =
        store.write(&blob, Content::Bytes(new.clone()), Condition::Matches(before.etag), options).await.unwrap();
    assert!(read_all(store, &blob).await.unwrap() == new);
    after
}

/// How many blocks of a blob were sent, and which stretches of it were copied.
fn blocks(account: &Account, name: &str) -> (usize, Vec<String>) {
    let requests: Vec<String> = account.requests().into_iter().filter(|asked| asked.contains("comp=block&")).collect();
    let own: Vec<&String> = requests.iter().filter(|asked| asked.starts_with(&format!("PUT {name}?"))).collect();
    let from = |asked: &&String| asked.split('&').find_map(|pair| pair.strip_prefix("from=")).map(str::to_owned);
    let copied: Vec<String> = own.iter().filter_map(from).collect();
    (own.len() - copied.len(), copied)
}

#[tokio::test]
async fn what_stays_is_copied_with_a_signature() {
    let account = Account::start(Protection::default()).await;
    let store = AzureStore::open(&account.config_with_signature()).unwrap();
    replace(&store, "a b/c.parquet").await;
    let (sent, mut copied) = blocks(&account, "a b/c.parquet");
    copied.sort();
    assert_eq!(copied, ["bytes=0-9437183", "bytes=9437194-22020095"]);
    assert_eq!(sent, 3 + 1, "the blob as it was, and five bytes");
}

#[tokio::test]
async fn what_cannot_be_copied_is_sent() {
    let account = Account::start(Protection::default()).await;
    let store = AzureStore::open(&AzureConfig { credential: account.config().credential, ..account.config() }).unwrap();
    replace(&store, "by-key").await;
    let requests = account.requests();
    assert!(!requests.iter().any(|asked| asked.contains("from=")), "an account's key does not reach the source");

    account.forbid_copies();
    let store = AzureStore::open(&account.config_with_signature()).unwrap();
    replace(&store, "forbidden").await;
    replace(&store, "again").await;
    assert!(!blocks(&account, "forbidden").1.is_empty());
    assert_eq!(blocks(&account, "again").1, [""; 0], "a refusal is remembered");
}

#[tokio::test]
async fn nothing_is_copied_from_another_version() {
    let account = Account::start(Protection::default()).await;
    let store = Arc::new(AzureStore::open(&account.config_with_signature()).unwrap());
    let (blob, (old, new, unchanged)) = (path("contended"), change());
    let write =
        |content: Bytes, condition| store.write(&blob, Content::Bytes(content), condition, WriteOptions::default());
    let before = write(old.clone(), Condition::Any).await.unwrap();
    account.replace_before_copy("contended");
    let options = WriteOptions { unchanged, ..WriteOptions::default() };
    let refused = store.write(&blob, Content::Bytes(new), Condition::Matches(before.etag), options).await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Changed);
    assert_eq!(read_all(store.as_ref(), &blob).await.unwrap(), "another writer's");
}

#[tokio::test(flavor = "multi_thread")]
async fn azurite_ends_with_the_same_bytes() {
    for credential in [testing::azurite_http().credential, Credential::Sas(account_sas())] {
        let store = AzureStore::open(&AzureConfig { credential, ..testing::azurite_http() }).unwrap();
        store.create_container().await.unwrap();
        replace(&store, "a b/c.parquet").await;
    }
}
