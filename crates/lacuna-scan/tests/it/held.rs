//! What chosen rows hold in mapped columns: of every type, in Parquet and in Arrow.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array, ListArray,
    StringArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use lacuna_scan::parquet::{Footer, RowGroupTake, footer, mapped_leaves};
use lacuna_scan::{
    Case, Field, HeldValue, IdentifierRule, Kind, Limits, Mapping, Matcher, PseudonymForm, TenantRule, Value, ipc,
    parquet as scan,
};
use parquet::arrow::ArrowWriter;
use roaring::RoaringTreemap;

const COLUMNS: [&str; 9] = ["text", "bytes", "uuid", "int", "unsigned", "decimal", "list[]", "single", "double"];

fn mapping() -> Mapping {
    let field = |column: &&str| IdentifierRule::One(Field::new(column.parse().unwrap(), Kind::new("id")));
    Mapping { identifiers: COLUMNS.iter().map(field).collect(), tenant: TenantRule::Single }
}

/// Three rows; in the second, a null where there may be one.
fn batch() -> RecordBatch {
    let lists = [Some(vec![Some(1), Some(2)]), None, Some(vec![Some(3), None])];
    let columns: [(&str, ArrayRef); 9] = [
        ("text", Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]))),
        ("bytes", Arc::new(BinaryArray::from_vec(vec![b"x", b"y", b"z"]))),
        ("uuid", Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 16], [2; 16], [3; 16]].iter()).unwrap())),
        ("int", Arc::new(Int32Array::from(vec![-7, 8, 9]))),
        ("unsigned", Arc::new(UInt64Array::from(vec![u64::MAX, 1, 2]))),
        ("decimal", Arc::new(Decimal128Array::from(vec![150, 2, -25]).with_precision_and_scale(9, 2).unwrap())),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
        ("single", Arc::new(Float32Array::from(vec![f32::NAN, 2.0, -0.5]))),
        ("double", Arc::new(Float64Array::from(vec![Some(1e300), None, Some(-0.0)]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// The values of the first and the last row.
fn expected() -> HashSet<(usize, HeldValue)> {
    let decimal = |unscaled: i128| Value::Decimal { unscaled: &unscaled.to_be_bytes(), scale: 2 }.held();
    HashSet::from([
        (0, HeldValue::Text(b"a".to_vec())),
        (0, HeldValue::Text(b"c".to_vec())),
        (1, HeldValue::Bytes(b"x".to_vec())),
        (1, HeldValue::Bytes(b"z".to_vec())),
        (2, HeldValue::Bytes(vec![1; 16])),
        (2, HeldValue::Bytes(vec![3; 16])),
        (3, HeldValue::Int(-7)),
        (3, HeldValue::Int(9)),
        (4, HeldValue::Int(u64::MAX.into())),
        (4, HeldValue::Int(2)),
        (5, decimal(150)),
        (5, decimal(-25)),
        (6, HeldValue::Int(1)),
        (6, HeldValue::Int(2)),
        (6, HeldValue::Int(3)),
        (7, HeldValue::Float((-0.5_f64).to_bits())),
        (8, HeldValue::Float(1e300_f64.to_bits())),
        (8, HeldValue::Float(0)),
    ])
}

trait Copied {
    fn held(self) -> HeldValue;
}

impl Copied for Value<'_> {
    fn held(self) -> HeldValue {
        HeldValue::of(self).unwrap()
    }
}

fn in_rows_of_parquet(batch: &RecordBatch, mapping: &Mapping, rows: [u64; 2]) -> HashSet<(usize, HeldValue)> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let file = Bytes::from(bytes);
    let limits = Limits::default();
    let Footer::Ready(metadata) = footer(file.len() as u64, &file, &limits).unwrap() else { unreachable!() };
    let leaves = mapped_leaves(&metadata, mapping).unwrap();
    let wanted = |column| leaves.iter().any(|(_, leaf)| leaf.column == column);
    let rows: Arc<[u64]> = rows.into();
    let mut take = RowGroupTake::new(&metadata, file.len() as u64, 0, &rows, wanted, &[], limits).unwrap();
    loop {
        let needs = take.needs(1 << 20);
        if needs.is_empty() {
            break;
        }
        for (column, range) in needs {
            take.feed(column, &file.slice(range.start as usize..range.end as usize)).unwrap();
        }
    }
    let (taken, _) = take.finish().unwrap();
    scan::held_values(&taken, &metadata, &leaves).unwrap().into_iter().collect()
}

#[test]
fn in_parquet() {
    assert_eq!(in_rows_of_parquet(&batch(), &mapping(), [0, 2]), expected());
}

#[test]
fn in_all_columns_of_one_name() {
    let text = |values: [&str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let columns = [("a", text(["x", "y", "z"])), ("a", text(["p", "q", "r"])), ("b", text(["i", "j", "k"]))];
    let field = |column: &str| IdentifierRule::One(Field::new(column.parse().unwrap(), Kind::new("id")));
    let mapping = Mapping { identifiers: vec![field("a"), field("b")], tenant: TenantRule::Single };
    let held = in_rows_of_parquet(&RecordBatch::try_from_iter(columns).unwrap(), &mapping, [0, 1]);
    let value = |field, value: &str| (field, HeldValue::Text(value.into()));
    assert_eq!(
        held,
        [(0, "x"), (0, "y"), (0, "p"), (0, "q"), (1, "i"), (1, "j")].map(|(at, text)| value(at, text)).into()
    );
}

#[test]
fn in_arrow() {
    let batch = batch();
    let mut bytes = Vec::new();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let rows = RoaringTreemap::from_iter([0, 2]);
    let held = ipc::held_values(&mut &bytes[..], ipc::Ahead::default(), &mapping(), &Limits::default(), &rows).unwrap();
    assert_eq!(held.into_iter().collect::<HashSet<_>>(), expected());
}

#[test]
fn a_matcher_of_values_wants_these_and_no_others() {
    let values: Vec<_> = expected().into_iter().collect();
    let matcher = Matcher::of_values(&mapping(), &values);
    let wants = |field: usize, value| !matcher.fields()[field].owners(value).is_empty();
    assert!(wants(0, Value::Text(b"a")) && !wants(0, Value::Text(b"A")) && !wants(0, Value::Text(b"x")));
    assert!(wants(1, Value::Bytes(b"x")) && wants(2, Value::Bytes(&[3; 16])) && !wants(2, Value::Bytes(&[2; 16])));
    assert!(wants(3, Value::Int(-7)) && !wants(3, Value::Int(8)) && wants(6, Value::Int(1)));
    assert!(wants(7, Value::Single(-0.5)) && !wants(7, Value::Single(f32::NAN)) && !wants(7, Value::Single(2.0)));
    assert!(wants(8, Value::Double(1e300)) && wants(8, Value::Double(0.0)) && !wants(8, Value::Double(1.0)));
    assert_eq!(matcher.fields()[8].floats().collect::<Vec<_>>(), [0.0, 1e300]);
    assert!(wants(5, Value::Decimal { unscaled: &15_i128.to_be_bytes(), scale: 1 }), "1.5 is 1.50");
}

#[test]
fn a_matcher_of_held_identifiers_wants_what_a_search_takes_for_the_same() {
    const UUID: &str = "2a2f20e4-a782-4e8c-bcd7-85d477f384ed";
    let field = |name: &str| Field::new(name.parse().unwrap(), Kind::new("id"));
    let mut folded = Field { trim: true, ..field("folded") };
    folded.case = Case::Insensitive;
    let mut hashed = field("hashed");
    hashed.pseudonym = Some(PseudonymForm::default());
    let fields = [field("plain"), folded, hashed, field("raw"), field("number")];
    let mapping = Mapping { identifiers: fields.map(IdentifierRule::One).to_vec(), tenant: TenantRule::Single };
    let text = |text: &str| HeldValue::Text(text.as_bytes().to_vec());
    let (upper, bare) = (UUID.to_uppercase(), UUID.replace('-', ""));
    let bytes: Vec<u8> = (0..16).collect();
    let values = [
        (0, text("Ann")),
        (0, text(UUID)),
        (1, text(" Ann@x.org")),
        (2, text("Ann")),
        (3, HeldValue::Bytes(bytes.clone())),
        (4, HeldValue::Int(7)),
    ];
    let matcher = Matcher::of_held(&mapping, &values);
    let wants = |field: usize, value| !matcher.fields()[field].owners(value).is_empty();
    assert!(wants(0, Value::Text(b"Ann")) && !wants(0, Value::Text(b"ann")));
    assert!(wants(0, Value::Text(upper.as_bytes())) && wants(0, Value::Text(bare.as_bytes())));
    assert!(wants(1, Value::Text(b"ANN@X.ORG ")) && !wants(1, Value::Text(b"bob@x.org")));
    assert!(wants(2, Value::Text(b"Ann")) && !wants(2, Value::Text(b"ann")));
    assert!(wants(3, Value::Bytes(&bytes)) && wants(3, Value::Text(b"00010203-0405-0607-0809-0a0b0c0d0e0f")));
    assert!(wants(4, Value::Int(7)) && !wants(4, Value::Text(b"7")));
}
