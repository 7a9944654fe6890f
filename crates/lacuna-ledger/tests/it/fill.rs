//! What benchmarks measure is a ledger like any other.

use lacuna_ledger::testing::Filling;
use lacuna_ledger::{Due, Filter, State};

use crate::make::{LEASE, NOW, worker};
use crate::place::Place;

on_both!(a_filled_ledger_answers_as_others_do);

async fn a_filled_ledger_answers_as_others_do(place: Place) {
    let ledger = place.open().await;
    let pass = ledger.fill(&Filling { requests: 5000, shards: 2000, set_shards: 100 }, NOW).await.unwrap();
    let list = async |filter: Filter| ledger.list(&filter, None, 100, NOW).await.unwrap().requests;
    let newest = list(Filter::default()).await;
    assert!(
        newest.len() == 100 && newest[0].clock.received < NOW && newest[0].clock.received > newest[99].clock.received
    );
    for state in [State::Complete, State::Scheduled, State::Running, State::Incomplete, State::AwaitingApproval] {
        assert!(!list(Filter { state: Some(state), ..Filter::default() }).await.is_empty(), "{state}");
    }
    assert!(!list(Filter { due: Some(Due::Overdue), ..Filter::default() }).await.is_empty());
    assert_eq!(ledger.history(newest[0].id).await.unwrap().len(), 3);
    assert_eq!(ledger.overview(NOW).await.unwrap().requests.values().sum::<u64>(), 5000);
    let progress = ledger.progress(pass).await.unwrap();
    assert_eq!((progress.sets, progress.done, progress.shards), (20, 10, 2000));
    let claims = ledger.claim_sets(pass, &worker("w"), 10, LEASE, NOW).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.shards.len()).sum::<usize>(), 1000);
}
