//! One flat table that every tool can read, for comparisons: the same rows in Parquet and in NDJSON.

use std::sync::Arc;

use arrow::{
    array::{Int32Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use super::utc_ms;
use crate::corpus::{
    clock::push_time,
    event::{Event, Events},
    json,
    sample::Format,
    source::{Body, Spec},
    uuid::UuidText,
    words,
};

pub(crate) const COLUMNS: Spec = Spec {
    name: "activity",
    folder: "activity",
    product: "Office/Activity",
    data_type: "ProductAndServiceUsage",
    format: Format::Parquet,
    weight: 100,
    shards_per_shard: 1,
    records: None,
    identifiers: &[("UserId", "object_id", false)],
    tenant: "TenantId",
    time: "DateTime",
    kept: None,
    body: Body::Columns { schema, batch, layout: Clone::clone },
};

pub(crate) const LINES: Spec = Spec {
    name: "activity-lines",
    folder: "activity-lines",
    format: Format::Ndjson,
    body: Body::Lines { open: "", between: "\n", close: "\n", record },
    ..COLUMNS
};

fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        Field::new("DateTime", utc_ms(), false),
        text("TenantId", true),
        text("UserId", true),
        text("AppName", false),
        text("Action", false),
        text("IP", false),
        text("DevicePlatform", false),
        text("UserAgent", false),
        text("ObjectUrl", false),
        Field::new("DurationMs", DataType::Int32, false),
    ]))
}

/// What a row says besides who and when.
#[derive(Default)]
struct Details {
    app: &'static str,
    action: &'static str,
    ip: String,
    platform: &'static str,
    agent: &'static str,
    url: String,
    duration_ms: i32,
}

impl Details {
    /// Makes the next row's: in one place, so that both forms draw the same.
    fn draw(&mut self, events: &mut Events<'_>, event: &Event<'_>) {
        self.app = events.rng.pick(&words::APPS);
        self.action = events.rng.pick(&words::ACTIONS);
        self.ip.clear();
        events.push_ip(&mut self.ip, event);
        self.platform = events.platform(event);
        self.agent = events.rng.pick(&words::AGENTS);
        self.url.clear();
        self.url.push_str("/sites/team");
        self.url.push_str(itoa(&mut [0; 10], events.rng.below(5000)));
        self.url.push_str("/Shared Documents/");
        self.url.push_str(itoa(&mut [0; 10], events.rng.below(1_000_000)));
        self.url.push_str(".docx");
        self.duration_ms = events.rng.below(30_000).cast_signed();
    }
}

fn batch(events: &mut Events<'_>, most: usize) -> arrow::error::Result<RecordBatch> {
    let rows = most.min(events.len());
    let mut time = TimestampMillisecondBuilder::with_capacity(rows).with_timezone("UTC");
    let mut texts: [StringBuilder; 8] = std::array::from_fn(|_| StringBuilder::with_capacity(rows, rows * 32));
    let mut duration = Int32Builder::with_capacity(rows);
    let mut details = Details::default();
    for _ in 0..rows {
        let Some(event) = events.next() else { break };
        details.draw(events, &event);
        time.append_value(event.at_ms);
        let [tenant, user, app, action, ip, platform, agent, url] = &mut texts;
        tenant.append_option(event.tenant_id());
        user.append_option(event.user_id().as_ref().map(UuidText::as_str));
        app.append_value(details.app);
        action.append_value(details.action);
        ip.append_value(&details.ip);
        platform.append_value(details.platform);
        agent.append_value(details.agent);
        url.append_value(&details.url);
        duration.append_value(details.duration_ms);
    }
    let mut columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(time.finish())];
    columns.extend(texts.into_iter().map(|mut text| Arc::new(text.finish()) as _));
    columns.push(Arc::new(duration.finish()));
    RecordBatch::try_new(schema(), columns)
}

/// One line, its fields named and in order as the columns are.
fn record(events: &mut Events<'_>, event: &Event<'_>, out: &mut String) {
    let mut details = Details::default();
    details.draw(events, event);
    out.push_str("{\"DateTime\":\"");
    push_time(out, event.at_ms, 0);
    out.push('"');
    let user = event.user_id();
    for (name, value) in [
        ("TenantId", event.tenant_id()),
        ("UserId", user.as_ref().map(UuidText::as_str)),
        ("AppName", Some(details.app)),
        ("Action", Some(details.action)),
        ("IP", Some(&*details.ip)),
        ("DevicePlatform", Some(details.platform)),
        ("UserAgent", Some(details.agent)),
        ("ObjectUrl", Some(&*details.url)),
    ] {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        match value {
            Some(value) => json::push_string(out, value),
            None => out.push_str("null"),
        }
    }
    out.push_str(",\"DurationMs\":");
    out.push_str(itoa(&mut [0; 10], details.duration_ms.unsigned_abs()));
    out.push('}');
}

/// `number` in decimal.
fn itoa(digits: &mut [u8; 10], mut number: u32) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[at..]).unwrap_or_default();
        }
    }
}
