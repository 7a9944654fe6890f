//! Bad bytes: an error that says what is wrong, never a panic, never a silent miss.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, StringViewArray};
use arrow::ipc::CompressionType;
use lacuna_scan::ipc::frame::{Frame, Framer, Message};
use lacuna_scan::ipc::{IpcSearch, footer};
use lacuna_scan::{Error, Ignore, Limits, StreamSearch};
use proptest::prelude::*;

use super::tables::{dictionaries_last, encode, table};
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

fn keys(keys: &[i8], values: &[&str]) -> RecordBatch {
    let values = Arc::new(StringArray::from(values.to_vec()));
    let keys = arrow::array::Int8Array::from(keys.to_vec());
    let array = arrow::array::DictionaryArray::<arrow::datatypes::Int8Type>::new(keys, values);
    RecordBatch::try_from_iter([("user", Arc::new(array) as ArrayRef)]).unwrap()
}

/// Readers of files load all dictionaries first, in the footer's order, so values may lie behind the rows that use them.
#[test]
fn values_behind_the_rows_that_use_them_are_no_miss() {
    let batches = [keys(&[0], &["bob"]), keys(&[1], &["bob", "ann"])];
    let bytes = encode(&batches[0].schema(), &batches, true, None, 8);
    for bytes in [dictionaries_last(&bytes), bytes] {
        let (summary, kept) = search(&bytes, &user_only()).unwrap();
        assert_eq!((summary.rows, kept.0.iter().map(|(row, ..)| *row).collect::<Vec<_>>()), (2, vec![1]));
    }
}

/// Whoever reads a stream has only what came before: there, such rows say nothing. Bytes at its end that look like a footer change nothing.
#[test]
fn a_stream_has_its_values_in_front() {
    let batch = keys(&[0], &["ann"]);
    let file = dictionaries_last(&encode(&batch.schema(), std::slice::from_ref(&batch), true, None, 8));
    let stream = |end: usize| search(&file[8..end], &user_only()).err().unwrap();
    assert!(matches!(stream(messages_end(&file)), Error::Unsupported { .. }));
    assert!(matches!(stream(file.len()), Error::Malformed { .. } | Error::Unsupported { .. }));
}

/// A footer that lists a dictionary that is another message, or lies nowhere.
#[test]
fn a_footer_that_lists_no_dictionary_is_refused() {
    let batch = keys(&[0], &["ann"]);
    let file = dictionaries_last(&encode(&batch.schema(), std::slice::from_ref(&batch), true, None, 8));
    let listed =
        footer::listed(&file[file.len() - 10 - footer::length(&file).unwrap() as usize..file.len() - 10]).unwrap();
    let [at] = listed.dictionaries.as_slice() else { unreachable!("one dictionary") };
    let place = file.windows(8).rposition(|window| window == at.offset.to_le_bytes()).unwrap();
    for wrong in [listed.batches[0].offset, at.offset + 8, 1 << 40, u64::MAX] {
        let mut file = file.clone();
        file[place..place + 8].copy_from_slice(&wrong.to_le_bytes());
        assert!(search(&file, &user_only()).is_err(), "{wrong}");
    }
}

/// Where a file's last message ends.
fn messages_end(file: &[u8]) -> usize {
    let mut framer = Framer::new(Limits::default());
    framer.push(file.to_vec().into());
    let mut end = 0;
    while let Some(frame) = framer.advance().unwrap() {
        if let Frame::Message(Message { offset, prefix, metadata, body }) = frame {
            end = offset as usize + prefix.len() + metadata.len() + body.len();
        }
    }
    end
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
