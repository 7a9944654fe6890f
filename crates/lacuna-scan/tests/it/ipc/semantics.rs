//! Paths, tenants, dictionaries, framings: what the search promises of each.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int8Array, Int64Array, ListArray,
    NullArray, RecordBatch, RunArray, StringArray, StructArray, UnionArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int8Type, Int16Type, Int32Type, Int64Type, Schema, UnionFields};
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use lacuna_scan::ipc::{Ahead, records};
use lacuna_scan::{Error, Limits, Record, Stored};

use super::tables::encode;
use super::{matcher, search, tenant_matcher};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn file(batch: &RecordBatch) -> Vec<u8> {
    encode(&batch.schema(), std::slice::from_ref(batch), true, None, 64)
}

fn rows(bytes: &[u8], identifiers: &[(&str, &str)]) -> Vec<u64> {
    search(bytes, &matcher(identifiers)).unwrap().0.matches.rows().iter().collect()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn what_cannot_hold_an_identifier_is_refused_with_a_way_out() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)])]);
    let inner = StructArray::from(vec![(
        Arc::new(Field::new("v", DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![1])) as _,
    )]);
    let bytes = file(&batch(vec![
        ("list", Arc::new(list)),
        ("float", arrow::array::new_null_array(&DataType::Float16, 1)),
        ("flag", Arc::new(BooleanArray::from(vec![true]))),
        ("inner", Arc::new(inner)),
        ("text", texts(&[Some("1")])),
    ]));
    let problem = |path: &str| search(&bytes, &matcher(&[(path, "1")])).err().unwrap().to_string();
    for (path, expected) in [
        ("list", "column `list` is a list: write `list[]`"),
        (
            "list.v",
            "column `list.v` is not there: `list` is a list and has no fields; its elements are entered by `[]`",
        ),
        ("float", "column `float` is a floating-point number of 16 bits, which cannot hold an identifier"),
        ("flag", "column `flag` is a boolean, which cannot hold an identifier"),
        ("inner", "column `inner` is a struct: name one of its fields, as `inner.FIELD`"),
        ("text[]", "column `text[]` is not there: `text` is text and is no list"),
        (
            "inner.w",
            "has no column `inner.w`, which the source maps; a name that has a point in it is mapped in quotes",
        ),
        ("other", "has no column `other`, which the source maps"),
        ("Text", "has no column `Text`, which the source maps"),
        ("[].v", "column `[].v` is not there: a row of a table is no list; start with a column's name"),
    ] {
        assert_eq!(problem(path), expected);
    }
    assert_eq!(rows(&bytes, &[("list[]", "1")]), [0]);
    assert_eq!(rows(&bytes, &[("inner.v", "1")]), [0]);
}

#[test]
fn integers_are_found_as_floats() {
    let floats = [Some(12_345.0), Some(f64::NAN), None, Some(f64::INFINITY), Some(-0.0), Some(0.0), Some(12_345.5)];
    let singles: Vec<Option<f32>> = vec![Some(12_345.0), Some(f32::NAN), None, None, Some(-0.0), Some(0.0), Some(0.5)];
    let listed = ListArray::from_iter_primitive::<arrow::datatypes::Float64Type, _, _>(
        floats.iter().map(|float| Some([None, *float])),
    );
    let values: ArrayRef = Arc::new(Float64Array::from(vec![12_345.0, f64::NAN, -0.0, 7.0]));
    let keys = Int8Array::from(vec![Some(0), Some(1), None, Some(3), Some(2), Some(2), Some(3)]);
    let bytes = file(&batch(vec![
        ("double", Arc::new(Float64Array::from(floats.to_vec()))),
        ("single", Arc::new(Float32Array::from(singles))),
        ("list", Arc::new(listed)),
        ("dictionary", Arc::new(DictionaryArray::new(keys, values))),
    ]));
    for path in ["double", "single", "list[]", "dictionary"] {
        let found = |identifier| rows(&bytes, &[(path, identifier)]);
        assert_eq!(found("12345"), [0], "{path}");
        assert_eq!(found("0"), [4, 5], "{path}");
        for nobody in ["NaN", "inf", "12346", "ann", "00000000-0000-0000-0000-000000000000"] {
            assert!(found(nobody).is_empty(), "{path} {nobody}");
        }
    }
}

#[test]
fn a_float_that_a_wanted_number_may_have_been_rounded_to_is_told() {
    let double: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1_152_921_504_606_846_976.0]));
    let single: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 16_777_216.0]));
    let entries: ArrayRef = Arc::new(DictionaryArray::new(Int8Array::from(vec![0, 1]), double.clone()));
    let columns = vec![("double", double), ("single", single), ("dictionary", entries)];
    let tenants = ("tenant", texts(&[Some("T"), Some("T")]));
    let bytes = file(&batch([columns, vec![tenants]].concat()));
    let problem = |path: &str, number: &str| search(&bytes, &matcher(&[(path, number)])).err().map(|e| e.to_string());
    for (path, number) in
        [("double", "1152921504606846977"), ("dictionary", "1152921504606846975"), ("single", "16777217")]
    {
        let why = problem(path, number).unwrap();
        assert!(why.starts_with(&format!("column `{path}` holds a floating-point number that may stand for")), "{why}");
        assert!(!why.contains("16777") && !why.contains("115292"), "{why}");
    }
    // It can be told that these are in nobody's row.
    for (path, number) in [("double", "1152921504606900000"), ("double", "16777217"), ("single", "16777319")] {
        assert_eq!(problem(path, number), None, "{path} {number}");
    }
    let told = search(&bytes, &tenant_matcher("tenant", "T", "double", &["1152921504606846977"]));
    assert!(matches!(told, Err(Error::Rounded { .. })), "whose the row is cannot be told");
}

#[test]
fn a_column_of_nulls_is_nobodys() {
    let bytes = file(&batch(vec![("user", Arc::new(NullArray::new(3)))]));
    assert!(rows(&bytes, &[("user", "")]).is_empty());
}

#[test]
fn columns_of_the_same_name_all_count() {
    let fields = ["a", "b"].map(|_| Field::new("user", DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let columns = vec![texts(&[Some("ann"), None]), texts(&[None, Some("ann")])];
    let bytes = file(&RecordBatch::try_new(schema, columns).unwrap());
    assert_eq!(rows(&bytes, &[("user", "ann")]), [0, 1]);
}

#[test]
fn rows_of_other_tenants_are_not_the_requests() {
    let tenants = StringArray::from(vec![Some("a"), Some("b"), None, Some("c"), Some("a")]);
    let dictionary: DictionaryArray<Int8Type> = tenants.iter().collect();
    for tenants in [Arc::new(tenants) as ArrayRef, Arc::new(dictionary)] {
        let users = texts(&[Some("ann"), Some("ann"), Some("ann"), Some("ann"), Some("bob")]);
        let bytes = file(&batch(vec![("user", users), ("tenant", tenants)]));
        let (summary, found) = search(&bytes, &tenant_matcher("user", "ann", "tenant", &["a", "b"])).unwrap();
        let found: Vec<_> = found.0.into_iter().map(|(row, selectors, _)| (row, selectors)).collect();
        assert_eq!(found, [(0, vec![0]), (1, vec![1])]);
        assert_eq!(summary.matches.count(0), 1);
    }
}

#[test]
fn a_row_that_names_two_tenants_is_nobodys() {
    let field = Arc::new(Field::new("item", DataType::Utf8, true));
    let tenants = ListArray::new(
        field,
        arrow::buffer::OffsetBuffer::from_lengths([1, 2, 2, 0]),
        texts(&[Some("a"), Some("a"), Some("b"), Some("a"), None]),
        None,
    );
    let bytes = file(&batch(vec![("user", texts(&[Some("ann"); 4])), ("tenant", Arc::new(tenants))]));
    let (summary, _) = search(&bytes, &tenant_matcher("user", "ann", "tenant[]", &["a"])).unwrap();
    assert_eq!(summary.matches.rows().iter().collect::<Vec<_>>(), [0, 2]);
    // It is told to those whose tenant it names, too.
    assert_eq!((summary.torn.count, summary.torn.first.as_deref()), (1, Some("record 2")));
    let (summary, _) = search(&bytes, &tenant_matcher("user", "ann", "tenant[]", &["c"])).unwrap();
    assert_eq!((summary.matches.is_empty(), summary.torn.count), (true, 0));
}

#[test]
fn runs_of_dictionary_keys() {
    let keys: DictionaryArray<Int16Type> = [Some("ann"), None, Some("bob")].into_iter().collect();
    let runs = RunArray::<Int32Type>::try_new(&vec![2, 3, 5].into(), &keys).unwrap();
    let bytes = file(&batch(vec![("user", Arc::new(runs))]));
    assert_eq!(rows(&bytes, &[("user", "ann")]), [0, 1]);
    assert_eq!(rows(&bytes, &[("user", "bob")]), [3, 4]);
}

#[test]
fn other_columns_of_any_type_come_along() {
    let fields = UnionFields::try_new(
        vec![3, 5],
        vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8, true)],
    )
    .unwrap();
    let dense = UnionArray::try_new(
        fields.clone(),
        vec![3_i8, 5, 3].into(),
        Some(vec![0, 0, 1].into()),
        vec![Arc::new(Int64Array::from(vec![1, 2])), texts(&[Some("x")])],
    )
    .unwrap();
    let sparse = UnionArray::try_new(
        fields,
        vec![3_i8, 5, 3].into(),
        None,
        vec![Arc::new(Int64Array::from(vec![1, 2, 3])), texts(&[Some("x"), Some("y"), Some("z")])],
    )
    .unwrap();
    let batch = batch(vec![
        ("user", texts(&[Some("bob"), Some("ann"), Some("ann")])),
        ("dense", Arc::new(dense)),
        ("sparse", Arc::new(sparse)),
        ("flag", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("none", Arc::new(NullArray::new(3))),
    ]);
    for codec in [None, Some(arrow::ipc::CompressionType::ZSTD)] {
        let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), false, codec, 8);
        let (_, found) = search(&bytes, &matcher(&[("user", "ann")])).unwrap();
        assert_eq!(found.0.iter().map(|found| &found.2).collect::<Vec<_>>(), [&batch.slice(1, 1), &batch.slice(2, 1)]);
    }
}

#[test]
fn framing_of_before_0_15_is_read() {
    let batch = batch(vec![("user", texts(&[Some("ann"), Some("bob")]))]);
    let options = IpcWriteOptions::try_new(8, true, arrow::ipc::MetadataVersion::V4).unwrap();
    let mut stream = Vec::new();
    let mut writer = StreamWriter::try_new_with_options(&mut stream, &batch.schema(), options.clone()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let mut file = Vec::new();
    let mut writer = FileWriter::try_new_with_options(&mut file, &batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    for bytes in [stream, file] {
        assert_eq!(rows(&bytes, &[("user", "bob")]), [1]);
    }
}

#[test]
fn every_row_of_a_shard_in_its_order() {
    let batches = [
        batch(vec![("n", Arc::new(Int64Array::from(vec![5, 6])))]),
        batch(vec![("n", Arc::new(Int64Array::from(vec![7])))]),
    ];
    for file in [true, false] {
        let bytes = encode(&batches[0].schema(), &batches, file, None, 8);
        let mut seen = Vec::new();
        records(&mut bytes.as_slice(), Ahead::default(), &Limits::default(), &mut |row, record| {
            let Record::Arrow { batch, row: at } = record else { return Err(std::io::Error::other("not Arrow")) };
            seen.push((row, batch.slice(at, 1)));
            Ok(())
        })
        .unwrap();
        let expected = [(0, batches[0].slice(0, 1)), (1, batches[0].slice(1, 1)), (2, batches[1].clone())];
        assert_eq!(seen, expected);
    }
    let bytes = encode(&batches[0].schema(), &batches, true, None, 8);
    let failed = records(&mut bytes.as_slice(), Ahead::default(), &Limits::default(), &mut |_, _| {
        Err(std::io::Error::other("full"))
    });
    assert!(matches!(failed, Err(Error::Sink(_))));
}

#[test]
fn text_that_is_not_utf8_is_shown_as_its_bytes() {
    let lists = OffsetBuffer::from_lengths([1, 1]);
    let notes = texts(&[Some("QQQQ"), Some("b")]);
    let listed = ListArray::new(Arc::new(Field::new("item", DataType::Utf8, true)), lists, notes.clone(), None);
    let batch = batch(vec![("user", texts(&[Some("ann"); 2])), ("note", notes), ("notes", Arc::new(listed))]);
    let mut bytes = file(&batch);
    for at in 0..bytes.len() - 4 {
        if bytes[at..].starts_with(b"QQQQ") {
            bytes[at..at + 4].copy_from_slice(b"caf\xe9");
        }
    }
    let kept = search(&bytes, &matcher(&[("user", "ann")])).unwrap().1;
    let (_, _, found) = &kept.0[0];
    assert_eq!(found.column(1).as_binary::<i32>().value(0), b"caf\xe9");
    assert_eq!(found.column(2).as_list::<i32>().value(0).as_binary::<i32>().value(0), b"caf\xe9");
    let schema = found.schema();
    let DataType::List(element) = schema.field(2).data_type() else { panic!("no list") };
    let stored = [schema.field(0), schema.field(1), element.as_ref()].map(Stored::of);
    assert_eq!(stored, [None, Some(Stored::Text), Some(Stored::Text)]);
}
