//! What a rewrite keeps: types, nullability, metadata, framing, alignment, empty batches.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date64Array, DurationSecondArray, FixedSizeBinaryArray, Float64Array, Int8Array,
    Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, NullArray, RecordBatch, RunArray, StringArray,
    StructArray, TimestampMicrosecondArray, UnionArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, IntervalMonthDayNano, Schema, UnionFields};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, MetadataVersion};
use lacuna_erase::{Change, Error};
use lacuna_scan::ColumnPath;

use super::tables::encode;
use super::{messages, pick, read, rewrite};

fn everything() -> RecordBatch {
    let texts = |values: &[Option<&str>]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let ints = |values: &[i64]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let member = |name: &str, data_type| Field::new(name, data_type, true);
    let fields =
        UnionFields::try_new(vec![7, 2], vec![member("n", DataType::Int64), member("t", DataType::Utf8)]).unwrap();
    let dense = UnionArray::try_new(
        fields.clone(),
        vec![7_i8, 2, 7, 2].into(),
        Some(vec![1, 0, 0, 1].into()),
        vec![ints(&[1, 2]), texts(&[Some("x"), None])],
    )
    .unwrap();
    // What a row does not show of a member goes, so the test puts nothing there.
    let shown: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, None, Some(4)]));
    let members = vec![shown, texts(&[None, Some("y"), None, None])];
    let sparse = UnionArray::try_new(fields, vec![7_i8, 2, 2, 7].into(), None, members).unwrap();
    let inner = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(2)]),
        Some(vec![Some(3), Some(4)]),
    ]);
    let item = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let nulls = NullBuffer::from(vec![true, false, true, true]);
    let nested = ListArray::new(item, OffsetBuffer::from_lengths([2, 0, 2, 1]), Arc::new(inner), Some(nulls));
    let runs = RunArray::<Int64Type>::try_new(&vec![2, 4].into(), &Int32Array::from(vec![Some(1), None])).unwrap();
    let interval = IntervalMonthDayNano::new(1, 2, 3);
    let empty = StructArray::new_empty_fields(4, Some(NullBuffer::from(vec![true, true, false, true])));
    RecordBatch::try_from_iter_with_nullable([
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])) as ArrayRef, true),
        ("byte", Arc::new(Int8Array::from(vec![1, 2, 3, 4])), false),
        (
            "half",
            arrow::compute::cast(&Float64Array::from(vec![None, Some(1.5), Some(-0.0), None]), &DataType::Float16)
                .unwrap(),
            true,
        ),
        ("float", Arc::new(Float64Array::from(vec![0.1, f64::INFINITY, -0.0, 1e300])), false),
        ("date", Arc::new(Date64Array::from(vec![86_400_000; 4])), true),
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3, 4]).with_timezone("+02:00")), true),
        ("span", Arc::new(DurationSecondArray::from(vec![1, 2, 3, 4])), true),
        ("interval", Arc::new(IntervalMonthDayNanoArray::from(vec![interval; 4])), true),
        ("fixed", Arc::new(FixedSizeBinaryArray::try_from_iter(["abc", "def", "ghi", "jkl"].iter()).unwrap()), false),
        ("none", Arc::new(NullArray::new(4)), true),
        ("dense", Arc::new(dense), false),
        ("sparse", Arc::new(sparse), false),
        ("nested", Arc::new(nested), true),
        ("runs", Arc::new(runs), true),
        ("empty", Arc::new(empty), true),
        ("text", texts(&[Some("é"), Some(""), None, Some("z")]), true),
    ])
    .unwrap()
}

#[test]
fn every_type_keeps_its_values() {
    let batch = everything();
    for codec in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        for (file, alignment) in [(true, 64), (false, 8)] {
            let bytes = encode(&batch.schema(), &[batch.clone(), batch.clone()], file, codec, alignment);
            for gone in [&[0][..], &[1, 2], &[0, 1, 2, 3], &[3, 4, 7]] {
                let (out, _) = rewrite(&bytes, gone, Change::Delete).unwrap();
                let stay = |first: u64| {
                    let rows = (0..4_u32).filter(|&row| !gone.contains(&(first + u64::from(row))));
                    pick(&batch, &rows.collect::<Vec<_>>())
                };
                let left = read(&out);
                assert_eq!(left.len(), 2);
                for (left, expected) in left.iter().zip([stay(0), stay(4)]) {
                    assert_eq!(left.schema(), expected.schema());
                    for (left, expected) in left.columns().iter().zip(expected.columns()) {
                        assert_eq!(left, expected);
                    }
                }
                assert!(messages(&out).iter().all(|message| message.body.len() % alignment == 0));
            }
        }
    }
}

/// Arrow's reader refuses a null there, even behind one further out.
#[test]
fn no_null_comes_where_none_may_stand() {
    let runs = RunArray::<Int64Type>::try_new(&vec![1, 2, 4].into(), &StringArray::from(vec!["a", "b", "c"])).unwrap();
    let fields = UnionFields::try_new(vec![0], vec![Field::new("n", DataType::Int64, true)]).unwrap();
    let union = |offsets: Option<Vec<i32>>| {
        let members = vec![Arc::new(Int64Array::from(vec![1, 2, 3, 4])) as ArrayRef];
        UnionArray::try_new(fields.clone(), vec![0; 4].into(), offsets.map(Into::into), members).unwrap()
    };
    let columns: [ArrayRef; 3] = [Arc::new(runs), Arc::new(union(None)), Arc::new(union(Some(vec![3, 2, 1, 0])))];
    for column in columns {
        let around = |inner: ArrayRef, nulls| {
            let field = Field::new("inner", inner.data_type().clone(), false);
            Arc::new(StructArray::new(vec![field].into(), vec![inner], nulls)) as ArrayRef
        };
        let nulls = NullBuffer::from(vec![true, false, true, true]);
        let batch = RecordBatch::try_from_iter([("outer", around(around(column, None), Some(nulls)))]).unwrap();
        let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), true, None, 64);
        let left = read(&rewrite(&bytes, &[2], Change::Delete).unwrap().0);
        assert_eq!(left[0].num_rows(), 3);
        assert!(left[0].column(0).is_valid(0) && left[0].column(0).is_null(1));
    }
}

#[test]
fn metadata_of_schema_columns_and_file_stays() {
    let field = Field::new("user", DataType::Utf8, false).with_metadata([("pii".into(), "yes".into())].into());
    let schema = Arc::new(Schema::new_with_metadata(vec![field], [("team".into(), "logs".into())].into()));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(StringArray::from(vec!["ann", "bob"]))]).unwrap();
    let bytes = encode(&schema, std::slice::from_ref(&batch), true, None, 64);
    let (out, _) = rewrite(&bytes, &[0], Change::Delete).unwrap();
    let reader = FileReader::try_new(Cursor::new(&out), None).unwrap();
    assert_eq!(reader.custom_metadata()["written by"], "a test");
    assert_eq!(reader.schema(), schema);
    assert_eq!(concat_batches(&schema, &read(&out)).unwrap(), batch.slice(1, 1));
}

#[test]
fn framing_of_before_0_15_stays() {
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef)]).unwrap();
    let options = IpcWriteOptions::try_new(8, true, MetadataVersion::V4).unwrap();
    let mut stream = Vec::new();
    let mut writer = StreamWriter::try_new_with_options(&mut stream, &batch.schema(), options.clone()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let mut file = Vec::new();
    let mut writer = FileWriter::try_new_with_options(&mut file, &batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    for bytes in [stream, file] {
        let (out, _) = rewrite(&bytes, &[1], Change::Delete).unwrap();
        assert!(messages(&out).iter().all(|message| message.prefix.len() == 4));
        assert_eq!(read(&out), [pick(&batch, &[0, 2])]);
    }
}

#[test]
fn a_stream_without_an_end_marker_stays_without() {
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap();
    let mut bytes = encode(&batch.schema(), std::slice::from_ref(&batch), false, None, 8);
    bytes.truncate(bytes.len() - 8);
    let (out, _) = rewrite(&bytes, &[0], Change::Delete).unwrap();
    assert!(!out.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    assert_eq!(read(&out), [batch.slice(1, 1)]);
}

#[test]
fn anonymous_values_are_empty_where_they_cannot_be_null() {
    let runs = |values: &[&str]| {
        Arc::new(RunArray::<Int64Type>::try_new(&vec![1, 2].into(), &StringArray::from(values.to_vec())).unwrap())
    };
    let within = |runs: ArrayRef| {
        let field = Field::new("runs", runs.data_type().clone(), false);
        Arc::new(StructArray::new(vec![field].into(), vec![runs], None)) as ArrayRef
    };
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("text", Arc::new(StringArray::from(vec!["ann", "bob"])) as ArrayRef, false),
        ("number", Arc::new(Int64Array::from(vec![7, 8])), false),
        ("fixed", Arc::new(FixedSizeBinaryArray::try_from_iter(["abc", "def"].iter()).unwrap()), false),
        ("nullable", Arc::new(StringArray::from(vec!["ann", "bob"])), true),
        ("within", within(runs(&["ann", "bob"])), false),
    ])
    .unwrap();
    let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), true, None, 8);
    let paths: Vec<ColumnPath> =
        ["text", "number", "fixed", "nullable", "within.runs"].map(|path| path.parse().unwrap()).to_vec();
    let (out, done) = rewrite(&bytes, &[0], Change::Anonymize(&paths)).unwrap();
    assert_eq!((done.rows_before, done.rows_after, done.rows_changed), (2, 2, 1));
    let expected = RecordBatch::try_new(
        batch.schema(),
        vec![
            Arc::new(StringArray::from(vec!["", "bob"])),
            Arc::new(Int64Array::from(vec![0, 8])),
            Arc::new(FixedSizeBinaryArray::try_from_iter(["\0\0\0", "def"].iter()).unwrap()),
            Arc::new(StringArray::from(vec![None, Some("bob")])),
            within(runs(&["", "bob"])),
        ],
    );
    assert_eq!(read(&out), [expected.unwrap()]);
}

#[test]
fn a_row_that_is_not_there_is_an_error() {
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap();
    let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), true, None, 8);
    assert!(matches!(rewrite(&bytes, &[2], Change::Delete), Err(Error::Unfaithful(_))));
}

#[test]
fn a_shard_that_is_cut_off_is_an_error() {
    let batch = everything();
    let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), true, None, 8);
    for length in (0..bytes.len()).step_by(7) {
        assert!(rewrite(&bytes[..length], &[0], Change::Delete).is_err(), "{length}");
    }
}
