//! Thrift structs edited in place: a struct is split into its fields, a few of them are replaced, and it is written again.
//!
//! What is not touched stays the bytes it was, so a footer keeps the fields that this version knows nothing of. The wire
//! format is Thrift's compact protocol, which all Parquet metadata uses:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use std::borrow::Cow;

/// Why bytes are no Thrift struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// They end too early; more of them may help.
    End,
    /// They cannot be right.
    Wrong(&'static str),
}

type Result<T> = std::result::Result<T, Broken>;

/// The types that a field or a list element can have.
pub(super) mod ty {
    pub(crate) const TRUE: u8 = 1;
    pub(crate) const FALSE: u8 = 2;
    pub(crate) const BYTE: u8 = 3;
    pub(crate) const I16: u8 = 4;
    pub(crate) const I32: u8 = 5;
    pub(crate) const I64: u8 = 6;
    pub(crate) const DOUBLE: u8 = 7;
    pub(crate) const BINARY: u8 = 8;
    pub(crate) const LIST: u8 = 9;
    pub(crate) const SET: u8 = 10;
    pub(crate) const MAP: u8 = 11;
    pub(crate) const STRUCT: u8 = 12;
    pub(crate) const UUID: u8 = 13;
}

/// Parquet nests a handful of levels.
const NESTING_MAX: usize = 32;

#[derive(Clone, Debug)]
struct Field<'a> {
    id: i16,
    ty: u8,
    /// The value as it is written, without the field's header. Empty for booleans: their type is their value.
    raw: Cow<'a, [u8]>,
}

/// One struct, split into its fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Struct<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Struct<'a> {
    /// Reads the struct in front of `bytes`, and says how many of them it takes.
    pub(super) fn read(bytes: &'a [u8]) -> Result<(Self, usize)> {
        let mut reader = Reader { bytes, at: 0 };
        let mut fields = Vec::new();
        let mut last = 0;
        while let Some((id, ty)) = reader.field_header(&mut last)? {
            let start = reader.at;
            reader.skip(ty, 0)?;
            fields.push(Field { id, ty, raw: Cow::Borrowed(&bytes[start..reader.at]) });
        }
        Ok((Self { fields }, reader.at))
    }

    /// Reads `bytes`, which are one struct and nothing else.
    pub(super) fn whole(bytes: &'a [u8]) -> Result<Self> {
        Ok(Self::read(bytes)?.0)
    }

    fn find(&self, id: i16) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.id == id)
    }

    fn typed(&self, id: i16, ty: u8) -> Result<Option<&[u8]>> {
        match self.find(id) {
            None => Ok(None),
            Some(field) if field.ty == ty => Ok(Some(&field.raw)),
            Some(_) => Err(Broken::Wrong("a metadata field has another type than its format says")),
        }
    }

    pub(super) fn has(&self, id: i16) -> bool {
        self.find(id).is_some()
    }

    /// An integer of 16, 32 or 64 bits.
    pub(super) fn int(&self, id: i16) -> Result<Option<i64>> {
        match self.find(id) {
            None => Ok(None),
            Some(field) if matches!(field.ty, ty::I16 | ty::I32 | ty::I64) => {
                Ok(Some(unzigzag(Reader { bytes: &field.raw, at: 0 }.varint()?)))
            }
            Some(_) => Err(Broken::Wrong("a metadata field has another type than its format says")),
        }
    }

    /// A count, size or position that must be there and not be negative.
    pub(super) fn size(&self, id: i16) -> Result<u64> {
        self.size_if(id)?.ok_or(Broken::Wrong("a metadata field is missing"))
    }

    /// A count, size or position that must not be negative.
    pub(super) fn size_if(&self, id: i16) -> Result<Option<u64>> {
        match self.int(id)? {
            None => Ok(None),
            Some(value) => {
                Ok(Some(u64::try_from(value).map_err(|_| Broken::Wrong("a size in the metadata is negative"))?))
            }
        }
    }

    pub(super) fn bool(&self, id: i16) -> Option<bool> {
        self.find(id).and_then(|field| match field.ty {
            ty::TRUE => Some(true),
            ty::FALSE => Some(false),
            _ => None,
        })
    }

    pub(super) fn binary(&self, id: i16) -> Result<Option<&[u8]>> {
        match self.typed(id, ty::BINARY)? {
            None => Ok(None),
            Some(raw) => Ok(Some(Reader { bytes: raw, at: 0 }.binary()?)),
        }
    }

    pub(super) fn inner(&self, id: i16) -> Result<Option<Struct<'_>>> {
        self.typed(id, ty::STRUCT)?.map(Struct::whole).transpose()
    }

    pub(super) fn list(&self, id: i16) -> Result<Option<List<'_>>> {
        self.typed(id, ty::LIST)?.map(List::read).transpose()
    }

    /// A list that lives as long as the bytes that the struct was read from; one that was set since is an error.
    pub(super) fn source_list(&self, id: i16) -> Result<Option<List<'a>>> {
        match self.find(id) {
            None => Ok(None),
            Some(Field { ty: ty::LIST, raw: Cow::Borrowed(raw), .. }) => List::read(raw).map(Some),
            Some(_) => Err(Broken::Wrong("a metadata field has another type than its format says")),
        }
    }

    /// Bytes that live as long as those that the struct was read from; ones that were set since are an error.
    pub(super) fn source_binary(&self, id: i16) -> Result<Option<&'a [u8]>> {
        match self.find(id) {
            None => Ok(None),
            Some(Field { ty: ty::BINARY, raw: Cow::Borrowed(raw), .. }) => {
                Ok(Some(Reader { bytes: raw, at: 0 }.binary()?))
            }
            Some(_) => Err(Broken::Wrong("a metadata field has another type than its format says")),
        }
    }

    /// Puts a field in, or in the place of the one there.
    fn set(&mut self, id: i16, ty: u8, raw: Vec<u8>) {
        let field = Field { id, ty, raw: Cow::Owned(raw) };
        // Writers may put fields in any order.
        if let Some(old) = self.fields.iter_mut().find(|old| old.id == id) {
            *old = field;
            return;
        }
        let at = self.fields.iter().position(|other| other.id > id).unwrap_or(self.fields.len());
        self.fields.insert(at, field);
    }

    pub(super) fn set_i16(&mut self, id: i16, value: i16) {
        self.set(id, ty::I16, varint(zigzag(value.into())));
    }

    pub(super) fn set_i32(&mut self, id: i16, value: i32) {
        self.set(id, ty::I32, varint(zigzag(value.into())));
    }

    pub(super) fn set_i64(&mut self, id: i16, value: i64) {
        self.set(id, ty::I64, varint(zigzag(value)));
    }

    pub(super) fn set_bool(&mut self, id: i16, value: bool) {
        self.set(id, if value { ty::TRUE } else { ty::FALSE }, Vec::new());
    }

    pub(super) fn set_binary(&mut self, id: i16, value: &[u8]) {
        let mut raw = varint(value.len() as u64);
        raw.extend_from_slice(value);
        self.set(id, ty::BINARY, raw);
    }

    pub(super) fn set_inner(&mut self, id: i16, inner: &Struct<'_>) {
        self.set(id, ty::STRUCT, inner.to_vec());
    }

    pub(super) fn set_list(&mut self, id: i16, list: ListWriter) {
        self.set(id, ty::LIST, list.finish());
    }

    pub(super) fn remove(&mut self, id: i16) {
        self.fields.retain(|field| field.id != id);
    }

    /// Takes out all fields that are not in `ids`.
    pub(super) fn retain(&mut self, ids: &[i16]) {
        self.fields.retain(|field| ids.contains(&field.id));
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut last = 0_i16;
        for field in &self.fields {
            match field.id.checked_sub(last) {
                // 1 to 15 fit beside the type.
                Some(delta @ 1..=15) => out.push((delta.unsigned_abs().to_le_bytes()[0] << 4) | field.ty),
                _ => {
                    out.push(field.ty);
                    out.extend(varint(zigzag(field.id.into())));
                }
            }
            last = field.id;
            out.extend_from_slice(&field.raw);
        }
        out.push(0);
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The struct with bytes of its own.
    pub(super) fn into_owned(self) -> Struct<'static> {
        let own = |field: Field<'a>| Field { id: field.id, ty: field.ty, raw: Cow::Owned(field.raw.into_owned()) };
        Struct { fields: self.fields.into_iter().map(own).collect() }
    }
}

/// A list whose elements are looked at one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    element: u8,
    count: usize,
    raw: &'a [u8],
}

impl<'a> List<'a> {
    fn read(raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader { bytes: raw, at: 0 };
        let (element, count) = reader.list_header()?;
        Ok(Self { element, count, raw: &raw[reader.at..] })
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The elements as they are written.
    pub(super) fn items(&self) -> impl Iterator<Item = Result<&'a [u8]>> + use<'a> {
        let Self { element, count, raw } = *self;
        let mut reader = Reader { bytes: raw, at: 0 };
        (0..count).map(move |_| {
            let start = reader.at;
            reader.skip_element(element, 0)?;
            Ok(&raw[start..reader.at])
        })
    }

    pub(super) fn structs(&self) -> impl Iterator<Item = Result<Struct<'a>>> + use<'a> {
        let is_struct = self.element == ty::STRUCT;
        self.items().map(move |item| match item {
            Ok(raw) if is_struct => Struct::whole(raw),
            Ok(_) => Err(Broken::Wrong("a list in the metadata holds something else than structs")),
            Err(broken) => Err(broken),
        })
    }

    pub(super) fn ints(&self) -> impl Iterator<Item = Result<i64>> + use<'a> {
        let is_int = matches!(self.element, ty::I16 | ty::I32 | ty::I64);
        self.items().map(move |item| match item {
            Ok(raw) if is_int => Ok(unzigzag(Reader { bytes: raw, at: 0 }.varint()?)),
            Ok(_) => Err(Broken::Wrong("a list in the metadata holds something else than numbers")),
            Err(broken) => Err(broken),
        })
    }

    pub(super) fn binaries(&self) -> impl Iterator<Item = Result<&'a [u8]>> + use<'a> {
        let is_binary = self.element == ty::BINARY;
        self.items().map(move |item| match item {
            Ok(raw) if is_binary => Reader { bytes: raw, at: 0 }.binary(),
            Ok(_) => Err(Broken::Wrong("a list in the metadata holds something else than bytes")),
            Err(broken) => Err(broken),
        })
    }

    pub(super) fn bools(&self) -> impl Iterator<Item = Result<bool>> + use<'a> {
        self.items().map(|item| Ok(item? == [ty::TRUE]))
    }
}

/// A list that grows.
#[derive(Debug)]
pub(super) struct ListWriter {
    element: u8,
    count: usize,
    raw: Vec<u8>,
}

impl ListWriter {
    pub(super) fn new(element: u8) -> Self {
        Self { element, count: 0, raw: Vec::new() }
    }

    /// Adds an element as it is written.
    pub(super) fn push_raw(&mut self, raw: &[u8]) {
        self.raw.extend_from_slice(raw);
        self.count += 1;
    }

    pub(super) fn push_struct(&mut self, value: &Struct<'_>) {
        value.write(&mut self.raw);
        self.count += 1;
    }

    pub(super) fn push_int(&mut self, value: i64) {
        self.raw.extend(varint(zigzag(value)));
        self.count += 1;
    }

    pub(super) fn push_bool(&mut self, value: bool) {
        self.push_raw(&[if value { ty::TRUE } else { ty::FALSE }]);
    }

    pub(super) fn push_binary(&mut self, value: &[u8]) {
        self.raw.extend(varint(value.len() as u64));
        self.push_raw(value);
    }

    /// The list of these numbers.
    pub(super) fn of_i64(values: impl IntoIterator<Item = i64>) -> Self {
        let mut list = Self::new(ty::I64);
        values.into_iter().for_each(|value| list.push_int(value));
        list
    }

    fn finish(self) -> Vec<u8> {
        let mut out = match u8::try_from(self.count) {
            Ok(count @ 0..=14) => vec![(count << 4) | self.element],
            _ => {
                let mut out = vec![0xf0 | self.element];
                out.extend(varint(self.count as u64));
                out
            }
        };
        out.extend(self.raw);
        out
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Broken::End)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let count = usize::try_from(count).map_err(|_| Broken::End)?;
        let taken = rest.get(..count).ok_or(Broken::End)?;
        self.at += count;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken::Wrong("a number in the metadata is too long"))
    }

    fn binary(&mut self) -> Result<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }

    /// The next field's id and type; `None` at the end of the struct.
    fn field_header(&mut self, last: &mut i16) -> Result<Option<(i16, u8)>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let wrong = Broken::Wrong("a metadata field has an impossible id");
        let id = match byte >> 4 {
            0 => i16::try_from(unzigzag(self.varint()?)).map_err(|_| wrong)?,
            delta => last.checked_add(delta.into()).ok_or(wrong)?,
        };
        *last = id;
        Ok(Some((id, byte & 0xf)))
    }

    fn list_header(&mut self) -> Result<(u8, usize)> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => usize::try_from(self.varint()?).map_err(|_| Broken::End)?,
            count => count.into(),
        };
        // Each element takes a byte at least.
        if count > self.bytes.len() - self.at {
            return Err(Broken::End);
        }
        Ok((byte & 0xf, count))
    }

    fn skip(&mut self, ty: u8, depth: usize) -> Result<()> {
        match ty {
            // As a field, a boolean's type is its value.
            ty::TRUE | ty::FALSE => Ok(()),
            _ => self.skip_element(ty, depth),
        }
    }

    fn skip_element(&mut self, ty: u8, depth: usize) -> Result<()> {
        if depth > NESTING_MAX {
            return Err(Broken::Wrong("the metadata nests too deep"));
        }
        match ty {
            ty::TRUE | ty::FALSE | ty::BYTE => self.take(1).map(drop),
            ty::I16 | ty::I32 | ty::I64 => self.varint().map(drop),
            ty::DOUBLE => self.take(8).map(drop),
            ty::BINARY => self.binary().map(drop),
            ty::UUID => self.take(16).map(drop),
            ty::LIST | ty::SET => {
                let (element, count) = self.list_header()?;
                (0..count).try_for_each(|_| self.skip_element(element, depth + 1))
            }
            ty::MAP => {
                let count = self.varint()?;
                if count == 0 {
                    return Ok(());
                }
                let types = self.byte()?;
                if count > (self.bytes.len() - self.at) as u64 {
                    return Err(Broken::End);
                }
                (0..count).try_for_each(|_| {
                    self.skip_element(types >> 4, depth + 1)?;
                    self.skip_element(types & 0xf, depth + 1)
                })
            }
            ty::STRUCT => {
                let mut last = 0;
                while let Some((_, ty)) = self.field_header(&mut last)? {
                    self.skip(ty, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(Broken::Wrong("the metadata holds a value of an unknown type")),
        }
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(10);
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Struct<'static> {
        let mut inner = Struct::default();
        inner.set_i64(1, i64::MIN);
        inner.set_bool(2, false);
        let mut list = ListWriter::new(ty::STRUCT);
        (0..20).for_each(|_| list.push_struct(&inner));
        let mut value = Struct::default();
        value.set_i32(1, -3);
        value.set_binary(40, b"beyond a short id");
        value.set_list(3, list);
        value.set_bool(2, true);
        value.set_list(4, ListWriter::of_i64([1, -1, 1 << 40]));
        value
    }

    #[test]
    fn what_is_not_touched_stays_the_same_bytes() {
        let bytes = sample().to_vec();
        let (read, length) = Struct::read(&bytes).unwrap();
        assert_eq!((length, read.to_vec()), (bytes.len(), bytes.clone()));
        assert_eq!(read.int(1), Ok(Some(-3)));
        assert_eq!(read.bool(2), Some(true));
        assert_eq!(read.binary(40), Ok(Some(&b"beyond a short id"[..])));
        assert_eq!(read.list(4).unwrap().unwrap().ints().collect::<Result<Vec<_>>>(), Ok(vec![1, -1, 1 << 40]));
        let inner: Vec<_> = read.list(3).unwrap().unwrap().structs().collect::<Result<_>>().unwrap();
        assert_eq!((inner.len(), inner[19].int(1), inner[19].bool(2)), (20, Ok(Some(i64::MIN)), Some(false)));
    }

    #[test]
    fn cut_off_anywhere_is_an_end() {
        let bytes = sample().to_vec();
        for cut in 0..bytes.len() {
            assert_eq!(Struct::read(&bytes[..cut]).unwrap_err(), Broken::End, "{cut}");
        }
    }

    #[test]
    fn forged_counts_and_depths_are_refused() {
        // A list that claims two billion structs, and lists in lists without end.
        assert!(Struct::read(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00]).is_err());
        let mut deep = vec![0x19];
        deep.extend([0x19; 100]);
        assert!(Struct::read(&deep).is_err());
    }
}
