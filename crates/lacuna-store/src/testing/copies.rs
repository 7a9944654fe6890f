//! What every store promises of a blob's old copies.

use crate::testing::{path, pattern, put, read_all};
use crate::{Condition, Removal, Store};

/// Whatever a store keeps of a blob's earlier bytes it tells of, the oldest first, and removes when it is told to. A store that
/// keeps anything ends with nothing kept of these blobs.
pub(super) async fn are_told_of_and_removed(store: &dyn Store) {
    let (blob, neighbour) = (path("copies/blob"), path("copies/blob.bak"));
    assert!(store.old_copies(&blob).await.unwrap().is_empty(), "of what never was nothing is kept");
    let first = put(store, &blob, "first", Condition::New).await.unwrap();
    assert!(store.old_copies(&blob).await.unwrap().is_empty(), "what a blob is now is no old copy");
    let beside = put(store, &neighbour, "another", Condition::New).await.unwrap();
    put(store, &neighbour, "another's next", Condition::Matches(beside.etag.clone())).await.unwrap();

    let second = put(store, &blob, pattern(9 << 20), Condition::Matches(first.etag.clone())).await.unwrap();
    let third = put(store, &blob, "third", Condition::Matches(second.etag.clone())).await.unwrap();
    let copies = store.old_copies(&blob).await.unwrap();
    let etags: Vec<_> = copies.iter().map(|copy| &copy.etag).collect();
    assert!(etags.is_empty() || etags == [&first.etag, &second.etag], "{copies:?}");
    for copy in &copies {
        assert_eq!(store.remove_copy(&blob, copy).await.unwrap(), Removal::Removed);
        assert_eq!(store.remove_copy(&blob, copy).await.unwrap(), Removal::Removed, "as often as one likes");
    }
    let left = store.old_copies(&blob).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(read_all(store, &blob).await.unwrap(), "third", "what the blob is now stays");
    assert_eq!(store.head(&blob).await.unwrap(), third);

    store.delete(&blob, &third.etag).await.unwrap();
    let copies = store.old_copies(&blob).await.unwrap();
    assert!(copies.iter().all(|copy| copy.etag == third.etag) && copies.len() <= 1, "{copies:?}");
    for copy in &copies {
        assert_eq!(store.remove_copy(&blob, copy).await.unwrap(), Removal::Removed);
    }
    assert!(store.old_copies(&blob).await.unwrap().is_empty());
    let others = store.old_copies(&neighbour).await.unwrap();
    assert!(others.iter().all(|copy| copy.etag == beside.etag), "another blob's copies stay: {others:?}");
    assert_eq!(read_all(store, &neighbour).await.unwrap(), "another's next");
}
