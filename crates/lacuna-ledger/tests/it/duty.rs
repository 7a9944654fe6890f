//! Of any number of workers one does a duty at a time.

use lacuna_ledger::{Error, Refusal, Role};
use time::Duration;

use crate::make::{LEASE, NOW, requester, worker};
use crate::place::Place;

on_both!(one_worker_at_a_time_has_a_duty, an_old_claim_can_do_nothing, many_workers_at_once_get_one_claim);

async fn one_worker_at_a_time_has_a_duty(place: Place) {
    let ledger = place.open().await;
    let (ann, ben) = (worker("ann"), worker("ben"));
    let first = ledger.claim_duty("sweep", &ann, LEASE, NOW).await.unwrap().unwrap();
    assert!(first.last_done.is_none() && !first.taken_over);
    assert!(ledger.claim_duty("sweep", &ben, LEASE, NOW).await.unwrap().is_none(), "ann has it");
    assert!(ledger.claim_duty("purge", &ben, LEASE, NOW).await.unwrap().is_some(), "another duty is free");

    // Renewed, it is hers for longer than the first lease.
    let later = NOW + LEASE * 3 / 2;
    ledger.renew_duty(&first, LEASE, NOW + LEASE / 2 + Duration::SECOND).await.unwrap();
    assert!(ledger.claim_duty("sweep", &ben, LEASE, later).await.unwrap().is_none());

    // Handed back, it is anybody's at once, and nothing was done; once it is done, whoever comes next sees when.
    ledger.release_duty(&first).await.unwrap();
    let second = ledger.claim_duty("sweep", &ben, LEASE, later).await.unwrap().unwrap();
    assert!(second.last_done.is_none() && !second.taken_over && second.fence > first.fence);
    ledger.duty_done(&second, later).await.unwrap();
    ledger.duty_done(&second, later).await.unwrap();
    let third = ledger.claim_duty("sweep", &ann, LEASE, later).await.unwrap().unwrap();
    assert_eq!(third.last_done, Some(later));

    let refused = ledger.claim_duty("sweep", &requester(), LEASE, NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Role(Role::Requester)))));
}

async fn an_old_claim_can_do_nothing(place: Place) {
    let ledger = place.open().await;
    let old = ledger.claim_duty("sweep", &worker("ann"), LEASE, NOW).await.unwrap().unwrap();
    let later = NOW + LEASE;
    let new = ledger.claim_duty("sweep", &worker("ben"), LEASE, later).await.unwrap().unwrap();
    assert!(new.taken_over);
    assert!(matches!(ledger.renew_duty(&old, LEASE, later).await, Err(Error::Fenced)));
    assert!(matches!(ledger.release_duty(&old).await, Err(Error::Fenced)));
    assert!(matches!(ledger.duty_done(&old, later).await, Err(Error::Fenced)));
    assert!(ledger.claim_duty("sweep", &worker("carl"), LEASE, later).await.unwrap().is_none(), "ben still has it");
    // Nor does a claim that was handed back come to life again.
    ledger.release_duty(&new).await.unwrap();
    assert!(matches!(ledger.renew_duty(&new, LEASE, later).await, Err(Error::Fenced)));
}

async fn many_workers_at_once_get_one_claim(place: Place) {
    let ledger = place.open().await;
    let claim =
        async |name: usize| ledger.claim_duty("sweep", &worker(&name.to_string()), LEASE, NOW).await.unwrap().is_some();
    let claims = futures::future::join_all((0..20).map(claim)).await;
    assert_eq!(claims.iter().filter(|claimed| **claimed).count(), 1);
}
