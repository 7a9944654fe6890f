//! Whether a file's footer lists what the file holds.
//!
//! Readers of files go by the footer alone. So a search that goes by the messages is only right where both agree: the same
//! columns, and every message listed, in the order in which they are read.

use arrow::ipc;
use bytes::Bytes;

use super::frame::{MAGIC, Message};
use super::schema::{Column, Table};
use crate::{Error, Limits, Result};

/// Where a message lies, as a footer lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its first byte in the file.
    pub offset: u64,
    /// Bytes of its prefix and metadata.
    pub metadata: u64,
    /// Bytes of its body.
    pub body: u64,
}

impl Block {
    /// Where `message` lies.
    pub fn of(message: &Message) -> Self {
        Self {
            offset: message.offset,
            metadata: (message.prefix.len() + message.metadata.len()) as u64,
            body: message.body.len() as u64,
        }
    }

    /// Behind its last byte; `None` when that is nowhere.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.metadata)?.checked_add(self.body)
    }
}

/// Messages, in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// Those with values of dictionaries.
    pub dictionaries: Vec<Block>,
    /// Those with rows.
    pub batches: Vec<Block>,
}

impl Blocks {
    /// Whether all dictionaries lie in front of the rows, in their order.
    pub fn are_in_order(&self) -> bool {
        let first = self.batches.iter().map(|block| block.offset).min();
        self.dictionaries.is_sorted_by_key(|block| block.offset)
            && self.dictionaries.last().is_none_or(|last| first.is_none_or(|first| last.offset < first))
    }
}

/// How long the footer is in front of a file's last bytes; `None` when they are not those of a file.
pub fn length(tail: &[u8]) -> Option<u64> {
    let (_, length) = tail.strip_suffix(MAGIC)?.split_last_chunk::<4>()?;
    u64::try_from(i32::from_le_bytes(*length)).ok()
}

/// The messages that a footer lists; `None` when it cannot be read.
pub fn listed(footer: &[u8]) -> Option<Blocks> {
    blocks(&ipc::root_as_footer(footer).ok()?)
}

fn blocks(footer: &ipc::Footer<'_>) -> Option<Blocks> {
    let dictionaries = footer.dictionaries().into_iter().flatten().map(block).collect::<Option<_>>()?;
    let batches = footer.recordBatches().into_iter().flatten().map(block).collect::<Option<_>>()?;
    Some(Blocks { dictionaries, batches })
}

/// The flatbuffer in a file's `tail`, which is all that lies behind the last message and its end marker.
pub fn locate(tail: &Bytes, offset: u64) -> Result<Bytes> {
    let cut_off = || Error::Truncated { what: "its footer is not whole".into() };
    let rest = tail.strip_suffix(MAGIC).ok_or_else(cut_off)?;
    let (rest, length) = rest.split_last_chunk::<4>().ok_or_else(cut_off)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).ok().filter(|&length| length <= rest.len());
    let (padding, _) = rest.split_at(rest.len() - length.ok_or_else(cut_off)?);
    if padding.iter().any(|&byte| byte != 0) {
        return Err(Error::malformed(offset, "bytes between the last message and the footer"));
    }
    Ok(tail.slice(padding.len()..rest.len()))
}

/// The flatbuffer `footer`, verified.
pub fn verify(footer: &[u8], offset: u64) -> Result<ipc::Footer<'_>> {
    ipc::root_as_footer(footer).map_err(|_| Error::malformed(offset, "the footer"))
}

/// Fails unless the footer lists `read` and describes `table`.
pub fn check(footer: &[u8], offset: u64, table: &Table, read: &Blocks, limits: &Limits) -> Result<()> {
    let footer = verify(footer, offset)?;
    let malformed = |what| Error::malformed(offset, what);
    let schema = footer.schema().ok_or_else(|| malformed("a footer without a schema"))?;
    let stated = Table::new(schema, offset, limits)?;
    let same = |a: &Column, b: &Column| a.field.data_type() == b.field.data_type() && ids(a) == ids(b);
    let agree = stated.columns.len() == table.columns.len()
        && stated.columns.iter().zip(&table.columns).all(|(a, b)| a.field.name() == b.field.name() && same(a, b));
    if !agree {
        return Err(malformed("the footer's schema is not that of the messages"));
    }
    if blocks(&footer).as_ref() == Some(read) {
        Ok(())
    } else {
        Err(malformed("the footer does not list the messages that the file holds"))
    }
}

fn block(block: &ipc::Block) -> Option<Block> {
    Some(Block {
        offset: u64::try_from(block.offset()).ok()?,
        metadata: u64::try_from(block.metaDataLength()).ok()?,
        body: u64::try_from(block.bodyLength()).ok()?,
    })
}

/// The ids of the dictionaries of a column and those within, from outside in.
fn ids(column: &Column) -> Vec<i64> {
    let mut all: Vec<i64> = column.dictionary.iter().map(|dictionary| dictionary.id).collect();
    let values = column.dictionary.iter().map(|dictionary| dictionary.values.as_ref());
    for child in column.children.iter().chain(values) {
        all.extend(ids(child));
    }
    all
}
