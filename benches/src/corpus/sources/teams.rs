//! Who called whom: ids in 16 bytes, also those of the others in the call; sorted by caller.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Decimal128Builder, FixedSizeBinaryBuilder, Float32Builder, Int32Builder, ListArray, RecordBatch,
        StringBuilder, StructArray, TimestampMicrosecondBuilder,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit},
};

use crate::corpus::{
    columnar::{Compression, ParquetLayout},
    event::Events,
    sample::Format,
    source::{Body, Spec},
    uuid::version4,
    words,
};

pub(crate) const SPEC: Spec = Spec {
    name: "teams-calls",
    folder: "calls/product=Teams",
    product: "Office/Teams",
    data_type: "Connectivity",
    format: Format::Parquet,
    weight: 20,
    shards_per_shard: 1,
    records: None,
    identifiers: &[("CallerId", "object_id", false), ("participants[].id", "object_id", false)],
    tenant: "TenantId",
    time: "StartTime",
    kept: None,
    body: Body::Columns { schema, batch, layout },
};

const LOSSES: [&f32; 5] = [&0.0, &0.01, &0.1, &1.5, &12.25];

fn layout(sample: &ParquetLayout) -> ParquetLayout {
    ParquetLayout { compression: Compression::Snappy, bloom_filters: true, sorted_by_user: true, ..sample.clone() }
}

fn participant_fields() -> Fields {
    Fields::from(vec![Field::new("id", DataType::FixedSizeBinary(16), false), Field::new("role", DataType::Utf8, true)])
}

fn participant() -> FieldRef {
    Arc::new(Field::new("element", DataType::Struct(participant_fields()), false))
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("CallId", DataType::FixedSizeBinary(16), false),
        Field::new("StartTime", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new("TenantId", DataType::Utf8, true),
        Field::new("CallerId", DataType::FixedSizeBinary(16), true),
        Field::new("participants", DataType::List(participant()), true),
        Field::new("DurationMs", DataType::Int32, false),
        Field::new("Codec", DataType::Utf8, false),
        Field::new("Network", DataType::Utf8, true),
        Field::new("PacketLoss", DataType::Float32, true),
        Field::new("Cost", DataType::Decimal128(9, 4), true),
    ]))
}

fn batch(events: &mut Events<'_>, most: usize) -> arrow::error::Result<RecordBatch> {
    let rows = most.min(events.len());
    let mut call = FixedSizeBinaryBuilder::with_capacity(rows, 16);
    let mut time = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
    let mut tenant = StringBuilder::with_capacity(rows, rows * 36);
    let mut caller = FixedSizeBinaryBuilder::with_capacity(rows, 16);
    let (mut ids, mut roles, mut counts) =
        (FixedSizeBinaryBuilder::new(16), StringBuilder::new(), Vec::with_capacity(rows));
    let mut duration = Int32Builder::with_capacity(rows);
    let (mut codec, mut network) = (StringBuilder::new(), StringBuilder::new());
    let mut loss = Float32Builder::with_capacity(rows);
    let mut cost = Decimal128Builder::with_capacity(rows).with_precision_and_scale(9, 4)?;
    let mut others = Vec::new();
    for _ in 0..rows {
        let Some(event) = events.next() else { break };
        call.append_value(version4(events.rng.bytes16()))?;
        time.append_value(event.at_ms * 1000 + i64::from(events.rng.below(1000)));
        tenant.append_option(event.tenant_id());
        match event.user {
            Some(user) => caller.append_value(user.object_id)?,
            None => caller.append_null(),
        }
        events.others(&event, 3, &mut others);
        for other in &others {
            ids.append_value(other.object_id)?;
            roles.append_option((!events.rng.one_in(6)).then_some("attendee"));
        }
        counts.push(others.len());
        duration.append_value(events.rng.below(3_600_000).cast_signed());
        codec.append_value(events.rng.pick(&words::CODECS));
        network.append_option((!events.rng.one_in(12)).then(|| events.rng.pick(&words::NETWORKS)));
        loss.append_option((!events.rng.one_in(5)).then(|| *events.rng.pick(&LOSSES)));
        cost.append_option(events.rng.one_in(3).then(|| i128::from(events.rng.below(900_000))));
    }
    let participants =
        StructArray::try_new(participant_fields(), vec![Arc::new(ids.finish()), Arc::new(roles.finish())], None)?;
    let participants =
        ListArray::try_new(participant(), OffsetBuffer::from_lengths(counts), Arc::new(participants), None)?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(call.finish()),
        Arc::new(time.finish()),
        Arc::new(tenant.finish()),
        Arc::new(caller.finish()),
        Arc::new(participants),
        Arc::new(duration.finish()),
        Arc::new(codec.finish()),
        Arc::new(network.finish()),
        Arc::new(loss.finish()),
        Arc::new(cost.finish()),
    ];
    RecordBatch::try_new(schema(), columns)
}
