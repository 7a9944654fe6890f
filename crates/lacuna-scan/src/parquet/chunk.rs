//! The search of one column chunk: pages in, hits out. The chunk may arrive in pieces of any size.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::compression::{Codec, CodecOptions, create_codec};

use super::page::{PageHeader, PageKind, encoding, page_header};
use super::rle::{decode_bit_packed, decode_hybrid};
use super::values::{Column, Found, Unreadable};
use crate::{Error, FieldTest, Hit, Limits, Result};

/// Values in a page, nulls included. Writers stay far below; a forged header cannot ask for more memory than this allows.
const VALUES_PER_PAGE_MAX: usize = 1 << 24;

/// One column chunk as its metadata describes it.
pub(super) struct Chunk {
    pub(super) column: Column,
    pub(super) codec: Compression,
    /// Its bytes in the file.
    pub(super) range: Range<u64>,
    /// Values in it, nulls included.
    pub(super) values: u64,
    /// Rows in its row group.
    pub(super) rows: u64,
    /// `row group 3, column a.b`, for errors.
    pub(super) place: Arc<str>,
}

/// Searches a chunk from its first page to its last.
pub(super) struct ChunkSearch {
    chunk: Chunk,
    codec: Option<Box<dyn Codec>>,
    limits: Limits,
    /// The first byte that was not handed over yet.
    next: u64,
    /// The start of a page whose end has not arrived.
    pending: Vec<u8>,
    values_left: u64,
    /// Rows begun so far.
    rows: u64,
    dictionary: Option<Dictionary>,
    /// Whether a page of dictionary indices was decoded.
    knows_indices: bool,
    scratch: Scratch,
    pub(super) hits: Vec<Hit>,
    pub(super) bytes_decompressed: u64,
}

/// The dictionary's wanted entries.
struct Dictionary {
    wanted: Vec<bool>,
    /// By entry.
    owners: Found,
}

/// Buffers that are used again for every page.
#[derive(Default)]
struct Scratch {
    page: Vec<u8>,
    def: Vec<u32>,
    rep: Vec<u32>,
    indices: Vec<u32>,
    found: Found,
}

impl ChunkSearch {
    pub(super) fn new(chunk: Chunk, limits: Limits) -> Result<Self> {
        let codec = create_codec(chunk.codec, &CodecOptions::default())
            .map_err(|source| Error::Parquet { place: chunk.place.to_string(), source })?;
        Ok(Self {
            codec,
            limits,
            next: chunk.range.start,
            pending: Vec::new(),
            values_left: chunk.values,
            rows: 0,
            dictionary: None,
            knows_indices: false,
            scratch: Scratch::default(),
            hits: Vec::new(),
            bytes_decompressed: 0,
            chunk,
        })
    }

    /// The next bytes to hand over, `window` of them at most. `None` when the chunk is done.
    pub(super) fn need(&self, window: u64) -> Option<Range<u64>> {
        let end = self.chunk.range.end.min(self.next.saturating_add(window));
        (self.values_left > 0 && self.next < end).then_some(self.next..end)
    }

    /// Searches the pages that are whole once `piece`, the bytes that [`need`](Self::need) named, has come. Hits outside of
    /// `only`, when there is one, are dropped.
    pub(super) fn feed(&mut self, piece: &Bytes, test: &FieldTest, only: Option<&[Hit]>) -> Result<()> {
        let mut piece = &piece[..];
        let base = self.next - self.pending.len() as u64;
        self.next += piece.len() as u64;
        if !self.pending.is_empty() {
            piece = self.finish_pending(base, piece, test, only)?;
        }
        let offset = self.next - piece.len() as u64;
        let used = self.pages(piece, offset, test, only)?;
        self.pending.extend_from_slice(&piece[used..]);
        Ok(())
    }

    /// Completes the page in `pending` from the front of `piece`; returns what is left of `piece`.
    fn finish_pending<'p>(
        &mut self,
        mut base: u64,
        mut piece: &'p [u8],
        test: &FieldTest,
        only: Option<&[Hit]>,
    ) -> Result<&'p [u8]> {
        const HEADER_GUESS: usize = 256;
        while !self.pending.is_empty() && !piece.is_empty() && self.values_left > 0 {
            let wanted = match self.header(&self.pending, base)? {
                Some((header, length)) => (length + header.compressed_bytes).saturating_sub(self.pending.len()),
                None => HEADER_GUESS,
            };
            let (now, later) = piece.split_at(wanted.clamp(1, piece.len()));
            self.pending.extend_from_slice(now);
            piece = later;
            let pending = std::mem::take(&mut self.pending);
            let used = self.pages(&pending, base, test, only)?;
            base += used as u64;
            self.pending = pending;
            self.pending.drain(..used);
        }
        Ok(piece)
    }

    /// Checks that the chunk ended where it should. Call when [`need`](Self::need) says `None`.
    pub(super) fn finish(&self) -> Result<()> {
        let short = |what: &str| Error::Truncated { what: format!("{}: {what}", self.chunk.place).into() };
        if self.values_left > 0 {
            return Err(short("the column chunk ends before its last value"));
        }
        if self.rows != self.chunk.rows {
            return Err(self.malformed(self.next, "the column chunk has another number of rows than its row group"));
        }
        Ok(())
    }

    /// Searches all whole pages that `bytes` start with; returns how many bytes they take.
    fn pages(&mut self, bytes: &[u8], offset: u64, test: &FieldTest, only: Option<&[Hit]>) -> Result<usize> {
        let mut used = 0;
        while self.values_left > 0 {
            let here = offset + used as u64;
            let Some((header, length)) = self.header(&bytes[used..], here)? else { break };
            let body = used + length;
            let Some(page) = bytes.get(body..body + header.compressed_bytes) else { break };
            self.page(&header, page, here, test, only)?;
            used = body + header.compressed_bytes;
        }
        Ok(used)
    }

    fn header(&self, bytes: &[u8], offset: u64) -> Result<Option<(PageHeader, usize)>> {
        if bytes.len() > self.limits.page_bytes_max {
            // A header that is still not whole, or a page that is larger than it may be.
            return Err(self.malformed(offset, "a page header does not end"));
        }
        let header = page_header(bytes, offset)?;
        if let Some((header, _)) = &header {
            let limit = self.limits.page_bytes_max as u64;
            Error::check_limit("a page", header.compressed_bytes as u64, limit, "page_bytes_max")?;
            Error::check_limit("a decompressed page", header.uncompressed_bytes as u64, limit, "page_bytes_max")?;
        }
        Ok(header)
    }

    fn page(
        &mut self,
        header: &PageHeader,
        page: &[u8],
        offset: u64,
        test: &FieldTest,
        only: Option<&[Hit]>,
    ) -> Result<()> {
        if header.crc.is_some_and(|crc| crc32fast::hash(page) != crc) {
            return Err(self.malformed(offset, "a page's checksum is wrong"));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = match header.kind {
            PageKind::Dictionary { values, encoding } => {
                self.dictionary(&mut scratch, header, page, offset, test, values, encoding)
            }
            PageKind::DataV1 { .. } | PageKind::DataV2 { .. } => {
                self.data(&mut scratch, header, page, offset, test, only)
            }
            PageKind::Other => Ok(()),
        };
        self.scratch = scratch;
        result
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one page")]
    fn dictionary(
        &mut self,
        scratch: &mut Scratch,
        header: &PageHeader,
        page: &[u8],
        offset: u64,
        test: &FieldTest,
        values: usize,
        encoding: i32,
    ) -> Result<()> {
        if values > VALUES_PER_PAGE_MAX {
            return Err(self.malformed(offset, "a dictionary has more entries than any writer makes"));
        }
        let plain = self.decompress(&mut scratch.page, page, header.uncompressed_bytes, true, offset)?;
        let mut owners = Found::new();
        self.chunk
            .column
            .search(test, encoding, plain, values, &mut owners)
            .map_err(|why| self.unreadable(why, offset))?;
        let mut wanted = vec![false; values];
        owners.iter().for_each(|&(entry, _)| wanted[entry as usize] = true);
        self.dictionary = Some(Dictionary { wanted, owners });
        Ok(())
    }

    fn data(
        &mut self,
        scratch: &mut Scratch,
        header: &PageHeader,
        page: &[u8],
        offset: u64,
        test: &FieldTest,
        only: Option<&[Hit]>,
    ) -> Result<()> {
        let (values, encoding) = match header.kind {
            PageKind::DataV1 { values, encoding, .. } | PageKind::DataV2 { values, encoding, .. } => (values, encoding),
            PageKind::Dictionary { .. } | PageKind::Other => return Ok(()),
        };
        if values > VALUES_PER_PAGE_MAX || values as u64 > self.values_left {
            return Err(self.malformed(offset, "a page says it has more values than its column chunk"));
        }
        self.values_left -= values as u64;
        let descriptor = &self.chunk.column.descriptor;
        let (max_def, max_rep) =
            (descriptor.max_def_level().cast_unsigned(), descriptor.max_rep_level().cast_unsigned());
        let is_dictionary = matches!(encoding, encoding::PLAIN_DICTIONARY | encoding::RLE_DICTIONARY);
        if is_dictionary && max_rep == 0 && self.nothing_wanted() && self.knows_indices {
            // No entry is wanted, so no row of the page is; a flat column has a row for each value. The first such page of a
            // chunk is decoded all the same: a chunk that is not what it says shows there.
            self.rows += values as u64;
            return Ok(());
        }

        let data = self.split_levels(scratch, header, page, offset, max_def, max_rep)?;
        if max_rep > 0 && self.rows == 0 && scratch.rep.first().is_some_and(|&level| level != 0) {
            return Err(self.malformed(offset, "the column chunk starts in the middle of a row"));
        }
        let present = match max_def {
            0 => values,
            _ => scratch.def.iter().filter(|&&level| level == u32::from(max_def)).count(),
        };
        scratch.found.clear();
        if present > 0 {
            if is_dictionary {
                self.knows_indices = true;
                self.search_indices(&mut scratch.indices, &scratch.page[data], present, offset, &mut scratch.found)?;
            } else {
                self.chunk
                    .column
                    .search(test, encoding, &scratch.page[data], present, &mut scratch.found)
                    .map_err(|why| self.unreadable(why, offset))?;
            }
        }
        self.note_rows(scratch, values, max_def, max_rep, only);
        Ok(())
    }

    fn nothing_wanted(&self) -> bool {
        self.dictionary.as_ref().is_some_and(|dictionary| dictionary.owners.is_empty())
    }

    /// Decompresses a data page into `scratch.page` and its levels into `scratch.def` and `scratch.rep`; returns where in
    /// `scratch.page` the values lie.
    fn split_levels(
        &mut self,
        scratch: &mut Scratch,
        header: &PageHeader,
        page: &[u8],
        offset: u64,
        max_def: u16,
        max_rep: u16,
    ) -> Result<Range<usize>> {
        let place = self.chunk.place.clone();
        let bad = || Error::malformed(offset, format!("{place}: a page's levels cannot be read"));
        match header.kind {
            PageKind::DataV1 { values, def_encoding, rep_encoding, .. } => {
                self.decompress(&mut scratch.page, page, header.uncompressed_bytes, true, offset)?;
                let page = &scratch.page[..];
                let after_rep = levels_v1(page, 0, max_rep, rep_encoding, values, &mut scratch.rep).ok_or_else(bad)?;
                let start =
                    levels_v1(page, after_rep, max_def, def_encoding, values, &mut scratch.def).ok_or_else(bad)?;
                Ok(start..page.len())
            }
            PageKind::DataV2 { values, def_bytes, rep_bytes, is_compressed, .. } => {
                let levels = rep_bytes + def_bytes;
                let (stored_levels, stored) = page.split_at_checked(levels).ok_or_else(bad)?;
                let size = header.uncompressed_bytes.checked_sub(levels).ok_or_else(bad)?;
                let (rep, def) = stored_levels.split_at(rep_bytes);
                levels_v2(rep, max_rep, values, &mut scratch.rep).ok_or_else(bad)?;
                levels_v2(def, max_def, values, &mut scratch.def).ok_or_else(bad)?;
                self.decompress(&mut scratch.page, stored, size, is_compressed, offset)?;
                Ok(0..scratch.page.len())
            }
            PageKind::Dictionary { .. } | PageKind::Other => Err(bad()),
        }
    }

    fn search_indices(
        &self,
        indices: &mut Vec<u32>,
        data: &[u8],
        present: usize,
        offset: u64,
        found: &mut Found,
    ) -> Result<()> {
        let Some(dictionary) = &self.dictionary else {
            return Err(self.malformed(offset, "a page needs a dictionary, and there is none"));
        };
        let bad = || self.malformed(offset, "a page's dictionary indices cannot be read");
        let (&bit_width, data) = data.split_first().ok_or_else(bad)?;
        decode_hybrid(data, bit_width.into(), present, indices).ok_or_else(bad)?;
        for (ordinal, &index) in (0..).zip(indices.iter()) {
            if *dictionary.wanted.get(index as usize).ok_or_else(bad)? {
                let first = dictionary.owners.partition_point(|&(entry, _)| entry < index);
                let owners = dictionary.owners[first..].iter().take_while(|&&(entry, _)| entry == index);
                found.extend(owners.map(|&(_, selector)| (ordinal, selector)));
            }
        }
        Ok(())
    }

    /// Turns the page's found values into hits on rows, and counts the page's rows.
    fn note_rows(&mut self, scratch: &Scratch, values: usize, max_def: u16, max_rep: u16, only: Option<&[Hit]>) {
        let mut found = scratch.found.iter().peekable();
        let first_row = self.rows;
        if max_rep == 0 {
            self.rows += values as u64;
        } else {
            self.rows += scratch.rep.iter().filter(|&&level| level == 0).count() as u64;
        }
        if found.peek().is_none() {
            return;
        }
        let mut keep = |row: u64, selector| {
            let hit = Hit { row, selector };
            if only.is_none_or(|only| only.binary_search(&hit).is_ok()) {
                self.hits.push(hit);
            }
        };
        // Walk the page's levels once: `ordinal` counts values that are there, `begun` counts rows.
        let (mut ordinal, mut begun) = (0_u32, first_row);
        for slot in 0..values {
            if max_rep == 0 || scratch.rep[slot] == 0 {
                begun += 1;
            }
            if max_def == 0 || scratch.def[slot] == u32::from(max_def) {
                while let Some(&(_, selector)) = found.next_if(|&&(at, _)| at == ordinal) {
                    keep(begun.saturating_sub(1), selector);
                }
                ordinal += 1;
            }
            if found.peek().is_none() {
                return;
            }
        }
    }

    fn decompress<'b>(
        &mut self,
        buffer: &'b mut Vec<u8>,
        page: &[u8],
        size: usize,
        is_compressed: bool,
        offset: u64,
    ) -> Result<&'b [u8]> {
        buffer.clear();
        match self.codec.as_mut().filter(|_| is_compressed) {
            None => buffer.extend_from_slice(page),
            // Writers store an empty page without a compressed form of nothing.
            Some(_) if size == 0 => {}
            Some(codec) => {
                codec
                    .decompress(page, buffer, Some(size))
                    .map_err(|source| Error::Parquet { place: self.chunk.place.to_string(), source })?;
            }
        }
        if buffer.len() != size {
            return Err(self.malformed(offset, "a page is not as long as its header says"));
        }
        self.bytes_decompressed += size as u64;
        Ok(buffer)
    }

    fn malformed(&self, offset: u64, what: &str) -> Error {
        Error::malformed(offset, format!("{}: {what}", self.chunk.place))
    }

    fn unreadable(&self, why: Unreadable, offset: u64) -> Error {
        match why {
            Unreadable::Malformed(what) => self.malformed(offset, what),
            Unreadable::Encoding(number) => {
                Error::Unsupported { what: format!("{}: encoding {number}", self.chunk.place).into() }
            }
            Unreadable::Library(source) => Error::Parquet { place: self.chunk.place.to_string(), source },
        }
    }
}

/// Reads the levels of a version 1 page at `at`; returns where they end.
fn levels_v1(
    page: &[u8],
    at: usize,
    max_level: u16,
    encoding: i32,
    values: usize,
    out: &mut Vec<u32>,
) -> Option<usize> {
    if max_level == 0 {
        return Some(at);
    }
    let bit_width = bits(max_level);
    match encoding {
        encoding::RLE => {
            let start = at + 4;
            let length = u32::from_le_bytes(page.get(at..start)?.try_into().ok()?) as usize;
            let end = start.checked_add(length)?;
            decode_hybrid(page.get(start..end)?, bit_width, values, out)?;
            Some(end)
        }
        encoding::BIT_PACKED => {
            let length = (values * bit_width as usize).div_ceil(8);
            decode_bit_packed(page.get(at..at + length)?, bit_width, values, out)?;
            Some(at + length)
        }
        _ => None,
    }
}

/// Reads the levels of a version 2 page.
fn levels_v2(bytes: &[u8], max_level: u16, values: usize, out: &mut Vec<u32>) -> Option<()> {
    if max_level == 0 { Some(()) } else { decode_hybrid(bytes, bits(max_level), values, out) }
}

fn bits(max_level: u16) -> u32 {
    u16::BITS - max_level.leading_zeros()
}
