//! For tests of this crate and of those above: the suite that every store passes, and where the tests' Azurite is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it stands")]

mod copies;
mod gate;
mod slow;

use std::env;
use std::sync::Arc;
use std::time::Duration;

use azure_core::Uuid;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future};

use crate::{
    AzureConfig, BlobInfo, BlobPath, Condition, Content, Credential, ErrorKind, Etag, NewBlob, Result, Retries, Secret,
    Store, WriteOptions,
};

pub use gate::{Gate, Gated, Listed};
pub use slow::SlowStore;

/// Azurite's account, the same everywhere.
/// <https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key>
pub const AZURITE_ACCOUNT: &str = "devstoreaccount1";

/// The key of Azurite's account, no secret.
pub const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A new container's configuration on the tests' Azurite over http, with the account's key. The container must be created.
pub fn azurite_http() -> AzureConfig {
    AzureConfig {
        endpoint: Some(variable("LACUNA_TEST_AZURITE_HTTP")),
        credential: Credential::SharedKey(Secret::new(AZURITE_KEY)),
        retries: patient(),
        ..AzureConfig::new(format!("t-{}", Uuid::new_v4()))
    }
}

/// A new container's configuration on the tests' Azurite over https, which also takes bearer tokens that anyone may make.
pub fn azurite_https() -> AzureConfig {
    AzureConfig {
        endpoint: Some(variable("LACUNA_TEST_AZURITE_HTTPS")),
        ca_certificate: Some(variable("LACUNA_TEST_AZURITE_CA").into()),
        ..azurite_http()
    }
}

/// Retries that fail a test soon, and not a slow machine.
fn patient() -> Retries {
    Retries { tries_max: 4, delay: Duration::from_millis(50), ..Retries::default() }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: this test needs Azurite, which `cargo xtask test` installs and starts (one crate: `cargo xtask test -- -p CRATE`)")
    })
}

/// A path of a test.
pub fn path(text: &str) -> BlobPath {
    BlobPath::new(text).unwrap()
}

/// Bytes that tell their position: a range that is off by one shows.
pub fn pattern(length: usize) -> Bytes {
    (0..length).map(|n| (n ^ (n >> 8) ^ (n >> 16)).to_le_bytes()[0]).collect()
}

/// Reads the whole blob.
pub async fn read_all(store: &dyn Store, path: &BlobPath) -> Result<Bytes> {
    let blob = store.head(path).await?;
    store.read(path, 0..blob.size, &blob.etag).await
}

/// Checks all that [`Store`] promises. The store must be empty, and holds some blobs afterwards.
pub async fn run(store: Arc<dyn Store>) {
    reads_and_ranges(&*store).await;
    conditions(&*store).await;
    files(&*store).await;
    together(&*store).await;
    batches(&*store).await;
    copies::are_told_of_and_removed(&*store).await;
    odd_names(&*store).await;
    one_of_many_writers_wins(&store).await;
    readers_see_whole_versions(&store).await;
    long_listing(&*store).await;
}

/// Checks what [`run`] checks of old bytes, and no more.
pub async fn copies(store: Arc<dyn Store>) {
    copies::are_told_of_and_removed(&*store).await;
}

async fn put(store: &dyn Store, path: &BlobPath, bytes: impl Into<Bytes>, condition: Condition) -> Result<BlobInfo> {
    store.write(path, Content::Bytes(bytes.into()), condition, WriteOptions::default()).await
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind
}

async fn listed(store: &dyn Store, prefix: &str) -> Vec<String> {
    store.list(prefix).map_ok(|blob| blob.path.to_string()).try_collect().await.unwrap()
}

async fn reads_and_ranges(store: &dyn Store) {
    let nowhere = Etag::new("nothing");
    let missing = path("ranges/missing");
    assert_eq!(listed(store, "").await, <[&str; 0]>::default(), "the suite starts with an empty store");
    assert_eq!(kind(store.head(&missing).await), ErrorKind::NotFound);
    assert_eq!(kind(store.read(&missing, 0..1, &nowhere).await), ErrorKind::NotFound);
    assert_eq!(kind(store.delete(&missing, &nowhere).await), ErrorKind::NotFound);
    let error = store.head(&missing).await.unwrap_err();
    assert_eq!(error.path, Some(missing), "an error names the blob");

    // Longer than a part of a range and than a single upload.
    let (long, bytes) = (path("ranges/long"), pattern((20 << 20) + 7));
    let written = put(store, &long, bytes.clone(), Condition::New).await.unwrap();
    assert_eq!((&written.path, written.size), (&long, bytes.len() as u64));
    assert_eq!(store.head(&long).await.unwrap(), written, "a write answers with what a look tells");
    let end = written.size;
    for range in
        [0..1, 0..end, end - 1..end, 7..7, end..end, 5..(8 << 20) + 5, (8 << 20) - 1..(16 << 20) + 1, 1 << 20..end]
    {
        let expected = bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
        let read = store.read(&long, range.clone(), &written.etag).await.unwrap();
        assert!(read == expected, "the bytes of {range:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake")]
    for range in [0..end + 1, end - 1..end + 1, end..end + 1, end + 1..end + 2, end + 1..end + 1, 0..u64::MAX, 2..1] {
        let read = store.read(&long, range.clone(), &written.etag).await;
        assert_eq!(kind(read), ErrorKind::OutOfRange, "{range:?}");
    }
    assert_eq!(kind(store.read(&long, 0..1, &nowhere).await), ErrorKind::Changed);
    assert_eq!(kind(store.read(&long, 0..0, &nowhere).await), ErrorKind::Changed);

    let empty = path("ranges/empty");
    let written = put(store, &empty, "", Condition::New).await.unwrap();
    assert_eq!(written.size, 0);
    assert_eq!(store.read(&empty, 0..0, &written.etag).await.unwrap(), "");
    assert_eq!(kind(store.read(&empty, 0..1, &written.etag).await), ErrorKind::OutOfRange);
    assert_eq!(listed(store, "ranges/").await, ["ranges/empty", "ranges/long"]);
    assert_eq!(listed(store, "ranges/l").await, ["ranges/long"]);
    assert_eq!(listed(store, "range/").await, <[&str; 0]>::default());
}

async fn conditions(store: &dyn Store) {
    let blob = path("conditions/blob");
    let other = Etag::new("another");
    assert_eq!(kind(put(store, &blob, "0", Condition::Matches(other.clone())).await), ErrorKind::Changed);
    let first = put(store, &blob, "1", Condition::New).await.unwrap();
    assert_eq!(kind(put(store, &blob, "x", Condition::New).await), ErrorKind::AlreadyExists);
    assert_eq!(kind(put(store, &blob, "x", Condition::Matches(other.clone())).await), ErrorKind::Changed);
    let second = put(store, &blob, "2", Condition::Matches(first.etag.clone())).await.unwrap();
    assert_ne!(second.etag, first.etag, "a version of the same length is another version");
    assert_eq!(kind(put(store, &blob, "x", Condition::Matches(first.etag.clone())).await), ErrorKind::Changed);
    assert_eq!(kind(store.read(&blob, 0..1, &first.etag).await), ErrorKind::Changed);
    assert_eq!(kind(store.delete(&blob, &first.etag).await), ErrorKind::Changed);
    assert_eq!(read_all(store, &blob).await.unwrap(), "2", "a refused write changes nothing");
    let third = put(store, &blob, "three", Condition::Any).await.unwrap();
    assert_eq!(store.list("conditions/").try_collect::<Vec<_>>().await.unwrap(), std::slice::from_ref(&third));
    assert_eq!(Etag::new(&format!("\"{}\"", third.etag)), third.etag, "versions carry no quotes");

    let long = pattern(9 << 20);
    for condition in [Condition::New, Condition::Matches(other.clone())] {
        let refused = kind(put(store, &blob, long.clone(), condition.clone()).await);
        let expected = if condition == Condition::New { ErrorKind::AlreadyExists } else { ErrorKind::Changed };
        assert_eq!(refused, expected, "long content under {condition:?}");
    }
    let fourth = put(store, &blob, long.clone(), Condition::Matches(third.etag)).await.unwrap();
    assert!(read_all(store, &blob).await.unwrap() == long);

    store.delete(&blob, &fourth.etag).await.unwrap();
    assert_eq!(kind(store.head(&blob).await), ErrorKind::NotFound);
    assert_eq!(kind(put(store, &blob, "x", Condition::Matches(fourth.etag.clone())).await), ErrorKind::Changed);
    assert_eq!(kind(put(store, &blob, long, Condition::Matches(fourth.etag)).await), ErrorKind::Changed);
    put(store, &path("conditions/any"), "new", Condition::Any).await.unwrap();
}

async fn together(store: &dyn Store) {
    for count in [0, 1, 40] {
        let prefix = format!("together/{count}/");
        let paths: Vec<_> = (0..count).map(|n| path(&format!("{prefix}{}/{n:02}", n % 3))).collect();
        let taken = paths.get(1).cloned();
        if let Some(taken) = &taken {
            put(store, taken, "older", Condition::New).await.unwrap();
        }
        let blob = |path: &BlobPath| NewBlob {
            path: path.clone(),
            content: Content::Bytes(path.to_string().into()),
            content_type: None,
        };
        let answers = store.write_all(paths.iter().map(blob).collect(), Condition::New).await;
        assert_eq!(answers.len(), count);
        for (path, answer) in paths.iter().zip(answers) {
            if Some(path) == taken.as_ref() {
                assert_eq!(kind(answer), ErrorKind::AlreadyExists);
                assert_eq!(read_all(store, path).await.unwrap(), "older");
            } else {
                answer.unwrap();
                assert_eq!(read_all(store, path).await.unwrap(), path.to_string());
            }
        }
        assert_eq!(listed(store, &prefix).await.len(), count, "nothing else is there");
    }
}

/// Many blobs at once: new ones and others, few enough to be written one by one and too many for that.
async fn batches(store: &dyn Store) {
    assert!(store.write_all(Vec::new(), Condition::Any).await.is_empty());
    for count in [3, 40] {
        let old = put(store, &path("batches/sub/1/x"), pattern(10), Condition::Any).await.unwrap();
        let blob = |n: usize| NewBlob {
            path: path(&format!("batches/sub/{n}/x")),
            content: Content::Bytes(pattern(1000 * count + n)),
            content_type: Some("text/plain"),
        };
        for written in store.write_all((0..count).map(blob).collect(), Condition::Any).await {
            written.unwrap();
        }
        for n in 0..count {
            let written = read_all(store, &path(&format!("batches/sub/{n}/x"))).await.unwrap();
            assert_eq!(written, pattern(1000 * count + n));
        }
        assert_ne!(store.head(&old.path).await.unwrap().etag, old.etag, "what was replaced is another version");
        assert_eq!(listed(store, "batches/").await.len(), count);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pattern(5)).unwrap();
    let content = Content::File(file.path().to_owned());
    let file = NewBlob { path: path("batches/file"), content, content_type: None };
    store.write_all(vec![file], Condition::Any).await.pop().unwrap().unwrap();
    assert_eq!(read_all(store, &path("batches/file")).await.unwrap(), pattern(5));
}

async fn files(store: &dyn Store) {
    let elsewhere = tempfile::tempdir().unwrap();
    let places = [Some(elsewhere.path()), store.staging_dir()];
    for (n, place) in places.into_iter().flatten().enumerate() {
        for size in [0, 1, (17 << 20) + 3] {
            let blob = path(&format!("files/{n}/{size}"));
            let write = |condition| async {
                let file = tempfile::NamedTempFile::new_in(place).unwrap();
                std::fs::write(file.path(), pattern(size)).unwrap();
                let content = Content::File(file.path().to_owned());
                let result = store.write(&blob, content, condition, WriteOptions::default()).await;
                assert!(result.is_ok() || file.path().exists(), "a file that was not taken stays");
                result
            };
            let written = write(Condition::New).await.unwrap();
            assert!(read_all(store, &blob).await.unwrap() == pattern(size), "{size} bytes");
            assert_eq!(kind(write(Condition::New).await), ErrorKind::AlreadyExists);
            assert_eq!(kind(write(Condition::Matches(Etag::new("another"))).await), ErrorKind::Changed);
            let replaced = write(Condition::Matches(written.etag.clone())).await.unwrap();
            assert_eq!(replaced.size, written.size);
            assert_eq!(kind(write(Condition::Matches(written.etag)).await), ErrorKind::Changed);
        }
    }
    let nowhere = Content::File(elsewhere.path().join("nothing"));
    let result = store.write(&path("files/none"), nowhere, Condition::New, WriteOptions::default()).await;
    assert_eq!(kind(result), ErrorKind::Other, "a file that is not there is not a blob that is not there");
}

async fn odd_names(store: &dyn Store) {
    let mut names = [
        "a b.parquet",
        "a%20b.parquet",
        "a%2Fb",
        "a+b&c=d",
        "a#b",
        "a?b=c",
        "a:b;c,d",
        "a\"b'c`d",
        "a<b>|c",
        "ä-日本語-🦀",
        "a~b!@$^*(){}[]",
        "date=2026-11-22/hour=00/part-0.snappy.parquet",
        "..a",
        "a..",
        ".hidden",
        "%",
        "%%",
        "A",
        "a",
    ]
    .map(|name| format!("odd names/{name}"));
    names.sort();
    for name in &names {
        let blob = path(name);
        let written = put(store, &blob, name.clone(), Condition::New).await.unwrap();
        assert_eq!(store.head(&blob).await.unwrap(), written, "{name}");
        assert_eq!(store.read(&blob, 0..written.size, &written.etag).await.unwrap(), name.as_bytes(), "{name}");
        assert_eq!(listed(store, name).await.first(), Some(name), "listed under its whole name as prefix");
    }
    assert_eq!(listed(store, "odd names/").await, names);
    for name in &names {
        let blob = path(name);
        let etag = store.head(&blob).await.unwrap().etag;
        let written = put(store, &blob, pattern(9 << 20), Condition::Matches(etag));
        // One long one with everything in its name shows that blocks find it too.
        if name.contains("🦀") || name.contains("%%") {
            written.await.unwrap();
        }
        let etag = store.head(&blob).await.unwrap().etag;
        store.delete(&blob, &etag).await.unwrap();
    }
    assert_eq!(listed(store, "odd names/").await, <[&str; 0]>::default());
}

async fn one_of_many_writers_wins(store: &Arc<dyn Store>) {
    let write = |blob: &BlobPath, n: usize, size: usize, condition: &Condition| {
        let (store, blob, condition) = (Arc::clone(store), blob.clone(), condition.clone());
        // Writers that all carry the same bytes, told apart by their operation, as two runs of a job are.
        let options = WriteOptions { operation: Some(format!("writer-{n}")), ..WriteOptions::default() };
        tokio::spawn(async move { store.write(&blob, Content::Bytes(pattern(size)), condition, options).await })
    };
    for (size, writers) in [(10, 8), (9 << 20, 4)] {
        let blob = path(&format!("writers/{size}"));
        let mut condition = Condition::New;
        for round in 0..2 {
            let results =
                future::join_all((0..writers).map(|n| write(&blob, n + writers * round, size, &condition))).await;
            let (won, lost): (Vec<_>, Vec<_>) =
                results.into_iter().map(|result| result.unwrap()).partition(Result::is_ok);
            assert_eq!(won.len(), 1, "of {writers} writers under {condition:?}: {lost:?}");
            let expected = if condition == Condition::New { ErrorKind::AlreadyExists } else { ErrorKind::Changed };
            for loser in lost {
                assert_eq!(kind(loser), expected);
            }
            let now = store.head(&blob).await.unwrap();
            assert_eq!(won.into_iter().next().unwrap().unwrap(), now, "the winner knows its version");
            condition = Condition::Matches(now.etag);
        }
    }
}

async fn readers_see_whole_versions(store: &Arc<dyn Store>) {
    let blob = path("versions/blob");
    let version = |n: u8| Bytes::from(vec![n; 100_000 + usize::from(n)]);
    let mut written = put(&**store, &blob, version(0), Condition::New).await.unwrap();
    let reader = tokio::spawn({
        let (store, blob) = (Arc::clone(store), blob.clone());
        async move {
            let mut last = 0;
            while last < 20 {
                match read_all(&*store, &blob).await {
                    Ok(bytes) => {
                        assert!(bytes[0] >= last && bytes == vec![bytes[0]; 100_000 + usize::from(bytes[0])]);
                        last = bytes[0];
                    }
                    Err(error) => assert_eq!(error.kind, ErrorKind::Changed),
                }
            }
        }
    });
    for n in 1..=20 {
        written = put(&**store, &blob, version(n), Condition::Matches(written.etag)).await.unwrap();
    }
    reader.await.unwrap();
}

async fn long_listing(store: &dyn Store) {
    const BLOBS: usize = 3_100;
    let names: Vec<_> = (0..BLOBS).map(|n| format!("listing/{}/{n:05}", n % 7)).collect();
    let writes =
        names.iter().map(|name| async { put(store, &path(name), name.clone(), Condition::New).await.map(drop) });
    futures::stream::iter(writes).buffer_unordered(32).try_collect::<()>().await.unwrap();
    let mut expected = names.clone();
    expected.sort();
    assert_eq!(listed(store, "listing/").await, expected);
    assert_eq!(listed(store, "listing/3/").await.len(), BLOBS.div_ceil(7));
    let some: Vec<_> = store.list("listing/").take(5).try_collect().await.unwrap();
    assert_eq!(some.len(), 5, "a listing may be left early");
    assert_eq!(store.head(&some[0].path).await.unwrap(), some[0], "a listing tells what a look tells");
}
