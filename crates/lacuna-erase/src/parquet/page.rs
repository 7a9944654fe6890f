//! The pages of a column chunk, one after the other: headers, checksums, and bodies split into levels and values.

use std::ops::Range;

use bytes::Bytes;
use lacuna_scan::{Error, Limits};
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescriptor;

use super::codec::Codec;
use super::footer::{Chunk, Parsed, Stop};
use super::levels::{self, Levels};
use super::thrift::{Broken, Struct};
use crate::{ReadAt, Result};

/// `PageHeader`.
pub(super) mod header {
    pub(crate) const TYPE: i16 = 1;
    pub(crate) const UNCOMPRESSED_SIZE: i16 = 2;
    pub(crate) const COMPRESSED_SIZE: i16 = 3;
    pub(crate) const CRC: i16 = 4;
    pub(crate) const DATA: i16 = 5;
    pub(crate) const DICTIONARY: i16 = 7;
    pub(crate) const DATA_V2: i16 = 8;
}

/// `DataPageHeader`.
pub(super) mod data {
    pub(crate) const NUM_VALUES: i16 = 1;
    pub(crate) const ENCODING: i16 = 2;
    pub(crate) const DEFINITION_ENCODING: i16 = 3;
    pub(crate) const REPETITION_ENCODING: i16 = 4;
    pub(crate) const STATISTICS: i16 = 5;
}

/// `DictionaryPageHeader`.
pub(super) mod dictionary {
    pub(crate) const NUM_VALUES: i16 = 1;
    pub(crate) const ENCODING: i16 = 2;
    pub(crate) const IS_SORTED: i16 = 3;
}

/// `DataPageHeaderV2`.
pub(super) mod data_v2 {
    pub(crate) const NUM_VALUES: i16 = 1;
    pub(crate) const NUM_NULLS: i16 = 2;
    pub(crate) const NUM_ROWS: i16 = 3;
    pub(crate) const ENCODING: i16 = 4;
    pub(crate) const DEFINITION_LENGTH: i16 = 5;
    pub(crate) const REPETITION_LENGTH: i16 = 6;
    pub(crate) const IS_COMPRESSED: i16 = 7;
    pub(crate) const STATISTICS: i16 = 8;
}

/// What a page is, as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Data, levels and values packed together.
    V1 { definition: Encoding, repetition: Encoding },
    /// Data, levels apart from the values.
    V2 { definition: usize, repetition: usize, packed: bool },
    /// The values that the data pages refer to.
    Dictionary,
    /// Nothing that rows are made of.
    Other,
}

/// Where a page lies, and what its header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Where its header starts in the file.
    pub(super) offset: u64,
    /// The header's length.
    pub(super) header: usize,
    /// The body's length in the file.
    pub(super) packed: usize,
    /// The body's length before compression.
    pub(super) unpacked: usize,
    pub(super) kind: Kind,
    /// Values and nulls.
    pub(super) count: usize,
    pub(super) encoding: Encoding,
    /// The body's CRC-32.
    pub(super) crc: Option<i32>,
    /// Whether the header says more of the values than how many there are.
    pub(super) has_statistics: bool,
}

/// The number of `DATA_PAGE`, `DICTIONARY_PAGE` and `DATA_PAGE_V2` in `PageType`.
pub(super) mod page_type {
    pub(crate) const DATA: i64 = 0;
    pub(crate) const DICTIONARY: i64 = 2;
    pub(crate) const DATA_V2: i64 = 3;
}

impl Page {
    /// The bytes of header and body in the file.
    pub(super) fn range(&self) -> Range<u64> {
        self.offset..self.offset + (self.header + self.packed) as u64
    }

    pub(super) fn is_data(&self) -> bool {
        matches!(self.kind, Kind::V1 { .. } | Kind::V2 { .. })
    }

    /// The page's number in `PageType`.
    pub(super) fn type_number(&self) -> Option<i64> {
        match self.kind {
            Kind::V1 { .. } => Some(page_type::DATA),
            Kind::V2 { .. } => Some(page_type::DATA_V2),
            Kind::Dictionary => Some(page_type::DICTIONARY),
            Kind::Other => None,
        }
    }

    /// Which part of a data page's header holds `Statistics`, and in which field.
    pub(super) fn statistics_at(&self) -> (i16, i16) {
        match self.kind {
            Kind::V2 { .. } => (header::DATA_V2, data_v2::STATISTICS),
            Kind::V1 { .. } | Kind::Dictionary | Kind::Other => (header::DATA, data::STATISTICS),
        }
    }

    pub(super) fn is_dictionary_encoded(&self) -> bool {
        matches!(self.encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY)
    }

    /// Reads the header in `bytes`, which lie at `offset`.
    fn parse(bytes: &[u8], offset: u64, limits: &Limits) -> Parsed<Self> {
        let (raw, length) = Struct::read(bytes)?;
        let limit = limits.page_bytes_max;
        let sized = |value: u64| {
            Error::check_limit("a page", value, limit as u64, "page_bytes_max")?;
            usize::try_from(value).map_err(|_| Stop::Broken(Broken::Wrong("a page is larger than memory")))
        };
        let counted = |value: u64| {
            // Runs make a page of few bytes stand for any number of entries; each takes memory while it is worked on.
            Error::check_limit("a number of values in a page", value, limit as u64 / 4, "page_bytes_max")?;
            usize::try_from(value).map_err(|_| Stop::Broken(Broken::Wrong("a page holds too many values")))
        };
        let inner = |id| raw.inner(id)?.ok_or(Broken::Wrong("a page header lacks the part for its type"));
        let encoding = |inner: &Struct<'_>, id| {
            let number = inner.int(id)?.ok_or(Broken::Wrong("a page names no encoding"))?;
            encoding_of(number).ok_or(Broken::Wrong("a page has an unknown encoding"))
        };
        let number = raw.int(header::TYPE)?.ok_or(Broken::Wrong("a page has no type"))?;
        let mut has_statistics = false;
        let (kind, count, encoding) = match number {
            page_type::DATA => {
                let inner = inner(header::DATA)?;
                let definition = encoding(&inner, data::DEFINITION_ENCODING)?;
                let repetition = encoding(&inner, data::REPETITION_ENCODING)?;
                let kind = Kind::V1 { definition, repetition };
                has_statistics = inner.has(data::STATISTICS);
                (kind, counted(inner.size(data::NUM_VALUES)?)?, encoding(&inner, data::ENCODING)?)
            }
            page_type::DATA_V2 => {
                let inner = inner(header::DATA_V2)?;
                let kind = Kind::V2 {
                    definition: sized(inner.size(data_v2::DEFINITION_LENGTH)?)?,
                    repetition: sized(inner.size(data_v2::REPETITION_LENGTH)?)?,
                    packed: inner.bool(data_v2::IS_COMPRESSED).unwrap_or(true),
                };
                has_statistics = inner.has(data_v2::STATISTICS);
                (kind, counted(inner.size(data_v2::NUM_VALUES)?)?, encoding(&inner, data_v2::ENCODING)?)
            }
            page_type::DICTIONARY => {
                let inner = inner(header::DICTIONARY)?;
                let count = counted(inner.size(dictionary::NUM_VALUES)?)?;
                (Kind::Dictionary, count, encoding(&inner, dictionary::ENCODING)?)
            }
            _ => (Kind::Other, 0, Encoding::PLAIN),
        };
        let crc = match raw.int(header::CRC)? {
            None => None,
            Some(crc) => Some(i32::try_from(crc).map_err(|_| Broken::Wrong("a checksum has more than 32 bits"))?),
        };
        Ok(Self {
            offset,
            header: length,
            packed: sized(raw.size(header::COMPRESSED_SIZE)?)?,
            unpacked: sized(raw.size(header::UNCOMPRESSED_SIZE)?)?,
            kind,
            count,
            encoding,
            crc,
            has_statistics,
        })
    }
}

/// The encoding of this number in `Encoding` of the Parquet format.
fn encoding_of(number: i64) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        #[expect(deprecated, reason = "old files name it, mostly for levels that are not there")]
        4 => Encoding::BIT_PACKED,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

/// How much is read ahead, and where only headers are wanted.
const WINDOW: u64 = 1 << 20;
const HEADS_WINDOW: u64 = 4 << 10;
/// Statistics can make a header long.
const HEADER_GUESS: u64 = 16 << 10;

/// Walks over the pages of a column chunk.
pub(super) struct Pages<'a> {
    input: &'a dyn ReadAt,
    limits: &'a Limits,
    at: u64,
    end: u64,
    /// How many values are to come, where only they tell the last page.
    values_left: Option<u64>,
    window: Bytes,
    window_at: u64,
    window_length: u64,
}

impl<'a> Pages<'a> {
    pub(super) fn new(input: &'a dyn ReadAt, limits: &'a Limits, chunk: &Chunk<'_>) -> Self {
        let Range { start, end } = chunk.pages;
        let values_left = chunk.is_padded.then_some(chunk.values);
        let (window, window_at, window_length) = (Bytes::new(), start, WINDOW);
        Self { input, limits, at: start, end, values_left, window, window_at, window_length }
    }

    /// For whoever wants few bodies: nothing is read ahead.
    pub(super) fn heads(input: &'a dyn ReadAt, limits: &'a Limits, chunk: &Chunk<'_>) -> Self {
        Self { window_length: HEADS_WINDOW, ..Self::new(input, limits, chunk) }
    }

    /// The bytes of `range`, which is not empty and lies within the chunk.
    fn bytes(&mut self, range: Range<u64>) -> Result<Bytes> {
        let held = self.window_at..self.window_at + self.window.len() as u64;
        if range.start < held.start || range.end > held.end {
            let end = range.end.max(range.start.saturating_add(self.window_length).min(self.end));
            self.window = self.input.read_at(range.start..end)?;
            self.window_at = range.start;
        }
        let within = |at: u64| usize::try_from(at - self.window_at).map_err(std::io::Error::other);
        Ok(self.window.slice(within(range.start)?..within(range.end)?))
    }

    /// The next page, and its header and body.
    pub(super) fn next(&mut self) -> Result<Option<(Page, Bytes)>> {
        let Some(page) = self.next_head()? else { return Ok(None) };
        let bytes = self.bytes(page.range())?;
        Ok(Some((page, bytes)))
    }

    /// The header of the page that came last.
    pub(super) fn header(&mut self, page: &Page) -> Result<Bytes> {
        self.bytes(page.offset..page.offset + page.header as u64)
    }

    /// Header and body of the page that came last.
    pub(super) fn body(&mut self, page: &Page) -> Result<Bytes> {
        self.bytes(page.range())
    }

    /// The next page, of which only the header is read.
    pub(super) fn next_head(&mut self) -> Result<Option<Page>> {
        if self.at >= self.end || self.values_left == Some(0) {
            return Ok(None);
        }
        let mut guess = HEADER_GUESS.min(self.window_length);
        let page = loop {
            let end = self.end.min(self.at + guess);
            let bytes = self.bytes(self.at..end)?;
            match Page::parse(&bytes, self.at, self.limits) {
                Ok(page) => break page,
                Err(Stop::Broken(Broken::End)) if end < self.end && guess < self.limits.page_bytes_max as u64 => {
                    guess *= 16;
                }
                Err(stop) => return Err(stop.at(self.at)),
            }
        };
        let range = page.range();
        if range.end > self.end {
            return Err(Error::Truncated { what: "a page reaches beyond its column chunk".into() }.into());
        }
        self.at = range.end;
        if page.is_data() {
            self.values_left = self.values_left.map(|left| left.saturating_sub(page.count as u64));
        }
        Ok(Some(page))
    }
}

/// A data page, unpacked.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) levels: Levels,
    /// How many values there are, without the nulls.
    pub(super) values: usize,
    /// The encoded values.
    pub(super) encoded: Bytes,
}

impl Page {
    /// Checks the checksum of the page's `bytes`, and gives its body.
    fn body(&self, bytes: &Bytes) -> Result<Bytes> {
        let body = bytes.slice(self.header..);
        match self.crc {
            Some(crc) if crc32fast::hash(&body) != crc.cast_unsigned() => {
                Err(Error::malformed(self.offset, "the checksum of a page is wrong").into())
            }
            _ => Ok(body),
        }
    }

    /// Unpacks the page, of which `bytes` are header and body, when it is a dictionary.
    pub(super) fn unpack_dictionary(&self, bytes: &Bytes, codec: &mut Codec) -> Result<Bytes> {
        codec.unpack(&self.body(bytes)?, self.unpacked, self.offset)
    }

    /// Unpacks the page, of which `bytes` are header and body, when it is a data page.
    pub(super) fn unpack(&self, bytes: &Bytes, codec: &mut Codec, column: &ColumnDescriptor) -> Result<Unpacked> {
        let body = self.body(bytes)?;
        let (max_definition, max_repetition) = (column.max_def_level(), column.max_rep_level());
        let (count, at) = (self.count, self.offset);
        let (levels, encoded) = match self.kind {
            Kind::V1 { definition, repetition } => {
                let mut body = codec.unpack(&body, self.unpacked, at)?;
                let repetition = levels::read_v1(&mut body, repetition, max_repetition, count, at)?;
                let definition = levels::read_v1(&mut body, definition, max_definition, count, at)?;
                (Levels { repetition, definition }, body)
            }
            Kind::V2 { definition, repetition, packed } => {
                let levels_length = definition + repetition;
                if levels_length > body.len() || levels_length > self.unpacked {
                    return Err(Error::malformed(at, "the levels of a page are longer than the page").into());
                }
                let repetition_bytes = body.slice(..repetition);
                let definition_bytes = body.slice(repetition..levels_length);
                let rest = body.slice(levels_length..);
                let unpacked = self.unpacked - levels_length;
                let values = if packed { codec.unpack(&rest, unpacked, at)? } else { rest };
                let repetition = levels::read(repetition_bytes, max_repetition, count, at)?;
                let definition = levels::read(definition_bytes, max_definition, count, at)?;
                (Levels { repetition, definition }, values)
            }
            Kind::Dictionary | Kind::Other => (Levels::default(), Bytes::new()),
        };
        let values = match levels.definition.as_slice() {
            [] => count,
            levels => levels.iter().filter(|&&level| level == max_definition).count(),
        };
        Ok(Unpacked { levels, values, encoded })
    }
}
