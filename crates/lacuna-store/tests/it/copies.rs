//! Old bytes of blobs in Azure: what accounts with versions, snapshots, soft deletion and holds keep, and let go.

use std::sync::Arc;

use bytes::Bytes;
use lacuna_store::testing::{self, path};
use lacuna_store::{
    AzureStore, Condition, Content, CopyId, ErrorKind, Hold, OldCopy, Removal, Retained, Store, WriteOptions,
};
use time::{Duration, OffsetDateTime};

use crate::account::{Account, Protection};

const SHARD: &str = "logs/a b&c.parquet";

const VERSIONS: Protection = Protection { versions: true, soft_delete: None, permanent_delete: false, is_owner: false };

async fn put(store: &AzureStore, bytes: &'static str) {
    let options = WriteOptions { operation: Some(format!("put-{bytes}")), ..WriteOptions::default() };
    store.write(&path(SHARD), Content::Bytes(Bytes::from(bytes)), Condition::Any, options).await.unwrap();
}

/// An account where the shard was written twice, and has a snapshot of the first time.
async fn account(protection: Protection) -> (Account, AzureStore) {
    let account = Account::start(protection).await;
    let store = AzureStore::open(&account.config()).unwrap();
    put(&store, "one").await;
    account.snapshot(SHARD);
    put(&store, "two").await;
    (account, store)
}

async fn copies(store: &AzureStore) -> Vec<OldCopy> {
    store.old_copies(&path(SHARD)).await.unwrap()
}

async fn remove_all(store: &AzureStore) -> Vec<Removal> {
    let mut removals = Vec::new();
    for copy in copies(store).await {
        removals.push(store.remove_copy(&path(SHARD), &copy).await.unwrap());
    }
    removals
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_every_kind_keep_the_contract() {
    for protection in [
        Protection::default(),
        VERSIONS,
        Protection { soft_delete: Some(7), permanent_delete: true, is_owner: true, ..VERSIONS },
    ] {
        let account = Account::start(protection).await;
        testing::copies(Arc::new(AzureStore::open(&account.config()).unwrap())).await;
    }
}

#[tokio::test]
async fn versions_and_snapshots_are_removed_and_the_blob_stays() {
    for (protection, kept) in [(Protection::default(), 1), (VERSIONS, 2)] {
        let (account, store) = account(protection).await;
        let found = copies(&store).await;
        assert_eq!(found.len(), kept, "{found:?}");
        assert!(found.iter().all(|copy| copy.operation.as_deref() == Some("put-one") && copy.deleted.is_none()));
        assert_eq!(remove_all(&store).await, vec![Removal::Removed; kept]);
        assert_eq!(account.bytes_of(SHARD), ["two"]);
    }
}

#[tokio::test]
async fn what_is_soft_deleted_is_deleted_for_good_where_that_is_allowed() {
    let soft = Protection { soft_delete: Some(7), permanent_delete: true, is_owner: true, ..Protection::default() };
    for protection in [soft, Protection { versions: true, ..soft }] {
        let (account, store) = account(protection).await;
        assert_eq!(copies(&store).await.len(), 2, "what was written over, and the snapshot");
        assert_eq!(remove_all(&store).await, [Removal::Removed; 2]);
        assert_eq!(account.bytes_of(SHARD), ["two"]);
    }
}

#[tokio::test]
async fn what_is_soft_deleted_and_may_not_go_for_good_says_when_it_goes() {
    let soft = Protection { soft_delete: Some(7), ..VERSIONS };
    for (protection, why) in [
        (Protection { is_owner: true, ..soft }, Retained::ByAccount),
        (Protection { permanent_delete: true, ..soft }, Retained::NotPermitted),
    ] {
        let (account, store) = account(protection).await;
        assert_eq!(remove_all(&store).await, [Removal::Retained(why); 2]);
        let day = (OffsetDateTime::now_utc() + Duration::days(7)).date();
        for copy in copies(&store).await {
            assert_eq!(copy.deleted.unwrap().gone_by, Some(day), "{copy:?}");
        }
        assert_eq!(remove_all(&store).await, [Removal::Retained(why); 2], "as often as one likes");
        account.pass_days(7);
        assert!(copies(&store).await.is_empty());
        assert_eq!(account.bytes_of(SHARD), ["two"]);
    }
}

#[tokio::test]
async fn a_soft_deleted_blob_has_no_name_until_another_takes_its_place() {
    let soft = Protection { soft_delete: Some(3), permanent_delete: true, is_owner: true, ..Protection::default() };
    let account = Account::start(soft).await;
    let store = AzureStore::open(&account.config()).unwrap();
    put(&store, "one").await;
    let etag = store.head(&path(SHARD)).await.unwrap().etag;
    store.delete(&path(SHARD), &etag).await.unwrap();
    let found = copies(&store).await;
    assert_eq!((found.len(), &found[0].id, &found[0].etag), (1, &CopyId::Deleted, &etag));
    assert_eq!(remove_all(&store).await, [Removal::Retained(Retained::ByAccount)]);
    put(&store, "two").await;
    let found = copies(&store).await;
    assert!(matches!(found[..], [OldCopy { id: CopyId::Snapshot(_), .. }]) && found[0].etag == etag, "{found:?}");
    assert_eq!(remove_all(&store).await, [Removal::Removed]);
    assert_eq!(account.bytes_of(SHARD), ["two"]);
}

#[tokio::test]
async fn what_a_policy_holds_is_held_and_told() {
    let tomorrow = (OffsetDateTime::now_utc() + Duration::days(1)).date();
    // A container's policy shows in no listing, only in refusals.
    for hold in [Hold::Legal, Hold::Policy(Some(tomorrow)), Hold::Policy(None)] {
        let account = Account::start(VERSIONS).await;
        let store = AzureStore::open(&account.config()).unwrap();
        put(&store, "one").await;
        account.hold(SHARD, Some(hold));
        put(&store, "two").await;
        assert_eq!(remove_all(&store).await, [Removal::Held(hold)]);
        assert_eq!(account.bytes_of(SHARD), ["one", "two"]);
        account.hold(SHARD, None);
        assert_eq!(remove_all(&store).await, [Removal::Removed]);
        assert_eq!(account.bytes_of(SHARD), ["two"]);
    }
}

#[tokio::test]
async fn a_lease_a_hold_and_the_archive_are_told_from_a_change() {
    let account = Account::start(Protection::default()).await;
    let store = AzureStore::open(&account.config()).unwrap();
    put(&store, "one").await;
    let now = store.head(&path(SHARD)).await.unwrap();
    let write = |size: usize| {
        let content = Content::Bytes(testing::pattern(size));
        store.write(&now.path, content, Condition::Matches(now.etag.clone()), WriteOptions::default())
    };
    account.lease(SHARD, true);
    for size in [5, 9 << 20] {
        assert_eq!(write(size).await.unwrap_err().kind, ErrorKind::Leased);
    }
    assert!(account.requests().iter().all(|asked| !asked.contains("comp=block")), "nothing is sent in vain");
    assert_eq!(store.delete(&now.path, &now.etag).await.unwrap_err().kind, ErrorKind::Leased);
    account.lease(SHARD, false);
    account.hold(SHARD, Some(Hold::Legal));
    assert_eq!(write(5).await.unwrap_err().kind, ErrorKind::Held);
    account.hold(SHARD, None);
    account.archive(SHARD);
    assert_eq!(store.read(&now.path, 0..1, &now.etag).await.unwrap_err().kind, ErrorKind::Archived);
    assert_eq!(account.bytes_of(SHARD), ["one"]);
}
