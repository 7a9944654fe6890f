//! Standing erasures, their sequence, and the watermarks of shards.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use lacuna_ledger::{Ending, Kind, Lane, Ledger, NewRequest, PassClaim, RequestId, Sequence};

use crate::make::{LEASE, NEXT_DAY, NOW, concluded, erased, new, person, search, shard, submit, worker};
use crate::place::Place;

on_both!(
    erasures_stand_in_the_order_in_which_they_ended,
    who_has_seen_a_number_has_seen_all_before_it,
    a_watermark_is_of_one_version,
    a_watermark_never_goes_back,
    long_paths_have_watermarks_too,
    many_watermarks_at_once,
);

async fn erasures_stand_in_the_order_in_which_they_ended(place: Place) {
    let ledger = place.open().await;
    assert_eq!(ledger.last_sequence().await.unwrap(), Sequence(0));
    let ids = [erased(&ledger, "ann", NOW).await, erased(&ledger, "ben", NEXT_DAY).await];
    let all = ledger.standing(Sequence(0), 10, NEXT_DAY).await.unwrap();
    assert_eq!(
        all.iter().map(|one| (one.sequence, one.request)).collect::<Vec<_>>(),
        [(Sequence(1), ids[0]), (Sequence(2), ids[1])]
    );
    assert_eq!((all[0].subject.clone(), all[0].tenant.as_deref()), (person("ann"), Some("contoso")));
    let since = ledger.standing(Sequence(1), 10, NEXT_DAY).await.unwrap();
    assert_eq!(since.iter().map(|one| one.request).collect::<Vec<_>>(), ids[1..]);
    assert_eq!(ledger.standing(Sequence(0), 1, NEXT_DAY).await.unwrap().len(), 1, "a page");
    let over = NOW + ledger.policy().standing;
    assert_eq!(ledger.standing(Sequence(0), 10, over).await.unwrap().len(), 1, "the first stands no more");
}

/// While others complete erasures, no reader ever sees a number before one that is smaller.
async fn who_has_seen_a_number_has_seen_all_before_it(place: Place) {
    const PASSES: usize = 12;
    let ledger = place.open().await;
    let mut claims = Vec::new();
    for n in 0..PASSES {
        let request = NewRequest { lane: Lane::OnDemand, ..new(Kind::Erase, &n.to_string()) };
        let id = submit(&ledger, request).await.id;
        let claim = ledger.begin_pass(Lane::OnDemand, &worker("w"), 1, LEASE, NEXT_DAY).await.unwrap().unwrap();
        claims.push((id, search(&ledger, &claim, "w", NEXT_DAY).await));
    }
    let done = AtomicBool::new(false);
    let complete = async {
        let conclude = async |id: RequestId, claim: &PassClaim| {
            ledger.conclude(claim, &[concluded(id, Ending::Complete)], &worker("w"), NEXT_DAY).await.unwrap();
        };
        futures::future::join_all(claims.iter().map(|(id, claim)| conclude(*id, claim))).await;
        done.store(true, Ordering::SeqCst);
    };
    let watch = async |ledger: &Ledger| {
        let mut seen = BTreeSet::new();
        while !done.load(Ordering::SeqCst) {
            let last = ledger.last_sequence().await.unwrap();
            let now: BTreeSet<_> =
                ledger.standing(Sequence(0), 100, NEXT_DAY).await.unwrap().iter().map(|one| one.sequence).collect();
            let ought: BTreeSet<_> = (1..=i64::try_from(now.len()).unwrap()).map(Sequence).collect();
            assert_eq!(now, ought, "without a gap");
            assert!(now.len() >= usize::try_from(last.0).unwrap(), "all up to the last number are there");
            assert!(seen.is_subset(&now));
            seen = now;
        }
    };
    let other = place.open().await;
    futures::future::join3(complete, watch(&ledger), watch(&other)).await;
    assert_eq!(ledger.last_sequence().await.unwrap(), Sequence(i64::try_from(PASSES).unwrap()));
}

async fn a_watermark_is_of_one_version(place: Place) {
    let ledger = place.open().await;
    let known = [shard("a", "e1"), shard("b", "e1")];
    ledger.advance_watermarks("activity", &known, Sequence(5)).await.unwrap();
    let asked = [shard("b", "e1"), shard("a", "e2"), shard("c", "e1"), shard("a", "e1")];
    let found = ledger.watermarks("activity", &asked).await.unwrap();
    assert_eq!(found, [5, 0, 0, 5].map(Sequence), "another ETag has none");
    assert_eq!(ledger.watermarks("audit", &known).await.unwrap(), [0, 0].map(Sequence), "nor has another source");
    assert!(ledger.watermarks("activity", &[]).await.unwrap().is_empty());
    // A backup restored over it: its old version, which was searched for what stood then only.
    ledger.advance_watermarks("activity", &[shard("a", "e2")], Sequence(7)).await.unwrap();
    let found = ledger.watermarks("activity", &[shard("a", "e1"), shard("a", "e2")]).await.unwrap();
    assert_eq!(found, [0, 7].map(Sequence));
}

async fn a_watermark_never_goes_back(place: Place) {
    let ledger = place.open().await;
    let a = [shard("a", "e1")];
    for sequence in [5, 3, 5] {
        ledger.advance_watermarks("activity", &a, Sequence(sequence)).await.unwrap();
        assert_eq!(ledger.watermarks("activity", &a).await.unwrap(), [Sequence(5)]);
    }
    // Under another ETag it begins anew, lower too.
    let changed = [shard("a", "e2")];
    ledger.advance_watermarks("activity", &changed, Sequence(2)).await.unwrap();
    assert_eq!(ledger.watermarks("activity", &changed).await.unwrap(), [Sequence(2)]);
}

async fn long_paths_have_watermarks_too(place: Place) {
    let ledger = place.open().await;
    // 4,000 bytes that no index packs into fewer; the second differs in its last only.
    let long: String = (0..250_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let shards = [shard(&format!("{long}1"), "e1"), shard(&format!("{long}2"), "e1"), shard(&long[..1001], "e1")];
    for (at, one) in shards.iter().enumerate() {
        let sequence = Sequence(i64::try_from(at).unwrap() + 1);
        ledger.advance_watermarks("activity", std::slice::from_ref(one), sequence).await.unwrap();
    }
    assert_eq!(ledger.watermarks("activity", &shards).await.unwrap(), [1, 2, 3].map(Sequence));
}

async fn many_watermarks_at_once(place: Place) {
    let ledger = place.open().await;
    let shards: Vec<_> = (0..1500).map(|n| shard(&format!("{n}"), "e1")).collect();
    let reversed: Vec<_> = shards.iter().rev().cloned().collect();
    // Workers that say so of the same shards in different orders do not wait for each other for ever.
    let advance = async |n: i64| {
        let shards = if n % 2 == 0 { &shards } else { &reversed };
        ledger.advance_watermarks("activity", shards, Sequence(n)).await.unwrap();
    };
    futures::future::join_all((1..=8).map(advance)).await;
    let found = ledger.watermarks("activity", &shards).await.unwrap();
    assert!(found.iter().all(|sequence| *sequence == Sequence(8)));
    assert_eq!(ledger.watermarks("activity", &reversed[..2]).await.unwrap().len(), 2);
}
