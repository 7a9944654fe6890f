//! What people do with documents: nested Parquet.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use arrow::{
    array::{
        ArrayRef, Int64Builder, ListArray, MapArray, NullBufferBuilder, RecordBatch, StringBuilder, StructArray,
        TimestampMillisecondBuilder,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef},
};

use super::utc_ms;
use crate::corpus::{
    event::Events,
    json,
    sample::Format,
    source::{Body, Spec},
    uuid::{UuidText, version4},
    words,
};

pub(crate) const SPEC: Spec = Spec {
    name: "sharepoint-activity",
    folder: "activity/product=SharePoint",
    product: "Office/SharePoint",
    data_type: "ProductAndServiceUsage",
    format: Format::Parquet,
    weight: 45,
    shards_per_shard: 1,
    records: None,
    identifiers: &[("UserId", "object_id", false), ("actor.emails[]", "email", true)],
    tenant: "TenantId",
    time: "DateTime",
    kept: None,
    body: Body::Columns { schema, batch, layout: Clone::clone },
};

fn emails_item() -> FieldRef {
    Arc::new(Field::new("element", DataType::Utf8, true))
}

fn actor_fields() -> Fields {
    Fields::from(vec![
        Field::new("type", DataType::Utf8, false),
        Field::new("emails", DataType::List(emails_item()), true),
    ])
}

fn property_fields() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)])
}

fn properties_entry() -> FieldRef {
    Arc::new(Field::new("key_value", DataType::Struct(property_fields()), false))
}

fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let fields = vec![
        Field::new("DateTime", utc_ms(), false),
        text("TenantId", true),
        text("UserId", true),
        text("AppName", false),
        text("Action", false),
        text("IP", false),
        text("DevicePlatform", true),
        text("UserAgent", false),
        text("ObjectId", false),
        Field::new("actor", DataType::Struct(actor_fields()), true),
        Field::new("properties", DataType::Map(properties_entry(), false), true),
        Field::new("SizeBytes", DataType::Int64, true),
        text("Detail", true),
    ];
    // As tables that began in Iceberg have them.
    let numbered = fields.into_iter().enumerate().map(|(index, field)| {
        let id = (index + 1).to_string();
        field.with_metadata(HashMap::from([("PARQUET:field_id".to_owned(), id)]))
    });
    Arc::new(Schema::new(numbered.collect::<Vec<_>>()))
}

fn batch(events: &mut Events<'_>, most: usize) -> arrow::error::Result<RecordBatch> {
    let rows = most.min(events.len());
    let text = || StringBuilder::with_capacity(rows, rows * 36);
    let mut time = TimestampMillisecondBuilder::with_capacity(rows).with_timezone("UTC");
    let (mut tenant, mut user, mut app, mut action) = (text(), text(), text(), text());
    let (mut ip, mut platform, mut agent, mut object, mut detail) = (text(), text(), text(), text(), text());
    let mut size = Int64Builder::with_capacity(rows);
    let (mut actor_type, mut emails, mut emails_of) = (text(), text(), Vec::with_capacity(rows));
    let mut actors = NullBufferBuilder::new(rows);
    let (mut keys, mut values, mut properties_of) = (text(), text(), Vec::with_capacity(rows));
    let mut buffer = String::new();
    for _ in 0..rows {
        let Some(event) = events.next() else { break };
        time.append_value(event.at_ms);
        tenant.append_option(event.tenant_id());
        user.append_option(event.user_id().as_ref().map(UuidText::as_str));
        app.append_value(events.rng.pick(&words::APPS));
        action.append_value(events.rng.pick(&words::ACTIONS));
        buffer.clear();
        events.push_ip(&mut buffer, &event);
        ip.append_value(&buffer);
        platform.append_option((!events.rng.one_in(50)).then(|| events.platform(&event)));
        agent.append_value(events.rng.pick(&words::AGENTS));
        object.append_value(UuidText::new(version4(events.rng.bytes16())).as_str());

        actors.append(event.user.is_some());
        actor_type.append_value(if event.user.is_some() { "Regular" } else { "Application" });
        let mut addresses = 0;
        if event.user.is_some() {
            buffer.clear();
            events.push_email(&mut buffer, &event);
            emails.append_value(&buffer);
            addresses = 1;
            if events.rng.one_in(4) {
                // A shared address after the person's own; some lists have a hole there.
                emails.append_option((!events.rng.one_in(4)).then_some("no-reply@mail.example"));
                addresses = 2;
            }
        }
        emails_of.push(addresses);

        let pairs = events.rng.below(3) as usize;
        for key in ["client", "site"].into_iter().take(pairs) {
            keys.append_value(key);
            values.append_option((!events.rng.one_in(9)).then(|| events.rng.pick(&words::NETWORKS)));
        }
        properties_of.push(pairs);

        let bytes = i64::from(events.rng.below(50_000_000));
        size.append_option((!events.rng.one_in(10)).then_some(bytes));
        if events.rng.one_in(4) {
            buffer.clear();
            buffer.push_str("{\"file\":");
            json::push_string(&mut buffer, events.rng.pick(&words::FILES));
            let _ = write!(buffer, ",\"bytes\":{bytes},\"shared\":{}}}", events.rng.one_in(3));
            detail.append_value(&buffer);
        } else {
            detail.append_null();
        }
    }
    let emails = ListArray::try_new(
        emails_item(),
        OffsetBuffer::from_lengths(emails_of),
        Arc::new(emails.finish()),
        // A missing actor has no list either.
        None,
    )?;
    let actor =
        StructArray::try_new(actor_fields(), vec![Arc::new(actor_type.finish()), Arc::new(emails)], actors.finish())?;
    let pairs: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(values.finish())];
    let properties = MapArray::try_new(
        properties_entry(),
        OffsetBuffer::from_lengths(properties_of),
        StructArray::try_new(property_fields(), pairs, None)?,
        None,
        false,
    )?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(time.finish()),
        Arc::new(tenant.finish()),
        Arc::new(user.finish()),
        Arc::new(app.finish()),
        Arc::new(action.finish()),
        Arc::new(ip.finish()),
        Arc::new(platform.finish()),
        Arc::new(agent.finish()),
        Arc::new(object.finish()),
        Arc::new(actor),
        Arc::new(properties),
        Arc::new(size.finish()),
        Arc::new(detail.finish()),
    ];
    RecordBatch::try_new(schema(), columns)
}
