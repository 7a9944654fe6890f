//! Passes: who leads them, what they are cut into, and what becomes of a lost worker's part.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use lacuna_ledger::{
    Ending, Error, Kind, Lane, Ledger, NewRequest, PassClaim, PassId, Phase, Refusal, Role, SetClaim, SetResult,
    SetState,
};
use time::{Duration, OffsetDateTime};

use crate::make::{
    LEASE, NOW, begin, concluded, missing, new, requester, run, search, sets, submit, submit_at, worker,
};
use crate::place::Place;

on_both!(
    all_that_is_due_rides_on_one_pass,
    on_demand_rides_beside_the_batch,
    a_pass_takes_the_longest_waiting_first,
    many_workers_at_once_begin_one_pass,
    a_plan_is_claimed_in_its_order_and_finished,
    a_lost_sets_lease_runs_out_and_its_old_claim_can_do_nothing,
    renewed_sets_stay_and_released_sets_are_free_at_once,
    what_a_lost_leader_planned_is_planned_anew,
    planning_said_twice_plans_once,
    a_lost_finisher_is_taken_over,
    a_planning_claim_ends_with_its_plan,
    no_set_is_held_twice_by_many_workers,
    what_is_left_of_a_pass_is_tidied,
);

/// A pass of one request, planned into so many sets.
async fn planned(ledger: &Ledger, count: usize) -> PassId {
    submit(ledger, new(Kind::Export, "ann")).await;
    let claim = begin(ledger, "leader", NOW).await;
    ledger.plan_sets(&claim, &sets("p", count), LEASE, NOW).await.unwrap();
    ledger.plan_done(&claim).await.unwrap();
    claim.pass
}

async fn claim(ledger: &Ledger, pass: PassId, name: &str, max: u32, now: OffsetDateTime) -> Vec<SetClaim> {
    ledger.claim_sets(pass, &worker(name), max, LEASE, now).await.unwrap()
}

fn result(reference: &str) -> SetResult {
    SetResult { reference: reference.into(), rows: 100, bytes: 20, matched: 3 }
}

async fn all_that_is_due_rides_on_one_pass(place: Place) {
    let ledger = place.open().await;
    assert!(ledger.begin_pass(Lane::Batch, &worker("w"), 10, LEASE, NOW).await.unwrap().is_none(), "nothing is due");
    let ann = submit_at(&ledger, new(Kind::Export, "ann"), NOW - Duration::SECOND).await;
    let ben = submit(&ledger, new(Kind::Discover, "ben")).await;
    let claim = begin(&ledger, "w", NOW).await;
    assert_eq!((claim.phase, claim.lane, claim.taken_over), (Phase::Planning, Lane::Batch, false));
    let riding = ledger.pass_requests(claim.pass).await.unwrap();
    assert_eq!(riding.iter().map(|one| one.request.id).collect::<Vec<_>>(), [ann.id, ben.id]);
    assert_eq!(riding[0].subject, crate::make::person("ann"));
    assert!(riding.iter().all(|one| one.work == lacuna_ledger::Work::Do && one.request.tries == 1));

    // What comes meanwhile waits for the next one.
    let late = submit(&ledger, new(Kind::Export, "cleo")).await.id;
    assert!(ledger.begin_pass(Lane::Batch, &worker("v"), 10, LEASE, NOW).await.unwrap().is_none());
    let claim = search(&ledger, &claim, "w", NOW).await;
    let ends = [ann.id, ben.id].map(|id| concluded(id, Ending::Complete));
    assert!(!ledger.conclude(&claim, &ends[..1], &worker("w"), NOW).await.unwrap(), "ben is left");
    assert!(ledger.conclude(&claim, &ends, &worker("w"), NOW).await.unwrap());
    assert!(ledger.open_passes().await.unwrap().is_empty());
    assert_eq!(run(&ledger, &Ending::Complete, NOW).await, [late]);
    let refused = ledger.begin_pass(Lane::Batch, &requester(), 10, LEASE, NOW).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Role(Role::Requester)))));
}

async fn on_demand_rides_beside_the_batch(place: Place) {
    let ledger = place.open().await;
    submit(&ledger, new(Kind::Export, "ann")).await;
    let batch = begin(&ledger, "w", NOW).await;
    for name in ["ben", "cleo"] {
        let id = submit(&ledger, NewRequest { lane: Lane::OnDemand, ..new(Kind::Export, name) }).await.id;
        let claim = ledger.begin_pass(Lane::OnDemand, &worker("w"), 10, LEASE, NOW).await.unwrap().unwrap();
        assert_eq!(ledger.pass_requests(claim.pass).await.unwrap()[0].request.id, id);
        ledger.plan_done(&claim).await.unwrap();
    }
    assert_eq!(ledger.open_passes().await.unwrap().len(), 3);
    // Who serves one lane is not handed a pass of the other.
    for _ in ["ben", "cleo"] {
        assert!(ledger.claim_pass(Lane::Batch, &worker("w"), LEASE, NOW).await.unwrap().is_none());
        let claim = ledger.claim_pass(Lane::OnDemand, &worker("w"), LEASE, NOW).await.unwrap().unwrap();
        assert_eq!(claim.lane, Lane::OnDemand);
    }
    ledger.plan_done(&batch).await.unwrap();
    assert!(ledger.claim_pass(Lane::OnDemand, &worker("w"), LEASE, NOW).await.unwrap().is_none());
    let claim = ledger.claim_pass(Lane::Batch, &worker("w"), LEASE, NOW).await.unwrap().unwrap();
    assert_eq!(claim.pass, batch.pass);
}

async fn a_pass_takes_the_longest_waiting_first(place: Place) {
    let ledger = place.open().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(submit_at(&ledger, new(Kind::Export, name), NOW + Duration::minutes(ids.len() as i64)).await.id);
    }
    let now = NOW + Duration::HOUR;
    let first = ledger.begin_pass(Lane::Batch, &worker("w"), 2, LEASE, now).await.unwrap().unwrap();
    let riding = ledger.pass_requests(first.pass).await.unwrap();
    assert_eq!(riding.iter().map(|one| one.request.id).collect::<Vec<_>>(), ids[..2]);
}

async fn many_workers_at_once_begin_one_pass(place: Place) {
    let ledger = place.open().await;
    for name in 0..20 {
        submit(&ledger, new(Kind::Export, &name.to_string())).await;
    }
    let begin = async |n: usize| ledger.begin_pass(Lane::Batch, &worker(&n.to_string()), 7, LEASE, NOW).await.unwrap();
    let begun: Vec<_> = futures::future::join_all((0..20).map(begin)).await.into_iter().flatten().collect();
    assert_eq!(begun.len(), 1);
    assert_eq!(ledger.pass_requests(begun[0].pass).await.unwrap().len(), 7);
}

async fn a_plan_is_claimed_in_its_order_and_finished(place: Place) {
    let ledger = place.open().await;
    submit(&ledger, new(Kind::Export, "ann")).await;
    let leader = begin(&ledger, "leader", NOW).await;
    let plan = sets("p", 5);
    let ids = ledger.plan_sets(&leader, &plan[..3], LEASE, NOW).await.unwrap();
    let more = ledger.plan_sets(&leader, &plan[3..], LEASE, NOW).await.unwrap();
    assert!(claim(&ledger, leader.pass, "w", 10, NOW).await.is_empty(), "the plan is not whole");
    ledger.plan_done(&leader).await.unwrap();

    let first = claim(&ledger, leader.pass, "w", 2, NOW).await;
    let rest = claim(&ledger, leader.pass, "v", 10, NOW).await;
    let claimed: Vec<_> = first.iter().chain(&rest).map(|claim| (claim.set, claim.shards.clone())).collect();
    let planned: Vec<_> = ids.into_iter().chain(more).zip(plan.iter().map(|set| set.shards.clone())).collect();
    assert_eq!(claimed, planned);
    assert!(claim(&ledger, leader.pass, "w", 10, NOW).await.is_empty(), "all are held");
    assert!(ledger.claim_pass(Lane::Batch, &worker("w"), LEASE, NOW).await.unwrap().is_none(), "not all are searched");

    for claim in first.iter().chain(&rest) {
        ledger.finish_set(claim, &result(&format!("r/{}", claim.set.0))).await.unwrap();
    }
    let again = ledger.finish_set(&first[0], &result("r/1")).await;
    assert!(again.is_ok(), "said twice is said once");
    assert!(matches!(ledger.finish_set(&first[0], &result("r/other")).await, Err(Error::Fenced)));
    let progress = ledger.progress(leader.pass).await.unwrap();
    assert_eq!((progress.sets, progress.done, progress.claimed, progress.shards), (5, 5, 0, 10));
    assert_eq!((progress.bytes, progress.bytes_done), (100, 100));
    let done = ledger.sets(leader.pass, Some(first[1].set), 2).await.unwrap();
    assert_eq!(done.iter().map(|set| set.set).collect::<Vec<_>>(), [rest[0].set, rest[1].set]);
    assert_eq!((done[0].state, done[0].worker.as_deref()), (SetState::Done, Some("v")));
    assert_eq!(done[0].result, Some(result("r/3")));
    assert_eq!(ledger.set_shards(leader.pass, rest[0].set).await.unwrap(), rest[0].shards);
    let finishing = ledger.claim_pass(Lane::Batch, &worker("w"), LEASE, NOW).await.unwrap().unwrap();
    assert_eq!((finishing.phase, finishing.taken_over), (Phase::Finishing, false));
}

async fn a_lost_sets_lease_runs_out_and_its_old_claim_can_do_nothing(place: Place) {
    let ledger = place.open().await;
    let pass = planned(&ledger, 1).await;
    let old = claim(&ledger, pass, "lost", 1, NOW).await;
    assert!(claim(&ledger, pass, "w", 1, NOW + LEASE - Duration::SECOND).await.is_empty());
    let later = NOW + LEASE;
    let new = claim(&ledger, pass, "w", 1, later).await;
    assert!(new[0].taken_over && new[0].fence > old[0].fence && new[0].shards == old[0].shards);

    assert!(matches!(ledger.finish_set(&old[0], &result("r/old")).await, Err(Error::Fenced)));
    assert_eq!(
        ledger.renew_sets(&old, LEASE * 100, later).await.unwrap(),
        [old[0].set],
        "it hears that it lost the set"
    );
    ledger.release_sets(&old).await.unwrap();
    assert!(claim(&ledger, pass, "v", 1, later).await.is_empty(), "the new holder still has it");
    ledger.finish_set(&new[0], &result("r/new")).await.unwrap();
    assert!(matches!(ledger.finish_set(&old[0], &result("r/new")).await, Err(Error::Fenced)));
    assert_eq!(ledger.sets(pass, None, 1).await.unwrap()[0].result.as_ref().unwrap().reference, "r/new");
}

async fn renewed_sets_stay_and_released_sets_are_free_at_once(place: Place) {
    let ledger = place.open().await;
    let pass = planned(&ledger, 2).await;
    let held = claim(&ledger, pass, "w", 2, NOW).await;
    assert!(ledger.renew_sets(&held, LEASE, NOW + LEASE / 2).await.unwrap().is_empty());
    let later = NOW + LEASE + Duration::SECOND;
    assert!(claim(&ledger, pass, "v", 2, later).await.is_empty());
    ledger.release_sets(&held[..1]).await.unwrap();
    let taken = claim(&ledger, pass, "v", 2, later).await;
    assert_eq!((taken.len(), taken[0].set, taken[0].taken_over), (1, held[0].set, false));
    ledger.finish_set(&held[1], &result("r")).await.unwrap();
    assert_eq!(ledger.renew_sets(&held, LEASE, later).await.unwrap(), [held[0].set, held[1].set]);
}

async fn what_a_lost_leader_planned_is_planned_anew(place: Place) {
    let ledger = place.open().await;
    submit(&ledger, new(Kind::Export, "ann")).await;
    let lost = begin(&ledger, "lost", NOW).await;
    ledger.plan_sets(&lost, &sets("old", 3), LEASE, NOW).await.unwrap();
    assert!(
        ledger.claim_pass(Lane::Batch, &worker("w"), LEASE, NOW + LEASE - Duration::SECOND).await.unwrap().is_none()
    );
    let later = NOW + LEASE;
    let new = ledger.claim_pass(Lane::Batch, &worker("w"), LEASE, later).await.unwrap().unwrap();
    assert_eq!((new.pass, new.phase, new.taken_over), (lost.pass, Phase::Planning, true));

    let fenced = |result: Result<(), Error>| matches!(result, Err(Error::Fenced));
    assert!(fenced(ledger.plan_sets(&lost, &sets("old", 1), LEASE, later).await.map(drop)));
    assert!(fenced(ledger.plan_done(&lost).await) && fenced(ledger.renew_pass(&lost, LEASE, later).await));
    assert!(fenced(ledger.release_pass(&lost).await));
    assert!(fenced(ledger.conclude(&lost, &[], &worker("lost"), later).await.map(drop)));

    ledger.plan_sets(&new, &sets("new", 2), LEASE, later).await.unwrap();
    ledger.plan_done(&new).await.unwrap();
    let claims = claim(&ledger, new.pass, "w", 10, later).await;
    let paths: Vec<_> = claims.iter().flat_map(|set| &set.shards).map(|shard| shard.path.as_str()).collect();
    assert_eq!(paths, ["new/0-0", "new/0-1", "new/1-0", "new/1-1"], "no shard of the old plan");

    // A leader that hands it back is not waited for.
    let ben = submit(&ledger, NewRequest { lane: Lane::OnDemand, ..new_export("ben") }).await.id;
    let claim = ledger.begin_pass(Lane::OnDemand, &worker("w"), 1, LEASE, later).await.unwrap().unwrap();
    ledger.renew_pass(&claim, LEASE, later).await.unwrap();
    ledger.release_pass(&claim).await.unwrap();
    let next = ledger.claim_pass(Lane::OnDemand, &worker("v"), LEASE, later).await.unwrap().unwrap();
    assert_eq!((next.pass, next.taken_over), (claim.pass, false));
    assert_eq!(ledger.pass_requests(next.pass).await.unwrap()[0].request.id, ben);
}

fn new_export(name: &str) -> NewRequest {
    new(Kind::Export, name)
}

async fn planning_said_twice_plans_once(place: Place) {
    let ledger = place.open().await;
    submit(&ledger, new(Kind::Export, "ann")).await;
    let claim = begin(&ledger, "w", NOW).await;
    let plan = sets("p", 4);
    let first = ledger.plan_sets(&claim, &plan[..2], LEASE, NOW).await.unwrap();
    assert_eq!(ledger.plan_sets(&claim, &plan[..2], LEASE, NOW).await.unwrap(), first, "as after a lost answer");
    let second = ledger.plan_sets(&claim, &plan[2..], LEASE, NOW).await.unwrap();
    assert_eq!(ledger.plan_sets(&claim, &plan[2..], LEASE, NOW).await.unwrap(), second);
    assert!(ledger.plan_sets(&claim, &[], LEASE, NOW).await.unwrap().is_empty());
    assert_eq!(ledger.progress(claim.pass).await.unwrap().sets, 4);

    // What a lost leader planned is no plan any more: the same sets are planned by the next one.
    let later = NOW + LEASE;
    let next = ledger.claim_pass(Lane::Batch, &worker("v"), LEASE, later).await.unwrap().unwrap();
    let anew = ledger.plan_sets(&next, &plan[2..], LEASE, later).await.unwrap();
    assert!(anew[0] > second[1]);
    assert_eq!(ledger.progress(claim.pass).await.unwrap().sets, 2);
}

async fn a_lost_finisher_is_taken_over(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Export, "ann")).await.id;
    let claim = begin(&ledger, "w", NOW).await;
    let lost = search(&ledger, &claim, "lost", NOW).await;
    ledger.renew_pass(&lost, LEASE, NOW + LEASE / 2).await.unwrap();
    assert!(ledger.claim_pass(Lane::Batch, &worker("v"), LEASE, NOW + LEASE).await.unwrap().is_none());
    let later = NOW + LEASE * 2;
    let next = ledger.claim_pass(Lane::Batch, &worker("v"), LEASE, later).await.unwrap().unwrap();
    assert_eq!((next.phase, next.taken_over), (Phase::Finishing, true));
    let end = [concluded(id, Ending::Complete)];
    assert!(matches!(ledger.conclude(&lost, &end, &worker("lost"), later).await, Err(Error::Fenced)));
    assert!(matches!(ledger.verifying(&lost, &[id], &worker("lost"), later).await, Err(Error::Fenced)));
    assert!(ledger.conclude(&next, &end, &worker("v"), later).await.unwrap());
}

async fn a_planning_claim_ends_with_its_plan(place: Place) {
    let ledger = place.open().await;
    let id = submit(&ledger, new(Kind::Export, "ann")).await.id;
    let claim = begin(&ledger, "w", NOW).await;
    ledger.plan_sets(&claim, &sets("p", 1), LEASE, NOW).await.unwrap();
    ledger.plan_done(&claim).await.unwrap();
    let fenced = |result: Result<(), Error>| matches!(result, Err(Error::Fenced));
    assert!(fenced(ledger.plan_sets(&claim, &sets("q", 1), LEASE, NOW).await.map(drop)));
    assert!(fenced(ledger.renew_pass(&claim, LEASE, NOW).await) && fenced(ledger.release_pass(&claim).await));
    let end = [concluded(id, Ending::Complete)];
    assert!(fenced(ledger.conclude(&claim, &end, &worker("w"), NOW).await.map(drop)), "nothing was searched");

    // While it plans, it may conclude what cannot be done at all.
    let on_demand = NewRequest { lane: Lane::OnDemand, ..new_export("ben") };
    let ben = submit(&ledger, on_demand).await.id;
    let claim = ledger.begin_pass(Lane::OnDemand, &worker("w"), 1, LEASE, NOW).await.unwrap().unwrap();
    let failed = [concluded(ben, Ending::Failed { reason: "there is no such source".into() })];
    assert!(ledger.conclude(&claim, &failed, &worker("w"), NOW).await.unwrap());
}

/// Twelve workers with connections of three processes claim, lose, take over and finish sets as fast as they can.
async fn no_set_is_held_twice_by_many_workers(place: Place) {
    const SETS: usize = 200;
    let ledger = place.open().await;
    let pass = planned(&ledger, SETS).await;
    let processes = [ledger.clone(), place.open().await, place.open().await];
    let finished = AtomicUsize::new(0);
    let work = async |name: usize| {
        let (ledger, me) = (&processes[name % 3], worker(&name.to_string()));
        let mut mine = BTreeSet::new();
        loop {
            let claims = ledger.claim_sets(pass, &me, 7, LEASE, NOW).await.unwrap();
            if claims.is_empty() {
                return mine;
            }
            // Every third is handed back and is somebody else's next.
            let (back, keep): (Vec<_>, Vec<_>) =
                claims.into_iter().partition(|claim| (claim.set.0 + claim.fence.0) % 3 == 0);
            ledger.release_sets(&back).await.unwrap();
            assert!(ledger.renew_sets(&keep, LEASE, NOW).await.unwrap().is_empty(), "it holds them");
            for claim in keep {
                ledger.finish_set(&claim, &result(&format!("{name}"))).await.unwrap();
                assert!(mine.insert(claim.set), "twice");
                finished.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let all = futures::future::join_all((0..12).map(work)).await;
    let distinct: BTreeSet<_> = all.iter().flatten().collect();
    assert_eq!((distinct.len(), finished.into_inner()), (SETS, SETS));
    let progress = ledger.progress(pass).await.unwrap();
    assert_eq!(progress.done, SETS as u64);
    // One of them finishes the pass.
    let lead = async |name: usize| processes[name % 3].claim_pass(Lane::Batch, &worker("w"), LEASE, NOW).await.unwrap();
    let leaders: Vec<PassClaim> = futures::future::join_all((0..12).map(lead)).await.into_iter().flatten().collect();
    assert_eq!(leaders.len(), 1);
}

async fn what_is_left_of_a_pass_is_tidied(place: Place) {
    let ledger = place.open().await;
    let pass = planned(&ledger, 5).await;
    while ledger.tidy(2).await.unwrap() {}
    assert_eq!(place.query("SELECT number FROM shard").await.len(), 10, "a pass that is open keeps its shards");
    for claim in claim(&ledger, pass, "w", 5, NOW).await {
        ledger.finish_set(&claim, &result("r")).await.unwrap();
    }
    let finishing = ledger.claim_pass(Lane::Batch, &worker("w"), LEASE, NOW).await.unwrap().unwrap();
    let id = ledger.pass_requests(pass).await.unwrap()[0].request.id;
    let ending = Ending::Incomplete { missing: vec![missing("p/0-0")] };
    assert!(ledger.conclude(&finishing, &[concluded(id, ending)], &worker("w"), NOW).await.unwrap());
    let mut turns = 0;
    while ledger.tidy(2).await.unwrap() {
        turns += 1;
    }
    assert!(turns >= 3, "a few sets at a time");
    for table in ["shard", "shard_set", "pass"] {
        assert!(place.query(&format!("SELECT 1 FROM {table}")).await.is_empty(), "{table}");
    }
    // The next pass has a number of its own.
    assert!(begin(&ledger, "w", NOW + Duration::DAY).await.pass > pass);
}
