//! A message's or footer's metadata with other numbers in it. All else that it says stays, byte for byte.

use arrow::ipc;
use bytes::Bytes;
use lacuna_scan::Limits;
use lacuna_scan::ipc::footer::{self, Block, Blocks};
use lacuna_scan::ipc::frame::Message;
use lacuna_scan::ipc::message::{self, Batch, Header};

use super::gather::Gathered;
use super::pack::Body;
use crate::{Error, Result};

/// Bytes of an offset or length in a flatbuffer.
const WORD: usize = 4;
/// What writers align messages to, at most.
const ALIGNMENT: usize = 64;

/// `message` with `rows` rows and other buffers.
pub(super) fn message(
    message: &Message,
    rows: usize,
    gathered: &Gathered,
    body: Body,
    limits: &Limits,
) -> Result<Message> {
    let flat = message::verify(&message.metadata, message.offset)?;
    let batch = match flat.header_type() {
        ipc::MessageHeader::RecordBatch => flat.header_as_record_batch(),
        _ => flat.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()),
    };
    let batch = batch.ok_or_else(unfit)?;

    let mut patch = Patch { bytes: message.metadata.to_vec() };
    let field = |table: u16, loc: usize| (table != 0).then_some(loc + usize::from(table));
    let rows_at = field(batch._tab.vtable().get(ipc::RecordBatch::VT_LENGTH), batch._tab.loc());
    patch.number(rows_at, batch.length(), rows)?;
    let body_at = field(flat._tab.vtable().get(ipc::Message::VT_BODYLENGTH), flat._tab.loc());
    patch.number(body_at, flat.bodyLength(), body.bytes.len())?;
    let pairs = |pairs: &[(usize, usize)]| {
        let words = pairs.iter().flat_map(|&(a, b)| [a, b]);
        words.flat_map(|word| (word as u64).to_le_bytes()).collect::<Vec<u8>>()
    };
    let nodes = batch.nodes().map_or(&[][..], |nodes| nodes.bytes());
    patch.bytes(within(&message.metadata, nodes), nodes.len(), &pairs(&gathered.nodes))?;
    let ranges: Vec<_> = body.buffers.iter().map(|range| (range.start, range.len())).collect();
    let buffers = batch.buffers().map_or(&[][..], |buffers| buffers.bytes());
    patch.bytes(within(&message.metadata, buffers), buffers.len(), &pairs(&ranges))?;

    let patched = Message { metadata: patch.bytes.into(), body: body.bytes.into(), ..message.clone() };
    // A flatbuffer may use the same bytes twice; then patching one number would have changed another.
    let (Header::Batch(read) | Header::Dictionary { batch: read, .. }) = Header::new(&patched, limits)? else {
        return Err(unfit());
    };
    let nodes = read.nodes.iter().map(|node| (node.length, node.has_nulls));
    let same = read.rows == rows
        && nodes.eq(gathered.nodes.iter().map(|&(length, nulls)| (length, nulls > 0)))
        && read.buffers == body.buffers
        && is_like(&read, message, limits)?;
    if same { Ok(patched) } else { Err(unfit()) }
}

/// Whether what was not to be patched is as it was.
fn is_like(read: &Batch, before: &Message, limits: &Limits) -> Result<bool> {
    let (Header::Batch(before) | Header::Dictionary { batch: before, .. }) = Header::new(before, limits)? else {
        return Ok(false);
    };
    Ok(read.variadic == before.variadic && read.codec == before.codec)
}

/// A file's `tail`, with the messages at other places.
pub(super) fn tail(tail: &Bytes, blocks: &Blocks, offset: u64) -> Result<Vec<u8>> {
    let located = footer::locate(tail, offset)?;
    let flat = footer::verify(&located, offset)?;
    let mut patch = Patch { bytes: tail.to_vec() };
    for (vector, blocks) in [(flat.dictionaries(), &blocks.dictionaries), (flat.recordBatches(), &blocks.batches)] {
        let bytes = vector.map_or(&[][..], |vector| vector.bytes());
        let mut patched = Vec::new();
        for &Block { offset, metadata, body } in blocks {
            patched.extend_from_slice(&offset.to_le_bytes());
            patched.extend_from_slice(&metadata.to_le_bytes());
            patched.extend_from_slice(&body.to_le_bytes());
        }
        patch.bytes(within(tail, bytes), bytes.len(), &patched)?;
    }
    let read = footer::locate(&patch.bytes.clone().into(), offset)?;
    let read = footer::verify(&read, offset)?;
    let list = |vector: Option<_>, blocks: &[Block]| {
        let offsets = vector.into_iter().flatten().map(|block: &ipc::Block| (block.offset(), block.bodyLength()));
        offsets.eq(blocks.iter().map(|block| (block.offset.cast_signed(), block.body.cast_signed())))
    };
    let same = list(read.dictionaries(), &blocks.dictionaries) && list(read.recordBatches(), &blocks.batches);
    if same { Ok(patch.bytes) } else { Err(unfit()) }
}

/// A flatbuffer with other texts: each in place of the one that the offset at its position leads to. Where it does not fit there, it
/// comes to the end.
pub(super) fn texts(flat: &[u8], texts: &[(usize, String)]) -> Result<Vec<u8>> {
    let mut patch = Patch { bytes: flat.to_vec() };
    for (at, text) in texts {
        patch.text(*at, text)?;
    }
    Ok(patch.bytes)
}

pub(super) fn unfit() -> Error {
    Error::Unfaithful("its metadata is laid out so that it cannot be changed in place".into())
}

/// Where `part` starts, which lies within `whole`.
fn within(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

fn word(value: usize) -> Result<[u8; WORD]> {
    Ok(u32::try_from(value).map_err(|_| unfit())?.to_le_bytes())
}

struct Patch {
    bytes: Vec<u8>,
}

impl Patch {
    fn bytes(&mut self, at: usize, length: usize, value: &[u8]) -> Result<()> {
        if length != value.len() {
            return Err(unfit());
        }
        if length > 0 {
            self.bytes.get_mut(at..at + length).ok_or_else(unfit)?.copy_from_slice(value);
        }
        Ok(())
    }

    /// The text that the offset at `at` leads to. Of the one before, no byte stays.
    fn text(&mut self, at: usize, text: &str) -> Result<()> {
        let start = at + self.word(at)?;
        let room = self.word(start)?;
        let start = start + WORD;
        let held = self.bytes.get_mut(start..start + room).ok_or_else(unfit)?;
        held.fill(0);
        if let Some(held) = held.get_mut(..text.len()) {
            held.copy_from_slice(text.as_bytes());
            return self.set_word(start - WORD, text.len());
        }
        self.set_word(start - WORD, 0)?;
        self.bytes.resize(self.bytes.len().next_multiple_of(WORD), 0);
        self.set_word(at, self.bytes.len() - at)?;
        self.bytes.extend_from_slice(&word(text.len())?);
        self.bytes.extend_from_slice(text.as_bytes());
        // A text ends with a zero, and what comes behind a message is aligned.
        self.bytes.resize((self.bytes.len() + 1).next_multiple_of(ALIGNMENT), 0);
        Ok(())
    }

    fn word(&self, at: usize) -> Result<usize> {
        let bytes = self.bytes.get(at..at + WORD).and_then(|bytes| bytes.first_chunk());
        usize::try_from(u32::from_le_bytes(*bytes.ok_or_else(unfit)?)).map_err(|_| unfit())
    }

    fn set_word(&mut self, at: usize, value: usize) -> Result<()> {
        self.bytes(at, WORD, &word(value)?)
    }

    /// A number that stands at `at`; nowhere when it is zero.
    fn number(&mut self, at: Option<usize>, before: i64, value: usize) -> Result<()> {
        match at {
            Some(at) => self.bytes(at, 8, &(value as u64).to_le_bytes()),
            None if before == 0 && value == 0 => Ok(()),
            None => Err(unfit()),
        }
    }
}
