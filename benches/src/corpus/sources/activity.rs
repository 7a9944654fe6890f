//! One flat table that every tool can read, for comparisons.

use std::sync::Arc;

use arrow::{
    array::{Int32Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use super::utc_ms;
use crate::corpus::{
    event::Events,
    sample::Format,
    source::{Body, Spec},
    uuid::UuidText,
    words,
};

pub(crate) const SPEC: Spec = Spec {
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

fn batch(events: &mut Events<'_>, most: usize) -> arrow::error::Result<RecordBatch> {
    let rows = most.min(events.len());
    let mut time = TimestampMillisecondBuilder::with_capacity(rows).with_timezone("UTC");
    let mut texts: [StringBuilder; 8] = std::array::from_fn(|_| StringBuilder::with_capacity(rows, rows * 32));
    let mut duration = Int32Builder::with_capacity(rows);
    let mut buffer = String::new();
    for _ in 0..rows {
        let Some(event) = events.next() else { break };
        time.append_value(event.at_ms);
        let [tenant, user, app, action, ip, platform, agent, url] = &mut texts;
        tenant.append_option(event.tenant_id());
        user.append_option(event.user_id().as_ref().map(UuidText::as_str));
        app.append_value(events.rng.pick(&words::APPS));
        action.append_value(events.rng.pick(&words::ACTIONS));
        buffer.clear();
        events.push_ip(&mut buffer, &event);
        ip.append_value(&buffer);
        platform.append_value(events.platform(&event));
        agent.append_value(events.rng.pick(&words::AGENTS));
        buffer.clear();
        buffer.push_str("/sites/team");
        buffer.push_str(itoa(&mut [0; 10], events.rng.below(5000)));
        buffer.push_str("/Shared Documents/");
        buffer.push_str(itoa(&mut [0; 10], events.rng.below(1_000_000)));
        buffer.push_str(".docx");
        url.append_value(&buffer);
        duration.append_value(events.rng.below(30_000).cast_signed());
    }
    let mut columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(time.finish())];
    columns.extend(texts.into_iter().map(|mut text| Arc::new(text.finish()) as _));
    columns.push(Arc::new(duration.finish()));
    RecordBatch::try_new(schema(), columns)
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
