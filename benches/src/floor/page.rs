//! Page headers, as far as a floor needs them: where a page's bytes lie and how many they become.

use anyhow::{Context, Result, bail, ensure};

/// A page's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the header itself.
    pub(super) length: usize,
    /// Bytes of the page as stored.
    pub(super) compressed: usize,
    /// Bytes of the page.
    pub(super) uncompressed: usize,
    /// Whether it is a dictionary, and not data.
    pub(super) is_dictionary: bool,
    /// Values of a data page, nulls among them.
    pub(super) values: u64,
    /// Whether a data page holds indices into the dictionary.
    pub(super) is_indices: bool,
}

impl Header {
    /// Reads the header that `bytes` start with.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { bytes, at: 0 };
        let mut header = Self::default();
        let mut kind = -1;
        reader.fields(&mut |reader, field, wire| {
            match field {
                1 => kind = reader.number()?,
                2 => header.uncompressed = usize::try_from(reader.number()?)?,
                3 => header.compressed = usize::try_from(reader.number()?)?,
                5 => reader.fields(&mut |reader, field, wire| {
                    match field {
                        1 => header.values = u64::try_from(reader.number()?)?,
                        // PLAIN_DICTIONARY, RLE_DICTIONARY
                        2 => header.is_indices = matches!(reader.number()?, 2 | 8),
                        _ => reader.skip(wire)?,
                    }
                    Ok(())
                })?,
                _ => reader.skip(wire)?,
            }
            Ok(())
        })?;
        // Version 2 pages compress only a part of themselves; the corpora have none.
        ensure!(matches!(kind, 0 | 2), "a page is neither data of version 1 nor a dictionary");
        header.is_dictionary = kind == 2;
        header.length = reader.at;
        Ok(header)
    }
}

/// Thrift's compact protocol.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Field<'f> = &'f mut dyn FnMut(&mut Reader<'_>, i64, u8) -> Result<()>;

impl Reader<'_> {
    /// Calls `read` with each field's number and wire type until the struct ends.
    fn fields(&mut self, read: Field<'_>) -> Result<()> {
        let mut field = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = if head >> 4 == 0 { self.number()? } else { field + i64::from(head >> 4) };
            read(self, field, head & 15)?;
        }
    }

    fn skip(&mut self, wire: u8) -> Result<()> {
        match wire {
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => self.at += 8,
            8 => self.at += usize::try_from(self.varint()?)?,
            12 => self.fields(&mut |reader, _, wire| reader.skip(wire))?,
            other => bail!("a page header has a field of type {other}"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        bail!("a page header's number is too long")
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).context("a page header is cut off")?;
        self.at += 1;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_where_pages_end() {
        // type=0 (data), uncompressed=100, compressed=50, crc=-1, data header {values=10, encoding=8, def=3, rep=3}
        let bytes = [0x15, 0, 0x15, 200, 1, 0x15, 100, 0x15, 1, 0x1c, 0x15, 20, 0x15, 16, 0x15, 6, 0x15, 6, 0, 0, 99];
        let wanted = Header {
            length: bytes.len() - 1,
            compressed: 50,
            uncompressed: 100,
            is_dictionary: false,
            values: 10,
            is_indices: true,
        };
        assert_eq!(Header::read(&bytes).unwrap(), wanted);
        assert!(Header::read(&bytes[..10]).is_err());
    }
}
