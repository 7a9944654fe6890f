//! Requests, actors and what befalls them, in few words.

use lacuna_ledger::{
    Act, Actor, Conclusion, Counts, Ending, Identifier, Kind, Lane, Ledger, Missing, NewRequest, NewSet, PassClaim,
    Request, RequestId, Role, Shard, SourceCounts, State, Subject, Submitted,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// When most tests begin.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-03-10 12:00 UTC);

pub(crate) const LEASE: Duration = Duration::minutes(1);

/// After the cancel window of what was submitted at [`NOW`].
pub(crate) const NEXT_DAY: OffsetDateTime = datetime!(2026-03-11 12:00 UTC);

pub(crate) fn requester() -> Actor {
    Actor::new("rita", Role::Requester)
}

pub(crate) fn approver(name: &str) -> Actor {
    Actor::new(name, Role::Approver)
}

pub(crate) fn operator() -> Actor {
    Actor::new("otto", Role::Operator)
}

pub(crate) fn worker(name: &str) -> Actor {
    Actor::worker(name)
}

/// Somebody with one address.
pub(crate) fn person(name: &str) -> Subject {
    Subject::new([Identifier::new("email", format!("{name}@example.org"))])
}

/// A request about [`person`] `name`, in tenant `contoso`.
pub(crate) fn new(kind: Kind, name: &str) -> NewRequest {
    NewRequest { tenant: Some("contoso".into()), ..NewRequest::new(kind, person(name), "gdpr") }
}

/// Submits at [`NOW`] what is new to the ledger.
pub(crate) async fn submit(ledger: &Ledger, new: NewRequest) -> Request {
    submit_at(ledger, new, NOW).await
}

pub(crate) async fn submit_at(ledger: &Ledger, new: NewRequest, now: OffsetDateTime) -> Request {
    match ledger.submit(new, &requester(), now).await.unwrap() {
        Submitted::New(request) => request,
        other => panic!("not new: {other:?}"),
    }
}

pub(crate) async fn state(ledger: &Ledger, id: RequestId) -> State {
    ledger.request(id).await.unwrap().state
}

/// A worker begins a pass of the batch.
pub(crate) async fn begin(ledger: &Ledger, name: &str, now: OffsetDateTime) -> PassClaim {
    ledger.begin_pass(Lane::Batch, &worker(name), 1000, LEASE, now).await.unwrap().unwrap()
}

/// Takes a pass from its beginning to where it can be concluded, without any shard.
pub(crate) async fn search(ledger: &Ledger, claim: &PassClaim, name: &str, now: OffsetDateTime) -> PassClaim {
    ledger.plan_done(claim).await.unwrap();
    let finishing = ledger.claim_pass(claim.lane, &worker(name), LEASE, now).await.unwrap().unwrap();
    assert_eq!(finishing.pass, claim.pass);
    finishing
}

/// Takes everything that is due to the end of a pass, and concludes it all in the same way.
pub(crate) async fn run(ledger: &Ledger, ending: &Ending, now: OffsetDateTime) -> Vec<RequestId> {
    let claim = begin(ledger, "w", now).await;
    let requests = ledger.pass_requests(claim.pass).await.unwrap();
    let ids: Vec<_> = requests.iter().map(|riding| riding.request.id).collect();
    let claim = search(ledger, &claim, "w", now).await;
    let conclusions: Vec<_> = ids.iter().map(|id| concluded(*id, ending.clone())).collect();
    assert!(ledger.conclude(&claim, &conclusions, &worker("w"), now).await.unwrap());
    ids
}

/// An erasure of a person that is complete at `now`, and stands from then on.
pub(crate) async fn erased(ledger: &Ledger, name: &str, now: OffsetDateTime) -> RequestId {
    let erasure = NewRequest { received: Some(now - Duration::days(2)), ..new(Kind::Erase, name) };
    let id = submit_at(ledger, erasure, now - Duration::days(2)).await.id;
    assert_eq!(run(ledger, &Ending::Complete, now).await, [id]);
    id
}

pub(crate) fn concluded(request: RequestId, ending: Ending) -> Conclusion {
    Conclusion { request, ending, counts: counts(3), package: None, receipt: None }
}

/// So many matching rows of one source, in one shard.
pub(crate) fn counts(matched: u64) -> Counts {
    let source = SourceCounts { source: "activity".into(), scanned: 100, matched, shards: 1, erased: 0, kept: 0 };
    Counts { sources: vec![source] }
}

pub(crate) fn missing(shard: &str) -> Missing {
    Missing { source: "activity".into(), shard: shard.into(), reason: "cannot be read".into() }
}

pub(crate) fn shard(path: &str, etag: &str) -> Shard {
    Shard { path: path.into(), etag: etag.into(), size: 10 }
}

/// So many sets of two shards each, of a plan that is told from others by its name.
pub(crate) fn sets(plan: &str, count: usize) -> Vec<NewSet> {
    let two = |set: usize| (0..2).map(|at| shard(&format!("{plan}/{set}-{at}"), "e1")).collect();
    (0..count).map(|set| NewSet { source: "activity".into(), shards: two(set) }).collect()
}

pub(crate) fn cancel() -> Act {
    Act::Cancel { reason: None }
}

pub(crate) fn deny() -> Act {
    Act::Deny { reason: "not their own account".into() }
}

pub(crate) fn pause() -> Act {
    Act::Pause { reason: "proof of identity".into() }
}

pub(crate) fn extend(months: u8) -> Act {
    Act::Extend { months, reason: "many logs".into() }
}

pub(crate) fn approve() -> Act {
    Act::Approve { force: false }
}
