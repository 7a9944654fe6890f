//! What devices report: CSV with numeric user ids and messages of many lines.

use std::fmt::Write as _;

use crate::corpus::{
    clock::push_time,
    event::{Event, Events},
    sample::Format,
    source::{Body, Spec},
    words,
};

pub(crate) const SPEC: Spec = Spec {
    name: "device-diagnostics",
    folder: "diagnostics/product=Windows",
    product: "Windows/Device",
    data_type: "DeviceConnectivityAndConfiguration",
    format: Format::Csv,
    weight: 6,
    shards_per_shard: 4,
    records: None,
    identifiers: &[("UserPuid", "puid", false)],
    tenant: "TenantId",
    time: "Time",
    kept: None,
    body: Body::Lines {
        open: "Time,TenantId,UserPuid,Event,OsVersion,Cpu,Message\n",
        between: "\n",
        close: "\n",
        record,
    },
};

fn record(events: &mut Events<'_>, event: &Event<'_>, out: &mut String) {
    push_time(out, event.at_ms, event.offset_minutes());
    let _ = write!(out, ",{},", event.tenant_id().unwrap_or_default());
    if let Some(user) = event.user {
        let _ = write!(out, "{}", user.puid);
    }
    let (name, message) = words::DEVICE_EVENTS[events.rng.below(5) as usize];
    let cpu = events.rng.below(10_000);
    let _ = write!(out, ",{name},{},{}.{:02},", events.platform(event), cpu / 100, cpu % 100);
    if message.contains(['"', ',', '\n']) {
        let _ = write!(out, "\"{}\"", message.replace('"', "\"\""));
    } else {
        out.push_str(message);
    }
}
