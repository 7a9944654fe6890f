//! What lies below the trait: properties of blobs, against Azurite.

use std::collections::HashMap;

use azure_storage_blob::models::{
    AccessTier, BlobClientGetPropertiesResultHeaders, BlobTags, BlockBlobClientUploadOptions,
};

use super::*;
use crate::testing::{self, path, pattern};

async fn store() -> AzureStore {
    let store = AzureStore::open(&testing::azurite_http()).unwrap();
    store.create_container().await.unwrap();
    // Creating it again changes nothing.
    store.create_container().await.unwrap();
    store
}

#[tokio::test]
async fn a_replaced_blob_keeps_what_it_has_besides_its_bytes() {
    let store = store().await;
    let shard = path("activity/2026/part 0.json.gz");
    let tags = HashMap::from([("class".to_owned(), "a b/c=1".to_owned()), ("retain".to_owned(), "7y".to_owned())]);
    let options = BlockBlobClientUploadOptions {
        blob_cache_control: Some("no-store".into()),
        blob_content_disposition: Some("attachment; filename=\"x.json\"".into()),
        blob_content_encoding: Some("gzip".into()),
        blob_content_language: Some("de".into()),
        blob_content_type: Some("application/x-ndjson".into()),
        metadata: Some(HashMap::from([("producer".to_owned(), "collector 7, eu".to_owned())])),
        tier: Some(AccessTier::Cool),
        ..BlockBlobClientUploadOptions::default()
    };
    store.blob(&shard).upload(pattern(10).into(), Some(options.with_tags(tags.clone()))).await.unwrap();

    // In one piece, in blocks, and in one piece again.
    for size in [20, 9 << 20, 30] {
        let before = store.head(&shard).await.unwrap();
        let options = WriteOptions {
            content_type: Some("text/plain"),
            operation: Some(format!("purge-{size}")),
            ..WriteOptions::default()
        };
        let condition = Condition::Matches(before.etag.clone());
        let written = store.write(&shard, Content::Bytes(pattern(size)), condition, options).await.unwrap();
        assert_ne!(written.etag, before.etag);
        assert!(testing::read_all(&store, &shard).await.unwrap() == pattern(size), "encoded content is read as it is");

        let found = store.blob(&shard).get_properties(None).await.unwrap();
        let text = |value: azure_core::Result<Option<String>>| value.unwrap().unwrap_or_default();
        assert_eq!(text(found.cache_control()), "no-store");
        assert_eq!(text(found.content_disposition()), "attachment; filename=\"x.json\"");
        assert_eq!(text(found.content_encoding()), "gzip");
        assert_eq!(text(found.content_language()), "de");
        assert_eq!(text(found.content_type()), "application/x-ndjson");
        assert_eq!(text(found.access_tier()), "Cool");
        let metadata = found.metadata().unwrap();
        assert_eq!(metadata["producer"], "collector 7, eu");
        assert_eq!(metadata[properties::OPERATION], format!("purge-{size}"));
        let kept: BlobTags = store.blob(&shard).get_tags(None).await.unwrap().into_model().unwrap();
        assert_eq!(HashMap::from(kept), tags);
    }
}

#[tokio::test]
async fn a_new_blob_has_the_type_it_is_given_and_an_account_keeps_its_own_tier() {
    let store = store().await;
    for size in [3, 9 << 20] {
        let blob = path(&format!("package/{size}.json"));
        let options = WriteOptions { content_type: Some("application/json"), ..WriteOptions::default() };
        let content = Content::Bytes(pattern(size));
        let written = store.write(&blob, content.clone(), Condition::New, options).await.unwrap();
        let replaced = Condition::Matches(written.etag);
        store.write(&blob, content, replaced, WriteOptions::default()).await.unwrap();
        let found = store.blob(&blob).get_properties(None).await.unwrap();
        assert_eq!(found.content_type().unwrap().as_deref(), Some("application/json"));
        assert_eq!(found.access_tier_inferred().unwrap(), Some(true), "no tier is set that nobody chose");
    }
}

#[tokio::test]
async fn a_blob_is_deleted_with_its_snapshots() {
    let store = store().await;
    let blob = path("logs/a");
    let content = Content::Bytes(pattern(3));
    let written = store.write(&blob, content, Condition::New, WriteOptions::default()).await.unwrap();
    store.blob(&blob).create_snapshot(None).await.unwrap();
    store.delete(&blob, &written.etag).await.unwrap();
    assert_eq!(store.head(&blob).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_snapshot_that_somebody_made_is_found_and_removed() {
    let store = store().await;
    let shard = path("logs/a.parquet");
    let put = |condition| store.write(&shard, Content::Bytes(pattern(10)), condition, WriteOptions::default());
    let first = put(Condition::New).await.unwrap();
    store.blob(&shard).create_snapshot(None).await.unwrap();
    put(Condition::Matches(first.etag.clone())).await.unwrap();
    let copies = store.old_copies(&shard).await.unwrap();
    assert_eq!((copies.len(), &copies[0].etag), (1, &first.etag));
    assert_eq!(store.remove_copy(&shard, &copies[0]).await.unwrap(), Removal::Removed);
    assert!(store.old_copies(&shard).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_leased_blob_is_nobodys_to_change_until_the_lease_is_broken() {
    let store = store().await;
    let shard = path("logs/a.parquet");
    let put =
        |size: usize, condition| store.write(&shard, Content::Bytes(pattern(size)), condition, WriteOptions::default());
    let first = put(10, Condition::New).await.unwrap();
    store.blob(&shard).acquire_lease(-1, None).await.unwrap();
    let now = store.head(&shard).await.unwrap();
    for size in [5, 9 << 20] {
        let refused = put(size, Condition::Matches(now.etag.clone())).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Leased);
        let why = refused.source.unwrap().to_string();
        assert!(why.contains("infinite"), "the lease is told: {why}");
    }
    assert_eq!(put(5, Condition::Any).await.unwrap_err().kind, ErrorKind::Leased);
    assert_eq!(store.delete(&shard, &now.etag).await.unwrap_err().kind, ErrorKind::Leased);
    assert_eq!(store.head(&shard).await.unwrap().size, first.size);
    store.blob(&shard).break_lease(None).await.unwrap();
    let now = store.head(&shard).await.unwrap();
    put(9 << 20, Condition::Matches(now.etag)).await.unwrap();
}
