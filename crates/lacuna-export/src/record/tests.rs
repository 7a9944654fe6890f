use std::sync::Arc;

use ::arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Date64Array, Decimal32Array,
        Decimal64Array, Decimal128Array, Decimal256Array, DictionaryArray, DurationMillisecondArray,
        DurationNanosecondArray, FixedSizeBinaryArray, FixedSizeListArray, Float16Array, Float32Array, Float64Array,
        Int8Array, Int16Array, Int32Array, Int64Array, IntervalDayTimeArray, IntervalMonthDayNanoArray,
        IntervalYearMonthArray, LargeBinaryArray, LargeListArray, LargeListViewArray, LargeStringArray, ListArray,
        ListViewArray, MapArray, NullArray, RecordBatchOptions, RunArray, StringArray, StringViewArray, StructArray,
        Time32MillisecondArray, Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray,
        TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
        UInt8Array, UInt16Array, UInt32Array, UInt64Array, UnionArray, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{
        ArrowPrimitiveType, DataType, Field, Float16Type, Int8Type, Int32Type, IntervalDayTime, IntervalMonthDayNano,
        IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode, i256,
    },
};
use proptest::prelude::*;

use super::*;

fn batch_of(field: Field, array: ArrayRef) -> RecordBatch {
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap()
}

fn rendered(record: Record<'_>) -> String {
    let mut out = Vec::new();
    render(record, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What the values of a column render as, each checked to be JSON of its own.
fn column_of(field: Field, array: ArrayRef) -> Vec<String> {
    let batch = batch_of(field, array);
    let rows = ArrowRows::new(&batch).unwrap();
    (0..batch.num_rows())
        .map(|row| {
            let mut out = Vec::new();
            rows.render(row, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, rendered(Record::Arrow { batch: &batch, row }));
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
            text.strip_prefix("{\"c\":").unwrap().strip_suffix('}').unwrap().to_owned()
        })
        .collect()
}

fn column(array: impl Array + 'static) -> Vec<String> {
    column_of(Field::new("c", array.data_type().clone(), true), Arc::new(array))
}

#[test]
fn json_keeps_its_text() {
    let record = Record::Json(b" {\"b\": 1.50,\n \"a\": \"\\u0040\", \"a\": [ ] }\r");
    assert_eq!(rendered(record), r#"{"b":1.50,"a":"\u0040","a":[]}"#);
}

#[test]
fn a_csv_row_is_an_object_of_strings() {
    let names = ["b", "a", "a", ""].map(String::from);
    let values = ["1", "say \"hi\"\r\n", "", "ü"].map(String::from);
    assert_eq!(
        rendered(Record::Csv { names: &names, values: &values }),
        r#"{"b":"1","a":"say \"hi\"\r\n","a":"","":"ü"}"#
    );
    assert!(render(Record::Csv { names: &names, values: &values[..3] }, &mut Vec::new()).is_err());
}

#[test]
fn an_error_leaves_the_output_as_it_was() {
    let mut out = b"before".to_vec();
    assert!(render(Record::Json(b"{\"a\":[1,2"), &mut out).is_err());
    assert_eq!(out, b"before");
}

#[test]
fn integers_keep_all_digits() {
    assert_eq!(column(Int8Array::from(vec![Some(i8::MIN), None, Some(0)])), ["-128", "null", "0"]);
    assert_eq!(column(Int16Array::from(vec![i16::MIN])), ["-32768"]);
    assert_eq!(column(Int32Array::from(vec![i32::MIN])), ["-2147483648"]);
    assert_eq!(column(Int64Array::from(vec![i64::MIN, i64::MAX])), ["-9223372036854775808", "9223372036854775807"]);
    assert_eq!(column(UInt8Array::from(vec![u8::MAX])), ["255"]);
    assert_eq!(column(UInt16Array::from(vec![u16::MAX])), ["65535"]);
    assert_eq!(column(UInt32Array::from(vec![u32::MAX])), ["4294967295"]);
    assert_eq!(column(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
}

#[test]
fn decimals_keep_their_scale() {
    let of = |array: Decimal128Array| column(array);
    let decimals = Decimal128Array::from(vec![Some(123_450), Some(-1), None]);
    assert_eq!(of(decimals.with_precision_and_scale(9, 3).unwrap()), ["123.450", "-0.001", "null"]);
    let whole = Decimal128Array::from(vec![12, 0]);
    assert_eq!(of(whole.with_precision_and_scale(9, -2).unwrap()), ["1200", "0"]);
    assert_eq!(column(Decimal32Array::from(vec![-5]).with_precision_and_scale(4, 2).unwrap()), ["-0.05"]);
    assert_eq!(column(Decimal64Array::from(vec![500]).with_precision_and_scale(12, 2).unwrap()), ["5.00"]);
    let wide = Decimal256Array::from(vec![i256::from_i128(i128::MAX)]).with_precision_and_scale(76, 38).unwrap();
    assert_eq!(column(wide), ["1.70141183460469231731687303715884105727"]);
}

#[test]
fn floats_read_back_the_same() {
    type F16 = <Float16Type as ArrowPrimitiveType>::Native;
    let doubles = [0.1, -0.0, 1e300, 5e-324, 1.0, 1e16, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    assert_eq!(
        column(Float64Array::from(doubles.to_vec())),
        ["0.1", "-0.0", "1e300", "5e-324", "1.0", "1e16", "\"NaN\"", "\"Infinity\"", "\"-Infinity\""]
    );
    let singles = vec![0.1, -123_456_792.0, 1e10, f32::MAX];
    assert_eq!(column(Float32Array::from(singles)), ["0.1", "-123456792.0", "10000000000.0", "3.4028235e38"]);
    let halves = [0.1, 65504.0, f32::INFINITY].map(F16::from_f32);
    assert_eq!(column(Float16Array::from(halves.to_vec())), ["0.1", "65504.0", "\"Infinity\""]);
}

#[test]
fn text_and_booleans() {
    let texts = [Some("a\"b\\\n\u{1}é😀\u{2028}"), None, Some("")];
    let expected = ["\"a\\\"b\\\\\\n\\u0001é😀\u{2028}\"", "null", "\"\""];
    assert_eq!(column(StringArray::from(texts.to_vec())), expected);
    assert_eq!(column(LargeStringArray::from(texts.to_vec())), expected);
    assert_eq!(column(StringViewArray::from(texts.to_vec())), expected);
    assert_eq!(column(BooleanArray::from(vec![Some(true), Some(false), None])), ["true", "false", "null"]);
    assert_eq!(column(NullArray::new(2)), ["null", "null"]);
}

#[test]
fn bytes_are_base64() {
    let bytes: [Option<&[u8]>; 4] = [Some(b"\x00\xff\xfe"), Some(b"a"), Some(b""), None];
    let expected = ["\"AP/+\"", "\"YQ==\"", "\"\"", "null"];
    assert_eq!(column(BinaryArray::from(bytes.to_vec())), expected);
    assert_eq!(column(LargeBinaryArray::from(bytes.to_vec())), expected);
    assert_eq!(column(BinaryViewArray::from(bytes.to_vec())), expected);
    assert_eq!(column(FixedSizeBinaryArray::try_from(vec![b"ab"]).unwrap()), ["\"YWI=\""]);
    let long: Vec<u8> = (0..10_000_u32).map(|index| (index % 251).to_le_bytes()[0]).collect();
    let expected = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &long);
    assert_eq!(column(BinaryArray::from(vec![long.as_slice()])), [format!("\"{expected}\"")]);
}

#[test]
fn uuids_are_those_that_say_so() {
    let bytes: Vec<u8> = (0..16).collect();
    let array = || FixedSizeBinaryArray::try_from(vec![bytes.as_slice()]).unwrap();
    let uuid = [("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())];
    let field = |data_type: &DataType| Field::new("c", data_type.clone(), true).with_metadata(uuid.clone().into());
    let expected = ["\"00010203-0405-0607-0809-0a0b0c0d0e0f\""];
    assert_eq!(column_of(field(array().data_type()), Arc::new(array())), expected);
    assert_eq!(column(array()), ["\"AAECAwQFBgcICQoLDA0ODw==\""]);
    let dictionary = DictionaryArray::<Int8Type>::new(Int8Array::from(vec![0]), Arc::new(array()));
    assert_eq!(column_of(field(dictionary.data_type()), Arc::new(dictionary)), expected);
    let list =
        ListArray::new(Arc::new(field(array().data_type())), OffsetBuffer::from_lengths([1]), Arc::new(array()), None);
    assert_eq!(column(list), ["[\"00010203-0405-0607-0809-0a0b0c0d0e0f\"]"]);
}

#[test]
fn timestamps_keep_precision_and_offset() {
    assert_eq!(
        column(TimestampSecondArray::from(vec![Some(1_493_406_569), None])),
        ["\"2017-04-28T19:09:29\"", "null"]
    );
    let millis = |zone: &str| TimestampMillisecondArray::from(vec![1_493_406_569_000]).with_timezone(zone);
    assert_eq!(column(millis("-07:00")), ["\"2017-04-28T12:09:29.000-07:00\""]);
    assert_eq!(column(millis("UTC")), ["\"2017-04-28T19:09:29.000Z\""]);
    assert_eq!(column(millis("+00:00")), ["\"2017-04-28T19:09:29.000+00:00\""]);
    assert_eq!(column(millis("America/Los_Angeles")), ["\"2017-04-28T12:09:29.000-07:00\""]);
    assert_eq!(column(millis("Nowhere/Land")), ["\"2017-04-28T19:09:29.000Z\""]);
    assert_eq!(column(TimestampMicrosecondArray::from(vec![-1])), ["\"1969-12-31T23:59:59.999999\""]);
    assert_eq!(
        column(TimestampNanosecondArray::from(vec![i64::MIN]).with_timezone("+05:30")),
        ["\"1677-09-21T05:42:43.145224192+05:30\""]
    );
    let far = TimestampSecondArray::from(vec![i64::MAX, i64::MIN]).with_timezone("Europe/Berlin");
    assert_eq!(column(far), ["\"+292277026596-12-04T15:30:07Z\"", "\"-292277022657-01-27T08:29:52Z\""]);
}

#[test]
fn dates_times_and_lengths_are_iso() {
    assert_eq!(column(Date32Array::from(vec![0, -1, 19_723])), ["\"1970-01-01\"", "\"1969-12-31\"", "\"2024-01-01\""]);
    assert_eq!(
        column(Date64Array::from(vec![86_400_000, 3_600_000])),
        ["\"1970-01-02\"", "\"1970-01-01T01:00:00.000\""]
    );
    assert_eq!(column(Time32SecondArray::from(vec![43_769])), ["\"12:09:29\""]);
    assert_eq!(column(Time32MillisecondArray::from(vec![43_769_050])), ["\"12:09:29.050\""]);
    assert_eq!(column(Time64MicrosecondArray::from(vec![1])), ["\"00:00:00.000001\""]);
    assert_eq!(column(Time64NanosecondArray::from(vec![1, -1])), ["\"00:00:00.000000001\"", "\"-PT0.000000001S\""]);
    assert_eq!(column(DurationMillisecondArray::from(vec![90_061_500])), ["\"PT25H1M1.500S\""]);
    assert_eq!(column(DurationNanosecondArray::from(vec![i64::MIN])), ["\"-PT2562047H47M16.854775808S\""]);
    assert_eq!(column(IntervalYearMonthArray::from(vec![14, 0, -14])), ["\"P1Y2M\"", "\"P0D\"", "\"P-1Y-2M\""]);
    let days = [IntervalDayTime::new(2, 1_500), IntervalDayTime::new(-2, -500)];
    assert_eq!(column(IntervalDayTimeArray::from(days.to_vec())), ["\"P2DT1.500S\"", "\"P-2DT-0.500S\""]);
    let mixed = [IntervalMonthDayNano::new(1, -2, i64::MIN)];
    assert_eq!(column(IntervalMonthDayNanoArray::from(mixed.to_vec())), ["\"P1M-2DT-9223372036.854775808S\""]);
}

/// `[1, null]`, null, `[]`, `[3]`.
fn lists() -> ListArray {
    ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(3)]),
    ])
}

#[test]
fn lists_are_arrays() {
    let expected = ["[1,null]", "null", "[]", "[3]"];
    assert_eq!(column(lists()), expected);
    assert_eq!(column(lists().slice(2, 2)), expected[2..]);
    let element = || Arc::new(Field::new("item", DataType::Int32, true));
    let large = cast(&lists(), &DataType::LargeList(element())).unwrap();
    assert_eq!(column_of(Field::new("c", large.data_type().clone(), true), Arc::clone(&large)), expected);
    assert!(large.as_any().is::<LargeListArray>());
    assert_eq!(column(ListViewArray::from(lists())), expected);
    let large: &LargeListArray = large.as_any().downcast_ref().unwrap();
    assert_eq!(column(LargeListViewArray::from(large.clone())), expected);
    // Views may overlap and go backwards.
    let view = ListViewArray::new(
        element(),
        ScalarBuffer::from(vec![1, 0]),
        ScalarBuffer::from(vec![2, 2]),
        Arc::new(Int32Array::from(vec![7, 8, 9])),
        None,
    );
    assert_eq!(column(view), ["[8,9]", "[7,8]"]);
    let fixed = FixedSizeListArray::new(
        element(),
        2,
        Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5, 6])),
        Some(NullBuffer::from(vec![true, false, true])),
    );
    assert_eq!(column(fixed.clone()), ["[1,2]", "null", "[5,6]"]);
    assert_eq!(column(fixed.slice(2, 1)), ["[5,6]"]);
}

#[test]
fn structs_are_objects_and_their_nulls_are_null() {
    let fields = vec![
        Arc::new(Field::new("b", DataType::Int32, true)),
        Arc::new(Field::new("a\"", DataType::Utf8, true)),
        Arc::new(Field::new("b", DataType::Int32, true)),
    ];
    let parent = StructArray::new(
        fields.into(),
        vec![
            Arc::new(Int32Array::from(vec![Some(1), Some(2)])),
            Arc::new(StringArray::from(vec![None, Some("x")])),
            Arc::new(Int32Array::from(vec![Some(3), Some(4)])),
        ],
        Some(NullBuffer::from(vec![true, false])),
    );
    assert_eq!(column(parent.clone()), [r#"{"b":1,"a\"":null,"b":3}"#, "null"]);
    assert_eq!(column(parent.slice(1, 1)), ["null"]);
    assert_eq!(column(StructArray::new_empty_fields(1, None)), ["{}"]);
}

fn map(keys: ArrayRef, values: ArrayRef, lengths: &[usize]) -> MapArray {
    let fields = vec![
        Arc::new(Field::new("keys", keys.data_type().clone(), false)),
        Arc::new(Field::new("values", values.data_type().clone(), true)),
    ];
    let entries = StructArray::new(fields.into(), vec![keys, values], None);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    MapArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), entries, None, false)
}

#[test]
fn maps_with_text_keys_are_objects() {
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["x", "x", "y\n"]));
    let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let expected = [r#"{"x":1,"x":null}"#, "{}", r#"{"y\n":3}"#];
    assert_eq!(column(map(Arc::clone(&keys), Arc::clone(&values), &[2, 0, 1])), expected);
    assert_eq!(column(map(Arc::clone(&keys), Arc::clone(&values), &[2, 0, 1]).slice(2, 1)), expected[2..]);
    let keys = cast(&keys, &DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))).unwrap();
    assert_eq!(column(map(keys, Arc::clone(&values), &[2, 0, 1])), expected);
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    assert_eq!(
        column(map(keys, values, &[2, 0, 1])),
        [r#"[{"key":1,"value":1},{"key":2,"value":null}]"#, "[]", r#"[{"key":3,"value":3}]"#]
    );
}

#[test]
fn what_stands_for_a_value_is_the_value() {
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let dictionary =
        DictionaryArray::<Int8Type>::new(Int8Array::from(vec![Some(1), Some(0), None]), Arc::clone(&values));
    assert_eq!(column(dictionary), ["null", "\"a\"", "null"]);
    for keys in [
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
    ] {
        let dictionary = DataType::Dictionary(Box::new(keys), Box::new(DataType::Utf8));
        let array = cast(&values, &dictionary).unwrap();
        assert_eq!(column_of(Field::new("c", dictionary, true), array), ["\"a\"", "null"]);
    }
    let runs = RunArray::<Int32Type>::try_new(&Int32Array::from(vec![2, 3]), &values).unwrap();
    assert_eq!(column(runs.clone()), ["\"a\"", "\"a\"", "null"]);
    assert_eq!(column(runs.slice(1, 2)), ["\"a\"", "null"]);
}

#[test]
fn unions_are_the_value_that_they_hold() {
    let fields = || {
        [(3, Field::new("n", DataType::Int32, true)), (7, Field::new("s", DataType::Utf8, true))]
            .into_iter()
            .map(|(id, field)| (id, Arc::new(field)))
            .collect::<UnionFields>()
    };
    let ids = ScalarBuffer::from(vec![3_i8, 7, 3]);
    let sparse = UnionArray::try_new(
        fields(),
        ids.clone(),
        None,
        vec![
            Arc::new(Int32Array::from(vec![Some(1), Some(2), None])),
            Arc::new(StringArray::from(vec!["x", "y", "z"])),
        ],
    );
    assert_eq!(column(sparse.unwrap()), ["1", "\"y\"", "null"]);
    let dense = UnionArray::try_new(
        fields(),
        ids,
        Some(ScalarBuffer::from(vec![0, 0, 1])),
        vec![Arc::new(Int32Array::from(vec![1, 2])), Arc::new(StringArray::from(vec!["x"]))],
    );
    assert_eq!(column(dense.unwrap()), ["1", "\"x\"", "2"]);
}

/// Every type there is renders its nulls, so none is forgotten.
#[test]
fn no_type_is_unknown() {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let element = Arc::new(Field::new("item", DataType::Int8, true));
    let entries = DataType::Struct(
        vec![Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Int8, true)].into(),
    );
    let union = UnionFields::from_fields([Field::new("a", DataType::Int8, true)]);
    let mut types = vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(Second),
        DataType::Time32(Millisecond),
        DataType::Time64(Microsecond),
        DataType::Time64(Nanosecond),
        DataType::Interval(IntervalUnit::YearMonth),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Binary,
        DataType::FixedSizeBinary(3),
        DataType::List(Arc::clone(&element)),
        DataType::FixedSizeList(Arc::clone(&element), 2),
        DataType::Map(Arc::new(Field::new("entries", entries, false)), false),
        DataType::Union(union.clone(), UnionMode::Sparse),
        DataType::Union(union, UnionMode::Dense),
        DataType::Decimal256(76, 10),
    ];
    for unit in [Second, Millisecond, Microsecond, Nanosecond] {
        types.extend([
            DataType::Timestamp(unit, None),
            DataType::Timestamp(unit, Some("UTC".into())),
            DataType::Duration(unit),
        ]);
    }
    for data_type in types {
        let array = new_null_array(&data_type, 2);
        assert_eq!(column_of(Field::new("c", data_type.clone(), true), array), ["null", "null"], "{data_type}");
    }
}

#[test]
fn columns_keep_their_order_and_their_doubles() {
    let schema = Schema::new(vec![
        Field::new("z", DataType::Int8, true),
        Field::new("a", DataType::Int8, true),
        Field::new("z", DataType::Int8, true),
    ]);
    let numbers = |value| Arc::new(Int8Array::from(vec![value])) as ArrayRef;
    let batch = RecordBatch::try_new(Arc::new(schema), vec![numbers(1), numbers(2), numbers(3)]).unwrap();
    assert_eq!(rendered(Record::Arrow { batch: &batch, row: 0 }), r#"{"z":1,"a":2,"z":3}"#);
    assert!(render(Record::Arrow { batch: &batch, row: 1 }, &mut Vec::new()).is_err());
    let rows = RecordBatchOptions::new().with_row_count(Some(1));
    let empty = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &rows).unwrap();
    assert_eq!(rendered(Record::Arrow { batch: &empty, row: 0 }), "{}");
}

#[test]
fn a_renderer_never_takes_one_batch_for_another() {
    let batch = |name: &str, value: i8| {
        batch_of(Field::new(name, DataType::Int8, true), Arc::new(Int8Array::from(vec![value, value])))
    };
    let (one, other) = (batch("a", 1), batch("a", 2));
    let renamed = RecordBatch::try_new(batch("b", 0).schema(), one.columns().to_vec()).unwrap();
    let mut renderer = Renderer::default();
    let mut out = Vec::new();
    for (batch, row) in [(&one, 0), (&one, 1), (&other, 0), (&renamed, 0), (&one, 1)] {
        renderer.render(Record::Arrow { batch, row }, &mut out).unwrap();
    }
    renderer.forget();
    renderer.render(Record::Json(b"{}"), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":1}{"a":1}{"a":2}{"b":1}{"a":1}{}"#);
}

/// A list in a list, `depth` times, around one null.
fn nested(depth: usize) -> RecordBatch {
    let mut array: ArrayRef = Arc::new(NullArray::new(1));
    for _ in 0..depth {
        let field = Arc::new(Field::new("item", array.data_type().clone(), true));
        array = Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([1]), array, None));
    }
    batch_of(Field::new("c", array.data_type().clone(), true), array)
}

#[test]
fn nesting_ends_before_the_stack_does() {
    let deep = nested(crate::NESTING_MAX - 2);
    let text = rendered(Record::Arrow { batch: &deep, row: 0 });
    assert!(text.starts_with("{\"c\":[[[") && text.ends_with("]]]}"));
    assert_eq!(rendered(Record::Json(text.as_bytes())), text, "what one renders the other takes");
    let deeper = nested(crate::NESTING_MAX - 1);
    let error = render(Record::Arrow { batch: &deeper, row: 0 }, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Nesting { .. }));
}

proptest! {
    #[test]
    fn floats_come_back(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        let [text] = &column(Float64Array::from(vec![value]))[..] else { panic!() };
        if value.is_finite() {
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
        }
    }

    #[test]
    fn texts_come_back(value in any::<String>()) {
        let [text] = &column(StringArray::from(vec![value.as_str()]))[..] else { panic!() };
        prop_assert_eq!(serde_json::from_str::<String>(text).unwrap(), value);
    }

    /// Agrees with another calendar, in every unit.
    #[test]
    fn moments_are_those_of_the_calendar(nanoseconds in any::<i64>()) {
        let [text] = &column(TimestampNanosecondArray::from(vec![nanoseconds]))[..] else { panic!() };
        let expected = chrono::DateTime::from_timestamp_nanos(nanoseconds).format("\"%Y-%m-%dT%H:%M:%S%.9f\"").to_string();
        prop_assert_eq!(text, &expected);
    }
}
