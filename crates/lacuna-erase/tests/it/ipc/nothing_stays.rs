//! Values that no row shows do not survive in a batch that is rewritten: behind nulls, cut off, or in bytes no view points to.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryViewArray, FixedSizeListArray, Int32Array, Int64Array, LargeListArray, ListArray,
    ListViewArray, MapArray, RecordBatch, StringArray, StringViewArray, StructArray, UnionArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, UnionFields};
use arrow::ipc::CompressionType;
use bytes::Bytes;
use lacuna_erase::{Change, ipc};
use lacuna_scan::{Limits, Matcher};

use super::tables::encode;
use super::{holds, insensitive, matcher, messages, read, rewrite, rewrite_for};

const CANARY: &str = "canary@contoso.example";
const KEPT: &str = "kept@contoso.example";

/// Rewrites a batch of two rows with the first one gone; the second one shows no canary.
fn check(column: ArrayRef) {
    let batch = RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap();
    for (file, codec) in [(true, None), (false, Some(CompressionType::ZSTD)), (true, Some(CompressionType::LZ4_FRAME))]
    {
        let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), file, codec, 8);
        assert!(holds(&bytes, CANARY.as_bytes()), "the test must put the canary there");
        let (out, _) = rewrite(&bytes, &[0], Change::Delete).unwrap();
        assert!(!holds(&out, CANARY.as_bytes()), "{:?}", batch.schema());
    }
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Texts that are there and null all the same.
fn hidden(values: &[&str], valid: &[bool]) -> ArrayRef {
    let texts = StringArray::from(values.to_vec());
    let (offsets, values, _) = texts.into_parts();
    Arc::new(StringArray::new(offsets, values, Some(NullBuffer::from(valid.to_vec()))))
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Utf8, true))
}

fn second_is_null() -> Option<NullBuffer> {
    Some(NullBuffer::from(vec![true, false]))
}

#[test]
fn in_plain_values() {
    check(texts(&[CANARY, KEPT]));
    check(hidden(&[KEPT, CANARY], &[true, false]));
    let numbers = Int64Array::new(vec![1, i64::from_le_bytes(*b"canary@c")].into(), second_is_null());
    let batch = RecordBatch::try_from_iter_with_nullable([("n", Arc::new(numbers) as ArrayRef, true)]).unwrap();
    let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), true, None, 8);
    assert!(holds(&bytes, b"canary@c"));
    assert!(!holds(&rewrite(&bytes, &[0], Change::Delete).unwrap().0, b"canary@c"));
}

#[test]
fn in_structs_and_lists_that_are_null() {
    let values = texts(&[KEPT, CANARY]);
    check(Arc::new(StructArray::new(vec![item()].into(), vec![values.clone()], second_is_null())));
    let offsets = || OffsetBuffer::from_lengths([1, 1]);
    check(Arc::new(ListArray::new(item(), offsets(), values.clone(), second_is_null())));
    let large = OffsetBuffer::<i64>::from_lengths([1, 1]);
    check(Arc::new(LargeListArray::new(item(), large, values.clone(), second_is_null())));
    check(Arc::new(FixedSizeListArray::new(item(), 1, values.clone(), second_is_null())));
    let keys = Arc::new(Field::new("key", DataType::Utf8, false));
    let entries = StructArray::new(vec![keys, item()].into(), vec![texts(&["a", "b"]), values], None);
    let entries_field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    check(Arc::new(MapArray::new(entries_field, offsets(), entries, second_is_null(), false)));
}

#[test]
fn between_list_views_and_union_members() {
    let values = texts(&[CANARY, KEPT, CANARY, KEPT]);
    check(Arc::new(ListViewArray::new(item(), vec![0, 1].into(), vec![1, 1].into(), values.clone(), None)));
    check(Arc::new(ListViewArray::new(item(), vec![3, 3].into(), vec![1, 1].into(), values, None)));
    let members = || vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8, true)];
    let fields = UnionFields::try_new(vec![0, 1], members()).unwrap();
    let union = UnionArray::try_new(
        fields.clone(),
        vec![0_i8, 0].into(),
        None,
        vec![Arc::new(Int64Array::from(vec![1, 2])), texts(&[CANARY, CANARY])],
    );
    check(Arc::new(union.unwrap()));
    let union = UnionArray::try_new(
        fields,
        vec![0_i8, 0].into(),
        Some(vec![0, 1].into()),
        vec![Arc::new(Int64Array::from(vec![1, 2])), texts(&[CANARY, CANARY])],
    );
    check(Arc::new(union.unwrap()));
}

#[test]
fn in_bytes_beside_views() {
    let views = StringViewArray::from(vec![CANARY, KEPT]);
    check(Arc::new(views));
    // One view within a longer text that nothing else shows.
    let data = Buffer::from(format!("{KEPT}{CANARY}").as_bytes());
    let view = arrow::array::builder::make_view(KEPT.as_bytes(), 0, 0);
    check(Arc::new(BinaryViewArray::new(vec![view, view].into(), vec![data], None)));
}

fn canary() -> Matcher {
    matcher(&[("c".to_owned(), CANARY.to_owned())])
}

/// Takes the only row with the canary out of the second of two batches; the first one holds it where no row shows it, whoever knows of it.
fn check_beside(bytes: &[u8], row: u64) {
    let places = |bytes: &[u8]| ipc::residue(&Bytes::copy_from_slice(bytes), &canary(), &Limits::default()).unwrap();
    assert_eq!(places(bytes).len(), 1, "the test must put the canary into the first batch");
    let (out, _) = rewrite(bytes, &[row], Change::Delete).unwrap();
    assert!(!holds(&out, CANARY.as_bytes()));
    assert_eq!((places(&out).len(), read(&out)[0].clone()), (0, read(bytes)[0].clone()));
}

#[test]
fn in_batches_that_keep_all_their_rows() {
    // Views of slices: every batch has the data of all.
    let views: ArrayRef = Arc::new(StringViewArray::from(vec![KEPT, "other@contoso.example", CANARY, KEPT]));
    let batch = RecordBatch::try_from_iter_with_nullable([("c", views, true)]).unwrap();
    let slices = [batch.slice(0, 2), batch.slice(2, 2)];
    for (file, codec) in [(true, None), (false, Some(CompressionType::ZSTD)), (true, Some(CompressionType::LZ4_FRAME))]
    {
        check_beside(&encode(&batch.schema(), &slices, file, codec, 8), 2);
    }
    // Some writers pad a slice's buffer with what comes next, and not with zeros.
    let batches = [[KEPT, "a"], ["b", CANARY]]
        .map(|column| RecordBatch::try_from_iter_with_nullable([("c", texts(&column), true)]).unwrap());
    let mut bytes = encode(&batches[0].schema(), &batches, true, None, 64);
    let at = bytes.windows(KEPT.len()).position(|window| window == KEPT.as_bytes()).unwrap() + KEPT.len() + 1;
    bytes[at..at + CANARY.len()].copy_from_slice(CANARY.as_bytes());
    check_beside(&bytes, 3);
    // In another spelling, where case makes no difference.
    let shout = CANARY.to_ascii_uppercase();
    bytes[at..at + CANARY.len()].copy_from_slice(shout.as_bytes());
    let places = |who| ipc::residue(&Bytes::copy_from_slice(&bytes), who, &Limits::default()).unwrap().len();
    assert_eq!((places(&canary()), places(&insensitive("c", CANARY))), (0, 1));
    // Numbers, and values of other columns, too.
    let numbers: [ArrayRef; 2] =
        [vec![100_001, 100_002], vec![3, 778_899]].map(|column| Arc::new(Int32Array::from(column)) as _);
    let batches = numbers.map(|column| RecordBatch::try_from_iter_with_nullable([("n", column, true)]).unwrap());
    let mut bytes = encode(&batches[0].schema(), &batches, true, None, 64);
    let last = 100_002_i32.to_le_bytes();
    let at = bytes.windows(4).position(|window| window == last).unwrap() + 4;
    let canary_bytes = 778_899_i32.to_le_bytes();
    bytes[at..at + 4].copy_from_slice(&canary_bytes);
    assert!(!holds(&rewrite(&bytes, &[3], Change::Delete).unwrap().0, &canary_bytes));
    // What a row of the batch shows is that row's.
    let batches = [[KEPT, CANARY], ["b", CANARY]]
        .map(|column| RecordBatch::try_from_iter_with_nullable([("c", texts(&column), true)]).unwrap());
    let bytes = encode(&batches[0].schema(), &batches, true, None, 64);
    let (out, _) = rewrite_for(&bytes, &[3], Change::Delete, &canary()).unwrap();
    assert_eq!(messages(&out)[1].body, messages(&bytes)[1].body);
}
