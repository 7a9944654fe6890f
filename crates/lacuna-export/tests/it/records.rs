//! Records of each shard format, rendered: the plain and the odd.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, Decimal128Array, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int32Array,
        ListArray, MapBuilder, StringArray, StringBuilder, TimestampMicrosecondArray, UInt64Array,
    },
    datatypes::{Field, Int8Type, Int32Type, Schema},
    record_batch::RecordBatch,
};
use lacuna_export::Renderer;
use lacuna_scan::Record;

fn rendered<'a>(records: impl IntoIterator<Item = Record<'a>>) -> String {
    let mut renderer = Renderer::default();
    let mut lines = Vec::new();
    for record in records {
        renderer.render(record, &mut lines).unwrap();
        lines.push(b'\n');
    }
    String::from_utf8(lines).unwrap()
}

pub(crate) fn from_json() -> String {
    let records: [&[u8]; 4] = [
        br#"{"DateTime":"2017-04-28T12:09:29-07:00","AppName":"SharePoint","Action":"OpenFile","IP":"154.192.13.131","DevicePlatform":"Windows 1.0.1607"}"#,
        br#"{ "DateTime" : "2017-04-28T12:10:02-07:00", "AppName" : "SharePoint", "Action" : "Search", "Query" : "=HYPERLINK(\"x\")", "Latency" : 12.50 }"#,
        "{\"DateTime\":\"2017-04-29T01:00:00-07:00\",\"Tag\":\"a\",\"Tag\":\"b\",\"Bytes\":123456789012345678901234567890,\"Title\":\"Größe <1> & \\\"2\\\"\u{2028}\",\"File\":{\"Name\":\"plan\\u002exlsx\",\"Versions\":[1,2,{\"Major\":3}]}}".as_bytes(),
        br#"{"DateTime":null,"Title":"","Note":"bell \u0007, nul \u0000, half \ud83d, line\r\nend","Offset":-12.5,"Ok":true}"#,
    ];
    rendered(records.into_iter().map(Record::Json))
}

pub(crate) fn from_archive() -> String {
    rendered([Record::Json(br#"{"Action":"CloseFile","DateTime":"2016-12-31T23:59:60Z","Retention":"P30D"}"#)])
}

pub(crate) fn from_csv() -> String {
    let names = ["Time", "Url", "Title", "Visits"].map(String::from);
    let rows = [
        ["2018-01-01 00:00:00", "https://a.example/?q=1,2", "He said \"hi\"", "-12.5"],
        ["2018-01-01 00:00:01", "", "@SUM(A1:A9)", "+1"],
    ]
    .map(|row| row.map(String::from));
    rendered(rows.iter().map(|values| Record::Csv { names: &names, values }))
}

pub(crate) fn from_arrow() -> String {
    let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    tags.keys().append_value("owner");
    tags.values().append_value("it");
    tags.append(true).unwrap();
    tags.append(false).unwrap();
    let device = FixedSizeBinaryArray::try_from_iter((0..2).map(|device| [device; 16])).unwrap();
    let states = DictionaryArray::<Int8Type>::from_iter([Some("on"), None]);
    let ports = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(80), None]), Some(vec![])]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "Seen",
            Arc::new(TimestampMicrosecondArray::from(vec![1_493_406_569_000_001; 2]).with_timezone("Europe/Berlin")),
        ),
        ("DeviceId", Arc::new(device)),
        ("Serial", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("Battery", Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::NAN)]))),
        ("Price", Arc::new(Decimal128Array::from(vec![123_450, -1]).with_precision_and_scale(9, 3).unwrap())),
        ("Key", Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], b""]))),
        ("State", Arc::new(states)),
        ("Ports", Arc::new(ports)),
        ("Tags", Arc::new(tags.finish())),
        ("Name", Arc::new(StringArray::from(vec!["laptop", "-2+3"]))),
        ("Slot", Arc::new(Int32Array::from(vec![Some(-1), None]))),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| {
            let field = Field::new(*name, array.data_type().clone(), true);
            let uuid = ("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned());
            if *name == "DeviceId" { field.with_metadata([uuid].into()) } else { field }
        })
        .collect();
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    rendered((0..2).map(|row| Record::Arrow { batch: &batch, row }))
}
