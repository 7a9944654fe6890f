//! The store on a local disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt;
use lacuna_store::testing::{self, path, pattern};
use lacuna_store::{Condition, Content, ErrorKind, Etag, LocalStore, Store, WriteOptions};

async fn put(
    store: &LocalStore,
    name: &str,
    bytes: &'static str,
    condition: Condition,
) -> Result<lacuna_store::Etag, ErrorKind> {
    let content = Content::Bytes(Bytes::from_static(bytes.as_bytes()));
    let written = store.write(&path(name), content, condition, WriteOptions::default()).await;
    written.map(|blob| blob.etag).map_err(|error| error.kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_disk_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    testing::run(Arc::new(LocalStore::open(root.path()).unwrap())).await;
    // A listing that was left in the middle may hold the store a little longer, and with it the run's empty directory.
    let runs = fs::read_dir(root.path().join("_lacuna/staging")).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<_> = runs.filter_map(|run| fs::read_dir(run).ok()).flatten().collect();
    assert!(left.is_empty(), "staged files are gone: {left:?}");
}

#[tokio::test]
async fn a_store_is_made_where_asked_and_refused_where_it_cannot_be() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(LocalStore::open(root.path().join("none")).unwrap_err().kind, ErrorKind::NotFound);
    let made = LocalStore::create(root.path().join("a/b")).unwrap();
    let place = root.path().canonicalize().unwrap().join("a/b");
    assert_eq!(made.url(), format!("file://{}", place.display()));
    assert_eq!(made.local_file(&path("x/y")), Some(place.join("x/y")));
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "a store that is only read leaves nothing behind");
    fs::write(root.path().join("file"), "").unwrap();
    assert_eq!(LocalStore::open(root.path().join("file")).unwrap_err().kind, ErrorKind::Configuration);
    assert_eq!(LocalStore::create(root.path().join("file/sub")).unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn an_open_version_is_read_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    let place = root.path().join("shard");
    let changed = |result: Result<(), lacuna_store::Error>| result.unwrap_err().kind == ErrorKind::Changed;
    for another in [|place: &Path| fs::write(place, "0123456789ab"), |place: &Path| fs::write(place, "0123"), replace] {
        fs::write(&place, "0123456789").unwrap();
        let etag = store.head(&path("shard")).await.unwrap().etag;
        let version = store.open_here(&path("shard"), &etag).unwrap().unwrap();
        let mut bytes = [0; 4];
        version.read_into(6, &mut bytes).unwrap();
        assert_eq!((&bytes, version.size()), (b"6789", 10));
        version.check().unwrap();
        assert!(changed(version.read_into(8, &mut bytes)), "it ends before that");
        another(&place).unwrap();
        assert!(changed(version.check()));
        assert!(changed(store.open_here(&path("shard"), &etag).unwrap().map(drop)));
    }
    let none = store.open_here(&path("none"), &Etag::new("1")).unwrap();
    assert_eq!(none.unwrap_err().kind, ErrorKind::NotFound);
}

fn replace(place: &Path) -> std::io::Result<()> {
    let beside = place.with_extension("new");
    fs::write(&beside, "0123456789")?;
    fs::rename(&beside, place)
}

#[tokio::test]
async fn a_file_that_was_staged_is_moved_and_not_copied() {
    use std::os::unix::fs::MetadataExt;
    let root = tempfile::tempdir().unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    let staged = store.staging_dir().unwrap().join("rewritten");
    fs::write(&staged, pattern(1000)).unwrap();
    let inode = fs::metadata(&staged).unwrap().ino();
    store.write(&path("a/b"), Content::File(staged.clone()), Condition::New, WriteOptions::default()).await.unwrap();
    assert!(!staged.exists());
    assert_eq!(fs::metadata(root.path().join("a/b")).unwrap().ino(), inode);
}

#[tokio::test]
async fn what_is_private_is_for_its_owner_alone() {
    let root = tempfile::tempdir().unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    let staged = tempfile::NamedTempFile::new_in(store.staging_dir().unwrap()).unwrap();
    let contents = [Content::Bytes("found".into()), Content::File(staged.path().to_owned())];
    for (name, content) in ["bytes", "file"].into_iter().zip(contents) {
        let options = WriteOptions { is_private: true, ..WriteOptions::default() };
        store.write(&path(name), content, Condition::New, options).await.unwrap();
        assert_eq!(fs::metadata(root.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_replaced_file_keeps_its_mode_and_attributes_and_a_new_one_is_as_usual() {
    let root = tempfile::tempdir().unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    let place = root.path().join("shard");
    fs::write(&place, "old").unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    let attributes = rustix::fs::setxattr(&place, "user.retention", b"7 years", flags).is_ok();
    let etag = store.head(&path("shard")).await.unwrap().etag;
    put(&store, "shard", "new", Condition::Matches(etag)).await.unwrap();
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o640);
    if attributes {
        let mut value = [0; 64];
        let length = rustix::fs::getxattr(&place, "user.retention", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"7 years");
    }
    // A caller's own temporary file is for its owner alone; what becomes a blob is not.
    fs::write(root.path().join("usual"), "").unwrap();
    let usual = fs::metadata(root.path().join("usual")).unwrap().permissions();
    let staged = tempfile::NamedTempFile::new_in(store.staging_dir().unwrap()).unwrap();
    let content = Content::File(staged.path().to_owned());
    store.write(&path("moved"), content, Condition::New, WriteOptions::default()).await.unwrap();
    put(&store, "written", "", Condition::New).await.unwrap();
    for name in ["moved", "written"] {
        assert_eq!(fs::metadata(root.path().join(name)).unwrap().permissions(), usual, "{name}");
    }
}

#[tokio::test]
async fn a_change_by_another_program_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    let place = root.path().join("shard");
    fs::write(&place, "one").unwrap();
    let blob = path("shard");
    let before = store.head(&blob).await.unwrap();
    // Same length, and the old modification time restored, as `touch -r` and some archivers do.
    let modified = fs::metadata(&place).unwrap().modified().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    fs::write(&place, "two").unwrap();
    fs::File::options().write(true).open(&place).unwrap().set_modified(modified).unwrap();
    assert_eq!(store.read(&blob, 0..3, &before.etag).await.unwrap_err().kind, ErrorKind::Changed);
    assert_eq!(put(&store, "shard", "new", Condition::Matches(before.etag.clone())).await, Err(ErrorKind::Changed));
    assert_eq!(store.delete(&blob, &before.etag).await.unwrap_err().kind, ErrorKind::Changed);
    assert_eq!(fs::read(&place).unwrap(), b"two");
}

#[tokio::test]
async fn a_version_knows_whether_its_file_has_other_names() {
    let root = tempfile::tempdir().unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    fs::write(root.path().join("shard"), "rows").unwrap();
    let open = async || {
        let etag = store.head(&path("shard")).await.unwrap().etag;
        store.open_here(&path("shard"), &etag).unwrap().unwrap()
    };
    assert!(!open().await.has_other_names().unwrap());
    fs::hard_link(root.path().join("shard"), root.path().join("other")).unwrap();
    assert!(open().await.has_other_names().unwrap());
}

#[tokio::test]
async fn no_path_leads_through_a_symbolic_link() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("file"), "theirs").unwrap();
    symlink(outside.path(), root.path().join("directory")).unwrap();
    symlink(outside.path().join("file"), root.path().join("file")).unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    for name in ["directory/file", "file"] {
        let denied = Some(ErrorKind::AccessDenied);
        assert_eq!(store.head(&path(name)).await.err().map(|error| error.kind), denied, "{name}");
        assert_eq!(put(&store, name, "ours", Condition::Any).await.err(), denied, "{name}");
        assert_eq!(put(&store, name, "ours", Condition::New).await.err(), denied, "{name}");
    }
    assert_eq!(put(&store, "directory/new", "ours", Condition::New).await.err(), Some(ErrorKind::AccessDenied));
    assert_eq!(fs::read(outside.path().join("file")).unwrap(), b"theirs");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert!(store.list("").try_collect::<Vec<_>>().await.is_err(), "what is not searched is not passed over");
    assert_eq!(store.head(&path("directory")).await.unwrap_err().kind, ErrorKind::AccessDenied);
}

#[tokio::test]
async fn what_is_no_file_is_neither_a_blob_nor_nothing() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    for name in ["folder", "socket"] {
        assert_eq!(store.head(&path(name)).await.unwrap_err().kind, ErrorKind::Other, "{name}");
        for condition in [Condition::Any, Condition::New] {
            assert_eq!(put(&store, name, "ours", condition).await.err(), Some(ErrorKind::Other), "{name}");
        }
    }
    assert_eq!(store.head(&path("folder/none")).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn what_a_dead_run_staged_goes_at_once_and_what_a_live_one_staged_stays() {
    let root = tempfile::tempdir().unwrap();
    let staging = root.path().join("_lacuna/staging");
    let left = || {
        let mut left: Vec<_> = fs::read_dir(&staging).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        left
    };
    let live = LocalStore::open(root.path()).unwrap();
    let own = live.staging_dir().unwrap().to_owned();
    fs::write(own.join(".tmp1"), "being rewritten").unwrap();
    let of_live = left();
    assert_eq!(of_live.len(), 2, "a directory, and its lock: {of_live:?}");
    let die = |name: &str, has_lock: bool| {
        fs::create_dir(staging.join(name)).unwrap();
        fs::write(staging.join(name).join(".tmp1"), "somebody's rows").unwrap();
        if has_lock {
            fs::write(staging.join(format!("{name}.lock")), "").unwrap();
        }
    };
    die("lacuna-run-dead", true);
    die("lacuna-run-dead-too", false);
    fs::write(staging.join("lacuna-run-hardly-begun.lock"), "").unwrap();
    let other = LocalStore::open(root.path()).unwrap();
    assert_eq!(left(), of_live);
    // A store that has long been open looks when it is asked to.
    die("lacuna-run-late", true);
    other.remove_leftovers().await.unwrap();
    assert_eq!(left(), of_live);
    assert_eq!(fs::read(own.join(".tmp1")).unwrap(), b"being rewritten");
    fs::remove_file(own.join(".tmp1")).unwrap();
    drop((live, other));
    assert_eq!(left(), <[&str; 0]>::default(), "who ends leaves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_begin_and_end_do_not_take_each_others_files() {
    let root = tempfile::tempdir().unwrap();
    let runs = (0..4).map(|run| {
        let root = root.path().to_owned();
        tokio::spawn(async move {
            for n in 0..50 {
                let store = LocalStore::open(&root).unwrap();
                store.remove_leftovers().await.unwrap();
                put(&store, &format!("{run}/{n}"), "written", Condition::New).await.unwrap();
            }
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
    assert_eq!(fs::read_dir(root.path().join("_lacuna/staging")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_no_lock_tells_of_is_removed_once_it_is_old_and_nobody_uses_it() {
    let root = tempfile::tempdir().unwrap();
    let staging = root.path().join("_lacuna/staging");
    fs::create_dir_all(&staging).unwrap();
    let old = SystemTime::now() - Duration::from_hours(25);
    let make = |name: &str, time: Option<SystemTime>| {
        let file = fs::File::create(staging.join(name)).unwrap();
        if let Some(time) = time {
            file.set_modified(time).unwrap();
        }
        file
    };
    make("old", Some(old));
    make("young", None);
    let used = make("used", Some(old));
    used.lock().unwrap();
    LocalStore::open(root.path()).unwrap();
    let mut left: Vec<_> = fs::read_dir(&staging).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["used", "young"]);
}

#[tokio::test]
async fn a_changed_mode_is_another_version_of_what_may_be_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    let before = put(&store, "a", "one", Condition::Any).await.unwrap();
    fs::set_permissions(root.path().join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    let touched = store.head(&path("a")).await.unwrap().etag;
    assert_ne!(before, touched);
    assert!(store.may_be_same(&before, &touched) && !store.may_be_same(&before, &before));
    let replaced = put(&store, "a", "two", Condition::Any).await.unwrap();
    assert!(!store.may_be_same(&touched, &replaced));
}
