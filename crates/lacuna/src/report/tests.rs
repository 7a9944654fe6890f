use std::time::Duration;

use lacuna_engine::{
    EmptyShards, FormatChoice, KeptShard, OnErase, Outcome, Poison, Problem, RequestId, RequestOutcome, Source,
    SourceOutcome,
};
use lacuna_scan::{Mapping, TenantRule};

use super::*;

fn source(name: &str, on_erase: OnErase) -> Source {
    Source {
        name: name.into(),
        shards: "**".into(),
        format: FormatChoice::default(),
        product: "P".into(),
        data_type: "D".into(),
        mapping: Mapping { identifiers: Vec::new(), tenant: TenantRule::Single },
        time: None,
        on_erase,
        poison: Poison::Refuse,
        empty_shards: EmptyShards::Keep,
        may_be_empty: false,
    }
}

fn ran(sources: Vec<SourceOutcome>) -> Ran {
    let request = RequestId::new("r-1").unwrap();
    let matched = sources.iter().map(|source| source.matched).sum();
    let complete = sources.iter().all(|source| source.problems.is_empty());
    let of_request = RequestOutcome {
        request,
        matched,
        erased: 0,
        hidden: 0,
        kept: 0,
        complete,
        stopped: None,
        sources: Vec::new(),
        package: None,
        receipt: None,
        receipt_jws: None,
    };
    Ran {
        outcome: Outcome { matched, sources, requests: vec![of_request], interrupted: false },
        elapsed: Duration::from_millis(1234),
    }
}

fn activity() -> SourceOutcome {
    SourceOutcome {
        source: "activity".into(),
        shards: 12,
        shards_matched: 3,
        rows_scanned: 12_000_000,
        bytes_read: 404 << 20,
        matched: 1234,
        searched: true,
        ..Default::default()
    }
}

fn audit() -> SourceOutcome {
    let kept = vec![KeptShard { shard: "audit/1.ndjson".into(), rows: 2, reason: "the law says so".into() }];
    SourceOutcome {
        source: "audit".into(),
        shards: 1,
        shards_matched: 1,
        rows_scanned: 10,
        bytes_read: 100,
        matched: 2,
        searched: true,
        kept,
        ..Default::default()
    }
}

#[test]
fn a_find_is_short_and_aligned() {
    let unsearched = SourceOutcome { source: "device-diagnostics".into(), ..Default::default() };
    let ran = ran(vec![activity(), unsearched]);
    let report = Report { asked: Asked::Find, ran: &ran, sources: &[] };
    insta::assert_snapshot!(report.human());
    assert_eq!(report.code(), ExitCode::Done);
}

#[test]
fn problems_are_named_and_make_it_incomplete() {
    let problem = |n: usize| Problem { shard: format!("a/{n}.parquet"), reason: "is cut off: the footer".into() };
    let mut broken = activity();
    broken.problems = (0..23).map(problem).collect();
    let mut ran = ran(vec![broken]);
    ran.outcome.requests[0].package = Some("file:///out/t/r-1/".into());
    let report = Report { asked: Asked::Export, ran: &ran, sources: &[] };
    insta::assert_snapshot!(report.human());
    assert_eq!(report.code(), ExitCode::Incomplete);
}

#[test]
fn an_export_that_was_stopped_claims_no_package_that_is_not_there() {
    let mut ran = ran(vec![activity()]);
    ran.outcome.interrupted = true;
    let headline = |ran: &Ran| {
        let text = Report { asked: Asked::Export, ran, sources: &[] }.human();
        text.lines().next().unwrap().to_owned()
    };
    assert_eq!(headline(&ran), "Found 1,234 records in 3 shards. No package was written.");
    ran.outcome.requests.push(ran.outcome.requests[0].clone());
    ran.outcome.requests[1].package = Some("file:///out/t/r-2/".into());
    assert_eq!(headline(&ran), "Found 1,234 records in 3 shards. Wrote 1 of 2 packages.");
    ran.outcome.requests[0].package = Some("file:///out/t/r-1/".into());
    assert_eq!(headline(&ran), "Found 1,234 records in 3 shards and wrote them to 2 packages.");
}

#[test]
fn an_erasure_says_what_stayed() {
    let sources =
        [source("activity", OnErase::Delete), source("audit", OnErase::Keep { reason: "the law says so".into() })];
    let mut ran = ran(vec![SourceOutcome { erased: 1234, ..activity() }, audit()]);
    ran.outcome.requests[0].receipt = Some("file:///logs/_lacuna/receipts/r-1.jws".into());
    let report = Report { asked: Asked::Erase, ran: &ran, sources: &sources };
    insta::assert_snapshot!(report.human());
    assert_eq!(report.code(), ExitCode::Done);
    let mut json = report.json();
    json["seconds"] = 1.into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn a_dry_run_says_what_would_happen() {
    let sources =
        [source("activity", OnErase::Anonymize), source("audit", OnErase::Keep { reason: "the law says so".into() })];
    let ran = ran(vec![activity(), SourceOutcome { kept: Vec::new(), ..audit() }]);
    let report = Report { asked: Asked::EraseDryRun, ran: &ran, sources: &sources };
    insta::assert_snapshot!(report.human());
    assert_eq!(report.code(), ExitCode::Done);
}

#[test]
fn an_erasure_of_what_is_kept_is_refused() {
    let sources = [source("audit", OnErase::Keep { reason: "the law says so".into() })];
    let mut ran = ran(vec![audit()]);
    let report = Report { asked: Asked::Erase, ran: &ran, sources: &sources };
    assert_eq!(report.code(), ExitCode::Refused);
    assert!(report.human().ends_with("Refused: every record that matched is kept, as configured.\n"));
    ran.outcome.interrupted = true;
    assert_eq!(Report { asked: Asked::Erase, ran: &ran, sources: &sources }.code(), ExitCode::Interrupted);
}

#[test]
fn an_erasure_over_its_limits_is_refused_and_says_by_what() {
    let mut ran = ran(vec![activity()]);
    ran.outcome.requests[0].complete = false;
    ran.outcome.requests[0].stopped = Some(Stopped::MaxRows { matched: 1234, max: 1000 });
    let sources = [source("activity", OnErase::Delete)];
    let report = Report { asked: Asked::Hide, ran: &ran, sources: &sources };
    assert_eq!(report.code(), ExitCode::Refused);
    let text = report.human();
    assert!(text.contains("  1,234 records match, and at most 1,000 may\n"), "{text}");
    assert!(text.contains("have it approved"), "{text}");
    // A request that is incomplete for another reason comes first.
    let mut other = ran.outcome.requests[0].clone();
    other.stopped = None;
    ran.outcome.requests.push(other);
    assert_eq!(Report { asked: Asked::Hide, ran: &ran, sources: &sources }.code(), ExitCode::Incomplete);
}
