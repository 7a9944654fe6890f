//! Page headers, read from the Thrift compact protocol.
//!
//! The search needs to know where a page ends before it has the page, and needs no statistics from it; so it reads the few
//! fields it wants here and skips the rest. Field numbers are those of the format's `parquet.thrift`.

use super::thrift::{Reader, Stop, kind};
use crate::{Error, Limits, Result};

/// What a page's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Bytes of the page once decompressed; levels and values.
    pub(super) uncompressed_bytes: usize,
    /// Bytes of the page as stored, behind the header.
    pub(super) compressed_bytes: usize,
    /// CRC-32 of the stored bytes.
    pub(super) crc: Option<u32>,
    pub(super) kind: PageKind,
}

/// The kinds of pages that a search meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    Dictionary {
        values: usize,
        encoding: i32,
    },
    DataV1 {
        values: usize,
        encoding: i32,
        def_encoding: i32,
        rep_encoding: i32,
    },
    DataV2 {
        values: usize,
        encoding: i32,
        def_bytes: usize,
        rep_bytes: usize,
        is_compressed: bool,
    },
    /// An index page or one of a later version of the format: skipped.
    Other,
}

/// Encodings by their number in `parquet.thrift`.
pub(super) mod encoding {
    pub(crate) const PLAIN: i32 = 0;
    pub(crate) const PLAIN_DICTIONARY: i32 = 2;
    pub(crate) const RLE: i32 = 3;
    pub(crate) const BIT_PACKED: i32 = 4;
    pub(crate) const DELTA_BINARY_PACKED: i32 = 5;
    pub(crate) const DELTA_LENGTH_BYTE_ARRAY: i32 = 6;
    pub(crate) const DELTA_BYTE_ARRAY: i32 = 7;
    pub(crate) const RLE_DICTIONARY: i32 = 8;
    pub(crate) const BYTE_STREAM_SPLIT: i32 = 9;
}

/// Reads the header that `bytes` start with, and how many bytes it takes. `None` when `bytes` end within it.
pub(super) fn page_header(bytes: &[u8], offset: u64) -> Result<Option<(PageHeader, usize)>> {
    let mut reader = Reader::new(bytes);
    match reader.page_header() {
        Ok(header) => Ok(Some((header, reader.at()))),
        Err(Stop::End) => Ok(None),
        Err(Stop::Bad(what)) => Err(Error::malformed(offset, what)),
    }
}

/// Checks the headers of the pages that `bytes` consist of, before anything makes room for what they say they expand to.
/// `offset` is where in the file they start.
pub fn check_pages(bytes: &[u8], offset: u64, limits: &Limits) -> Result<()> {
    let limit = limits.page_bytes_max as u64;
    let mut at = 0;
    while let Some((header, length)) = page_header(&bytes[at..], offset + at as u64)? {
        Error::check_limit("a decompressed page", header.uncompressed_bytes as u64, limit, "page_bytes_max")?;
        match at.checked_add(length).and_then(|at| at.checked_add(header.compressed_bytes)) {
            Some(next) if next < bytes.len() => at = next,
            _ => break,
        }
    }
    Ok(())
}

/// Whether a file's metadata names an encryption algorithm: a footer in plain text above encrypted columns.
pub(super) fn names_encryption(file_metadata: &[u8]) -> bool {
    let mut reader = Reader::new(file_metadata);
    let mut encrypted = false;
    let walked = reader.fields(|reader, field, kind| {
        encrypted |= field == 8;
        reader.skip(kind, 0)
    });
    walked.is_ok() && encrypted
}

impl Reader<'_> {
    fn page_header(&mut self) -> Result<PageHeader, Stop> {
        let (mut page_type, mut uncompressed, mut compressed, mut crc) = (None, None, None, None);
        let (mut v1, mut dictionary, mut v2) = (None, None, None);
        self.fields(|reader, field, kind| {
            match field {
                1 => page_type = Some(reader.int()?),
                2 => uncompressed = Some(reader.size()?),
                3 => compressed = Some(reader.size()?),
                4 => crc = Some(reader.int()? as u32),
                5 => v1 = Some(reader.data_v1()?),
                7 => dictionary = Some(reader.dictionary()?),
                8 => v2 = Some(reader.data_v2()?),
                _ => reader.skip(kind, 0)?,
            }
            Ok(())
        })?;
        let missing = Stop::Bad("a page header lacks a required field");
        let (Some(page_type), Some(uncompressed_bytes), Some(compressed_bytes)) = (page_type, uncompressed, compressed)
        else {
            return Err(missing);
        };
        let kind = match page_type {
            0 => v1.ok_or(missing)?,
            2 => dictionary.ok_or(missing)?,
            3 => v2.ok_or(missing)?,
            _ => PageKind::Other,
        };
        Ok(PageHeader { uncompressed_bytes, compressed_bytes, crc, kind })
    }

    fn data_v1(&mut self) -> Result<PageKind, Stop> {
        let (mut values, mut encoding, mut def_encoding, mut rep_encoding) = (0, 0, encoding::RLE, encoding::RLE);
        self.fields(|reader, field, kind| {
            match field {
                1 => values = reader.size()?,
                2 => encoding = reader.int()?,
                3 => def_encoding = reader.int()?,
                4 => rep_encoding = reader.int()?,
                _ => reader.skip(kind, 0)?,
            }
            Ok(())
        })?;
        Ok(PageKind::DataV1 { values, encoding, def_encoding, rep_encoding })
    }

    fn dictionary(&mut self) -> Result<PageKind, Stop> {
        let (mut values, mut encoding) = (0, 0);
        self.fields(|reader, field, kind| {
            match field {
                1 => values = reader.size()?,
                2 => encoding = reader.int()?,
                _ => reader.skip(kind, 0)?,
            }
            Ok(())
        })?;
        Ok(PageKind::Dictionary { values, encoding })
    }

    fn data_v2(&mut self) -> Result<PageKind, Stop> {
        let (mut values, mut encoding, mut def_bytes, mut rep_bytes) = (0, 0, 0, 0);
        let mut is_compressed = true;
        self.fields(|reader, field, kind| {
            match field {
                1 => values = reader.size()?,
                4 => encoding = reader.int()?,
                5 => def_bytes = reader.size()?,
                6 => rep_bytes = reader.size()?,
                // A boolean field's value is its type.
                7 => is_compressed = kind == kind::TRUE,
                _ => reader.skip(kind, 0)?,
            }
            Ok(())
        })?;
        Ok(PageKind::DataV2 { values, encoding, def_bytes, rep_bytes, is_compressed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // type=0 (data), uncompressed=100, compressed=50, crc=-1, data header {values=10, encoding=0, def=3, rep=3}
    const V1: &[u8] = &[0x15, 0, 0x15, 200, 1, 0x15, 100, 0x15, 1, 0x1c, 0x15, 20, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0];

    #[test]
    fn reads_a_data_page_header() {
        let (header, length) = page_header(&[V1, b"page"].concat(), 0).unwrap().unwrap();
        assert_eq!(length, V1.len());
        assert_eq!((header.uncompressed_bytes, header.compressed_bytes, header.crc), (100, 50, Some(u32::MAX)));
        assert_eq!(
            header.kind,
            PageKind::DataV1 { values: 10, encoding: encoding::PLAIN, def_encoding: 3, rep_encoding: 3 }
        );
    }

    #[test]
    fn asks_for_more_until_the_header_is_whole() {
        for length in 0..V1.len() {
            assert!(page_header(&V1[..length], 0).unwrap().is_none(), "{length}");
        }
    }

    #[test]
    fn negative_sizes_are_malformed() {
        assert!(page_header(&[0x15, 0, 0x15, 1, 0x15, 100, 0], 7).is_err());
    }
}
