//! What receipts tell of several runs.

use std::slice::from_ref;

use ed25519_dalek::SigningKey;
use lacuna_scan::{Mapping, TenantRule};
use lacuna_store::{BlobInfo, BlobPath, Etag, MemoryStore};
use roaring::RoaringTreemap;

use super::news::{Line, News, Next, Places, advance, unknown};
use super::stored::{newest, write};
use super::{OldVersions, Receipt, ReceiptShard, ReceiptSource, ShardState, Share};
use crate::erase::hidden;
use crate::{EmptyShards, FormatChoice, OnErase, Poison, Source};

const SHARD: &str = "a/0.ndjson";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn hidden_in(etag: &str) -> ReceiptShard {
    ReceiptShard { matched: 1, ..ReceiptShard::unchanged(SHARD, etag, 10, ShardState::Hidden, None) }
}

fn share(line: ReceiptShard) -> Share {
    Share { matched: line.matched, line: line.into() }
}

fn purged(etag: &str, state: ShardState, old_versions: OldVersions) -> ReceiptShard {
    let hash = || Some("00".to_owned());
    ReceiptShard { state, old_versions, sha256_before: hash(), sha256_after: hash(), ..hidden_in(etag) }
}

/// The lines of the newest receipt after runs that told these, one after the other.
async fn told(store: &MemoryStore, lines: &[ReceiptShard]) -> Vec<ReceiptShard> {
    for line in lines {
        let source = ReceiptSource {
            source: "a".into(),
            on_erase: "delete".into(),
            shards_searched: 1,
            shards: vec![line.clone()],
            problems: Vec::new(),
        };
        let receipt = Receipt { complete: true, sources: vec![source], ..unknown("r") };
        assert!(write(store, &key(), &receipt, false).await.is_ok());
    }
    newest(store, &key(), "r").await.unwrap().unwrap().1.sources.remove(0).shards
}

async fn hide(store: &MemoryStore, etag: &str) {
    let info = BlobInfo { path: BlobPath::new(SHARD).unwrap(), size: 1, etag: Etag::new(etag) };
    hidden::hide(store, &info, 10, &[("r", &RoaringTreemap::from_iter([3]))]).await.unwrap();
}

#[tokio::test]
async fn of_two_lines_of_one_version_the_further_one_holds() {
    let gone = purged("1", ShardState::Gone, OldVersions::Removed);
    let left = purged("1", ShardState::Verified, OldVersions::Left);
    for line in [&left, &hidden_in("1")] {
        let (early, late) = (MemoryStore::new(), MemoryStore::new());
        assert_eq!(told(&early, &[line.clone(), gone.clone()]).await, from_ref(&gone));
        assert_eq!(told(&late, &[gone.clone(), line.clone()]).await, from_ref(&gone));
    }
}

#[test]
fn old_bytes_are_all_that_is_left_where_rows_are_out_of_the_bytes() {
    let receipt = |line: ReceiptShard| {
        let source = source();
        let mut receipt = Receipt { complete: true, ..unknown("r") };
        Places::default().note(&mut receipt, &source, &share(line));
        receipt
    };
    let left = receipt(purged("1", ShardState::Verified, OldVersions::Left));
    let held = receipt(purged("1", ShardState::Blocked, OldVersions::Held));
    assert!([&left, &held].iter().all(|receipt| !receipt.is_done() && receipt.waits_for_old_bytes()));
    let gone = receipt(purged("1", ShardState::Gone, OldVersions::Removed));
    assert!(gone.is_done() && !gone.waits_for_old_bytes());
    let hidden = receipt(hidden_in("1"));
    assert!(!hidden.is_done() && !hidden.waits_for_old_bytes());
    assert!(!Receipt { complete: false, ..left }.waits_for_old_bytes(), "not all was searched");
}

#[tokio::test]
async fn what_went_from_a_later_version_is_not_told_as_hidden_in_an_earlier_one() {
    let gone = purged("2", ShardState::Gone, OldVersions::None);
    let store = MemoryStore::new();
    assert_eq!(told(&store, &[gone.clone(), hidden_in("1")]).await, from_ref(&gone));
    // Rows that came after a purge are hidden all the same.
    hide(&store, "3").await;
    assert_eq!(told(&store, &[hidden_in("3")]).await, [gone, hidden_in("3")]);
}

#[tokio::test]
async fn a_purge_that_is_late_takes_nothing_back() {
    let (store, source) = (MemoryStore::new(), source());
    told(&store, &[purged("1", ShardState::Gone, OldVersions::None)]).await;
    let left = purged("1", ShardState::Verified, OldVersions::Left);
    let news = News {
        lines: &[Line { source: &source, share: share(left), superseded: false }],
        unread: &[],
        chain_head: None,
    };
    let next = advance(&store, &key(), "r", &news).await.unwrap();
    assert!(matches!(next, Next::Same { .. }), "nothing new is said");
    // Its own version looked like somebody else's to a run that came between.
    let replaced = ReceiptShard { state: ShardState::Blocked, ..hidden_in("1") };
    let news = News {
        lines: &[Line { source: &source, share: share(replaced), superseded: true }],
        unread: &[],
        chain_head: None,
    };
    let next = advance(&store, &key(), "r", &news).await.unwrap();
    assert!(matches!(next, Next::Same { .. }), "the receipt stays complete");
}

fn source() -> Source {
    let mapping = Mapping { identifiers: Vec::new(), tenant: TenantRule::Single };
    Source {
        name: "a".into(),
        shards: "a/*".into(),
        format: FormatChoice::default(),
        product: String::new(),
        data_type: String::new(),
        mapping,
        time: None,
        on_erase: OnErase::Delete,
        poison: Poison::Refuse,
        empty_shards: EmptyShards::Keep,
        may_be_empty: false,
    }
}
