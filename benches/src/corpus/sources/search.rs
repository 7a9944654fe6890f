//! What people search for: Arrow's own format, with dictionary and view types.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Float64Builder, Int32Builder, ListBuilder, RecordBatch, StringBuilder, StringDictionaryBuilder,
        StringViewBuilder, TimestampMillisecondBuilder,
    },
    datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit},
};

use crate::corpus::{
    event::Events,
    sample::Format,
    source::{Body, Spec},
    uuid::UuidText,
    words,
};

pub(crate) const SPEC: Spec = Spec {
    name: "search-queries",
    folder: "search/product=Search",
    product: "Office/Search",
    data_type: "SearchRequestsAndQuery",
    format: Format::Arrow,
    weight: 10,
    shards_per_shard: 2,
    records: None,
    identifiers: &[("UserId", "object_id", false), ("Upn", "email", true)],
    tenant: "TenantId",
    time: "Time",
    kept: None,
    body: Body::Columns { schema, batch, layout: Clone::clone },
};

const ZONE: &str = "-07:00";

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("Time", DataType::Timestamp(TimeUnit::Millisecond, Some(ZONE.into())), false),
        Field::new_dictionary("TenantId", DataType::Int32, DataType::Utf8, true),
        Field::new("UserId", DataType::Utf8, true),
        Field::new("Upn", DataType::Utf8View, true),
        Field::new("Query", DataType::Utf8View, true),
        Field::new("Clicked", DataType::new_list(DataType::Int32, true), true),
        Field::new("LatencyMs", DataType::Float64, true),
    ]))
}

fn batch(events: &mut Events<'_>, most: usize) -> arrow::error::Result<RecordBatch> {
    let rows = most.min(events.len());
    let mut time = TimestampMillisecondBuilder::with_capacity(rows).with_timezone(ZONE);
    // One dictionary for all batches, as the file format wants it.
    let known: arrow::array::StringArray =
        events.people.tenants.iter().map(|tenant| Some(tenant.id.as_str())).collect();
    let mut tenant = StringDictionaryBuilder::<Int32Type>::new_with_dictionary(rows, &known)?;
    let mut user = StringBuilder::with_capacity(rows, rows * 36);
    let (mut upn, mut query) = (StringViewBuilder::new(), StringViewBuilder::new());
    let mut clicked = ListBuilder::new(Int32Builder::new());
    let mut latency = Float64Builder::with_capacity(rows);
    let mut buffer = String::new();
    for _ in 0..rows {
        let Some(event) = events.next() else { break };
        time.append_value(event.at_ms);
        tenant.append_option(event.tenant_id());
        user.append_option(event.user_id().as_ref().map(UuidText::as_str));
        buffer.clear();
        events.push_email(&mut buffer, &event);
        upn.append_option((!buffer.is_empty()).then_some(&buffer));
        query.append_value(events.rng.pick(&words::QUERIES));
        for _ in 0..events.rng.below(4) {
            clicked.values().append_value(events.rng.below(50).cast_signed());
        }
        clicked.append(true);
        latency.append_option((!events.rng.one_in(20)).then(|| f64::from(events.rng.below(4_000_000)) / 1000.0));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(time.finish()),
        Arc::new(tenant.finish()),
        Arc::new(user.finish()),
        Arc::new(upn.finish()),
        Arc::new(query.finish()),
        Arc::new(clicked.finish()),
        Arc::new(latency.finish()),
    ];
    RecordBatch::try_new(schema(), columns)
}
