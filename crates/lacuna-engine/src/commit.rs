//! The only code that overwrites or deletes. Every call names the version that it replaces, or that there is none.

use std::path::PathBuf;

use lacuna_store::{
    BlobInfo, BlobPath, Condition, Content, NewBlob, OldCopy, Removal, Result, Store, Unchanged, WriteOptions,
};

/// Replaces the version of a shard that was worked on by the checked bytes in `file`.
/// What is `unchanged` may be copied inside the store.
pub(crate) async fn replace(
    store: &dyn Store,
    shard: &BlobInfo,
    file: PathBuf,
    operation: String,
    unchanged: Vec<Unchanged>,
) -> Result<BlobInfo> {
    let options = WriteOptions { operation: Some(operation), unchanged, ..WriteOptions::default() };
    store.write(&shard.path, Content::File(file), Condition::Matches(shard.etag.clone()), options).await
}

/// Deletes the version of a shard, or of a record, that was worked on.
pub(crate) async fn delete(store: &dyn Store, blob: &BlobInfo) -> Result<()> {
    store.delete(&blob.path, &blob.etag).await
}

/// Removes old bytes of a shard, as far as the store allows it. A copy is named for good and never changes.
pub(crate) async fn remove_copy(store: &dyn Store, shard: &BlobPath, copy: &OldCopy) -> Result<Removal> {
    store.remove_copy(shard, copy).await
}

/// Removes what the store keeps of a blob that was deleted; whether nothing is left.
pub(crate) async fn remove_copies(store: &dyn Store, path: &BlobPath) -> Result<bool> {
    let mut gone = true;
    for copy in store.old_copies(path).await? {
        gone &= remove_copy(store, path, &copy).await? == Removal::Removed;
    }
    Ok(gone)
}

/// Writes a file of a package, or a receipt. A run that is repeated writes the same path again.
pub(crate) async fn publish(
    store: &dyn Store,
    path: &BlobPath,
    content: Content,
    media_type: &'static str,
) -> Result<BlobInfo> {
    let options = WriteOptions { content_type: Some(media_type), ..WriteOptions::default() };
    store.write(path, content, Condition::Any, options).await
}

/// Writes files of packages; all of them are there for good when it is done. A run that is repeated writes the same paths again.
pub(crate) async fn publish_all(store: &dyn Store, files: Vec<NewBlob>) -> Result<()> {
    store.write_all(files, Condition::Any).await.into_iter().collect()
}

/// Writes a file that must not exist yet.
pub(crate) async fn create(
    store: &dyn Store,
    path: &BlobPath,
    content: Content,
    media_type: &'static str,
) -> Result<BlobInfo> {
    let options = WriteOptions { content_type: Some(media_type), ..WriteOptions::default() };
    store.write(path, content, Condition::New, options).await
}

/// The same for personal data, which is for nobody else's eyes.
pub(crate) async fn create_private(store: &dyn Store, path: &BlobPath, content: Content) -> Result<BlobInfo> {
    let content_type = Some("application/octet-stream");
    let options = WriteOptions { content_type, is_private: true, ..WriteOptions::default() };
    store.write(path, content, Condition::New, options).await
}

/// Writes files that must not exist yet, together; the answers are in the same order.
pub(crate) async fn create_all(store: &dyn Store, files: Vec<NewBlob>) -> Vec<Result<()>> {
    store.write_all(files, Condition::New).await
}

/// Writes one of Lacuna's own records beside the logs, in the place of the version that was read, or where there was none.
pub(crate) async fn keep(
    store: &dyn Store,
    path: &BlobPath,
    read: Option<&BlobInfo>,
    content: Content,
) -> Result<BlobInfo> {
    let condition = read.map_or(Condition::New, |read| Condition::Matches(read.etag.clone()));
    store.write(path, content, condition, WriteOptions::default()).await
}

/// Removes one of Lacuna's own records once it has served. Another version of it, which somebody else needs, stays.
///
/// Where the account keeps versions, old ones of these records stay, as do those of tombstones: they name shards, requests and
/// rows by their ordinals, and hold no value of any row. What does hold such values is followed by [`remove_copies`].
pub(crate) async fn drop_record(store: &dyn Store, record: &BlobInfo) -> Result<()> {
    use lacuna_store::ErrorKind::{Changed, NotFound};
    match store.delete(&record.path, &record.etag).await {
        Err(error) if matches!(error.kind, Changed | NotFound) => Ok(()),
        result => result,
    }
}
