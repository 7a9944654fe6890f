//! What is said of requests in the ledger: one, or a page of them.

use std::fmt::Write as _;

use lacuna_ledger::{Counts, Page, Request, State};
use serde_json::{Value, json};
use time::{Date, OffsetDateTime};

use super::Table;
use crate::failure::Result;
use crate::filing::Filed;
use crate::output;
use crate::units::{count, counted, distance, moment, rfc3339};

/// How many missing shards are listed before the rest is only counted.
const MISSING_SHOWN: usize = 20;

/// Where a request stands, in one line.
pub(crate) fn standing(request: &Request, now: OffsetDateTime) -> String {
    let matched = |counts: &Option<Counts>| counts.as_ref().map_or(0, Counts::matched);
    let mut text = words(request.state);
    match request.state {
        State::Scheduled if request.not_before > now => {
            let _ = write!(text, "; runs after {} ({})", moment(request.not_before), distance(request.not_before, now));
        }
        State::AwaitingApproval => {
            let found = counted(matched(&request.counts), "record");
            let (have, need) = (request.approvers.len(), request.approvals_needed);
            let _ = write!(text, "; {found} found, {have} of {need} approvals");
        }
        State::Complete | State::Incomplete => {
            let _ = write!(text, "; {} found", counted(matched(&request.counts), "record"));
            let kept = request.counts.as_ref().map_or(0, Counts::kept);
            if kept > 0 && kept == matched(&request.counts) {
                text.push_str(", all kept");
            } else if kept > 0 {
                let _ = write!(text, ", {} of them kept", count(kept));
            }
            if request.state == State::Incomplete && request.not_before > now {
                let (next, far) = (moment(request.not_before), distance(request.not_before, now));
                let _ = write!(text, "; tried again after {next} ({far})");
            }
        }
        _ => {}
    }
    text
}

/// What was done to the clock of a request that has not ended, if anything was.
pub(crate) fn clock(request: &Request, now: OffsetDateTime) -> Option<String> {
    if request.state.has_ended() {
        return None;
    }
    match (request.clock.paused, request.clock.extended) {
        (Some(_), _) => Some("paused".to_owned()),
        (None, Some(_)) => Some(format!("due {}", moment(request.clock.due_as_of(now)))),
        (None, None) => None,
    }
}

fn words(state: State) -> String {
    state.as_str().replace('_', " ")
}

/// How close the deadline is, where that matters.
fn urgency(request: &Request, now: OffsetDateTime) -> &'static str {
    if request.state.has_ended() {
        ""
    } else if request.clock.paused.is_some() {
        "paused"
    } else if request.clock.due < now {
        "overdue"
    } else {
        ""
    }
}

/// One request for people.
pub(crate) fn human(request: &Request, now: OffsetDateTime) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("request", &request.id.to_string());
    line("wants", &request.kind.as_str().replace('_', " "));
    line("state", &standing(request, now));
    if let Some(tenant) = &request.tenant {
        line("tenant", tenant);
    }
    line("asked by", &request.requester);
    line("received", &moment(request.clock.received));
    let due = request.clock.due_as_of(now);
    let note = match (urgency(request, now), request.clock.extended) {
        ("", None) => String::new(),
        ("", Some(months)) => format!("; extended by {}", counted(months.into(), "month")),
        (note, _) => format!("; {note}"),
    };
    line("due", &format!("{} ({}){note}", moment(due), distance(due, now)));
    if let Some(counts) = &request.counts {
        line("found", &found(counts));
        for source in &counts.sources {
            line("", &format!("{}: {} in {}", source.source, count(source.matched), counted(source.shards, "shard")));
        }
    }
    for (name, value) in [("package", &request.package), ("receipt", &request.receipt), ("because", &request.reason)] {
        if let Some(value) = value {
            line(name, value);
        }
    }
    if !request.approvers.is_empty() {
        line("approved by", &request.approvers.join(", "));
    }
    if !request.has_identifiers {
        line("forgotten", "its identifiers are gone");
    }
    for missing in request.missing.iter().take(MISSING_SHOWN) {
        line("missing", &format!("{}: {}: {}", missing.source, missing.shard, missing.reason));
    }
    if let Some(more) = request.missing.len().checked_sub(MISSING_SHOWN).filter(|more| *more > 0) {
        line("", &format!("and {} more; --json lists all that are kept", count(more as u64)));
    }
    text
}

fn found(counts: &Counts) -> String {
    let mut text = counted(counts.matched(), "record");
    for (number, what) in [(counts.erased(), "erased"), (counts.kept(), "kept")] {
        if number > 0 {
            let _ = write!(text, ", {} {what}", count(number));
        }
    }
    text
}

/// One request for programs.
pub(crate) fn json(request: &Request, now: OffsetDateTime) -> Value {
    let time = |time: Option<OffsetDateTime>| time.and_then(rfc3339);
    json!({
        "request": request.id.to_string(),
        "kind": request.kind.as_str(),
        "state": request.state.as_str(),
        "tenant": request.tenant,
        "requester": request.requester,
        "regulation": request.regulation,
        "sources": request.sources,
        "options": request.options,
        "lane": request.lane.as_str(),
        "received": time(Some(request.clock.received)),
        "due": time(Some(request.clock.due_as_of(now))),
        "overdue": urgency(request, now) == "overdue",
        "paused": time(request.clock.paused),
        "extended_months": request.clock.extended,
        "not_before": time(Some(request.not_before)),
        "approvals_needed": request.approvals_needed,
        "approvers": request.approvers,
        "matched": request.counts.as_ref().map(Counts::matched),
        "erased": request.counts.as_ref().map(Counts::erased),
        "kept": request.counts.as_ref().map(Counts::kept),
        "counts": request.counts,
        "approved": request.approved,
        "missing": request.missing,
        "reason": request.reason,
        "package": request.package,
        "package_expires": time(request.package_expires),
        "receipt": request.receipt,
        "tries": request.tries,
        "ended": time(request.ended),
        "has_identifiers": request.has_identifiers,
    })
}

/// A page of requests for people, of `all` that there are or of some.
pub(crate) fn page_human(page: &Page, all: bool, now: OffsetDateTime) -> String {
    if page.requests.is_empty() {
        return if all { "There are no requests.\n" } else { "There is no such request.\n" }.to_owned();
    }
    let mut table = Table::new(&["request", "wants", "state", "tenant", "due", ">found", ""]);
    for request in &page.requests {
        table.row([
            request.id.to_string(),
            request.kind.as_str().replace('_', " "),
            words(request.state),
            request.tenant.clone().unwrap_or_default(),
            day(request.clock.due_as_of(now).date()),
            request.counts.as_ref().map(|counts| count(counts.matched())).unwrap_or_default(),
            urgency(request, now).to_owned(),
        ]);
    }
    let mut text = table.show();
    if let Some(next) = &page.next {
        let _ = write!(text, "\nThere are more: --after {}\n", next.0);
    }
    text
}

fn day(date: Date) -> String {
    date.to_string()
}

/// A page of requests for programs.
pub(crate) fn page_json(page: &Page, now: OffsetDateTime) -> Value {
    let requests: Vec<_> = page.requests.iter().map(|request| json(request, now)).collect();
    json!({ "requests": requests, "next": page.next.as_ref().map(|next| &next.0) })
}

/// Says what became of wishes.
pub(crate) fn write_filed(filed: &[Filed], is_json: bool) -> Result<()> {
    let now = OffsetDateTime::now_utc();
    if !is_json {
        return output::print(&filed.iter().map(|filed| filed_line(filed, now)).collect::<String>());
    }
    let document = |filed: &Filed| {
        let mut document = json(&filed.request, now);
        document["submitted"] = json!(filed.how);
        document
    };
    match filed {
        [only] => output::print_json(&document(only)),
        all => output::print_json(&json!({ "requests": all.iter().map(document).collect::<Vec<_>>() })),
    }
}

fn filed_line(filed: &Filed, now: OffsetDateTime) -> String {
    let how = match filed.how {
        "known" => "was submitted before, with this key",
        "duplicate" if filed.is_due_earlier => {
            "wants the same for the same person, is under way, and is due earlier now, as this one was received before it"
        }
        "duplicate" => "wants the same for the same person, and is under way",
        _ => "is submitted",
    };
    let mut text = format!("Request {} {how}: {}.\n", filed.request.id, standing(&filed.request, now));
    for (name, place) in [("Package", &filed.request.package), ("Receipt", &filed.request.receipt)] {
        if let Some(place) = place {
            let _ = writeln!(text, "{name}: {place}");
        }
    }
    text
}
