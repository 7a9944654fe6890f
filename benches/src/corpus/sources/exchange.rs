//! What people do with mail: one JSON object a line.

use std::fmt::Write as _;

use crate::corpus::{
    clock::push_time,
    event::{Event, Events},
    json,
    sample::Format,
    source::{Body, Spec},
    uuid::{UuidText, version4},
    words,
};

pub(crate) const SPEC: Spec = Spec {
    name: "exchange-activity",
    folder: "activity/product=Exchange",
    product: "Office/Exchange",
    data_type: "ProductAndServiceUsage",
    format: Format::Ndjson,
    weight: 12,
    shards_per_shard: 4,
    records: None,
    identifiers: &[("UserKey", "object_id", false), ("UserId", "email", true), ("Actor[].ID", "object_id", false)],
    tenant: "OrganizationId",
    time: "CreationTime",
    kept: None,
    body: Body::Lines { open: "", between: "\n", close: "\n", record },
};

fn record(events: &mut Events<'_>, event: &Event<'_>, out: &mut String) {
    out.push_str("{\"Id\":\"");
    out.push_str(UuidText::new(version4(events.rng.bytes16())).as_str());
    out.push_str("\",\"CreationTime\":\"");
    push_time(out, event.at_ms, event.offset_minutes());
    out.push('"');
    // A tenant that is not known is null in some records and absent from others.
    match event.tenant_id() {
        Some(tenant) => {
            let _ = write!(out, ",\"OrganizationId\":\"{tenant}\"");
        }
        None if events.rng.one_in(2) => out.push_str(",\"OrganizationId\":null"),
        None => {}
    }
    let _ = write!(out, ",\"Operation\":\"{}\"", events.rng.pick(&words::MAIL_OPERATIONS));
    if let Some(id) = event.user_id() {
        let id = id.as_str();
        let _ = write!(out, ",\"UserKey\":\"{id}\",\"UserId\":");
        let mut email = String::new();
        events.push_email(&mut email, event);
        if events.rng.one_in(20) {
            json::push_email_escaped(out, &email);
        } else {
            json::push_string(out, &email);
        }
        let _ = write!(out, ",\"Actor\":[{{\"ID\":\"User_{id}\",\"Type\":2}},{{\"ID\":\"{id}\",\"Type\":5}}]");
    } else {
        out.push_str(",\"UserKey\":null,\"UserId\":\"NT AUTHORITY\\\\SYSTEM\",\"Actor\":[]");
    }
    out.push_str(",\"ClientIP\":\"");
    events.push_ip(out, event);
    out.push_str("\",\"ClientInfoString\":");
    json::push_string(out, events.rng.pick(&words::AGENTS));
    let _ = write!(out, ",\"ItemBytes\":{}", events.rng.below(9_000_000));
    if events.rng.one_in(3) {
        // JSON inside text, as mail audit records have it.
        let mut detail = String::from("{\"attachment\":");
        json::push_string(&mut detail, events.rng.pick(&words::FILES));
        detail.push('}');
        out.push_str(",\"Detail\":");
        json::push_string(out, &detail);
    }
    let _ = write!(out, ",\"Score\":{}.{:02}}}", events.rng.below(10), events.rng.below(100));
}
