//! Who changed what in the directory: an audit log that the law wants kept.

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
    name: "entra-audit",
    folder: "audit/product=Entra",
    product: "Entra/Audit",
    data_type: "ProductAndServiceUsage",
    format: Format::Ndjson,
    weight: 3,
    shards_per_shard: 4,
    records: None,
    identifiers: &[("actor.objectId", "object_id", false), ("actor.email", "email", true)],
    tenant: "tenantId",
    time: "time",
    kept: Some("audit records are kept for seven years to meet a legal obligation (GDPR Art. 17(3)(b))"),
    body: Body::Lines { open: "", between: "\n", close: "\n", record },
};

fn record(events: &mut Events<'_>, event: &Event<'_>, out: &mut String) {
    out.push_str("{\"time\":\"");
    push_time(out, event.at_ms, event.offset_minutes());
    out.push_str("\",\"tenantId\":");
    match event.tenant_id() {
        Some(tenant) => json::push_string(out, tenant),
        None => out.push_str("null"),
    }
    match event.user_id() {
        Some(id) => {
            let _ = write!(out, ",\"actor\":{{\"objectId\":\"{}\",\"email\":", id.as_str());
            let mut email = String::new();
            events.push_email(&mut email, event);
            json::push_string(out, &email);
            out.push('}');
        }
        None => out.push_str(",\"actor\":null"),
    }
    let target = UuidText::new(version4(events.rng.bytes16()));
    let _ = write!(
        out,
        ",\"operation\":\"{}\",\"target\":\"{}\",\"result\":\"{}\",\"sequence\":{}}}",
        events.rng.pick(&words::AUDIT_OPERATIONS),
        target.as_str(),
        if events.rng.one_in(15) { "failure" } else { "success" },
        events.rng.next() >> 11
    );
}
