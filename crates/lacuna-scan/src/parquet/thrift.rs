//! Thrift's compact protocol, as far as page headers and page indexes need it.

/// Why reading stopped: the bytes end, or they make no sense.
pub(super) enum Stop {
    End,
    Bad(&'static str),
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The compact protocol's types.
pub(super) mod kind {
    pub(crate) const TRUE: u8 = 1;
    pub(crate) const FALSE: u8 = 2;
    pub(crate) const BYTE: u8 = 3;
    pub(crate) const I16: u8 = 4;
    pub(crate) const I64: u8 = 6;
    pub(crate) const DOUBLE: u8 = 7;
    pub(crate) const BINARY: u8 = 8;
    pub(crate) const LIST: u8 = 9;
    pub(crate) const SET: u8 = 10;
    pub(crate) const MAP: u8 = 11;
    pub(crate) const STRUCT: u8 = 12;
}

/// Structs nest this deep at most; no header comes near.
const DEPTH_MAX: usize = 32;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Calls `read` with each field's number and type until the struct ends.
    pub(super) fn fields(&mut self, mut read: impl FnMut(&mut Self, i64, u8) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            let delta = i64::from(head >> 4);
            field = if delta == 0 { self.zigzag()? } else { field + delta };
            read(self, field, head & 15)?;
        }
    }

    pub(super) fn skip(&mut self, kind: u8, depth: usize) -> Result<(), Stop> {
        if depth > DEPTH_MAX {
            return Err(Stop::Bad("a page header nests too deep"));
        }
        match kind {
            kind::TRUE | kind::FALSE => {}
            kind::BYTE => drop(self.byte()?),
            kind::I16..=kind::I64 => drop(self.varint()?),
            kind::DOUBLE => self.advance(8)?,
            kind::BINARY => {
                let length = self.varint()?;
                self.advance(usize::try_from(length).map_err(|_| Stop::Bad("a page header's length is absurd"))?)?;
            }
            kind::LIST | kind::SET => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    self.skip_element(head & 15, depth + 1)?;
                }
            }
            kind::MAP => {
                let count = self.varint()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                for _ in 0..count {
                    self.skip_element(kinds >> 4, depth + 1)?;
                    self.skip_element(kinds & 15, depth + 1)?;
                }
            }
            kind::STRUCT => self.fields(|reader, _, kind| reader.skip(kind, depth + 1))?,
            _ => return Err(Stop::Bad("a page header has a field of an unknown type")),
        }
        Ok(())
    }

    /// Booleans take a byte in collections and none in fields.
    fn skip_element(&mut self, kind: u8, depth: usize) -> Result<(), Stop> {
        if matches!(kind, kind::TRUE | kind::FALSE) { self.byte().map(drop) } else { self.skip(kind, depth) }
    }

    fn advance(&mut self, bytes: usize) -> Result<(), Stop> {
        let end = self.at.checked_add(bytes).ok_or(Stop::Bad("a page header's length is absurd"))?;
        if end > self.bytes.len() {
            return Err(Stop::End);
        }
        self.at = end;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.at).ok_or(Stop::End)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::Bad("a page header's number is too long"))
    }

    pub(super) fn zigzag(&mut self) -> Result<i64, Stop> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn int(&mut self) -> Result<i32, Stop> {
        i32::try_from(self.zigzag()?).map_err(|_| Stop::Bad("a page header's number is out of range"))
    }

    pub(super) fn size(&mut self) -> Result<usize, Stop> {
        usize::try_from(self.int()?).map_err(|_| Stop::Bad("a page header's size is negative"))
    }

    /// Calls `read` for each element of a list, with the elements' type.
    pub(super) fn list(&mut self, mut read: impl FnMut(&mut Self, u8) -> Result<(), Stop>) -> Result<(), Stop> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        (0..count).try_for_each(|_| read(self, head & 15))
    }

    /// A boolean in a list.
    pub(super) fn bool(&mut self) -> Result<bool, Stop> {
        Ok(self.byte()? == kind::TRUE)
    }

    /// Bytes with their length in front.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Stop> {
        let length = usize::try_from(self.varint()?).map_err(|_| Stop::Bad("a length is absurd"))?;
        let start = self.at;
        self.advance(length)?;
        Ok(&self.bytes[start..self.at])
    }
}
