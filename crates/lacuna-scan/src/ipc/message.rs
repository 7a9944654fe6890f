//! What a message's metadata says: verified as a flatbuffer, and checked against the body and the limits before use.

use std::ops::Range;

use arrow::ipc::{self, MetadataVersion};

use super::frame::{self, Message};
use super::schema::Table;
use crate::{Error, Limits, Result};

/// A message's content.
#[derive(Debug)]
pub enum Header {
    /// The columns.
    Schema(Table),
    /// Values of a dictionary.
    Dictionary {
        /// Which one.
        id: i64,
        /// Whether they come behind those that are there, or take their place.
        delta: bool,
        /// The values: one column.
        batch: Batch,
    },
    /// Rows.
    Batch(Batch),
}

/// How a batch lies in its message's body.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where its message lies in the shard.
    pub offset: u64,
    /// The number of rows.
    pub rows: usize,
    /// Length and number of nulls of every column, from outside in.
    pub nodes: Vec<Node>,
    /// The buffers, as ranges of the body; within it.
    pub buffers: Vec<Range<usize>>,
    /// How many data buffers each view column has.
    pub variadic: Vec<usize>,
    /// How buffers are compressed.
    pub codec: Option<Codec>,
    /// Whether unions carry a validity bitmap, as they did before metadata version 5.
    pub union_validity: bool,
}

/// Length and nulls of one column of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Number of values, at most `limits.message_bytes_max`.
    pub length: usize,
    /// Whether some are null.
    pub has_nulls: bool,
}

/// How buffers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// LZ4 frames.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

/// The flatbuffer of the message at `offset`, verified.
pub fn verify(metadata: &[u8], offset: u64) -> Result<ipc::Message<'_>> {
    // The verifier's own words name field types and positions only, but say nothing that a reader could act on.
    let first = |_| if offset < 64 { frame::not_arrow(metadata) } else { Error::malformed(offset, "message metadata") };
    ipc::root_as_message(metadata).map_err(first)
}

/// How many bytes follow the metadata of the message at `offset`.
pub(super) fn body_length(metadata: &[u8], offset: u64, limits: &Limits) -> Result<usize> {
    let message = verify(metadata, offset)?;
    let length = usize::try_from(message.bodyLength())
        .map_err(|_| Error::malformed(offset, "a message body of negative length"))?;
    Error::check_limit("message", length as u64, limits.message_bytes_max as u64, "message_bytes_max")?;
    Ok(length)
}

impl Header {
    /// Reads the metadata of `message`.
    pub fn new(message: &Message, limits: &Limits) -> Result<Self> {
        let offset = message.offset;
        let flat = verify(&message.metadata, offset)?;
        let malformed = |what| Error::malformed(offset, what);
        let version = flat.version();
        if version != MetadataVersion::V4 && version != MetadataVersion::V5 {
            return Err(Error::Unsupported { what: "Arrow IPC metadata before version 4 or after version 5".into() });
        }
        let batch = |batch| Batch::new(batch, message, version, limits);
        match flat.header_type() {
            ipc::MessageHeader::Schema => {
                let schema = flat.header_as_schema().ok_or_else(|| malformed("a schema message without a schema"))?;
                if !message.body.is_empty() {
                    return Err(malformed("a schema message with a body"));
                }
                Ok(Self::Schema(Table::new(schema, offset, limits)?))
            }
            ipc::MessageHeader::DictionaryBatch => {
                let dictionary = flat.header_as_dictionary_batch().ok_or_else(|| malformed("an empty message"))?;
                let data = dictionary.data().ok_or_else(|| malformed("a dictionary without values"))?;
                Ok(Self::Dictionary { id: dictionary.id(), delta: dictionary.isDelta(), batch: batch(data)? })
            }
            ipc::MessageHeader::RecordBatch => {
                Ok(Self::Batch(batch(flat.header_as_record_batch().ok_or_else(|| malformed("an empty message"))?)?))
            }
            ipc::MessageHeader::Tensor | ipc::MessageHeader::SparseTensor => {
                Err(Error::Unsupported { what: "tensors among the messages".into() })
            }
            _ => Err(Error::Unsupported { what: "a kind of message that is not known".into() }),
        }
    }
}

impl Batch {
    fn new(batch: ipc::RecordBatch<'_>, message: &Message, version: MetadataVersion, limits: &Limits) -> Result<Self> {
        let offset = message.offset;
        let malformed = |what| Error::malformed(offset, what);
        // Columns of nulls and runs take no bytes for a row, so a count alone could ask for any amount of work.
        let count = |count: i64| {
            let count = usize::try_from(count).map_err(|_| malformed("a negative count"))?;
            Error::check_limit("number of rows", count as u64, limits.message_bytes_max as u64, "message_bytes_max")?;
            Ok(count)
        };
        let mut nodes = Vec::new();
        for node in batch.nodes().into_iter().flatten() {
            nodes.push(Node { length: count(node.length())?, has_nulls: node.null_count() != 0 });
        }
        let mut buffers = Vec::new();
        for buffer in batch.buffers().into_iter().flatten() {
            let range = usize::try_from(buffer.offset()).ok().and_then(|start| {
                let end = start.checked_add(usize::try_from(buffer.length()).ok()?)?;
                (end <= message.body.len()).then_some(start..end)
            });
            buffers.push(range.ok_or_else(|| malformed("a buffer outside its message"))?);
        }
        let mut variadic = Vec::new();
        for buffers in batch.variadicBufferCounts().into_iter().flatten() {
            variadic.push(usize::try_from(buffers).map_err(|_| malformed("a negative count"))?);
        }
        let codec = match batch.compression() {
            None => None,
            Some(compression) => {
                if compression.method() != ipc::BodyCompressionMethod::BUFFER {
                    return Err(Error::Unsupported { what: "a compression method that is not known".into() });
                }
                match compression.codec() {
                    ipc::CompressionType::LZ4_FRAME => Some(Codec::Lz4),
                    ipc::CompressionType::ZSTD => Some(Codec::Zstd),
                    _ => return Err(Error::Unsupported { what: "a compression codec that is not known".into() }),
                }
            }
        };
        let union_validity = version < MetadataVersion::V5;
        Ok(Self { offset, rows: count(batch.length())?, nodes, buffers, variadic, codec, union_validity })
    }
}
