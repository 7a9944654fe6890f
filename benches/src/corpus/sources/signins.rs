//! Who signed in: JSON documents with one array of records.

use std::fmt::Write as _;

use crate::corpus::{
    clock::push_time,
    event::{Event, Events},
    json,
    sample::Format,
    source::{Body, Spec},
};

pub(crate) const SPEC: Spec = Spec {
    name: "entra-signins",
    folder: "signins/product=Entra",
    product: "Entra/SignIns",
    data_type: "ProductAndServiceUsage",
    format: Format::Json,
    weight: 4,
    shards_per_shard: 10,
    records: Some("Records[]"),
    identifiers: &[("properties.userId", "object_id", false), ("properties.userPrincipalName", "email", true)],
    tenant: "tenantId",
    time: "time",
    kept: None,
    body: Body::Lines { open: "{\"Records\":[", between: ",", close: "]}\n", record },
};

fn record(events: &mut Events<'_>, event: &Event<'_>, out: &mut String) {
    out.push_str("{\"time\":\"");
    push_time(out, event.at_ms, 0);
    out.push_str("\",\"tenantId\":");
    match event.tenant_id() {
        Some(tenant) => json::push_string(out, tenant),
        None => out.push_str("null"),
    }
    out.push_str(",\"category\":\"SignInLogs\",\"properties\":{\"userId\":");
    match event.user_id() {
        Some(id) => {
            json::push_string(out, id.as_str());
            let mut email = String::new();
            events.push_email(&mut email, event);
            out.push_str(",\"userPrincipalName\":");
            json::push_string(out, &email);
        }
        None => out.push_str("null,\"servicePrincipalName\":\"nightly-sync\""),
    }
    out.push_str(",\"ipAddress\":\"");
    events.push_ip(out, event);
    let _ = write!(
        out,
        "\",\"deviceDetail\":{{\"operatingSystem\":\"{}\",\"isManaged\":{}}},\"status\":{{\"errorCode\":{}}}}}}}",
        events.platform(event),
        events.rng.one_in(2),
        if events.rng.one_in(12) { 50_126 } else { 0 }
    );
}
