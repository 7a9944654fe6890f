//! Pieces of a shard into batches of rows, each with the dictionaries that stood when it was read.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{FieldRef, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;

use super::ahead::Ahead;
use super::decode::{self, Place};
use super::dictionaries::Dictionaries;
use super::footer::{self, Block, Blocks};
use super::frame::{Ending, Frame, Framer, Message};
use super::message::{Batch, Header};
use super::schema::{Column, Table};
use crate::{Error, Limits, Result};

/// Reads a shard that is handed over in consecutive pieces.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    framer: Framer,
    table: Option<Arc<Table>>,
    dictionaries: Arc<Dictionaries>,
    given: HashSet<i64>,
    ahead: Ahead,
    /// Where the dictionaries lie that were read ahead; empty when each is read where it lies.
    known: Vec<Block>,
    blocks: Blocks,
    end: u64,
}

/// What the reader met.
#[derive(Debug)]
pub enum Event {
    /// The magic, or the end-of-stream marker: bytes that hold nothing.
    Marker(Bytes),
    /// The columns. Comes first, and once.
    Schema(Message, Arc<Table>),
    /// A dictionary got values; those in front of `first` are as they were.
    Dictionary(Message, DictionaryValues),
    /// Rows.
    Rows(Message, Rows),
}

/// Values that a message gave a dictionary.
#[derive(Debug)]
pub struct DictionaryValues {
    /// Which dictionary.
    pub id: i64,
    /// The position of the first of them; 0 when they take the place of what was there.
    pub first: usize,
    /// All values of the dictionary as it stands now.
    pub values: ArrayRef,
    /// What its values are.
    pub column: Arc<Column>,
    /// How the message's values lie in it.
    pub batch: Batch,
}

/// Rows as they lie in a message, ready to be decoded column by column.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The columns.
    pub table: Arc<Table>,
    /// How they lie in the body.
    pub batch: Batch,
    /// The body.
    pub body: Bytes,
    /// Where each column lies.
    pub places: Vec<Place>,
    /// The dictionaries that the columns point into.
    pub dictionaries: Arc<Dictionaries>,
    /// The bytes of all columns once decompressed.
    pub plain_bytes: u64,
}

impl Rows {
    /// Column `index`, decoded.
    pub fn column(&self, index: usize) -> Result<ArrayRef> {
        decode::column(&self.table.columns[index], self.places[index], &self.batch, &self.body, &self.dictionaries)
    }

    /// Column `index` as records show it, with its field: text that is not UTF-8 as the bytes it is.
    pub fn shown(&self, index: usize) -> Result<(FieldRef, ArrayRef)> {
        let column = &self.table.columns[index];
        self.column(index).map(|array| (column.field.clone(), array)).or_else(|error| {
            let bare = column.bare();
            let array = decode::column(&bare, self.places[index], &self.batch, &self.body, &self.dictionaries);
            array.map(|array| (bare.field, array)).map_err(|_| error)
        })
    }

    /// All columns as records show them.
    pub fn decode(&self) -> Result<RecordBatch> {
        let columns = (0..self.table.columns.len()).map(|index| self.shown(index)).collect::<Result<_>>()?;
        self.assemble(columns, self.batch.rows)
    }

    /// `columns` as a batch of `rows` rows.
    pub fn assemble(&self, columns: Vec<(FieldRef, ArrayRef)>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let mut schema = self.table.schema.clone();
        if schema.fields()[..] != fields[..] {
            schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        }
        RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|_| Error::malformed(self.batch.offset, "a batch whose columns contradict the schema"))
    }
}

impl Reader {
    /// A reader at a shard's first byte.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            framer: Framer::new(limits),
            table: None,
            dictionaries: Arc::default(),
            given: HashSet::new(),
            ahead: Ahead::default(),
            known: Vec::new(),
            blocks: Blocks::default(),
            end: 0,
        }
    }

    /// The same, with the dictionaries that a file needs first. They come behind the schema, and not where they lie.
    #[must_use]
    pub fn with_ahead(self, ahead: Ahead) -> Self {
        Self { known: ahead.blocks(), ahead, ..self }
    }

    /// Whether the shard is a file, once its first event is out.
    pub fn is_file(&self) -> bool {
        self.framer.is_file()
    }

    /// Adds the next piece.
    pub fn push(&mut self, piece: Bytes) {
        self.framer.push(piece);
    }

    /// What comes next, when all of it is there.
    pub fn advance(&mut self) -> Result<Option<Event>> {
        if self.is_file()
            && let Some(table) = self.table.clone()
            && let Some(message) = self.ahead.next()
        {
            return self.early(&table, message).map(Some);
        }
        loop {
            let message = match self.framer.advance()? {
                None => return Ok(None),
                Some(Frame::Magic(bytes) | Frame::End(bytes)) => return Ok(Some(Event::Marker(bytes))),
                Some(Frame::Message(message)) => message,
            };
            if let Some(event) = self.message(message)? {
                return Ok(Some(event));
            }
        }
    }

    /// A dictionary that was read ahead.
    fn early(&mut self, table: &Table, message: Message) -> Result<Event> {
        let Header::Dictionary { id, delta, batch } = Header::new(&message, &self.limits)? else {
            return Err(Error::malformed(message.offset, "a footer that takes another message for a dictionary"));
        };
        let values = self.dictionary(table, id, delta, batch, &message)?;
        Ok(Event::Dictionary(message, values))
    }

    /// What a message says; nothing when that is known already.
    fn message(&mut self, message: Message) -> Result<Option<Event>> {
        let block = Block::of(&message);
        self.end = block.offset + block.metadata + block.body;
        let header = Header::new(&message, &self.limits)?;
        let Some(table) = self.table.clone() else {
            let Header::Schema(table) = header else {
                return Err(Error::malformed(message.offset, "a message in front of the schema"));
            };
            let table = Arc::new(table);
            self.table = Some(table.clone());
            return Ok(Some(Event::Schema(message, table)));
        };
        match header {
            Header::Schema(_) => Err(Error::malformed(message.offset, "a second schema")),
            Header::Dictionary { id, delta, batch } => {
                self.blocks.dictionaries.push(block);
                if self.is_file() && !self.known.is_empty() {
                    return Ok(None);
                }
                let values = self.dictionary(&table, id, delta, batch, &message)?;
                Ok(Some(Event::Dictionary(message, values)))
            }
            Header::Batch(batch) => {
                self.blocks.batches.push(block);
                let places = decode::places(&table.columns, &batch)?;
                let plain_bytes = decode::plain_bytes(&batch, &message.body, &self.limits)?;
                let body = message.body.clone();
                let dictionaries = self.dictionaries.clone();
                Ok(Some(Event::Rows(message, Rows { table, batch, body, places, dictionaries, plain_bytes })))
            }
        }
    }

    fn dictionary(
        &mut self,
        table: &Table,
        id: i64,
        delta: bool,
        batch: Batch,
        message: &Message,
    ) -> Result<DictionaryValues> {
        let unknown = || Error::malformed(message.offset, "a dictionary that no column uses");
        let column = table.dictionaries.get(&id).ok_or_else(unknown)?;
        // Readers of files load all dictionaries first, so that only the last of them would count.
        if self.framer.is_file() && !delta && !self.given.insert(id) {
            return Err(Error::Unsupported { what: "a file that replaces a dictionary".into() });
        }
        let places = decode::places(std::slice::from_ref(column.as_ref()), &batch)?;
        decode::plain_bytes(&batch, &message.body, &self.limits)?;
        let place = places.first().copied().unwrap_or_default();
        let values = decode::column(column, place, &batch, &message.body, &self.dictionaries)?;
        let dictionaries = Arc::make_mut(&mut self.dictionaries);
        let first = dictionaries.apply(id, delta, values, message.offset, &self.limits)?;
        let values = dictionaries.get(id).cloned().ok_or_else(unknown)?;
        Ok(DictionaryValues { id, first, values, column: column.clone(), batch })
    }

    /// Checks, once [`advance`](Self::advance) has nothing more and no more pieces come, that the shard is whole. Returns a file's
    /// tail: all bytes behind the end marker.
    pub fn finish(&mut self) -> Result<Option<Bytes>> {
        let ending = self.framer.finish()?;
        let Some(table) = &self.table else {
            return Err(Error::Truncated { what: "it ends before its schema".into() });
        };
        match ending {
            Ending::Stream => Ok(None),
            Ending::File(tail) => {
                let footer = footer::locate(&tail, self.end)?;
                footer::check(&footer, self.end, table, &self.read()?, &self.limits)?;
                Ok(Some(tail))
            }
        }
    }

    /// The messages in the order in which they were read.
    fn read(&self) -> Result<Blocks> {
        if self.known.is_empty() {
            return Ok(self.blocks.clone());
        }
        let mut dictionaries = self.known.clone();
        dictionaries.sort_unstable_by_key(|block| block.offset);
        if dictionaries != self.blocks.dictionaries {
            return Err(Error::malformed(self.end, "the footer does not list the dictionaries that the file holds"));
        }
        Ok(Blocks { dictionaries: self.known.clone(), batches: self.blocks.batches.clone() })
    }
}
