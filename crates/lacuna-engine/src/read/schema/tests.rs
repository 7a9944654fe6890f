use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, DurationSecondArray, FixedSizeBinaryArray,
    Int8Array, Int64Array, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Int8Type;
use arrow::record_batch::RecordBatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lacuna_export::Renderer;
use lacuna_scan::Record;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, encode_arrow_schema};
use parquet::data_type::{ByteArray, ByteArrayType, DataType as Typed, FixedLenByteArrayType, Int96, Int96Type};
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// A file of `columns`, next to which `stored` lies as their Arrow schema.
fn file(columns: &[(&str, ArrayRef)], stored: &str) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns.iter().map(|(name, column)| (*name, column.clone()))).unwrap();
    let pair = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), stored.to_owned());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![pair])).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes.into()
}

fn typed(columns: &[(&str, ArrayRef)], types: Vec<DataType>) -> Bytes {
    let fields: Fields = columns.iter().zip(types).map(|((name, _), data_type)| field(name, data_type)).collect();
    file(columns, &encode_arrow_schema(&Schema::new(fields)))
}

/// The rows of `file` as they render.
fn rendered(file: &Bytes) -> Vec<String> {
    let checked = rendered_with(file, Texts::Checked);
    assert_eq!(rendered_with(file, Texts::Bare), checked);
    checked
}

fn rendered_with(file: &Bytes, texts: Texts) -> Vec<String> {
    let metadata = Arc::new(ParquetMetaDataReader::new().parse_and_finish(file).unwrap());
    let reading = readable(&metadata, texts).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), reading).build().unwrap();
    let (mut renderer, mut rows) = (Renderer::default(), Vec::new());
    for batch in reader.map(|batch| batch.unwrap()) {
        for row in 0..batch.num_rows() {
            let mut line = Vec::new();
            renderer.render(Record::Arrow { batch: &batch, row }, &mut line).unwrap();
            rows.push(String::from_utf8(line).unwrap());
        }
    }
    rows
}

fn dictionary(keys: DataType, values: DataType) -> DataType {
    DataType::Dictionary(Box::new(keys), Box::new(values))
}

#[test]
fn a_stored_dictionary_reads_as_its_values() {
    let many = StringArray::from_iter_values((0..300).map(|n| format!("v{n}")));
    let lists = OffsetBuffer::from_lengths(vec![1; 300]);
    let listed = ListArray::new(Arc::new(field("element", DataType::Utf8)), lists, Arc::new(many.clone()), None);
    let texts = dictionary(DataType::Int8, DataType::Utf8);
    let within = DataType::List(Arc::new(field("element", dictionary(DataType::UInt8, DataType::Utf8))));
    let rows = rendered(&typed(&[("t", Arc::new(many)), ("l", Arc::new(listed))], vec![texts, within]));
    assert_eq!((rows.len(), rows[299].as_str()), (300, r#"{"t":"v299","l":["v299"]}"#));

    let decimals = Decimal128Array::from(vec![150]).with_precision_and_scale(25, 2).unwrap();
    let bytes = FixedSizeBinaryArray::try_from_iter([[0, 1, 2]].into_iter()).unwrap();
    let columns: [(&str, ArrayRef); 3] =
        [("b", Arc::new(BooleanArray::from(vec![true]))), ("d", Arc::new(decimals)), ("f", Arc::new(bytes))];
    let types = columns.iter().map(|(_, column)| dictionary(DataType::Int8, column.data_type().clone())).collect();
    assert_eq!(rendered(&typed(&columns, types)), [r#"{"b":true,"d":1.50,"f":"AAEC"}"#]);
}

#[test]
fn what_only_the_stored_schema_says_still_counts_beside_a_dictionary() {
    let zone = TimestampMicrosecondArray::from(vec![0]).with_timezone("+02:00");
    let values = Arc::new(StringArray::from(vec!["x"]));
    let columns: [(&str, ArrayRef); 3] = [
        ("k", Arc::new(DictionaryArray::<Int8Type>::new(Int8Array::from(vec![0]), values))),
        ("z", Arc::new(zone)),
        ("p", Arc::new(DurationSecondArray::from(vec![90]))),
    ];
    let types = columns.iter().map(|(_, column)| column.data_type().clone()).collect();
    assert_eq!(
        rendered(&typed(&columns, types)),
        [r#"{"k":"x","z":"1970-01-01T02:00:00.000000+02:00","p":"PT1M30S"}"#]
    );

    let ids = FixedSizeBinaryArray::try_from_iter([[0x11_u8; 16]].into_iter()).unwrap();
    let uuids = field("u", dictionary(DataType::Int8, DataType::FixedSizeBinary(16)));
    let uuids = uuids.with_metadata([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())].into());
    let stored = encode_arrow_schema(&Schema::new(vec![uuids]));
    assert_eq!(rendered(&file(&[("u", Arc::new(ids))], &stored)), [r#"{"u":"11111111-1111-1111-1111-111111111111"}"#]);
}

#[test]
fn a_stored_zone_counts_in_any_unit() {
    let stored = |unit| DataType::Timestamp(unit, Some("America/Los_Angeles".into()));
    let instant = || Arc::new(TimestampMicrosecondArray::from(vec![1_577_880_000_000_000]).with_timezone("UTC"));
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        let lists = OffsetBuffer::from_lengths(vec![1]);
        let element = Arc::new(field("element", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))));
        let listed = ListArray::new(element, lists, instant(), None);
        let within = DataType::List(Arc::new(field("element", stored(unit))));
        let columns: [(&str, ArrayRef); 3] =
            [("l", Arc::new(listed)), ("t", instant()), ("n", Arc::new(Int64Array::from(vec![1])))];
        let rows = rendered(&typed(&columns, vec![within, stored(unit), DataType::Int64]));
        let local = "2020-01-01T04:00:00.000000-08:00";
        assert_eq!(rows, [format!(r#"{{"l":["{local}"],"t":"{local}","n":1}}"#)], "{unit:?}");
    }
}

/// A stored schema of one column of integers of 128 bits, which Arrow has none of.
fn wide_integers() -> String {
    let stored = STANDARD.decode(encode_arrow_schema(&Schema::new(vec![field("n", DataType::Int64)]))).unwrap();
    let widths = (8..stored.len() - 4).filter(|&at| stored[at..at + 4] == [64, 0, 0, 0]);
    let wide = widths.map(|at| [&stored[..at], &[128, 0, 0, 0], &stored[at + 4..]].concat()).find(|wide| {
        let schema = ipc::root_as_message(&wide[8..]).ok().and_then(|message| message.header_as_schema());
        let int = schema.and_then(|schema| schema.fields()?.get(0).type_as_int());
        int.is_some_and(|int| int.bitWidth() == 128)
    });
    STANDARD.encode(wide.unwrap())
}

#[test]
fn a_stored_schema_that_cannot_be_used_costs_nothing() {
    let numbers = Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let inner = StructArray::from(vec![(Arc::new(field("a", DataType::Int64)), numbers.clone())]);
    let misfit = encode_arrow_schema(&Schema::new(vec![field("n", DataType::Utf8), field("m", DataType::Utf8)]));
    assert!(!is_known(&wide_integers()));
    for stored in [&wide_integers(), &misfit, "", "!", "AAAA"] {
        assert_eq!(rendered(&file(&[("n", numbers.clone())], stored)), [r#"{"n":1}"#], "{stored}");
        assert_eq!(rendered(&file(&[("n", Arc::new(inner.clone()))], stored)), [r#"{"n":{"a":1}}"#], "{stored}");
    }
}

/// A file of `message`, a Parquet schema, each column of which holds `values`: one a row. `stored` is said to be its Arrow schema.
fn columns_of<T: Typed>(message: &str, values: &[T::T], stored: Option<&Schema>) -> Bytes {
    let pair = |schema: &Schema| KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(schema));
    let properties =
        WriterProperties::builder().set_key_value_metadata(stored.map(|schema| vec![pair(schema)])).build();
    let schema = Arc::new(parse_message_type(message).unwrap());
    let descriptor = SchemaDescriptor::new(schema.clone());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in descriptor.columns() {
        let mut writer = group.next_column().unwrap().unwrap();
        let (def, rep) = (vec![column.max_def_level(); values.len()], vec![0; values.len()]);
        writer.typed::<T>().write_batch(values, Some(&def), Some(&rep)).unwrap();
        writer.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap().into()
}

/// A column at the top, and in lists as they may be laid out.
fn lists(leaf: &str, annotation: &str) -> String {
    format!(
        "message m {{
            optional {leaf} t{annotation};
            repeated {leaf} r{annotation};
            optional group l (LIST) {{ repeated {leaf} element{annotation}; }}
            optional group n (LIST) {{ repeated group list {{ optional {leaf} element{annotation}; }} }}
        }}"
    )
}

fn as_listed(value: &str) -> String {
    format!(r#"{{"t":{value},"r":[{value}],"l":[{value}],"n":[{value}]}}"#)
}

#[test]
fn dates_in_96_bits_come_out_whatever_their_year() {
    let moment = |day, nanoseconds: u64| {
        let [a, b, c, d, e, f, g, h] = nanoseconds.to_le_bytes();
        let mut moment = Int96::new();
        moment.set_data(u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]), day);
        moment
    };
    let moments = [moment(5_373_484, 86_399_999_999_999), moment(1_721_426, 1), moment(2_440_588, 0)];
    let expected = ["9999-12-31T23:59:59.999999999", "0001-01-01T00:00:00.000000001", "1970-01-01T00:00:00.000000000"];
    let rows = rendered(&columns_of::<Int96Type>(&lists("int96", ""), &moments, None));
    assert_eq!(rows, expected.map(|moment| as_listed(&format!("\"{moment}\""))));

    let stored = |unit, zone: &str| Schema::new(vec![field("t", DataType::Timestamp(unit, Some(zone.into())))]);
    let file = |stored| columns_of::<Int96Type>("message m { optional int96 t; }", &moments[..1], Some(&stored));
    let east = rendered(&file(stored(TimeUnit::Nanosecond, "+01:00")));
    assert_eq!(east, [r#"{"t":"+10000-01-01T00:59:59.999999999+01:00"}"#]);
    assert_eq!(rendered(&file(stored(TimeUnit::Microsecond, "UTC"))), [r#"{"t":"9999-12-31T23:59:59.999999Z"}"#]);
}

#[test]
fn intervals_keep_their_months() {
    let interval = |months: i32, days: i32, milliseconds: i32| {
        let bytes = [months, days, milliseconds].map(i32::to_le_bytes).concat();
        parquet::data_type::FixedLenByteArray::from(bytes)
    };
    let intervals = [interval(14, 2, 3_500), interval(0, 0, 0), interval(1, 2, -3_000)];
    let message = lists("fixed_len_byte_array(12)", " (INTERVAL)");
    let rows = rendered(&columns_of::<FixedLenByteArrayType>(&message, &intervals, None));
    assert_eq!(rows, ["P1Y2M2DT3.500S", "P0D", "P1M2DT-3S"].map(|interval| as_listed(&format!("\"{interval}\""))));
}

#[test]
fn text_that_is_not_utf8_comes_out_as_its_bytes() {
    let texts: [ByteArray; 2] = [b"caf\xe9".to_vec().into(), "café".into()];
    let message = lists("binary", " (STRING)");
    let rows = rendered_with(&columns_of::<ByteArrayType>(&message, &texts, None), Texts::Bare);
    assert_eq!(rows, [r#"{"base64":"Y2Fm6Q=="}"#, "\"café\""].map(as_listed));

    let message = "message m { required group p (MAP) { repeated group key_value {
        required binary key (STRING); optional binary value; } } }";
    let file = |texts| columns_of::<ByteArrayType>(message, texts, None);
    assert_eq!(rendered(&file(&texts[1..])), [r#"{"p":{"café":"Y2Fmw6k="}}"#]);
    let pairs = rendered_with(&file(&texts[..1]), Texts::Bare);
    assert_eq!(pairs, [r#"{"p":[{"key":{"base64":"Y2Fm6Q=="},"value":"Y2Fm6Q=="}]}"#]);
}

#[test]
fn a_footer_without_a_total_hides_no_rows() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let file = file(&[("n", numbers)], "");
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let of = metadata.file_metadata();
    let without = FileMetaData::new(of.version(), 0, None, None, of.schema_descr_ptr(), None);
    let metadata = ParquetMetaDataBuilder::new(without).set_row_groups(metadata.row_groups().to_vec()).build();
    for texts in [Texts::Checked, Texts::Bare] {
        let reading = readable(&Arc::new(metadata.clone()), texts).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), reading).build().unwrap();
        assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3);
    }
}
