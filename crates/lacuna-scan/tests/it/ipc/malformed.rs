//! Bad bytes: an error that says what is wrong, never a panic, never a silent miss.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, StringViewArray};
use arrow::ipc::CompressionType;
use lacuna_scan::ipc::IpcSearch;
use lacuna_scan::ipc::frame::{Frame, Framer, Message};
use lacuna_scan::{Error, Ignore, Limits, StreamSearch};
use proptest::prelude::*;

use super::tables::{encode, table};
use super::{matcher, search};

fn small() -> RecordBatch {
    let dictionary: arrow::array::DictionaryArray<arrow::datatypes::Int8Type> =
        [Some("x"), None, Some("y")].into_iter().collect();
    RecordBatch::try_from_iter([
        ("user", Arc::new(StringArray::from(vec!["ann", "bob", "ann"])) as ArrayRef),
        ("view", Arc::new(StringViewArray::from(vec!["ann", "a text that is long", "x"]))),
        ("app", Arc::new(dictionary)),
    ])
    .unwrap()
}

fn user() -> Arc<lacuna_scan::Matcher> {
    matcher(&[("user", "ann"), ("app", "x"), ("view", "ann")])
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    for codec in [None, Some(CompressionType::LZ4_FRAME)] {
        let batch = small();
        let bytes = encode(&batch.schema(), &[batch.clone(), batch.clone()], true, codec, 8);
        assert_eq!(search(&bytes, &user()).unwrap().0.rows, 6);
        for length in 0..bytes.len() {
            assert!(search(&bytes[..length], &user()).is_err(), "{length}");
        }
    }
}

#[test]
fn a_stream_may_end_between_messages_only() {
    let batch = small();
    let bytes = encode(&batch.schema(), &[batch.clone(), batch.clone()], false, None, 8);
    let mut ends = Vec::new();
    for length in 0..bytes.len() {
        match search(&bytes[..length], &user()) {
            Ok((summary, _)) => ends.push(summary.rows),
            Err(error) => assert!(matches!(error, Error::Truncated { .. }), "{length}: {error}"),
        }
    }
    // Behind the schema, the dictionary, and each batch (the second one needs no dictionary).
    assert_eq!(ends, [0, 0, 3, 6]);
}

#[test]
fn other_formats_are_named() {
    for (bytes, expected) in [
        (&b"PAR1\x15\x04\x15\x10PAR1"[..], "is not Arrow IPC: it starts like a Parquet file"),
        (b"{\"user\": \"ann\"}\n", "is not Arrow IPC: it starts like JSON"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "is not Arrow IPC: it starts like a gzip file"),
        (b"FEA1\0\0\0\0FEA1", "is not Arrow IPC: it is a Feather file of version 1, which is no Arrow IPC"),
        (b"user,app\nann,x\n", "is not Arrow IPC: it starts with neither the file magic nor a schema message"),
        (b"a,b", "is not Arrow IPC: it starts with neither the file magic nor a schema message"),
        (b"", "is cut off: it has no bytes"),
    ] {
        assert_eq!(search(bytes, &user()).err().unwrap().to_string(), expected);
    }
}

#[test]
fn bytes_behind_the_end_are_no_secret_place() {
    let batch = small();
    let stream = encode(&batch.schema(), std::slice::from_ref(&batch), false, None, 8);
    let twice = [stream.clone(), stream].concat();
    assert!(matches!(search(&twice, &user()), Err(Error::Malformed { .. })));
}

/// A file whose footer does not list a batch that lies in it, or lists one twice.
#[test]
fn a_footer_that_lists_other_messages_is_refused() {
    let batch = small();
    let one = encode(&batch.schema(), std::slice::from_ref(&batch), true, None, 8);
    let two = encode(&batch.schema(), &[batch.clone(), batch.clone()], true, None, 8);
    let footer = |bytes: &[u8]| {
        let at = bytes.len() - 10;
        let length = i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        at - length
    };
    let mixed = [&two[..footer(&two)], &one[footer(&one)..]].concat();
    let problem = search(&mixed, &user()).err().unwrap().to_string();
    assert!(problem.contains("the footer does not list the messages that the file holds"), "{problem}");
}

/// Readers of files load all dictionaries first, so values may lie behind the rows that use them. That is not read here, and
/// must not be taken for a row without a match.
#[test]
fn values_behind_the_rows_that_use_them_are_no_silent_miss() {
    let keys = |keys: &[i8], values: &[&str]| {
        let values = Arc::new(StringArray::from(values.to_vec()));
        let keys = arrow::array::Int8Array::from(keys.to_vec());
        let array = arrow::array::DictionaryArray::<arrow::datatypes::Int8Type>::new(keys, values);
        RecordBatch::try_from_iter([("user", Arc::new(array) as ArrayRef)]).unwrap()
    };
    let batches = [keys(&[0], &["bob"]), keys(&[1], &["bob", "ann"])];
    let bytes = encode(&batches[0].schema(), &batches, true, None, 8);
    assert_eq!(search(&bytes, &user_only()).unwrap().0.matches.count(0), 1);

    // The last two messages, values and rows, change places.
    let mut framer = Framer::new(Limits::default());
    framer.push(bytes.clone().into());
    let mut messages = Vec::new();
    while let Some(frame) = framer.advance().unwrap() {
        if let Frame::Message(message) = frame {
            messages.push(message);
        }
    }
    let [.., values, rows] = messages.as_slice() else { unreachable!("five messages") };
    let raw = |message: &Message| [&message.prefix[..], &message.metadata, &message.body].concat();
    let (start, end) = (values.offset as usize, rows.offset as usize + raw(rows).len());
    let mut swapped = bytes[..start].to_vec();
    swapped.extend(raw(rows));
    let values_at = swapped.len() as u64;
    swapped.extend(raw(values));
    swapped.extend(&bytes[end..]);
    for (message, at) in [(values, values_at), (rows, values.offset)] {
        let old = message.offset.to_le_bytes();
        let tail = bytes.len() - 400;
        let found = bytes[tail.max(end)..].windows(8).position(|window| window == old).unwrap() + tail.max(end);
        swapped[found..found + 8].copy_from_slice(&at.to_le_bytes());
    }
    assert!(matches!(search(&swapped, &user_only()), Err(Error::Malformed { .. })));
}

fn user_only() -> Arc<lacuna_scan::Matcher> {
    matcher(&[("user", "ann")])
}

#[test]
fn sizes_are_checked_before_they_are_taken() {
    let zeros = Int32Array::from(vec![0; 1 << 20]);
    let batch = RecordBatch::try_from_iter([("n", Arc::new(zeros) as ArrayRef)]).unwrap();
    let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), true, Some(CompressionType::ZSTD), 8);
    assert!(bytes.len() < 1 << 16);
    let limits = Limits { message_bytes_max: 1 << 20, ..Limits::default() };
    let mut search = IpcSearch::new(matcher(&[("n", "1")]), limits);
    let problem = search.feed(bytes.into(), &mut Ignore).err().unwrap().to_string();
    let expected = "message of 4194304 is over the limit of 1048576 (`limits.message_bytes_max`, and for each thread a quarter of \
                    its part of `--memory`)";
    assert_eq!(problem, expected);
}

#[test]
fn every_flipped_bit_is_survived() {
    let batch = small();
    for (file, codec) in [(true, None), (false, Some(CompressionType::ZSTD)), (false, Some(CompressionType::LZ4_FRAME))]
    {
        let bytes = encode(&batch.schema(), std::slice::from_ref(&batch), file, codec, 8);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                let _ = search(&broken, &user());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_search_panic(
        table in table(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = table.bytes();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let identifiers = table.identifiers(1);
        let identifiers: Vec<_> = identifiers.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
        let _ = search(&bytes, &matcher(&identifiers));
    }
}
