//! The pages of one column chunk: bytes in, decompressed pages out. The chunk may arrive in pieces of any size.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::delta::decoded_bytes;
use super::index::Gap;
use super::leaf::Leaf;
use super::levels::{Levels, bits};
use super::page::{PageHeader, PageKind, encoding, page_header};
use super::prune;
use super::rle::count_in_hybrid;
use super::values::{Column, Unreadable};
use super::workbench::{self, Buffers};
use crate::{Effort, Error, Limits, Result};

/// Values in a page, nulls included. Writers stay far below; a forged header cannot ask for more memory than this allows.
const VALUES_PER_PAGE_MAX: usize = 1 << 24;

/// One column chunk as its metadata describes it.
pub(super) struct Chunk {
    /// Its number among the leaf columns.
    pub(super) index: usize,
    pub(super) column: Column,
    pub(super) codec: Compression,
    /// Its bytes in the file.
    pub(super) range: Range<u64>,
    /// Where the metadata say that the data pages begin.
    pub(super) data_at: u64,
    /// Where they do, if the pages before them hold the dictionary of all their values.
    pub(super) indices_from: Option<u64>,
    /// Values in it, nulls included.
    pub(super) values: u64,
    /// Rows in its row group.
    pub(super) rows: u64,
    /// What is passed over, in order.
    pub(super) gaps: VecDeque<Gap>,
    /// `row group 3, column a.b`, for errors.
    pub(super) place: Arc<str>,
}

/// Where a column chunk lies in this file, of `file_size` bytes.
pub(super) fn chunk_range(
    column: &ColumnChunkMetaData,
    file_size: u64,
    place: &dyn Fn() -> String,
) -> Result<Range<u64>> {
    let bad = |what: &str| Error::malformed(0, format!("{}: {what}", place()));
    if column.file_path().is_some_and(|path| !path.is_empty()) {
        let what = "its rows lie in other files, as those of a `_metadata` file do, which sums up the files around it: \
                    map these without it";
        return Err(Error::Unsupported { what: format!("{}: {what}", place()).into() });
    }
    // Some writers say that the dictionary is at 0, where the magic is, and mean that there is none.
    let dictionary = column.dictionary_page_offset().filter(|&offset| offset > 0);
    let first = dictionary.map_or(column.data_page_offset(), |offset| offset.min(column.data_page_offset()));
    let start = u64::try_from(first).map_err(|_| bad("a negative offset"))?;
    let length = u64::try_from(column.compressed_size()).map_err(|_| bad("a negative size"))?;
    let end = start.checked_add(length).filter(|&end| end <= file_size);
    let end = end.ok_or_else(|| Error::Truncated { what: format!("{} lies behind the file's end", place()).into() })?;
    Ok(start..end)
}

impl Chunk {
    /// The chunk of column `leaf` in row group `index`.
    pub(super) fn new(metadata: &ParquetMetaData, file_size: u64, index: usize, leaf: Leaf) -> Result<Self> {
        let group = metadata.row_group(index);
        let column = group.column(leaf.column);
        let place = format!("row group {index}, column {}", column.column_path().string());
        let bad = |what: &str| Error::malformed(0, format!("{place}: {what}"));
        let range = chunk_range(column, file_size, &|| place.clone())?;
        let values = u64::try_from(column.num_values()).map_err(|_| bad("a negative number of values"))?;
        let rows = u64::try_from(group.num_rows()).map_err(|_| bad("a negative number of rows"))?;
        let descriptor = metadata.file_metadata().schema_descr().column(leaf.column);
        if descriptor.max_rep_level() == 0 && values != rows {
            return Err(bad("another number of values than its row group has rows"));
        }
        Ok(Self {
            index: leaf.column,
            codec: column.compression(),
            data_at: u64::try_from(column.data_page_offset()).unwrap_or(range.start),
            indices_from: prune::data_pages_of_indices(column).filter(|at| range.contains(at)),
            column: Column { descriptor, values: leaf.values },
            range,
            values,
            rows,
            gaps: VecDeque::new(),
            place: place.as_str().into(),
        })
    }
}

/// A data page, before it is decompressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// The first row that begins in it, counted in the row group.
    pub(super) first_row: u64,
    /// How many rows begin in it, where that is known without a look at its levels.
    pub(super) rows: Option<u64>,
    /// Whether it holds indices into the dictionary.
    pub(super) is_indices: bool,
}

impl Facts {
    /// Whether the page may hold a part of one of `items`, which are sorted by their `row`.
    pub(super) fn touches<T>(&self, items: &[T], row: impl Fn(&T) -> u64) -> bool {
        let first = items.partition_point(|item| row(item) < self.first_row);
        let reaches = |rows| items.get(first).is_some_and(|item| row(item) < self.first_row + rows);
        // Of a column with lists, a row may go on from the page before.
        let goes_on = first.checked_sub(1).is_some_and(|before| row(&items[before]) + 1 == self.first_row);
        self.rows.is_none_or(reaches) || goes_on
    }
}

/// A decompressed data page.
pub(super) struct DataPage<'a> {
    /// The rows that begin before it, counted in the row group.
    pub(super) first_row: u64,
    /// Its slots: values and nulls.
    pub(super) slots: usize,
    /// The slots that hold a value.
    pub(super) present: usize,
    /// The definition level of each slot; below the highest it holds no value.
    pub(super) def: Levels<'a>,
    /// The repetition level of each slot: 0 begins a row. Empty when all are 0.
    pub(super) rep: &'a [u32],
    /// The values' encoding, by its number in the format.
    pub(super) encoding: i32,
    /// The encoded values, as far as the visitor's [reach](Visitor::reach).
    pub(super) values: &'a [u8],
}

impl DataPage<'_> {
    /// Whether it holds indices into the dictionary.
    pub(super) fn is_indices(&self) -> bool {
        is_indices(self.encoding)
    }
}

fn is_indices(encoding: i32) -> bool {
    matches!(encoding, encoding::PLAIN_DICTIONARY | encoding::RLE_DICTIONARY)
}

/// What is done with the pages.
pub(super) trait Visitor {
    /// Whether the page is to be decompressed. A page is asked about only where its rows are known, or all columns' are rows.
    fn wants(&self, page: Facts) -> bool;
    /// Whether the dictionary is not shown, but [kept](Pages::deferred) until it is known which of its entries are needed.
    fn defers_dictionary(&self) -> bool;
    /// How many of the page's slots, all of them rows, lie before the end of the last one that is looked at: no more of it need be there.
    fn reach(&self, page: Facts, slots: usize) -> usize;
    /// Takes in the dictionary, if it is not deferred.
    fn dictionary(&mut self, column: &Column, values: &[u8], count: usize, encoding: i32) -> Result<(), Unreadable>;
    /// Takes in a data page that was [wanted](Self::wants). What it took in is as before where it fails: the page may come again, with more
    /// behind what was there of it.
    fn data(&mut self, column: &Column, page: &DataPage<'_>) -> Result<(), Unreadable>;
}

/// Goes through a chunk from its first page to its last.
pub(super) struct Pages {
    pub(super) chunk: Chunk,
    limits: Limits,
    /// The first byte that was not handed over yet.
    pub(super) next: u64,
    /// The start of a page whose end has not arrived.
    pending: Vec<u8>,
    /// `None` when the gaps do not tell how many values are in them.
    values_left: Option<u64>,
    /// Rows begun so far.
    rows: u64,
    /// The dictionary page, where it waits for what is needed of it.
    deferred: Option<(PageHeader, Vec<u8>, u64)>,
    pub(super) effort: Effort,
}

impl Pages {
    pub(super) fn new(chunk: Chunk, limits: Limits) -> Result<Self> {
        // Without lists, a row is a value.
        let is_counted = chunk.gaps.is_empty() || chunk.column.descriptor.max_rep_level() == 0;
        let mut this = Self {
            limits,
            next: chunk.range.start,
            pending: Vec::new(),
            values_left: is_counted.then_some(chunk.values),
            rows: 0,
            deferred: None,
            effort: Effort::default(),
            chunk,
        };
        this.pass_gap();
        Ok(this)
    }

    /// Passes over the gap that begins here.
    fn pass_gap(&mut self) {
        if self.chunk.gaps.front().is_some_and(|gap| gap.bytes.start == self.next)
            && let Some(gap) = self.chunk.gaps.pop_front()
        {
            self.next = gap.bytes.end;
            self.rows += gap.rows;
            self.values_left = self.values_left.map(|left| left.saturating_sub(gap.rows));
        }
    }

    /// Whether the chunk has its last value, or its last byte.
    pub(super) fn is_done(&self) -> bool {
        self.values_left == Some(0) || self.next >= self.chunk.range.end
    }

    /// The next bytes to hand over, `window` of them at most and none behind `stop`. `None` when there are none.
    pub(super) fn need(&self, window: u64, stop: u64) -> Option<Range<u64>> {
        let end = self.chunk.gaps.front().map_or(stop, |gap| stop.min(gap.bytes.start));
        let end = end.min(self.next.saturating_add(window));
        (!self.is_done() && self.next < end).then_some(self.next..end)
    }

    /// All bytes to hand over next, `window` of them at most, in order: what is between the gaps.
    pub(super) fn needs(&self, window: u64) -> Vec<Range<u64>> {
        let mut needs = Vec::new();
        let (mut next, mut left) = (self.next, if self.is_done() { 0 } else { window });
        let gaps = self.chunk.gaps.iter().map(|gap| (gap.bytes.start, gap.bytes.end));
        let end = self.chunk.range.end;
        for (gap_start, gap_end) in gaps.chain([(end, end)]) {
            let need = next..gap_start.min(next.saturating_add(left));
            left = left.saturating_sub(gap_start.saturating_sub(next));
            if !need.is_empty() {
                needs.push(need);
            }
            if left == 0 {
                break;
            }
            next = gap_end;
        }
        needs
    }

    /// Shows the pages that are whole once `piece`, the bytes that [`need`](Self::need) named, has come.
    pub(super) fn feed(&mut self, mut piece: &[u8], visitor: &mut dyn Visitor) -> Result<()> {
        let base = self.next - self.pending.len() as u64;
        self.next += piece.len() as u64;
        if !self.pending.is_empty() {
            piece = self.finish_pending(base, piece, visitor)?;
        }
        let offset = self.next - piece.len() as u64;
        let used = self.whole_pages(piece, offset, visitor)?;
        self.pending.extend_from_slice(&piece[used..]);
        if self.pending.is_empty() {
            self.pass_gap();
        } else if self.chunk.gaps.front().is_some_and(|gap| gap.bytes.start <= self.next) {
            return Err(self.malformed(self.next, "the page index and the pages disagree about where a page begins"));
        }
        Ok(())
    }

    /// Completes the page in `pending` from the front of `piece`; returns what is left of `piece`.
    fn finish_pending<'p>(
        &mut self,
        mut base: u64,
        mut piece: &'p [u8],
        visitor: &mut dyn Visitor,
    ) -> Result<&'p [u8]> {
        const HEADER_GUESS: usize = 256;
        while !self.pending.is_empty() && !piece.is_empty() && self.values_left != Some(0) {
            let wanted = match self.header(&self.pending, base)? {
                Some((header, length)) => (length + header.compressed_bytes).saturating_sub(self.pending.len()),
                // As much again as was looked at for nothing, lest a header without an end be read for every few bytes of it.
                None => self.pending.len().max(HEADER_GUESS),
            };
            let (now, later) = piece.split_at(wanted.clamp(1, piece.len()));
            self.pending.extend_from_slice(now);
            piece = later;
            let pending = std::mem::take(&mut self.pending);
            let used = self.whole_pages(&pending, base, visitor)?;
            base += used as u64;
            self.pending = pending;
            self.pending.drain(..used);
        }
        Ok(piece)
    }

    /// Checks that the chunk ended where it should. Call when [`need`](Self::need) says `None`.
    pub(super) fn finish(&self) -> Result<()> {
        let short = |what: &str| Error::Truncated { what: format!("{}: {what}", self.chunk.place).into() };
        if self.values_left.is_some_and(|left| left > 0) || (self.values_left.is_none() && !self.pending.is_empty()) {
            return Err(short("the column chunk ends before its last value"));
        }
        if self.rows != self.chunk.rows {
            return Err(self.malformed(self.next, "the column chunk has another number of rows than its row group"));
        }
        Ok(())
    }

    /// Shows all whole pages that `bytes` start with; returns how many bytes they take.
    fn whole_pages(&mut self, bytes: &[u8], offset: u64, visitor: &mut dyn Visitor) -> Result<usize> {
        let mut used = 0;
        while self.values_left != Some(0) && used < bytes.len() {
            let here = offset + used as u64;
            let Some((header, length)) = self.header(&bytes[used..], here)? else { break };
            let body = used + length;
            let Some(page) = bytes.get(body..body + header.compressed_bytes) else { break };
            if matches!(header.kind, PageKind::Dictionary { .. }) && visitor.defers_dictionary() {
                self.check(&header, page, here)?;
                let mut kept = workbench::take_spare();
                kept.extend_from_slice(page);
                self.deferred = Some((header.clone(), kept, here));
            } else {
                self.page(&header, page, here, visitor)?;
            }
            used = body + header.compressed_bytes;
        }
        Ok(if self.values_left == Some(0) { bytes.len() } else { used })
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

    /// Checks what can be told before a page is decompressed.
    fn check(&self, header: &PageHeader, page: &[u8], offset: u64) -> Result<()> {
        if header.crc.is_some_and(|crc| crc32fast::hash(page) != crc) {
            return Err(self.malformed(offset, "a page's checksum is wrong"));
        }
        match header.kind {
            PageKind::Dictionary { values, .. } if values > VALUES_PER_PAGE_MAX => {
                Err(self.malformed(offset, "a dictionary has more entries than any writer makes"))
            }
            _ => Ok(()),
        }
    }

    fn page(&mut self, header: &PageHeader, page: &[u8], offset: u64, visitor: &mut dyn Visitor) -> Result<()> {
        self.check(header, page, offset)?;
        let mut buffers = Buffers::take();
        let result = match header.kind {
            PageKind::Dictionary { values, encoding } => {
                self.dictionary(&mut buffers, header, page, offset, (values, encoding), visitor)
            }
            PageKind::DataV1 { values, encoding, .. } | PageKind::DataV2 { values, encoding, .. } => {
                self.data(&mut buffers, header, page, offset, (values, encoding), visitor)
            }
            PageKind::Other => Ok(()),
        };
        buffers.put_back();
        result
    }

    fn dictionary(
        &mut self,
        buffers: &mut Buffers,
        header: &PageHeader,
        page: &[u8],
        offset: u64,
        (values, encoding): (usize, i32),
        visitor: &mut dyn Visitor,
    ) -> Result<()> {
        let size = header.uncompressed_bytes;
        let plain = self.decompress(&mut buffers.page, page, size, size, true, offset)?;
        let shown = visitor.dictionary(&self.chunk.column, plain, values, encoding);
        shown.map_err(|why| self.unreadable(why, offset))
    }

    /// Shows the first `entries` of the dictionary that was [deferred](Visitor::defers_dictionary): their values, and maybe more behind them.
    pub(super) fn deferred(
        &mut self,
        entries: usize,
        show: impl FnMut(&Column, &[u8]) -> std::result::Result<(), Unreadable>,
    ) -> Result<()> {
        let Some((header, page, offset)) = self.deferred.take() else {
            return Err(self.malformed(self.next, "a page needs a dictionary, and there is none"));
        };
        let shown = self.show_entries(&header, &page, offset, entries, show);
        workbench::put_spare(page);
        shown
    }

    /// The same of the dictionary page that `bytes` are; they lie at `offset`.
    pub(super) fn dictionary_in(
        &mut self,
        bytes: &[u8],
        offset: u64,
        entries: usize,
        show: impl FnMut(&Column, &[u8]) -> std::result::Result<(), Unreadable>,
    ) -> Result<()> {
        match self.header(bytes, offset)? {
            Some((header, length)) if length + header.compressed_bytes == bytes.len() => {
                self.check(&header, &bytes[length..], offset)?;
                self.show_entries(&header, &bytes[length..], offset, entries, show)
            }
            _ => Err(self.malformed(offset, "the page index and the pages disagree about where a page begins")),
        }
    }

    fn show_entries(
        &mut self,
        header: &PageHeader,
        page: &[u8],
        offset: u64,
        entries: usize,
        mut show: impl FnMut(&Column, &[u8]) -> std::result::Result<(), Unreadable>,
    ) -> Result<()> {
        let count = match header.kind {
            PageKind::Dictionary { values, .. } if entries <= values => values,
            _ => return Err(self.malformed(offset, "a page points behind its dictionary")),
        };
        let size = header.uncompressed_bytes;
        let mut buffers = Buffers::take();
        let mut attempt = |this: &mut Self, wanted| {
            let plain = this.decompress(&mut buffers.page, page, size, wanted, true, offset)?;
            show(&this.chunk.column, plain).map_err(|why| this.unreadable(why, offset))
        };
        let begun = enough(size, entries, count).and_then(|wanted| attempt(self, wanted).ok());
        let shown = begun.map_or_else(|| attempt(self, size), Ok);
        buffers.put_back();
        shown
    }

    fn data(
        &mut self,
        buffers: &mut Buffers,
        header: &PageHeader,
        page: &[u8],
        offset: u64,
        (slots, encoding): (usize, i32),
        visitor: &mut dyn Visitor,
    ) -> Result<()> {
        if slots > VALUES_PER_PAGE_MAX || self.values_left.is_some_and(|left| slots as u64 > left) {
            return Err(self.malformed(offset, "a page says it has more values than its column chunk"));
        }
        self.values_left = self.values_left.map(|left| left - slots as u64);
        let max_rep = self.chunk.column.descriptor.max_rep_level().cast_unsigned();
        let rows = match header.kind {
            _ if max_rep == 0 => Some(slots as u64),
            // These levels are not compressed. The header's own count of rows is not believed: before version 12, parquet-cpp wrote that
            // of values there.
            PageKind::DataV2 { rep_bytes, .. } => {
                let count = |rep| count_in_hybrid(rep, bits(max_rep), slots, 0);
                Some(page.get(..rep_bytes).and_then(count).ok_or_else(|| bad_levels(&self.chunk.place, offset))? as u64)
            }
            _ => None,
        };
        let facts = Facts { first_row: self.rows, rows, is_indices: is_indices(encoding) };
        if let Some(rows) = rows
            && !visitor.wants(facts)
        {
            self.rows += rows;
            return Ok(());
        }
        // Values that stand one behind the other can be read without those behind them.
        let is_in_order = max_rep == 0 && (encoding == encoding::PLAIN || facts.is_indices);
        let size = header.uncompressed_bytes;
        let wanted = is_in_order.then(|| enough(size, visitor.reach(facts, slots), slots)).flatten();
        let begun = wanted.and_then(|wanted| self.show(buffers, header, page, offset, wanted, visitor).ok());
        self.rows += match begun {
            Some(rows) => rows,
            // Most are shown whole. Or they reach further than reckoned, or something is wrong: the whole page tells.
            None => self.show(buffers, header, page, offset, size, visitor)?,
        };
        Ok(())
    }

    /// Shows a data page of which the first `wanted` bytes are there at least; how many rows begin in it.
    fn show(
        &mut self,
        buffers: &mut Buffers,
        header: &PageHeader,
        page: &[u8],
        offset: u64,
        wanted: usize,
        visitor: &mut dyn Visitor,
    ) -> Result<u64> {
        let descriptor = &self.chunk.column.descriptor;
        let (max_def, max_rep) =
            (descriptor.max_def_level().cast_unsigned(), descriptor.max_rep_level().cast_unsigned());
        let place = self.chunk.place.clone();
        let bad = || bad_levels(&place, offset);
        let size = header.uncompressed_bytes;
        let (slots, encoding, rep, def, values) = match header.kind {
            PageKind::DataV1 { values: slots, encoding, def_encoding, rep_encoding } => {
                let page = self.decompress(&mut buffers.page, page, size, wanted, true, offset)?;
                let (rep, length) = Levels::v1(page, max_rep, rep_encoding, slots).ok_or_else(bad)?;
                let page = &page[length..];
                let (def, length) = Levels::v1(page, max_def, def_encoding, slots).ok_or_else(bad)?;
                (slots, encoding, rep, def, &page[length..])
            }
            PageKind::DataV2 { values: slots, encoding, def_bytes, rep_bytes, is_compressed } => {
                let levels = rep_bytes + def_bytes;
                let (stored_levels, stored) = page.split_at_checked(levels).ok_or_else(bad)?;
                let size = size.checked_sub(levels).ok_or_else(bad)?;
                let (rep, def) = stored_levels.split_at(rep_bytes);
                let wanted = wanted.min(size);
                let values = self.decompress(&mut buffers.page, stored, size, wanted, is_compressed, offset)?;
                (slots, encoding, Levels::v2(rep, max_rep, slots), Levels::v2(def, max_def, slots), values)
            }
            PageKind::Dictionary { .. } | PageKind::Other => return Err(bad()),
        };
        let present = def.count_max().ok_or_else(bad)?;
        if present > 0 {
            self.check_decoded(encoding, values)?;
        }
        rep.decode(&mut buffers.rep).ok_or_else(bad)?;
        if self.rows == 0 && buffers.rep.first().is_some_and(|&level| level != 0) {
            return Err(self.malformed(offset, "the column chunk starts in the middle of a row"));
        }
        let shown = DataPage { first_row: self.rows, slots, present, def, rep: &buffers.rep, encoding, values };
        visitor.data(&self.chunk.column, &shown).map_err(|why| self.unreadable(why, offset))?;
        Ok(match max_rep {
            0 => slots as u64,
            _ => buffers.rep.iter().filter(|&&level| level == 0).count() as u64,
        })
    }

    /// Checks what the values of a page take once they are decoded.
    fn check_decoded(&self, encoding: i32, values: &[u8]) -> Result<()> {
        let encoding = match encoding {
            encoding::DELTA_LENGTH_BYTE_ARRAY => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            encoding::DELTA_BYTE_ARRAY => Encoding::DELTA_BYTE_ARRAY,
            _ => return Ok(()),
        };
        let limit = self.limits.page_bytes_max as u64;
        let bytes = decoded_bytes(encoding, values, limit)
            .map_err(|source| Error::Parquet { place: self.chunk.place.to_string(), source })?;
        Error::check_limit("a page, decoded,", bytes, limit, "page_bytes_max")
    }

    /// What a page of `size` bytes begins with: `wanted` of them at least.
    fn decompress<'b>(
        &mut self,
        buffer: &'b mut Vec<u8>,
        page: &[u8],
        size: usize,
        wanted: usize,
        is_compressed: bool,
        offset: u64,
    ) -> Result<&'b [u8]> {
        buffer.clear();
        let is_compressed = is_compressed && self.chunk.codec != Compression::UNCOMPRESSED;
        if !is_compressed {
            let shown = if page.len() == size { wanted } else { page.len() };
            buffer.extend_from_slice(&page[..shown]);
        } else if size > 0 {
            // Writers store an empty page without a compressed form of nothing.
            let decompressed = match wanted < size {
                true => workbench::decompress_beginning(self.chunk.codec, page, size, wanted, buffer),
                false => workbench::decompress(self.chunk.codec, page, size, buffer),
            };
            decompressed.map_err(|source| Error::Parquet { place: self.chunk.place.to_string(), source })?;
        }
        if buffer.len() != size && (buffer.len() > size || buffer.len() < wanted) {
            return Err(self.malformed(offset, "a page is not as long as its header says"));
        }
        self.effort.bytes_decompressed += buffer.len() as u64;
        self.effort.pages_decoded += 1;
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
            Unreadable::Rounded => Error::Rounded { column: self.chunk.column.descriptor.path().string() },
            Unreadable::Library(source) => Error::Parquet { place: self.chunk.place.to_string(), source },
        }
    }
}

fn bad_levels(place: &str, offset: u64) -> Error {
    Error::malformed(offset, format!("{place}: a page's levels cannot be read"))
}

/// How many of a page's `size` bytes are enough, as far as can be reckoned, for the first `reach` of its `count` values: so much of it, and
/// what levels may take, and a little more. `None` where that is almost all.
fn enough(size: usize, reach: usize, count: usize) -> Option<usize> {
    const MORE: usize = 1 << 10;
    let share = (size as u128 * reach as u128 / count.max(1) as u128) as usize;
    let wanted = share + share / 16 + count / 8 + MORE;
    (wanted < size - size / 8).then_some(wanted)
}
