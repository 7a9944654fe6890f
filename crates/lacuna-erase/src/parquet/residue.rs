//! What a search of the rows does not see: values that a file still holds although no row has them.

use bytes::Bytes;
use lacuna_scan::parquet::resolve;
use lacuna_scan::{FieldTest, HeldValue, Limits, Matcher, Value};
use parquet::basic::{ConvertedType, Encoding, LogicalType, Type};
use parquet::bloom_filter::Sbbf;
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

use super::bloom::Bloom;
use super::codec::Codec;
use super::footer::{self, Chunk, Footer, Parsed, chunk_meta, column_chunk, file_meta, malformed};
use super::index::{self, ColumnIndex};
use super::laid::{Laid, lay};
use super::order::{Order, Side, explains};
use super::page::{Kind, Page, Pages};
use super::statistics::BOUNDS;
use super::strike::header_statistics;
use super::thrift::{Broken, Struct};
use super::values::decode_indices;
use crate::metadata::{self, normal};
use crate::{ReadAt, Residue, Result};

/// Looks for the values that `matcher` wants in the parts of a Parquet file that a search of its rows does not see:
/// - dictionary entries that no row refers to;
/// - minima and maxima in chunk statistics, page headers and column indexes, also shortened ones;
/// - Bloom filters: a value that is in the filter and would not be in one that is built from the rows alone;
/// - key-value metadata of the file and of column chunks, Arrow's schema in it included, as text between characters that are
///   neither letters nor digits, also where JSON escapes it; what pandas and Arrow say there of the table's structure is nobody's.
///
/// A value that a row of the same column chunk still has (in key-value metadata: of the column) is no residue: it is another
/// tenant's, or another reader's to judge. Values that are compared without case are looked for in Bloom filters in lower case
/// only.
///
/// # Errors
/// [`Error::Scan`](crate::Error::Scan) when the file cannot be read, or has no column at a mapped path.
pub fn residue(input: &dyn ReadAt, matcher: &Matcher, limits: &Limits) -> Result<Vec<Residue>> {
    let (bytes, start) = footer::read(input, limits)?;
    let footer = Footer::parse(input, &bytes, start, limits)?;
    let mut found = Vec::new();
    for test in matcher.fields().iter().filter(|test| test.is_wanted()) {
        let leaves = test.places(resolve(&footer.schema, test.column()))?;
        let leaves: Vec<usize> = leaves.into_iter().map(|leaf| leaf.column).collect();
        for &leaf in &leaves {
            let column = footer.schema.column(leaf);
            let groups = footer.row_groups.par_iter().with_max_len(1).map(|group| {
                let place = format!("row group from row {}, column `{}`", group.first_row, column.path().string());
                Search { input, limits, test, column: &column, chunk: &group.chunks[leaf], place }.run()
            });
            for places in groups.collect::<Vec<_>>() {
                found.extend(places?);
            }
        }
        found.extend(in_metadata(input, &footer, &leaves, test, limits).map_err(|stop| stop.at(start))?);
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found.dedup();
    Ok(found)
}

/// Whether a column chunk holds a value that `test` wants and none of its rows has.
pub(super) fn is_left_in(
    input: &dyn ReadAt,
    limits: &Limits,
    test: &FieldTest,
    column: &ColumnDescPtr,
    chunk: &Chunk<'_>,
) -> Result<bool> {
    Ok(!Search { input, limits, test, column, chunk, place: String::new() }.run()?.is_empty())
}

/// Whether `test` wants a value of this column in plain encoding.
pub(super) fn is_wanted(test: &FieldTest, column: &ColumnDescPtr, plain: &[u8]) -> bool {
    let mut digits = [0; 8];
    value_of(column, plain, &mut digits).is_some_and(|value| !test.owners(value).is_empty())
}

/// A value of this column in plain encoding, as a matcher looks for it.
pub(super) fn held(column: &ColumnDescPtr, plain: &[u8]) -> Option<HeldValue> {
    value_of(column, plain, &mut [0; 8]).and_then(HeldValue::of)
}

/// One column chunk.
struct Search<'a> {
    input: &'a dyn ReadAt,
    limits: &'a Limits,
    test: &'a FieldTest,
    column: &'a ColumnDescPtr,
    chunk: &'a Chunk<'a>,
    place: String,
}

/// What may be a residue, until a row explains it.
struct Suspect {
    part: &'static str,
    what: What,
}

enum What {
    /// An entry of the dictionary.
    Entry(usize),
    /// A minimum or maximum: a wanted value itself, or one that a wanted value may have been shortened to.
    Bound { side: Side, bound: Vec<u8>, is_exact: bool },
    /// A value that is in the Bloom filter.
    Filtered(Vec<u8>),
    /// A wanted value, normalised, that metadata holds.
    Word(Vec<u8>),
}

impl Search<'_> {
    fn run(&self) -> Result<Vec<Residue>> {
        let order = Order::of(self.column);
        let mut suspects = Vec::new();
        self.suspect_statistics(order, &mut suspects)?;
        let filter = Bloom::read(self.input, self.chunk, self.limits)?;
        if let Some(bloom) = &filter {
            let held = bloom.filter();
            for needle in plain_needles(self.test, self.column) {
                if held.check(needle.as_slice()) {
                    suspects.push(Suspect { part: "Bloom filter", what: What::Filtered(needle) });
                }
            }
        }
        self.suspect_pages(order, &mut suspects)?;
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let mut rebuilt = filter.as_ref().map(Bloom::empty);
        self.acquit(order, &mut suspects, rebuilt.as_mut())?;
        let guilty = suspects.into_iter().filter(|suspect| match &suspect.what {
            What::Filtered(needle) => !rebuilt.as_ref().is_some_and(|filter| filter.check(needle.as_slice())),
            What::Entry(_) | What::Bound { .. } | What::Word(_) => true,
        });
        Ok(guilty.map(|suspect| Residue { place: format!("{}: {}", self.place, suspect.part) }).collect())
    }

    /// Whether a value in plain encoding makes a row somebody's.
    fn is_wanted(&self, plain: &[u8]) -> bool {
        is_wanted(self.test, self.column, plain)
    }

    /// Chunk statistics and column index.
    fn suspect_statistics(&self, order: Order, suspects: &mut Vec<Suspect>) -> Result<()> {
        let broken = |broken| malformed(self.chunk.pages.start, broken);
        let raw = Struct::whole(self.chunk.raw).map_err(broken)?;
        if let Some(meta) = raw.inner(column_chunk::META_DATA).map_err(broken)?
            && let Some(statistics) = meta.inner(chunk_meta::STATISTICS).map_err(broken)?
        {
            self.suspect_bounds("statistics", &statistics, order, suspects).map_err(broken)?;
        }
        if let Some(range) = self.chunk.column_index.clone() {
            let offset = range.start;
            let index = ColumnIndex::read(&index::read(self.input, range, self.limits)?)
                .map_err(|broken| malformed(offset, broken))?;
            for page in index.pages.iter().filter(|page| !page.is_null) {
                self.suspect_bound("column index", Side::Min, &page.min, order, suspects);
                self.suspect_bound("column index", Side::Max, &page.max, order, suspects);
            }
        }
        Ok(())
    }

    fn suspect_bounds(
        &self,
        part: &'static str,
        statistics: &Struct<'_>,
        order: Order,
        suspects: &mut Vec<Suspect>,
    ) -> std::result::Result<(), Broken> {
        for (id, side) in BOUNDS {
            if let Some(bound) = statistics.binary(id)? {
                self.suspect_bound(part, side, bound, order, suspects);
            }
        }
        Ok(())
    }

    fn suspect_bound(&self, part: &'static str, side: Side, bound: &[u8], order: Order, suspects: &mut Vec<Suspect>) {
        let is_shortened = || {
            if !matches!(self.column.physical_type(), Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY) {
                return false;
            }
            let normal = normal(self.test, bound);
            needles(self.test, self.column).any(|needle| explains(order, side, needle, &normal))
        };
        let is_wanted = self.is_wanted(bound);
        if is_wanted || is_shortened() {
            // A bound of zero has the sign of its side, whatever sign the zeros of the rows have.
            let is_exact = is_wanted && !order.has_zeros();
            suspects.push(Suspect { part, what: What::Bound { side, bound: bound.to_vec(), is_exact } });
        }
    }

    /// Page headers and the dictionary.
    fn suspect_pages(&self, order: Order, suspects: &mut Vec<Suspect>) -> Result<()> {
        let mut codec = Codec::new(self.chunk.codec);
        let mut pages = Pages::heads(self.input, self.limits, self.chunk);
        while let Some(page) = pages.next_head()? {
            let broken = |broken| malformed(page.offset, broken);
            if page.kind == Kind::Dictionary {
                let bytes = pages.body(&page)?;
                for (at, value) in self.dictionary(page, &bytes, &mut codec)?.iter().enumerate() {
                    if self.is_wanted(value) {
                        suspects.push(Suspect { part: "dictionary", what: What::Entry(at) });
                    }
                }
                continue;
            }
            if !page.is_data() {
                continue;
            }
            if let Some(statistics) = header_statistics(&page, &pages.header(&page)?).map_err(broken)? {
                self.suspect_bounds("page header", &statistics, order, suspects).map_err(broken)?;
            }
        }
        Ok(())
    }

    fn dictionary(&self, page: Page, bytes: &Bytes, codec: &mut Codec) -> Result<Laid> {
        let encoded = page.unpack_dictionary(bytes, codec)?;
        lay(encoded, Encoding::PLAIN, page.count, self.column, self.limits, page.offset)
    }

    /// Takes away the suspects that a row explains, and adds the rows' values to `filter`.
    fn acquit(&self, order: Order, suspects: &mut Vec<Suspect>, mut filter: Option<&mut Sbbf>) -> Result<()> {
        let mut codec = Codec::new(self.chunk.codec);
        let mut pages = Pages::new(self.input, self.limits, self.chunk);
        let mut dictionary: Option<Laid> = None;
        let mut used: Vec<bool> = Vec::new();
        let mut explain = |value: &[u8]| {
            suspects.retain(|suspect| match &suspect.what {
                What::Bound { bound, is_exact: true, .. } => bound != value,
                What::Bound { side, bound, is_exact: false } => !explains(order, *side, value, bound),
                What::Word(word) => normal(self.test, value).trim_ascii() != word || !self.is_wanted(value),
                What::Entry(_) | What::Filtered(_) => true,
            });
            if let Some(filter) = &mut filter {
                filter.insert(value);
            }
        };
        while let Some((page, bytes)) = pages.next()? {
            if page.kind == Kind::Dictionary {
                let entries = dictionary.insert(self.dictionary(page, &bytes, &mut codec)?);
                used = vec![false; entries.len()];
            }
            if !page.is_data() {
                continue;
            }
            let unpacked = page.unpack(&bytes, &mut codec, self.column)?;
            if page.is_dictionary_encoded() {
                for index in decode_indices(&unpacked.encoded, unpacked.values, used.len(), page.offset)? {
                    used[index as usize] = true;
                }
            } else {
                let (encoded, count) = (unpacked.encoded, unpacked.values);
                let laid = lay(encoded, page.encoding, count, self.column, self.limits, page.offset)?;
                laid.iter().for_each(&mut explain);
            }
        }
        for (value, _) in dictionary.iter().flat_map(Laid::iter).zip(&used).filter(|(_, used)| **used) {
            explain(value);
        }
        suspects.retain(|suspect| match suspect.what {
            What::Entry(at) => !used.get(at).is_some_and(|&used| used),
            What::Bound { .. } | What::Filtered(_) | What::Word(_) => true,
        });
        Ok(())
    }
}

/// The byte strings that the test wants of a column of this type.
fn needles<'a>(test: &'a FieldTest, column: &ColumnDescPtr) -> impl Iterator<Item = &'a [u8]> {
    let needles = if is_text(column) { test.texts() } else { test.bytes() };
    needles.iter()
}

/// The wanted values as the column holds them in plain encoding, as far as they can be told.
pub(super) fn plain_needles(test: &FieldTest, column: &ColumnDescPtr) -> Vec<Vec<u8>> {
    // What rows held is wanted as these numbers alone, and not as their text.
    let numbers = || -> Box<dyn Iterator<Item = i128>> {
        if is_decimal(column) { Box::new(test.unscaled(scale(column))) } else { Box::new(test.ints()) }
    };
    match column.physical_type() {
        Type::INT32 if is_unsigned(column) => {
            numbers().filter_map(|number| Some(u32::try_from(number).ok()?.to_le_bytes().to_vec())).collect()
        }
        Type::INT32 => {
            numbers().filter_map(|number| Some(i32::try_from(number).ok()?.to_le_bytes().to_vec())).collect()
        }
        Type::INT64 if is_unsigned(column) => {
            numbers().filter_map(|number| Some(u64::try_from(number).ok()?.to_le_bytes().to_vec())).collect()
        }
        Type::INT64 => {
            numbers().filter_map(|number| Some(i64::try_from(number).ok()?.to_le_bytes().to_vec())).collect()
        }
        // Writers take as few bytes as hold the number.
        Type::BYTE_ARRAY if is_decimal(column) => {
            numbers().filter_map(|number| (1..=16).find_map(|length| big_endian(number, length))).collect()
        }
        Type::BYTE_ARRAY => needles(test, column).map(<[u8]>::to_vec).collect(),
        Type::FIXED_LEN_BYTE_ARRAY if is_decimal(column) => {
            let length = usize::try_from(column.type_length()).unwrap_or(0);
            numbers().filter_map(|number| big_endian(number, length)).collect()
        }
        Type::FIXED_LEN_BYTE_ARRAY => {
            let length = usize::try_from(column.type_length()).unwrap_or(0);
            needles(test, column).filter(|needle| needle.len() == length).map(<[u8]>::to_vec).collect()
        }
        Type::FLOAT => floats(test).filter_map(single).map(|float| float.to_le_bytes().to_vec()).collect(),
        Type::DOUBLE => floats(test).map(|float| float.to_le_bytes().to_vec()).collect(),
        Type::BOOLEAN | Type::INT96 => Vec::new(),
    }
}

/// The wanted floats; both zeros for zero.
fn floats(test: &FieldTest) -> impl Iterator<Item = f64> {
    test.floats().flat_map(|float| std::iter::once(float).chain((float == 0.0).then_some(-0.0)))
}

/// `float` in single precision, if that is the same number.
#[expect(clippy::cast_possible_truncation, reason = "what changes is left out")]
fn single(float: f64) -> Option<f32> {
    let single = float as f32;
    (f64::from(single) == float).then_some(single)
}

/// `number` as a two's complement of `length` bytes.
fn big_endian(number: i128, length: usize) -> Option<Vec<u8>> {
    let bytes = number.to_be_bytes();
    let fill = if number < 0 { 0xff } else { 0 };
    match length.checked_sub(bytes.len()) {
        Some(more) => Some([vec![fill; more], bytes.to_vec()].concat()),
        None => {
            let (cut, kept) = bytes.split_at(bytes.len() - length);
            let is_same = kept.first().is_some_and(|first| (first & 0x80 != 0) == (number < 0));
            (is_same && cut.iter().all(|&byte| byte == fill)).then(|| kept.to_vec())
        }
    }
}

/// A value in plain encoding as the matcher takes it, with `digits` as room for a decimal's; `None` for types that hold no
/// identifier.
fn value_of<'v>(column: &ColumnDescPtr, plain: &'v [u8], digits: &'v mut [u8; 8]) -> Option<Value<'v>> {
    let int: i64 = match column.physical_type() {
        Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY if is_decimal(column) => {
            return Some(Value::Decimal { unscaled: plain, scale: scale(column).into() });
        }
        Type::BYTE_ARRAY if is_text(column) => return Some(Value::Text(plain)),
        Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => return Some(Value::Bytes(plain)),
        Type::INT32 if is_unsigned(column) => u32::from_le_bytes(plain.try_into().ok()?).into(),
        Type::INT32 => i32::from_le_bytes(plain.try_into().ok()?).into(),
        Type::INT64 => i64::from_le_bytes(plain.try_into().ok()?),
        Type::FLOAT => return Some(Value::Single(f32::from_le_bytes(plain.try_into().ok()?))),
        Type::DOUBLE => return Some(Value::Double(f64::from_le_bytes(plain.try_into().ok()?))),
        Type::BOOLEAN | Type::INT96 => return None,
    };
    if is_decimal(column) {
        *digits = int.to_be_bytes();
        return Some(Value::Decimal { unscaled: digits, scale: scale(column).into() });
    }
    Some(Value::Int(if is_unsigned(column) { int.cast_unsigned().into() } else { int.into() }))
}

fn is_decimal(column: &ColumnDescPtr) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Decimal(_)))
        || column.converted_type() == ConvertedType::DECIMAL
}

fn scale(column: &ColumnDescPtr) -> u32 {
    if is_decimal(column) { u32::try_from(column.type_scale()).unwrap_or(0) } else { 0 }
}

fn is_text(column: &ColumnDescPtr) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::String | LogicalType::Enum | LogicalType::Json))
        || matches!(column.converted_type(), ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
}

fn is_unsigned(column: &ColumnDescPtr) -> bool {
    matches!(Order::of(column), Order::Unsigned32 | Order::Unsigned64)
}

/// Key-value metadata of the file and of the column's chunks.
fn in_metadata(
    input: &dyn ReadAt,
    footer: &Footer<'_>,
    leaves: &[usize],
    test: &FieldTest,
    limits: &Limits,
) -> Parsed<Vec<Residue>> {
    let mut found: Vec<(String, &[u8])> = Vec::new();
    let mut search = |place: &dyn Fn() -> String, holder: &Struct<'_>, id: i16| -> std::result::Result<(), Broken> {
        let Some(pairs) = holder.list(id)? else { return Ok(()) };
        for pair in pairs.structs() {
            let pair = pair?;
            let (key, value) = (pair.binary(1)?.unwrap_or_default(), pair.binary(2)?.unwrap_or_default());
            found.extend(metadata::held(key, value, test).into_iter().map(|needle| (place(), needle)));
        }
        Ok(())
    };
    search(&|| "key-value metadata of the file".to_owned(), &footer.file, file_meta::KEY_VALUE)?;
    for group in &footer.row_groups {
        for (at, chunk) in group.chunks.iter().enumerate() {
            let raw = Struct::whole(chunk.raw)?;
            let Some(meta) = raw.inner(column_chunk::META_DATA)? else { continue };
            let name = || {
                let path = footer.schema.column(at).path().string();
                format!("row group from row {}, column `{path}`: key-value metadata", group.first_row)
            };
            search(&name, &meta, chunk_meta::KEY_VALUE)?;
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // A value that rows of the column still have is theirs.
    let word = |(_, needle): &(String, &[u8])| Suspect { part: "", what: What::Word(needle.to_vec()) };
    let mut suspects: Vec<Suspect> = found.iter().map(word).collect();
    for &leaf in leaves {
        let column = footer.schema.column(leaf);
        for group in &footer.row_groups {
            let place = String::new();
            let search = Search { input, limits, test, column: &column, chunk: &group.chunks[leaf], place };
            search.acquit(Order::of(&column), &mut suspects, None)?;
        }
    }
    let is_guilty =
        |needle: &[u8]| suspects.iter().any(|suspect| matches!(&suspect.what, What::Word(word) if word == needle));
    found.retain(|(_, needle)| is_guilty(needle));
    Ok(found.into_iter().map(|(place, _)| Residue { place }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_columns_hold_them() {
        assert_eq!(big_endian(-2, 3), Some(vec![0xff, 0xff, 0xfe]));
        assert_eq!(big_endian(200, 1), None);
        assert_eq!(big_endian(1, 17).map(|bytes| bytes.len()), Some(17));
    }
}
